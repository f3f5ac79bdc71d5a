//! `Url`: where a registry is, and the user who may stand in it.
//!
//! It resolves no names. The user is taken out of the address when it is read, so that no message and no `Debug` shows it.

use std::fmt;

/// An address of a registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Scheme, host, port and path, without a slash at its end.
    pub(crate) address: String,
    /// `user:password` if the address had them, no longer percent-encoded.
    pub(crate) user_info: Option<String>,
}

impl Url {
    /// Reads `http://host:port/path` or `https://…`, with or without `user:password@` before the host.
    ///
    /// # Errors
    /// With a reason that does not repeat the text, which may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Url, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("it does not start with http:// or https://")?;
        if scheme != "http" && scheme != "https" {
            return Err("it does not start with http:// or https://".into());
        }
        if rest.contains(['?', '#']) || rest.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err("an address is a host and perhaps a port and a path, with no ?, # or space in it".into());
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(decoded(user_info)?), host),
            None => (None, authority),
        };
        let address = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        // The parser of addresses leaves the port for whoever connects.
        let port = host.rsplit(']').next().and_then(|rest| rest.split_once(':'));
        let has_port = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok());
        let uri = address.parse::<ureq::http::Uri>();
        if !has_port || !uri.is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())) {
            return Err("it names no possible host and port".into());
        }
        Ok(Url { address, user_info })
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.address.starts_with("https://")
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// One part of a path: whatever is not plain becomes `%` and two digits.
pub(crate) fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn decoded(text: &str) -> Result<String, String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("a % in its user or password is not followed by two digits")?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| "its user or password is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_without_their_user() {
        let url = Url::parse("https://anna:p%40ss%2F@host:8081/apis/ccompat/v7/").expect("an address");
        assert_eq!(url.address, "https://host:8081/apis/ccompat/v7");
        assert_eq!(url.user_info.as_deref(), Some("anna:p@ss/"));
        assert!(url.is_encrypted());
        assert_eq!(format!("{url:?}"), "https://host:8081/apis/ccompat/v7");
        let plain = Url::parse("http://[::1]:1").expect("an address");
        assert_eq!((plain.address.as_str(), plain.user_info), ("http://[::1]:1", None));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in [
            "host:1",
            "ftp://host",
            "http://",
            "http:///path",
            "http://h?x",
            "http://u:se%zcret@h",
            "http://h:port",
        ] {
            let reason = Url::parse(text).expect_err("no address");
            assert!(!reason.contains("cret"), "{reason}");
        }
    }

    #[test]
    fn parts_of_a_path_are_encoded() {
        assert_eq!(encoded("a.b_c-1~"), "a.b_c-1~");
        assert_eq!(encoded("a/b ü%"), "a%2Fb%20%C3%BC%25");
    }
}
