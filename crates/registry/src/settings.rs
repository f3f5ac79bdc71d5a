//! `Settings`: how a registry is reached, under the names that Confluent's clients have for it.
//!
//! It opens no connection and reads no environment; the binary hands it names and values.
//!
//! # Constraints
//!
//! - A name that means nothing here is refused: what is silently ignored is believed to be in force.
//! - Secrets do not show in `Debug`, nor in any error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hw_log::LogError;

use crate::url::Url;

/// Before every name.
const PREFIX: &str = "schema.registry.";
/// Ours, and not a registry's: it stands before the names of topics, and so before subjects. It is left where it is.
const NAMESPACE: &str = "heartwatch.namespace";
/// Names that Confluent's clients also take without the prefix.
const BARE: [&str; 2] = ["basic.auth.credentials.source", "basic.auth.user.info"];
const NAMES: [&str; 14] = [
    "url",
    "basic.auth.credentials.source",
    "basic.auth.user.info",
    "http.connect.timeout.ms",
    "http.read.timeout.ms",
    "default.api.timeout.ms",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.certificates",
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.endpoint.identification.algorithm",
];

/// What is known about a registry before it is reached.
#[derive(Clone)]
pub struct Settings {
    /// `schema.registry.url`: tried one after the other.
    pub(crate) urls: Vec<Url>,
    /// `heartwatch.namespace`: stands before every subject.
    pub(crate) namespace: String,
    /// `schema.registry.basic.auth.user.info`, for every address.
    pub(crate) user_info: Option<String>,
    /// `schema.registry.ssl.truststore.*`: whose certificates are trusted; `None`: the system's.
    pub(crate) trusted: Option<Pem>,
    /// `schema.registry.ssl.keystore.*`: what we show when the registry asks who we are.
    pub(crate) identity: Option<Identity>,
    /// `schema.registry.http.connect.timeout.ms`.
    pub(crate) connect_timeout: Duration,
    /// `schema.registry.http.read.timeout.ms`: how long the registry may take to answer.
    pub(crate) read_timeout: Duration,
    /// `schema.registry.default.api.timeout.ms`: how long something is tried again.
    pub(crate) call_timeout: Duration,
}

/// Certificates or keys in PEM form.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Pem {
    /// In a file.
    File(PathBuf),
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

impl Settings {
    /// Takes what belongs to a registry out of `properties`, such as `schema.registry.url`; `None` if there is nothing.
    ///
    /// # Errors
    /// [`LogError::Invalid`] names the setting, what is wrong with it, and for an unknown name the nearest known one.
    pub fn take_from(properties: &mut BTreeMap<String, String>) -> Result<Option<Settings>, LogError> {
        let mut values = Values::take_from(properties)?;
        if values.0.is_empty() {
            return Ok(None);
        }
        let urls = urls(&mut values)?;
        let settings = Settings {
            namespace: properties
                .get(NAMESPACE)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default(),
            user_info: user_info(&mut values, &urls)?,
            urls,
            identity: identity(&mut values)?,
            trusted: trusted(&mut values)?,
            connect_timeout: values.millis("http.connect.timeout.ms", 5_000)?,
            read_timeout: values.millis("http.read.timeout.ms", 5_000)?,
            // A worker that waits keeps no promise to its group meanwhile; it asks again by itself.
            call_timeout: values.millis("default.api.timeout.ms", 10_000)?,
        };
        // There is no switching it off: the password is for the registry, whoever else has a certificate of its issuer.
        values.only("ssl.endpoint.identification.algorithm", "https")?;
        Ok(Some(settings))
    }

    /// The addresses as one text, for messages.
    pub(crate) fn addresses(&self) -> String {
        let addresses: Vec<&str> = self.urls.iter().map(|url| url.address.as_str()).collect();
        addresses.join(",")
    }
}

