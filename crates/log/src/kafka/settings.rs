//! `Settings`: how a Kafka cluster is reached and used, under Kafka's own names for it.
//!
//! It opens no connection and reads no environment; the binary hands it names and values.
//!
//! # Constraints
//!
//! - A name that means nothing here is refused: what is silently ignored is believed to be in force.
//! - Secrets do not show in `Debug`, nor in any error.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::address::Address;
use super::properties::Properties;
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
    /// `fetch.max.bytes`, of one answer.
    pub(crate) fetch_bytes_max: u32,
    /// `max.partition.fetch.bytes`, of one partition in one answer.
    pub(crate) partition_fetch_bytes_max: u32,
    /// `fetch.max.wait.ms`: how long a broker waits for `fetch_bytes_min`.
    pub(crate) fetch_wait_max: Duration,
    /// `fetch.min.bytes`.
    pub(crate) fetch_bytes_min: u32,
    /// `heartwatch.namespace`: stands as it is before the name of every topic, group and transactional id.
    pub(crate) namespace: String,
}

/// TLS.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Encryption {
    /// Whose certificates are trusted; `None`: the system's.
    pub(crate) trusted: Option<Pem>,
    /// What we show when the broker asks who we are.
    pub(crate) identity: Option<Identity>,
    /// Whether the certificate has to be for the name we connect to (`ssl.endpoint.identification.algorithm`).
    pub(crate) names: NameCheck,
}

/// Certificates or keys in PEM form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Pem {
    /// In a file.
    File(std::path::PathBuf),
    /// As text.
    Text(String),
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The certificate, then those that vouch for it.
    pub(crate) chain: Pem,
    /// The private key, not encrypted.
    pub(crate) key: Pem,
}

/// Whether a certificate's names count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameCheck {
    /// It must be for the host we connect to.
    Host,
    /// Any certificate of a trusted issuer will do.
    Off,
}

/// A user and how he proves who he is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// `sasl.mechanism`.
    pub(crate) mechanism: Mechanism,
    /// The name.
    pub(crate) username: String,
    /// The secret.
    pub(crate) password: String,
}

/// How a user proves who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// He says the password.
    Plain,
    /// He proves that he knows it.
    ScramSha256,
    /// As before, with a longer hash.
    ScramSha512,
}

impl Mechanism {
    /// As brokers call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
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
        let (encryption, login) = security(&mut properties)?;
        let settings = Settings {
            bootstrap: properties.addresses("bootstrap.servers")?,
            encryption,
            login,
            client_id: properties.text("client.id").unwrap_or_else(|| "heartwatch".into()),
            request_timeout: properties.millis("request.timeout.ms", 30_000)?,
            group_protocol: properties.choice(
                "group.protocol",
                GroupProtocol::Classic,
                &[("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)],
            )?,
            session_timeout: properties.millis("session.timeout.ms", 45_000)?,
            heartbeat_interval: properties.millis("heartbeat.interval.ms", 3_000)?,
            poll_interval_max: properties.millis("max.poll.interval.ms", 300_000)?,
            group_instance_id: properties.text("group.instance.id"),
            transactional_id_prefix: properties.text("transactional.id.prefix"),
            transaction_timeout: properties.millis("transaction.timeout.ms", 10_000)?,
            fetch_bytes_max: properties.bytes("fetch.max.bytes", 50 << 20)?,
            partition_fetch_bytes_max: properties.bytes("max.partition.fetch.bytes", 1 << 20)?,
            fetch_wait_max: properties.millis("fetch.max.wait.ms", 500)?,
            fetch_bytes_min: properties.bytes("fetch.min.bytes", 1)?,
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

fn security(properties: &mut Properties<'_>) -> Result<(Option<Encryption>, Option<Login>), LogError> {
    let (is_encrypted, has_login) = properties.choice(
        "security.protocol",
        (false, false),
        &[
            ("PLAINTEXT", (false, false)),
            ("SSL", (true, false)),
            ("SASL_PLAINTEXT", (false, true)),
            ("SASL_SSL", (true, true)),
        ],
    )?;
    let encryption = encryption(properties)?;
    let login = login(properties, has_login)?;
    Ok((is_encrypted.then_some(encryption), login))
}

fn encryption(properties: &mut Properties<'_>) -> Result<Encryption, LogError> {
    let file = |text: String| Pem::File(text.into());
    let keystore = properties.text("ssl.keystore.location").map(file);
    let chain = properties.text("ssl.keystore.certificate.chain").map(Pem::Text);
    let key = properties.text("ssl.keystore.key").map(Pem::Text);
    let identity = match (keystore, chain, key) {
        (Some(both), None, None) => Some(Identity {
            chain: both.clone(),
            key: both,
        }),
        (None, Some(chain), Some(key)) => Some(Identity { chain, key }),
        (None, None, None) => None,
        _ => {
            return Err(properties.invalid(
                "ssl.keystore.location",
                "give either a PEM file with the key and its certificates, or both ssl.keystore.key and \
                 ssl.keystore.certificate.chain",
            ));
        }
    };
    properties.only("ssl.truststore.type", "PEM")?;
    properties.only("ssl.keystore.type", "PEM")?;
    Ok(Encryption {
        trusted: properties
            .text("ssl.truststore.certificates")
            .map(Pem::Text)
            .or(properties.text("ssl.truststore.location").map(file)),
        identity,
        names: properties.choice(
            "ssl.endpoint.identification.algorithm",
            NameCheck::Host,
            &[("https", NameCheck::Host), ("", NameCheck::Off)],
        )?,
    })
}

fn login(properties: &mut Properties<'_>, has_login: bool) -> Result<Option<Login>, LogError> {
    let mechanism = properties.choice(
        "sasl.mechanism",
        Mechanism::Plain,
        &[Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512].map(|each| (each.name(), each)),
    )?;
    let (jaas_username, jaas_password) = match properties.text("sasl.jaas.config") {
        Some(jaas) => super::properties::jaas(&jaas).map_err(|reason| properties.invalid("sasl.jaas.config", &reason))?,
        None => (None, None),
    };
    let username = properties.text("sasl.username").or(jaas_username);
    let password = properties.text("sasl.password").or(jaas_password);
    match (has_login, username, password) {
        (false, ..) => Ok(None),
        (true, Some(username), Some(password)) => Ok(Some(Login {
            mechanism,
            username,
            password,
        })),
        (true, ..) => Err(properties.invalid(
            "sasl.username",
            "security.protocol asks for a login: set sasl.username and sasl.password (or sasl.jaas.config)",
        )),
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption")
            .field("trusted", &self.trusted)
            .field("has_identity", &self.identity.is_some())
            .field("names", &self.names)
            .finish()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::File(path) => write!(f, "File({})", path.display()),
            Pem::Text(_) => f.write_str("Text(…)"),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let settings = parse(&format!("{text}{jaas}ssl.keystore.key=hidden\nssl.keystore.certificate.chain=c\n")).unwrap();
        let login = settings.login.clone().unwrap();
        assert_eq!((&*login.username, &*login.password), ("anna", "se\"cret"));
        assert_eq!(login.mechanism, Mechanism::ScramSha512);
        let shown = format!("{settings:?}");
        assert!(shown.contains("anna") && !shown.contains("cret") && !shown.contains("hidden"), "{shown}");
    }
}
