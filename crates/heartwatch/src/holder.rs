//! Working on a folder's log through the end of the process that holds it.
//!
//! A guest whose holder ends opens the folder again: it, or another guest, becomes the holder. It does not know what was
//! under way; the work begins again and knows itself where.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hw_engine::EngineError;
use hw_log::{IfMissing, Log, LogError};

use crate::inputs::open_log;

/// Between two attempts, so that a holder that turns guests away is not asked without end.
const PAUSE: Duration = Duration::from_millis(200);

/// Does `work` on the log of a folder; when the holder ends or is busy, opens the log again and calls `work` again.
pub(crate) fn on_log<T>(
    folder: &Path,
    if_missing: IfMissing,
    mut work: impl FnMut(&Arc<dyn Log>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut log = open_log(folder, if_missing)?;
    loop {
        match work(&log) {
            Err(error) if is_retriable(&error) => {
                eprintln!("{error:#}");
                drop(log);
                std::thread::sleep(PAUSE);
                log = open_log(folder, IfMissing::Refuse)?;
                eprintln!("{} is open again", folder.display());
            }
            done => return done,
        }
    }
}

/// Whether the log's holder is what failed.
pub(crate) fn is_retriable(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let of_engine = cause.downcast_ref::<EngineError>().and_then(|error| match error {
            EngineError::Log(error) => Some(error),
            _ => None,
        });
        of_engine
            .or(cause.downcast_ref::<LogError>())
            .is_some_and(LogError::is_retriable)
    })
}
