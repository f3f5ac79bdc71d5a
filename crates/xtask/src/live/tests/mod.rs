//! The live tests, in the order in which they run.
//!
//! A test says what it shows by its name, and asserts by an error.

mod crates;
mod encrypted;
mod foreign;
mod golden;
mod oracle;
mod poison;
mod produce;
mod program;
mod quorum;
mod registry;
mod secured;
mod sentences;
mod time_rules;
mod workers;

use super::runner::LiveTest;

/// All of them: those that share one broker first.
pub(super) const ALL: &[LiveTest] = &[
    LiveTest {
        name: "foreign_clients_agree",
        run: foreign::clients_agree,
    },
    LiveTest {
        name: "foreign_consumer_sees_committed_records_alone",
        run: foreign::consumer_sees_committed_records_alone,
    },
    LiveTest {
        name: "registry_gives_schemas_their_ids",
        run: registry::gives_schemas_their_ids,
    },
    LiveTest {
        name: "registry_client_is_understood",
        run: crates::registry_client_is_understood,
    },
    LiveTest {
        name: "program_obeys_signals",
        run: program::obeys_signals,
    },
    LiveTest {
        name: "producers_keep_everyones_order",
        run: produce::producers_keep_everyones_order,
    },
    LiveTest {
        name: "produce_stops_in_order",
        run: produce::produce_stops_in_order,
    },
    LiveTest {
        name: "simulate_goes_into_topics",
        run: produce::simulate_goes_into_topics,
    },
    LiveTest {
        name: "oracle_knows_the_findings",
        run: oracle::knows_the_findings,
    },
    LiveTest {
        name: "oracle_knows_late_readings",
        run: oracle::knows_late_readings,
    },
    LiveTest {
        name: "log_keeps_its_promises_on_kafka",
        run: crates::log_keeps_its_promises,
    },
    LiveTest {
        name: "golden_pipelines_answer_on_kafka",
        run: golden::pipelines_answer_on_kafka,
    },
    LiveTest {
        name: "kafka_keeps_the_rules_of_time",
        run: time_rules::kafka_keeps_the_rules_of_time,
    },
    LiveTest {
        name: "poison_is_a_dead_letter_once",
        run: poison::is_a_dead_letter_once,
    },
    LiveTest {
        name: "sentences_say_what_to_do",
        run: sentences::say_what_to_do,
    },
    LiveTest {
        name: "killed_worker_loses_and_doubles_nothing",
        run: workers::killed_worker_loses_and_doubles_nothing,
    },
    LiveTest {
        name: "workers_come_and_go",
        run: workers::workers_come_and_go,
    },
    LiveTest {
        name: "stopped_worker_commits_nothing_more",
        run: workers::stopped_worker_commits_nothing_more,
    },
    LiveTest {
        name: "secured_broker_lets_its_friends_in",
        run: secured::broker_lets_its_friends_in,
    },
    LiveTest {
        name: "encrypted_broker_serves_the_whole_way",
        run: encrypted::findings_come_by_tls,
    },
    LiveTest {
        name: "quorum_survives_the_death_of_each_broker",
        run: quorum::survives_the_death_of_each_broker,
    },
    LiveTest {
        name: "quorum_survives_a_broker_that_stops_answering",
        run: quorum::survives_a_broker_that_stops_answering,
    },
    LiveTest {
        name: "log_follows_leaders",
        run: crates::log_follows_leaders,
    },
    LiveTest {
        name: "log_outlives_brokers",
        run: crates::log_outlives_brokers,
    },
    LiveTest {
        name: "brokers_die_under_workers",
        run: workers::brokers_die_under_workers,
    },
];
