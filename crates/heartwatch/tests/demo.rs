//! `heartwatch demo` as it is started by hand: findings come, it stops orderly, and it goes on where an earlier one ended.
//!
//! The real program with its output piped, so in plain lines; the terminal view has tests of its own beside its code.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a demonstration whose temporary files go to `temporary`.
fn demo(arguments: &[&str], temporary: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heartwatch"))
        .args(["demo", "--port", "0"])
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    (child, out)
}

/// Everything it says until it ends by itself, which must be in order.
fn output(arguments: &[&str], temporary: &Path) -> String {
    let (mut child, mut out) = demo(arguments, temporary);
    let mut text = String::new();
    out.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("its end").code(), Some(0), "{text}");
    text
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().expect("a folder").next().is_none()
}

#[test]
fn a_finding_comes_and_the_end_is_on_time_and_leaves_nothing() {
    let temporary = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    let text = output(&["--users", "300", "--for", "20s"], temporary.path());
    let took = began.elapsed();
    assert!(text.contains(" is still, at "), "no finding: {text}");
    assert!(text.contains("Not a medical device."), "{text}");
    assert!(text.contains("\nstopped after 20."), "no summary: {text}");
    assert!(took < Duration::from_secs(23), "it took {took:?}");
    assert!(is_empty(temporary.path()), "the temporary log was left behind");
}

#[test]
fn an_interrupt_stops_it_soon_and_with_a_summary() {
    let temporary = tempfile::tempdir().expect("a folder");
    let (mut child, mut out) = demo(&["--users", "300"], temporary.path());
    // Its first numbers say that it is at work.
    let mut line = String::new();
    while !line.contains("readings/s in") {
        line.clear();
        assert_ne!(out.read_line(&mut line).expect("a line"), 0, "it ended by itself");
    }
    let began = Instant::now();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill").success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("its end").code(), Some(0), "{rest}");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    assert!(rest.contains("stopped after "), "no summary: {rest}");
    assert!(is_empty(temporary.path()), "the temporary log was left behind");
}

#[test]
fn a_kept_log_goes_on_after_its_newest_reading_and_nothing_becomes_late() {
    let temporary = tempfile::tempdir().expect("a folder");
    let data = temporary.path().join("data");
    let data = data.to_str().expect("UTF-8");
    // Faster than time passes, so that the second town has to start in the future.
    let arguments = ["--users", "100", "--speed", "20", "--for", "8s", "--data", data];
    let first = output(&arguments, temporary.path());
    let second = output(&arguments, temporary.path());
    assert!(!first.contains("this town starts at"), "{first}");
    assert!(second.contains("this town starts at"), "{second}");
    for text in [&first, &second] {
        assert!(text.contains(" is still, at "), "no finding: {text}");
        assert!(text.contains("the log is kept in "), "{text}");
        let (sent, late) = (number(text, "readings sent"), number(text, "late"));
        // The watches themselves make 4 in 1,000 late.
        assert!(sent > 2_000 && late * 100 < sent, "{late} of {sent} were late: {text}");
    }
}

/// The number that stands before these words in the summary.
fn number(text: &str, words: &str) -> u64 {
    let summary = text
        .lines()
        .find(|line| line.starts_with("stopped after "))
        .expect("a test");
    let before = summary.split(&format!(" {words}")).next().expect("a test");
    before.rsplit(' ').next().expect("a word").parse().expect("a number")
}
