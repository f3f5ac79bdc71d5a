//! The server over a real socket: every route, and what is refused.
//!
//! The pipeline is a stand-in with fixed numbers; that the real one is shown right is the binary's business.

mod client;
mod exposition;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hw_server::{Numbers, Pipeline, Server, Source, Task};
use serde_json::{Value, json};

use client::{Answer, ask, get};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A pipeline of two tasks; its second topic has a name that is hard to quote.
#[derive(Default)]
struct Fixed {
    /// Why it does not run.
    ended: Mutex<Option<String>>,
}

impl Source for Fixed {
    fn pipeline(&self) -> Pipeline {
        Pipeline {
            name: "still".into(),
            text: "pipeline still\n".into(),
            mermaid: "flowchart LR\n".into(),
        }
    }

    fn health(&self) -> Result<(), String> {
        self.ended
            .lock()
            .expect("nobody panics with it")
            .clone()
            .map_or(Ok(()), Err)
    }

    fn tasks(&self) -> Vec<Task> {
        let numbers = Numbers {
            records_in: 1_000,
            rows_out: 20,
            late: 3,
            dead_letters: 4,
            unmatched: 5,
            cut_windows: 6,
            starts_over: 11,
            waiting: 7,
            keys: 8,
            state_bytes: 9,
            lag: 10,
        };
        let task = |partition, topic: &str, clock_ms| Task {
            job: 1,
            topic: topic.into(),
            partition,
            clock_ms,
            numbers,
        };
        vec![
            task(0, "readings", Some(1_767_225_600_123)),
            task(1, "a\\b\"c\nd", None),
        ]
    }

    fn findings(&self, limit: usize) -> Result<Vec<Value>, String> {
        if self.health().is_err() {
            return Err("the log is closed".into());
        }
        Ok((0..3).map(|number| json!({ "user_id": number })).take(limit).collect())
    }
}

fn start() -> (Server, Arc<Fixed>) {
    let source = Arc::new(Fixed::default());
    let server = Server::start(ANY_PORT, Arc::clone(&source) as Arc<dyn Source>).expect("a free port");
    (server, source)
}

