//! `Settings`: how a Kafka cluster is reached and used, under Kafka's own names for it.
//!
//! It opens no connection and reads no environment; the binary hands it names and values.
//!
//! # Constraints
//!
//! - A name that means nothing here is refused: what is silently ignored is believed to be in force.
//! - Secrets do not show in `Debug`, nor in any error.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address::Address;
use super::properties::Properties;
use super::security::{self, Encryption, Login};
use crate::LogError;

/// What is known about a cluster before it is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `bootstrap.servers`: tried in this order.
    pub(crate) bootstrap: Vec<Address>,
    /// Whether and how connections are encrypted (`security.protocol`, `ssl.*`).
    pub(crate) encryption: Option<Encryption>,
    /// Who we are (`security.protocol`, `sasl.*`).
    pub(crate) login: Option<Login>,
    /// `client.id`: how the broker's logs and quotas call us.
    pub(crate) client_id: String,
    /// `request.timeout.ms`: how long a broker may take to answer.
    pub(crate) request_timeout: Duration,
    /// `default.api.timeout.ms`: how long a call is tried again before it fails.
    pub(crate) call_timeout: Duration,
    /// `group.protocol`.
    pub(crate) group_protocol: GroupProtocol,
    /// `session.timeout.ms`: a worker not heard of for so long loses its partitions.
    pub(crate) session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub(crate) heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: a worker that hangs for so long loses its partitions.
    pub(crate) poll_interval_max: Duration,
    /// `group.instance.id`: each worker adds its number. Workers with one keep their partitions over a quick restart.
    pub(crate) group_instance_id: Option<String>,
    /// `transactional.id.prefix`: before the number of each worker.
    pub(crate) transactional_id_prefix: Option<String>,
    /// `transaction.timeout.ms`: how long a dead worker's open transaction holds readers up.
    pub(crate) transaction_timeout: Duration,
    /// `fetch.max.bytes`: of all that is fetched and not read yet. One answer has a quarter of it at most.
    pub(crate) fetch_bytes_max: u32,
    /// `max.partition.fetch.bytes`, of one partition in one answer.
    pub(crate) partition_fetch_bytes_max: u32,
    /// `fetch.max.wait.ms`: how long a broker waits for `fetch_bytes_min`.
    pub(crate) fetch_wait_max: Duration,
    /// `fetch.min.bytes`.
    pub(crate) fetch_bytes_min: u32,
    /// `replication.factor` of topics that are made; -1: as the brokers' default says.
    pub(crate) replication_factor: i16,
    /// `topic.*`: further settings of topics that are made, by their names without the prefix.
    pub(crate) topic_configs: BTreeMap<String, String>,
    /// `heartwatch.namespace`: stands as it is before the name of every topic, group and transactional id.
    pub(crate) namespace: String,
}

/// Who shares the partitions of a group out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupProtocol {
    /// One of its members.
    Classic,
    /// The broker (KIP-848).
    Consumer,
}

impl Settings {
    /// From Kafka's own names, such as `bootstrap.servers`.
    ///
    /// # Errors
    /// [`LogError::Invalid`] names the setting, what is wrong with it, and for an unknown name the nearest known one.
    pub fn from_properties(properties: &BTreeMap<String, String>) -> Result<Settings, LogError> {
        let mut properties = Properties::new(properties);
        let (encryption, login) = security::read(&mut properties)?;
        let settings = Settings {
            bootstrap: properties.addresses("bootstrap.servers")?,
            encryption,
            login,
            client_id: properties.text("client.id").unwrap_or_else(|| "heartwatch".into()),
            request_timeout: properties.millis("request.timeout.ms", 30_000)?,
            call_timeout: properties.millis("default.api.timeout.ms", 60_000)?,
            group_protocol: properties.choice(
                "group.protocol",
                GroupProtocol::Classic,
                &[
                    ("classic", GroupProtocol::Classic),
                    ("consumer", GroupProtocol::Consumer),
                ],
            )?,
            session_timeout: properties.millis("session.timeout.ms", 45_000)?,
            heartbeat_interval: properties.millis("heartbeat.interval.ms", 3_000)?,
            poll_interval_max: properties.millis("max.poll.interval.ms", 300_000)?,
            group_instance_id: properties.text("group.instance.id"),
            transactional_id_prefix: properties.text("transactional.id.prefix"),
            transaction_timeout: properties.millis("transaction.timeout.ms", 10_000)?,
            fetch_bytes_max: properties.bytes("fetch.max.bytes", 16 << 20)?,
            partition_fetch_bytes_max: properties.bytes("max.partition.fetch.bytes", 1 << 20)?,
            fetch_wait_max: properties.millis("fetch.max.wait.ms", 500)?,
            fetch_bytes_min: properties.bytes("fetch.min.bytes", 1)?,
            replication_factor: replication_factor(&mut properties)?,
            topic_configs: topic_configs(&mut properties)?,
            namespace: properties.text("heartwatch.namespace").unwrap_or_default(),
        };
        properties.finish()?;
        Ok(settings)
    }

