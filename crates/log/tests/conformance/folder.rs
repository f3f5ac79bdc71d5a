//! The log in a folder, for the suite: seen by the process that holds it and through its socket.

use std::sync::Arc;

use hw_log::{FolderLog, FolderOptions, Role};

use crate::{Fixture, Kind};

/// How long tombstones stay, in milliseconds.
pub(crate) const DELETE_RETENTION_MS: u64 = 1_000;

fn folder() -> (tempfile::TempDir, Arc<FolderLog>, Arc<FolderLog>) {
    let folder = tempfile::tempdir().unwrap();
    let options = FolderOptions {
        delete_retention_ms: DELETE_RETENTION_MS,
        ..FolderOptions::default()
    };
    let holder = FolderLog::open(folder.path(), &options).unwrap();
    let guest = FolderLog::open(folder.path(), &options).unwrap();
    assert_eq!((holder.role(), guest.role()), (Role::Holder, Role::Guest));
    (folder, Arc::new(holder), Arc::new(guest))
}

pub(crate) fn folder_direct() -> Option<Fixture> {
    let (folder, holder, guest) = folder();
    Some(Fixture {
        log: holder,
        other: guest,
        kind: Kind::Folder,
        _held: Box::new(folder),
    })
}

pub(crate) fn folder_through_its_socket() -> Option<Fixture> {
    let (folder, holder, guest) = folder();
    Some(Fixture {
        log: guest,
        other: holder,
        kind: Kind::Folder,
        _held: Box::new(folder),
    })
}
