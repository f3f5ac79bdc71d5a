//! Where a command's log is: in a folder, or on a Kafka cluster under Kafka's own settings.
//!
//! It opens the log and knows nothing of what is in it. Settings come from a file or from the environment, never as options
//! of their own: a password on a command line can be read by everyone on the machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use hw_log::kafka::{KafkaLog, SchemaIds, Settings, TopicSchemas};
use hw_log::{IfMissing, Log};
use hw_registry::Registry;

use crate::inputs::{log_error, open_log};
use crate::mistake;

/// Environment variables that begin so are settings: `HEARTWATCH_KAFKA_SASL_PASSWORD` is `sasl.password`.
const ENVIRONMENT: &str = "HEARTWATCH_KAFKA_";

/// A log, for commands that work on either kind.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false, id = "place")]
pub(crate) struct LogArgs {
    /// The log's folder; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// A Kafka cluster instead: HOST:PORT, or a file of Kafka's own settings (`bootstrap.servers=…`); HEARTWATCH_KAFKA_…
    /// in the environment is added to either.
    #[arg(long, value_name = "HOST:PORT|FILE")]
    pub(crate) kafka: Option<String>,
}

/// A Kafka cluster, for commands that only such a one has a use for.
#[derive(Debug, Clone, Args)]
pub(crate) struct KafkaArgs {
    /// The cluster: HOST:PORT, or a file of Kafka's own settings (`bootstrap.servers=…`); HEARTWATCH_KAFKA_… in the
    /// environment is added to either.
    #[arg(long, value_name = "HOST:PORT|FILE")]
    pub(crate) kafka: String,
    #[command(flatten)]
    pub(crate) names: NamespaceArgs,
}

/// What stands before every name.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NamespaceArgs {
    /// Stands before the names of all topics and groups on the cluster, so that experiments do not meet: `--namespace test1.`
    #[arg(long, value_name = "PREFIX")]
    pub(crate) namespace: Option<String>,
}

/// Where a log is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// On a cluster.
    Kafka(Box<ClusterPlace>),
}

/// Where a cluster is, and what it is asked with.
#[derive(Clone)]
pub(crate) struct ClusterPlace {
    settings: Settings,
    registry: Option<hw_registry::Settings>,
    /// As the user named it.
    name: String,
}

impl fmt::Debug for ClusterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterPlace({})", self.name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(folder) => write!(f, "{}", folder.display()),
            Place::Kafka(cluster) => write!(f, "Kafka ({})", cluster.name),
        }
    }
}

impl LogArgs {
    /// The place that was named.
    pub(crate) fn place(&self, names: &NamespaceArgs) -> anyhow::Result<Place> {
        match (&self.log, &self.kafka) {
            (Some(folder), _) => Ok(Place::Folder(folder.clone())),
            (None, Some(kafka)) => Ok(Place::Kafka(Box::new(ClusterPlace::new(kafka, names)?))),
            (None, None) => Err(mistake("say --log DIR or --kafka HOST:PORT")),
        }
    }
}

impl KafkaArgs {
    /// The cluster's log.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<KafkaLog>> {
        ClusterPlace::new(&self.kafka, &self.names)?.open()
    }
}

impl Place {
    /// Opens the log. `if_missing` is about a folder; a cluster is there or it is not.
    pub(crate) fn open(&self, if_missing: IfMissing) -> anyhow::Result<Arc<dyn Log>> {
        match self {
            Place::Folder(folder) => open_log(folder, if_missing),
            Place::Kafka(cluster) => Ok(cluster.open()?),
        }
    }
}

impl ClusterPlace {
    fn new(kafka: &str, names: &NamespaceArgs) -> anyhow::Result<ClusterPlace> {
        let mut properties = properties_of(kafka)?;
        properties.extend(from_environment(std::env::vars()));
        if let Some(namespace) = &names.namespace {
            properties.insert("heartwatch.namespace".into(), namespace.clone());
        }
        let registry = hw_registry::Settings::take_from(&mut properties).map_err(mistake)?;
        Ok(ClusterPlace {
            settings: Settings::from_properties(&properties).map_err(mistake)?,
            registry,
            name: kafka.to_owned(),
        })
    }

    /// Connects, to the registry as well where one is configured.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<KafkaLog>> {
        let schemas: Arc<dyn SchemaIds> = match &self.registry {
            Some(registry) => Arc::new(Registry::new(registry).map_err(log_error)?),
            None => Arc::new(TopicSchemas::open(self.settings.clone()).map_err(log_error)?),
        };
        let log = KafkaLog::open(self.settings.clone(), schemas).map_err(log_error)?;
        Ok(Arc::new(log))
    }
}

/// The settings of a file; what names no file but looks like an address is one.
fn properties_of(kafka: &str) -> anyhow::Result<BTreeMap<String, String>> {
    if !Path::new(kafka).exists() && kafka.contains(':') {
        return Ok(BTreeMap::from([("bootstrap.servers".into(), kafka.into())]));
    }
    let text = std::fs::read_to_string(kafka).map_err(|error| {
        mistake(format!(
            "cannot read Kafka's settings from {kafka}: {error}; give a file with lines such as \
             bootstrap.servers=localhost:9092, or the address itself"
        ))
    })?;
    parse_properties(&text).map_err(|line| {
        mistake(format!(
            "{kafka}, line {line}: expected NAME=VALUE, such as bootstrap.servers=localhost:9092"
        ))
    })
}

/// `name=value` lines; comments begin with `#` or `!`, and a `\` at a line's end goes on in the next, as in Java's files. The
/// number of the first line that is none of these is the error.
fn parse_properties(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut properties = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.ends_with('\\') {
            line.pop();
            line.push_str(lines.next().map_or("", |(_, next)| next.trim()));
        }
        let (name, value) = line.split_once('=').ok_or(number + 1)?;
        properties.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(properties)
}

/// `HEARTWATCH_KAFKA_SASL_PASSWORD` as `sasl.password`.
fn from_environment(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let named = variables.filter_map(|(name, value)| {
        let name = name.strip_prefix(ENVIRONMENT)?;
        Some((name.to_lowercase().replace('_', "."), value))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_java_reads_them() {
        let text = "# a comment\nbootstrap.servers = one:9092,\\\n  two:9092\n\n! another\nsasl.password=a=b\n";
        let properties = parse_properties(text).unwrap();
        assert_eq!(properties["bootstrap.servers"], "one:9092,two:9092");
        assert_eq!(properties["sasl.password"], "a=b");
        assert_eq!(parse_properties("a=b\nno setting"), Err(2));
    }

    #[test]
    fn the_environment_names_settings_in_capitals() {
        let variables = [
            ("HEARTWATCH_KAFKA_SASL_PASSWORD", "secret"),
            ("HEARTWATCH_LOG_SURVIVES", "kill"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = from_environment(variables.into_iter());
        assert_eq!(settings, BTreeMap::from([("sasl.password".into(), "secret".into())]));
    }
}
