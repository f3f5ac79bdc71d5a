//! One suite for every implementation of `Log`: what `lib.rs` promises is checked here, for each of them alike.
//!
//! A new implementation adds a factory and one line to the list at the end. It does not test what only one of them does;
//! `folder.rs` does that for folders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod appending;
mod cleaning;
mod reading;
mod records;

use std::sync::Arc;

use hw_log::{FolderLog, FolderOptions, Log, Role};

/// A fresh log, seen from two sides that may be two processes.
struct Fixture {
    log: Arc<dyn Log>,
    /// Another door to the same log.
    other: Arc<dyn Log>,
    _folder: tempfile::TempDir,
}

/// How long tombstones stay in the logs of the factories, in milliseconds.
const DELETE_RETENTION_MS: u64 = 1_000;

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

fn folder_direct() -> Fixture {
    let (folder, holder, guest) = folder();
    Fixture {
        log: holder,
        other: guest,
        _folder: folder,
    }
}

fn folder_through_its_socket() -> Fixture {
    let (folder, holder, guest) = folder();
    Fixture {
        log: guest,
        other: holder,
        _folder: folder,
    }
}

macro_rules! conformance {
    ($($factory:ident),*; $($subject:ident::$promise:ident),* $(,)?) => {
        conformance!(@each [$($factory)*] [$($subject::$promise)*]);
    };
    (@each [$($factory:ident)*] $promises:tt) => {
        $(conformance!(@one $factory $promises);)*
    };
    (@one $factory:ident [$($subject:ident::$promise:ident)*]) => {
        mod $factory {
            $(
                #[test]
                fn $promise() {
                    crate::$subject::$promise(&crate::$factory());
                }
            )*
        }
    };
}

conformance! {
    folder_direct, folder_through_its_socket;
    appending::topics_are_made_once,
    appending::impossible_names_are_refused,
    appending::offsets_rise_by_partition,
    appending::batches_and_commits_appear_together,
    appending::one_bad_part_refuses_the_whole,
    appending::damaged_batches_are_refused,
    appending::commits_are_kept_by_group,
    appending::writers_do_not_mix_their_transactions,
    appending::schemas_have_one_id,
    appending::only_one_engine,
    reading::what_was_appended_is_read_in_order,
    reading::resuming_inside_a_batch,
    reading::reading_in_small_pieces,
    reading::offsets_outside_are_refused,
    reading::offsets_by_time,
    reading::waiting_ends_with_an_append,
    reading::two_readers_see_the_same,
    reading::nobody_sees_half_a_transaction,
    cleaning::retention_removes_from_the_front,
    cleaning::compaction_keeps_the_last_of_each_key,
    cleaning::tombstones_go_after_their_time,
    cleaning::compaction_keeps_offsets_times_and_headers,
    cleaning::a_compacted_topic_needs_keys,
    cleaning::cleaning_twice_changes_nothing,
    cleaning::times_after_cleaning,
}
