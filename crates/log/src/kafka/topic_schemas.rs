//! `TopicSchemas`: the ids of schemas in a topic of the cluster, for where there is no registry.
//!
//! It does not look into schemas, and forgets none: a pipeline has a few.
//!
//! # The topic
//! `schemas`, of one partition, is read from its start. Each record claims an id for a schema, and the first that claims an
//! id has it: the order of the log decides, for every reader alike. Whoever has written a claim reads until it comes by. If
//! another was before it, for the same schema, that one's id is taken; if for the same id, the next id is claimed. The topic
//! is compacted so that nothing is ever too old for it, and no two records have one key, so that nothing is removed either.
//!
//! # Constraints
//!
//! - The ids stand in the records and not in their offsets: a copy of the topic on another cluster means the same.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::fetch::Fetcher;
use super::identities::GroupIdentities;
use super::produce::Producer;
use super::schemas::SchemaIds;
use super::settings::Settings;
use crate::batch::{BatchBuilder, Compression, Scratch, walk};
use crate::{Append, LogError, RawBatch, TopicOptions, Transaction, names};

/// The topic's name, behind the namespace.
pub(crate) const TOPIC: &str = "schemas";

/// How much is read at a time.
const READ_BYTES_MAX: usize = 1 << 20;

/// How long one look at the topic waits for more to arrive.
const WAIT: Duration = Duration::from_millis(200);

/// Ids of schemas, kept in the cluster itself.
pub struct TopicSchemas {
    cluster: Arc<Cluster>,
    fetcher: Fetcher,
    producer: Producer,
    /// Held while the topic is read or written: whoever else wants to know something new would read the same.
    known: Mutex<Known>,
}

/// What was read of the topic so far.
#[derive(Default)]
struct Known {
    next_offset: u64,
    schemas: HashMap<u32, String>,
    /// The first id of each schema, by subject and text.
    ids: HashMap<(String, String), u32>,
}

/// One record's value.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    id: u32,
    subject: String,
    schema: String,
}

impl TopicSchemas {
    /// Connects; the topic is made when the first schema is registered.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub fn open(settings: Settings) -> Result<TopicSchemas, LogError> {
        let names = (settings.bootstrap_text(), settings.namespace.clone());
        let cluster = Cluster::open(settings).map_err(|failure| failure.into_log_error(&names.0, &names.1))?;
        Ok(TopicSchemas {
            fetcher: Fetcher::new(Arc::clone(&cluster)),
            producer: Producer::of_command(Arc::clone(&cluster), GroupIdentities::default())?,
            cluster,
            known: Mutex::default(),
        })
    }

    /// Reads what was written since the last time.
    fn catch_up(&self, known: &mut Known) -> Result<(), LogError> {
        let end = self
            .cluster
            .end(&self.cluster.name(TOPIC), 0)
            .map_err(|failure| self.cluster.error(failure))?;
        self.read_until(known, end)
    }

    fn read_until(&self, known: &mut Known, end: u64) -> Result<(), LogError> {
        let deadline = self.cluster.deadline();
        while known.next_offset < end {
            let mark = self.fetcher.wait(0, Duration::ZERO);
            let fetch = self.fetcher.read(TOPIC, 0, known.next_offset, READ_BYTES_MAX)?;
            for batch in &fetch.batches {
                known.read(batch)?;
            }
            if fetch.next_offset > known.next_offset {
                known.next_offset = fetch.next_offset;
            } else if Instant::now() > deadline {
                return Err(LogError::Cluster {
                    bootstrap: self.cluster.settings().bootstrap_text(),
                    reason: format!("topic {TOPIC} could not be read to its end in time"),
                });
            } else {
                self.fetcher.wait(mark, WAIT);
            }
        }
        Ok(())
    }

    /// Writes a claim and reads until it comes by.
    fn claim(&self, known: &mut Known, subject: &str, json: &str) -> Result<(), LogError> {
        let claim = Claim {
            id: known.schemas.keys().max().map_or(1, |id| id + 1),
            subject: subject.to_owned(),
            schema: json.to_owned(),
        };
        let append = Append {
            topic: TOPIC.to_owned(),
            partition: 0,
            batch: batch(&claim)?,
        };
        let offsets = self.producer.append(&Transaction {
            appends: vec![append],
            commits: Vec::new(),
        })?;
        let offset = offsets.first().copied().unwrap_or(0);
        self.read_until(known, offset + 1)
    }
}

