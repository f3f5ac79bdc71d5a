//! Ctrl-C: the first asks for an orderly end, the second ends the process.
//!
//! It ends nothing by itself but on the second; whoever works looks at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether an end was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on Ctrl-C and SIGTERM are caught. `what_is_lost` is said when the second one ends the process.
    pub(crate) fn at_ctrl_c(what_is_lost: &'static str) -> anyhow::Result<Stop> {
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let asked = Arc::clone(&stop.0);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::Relaxed) {
                eprintln!("error: ended at once: {what_is_lost}");
                std::process::exit(1);
            }
            // At once: whoever works may be waiting for a pipe or a cluster.
            eprintln!("stopping; Ctrl-C again does not wait for what is under way");
        })?;
        Ok(stop)
    }

    /// Whether an end was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
