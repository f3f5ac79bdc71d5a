//! Tests of encryption and logins against a real broker, which runs where `HEARTWATCH_TEST_KAFKA_SECURE` names its folder.
//!
//! The live tests (`cargo run -p xtask -- live --only log_keeps`) make such a folder: a broker that lets Anna do everything
//! and Bert nothing, and listens in plain text, with TLS, with TLS and logins, with logins alone, and with TLS that asks for a
//! certificate of ours.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kafka_protocol::messages::ListGroupsRequest;

use super::cluster::Cluster;
use super::connection::Connection;
use super::live::{fresh, settings_for};
use super::settings::Settings;
use crate::TopicOptions;

/// The ports of the broker, from the first one up.
const PLAINTEXT: u16 = 0;
const TLS: u16 = 1;
const LOGIN_TLS: u16 = 2;
const LOGIN: u16 = 3;
const MUTUAL_TLS: u16 = 4;

struct Broker {
    folder: PathBuf,
    port: u16,
}

fn broker() -> Option<Broker> {
    let Some(folder) = std::env::var_os("HEARTWATCH_TEST_KAFKA_SECURE") else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA_SECURE names no folder of a broker");
        return None;
    };
    let folder = PathBuf::from(folder);
    let port = std::fs::read_to_string(folder.join("port")).unwrap();
    let port = port.trim().parse().unwrap();
    Some(Broker { folder, port })
}

impl Broker {
    /// Settings for one of its ports: `protocol` and further ones, where `{folder}` stands for its folder.
    fn settings(&self, host: &str, port: u16, protocol: &str, more: &[(&str, &str)]) -> Settings {
        let mut properties = vec![
            ("bootstrap.servers".to_owned(), format!("{host}:{}", self.port + port)),
            ("security.protocol".to_owned(), protocol.to_owned()),
        ];
        let folder = self.folder.display().to_string();
        properties.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), value.replace("{folder}", &folder))),
        );
        let properties: Vec<(&str, &str)> = properties.iter().map(|(name, value)| (&**name, &**value)).collect();
        settings_for(&properties)
    }

    /// What is said to a user who comes with these settings, without the address.
    fn refusal(&self, host: &str, port: u16, protocol: &str, more: &[(&str, &str)]) -> String {
        let failure = Cluster::open(self.settings(host, port, protocol, more))
            .err()
            .expect("a refusal");
        let text = failure.to_string();
        eprintln!("{text}");
        text
    }
}

const TRUST: (&str, &str) = ("ssl.truststore.location", "{folder}/ca.pem");

fn anna(mechanism: &'static str, password: &'static str) -> [(&'static str, &'static str); 4] {
    [
        TRUST,
        ("sasl.mechanism", mechanism),
        ("sasl.username", "anna"),
        ("sasl.password", password),
    ]
}

#[test]
fn encrypted() {
    let Some(broker) = broker() else { return };
    Cluster::open(broker.settings("localhost", TLS, "SSL", &[TRUST])).unwrap();
    let any_name = [TRUST, ("ssl.endpoint.identification.algorithm", "")];
    Cluster::open(broker.settings("127.0.0.1", TLS, "SSL", &any_name)).unwrap();
    let identity = [TRUST, ("ssl.keystore.location", "{folder}/client.pem")];
    Cluster::open(broker.settings("localhost", MUTUAL_TLS, "SSL", &identity)).unwrap();
}

#[test]
fn encryption_that_is_refused() {
    let Some(broker) = broker() else { return };
    for (refusal, hint) in [
        (
            broker.refusal("localhost", TLS, "SSL", &[]),
            "set ssl.truststore.location",
        ),
        (broker.refusal("127.0.0.1", TLS, "SSL", &[TRUST]), "is for another name"),
        (
            broker.refusal("localhost", MUTUAL_TLS, "SSL", &[TRUST]),
            "set ssl.keystore.location",
        ),
        (
            broker.refusal("localhost", TLS, "PLAINTEXT", &[]),
            "set security.protocol to SSL",
        ),
        (
            broker.refusal("localhost", PLAINTEXT, "SSL", &[TRUST]),
            "set security.protocol to PLAINTEXT",
        ),
        (
            broker.refusal(
                "localhost",
                TLS,
                "SSL",
                &[("ssl.truststore.location", "{folder}/none.pem")],
            ),
            "cannot be read",
        ),
        (
            broker.refusal(
                "localhost",
                TLS,
                "SSL",
                &[("ssl.truststore.location", "{folder}/server.key")],
            ),
            "no certificate in PEM form",
        ),
    ] {
        assert!(refusal.contains(hint), "{refusal}");
    }
}

#[test]
fn logged_in() {
    let Some(broker) = broker() else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for (port, protocol) in [(LOGIN_TLS, "SASL_SSL"), (LOGIN, "SASL_PLAINTEXT")] {
            let settings = broker.settings("localhost", port, protocol, &anna(mechanism, "anna-secret"));
            let cluster = Cluster::open(settings).unwrap();
            let topic = fresh("login");
            cluster.create_topic(&topic, &TopicOptions::stream(1)).unwrap();
            cluster.delete_topic(&topic).unwrap();
        }
    }
}

#[test]
fn logins_that_are_refused() {
    let Some(broker) = broker() else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let refusal = broker.refusal("localhost", LOGIN_TLS, "SASL_SSL", &anna(mechanism, "wrong"));
        assert!(
            refusal.contains("refused the login of anna") && refusal.contains("check sasl.username"),
            "{refusal}"
        );
        assert!(!refusal.contains("wrong"), "{refusal}");
    }
    let at_no_login = broker.refusal("localhost", PLAINTEXT, "SASL_PLAINTEXT", &anna("PLAIN", "anna-secret"));
    assert!(
        at_no_login.contains("set security.protocol to PLAINTEXT"),
        "{at_no_login}"
    );
    let without = broker.refusal("localhost", LOGIN, "PLAINTEXT", &[]);
    assert!(without.contains("check security.protocol"), "{without}");
}

#[test]
fn what_is_not_allowed() {
    let Some(broker) = broker() else { return };
    let bert = [
        TRUST,
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", "bert"),
        ("sasl.password", "bert-secret"),
    ];
    let cluster = Cluster::open(broker.settings("localhost", LOGIN_TLS, "SASL_SSL", &bert)).unwrap();
    for failure in [
        cluster
            .create_topic("wire-secret", &TopicOptions::stream(1))
            .unwrap_err(),
        cluster.partitions("wire-secret").unwrap_err(),
        cluster.committed("wire-secret").unwrap_err(),
    ] {
        let text = cluster.error(failure).to_string();
        eprintln!("{text}");
        assert!(
            text.contains("not allowed") && text.contains("ask the cluster's operator"),
            "{text}"
        );
    }
}

/// The broker hangs up on whoever has not logged in again for three seconds.
#[test]
fn a_login_is_renewed() {
    let Some(broker) = broker() else { return };
    let settings = broker.settings(
        "localhost",
        LOGIN_TLS,
        "SASL_SSL",
        &anna("SCRAM-SHA-512", "anna-secret"),
    );
    let mut connection = Connection::open(&settings, &settings.bootstrap[0]).unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(8) {
        connection.call(1..=4, &ListGroupsRequest::default()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    // Once it is too late, another connection is used instead.
    let cluster = Cluster::open(settings).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    cluster
        .retry(cluster.deadline(), || cluster.metadata(Some(&[])))
        .unwrap();
}