    /// The bootstrap servers as one text, for messages.
    pub(crate) fn bootstrap_text(&self) -> String {
        let addresses: Vec<String> = self.bootstrap.iter().map(Address::to_string).collect();
        addresses.join(",")
    }
}

/// `-1` or a number of copies.
fn replication_factor(properties: &mut Properties<'_>) -> Result<i16, LogError> {
    let name = "replication.factor";
    let factor = properties.text(name).map_or(Ok(-1), |text| text.parse::<i16>());
    match factor {
        Ok(factor) if factor == -1 || factor > 0 => Ok(factor),
        _ => Err(properties.invalid(
            name,
            "it is the number of copies of each partition, or -1 for the brokers' default",
        )),
    }
}

/// Names under which a topic's own options are kept: they come from the pipeline and from nowhere else.
const TOPIC_OPTIONS: [&str; 3] = ["cleanup.policy", "message.timestamp.type", "retention.ms"];

fn topic_configs(properties: &mut Properties<'_>) -> Result<BTreeMap<String, String>, LogError> {
    let configs = properties.with_prefix("topic.");
    match configs.keys().find(|name| TOPIC_OPTIONS.contains(&name.as_str())) {
        None => Ok(configs),
        Some(name) => Err(properties.invalid(
            &format!("topic.{name}"),
            "each topic has its own, set where it is declared",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::security::Mechanism;

    fn parse(text: &str) -> Result<Settings, String> {
        let properties = text
            .split_terminator('\n')
            .map(|line| line.split_once('=').unwrap())
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Settings::from_properties(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let settings = parse("bootstrap.servers=a:1, b:2\n").unwrap();
        assert_eq!(settings.bootstrap_text(), "a:1,b:2");
        assert!(settings.encryption.is_none() && settings.login.is_none());
        assert_eq!(settings.transaction_timeout, Duration::from_secs(10));
        assert_eq!(settings.group_protocol, GroupProtocol::Classic);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, reason) in [
            ("", "the setting \"bootstrap.servers\" is not possible: it is missing"),
            (
                "bootstrap.servers=a:1\nfetch.max.byte=1\n",
                "the setting \"fetch.max.byte\" is not possible: it is not known here; did you mean fetch.max.bytes?",
            ),
            (
                "bootstrap.servers=a:1\nsession.timeout.ms=soon\n",
                "the setting \"session.timeout.ms\" is not possible: \"soon\" is no whole number",
            ),
            (
                "bootstrap.servers=a:1\ngroup.protocol=new\n",
                "the setting \"group.protocol\" is not possible: \"new\" is none of classic, consumer",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason);
        }
    }

    #[test]
    fn logins_and_secrets() {
        let text = "bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n";
        assert!(parse(text).unwrap_err().contains("asks for a login"));
        let jaas = "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
                    username=\"anna\" password=\"se\\\"cret\";\n";
        let settings = parse(&format!(
            "{text}{jaas}ssl.keystore.key=hidden\nssl.keystore.certificate.chain=c\n"
        ))
        .unwrap();
        let login = settings.login.clone().unwrap();
        assert_eq!((&*login.username, &*login.password), ("anna", "se\"cret"));
        assert_eq!(login.mechanism, Mechanism::ScramSha512);
        let shown = format!("{settings:?}");
        assert!(
            shown.contains("anna") && !shown.contains("cret") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
