//! Ctrl-C and SIGTERM: everything that was started ends, nothing else does.
//!
//! # Constraints
//!
//! - A process id stands in the list only while its process is not yet reaped, so that it cannot be somebody else's:
//!   whoever reaps holds the list's lock.

use std::collections::BTreeSet;
use std::process::{Child, ExitStatus};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What runs now, and whether it is over. The handler's thread and whoever starts or reaps a process touch it.
#[derive(Debug, Default)]
struct Running {
    /// Process ids, each the leader of a group of its own.
    leaders: BTreeSet<u32>,
    interrupted: bool,
}

static RUNNING: LazyLock<Mutex<Running>> = LazyLock::new(Mutex::default);

/// Kills what runs at the first Ctrl-C or SIGTERM, and ends at once at the second.
pub(crate) fn watch() -> Result<()> {
    ctrlc::set_handler(|| {
        let mut running = lock();
        if running.interrupted {
            std::process::exit(130);
        }
        running.interrupted = true;
        eprintln!("interrupted: ending what was started");
        for leader in &running.leaders {
            send(*leader, To::Group, Signal::KILL);
        }
    })?;
    Ok(())
}

/// An error once the tests were interrupted: every wait asks.
pub(crate) fn check() -> Result<()> {
    if lock().interrupted {
        bail!("interrupted");
    }
    Ok(())
}

/// Starts a process and keeps it in the list.
pub(crate) fn start(start: impl FnOnce() -> std::io::Result<Child>) -> Result<Child> {
    let mut running = lock();
    if running.interrupted {
        bail!("interrupted");
    }
    let child = start()?;
    running.leaders.insert(child.id());
    Ok(child)
}

/// How a process ended, when it has.
pub(crate) fn reap(child: &mut Child) -> Result<Option<ExitStatus>> {
    let mut running = lock();
    let status = child.try_wait()?;
    if status.is_some() {
        running.leaders.remove(&child.id());
    }
    Ok(status)
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// The process alone.
    Leader,
    /// And all that it started.
    Group,
}

/// Sends a signal, unless the process was reaped already.
pub(crate) fn signal(child: &Child, to: To, signal: Signal) {
    let running = lock();
    if running.leaders.contains(&child.id()) {
        send(child.id(), to, signal);
    }
}

fn send(leader: u32, to: To, signal: Signal) {
    let pid = i32::try_from(leader).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else { return };
    // It may have ended by itself, which is what its owner will see.
    let _ = match to {
        To::Leader => kill_process(pid, signal),
        To::Group => kill_process_group(pid, signal),
    };
}

fn lock() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
