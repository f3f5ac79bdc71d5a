//! The status page of the real program: what a running pipeline really counts and finds.
//!
//! Routes and refusals are the server's own tests; here is only what the binary puts in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const RULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/still_out_of_range.sql");

/// A machine under load may take this long for what takes a second.
const PATIENCE: Duration = Duration::from_secs(120);

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartwatch"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Runs to the end and gives standard output.
fn heartwatch(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A pipeline that runs with a page; killed when dropped.
struct Run {
    child: Child,
    address: String,
}

impl Run {
    fn start(folder: &Path) -> Run {
        let arguments = ["run", RULE, "--log", "data", "--port", "0"];
        let mut child = command(folder, &arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut lines = lines.map(|line| line.expect("UTF-8"));
        let url = lines.find_map(|line| line.strip_prefix("the page: http://").map(str::to_owned));
        let address = url.expect("the page's address").trim_end_matches('/').to_owned();
        // Nobody may leave the pipe full.
        std::thread::spawn(move || lines.for_each(drop));
        Run { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        socket.write_all(request.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).expect("JSON")
    }

    /// The findings, once so many records were read, none waits any more, and as many answers as are counted are there.
    fn findings_after(&self, records: u64) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let totals = self.json("/api/status")["totals"].take();
            let findings = self.json("/api/findings?limit=1000")["findings"].take();
            let findings = findings.as_array().expect("a list").clone();
            let is_read = totals["records_in"] == records && totals["waiting"] == 0 && totals["lag"] == 0;
            if is_read && totals["rows_out"] == findings.len() {
                return findings;
            }
            assert!(began.elapsed() < PATIENCE, "{} findings, {totals}", findings.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It may have ended by itself when the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_shows_what_it_counts_and_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let heartwatch = |arguments: &[&str]| heartwatch(folder.path(), arguments);
    let files = ["--out", "readings.jsonl", "--baselines", "baselines.jsonl"];
    heartwatch(
        &[
            &["simulate", "--users", "20", "--for", "30m", "--seed", "7"],
            &files[..],
        ]
        .concat(),
    );
    heartwatch(&["produce", "baselines.jsonl", "--log", "data", "--topic", "baselines"]);
    heartwatch(&["produce", "readings.jsonl", "--log", "data", "--topic", "readings"]);
    let sent = std::fs::read_to_string(folder.path().join("readings.jsonl")).expect("readings");

    let run = Run::start(folder.path());
    assert_eq!(run.get("/healthz"), "ok\n");
    let explained = heartwatch(&["explain", RULE]);
    let pipeline = run.json("/api/pipeline");
    assert_eq!(pipeline["text"].as_str().map(str::trim_end), Some(explained.trim_end()));
    assert_eq!(pipeline["name"], "still_out_of_range");

    let findings = run.findings_after(sent.lines().count() as u64);
    assert!(!findings.is_empty(), "the town has episodes");
    // The same as in the topic, each once.
    let tail = heartwatch(&["tail", "findings", "--log", "data", "--from-beginning", "--until-end"]);
    let mut written: Vec<Value> = tail
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let mut shown = findings;
    written.sort_by_key(Value::to_string);
    shown.sort_by_key(Value::to_string);
    assert_eq!(shown, written);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let arguments = ["run", RULE, "--log", "data", "--until-end", "--port", &port.to_string()];
    let output = command(folder.path(), &arguments).output().expect("the binary starts");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("port {port} of 127.0.0.1 is in use")), "{said}");
    assert!(said.contains("--port 0"), "{said}");
}