/// Values by name without the prefix; all of them known.
struct Values(BTreeMap<&'static str, String>);

impl Values {
    fn take_from(properties: &mut BTreeMap<String, String>) -> Result<Values, LogError> {
        let own = |name: &String, _: &mut String| name.starts_with(PREFIX) || BARE.contains(&name.as_str());
        let mut values = BTreeMap::new();
        // In the order of names, so that one with the prefix comes after its twin without and is the one that counts.
        for (name, value) in properties.extract_if(.., own) {
            let short = name.strip_prefix(PREFIX).unwrap_or(&name);
            let known = NAMES.iter().find(|known| **known == short);
            let known = known.ok_or_else(|| invalid(&name, &unknown(short)))?;
            values.insert(*known, value.trim().to_owned());
        }
        Ok(Values(values))
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    /// A setting that has one possible value.
    fn only(&mut self, name: &'static str, possible: &str) -> Result<(), LogError> {
        match self.text(name) {
            Some(value) if !value.eq_ignore_ascii_case(possible) => {
                Err(invalid_own(name, &format!("only {possible} is possible here")))
            }
            _ => Ok(()),
        }
    }

    fn millis(&mut self, name: &'static str, default: u64) -> Result<Duration, LogError> {
        let Some(text) = self.text(name) else {
            return Ok(Duration::from_millis(default));
        };
        // Java writes these as 32 bits.
        match text.parse::<u32>() {
            Ok(millis @ 1..=0x7fff_ffff) => Ok(Duration::from_millis(u64::from(millis))),
            _ => Err(invalid_own(name, "it is no whole number of milliseconds above 0")),
        }
    }
}

fn urls(values: &mut Values) -> Result<Vec<Url>, LogError> {
    let text = values.text("url").unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let urls: Result<Vec<Url>, String> = entries.map(Url::parse).collect();
    let urls = urls.map_err(|reason| invalid_own("url", &reason))?;
    if urls.is_empty() {
        return Err(invalid_own(
            "url",
            "it is missing, but other settings of a registry are there",
        ));
    }
    Ok(urls)
}

/// Confluent's clients pass over a user unless they are told where to take it from. Here one that is given is used.
fn user_info(values: &mut Values, urls: &[Url]) -> Result<Option<String>, LogError> {
    const SOURCE: &str = "basic.auth.credentials.source";
    const USER: &str = "basic.auth.user.info";
    let source = values.text(SOURCE).map(|source| source.to_ascii_uppercase());
    let user = values.text(USER).filter(|user| !user.is_empty());
    if user.as_ref().is_some_and(|user| !user.contains(':')) {
        return Err(invalid_own(USER, "it is not of the form user:password"));
    }
    match (source.as_deref(), user) {
        (None | Some("USER_INFO"), Some(user)) => Ok(Some(user)),
        (None, None) => Ok(None),
        (Some("USER_INFO"), None) => Err(invalid_own(
            USER,
            "it is missing, but basic.auth.credentials.source asks for it",
        )),
        (Some("URL"), None) if urls.iter().any(|url| url.user_info.is_some()) => Ok(None),
        (Some("URL"), None) => Err(invalid_own(
            SOURCE,
            "no address in schema.registry.url has a user in it",
        )),
        (Some("URL"), Some(_)) => Err(invalid_own(
            USER,
            "basic.auth.credentials.source says that the user is in the URL",
        )),
        (Some(_), _) => Err(invalid_own(SOURCE, "only USER_INFO and URL are possible here")),
    }
}

fn trusted(values: &mut Values) -> Result<Option<Pem>, LogError> {
    values.only("ssl.truststore.type", "PEM")?;
    let file = values
        .text("ssl.truststore.location")
        .map(|path| Pem::File(path.into()));
    Ok(values.text("ssl.truststore.certificates").map(Pem::Text).or(file))
}

fn identity(values: &mut Values) -> Result<Option<Identity>, LogError> {
    values.only("ssl.keystore.type", "PEM")?;
    let file = values.text("ssl.keystore.location").map(|path| Pem::File(path.into()));
    let chain = values.text("ssl.keystore.certificate.chain").map(Pem::Text);
    let key = values.text("ssl.keystore.key").map(Pem::Text);
    match (file, chain, key) {
        (Some(both), None, None) => Ok(Some(Identity {
            chain: both.clone(),
            key: both,
        })),
        (None, Some(chain), Some(key)) => Ok(Some(Identity { chain, key })),
        (None, None, None) => Ok(None),
        _ => Err(invalid_own(
            "ssl.keystore.location",
            "give either a PEM file with the key and its certificates, or both ssl.keystore.key and \
             ssl.keystore.certificate.chain",
        )),
    }
}

fn invalid(name: &str, reason: &str) -> LogError {
    LogError::Invalid {
        what: "the setting".into(),
        name: name.into(),
        reason: reason.into(),
    }
}

fn invalid_own(name: &str, reason: &str) -> LogError {
    invalid(&format!("{PREFIX}{name}"), reason)
}

/// Why a name is refused, with the known one that shares most letters from either end.
fn unknown(name: &str) -> String {
    let shared = |known: &str| {
        let same = |(left, right): &(char, char)| left == right;
        let start = known.chars().zip(name.chars()).take_while(same).count();
        start + known.chars().rev().zip(name.chars().rev()).take_while(same).count()
    };
    let nearest = NAMES.iter().max_by_key(|known| shared(known));
    match nearest {
        Some(nearest) if shared(nearest) > name.len() / 2 => {
            format!("it is not known here; did you mean {PREFIX}{nearest}?")
        }
        _ => format!("it is not known here; known are {}", NAMES.join(", ")),
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("urls", &self.urls)
            .field("has_user", &self.user_info.is_some())
            .field("has_identity", &self.identity.is_some())
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Settings>, String> {
        let mut properties = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let settings = Settings::take_from(&mut properties).map_err(|error| error.to_string())?;
        let left: Vec<&String> = properties.keys().filter(|name| *name != "bootstrap.servers").collect();
        assert!(left.is_empty(), "{left:?}");
        Ok(settings)
    }

    #[test]
    fn a_registry_is_taken_out_of_the_properties_of_a_cluster() {
        assert!(parse("bootstrap.servers=a:1").expect("valid").is_none());
        let settings = parse("bootstrap.servers=a:1\nschema.registry.url=http://a:1/, https://b:2/x").expect("valid");
        let settings = settings.expect("a registry");
        assert_eq!(settings.addresses(), "http://a:1,https://b:2/x");
        assert_eq!(settings.call_timeout, Duration::from_secs(10));
        assert!(settings.user_info.is_none() && settings.trusted.is_none() && settings.identity.is_none());
    }

    #[test]
    fn users_come_from_either_place_and_do_not_show() {
        let user = |text: &str| {
            let settings = parse(&format!("schema.registry.url=http://a:1\n{text}"))
                .expect("valid")
                .expect("a registry");
            assert!(!format!("{settings:?}").contains("cret"), "{settings:?}");
            settings.user_info
        };
        for text in [
            "basic.auth.user.info=anna:secret",
            "schema.registry.basic.auth.user.info=anna:secret\nbasic.auth.credentials.source=USER_INFO",
            "basic.auth.user.info=bob:old\nschema.registry.basic.auth.user.info=anna:secret",
        ] {
            assert_eq!(user(text).as_deref(), Some("anna:secret"));
        }
        assert_eq!(user(""), None);
        let in_url = parse("schema.registry.url=http://anna:secret@a:1\nbasic.auth.credentials.source=URL");
        let shown = format!("{in_url:?}");
        assert!(shown.contains("http://a:1") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let url = "schema.registry.url=http://a:1\n";
        for (text, reason) in [
            (
                "schema.registry.basic.auth.user.info=a:b",
                "\"schema.registry.url\" is not possible: it is missing",
            ),
            ("schema.registry.url=a:1", "it does not start with http:// or https://"),
            (
                &format!("{url}schema.registry.basic.auth.userinfo=a:secret"),
                "did you mean schema.registry.basic.auth.user.info?",
            ),
            (&format!("{url}schema.registry.avro=1"), "known are url, basic.auth"),
            (
                &format!("{url}basic.auth.user.info=secret"),
                "it is not of the form user:password",
            ),
            (
                &format!("{url}basic.auth.credentials.source=USER_INFO"),
                "it is missing, but",
            ),
            (
                &format!("{url}basic.auth.credentials.source=URL"),
                "no address in schema.registry.url has a user",
            ),
            (
                &format!("{url}basic.auth.credentials.source=SASL_INHERIT"),
                "only USER_INFO and URL are possible",
            ),
            (
                &format!("{url}basic.auth.credentials.source=URL\nbasic.auth.user.info=a:secret"),
                "says that the user is in the URL",
            ),
            (
                &format!("{url}schema.registry.ssl.truststore.type=JKS"),
                "only PEM is possible here",
            ),
            (
                &format!("{url}schema.registry.ssl.endpoint.identification.algorithm="),
                "only https is possible here",
            ),
            (
                &format!("{url}schema.registry.ssl.keystore.key=secret"),
                "give either a PEM file",
            ),
            (
                &format!("{url}schema.registry.http.read.timeout.ms=0"),
                "no whole number of milliseconds above 0",
            ),
        ] {
            let message = parse(text).expect_err("not understood");
            assert!(message.contains(reason) && !message.contains("cret"), "{message}");
        }
    }
}
