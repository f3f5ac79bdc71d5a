//! Maintenance: retention and compaction of the log, now and then, for as long as a command runs that keeps the log busy.
//!
//! It decides nothing; what goes is each topic's own setting. A failure is said once and tried again: the log keeps working
//! without it, it only grows.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hw_engine::{Clock, SystemClock};
use hw_log::Log;

/// How long the log is left alone between two rounds.
const EVERY: Duration = Duration::from_secs(60);

/// A thread that maintains a log until it is dropped.
pub(crate) struct Maintenance {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Maintenance {
    /// The first round begins after a minute.
    pub(crate) fn start(log: Arc<dyn Log>) -> std::io::Result<Maintenance> {
        let (stop, stopped) = sync_channel::<()>(1);
        let rounds = move || {
            let mut has_failed = false;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let result = log.maintain(SystemClock.now_ms());
                if let (Err(error), false) = (&result, has_failed) {
                    eprintln!("note: retention and compaction of the log failed and will be tried again: {error}");
                }
                has_failed = result.is_err();
            }
        };
        let thread = std::thread::Builder::new().name("maintenance".into()).spawn(rounds)?;
        Ok(Maintenance {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; nothing here depends on it.
            let _ = thread.join();
        }
    }
}
