//! Guard: what every request must be, and what every response says to browsers.
//!
//! There is no password, so the guard keeps out what a browser on this machine could be tricked into: a foreign page whose
//! host name was made to resolve to this machine (DNS rebinding) is told by the `Host` header, and refused. It decides
//! nothing by path.

use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::routes::refuse;

/// Names of this machine, as they stand in a `Host` header.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// `default-src` does not stand in for the last three.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const RESPONSE_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // Everything here is of the moment, and some of it personal.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Refuses what must not come in, and adds the headers to whatever goes out.
pub(crate) async fn guard(State(port): State<u16>, request: Request, next: Next) -> Response {
    let mut response = match refusal(&request, port) {
        Some(response) => response,
        None => next.run(request).await,
    };
    for (name, value) in RESPONSE_HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

fn refusal(request: &Request, port: u16) -> Option<Response> {
    // A request may name its host a second time, in its first line.
    let in_line = request.uri().authority().map(|authority| authority.as_str());
    if !is_this_machine(request.headers(), port) || in_line.is_some_and(|host| !is_ours(host, port)) {
        let says = format!(
            "this server answers on this machine only: the Host header must be localhost:{port}, 127.0.0.1:{port} or \
             [::1]:{port}"
        );
        return Some(refuse(StatusCode::FORBIDDEN, &says));
    }
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return None;
    }
    let mut response = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        "only GET is answered: nothing can be changed here",
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

/// Exactly one `Host` header, and one of ours.
fn is_this_machine(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => is_ours(host, port),
        _ => false,
    }
}

fn is_ours(host: &str, port: u16) -> bool {
    NAMES.iter().any(|name| {
        let Some((start, rest)) = host.split_at_checked(name.len()) else {
            return false;
        };
        let is_port = rest.strip_prefix(':').is_some_and(|digits| digits == port.to_string());
        // Clients leave the port of plain HTTP out.
        start.eq_ignore_ascii_case(name) && (is_port || (rest.is_empty() && port == 80))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_with_the_port_are_ours() {
        for host in ["localhost:8080", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080"] {
            assert!(is_ours(host, 8080), "{host}");
        }
        let foreign = [
            "",
            "localhost",
            "localhost:",
            "localhost:80",
            "localhost:18080",
            "localhost:8080:8080",
            "localhost.evil.example:8080",
            "evil.example:8080",
            "127.0.0.2:8080",
            "::1:8080",
            "user@localhost:8080",
            "localhost\u{e9}:8080",
        ];
        for host in foreign {
            assert!(!is_ours(host, 8080), "{host}");
        }
        assert!(is_ours("localhost", 80));
        assert!(is_ours("localhost:80", 80));
    }
}
