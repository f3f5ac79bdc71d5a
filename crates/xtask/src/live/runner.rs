//! Runs live tests one after the other and tells what became of them.
//!
//! It knows no test; two never run at once, since the machine is small and some of them stop servers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::interrupt;
use super::kit::Kit;
use super::stage::{Stage, World};

/// A test: what it shows, and how.
#[derive(Debug)]
pub(crate) struct LiveTest {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Stage, &mut World) -> Result<()>,
}

/// Why a test cannot run here; as an error, so that it can be said from any depth.
#[derive(Debug)]
pub(crate) struct Skipped(pub(crate) String);

impl fmt::Display for Skipped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// How many tests ended in which way, and how long all took.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    pub(crate) took: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, skipped) = (self.passed, self.failed, self.skipped);
        let seconds = self.took.as_secs();
        write!(
            out,
            "live tests: {passed} passed; {failed} failed; {skipped} skipped; took {seconds} s"
        )
    }
}

/// Folders of one run; the data goes with it.
#[derive(Debug)]
struct Run {
    data: PathBuf,
    logs: PathBuf,
}

/// Runs the tests. Logs stay where a test failed.
pub(crate) fn run(kit: &Arc<Kit>, tests: &[&LiveTest]) -> Result<Summary> {
    let began = Instant::now();
    let run = Run::new(kit.folder())?;
    let mut world = World::new(kit, &run.data, &run.logs);
    let mut summary = Summary::default();
    for test in tests {
        interrupt::check()?;
        println!("live test {}", test.name);
        let started = Instant::now();
        let result = one(kit, test, &run, &mut world);
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                summary.passed += 1;
                println!("    ok, took {seconds:.1} s: {}", test.name);
            }
            Err(error) if error.is::<Skipped>() => {
                summary.skipped += 1;
                println!("    skipped: {}: {error:#}", test.name);
            }
            Err(error) => {
                summary.failed += 1;
                world.forget();
                println!("    FAILED after {seconds:.1} s: {}: {error:#}", test.name);
                println!("    what everybody printed is in {}", run.logs.display());
            }
        }
    }
    drop(world);
    if summary.failed == 0 {
        remove(&run.logs)?;
    }
    summary.took = began.elapsed();
    Ok(summary)
}

fn one(kit: &Arc<Kit>, test: &LiveTest, run: &Run, world: &mut World) -> Result<()> {
    let stage = Stage::new(kit, test.name, &run.data, &run.logs)?;
    (test.run)(&stage, world)?;
    world.keep_what_is_whole()?;
    remove(stage.folder())?;
    remove(stage.logs())
}

impl Run {
    /// Makes the folders, and removes those that earlier runs have left.
    fn new(inside: &Path) -> Result<Run> {
        for entry in std::fs::read_dir(inside)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix("run-").and_then(|number| number.parse().ok());
            if process.and_then(rustix::process::Pid::from_raw).is_some_and(is_over) {
                remove(&entry.path())?;
            }
        }
        let folder = inside.join(format!("run-{}", std::process::id()));
        let (data, logs) = (folder.join("data"), folder.join("logs"));
        for folder in [&data, &logs] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Run { data, logs })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // What stays is removed by the next run.
        let _ = remove(&self.data);
        // Only when it is empty: logs of failures stay.
        let _ = self.data.parent().map(std::fs::remove_dir);
    }
}

fn is_over(process: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(process).is_err()
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_reads_as_a_test_runner_s() {
        let summary = Summary {
            passed: 14,
            failed: 0,
            skipped: 1,
            took: Duration::from_millis(412_900),
        };
        assert_eq!(
            summary.to_string(),
            "live tests: 14 passed; 0 failed; 1 skipped; took 412 s"
        );
    }

    #[test]
    fn a_skip_is_found_under_what_was_said_about_it() {
        let error = anyhow::Error::from(Skipped("no Java".into())).context("no registry");
        assert!(error.is::<Skipped>());
    }
}
