//! `Registry`: schemas by id and ids for schemas, asked of a registry once.
//!
//! It does not look into schemas. Any thread may use it; two that ask the same at once may both ask the registry.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hw_log::LogError;
use hw_log::kafka::SchemaIds;
use serde_json::{Value, json};

use crate::cache::{Cache, Known};
use crate::client::{Answer, Client};
use crate::settings::Settings;
use crate::url::encoded;

/// For how long an id that was not there is believed to be so: a schema that is registered late is seen soon, and a stream of
/// records with made-up ids does not become a stream of questions.
const ABSENCE: Duration = Duration::from_secs(10);

/// A schema registry.
pub struct Registry {
    client: Client,
    /// Locked for a look or an entry, never while the registry is asked.
    cache: Mutex<Cache>,
    /// Before every subject, as it is before the topic that the subject is named after.
    namespace: String,
    addresses: String,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The schema's id, which stands in records.
    pub id: u32,
    /// The version within its subject, from 1.
    pub version: u32,
    /// The schema's text.
    pub schema: String,
}

/// The subject of the schemas of a topic's values (Confluent's `TopicNameStrategy`).
pub fn value_subject(topic: &str) -> String {
    format!("{topic}-value")
}

impl Registry {
    /// A client of the registry; nothing is asked yet.
    ///
    /// # Errors
    /// [`LogError::Invalid`] when certificates or keys of the settings cannot be read.
    pub fn new(settings: &Settings) -> Result<Registry, LogError> {
        Ok(Registry {
            client: Client::new(settings)?,
            cache: Mutex::new(Cache::new(ABSENCE)),
            namespace: settings.namespace.clone(),
            addresses: settings.addresses(),
        })
    }

    fn ask(&self, id: u32) -> Result<Option<Known>, LogError> {
        match self.client.call(&format!("/schemas/ids/{id}"), None)? {
            Answer::Good { url, body } => {
                let known = text(&body, id, &url)?;
                self.cache().keep_schema(id, known.clone());
                Ok(Some(known))
            }
            Answer::Missing => {
                self.cache().keep_absence(id);
                Ok(None)
            }
            Answer::Unfit(reason) => Err(LogError::UnusableSchema { id, reason }),
        }
    }

    /// The newest version of `subject`; `None` when there is no such subject. It is asked anew each time.
    ///
    /// # Errors
    /// As for schemas by id.
    pub fn latest(&self, subject: &str) -> Result<Option<Registered>, LogError> {
        let path = self.versions(subject) + "/latest";
        match self.client.call(&path, None)? {
            Answer::Good { url, body } => {
                let id = number(&body, "id", &url)?;
                let schema = text(&body, id, &url)??.to_string();
                let version = number(&body, "version", &url)?;
                Ok(Some(Registered { id, version, schema }))
            }
            Answer::Missing => Ok(None),
            Answer::Unfit(reason) => Err(LogError::Invalid {
                what: "the subject".into(),
                name: subject.into(),
                reason,
            }),
        }
    }

    fn versions(&self, subject: &str) -> String {
        format!("/subjects/{}{}/versions", encoded(&self.namespace), encoded(subject))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls may take as long as `schema.registry.default.api.timeout.ms` allows. They fail with [`LogError::RegistryAway`] when no
/// address answers, which passes; with [`LogError::Registry`] when all refuse; and with [`LogError::UnusableSchema`] for a
/// schema that is not Avro or not whole.
impl SchemaIds for Registry {
    fn register(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        if let Some(id) = self.cache().id(subject, json) {
            return Ok(id);
        }
        let refused = |reason: String| LogError::Invalid {
            what: "the schema of subject".into(),
            name: subject.into(),
            reason,
        };
        let id = match self
            .client
            .call(&self.versions(subject), Some(&json!({"schema": json}).to_string()))?
        {
            Answer::Good { url, body } => number(&body, "id", &url)?,
            Answer::Unfit(words) => return Err(refused(format!("the schema registry does not take it: {words}"))),
            Answer::Missing => return Err(refused("the schema registry says that there is no such subject".into())),
        };
        self.cache().keep_id(subject, json, id);
        Ok(id)
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        let cached = self.cache().schema(id);
        let known = match cached {
            Some(known) => known,
            None => self.ask(id)?,
        };
        known.map(|known| known.map(|text| text.to_string())).transpose()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.addresses)
    }
}

/// The schema of an answer, or why it cannot be used; that holds for good, too.
fn text(body: &Value, id: u32, url: &str) -> Result<Known, LogError> {
    let unusable = |reason: String| Ok(Err(LogError::UnusableSchema { id, reason }));
    match body.get("schemaType").and_then(Value::as_str) {
        None | Some("AVRO") => {}
        Some(other) => return unusable(format!("it is {other}, and only AVRO is read here")),
    }
    let references = body.get("references").and_then(Value::as_array);
    if let Some(first) = references.and_then(|all| all.first()) {
        let of = |key| first.get(key).and_then(Value::as_str).unwrap_or("?");
        return unusable(format!(
            "it refers to the schema {} of subject {}; register it with the types of that one written out",
            of("name"),
            of("subject")
        ));
    }
    match body.get("schema").and_then(Value::as_str) {
        Some(text) => Ok(Ok(text.into())),
        None => Err(strange(url, "schema")),
    }
}

fn number(body: &Value, key: &str, url: &str) -> Result<u32, LogError> {
    let number = body
        .get(key)
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| strange(url, key))
}

fn strange(url: &str, key: &str) -> LogError {
    LogError::Registry {
        url: url.into(),
        reason: format!("its answer has no {key:?} as a schema registry's has; check schema.registry.url"),
    }
}
