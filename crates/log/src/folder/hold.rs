//! Who holds a folder: preparing it, locking it, and taking over from a process that was killed.
//!
//! It does not read or write records. The lock is the truth: a file lock (`flock`) goes with its process, however that
//! ends, while a socket or a process id stays behind and proves nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::serve::Server;
use super::store::Store;
use super::{FolderOptions, IfMissing};
use crate::{Log, LogError};

/// A holder that starts reads its journal before it serves, up to a few hundred megabytes after a kill.
const HOLDER_STARTS: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(20);
/// What the system takes for a socket's path, with the zero at its end (104 on macOS, 108 on Linux).
const SOCKET_PATH_BYTES_MAX: usize = 103;

pub(super) const SOCKET: &str = "log.sock";
const LOCK: &str = "lock";
const STORE: &str = "store";

pub(super) enum Opened {
    Holder(Holder),
    Guest(Client),
}

/// Fields are dropped in this order: guests are cut off, the store is closed, and only then is the folder given up.
pub(super) struct Holder {
    _server: Server,
    store: Arc<Store>,
    _lock: File,
}

impl Holder {
    pub(super) fn log(&self) -> &dyn Log {
        &*self.store
    }
}

pub(super) fn open(folder: &Path, options: &FolderOptions) -> Result<Opened, LogError> {
    prepare(folder, options.if_missing)?;
    let socket = folder.join(SOCKET);
    if socket.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        let reason = format!("its path is too long for a socket in it (at most {SOCKET_PATH_BYTES_MAX} bytes)");
        return Err(unusable(folder, reason));
    }
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))
        .map_err(|error| unusable(folder, format!("its lock file cannot be opened: {error}")))?;
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return hold(folder, options, lock).map(Opened::Holder),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(unusable(
                    folder,
                    format!("it cannot be locked: {error}; is it on a network drive?"),
                ));
            }
        }
        // Somebody holds it. No answer yet means that it is starting, or ending: then the lock is free soon.
        match Client::connect(folder) {
            Ok(client) => return Ok(Opened::Guest(client)),
            Err(error @ LogError::Disconnected { .. }) if started.elapsed() > HOLDER_STARTS => {
                let mut pid = String::new();
                // Only for the message.
                let _ = lock.read_to_string(&mut pid);
                let reason = format!("process {} holds it and does not answer ({error})", pid.trim());
                return Err(LogError::Disconnected {
                    path: folder.into(),
                    reason,
                });
            }
            Err(LogError::Disconnected { .. }) => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
}

/// The lock is ours: whatever is left of an earlier holder is stale.
fn hold(folder: &Path, options: &FolderOptions, mut lock: File) -> Result<Holder, LogError> {
    lock.set_len(0)
        .and_then(|()| write!(lock, "{}", std::process::id()))
        .map_err(|error| unusable(folder, format!("its lock file cannot be written: {error}")))?;
    let store = Arc::new(Store::open(folder, options)?);
    let server = Server::start(folder, Arc::clone(&store))?;
    Ok(Holder {
        _server: server,
        store,
        _lock: lock,
    })
}

fn prepare(folder: &Path, if_missing: IfMissing) -> Result<(), LogError> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            let is_log = folder.join(STORE).is_dir() || folder.join(LOCK).is_file();
            if is_log {
                return Ok(());
            }
            if entries.count() > 0 {
                return Err(unusable(
                    folder,
                    "it holds other files; name an empty folder or a new one".into(),
                ));
            }
            if if_missing == IfMissing::Refuse {
                return Err(unusable(folder, "there is no log in it; check the path".into()));
            }
            // Records are people's positions and heart rates: nobody else's business.
            fs::set_permissions(folder, Permissions::from_mode(0o700))
                .map_err(|error| unusable(folder, format!("its permissions cannot be set: {error}")))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => match if_missing {
            IfMissing::Create => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|error| unusable(folder, format!("it cannot be created: {error}"))),
            IfMissing::Refuse => Err(unusable(folder, "there is no such folder; check the path".into())),
        },
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(unusable(folder, "it is a file; name a folder".into()))
        }
        Err(error) => Err(unusable(folder, format!("it cannot be read: {error}"))),
    }
}

pub(super) fn unusable(folder: &Path, reason: String) -> LogError {
    LogError::Unusable {
        path: folder.into(),
        reason,
    }
}
