//! `Foreign`: clients of other people at a cluster: Confluent's Python client, and Kafka's own tools in Java.
//!
//! It is how tests make topics, send readings and see findings without the product's help.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::commits::Commit;
use super::findings::Row;
use super::kit::{Classes, Kit};
use super::process::{Ended, Process, Signal};

/// For what takes seconds.
const PATIENCE: Duration = Duration::from_secs(180);
/// For a program that goes through a topic or a file.
const LONG_PATIENCE: Duration = Duration::from_secs(600);

/// Where schemas have their ids from.
#[derive(Debug, Clone)]
pub(crate) enum Schemas {
    /// A registry's URL.
    Registry(String),
    /// Schema files by id.
    Fixed(BTreeMap<u32, PathBuf>),
}

/// Clients of one cluster.
#[derive(Debug)]
pub(crate) struct Foreign {
    kit: Arc<Kit>,
    bootstrap: String,
    /// Client properties, `NAME=VALUE`.
    properties: Vec<String>,
    logs: PathBuf,
}

/// A record as a foreign consumer saw it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Record {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
    /// The same as text, as `heartwatch backtest` writes it.
    pub(crate) time: String,
    pub(crate) key: Option<String>,
    /// None for a tombstone.
    pub(crate) value: Option<Row>,
}

/// A record as it is, bytes in base64.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct RawRecord {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    /// Milliseconds since the epoch.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    /// None for a tombstone.
    pub(crate) value: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
}

/// What a producer is to send.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(crate) topic: &'a str,
    /// JSON lines.
    pub(crate) file: &'a Path,
    /// The values' schema.
    pub(crate) schema: PathBuf,
    /// Field that becomes the record's timestamp; the present without.
    pub(crate) time: Option<&'a str>,
    /// Records a second; as fast as it goes without.
    pub(crate) rate: Option<u32>,
    pub(crate) transaction: Transaction,
}

/// What a producer's records are a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// Of none: each counts as soon as it is acknowledged.
    None,
    /// Of one that is committed at the end.
    Committed,
    /// Of one that is aborted at the end.
    Aborted,
}

/// What became of a producer's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Sent {
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    pub(crate) failed: usize,
}

/// A producer at work.
#[derive(Debug)]
pub(crate) struct Producing(Process);

impl Foreign {
    /// Clients without TLS.
    pub(crate) fn new(kit: &Arc<Kit>, bootstrap: &str, logs: &Path) -> Foreign {
        Foreign {
            kit: Arc::clone(kit),
            bootstrap: bootstrap.to_owned(),
            properties: Vec::new(),
            logs: logs.to_path_buf(),
        }
    }

    /// The same clients with more properties, which are librdkafka's.
    pub(crate) fn with(mut self, properties: &[(&str, &str)]) -> Foreign {
        let more = properties.iter().map(|(name, value)| format!("{name}={value}"));
        self.properties.extend(more);
        self
    }

    /// Makes a topic; `config` has its properties.
    pub(crate) fn create_topic(&self, name: &str, partitions: u32, config: &[(&str, &str)]) -> Result<()> {
        let mut command = self.python("topics.py");
        command.args(["create", name, "--partitions", &partitions.to_string()]);
        for (name, value) in config {
            command.args(["--config", &format!("{name}={value}")]);
        }
        Process::run("topics", &self.logs, &mut command, PATIENCE)?;
        Ok(())
    }

    /// Gives a topic more partitions.
    pub(crate) fn enlarge_topic(&self, name: &str, partitions: u32) -> Result<()> {
        let mut command = self.python("topics.py");
        command.args(["enlarge", name, "--partitions", &partitions.to_string()]);
        Process::run("topics", &self.logs, &mut command, PATIENCE)?;
        Ok(())
    }

    /// Removes all records of a topic below an offset, as retention does.
    pub(crate) fn delete_records(&self, topic: &str, below: u64) -> Result<()> {
        let mut command = self.python("topics.py");
        command.args(["delete-records", topic, "--below", &below.to_string()]);
        Process::run("topics", &self.logs, &mut command, PATIENCE)?;
        Ok(())
    }

