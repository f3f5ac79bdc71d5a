//! A log on Kafka, seen from outside, against a real broker. The tests run where `HEARTWATCH_TEST_KAFKA=host:port` names
//! one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod cluster;
mod group;