impl SchemaIds for TopicSchemas {
    fn register(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        names::check_schema(subject, json)?;
        let schema = (subject.to_owned(), json.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = known.ids.get(&schema) {
            return Ok(id);
        }
        self.cluster
            .create_topic(&self.cluster.name(TOPIC), &TopicOptions::table(1))
            .map_err(|failure| self.cluster.error(failure))?;
        self.catch_up(&mut known)?;
        loop {
            if let Some(&id) = known.ids.get(&schema) {
                return Ok(id);
            }
            self.claim(&mut known, subject, json)?;
        }
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.schemas.contains_key(&id) {
            match self.catch_up(&mut known) {
                Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(known.schemas.get(&id).cloned())
    }
}

impl Known {
    fn read(&mut self, batch: &RawBatch) -> Result<(), LogError> {
        let from = self.next_offset;
        let walked = walk(batch, &mut Scratch::default(), |record| {
            // What is no claim was not written by us, and claims nothing.
            let claim = record.value.and_then(|value| serde_json::from_slice(value).ok());
            if let Some(claim) = claim.filter(|_| record.offset >= from) {
                self.take(claim);
            }
            ControlFlow::Continue(())
        });
        walked.map(drop).map_err(|source| LogError::InvalidBatch {
            topic: TOPIC.to_owned(),
            partition: 0,
            source,
        })
    }

    /// The first claim of an id counts, and the first id of a schema.
    fn take(&mut self, claim: Claim) {
        if claim.id == 0 || self.schemas.contains_key(&claim.id) {
            return;
        }
        self.schemas.insert(claim.id, claim.schema.clone());
        self.ids.entry((claim.subject, claim.schema)).or_insert(claim.id);
    }
}

/// A claim under a key that no other has.
fn batch(claim: &Claim) -> Result<Vec<u8>, LogError> {
    let invalid = |reason: String| LogError::Invalid {
        what: "the subject".into(),
        name: claim.subject.clone(),
        reason,
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| invalid(format!("the system gives no randomness: {error}")))?;
    let key = format!("{}-{:016x}", claim.id, u64::from_be_bytes(random));
    let value = serde_json::to_vec(claim).map_err(|error| invalid(error.to_string()))?;
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(0, Some(key.as_bytes()), Some(&value), &[]);
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(id: u32, subject: &str, schema: &str) -> Claim {
        Claim {
            id,
            subject: subject.into(),
            schema: schema.into(),
        }
    }

    #[test]
    fn the_first_claim_counts() {
        let mut known = Known::default();
        for claim in [
            claim(1, "a", "x"),
            claim(1, "b", "y"), // lost the race for 1
            claim(2, "b", "y"),
            claim(3, "b", "y"), // lost the race for the schema; the id is used up
            claim(0, "c", "z"),
            claim(4, "c", "x"),
        ] {
            known.read(&RawBatch::from(batch(&claim).unwrap())).unwrap();
        }
        let id = |subject: &str, schema: &str| known.ids.get(&(subject.to_owned(), schema.to_owned())).copied();
        assert_eq!(
            [id("a", "x"), id("b", "y"), id("c", "x"), id("c", "z")],
            [Some(1), Some(2), Some(4), None]
        );
        assert_eq!(known.schemas[&3], "y");
        assert_eq!(known.schemas[&1], "x");
    }
}