    /// Fails when the cluster does not let these clients in.
    pub(crate) fn reach(&self) -> Result<()> {
        Process::run("reach", &self.logs, self.python("topics.py").arg("reach"), PATIENCE)?;
        Ok(())
    }

    /// Waits until so many brokers are there and every replica is in sync.
    pub(crate) fn wait_until_in_sync(&self, brokers: usize) -> Result<()> {
        let mut command = self.python("topics.py");
        command.args(["in-sync", "--brokers", &brokers.to_string()]);
        Process::run("in-sync", &self.logs, &mut command, PATIENCE)?;
        Ok(())
    }

    /// Starts to produce; the first record is acknowledged when this returns.
    pub(crate) fn produce(&self, load: &Load<'_>, schemas: &Schemas) -> Result<Producing> {
        let mut command = self.python("produce_avro.py");
        command.args(["--topic", load.topic, "--file"]).arg(load.file);
        command.arg("--schema").arg(&load.schema);
        match schemas {
            Schemas::Registry(url) => command.args(["--registry", url]),
            Schemas::Fixed(files) => command.args(["--id", &id_of(files, &load.schema)?.to_string()]),
        };
        let transaction = match load.transaction {
            Transaction::None => None,
            Transaction::Committed => Some("commit".to_owned()),
            Transaction::Aborted => Some("abort".to_owned()),
        };
        for (option, value) in [
            ("--transaction", transaction),
            ("--time", load.time.map(str::to_owned)),
            ("--rate", load.rate.map(|rate| rate.to_string())),
        ] {
            if let Some(value) = value {
                command.args([option, &value]);
            }
        }
        let mut process = Process::start(&format!("produce-{}", load.topic), &self.logs, &mut command)?;
        process.wait_for("started", PATIENCE)?;
        Ok(Producing(process))
    }

    /// All committed records of a topic up to its end, partition by partition. Waits for open transactions to end.
    pub(crate) fn consume(&self, topic: &str, schemas: &Schemas) -> Result<Vec<Record>> {
        let mut command = self.python("consume.py");
        command.args(["--topic", topic]);
        match schemas {
            Schemas::Registry(url) => {
                command.args(["--registry", url]);
            }
            Schemas::Fixed(files) => {
                for (id, file) in files {
                    command.arg("--schema").arg(format!("{id}={}", file.display()));
                }
            }
        }
        let ended = Process::run(&format!("consume-{topic}"), &self.logs, &mut command, LONG_PATIENCE)?;
        lines_of(&ended)
    }

    /// As [`Foreign::consume`], byte for byte.
    pub(crate) fn consume_raw(&self, topic: &str) -> Result<Vec<RawRecord>> {
        let mut command = self.python("consume.py");
        command.args(["--topic", topic, "--raw"]);
        lines_of(&Process::run(
            &format!("consume-{topic}"),
            &self.logs,
            &mut command,
            LONG_PATIENCE,
        )?)
    }

    /// Every commit that a group has made of a topic's partitions, in order.
    pub(crate) fn commits(&self, group: &str, topic: &str) -> Result<Vec<Commit>> {
        let mut command = self.python("commits.py");
        command.args(["--group", group, "--topic", topic]);
        lines_of(&Process::run(
            &format!("commits-{group}"),
            &self.logs,
            &mut command,
            LONG_PATIENCE,
        )?)
    }

    /// Sends readings, some of them spoiled; `produce_poison.py` says how. It prints where each has come to stand.
    pub(crate) fn produce_poison(&self, topic: &str, file: &Path, registry: &str, rate: u32) -> Result<Process> {
        let mut command = self.python("produce_poison.py");
        command.args(["--topic", topic, "--file"]).arg(file);
        command.arg("--schema").arg(self.kit.schema("reading"));
        command.args(["--registry", registry, "--rate", &rate.to_string()]);
        let mut process = Process::start("poison", &self.logs, &mut command)?;
        process.wait_for("started", PATIENCE)?;
        Ok(process)
    }

