//! Working on a log; on a folder's, through the end of the process that holds it.
//!
//! A guest whose holder ends opens the folder again: it, or another guest, becomes the holder. It does not know what was
//! under way; the work begins again and knows itself where.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hw_engine::EngineError;
use hw_log::{IfMissing, Log, LogError};

use crate::inputs::open_log;
use crate::place::Place;

/// Between two attempts, so that a holder that turns guests away is not asked without end.
const PAUSE: Duration = Duration::from_millis(200);

/// Does `work` on a log; when it is a folder's whose holder ends or is busy, opens the log again and calls `work` again.
pub(crate) fn on_log<T>(
    place: &Place,
    if_missing: IfMissing,
    mut work: impl FnMut(&Arc<dyn Log>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut log = place.open(if_missing)?;
    loop {
        match (work(&log), place) {
            (Err(error), Place::Folder(folder)) if is_retriable(&error) => {
                // What is left of the old one must not stand in the new one's way.
                drop(log);
                log = reopen(folder)?;
            }
            (done, _) => return done,
        }
    }
}

/// Opens a log again after its holder has ended or has turned us away, and says so.
pub(crate) fn reopen(folder: &Path) -> anyhow::Result<Arc<dyn Log>> {
    eprintln!(
        "the process that held {} has ended or is busy: opening it again",
        folder.display()
    );
    std::thread::sleep(PAUSE);
    let log = open_log(folder, IfMissing::Refuse)?;
    eprintln!("{} is open again", folder.display());
    Ok(log)
}

/// Whether the log's holder is what failed.
fn is_retriable(error: &anyhow::Error) -> bool {
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
