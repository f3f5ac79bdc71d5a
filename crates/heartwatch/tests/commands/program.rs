//! The program under test: started, waited for, killed; and a folder of its own for every test.
//!
//! It asserts nothing but what every use of it needs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A machine under load may take this long for what takes a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Exit code 0, or the test fails with all that was printed.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Ended {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// This exit code, and each of these texts on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, texts: &[&str]) -> Ended {
        assert_eq!(self.code, Some(code), "{}", self.err);
        for text in texts {
            assert!(self.err.contains(text), "{text:?} is not in:\n{}", self.err);
        }
        // A panic is a defect, whatever the exit code.
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The JSON lines of standard output, each with its fields by name, in an order of their own: two sets of rows are equal
    /// when these are.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<String> {
        let row = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            value.to_string()
        };
        let mut rows: Vec<String> = self.out.lines().map(row).collect();
        rows.sort();
        rows
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartwatch"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
#[track_caller]
pub(crate) fn heartwatch(arguments: &[&str]) -> Ended {
    let output = command(arguments).output().expect("the binary starts");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A program that goes on; it is killed when the test is over.
pub(crate) struct Started {
    child: Child,
    err: Receiver<String>,
    out: Receiver<String>,
}

impl Started {
    pub(crate) fn new(arguments: &[&str]) -> Started {
        let mut child = command(arguments).spawn().expect("the binary starts");
        let err = lines(child.stderr.take().expect("piped"));
        let out = lines(child.stdout.take().expect("piped"));
        Started { child, err, out }
    }

    /// The first line on standard error that contains the text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        first_with(&self.err, text)
    }

    /// The first line on standard output that contains the text.
    #[track_caller]
    pub(crate) fn wait_for_out(&self, text: &str) -> String {
        first_with(&self.out, text)
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was started here");
    }

    /// SIGINT, as Ctrl-C sends it; gives the exit code.
    pub(crate) fn interrupt(self) -> Option<i32> {
        self.interrupted().code
    }

    /// SIGINT, as Ctrl-C sends it; gives the exit code and what was printed that nobody has waited for.
    pub(crate) fn interrupted(mut self) -> Ended {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success());
        let code = self.child.wait().expect("it was started here").code();
        let rest = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        Ended {
            code,
            out: rest(&self.out),
            err: rest(&self.err),
        }
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("it was started here").code()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(source: impl std::io::Read + Send + 'static) -> Receiver<String> {
    // Far more than a test prints: a program must not wait for its test to read.
    let (sender, receiver) = sync_channel(100_000);
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[track_caller]
fn first_with(lines: &Receiver<String>, text: &str) -> String {
    let until = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(text) => return line,
            Ok(line) => seen.push(line),
            Err(error) => panic!("{text:?} did not come ({error}); what came:\n{}", seen.join("\n")),
        }
    }
}

/// A folder of a test's own, with names in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The path of a name in the folder, as a command takes it.
    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.0.path().join(name);
        path.to_str().expect("temporary folders have plain names").to_owned()
    }

    /// Writes a file and gives its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("writable");
        path
    }
}

/// A path in the repository.
pub(crate) fn repository(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

/// The shipped rule.
pub(crate) fn shipped() -> String {
    repository("pipelines/still_out_of_range.sql")
}

/// Appends a file of readings to the topic `readings` of a log, which is made with so many partitions.
pub(crate) fn produce_readings(file: &str, log: &str, partitions: &str) -> Ended {
    let topic = ["--topic", "readings", "--partitions", partitions];
    let mut arguments = vec!["produce", file, "--log", log];
    arguments.extend(topic);
    heartwatch(&arguments).succeeded()
}
