//! `Process`: a program that was started here, with its output in files, that never outlives its owner.
//!
//! # Constraints
//!
//! - It leads a process group of its own: Ctrl-C in a terminal does not reach it, and what it started ends with it.
//! - Output is kept, across restarts too; a wait looks only at what the present start has printed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
pub(crate) use rustix::process::Signal;

use super::interrupt::{self, To};

/// How often a wait looks.
const GLANCE: Duration = Duration::from_millis(20);

/// A started program.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    out: Output,
    err: Output,
}

/// A file that a stream goes to, and where in it the present start begins.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    from: u64,
}

/// How a program ended, and all that it printed since it was started.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Process {
    /// Starts a program; its output goes to `NAME.out` and `NAME.err` in the folder, behind what is there.
    pub(crate) fn start(name: &str, logs: &Path, command: &mut Command) -> Result<Process> {
        let (out, out_file) = Output::open(logs, name, "out")?;
        let (err, err_file) = Output::open(logs, name, "err")?;
        command
            .stdin(Stdio::null())
            .stdout(out_file)
            .stderr(err_file)
            .process_group(0);
        let child = interrupt::start(|| command.spawn())
            .with_context(|| format!("cannot start {name}: {}", command.get_program().display()))?;
        Ok(Process {
            name: name.to_owned(),
            child,
            out,
            err,
        })
    }

    /// Runs a program to its end, which has to be good.
    pub(crate) fn run(name: &str, logs: &Path, command: &mut Command, patience: Duration) -> Result<Ended> {
        Process::start(name, logs, command)?.finish(patience)?.succeeded()
    }

    /// Sends a signal to the program itself.
    pub(crate) fn signal(&self, signal: Signal) {
        interrupt::signal(&self.child, To::Leader, signal);
    }

    /// How it ended, when it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        interrupt::reap(&mut self.child)
    }

    /// SIGKILL, and it is gone when this returns: no chance to tidy up.
    pub(crate) fn kill(&mut self) -> Result<()> {
        interrupt::signal(&self.child, To::Group, Signal::KILL);
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                bail!("{} does not end after SIGKILL", self.name);
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self, patience: Duration) -> Result<Ended> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Ended {
                    name: self.name.clone(),
                    status,
                    out: self.out.text()?,
                    err: self.err.text()?,
                });
            }
            interrupt::check()?;
            if Instant::now() > deadline {
                bail!(
                    "{} has not ended after {} s\n{}",
                    self.name,
                    patience.as_secs(),
                    self.tail()
                );
            }
            sleep(GLANCE);
        }
    }

    /// Waits for the first line, on either stream, that contains the text.
    pub(crate) fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String> {
        let found = self.wait_until(patience, |process| process.line(text))?;
        found.with_context(|| {
            let (name, seconds) = (&self.name, patience.as_secs());
            format!("{name} has not said {text:?} within {seconds} s\n{}", self.tail())
        })
    }

    /// Asks again and again until there is an answer; none when there is none in time; an error when the program ends.
    pub(crate) fn wait_until<T>(
        &mut self,
        patience: Duration,
        mut ask: impl FnMut(&Process) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + patience;
        loop {
            let ended = self.ended()?;
            if let Some(answer) = ask(self)? {
                return Ok(Some(answer));
            }
            interrupt::check()?;
            if let Some(status) = ended {
                bail!("{} ended ({status})\n{}", self.name, self.tail());
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            sleep(GLANCE);
        }
    }

    /// The first whole line so far, on either stream, that contains the text.
    pub(crate) fn line(&self, text: &str) -> Result<Option<String>> {
        let with_text = |output: &Output| -> Result<Option<String>> {
            let all = output.text()?;
            let whole = &all[..all.rfind('\n').unwrap_or(0)];
            Ok(whole.lines().find(|line| line.contains(text)).map(str::to_owned))
        };
        Ok(with_text(&self.out)?.or(with_text(&self.err)?))
    }

    /// What it has printed on standard error since it was started.
    pub(crate) fn err(&self) -> Result<String> {
        self.err.text()
    }

    fn tail(&self) -> String {
        tail(
            &self.out.text().unwrap_or_default(),
            &self.err.text().unwrap_or_default(),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; what cannot be killed is said, since nobody is left to be told.
        if let Err(error) = self.kill() {
            eprintln!("{error:#}");
        }
    }
}

impl Output {
    fn open(logs: &Path, name: &str, stream: &str) -> Result<(Output, File)> {
        let path = logs.join(format!("{name}.{stream}"));
        let open = || -> std::io::Result<(File, u64)> {
            std::fs::create_dir_all(logs)?;
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            let from = file.metadata()?.len();
            Ok((file, from))
        };
        let (file, from) = open().with_context(|| format!("cannot write {}", path.display()))?;
        Ok((Output { path, from }, file))
    }

    fn text(&self) -> Result<String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.from))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Ended {
    /// Exit code 0, or an error with the end of what was printed.
    pub(crate) fn succeeded(self) -> Result<Ended> {
        if !self.status.success() {
            bail!("{} failed ({})\n{}", self.name, self.status, tail(&self.out, &self.err));
        }
        Ok(self)
    }
}

/// The last lines of both streams, for a message.
fn tail(out: &str, err: &str) -> String {
    let mut text = String::new();
    for (stream, all) in [("out", out), ("err", err)] {
        let lines: Vec<&str> = all.lines().collect();
        for line in &lines[lines.len().saturating_sub(15)..] {
            text.push_str(&format!("    {stream}: {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(name: &str, folder: &Path, script: &str) -> Process {
        Process::start(name, folder, Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn lines_are_waited_for_and_kept_across_starts() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = shell("it", folder.path(), "echo ready one; sleep 60");
        assert_eq!(first.wait_for("ready", PATIENCE).unwrap(), "ready one");
        first.kill().unwrap();
        let mut second = shell("it", folder.path(), "echo ready two >&2; sleep 60");
        assert_eq!(second.wait_for("ready", PATIENCE).unwrap(), "ready two");
        let all = std::fs::read_to_string(folder.path().join("it.out")).unwrap();
        assert_eq!(all, "ready one\n");
    }

    #[test]
    fn an_end_is_an_error_with_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let error = shell("it", folder.path(), "echo no port >&2; exit 3")
            .wait_for("ready", PATIENCE)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("it ended (exit status: 3)") && error.contains("err: no port"),
            "{error}"
        );
        let ended = shell("it", folder.path(), "exit 4").finish(PATIENCE).unwrap();
        assert!(ended.succeeded().is_err());
    }

    #[test]
    fn what_a_program_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut parent = shell("it", folder.path(), "sleep 600 & echo $!; wait");
        let child = parent
            .wait_until(PATIENCE, |process| process.line(""))
            .unwrap()
            .unwrap();
        drop(parent);
        let child = rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while rustix::process::test_kill_process(child).is_ok() && !is_zombie(child) {
            assert!(Instant::now() < deadline, "the child lives on");
            sleep(GLANCE);
        }
    }

    /// Killed, and not yet reaped by whoever inherited it.
    fn is_zombie(pid: rustix::process::Pid) -> bool {
        let status = Command::new("ps")
            .args(["-o", "stat=", "-p", &pid.as_raw_nonzero().to_string()])
            .output()
            .unwrap();
        status.stdout.is_empty() || status.stdout.starts_with(b"Z")
    }
}