    /// Partition, offset and key of what Kafka's console consumer sees of a topic, read_committed, until nothing has come
    /// for five seconds.
    pub(crate) fn console_consume(&self, topic: &str) -> Result<Vec<(u32, u64, String)>> {
        let mut options = vec!["--topic", topic, "--from-beginning", "--timeout-ms", "5000"];
        options.extend(["--isolation-level", "read_committed"]);
        for shown in ["print.partition=true", "print.offset=true", "print.key=true"] {
            options.extend(["--formatter-property", shown]);
        }
        options.extend(["--formatter-property", "print.value=false"]);
        let ended = self.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &options)?;
        ended.out.lines().map(console_line).collect()
    }

    /// Runs one of Kafka's own tools to its end.
    pub(crate) fn tool(&self, class: &str, options: &[&str]) -> Result<Ended> {
        let mut command = self.kit.java(Classes::Tools, "128m", class);
        command.args(["--bootstrap-server", &self.bootstrap]).args(options);
        let name = class.rsplit('.').next().unwrap_or(class);
        Process::run(name, &self.logs, &mut command, PATIENCE)
    }

    fn python(&self, script: &str) -> Command {
        let mut command = self.kit.python(script);
        command.args(["--bootstrap", &self.bootstrap]);
        for property in &self.properties {
            command.args(["--client", property]);
        }
        command
    }
}

impl Producing {
    /// Waits until everything was sent and answered.
    pub(crate) fn finish(self) -> Result<Sent> {
        let ended = self.0.finish(LONG_PATIENCE)?.succeeded()?;
        let last = ended.out.lines().last().context("a producer said nothing")?;
        serde_json::from_str(last).with_context(|| format!("a producer said {last}"))
    }

    /// Lets it send no more, and waits until what it has sent was answered.
    pub(crate) fn stop(self) -> Result<Sent> {
        self.0.signal(Signal::TERM);
        self.finish()
    }

    /// Whether it still sends.
    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.0.ended()?.is_none())
    }
}

impl Record {
    /// The value with the time beside it: a row as `heartwatch backtest` writes it.
    pub(crate) fn row(&self) -> Row {
        let mut row = self.value.clone().unwrap_or_default();
        row.insert("time".to_owned(), self.time.clone().into());
        row
    }
}

/// What a client printed, a value a line.
pub(crate) fn lines_of<T: DeserializeOwned>(ended: &Ended) -> Result<Vec<T>> {
    let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("{} printed {line}", ended.name));
    ended.out.lines().map(parse).collect()
}

fn id_of(files: &BTreeMap<u32, PathBuf>, schema: &Path) -> Result<u32> {
    let found = files.iter().find(|(_, file)| file.as_path() == schema);
    let (id, _) = found.with_context(|| format!("{} has no id", schema.display()))?;
    Ok(*id)
}

/// `Partition:2<tab>Offset:17<tab>user 5`.
fn console_line(line: &str) -> Result<(u32, u64, String)> {
    let parse = || {
        let mut parts = line.splitn(3, '\t');
        let partition = parts.next()?.strip_prefix("Partition:")?.parse().ok()?;
        let offset = parts.next()?.strip_prefix("Offset:")?.parse().ok()?;
        Some((partition, offset, parts.next()?.to_owned()))
    };
    parse().with_context(|| format!("the console consumer printed {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_consumers_are_understood() {
        let line = r#"{"partition": 1, "offset": 7, "timestamp": 5, "time": "1970-01-01T00:00:00.005", "key": "u",
                       "value": {"user_id": "u", "readings": 3}}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!((record.partition, record.offset, record.timestamp), (1, 7, 5));
        let row = serde_json::Value::from(record.row()).to_string();
        assert_eq!(row, r#"{"readings":3,"time":"1970-01-01T00:00:00.005","user_id":"u"}"#);
        assert_eq!(
            console_line("Partition:2\tOffset:17\tu\t5").unwrap(),
            (2, 17, "u\t5".to_owned())
        );
        assert!(console_line("Processed a total of 3 messages").is_err());
    }
}
