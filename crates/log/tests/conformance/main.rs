//! One suite for every implementation of `Log`: what `lib.rs` promises is checked here, for each of them alike.
//!
//! A new implementation adds a factory and a line to the lists at the end. It does not test what only one of them does;
//! `folder.rs` does that for folders. Kafka's brokers decide themselves when they clean, so that their cleaning has promises
//! of its own (`brokers_cleaning`); on Kafka all run where `HEARTWATCH_TEST_KAFKA` names a broker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod appending;
mod brokers_cleaning;
mod cleaning;
mod folder;
mod kafka;
mod reading;
mod records;

use std::sync::Arc;

use hw_log::Log;

/// A fresh log, seen from two sides that may be two processes.
struct Fixture {
    log: Arc<dyn Log>,
    /// Another door to the same log.
    other: Arc<dyn Log>,
    kind: Kind,
    /// What has to live as long, and what is left behind goes with it.
    _held: Box<dyn std::any::Any + Send + Sync>,
}

/// What the promises of `lib.rs` leave to the implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    Kafka,
}

impl Kind {
    /// How many offsets of each partition a transaction takes beside those of its records: Kafka marks its end.
    fn offsets_of_a_transaction(self) -> u64 {
        match self {
            Kind::Folder => 0,
            Kind::Kafka => 1,
        }
    }
}

macro_rules! conformance {
    ($($factory:ident::$fixture:ident),*; $($subject:ident::$promise:ident),* $(,)?) => {
        conformance!(@each [$($factory::$fixture)*] [$($subject::$promise)*]);
    };
    (@each [$($factory:ident::$fixture:ident)*] $promises:tt) => {
        $(conformance!(@one $factory $fixture $promises);)*
    };
    (@one $factory:ident $fixture:ident [$($subject:ident::$promise:ident)*]) => {
        mod $fixture {
            $(
                #[test]
                fn $promise() {
                    if let Some(fixture) = crate::$factory::$fixture() {
                        crate::$subject::$promise(&fixture);
                    }
                }
            )*
        }
    };
}

/// For every implementation.
mod common_promises {
    conformance! {
        folder::folder_direct, folder::folder_through_its_socket, kafka::kafka;
        appending::topics_are_made_once,
        appending::impossible_names_are_refused,
        appending::offsets_rise_by_partition,
        appending::batches_and_commits_appear_together,
        appending::one_bad_part_refuses_the_whole,
        appending::damaged_batches_are_refused,
        appending::commits_are_kept_by_group,
        appending::writers_do_not_mix_their_transactions,
        appending::schemas_have_one_id,
        appending::engines_at_a_time,
        reading::what_was_appended_is_read_in_order,
        reading::resuming_inside_a_batch,
        reading::reading_in_small_pieces,
        reading::offsets_outside_are_refused,
        reading::offsets_by_time,
        reading::waiting_ends_with_an_append,
        reading::two_readers_see_the_same,
        reading::nobody_sees_half_a_transaction,
        cleaning::a_compacted_topic_needs_keys,
    }
}

/// For logs that clean in `maintain` and at no other time.
mod promises_of_cleaning {
    conformance! {
        folder::folder_direct, folder::folder_through_its_socket;
        cleaning::retention_removes_from_the_front,
        cleaning::compaction_keeps_the_last_of_each_key,
        cleaning::tombstones_go_after_their_time,
        cleaning::compaction_keeps_offsets_times_and_headers,
        cleaning::cleaning_twice_changes_nothing,
        cleaning::times_after_cleaning,
    }
}

/// For logs that are cleaned by others.
mod promises_of_brokers_cleaning {
    conformance! {
        kafka::kafka_with_small_segments;
        brokers_cleaning::retention_removes_from_the_front,
        brokers_cleaning::compaction_keeps_the_last_of_each_key,
        brokers_cleaning::tombstones_go,
    }
}
