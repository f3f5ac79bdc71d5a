//! Registries that are away, for a while or for good.

use std::time::{Duration, Instant};

use hw_log::LogError;
use hw_log::kafka::SchemaIds;

use crate::server::{Reply, Server, missing, nobody, say};
use crate::{at, impatient};

const SCHEMA: &str = r#"{"schema":"\"string\""}"#;

/// The error, and that the call ended about when it should.
fn away(url: &str) -> String {
    let start = Instant::now();
    let error = impatient(&[url]).schema(7).expect_err("nobody answers");
    assert!(matches!(error, LogError::RegistryAway { .. }), "{error}");
    assert!(error.is_retriable());
    // Far below what one attempt may take; the machine may be busy.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    error.to_string()
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let replies = [say(503, "starting"), Reply::Hang, say(429, ""), say(200, SCHEMA)];
    let server = Server::start(&replies);
    let registry = at(&[&server.url()]);
    assert_eq!(registry.schema(7).expect("at last").as_deref(), Some("\"string\""));
    assert_eq!(server.lines().len(), 4);
}

#[test]
fn a_registry_that_is_away_is_an_error_that_passes_and_no_unknown_id() {
    let url = nobody();
    let message = away(&url);
    assert!(
        message.starts_with("the schema registry does not answer:") && message.contains(&url),
        "{message}"
    );
    let server = Server::start(&[say(500, r#"{"error_code":50001,"message":"store is gone"}"#)]);
    assert!(away(&server.url()).contains("it answered 500: store is gone"));
    assert!(server.lines().len() > 2, "{:?}", server.lines());
    away(&Server::start(&[Reply::Hang]).url());
    assert!(away("http://no-such-host.invalid").contains("http://no-such-host.invalid"));
}

#[test]
fn a_server_that_does_not_answer_or_does_not_end_is_given_up() {
    away(&Server::start(&[Reply::Wait(Duration::from_secs(30))]).url());
    away(&Server::start(&[Reply::Drip(Duration::from_millis(20))]).url());
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let server = Server::start(&[Reply::Drip(Duration::ZERO)]);
    let registry = at(&[&server.url()]);
    let error = registry.schema(7).expect_err("too long");
    assert!(
        error.to_string().contains("its answer is larger than any schema"),
        "{error}"
    );
}

#[test]
fn addresses_are_tried_in_turn_and_the_one_that_answered_first_of_all() {
    let (broken, good) = (Server::start(&[say(500, "")]), Server::start(&[say(200, SCHEMA)]));
    let registry = at(&[&nobody(), &broken.url(), &good.url()]);
    for id in 1..=3 {
        registry.schema(id).expect("the third answers");
    }
    assert_eq!((broken.lines().len(), good.lines().len()), (1, 3));
}

#[test]
fn an_id_is_unknown_when_no_address_has_it() {
    let (behind, ahead) = (Server::start(&[missing()]), Server::start(&[say(200, SCHEMA)]));
    let found = at(&[&behind.url(), &ahead.url()]).schema(7).expect("answered");
    assert_eq!(found.as_deref(), Some("\"string\""));
    // One that is away does not keep the answer of the other back: a record with a made-up id would wait for ever.
    assert_eq!(at(&[&nobody(), &behind.url()]).schema(7), Ok(None));
    assert_eq!(behind.lines().len(), 2);
}

#[test]
fn a_refusal_by_one_address_leaves_the_others() {
    let refusing = Server::start(&[say(403, r#"{"message":"no"}"#)]);
    let good = Server::start(&[say(200, SCHEMA)]);
    at(&[&refusing.url(), &good.url()])
        .schema(7)
        .expect("the second answers");
    let error = impatient(&[&refusing.url(), &nobody()])
        .schema(7)
        .expect_err("nobody has it");
    assert!(error.is_retriable(), "the other may come back");
    assert!(
        error
            .to_string()
            .contains("the user is not allowed to do this (403): no"),
        "{error}"
    );
}