/// What every answer carries, whatever it is.
fn check_protection(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    let parts: Vec<&str> = policy.split("; ").collect();
    assert_eq!(parts[0], "default-src 'self'");
    assert!(parts.contains(&"frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("cache-control"), "no-store");
}

/// A refusal is short JSON with one sentence.
fn refusal(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    check_protection(answer);
    let body = answer.json();
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
    body["error"].as_str().expect("a sentence").to_owned()
}

#[test]
fn healthz_is_ok_until_the_pipeline_ends_and_then_says_why() {
    let (server, source) = start();
    let answer = get(server.local_addr(), "/healthz");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    check_protection(&answer);
    *source.ended.lock().expect("nobody panics with it") = Some("the disk is full".into());
    let answer = get(server.local_addr(), "/healthz");
    assert_eq!((answer.status, answer.body.as_str()), (503, "the disk is full\n"));
    let status = get(server.local_addr(), "/api/status").json();
    assert_eq!(
        (&status["running"], &status["reason"]),
        (&json!(false), &json!("the disk is full"))
    );
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let (server, source) = start();
    let answer = get(server.local_addr(), "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let families = exposition::parse(&answer.body);
    assert!(families.keys().all(|name| name.starts_with("heartwatch_")));
    let labels = |partition: &str, topic: &str| {
        let pairs = [("job", "1"), ("partition", partition), ("topic", topic)];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    };
    let (plain, quoted) = (labels("0", "readings"), labels("1", "a\\b\"c\nd"));
    let expected = [
        ("records_in_total", 1_000.0),
        ("rows_out_total", 20.0),
        ("late_total", 3.0),
        ("dead_letters_total", 4.0),
        ("unmatched_total", 5.0),
        ("cut_windows_total", 6.0),
        ("starts_over_total", 11.0),
        ("waiting_rows", 7.0),
        ("keys", 8.0),
        ("state_bytes", 9.0),
        ("lag_records", 10.0),
    ];
    for (name, value) in expected {
        let family = &families[&format!("heartwatch_{name}")];
        assert_eq!(family.samples.len(), 2, "{name}");
        assert_eq!(
            (family.samples[&plain], family.samples[&quoted]),
            (value, value),
            "{name}"
        );
    }
    let clock = &families["heartwatch_clock_timestamp_seconds"];
    assert_eq!((clock.kind.as_str(), clock.samples.len()), ("gauge", 1));
    assert_eq!(clock.samples[&plain], 1_767_225_600.123);
    let only = |name: &str| *exposition_value(&families[name]);
    assert_eq!(only("heartwatch_pipeline_running"), 1.0);
    assert!(only("heartwatch_uptime_seconds") > 0.0);
    *source.ended.lock().expect("nobody panics with it") = Some("stopped".into());
    let families = exposition::parse(&get(server.local_addr(), "/metrics").body);
    assert_eq!(*exposition_value(&families["heartwatch_pipeline_running"]), 0.0);
}

/// The value of a family with one sample.
fn exposition_value(family: &exposition::Family) -> &f64 {
    assert_eq!(family.samples.len(), 1);
    family.samples.values().next().expect("one")
}

#[test]
fn status_has_every_task_and_the_totals() {
    let (server, _source) = start();
    let answer = get(server.local_addr(), "/api/status");
    assert_eq!(answer.status, 200);
    check_protection(&answer);
    let status = answer.json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pipeline"], "still");
    assert_eq!((&status["running"], &status["reason"]), (&json!(true), &json!(null)));
    assert!(status["uptime_seconds"].as_f64().expect("a number") >= 0.0);
    let totals = json!({
        "records_in": 2_000, "rows_out": 40, "late": 6, "dead_letters": 8, "unmatched": 10,
        "cut_windows": 12, "starts_over": 22, "waiting": 14, "keys": 16, "state_bytes": 18, "lag": 20,
    });
    assert_eq!(status["totals"], totals);
    assert_eq!(status["tasks"].as_array().map(Vec::len), Some(2));
    let task = json!({
        "job": 1, "topic": "readings", "partition": 0, "clock_ms": 1_767_225_600_123_i64,
        "records_in": 1_000, "rows_out": 20, "late": 3, "dead_letters": 4, "unmatched": 5,
        "cut_windows": 6, "starts_over": 11, "waiting": 7, "keys": 8, "state_bytes": 9, "lag": 10,
    });
    assert_eq!(status["tasks"][0], task);
    assert_eq!(status["tasks"][1]["clock_ms"], json!(null));
}

#[test]
fn the_pipeline_is_shown_in_both_forms() {
    let (server, _source) = start();
    let shown = get(server.local_addr(), "/api/pipeline").json();
    let expected = json!({"name": "still", "text": "pipeline still\n", "mermaid": "flowchart LR\n"});
    assert_eq!(shown, expected);
}

#[test]
fn findings_are_limited_as_asked() {
    let (server, source) = start();
    let count = |path: &str| {
        let body = get(server.local_addr(), path).json();
        body["findings"].as_array().expect("a list").len()
    };
    assert_eq!(count("/api/findings"), 3);
    assert_eq!(count("/api/findings?limit=2"), 2);
    assert_eq!(count("/api/findings?a=1&limit=0"), 0);
    for wrong in ["-1", "two", "", "99999999999999999999"] {
        let answer = get(server.local_addr(), &format!("/api/findings?limit={wrong}"));
        assert!(refusal(&answer, 400).contains("whole number"));
    }
    *source.ended.lock().expect("nobody panics with it") = Some("stopped".into());
    assert_eq!(
        refusal(&get(server.local_addr(), "/api/findings"), 503),
        "the log is closed"
    );
}

#[test]
fn the_page_comes_whole_and_asks_no_other_host() {
    let (server, _source) = start();
    let files = [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ];
    for (path, content_type) in files {
        let answer = get(server.local_addr(), path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, content_type),
            "{path}"
        );
        check_protection(&answer);
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        // Names of XML dialects are no addresses that anybody asks.
        let text = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://"), "{path} names another host");
    }
    let page = get(server.local_addr(), "/").body;
    assert!(page.contains("Not a medical device."));
    assert!(page.contains(r#"<script src="/app.js""#));
    for inline in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "{inline} would be refused by the policy");
    }
    assert_eq!(page.matches("<script").count(), 1, "scripts stand in files");
}

#[test]
fn requests_for_other_hosts_are_refused() {
    let (server, _source) = start();
    let address = server.local_addr();
    let port = address.port();
    for name in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"] {
        let answer = ask(address, "GET", "/healthz", &[&format!("{name}:{port}")]);
        assert_eq!(answer.status, 200, "{name}");
    }
    let foreign = [
        format!("rebound.example:{port}"),
        format!("localhost.rebound.example:{port}"),
        format!("127.0.0.2:{port}"),
        "localhost".to_owned(),
        format!("localhost:{}", port ^ 1),
        String::new(),
    ];
    for host in &foreign {
        for path in ["/", "/healthz", "/api/findings", "/nothing"] {
            let says = refusal(&ask(address, "GET", path, &[host]), 403);
            assert!(says.contains(&format!("localhost:{port}")), "{says}");
        }
    }
    let ours = format!("localhost:{port}");
    // Not named, named twice, and named differently in the first line.
    refusal(&ask(address, "GET", "/", &[]), 403);
    refusal(&ask(address, "GET", "/", &[&ours, &ours]), 403);
    refusal(&ask(address, "GET", "http://rebound.example/", &[&ours]), 403);
    let same = ask(address, "GET", &format!("http://{ours}/healthz"), &[&ours]);
    assert_eq!(same.status, 200);
}

#[test]
fn what_is_not_there_and_what_would_change_something_is_refused() {
    let (server, _source) = start();
    let address = server.local_addr();
    let ours = format!("localhost:{}", address.port());
    for path in ["/nothing", "/api", "/api/status/", "/app.js/../etc/passwd", "/%2e%2e/"] {
        assert!(refusal(&get(address, path), 404).contains("/api/status"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/", "/api/status", "/nothing"] {
            let answer = ask(address, method, path, &[&ours]);
            refusal(&answer, 405);
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
    let head = ask(address, "HEAD", "/healthz", &[&ours]);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn a_port_in_use_and_an_address_of_others_are_refused() {
    let taken = TcpListener::bind(ANY_PORT).expect("a free port");
    let address = taken.local_addr().expect("an address");
    let error = Server::start(address, Arc::new(Fixed::default())).expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!("port {} of 127.0.0.1 is in use", address.port())
    );
    let everyone = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let error = Server::start(everyone, Arc::new(Fixed::default())).expect_err("reachable by others");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn stopping_frees_the_port_and_does_not_wait_for_idle_clients() {
    let (server, _source) = start();
    let address = server.local_addr();
    // One has sent half a request, another keeps its connection after an answer.
    let mut half = TcpStream::connect(address).expect("the server listens");
    half.write_all(b"GET /healthz HTTP/1.1\r\n").expect("sent");
    let mut kept = TcpStream::connect(address).expect("the server listens");
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", address.port());
    kept.write_all(request.as_bytes()).expect("sent");
    let mut byte = [0];
    kept.read_exact(&mut byte).expect("an answer");
    let began = Instant::now();
    server.stop();
    // One second is allowed; the rest is for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    TcpListener::bind(address).expect("the port is free again");
}
