//! Who may listen in, and who we are: the part of the settings that is about trust.
//!
//! It reads no file and proves nothing; [`super::tls`] and [`super::sasl`] do. Secrets do not show in `Debug`.

use std::fmt;

use super::properties::Properties;
use crate::LogError;

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

/// Encryption and login as `security.protocol` asks for them.
pub(super) fn read(properties: &mut Properties<'_>) -> Result<(Option<Encryption>, Option<Login>), LogError> {
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
        Some(jaas) => {
            super::properties::jaas(&jaas).map_err(|reason| properties.invalid("sasl.jaas.config", &reason))?
        }
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
