//! Records as JSON for people: whom it is about, the event time, then the value's fields in their schema's order; for
//! dead letters first what is wrong with them and where they stood.
//!
//! It reads no log but for schemas, and decides nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hw_avro::{Field, Schema, Type, confluent};
use hw_log::batch::{Headers, Record};
use hw_log::{Log, LogError};
use serde_json::{Value, json};

/// The field that says whom a record is about, where its value has one.
const USER: &str = "user_id";

/// The headers of a dead letter, and whether they hold numbers.
const DEAD_LETTER: [(&str, bool); 4] = [
    ("reason", false),
    ("topic", false),
    ("partition", true),
    ("offset", true),
];

const NULL: &str = "null";

/// Names and values, the values as JSON text, in the order in which they are shown: a JSON object of the library keeps none.
type Fields = Vec<(String, String)>;

/// Turns records into JSON; remembers the schemas it has seen.
#[derive(Default)]
pub(crate) struct RecordView {
    schemas: HashMap<u32, Option<Schema>>,
}

impl RecordView {
    /// One record as an object, its fields by name.
    pub(crate) fn show(&mut self, log: &dyn Log, record: &Record<'_>) -> Value {
        let line = self.line(log, record).map_err(|error| error.to_string());
        let shown = line.and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
        shown.unwrap_or_else(|reason| json!({"undecoded": reason}))
    }

    /// One record as a line of JSON without its end, fields in order.
    ///
    /// # Errors
    /// When the log cannot be asked for a schema.
    pub(crate) fn line(&mut self, log: &dyn Log, record: &Record<'_>) -> Result<String, LogError> {
        Ok(object(&self.fields(log, record)?))
    }

    fn fields(&mut self, log: &dyn Log, record: &Record<'_>) -> Result<Fields, LogError> {
        let key = record.key.map(|key| text(&String::from_utf8_lossy(key)));
        // Records of tables mostly have no time: theirs is 0, which is no time that anybody meant.
        let time = (record.timestamp_ms != 0).then(|| text(&hw_connectors::format_time(record.timestamp_ms)));
        let headers = texts(record.headers);
        let value = match record.value {
            Some(value) => Some(self.decode(log, value)?),
            None => None,
        };
        Ok(match dead_letter(&headers) {
            Some(shown) => about_dead_letter(shown, key, time, value, record.value),
            None => about_record(key, time, value, &headers),
        })
    }

    /// The fields of a value, or why there are none.
    fn decode(&mut self, log: &dyn Log, value: &[u8]) -> Result<Result<Fields, String>, LogError> {
        let (id, avro) = match confluent::split(value) {
            Ok(split) => split,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let schema = match self.schemas.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => match log.schema(id) {
                Err(error @ LogError::UnusableSchema { .. }) => return Ok(Err(error.to_string())),
                schema => new.insert(schema?.and_then(|json| Schema::parse(&json).ok())),
            },
        };
        let Some(schema) = schema else {
            return Ok(Err(format!("schema id {id} is not known")));
        };
        let mut decoded = match hw_avro::to_json(schema, avro) {
            Ok(decoded) => decoded,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let field = |field: &Field| {
            (
                field.name.clone(),
                readable(field, decoded[&field.name].take()).to_string(),
            )
        };
        Ok(Ok(schema.record.fields.iter().map(field).collect()))
    }
}

fn about_record(
    key: Option<String>,
    time: Option<String>,
    value: Option<Result<Fields, String>>,
    headers: &[(String, String)],
) -> Fields {
    let mut fields = match value {
        None => vec![("deleted".to_owned(), "true".to_owned())],
        Some(Ok(fields)) => fields,
        Some(Err(reason)) => vec![("undecoded".to_owned(), text(&reason))],
    };
    let mut take = |name: &str| {
        let at = fields.iter().position(|(known, _)| known == name)?;
        Some(fields.remove(at))
    };
    let (user, own_time) = (take(USER), take("time"));
    // The key has a name only where the value says it again.
    let key = key.filter(|key| user.as_ref().is_none_or(|(_, user)| user != key));
    let mut shown: Fields = key.into_iter().map(|key| ("key".to_owned(), key)).collect();
    shown.extend(user);
    // The record's own time goes without saying where a field says it by its own name.
    let time = time.filter(|time| fields.iter().all(|(_, value)| value != time));
    shown.extend(own_time.or(time.map(|time| ("time".to_owned(), time))));
    shown.extend(fields);
    if !headers.is_empty() {
        let headers: Fields = headers
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect();
        shown.push(("headers".to_owned(), object(&headers)));
    }
    shown
}

/// What is wrong with a record and where it stood, if these are the headers of a dead letter.
fn dead_letter(headers: &[(String, String)]) -> Option<Fields> {
    let header = |(name, is_number): &(&str, bool)| {
        let (_, value) = headers.iter().find(|(known, _)| known == name)?;
        let value = if *is_number {
            value.parse::<u64>().ok()?.to_string()
        } else {
            text(value)
        };
        Some(((*name).to_owned(), value))
    };
    DEAD_LETTER.iter().map(header).collect()
}

fn about_dead_letter(
    mut shown: Fields,
    key: Option<String>,
    time: Option<String>,
    value: Option<Result<Fields, String>>,
    bytes: Option<&[u8]>,
) -> Fields {
    shown.push(("key".to_owned(), key.unwrap_or(NULL.to_owned())));
    shown.extend(time.map(|time| ("time".to_owned(), time)));
    match value {
        None => shown.push(("value".to_owned(), NULL.to_owned())),
        Some(Ok(fields)) => shown.push(("value".to_owned(), object(&fields))),
        Some(Err(reason)) => {
            shown.push(("value".to_owned(), raw(bytes.unwrap_or_default())));
            shown.push(("undecoded".to_owned(), text(&reason)));
        }
    }
    shown
}

/// Bytes that nobody can decode: as text if they are text, as hexadecimal digits if not.
fn raw(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(readable) if !readable.contains(|letter: char| letter.is_control()) => text(readable),
        _ => text(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

fn texts(headers: Headers<'_>) -> Vec<(String, String)> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    headers
        .iter()
        .map(|header| (lossy(header.name), lossy(header.value.unwrap_or_default())))
        .collect()
}

/// Times of the schema's as people write them; anything else as it is.
fn readable(field: &Field, value: Value) -> Value {
    let avro = field.avro.without_null().map_or(&field.avro, |(avro, _)| avro);
    match (avro, value.as_i64()) {
        (Type::TimestampMillis, Some(time_ms)) => json!(hw_connectors::format_time(time_ms)),
        (Type::TimestampMicros, Some(time_us)) => json!(hw_connectors::format_time(time_us.div_euclid(1_000))),
        _ => value,
    }
}

/// A text as JSON.
fn text(text: &str) -> String {
    Value::from(text).to_string()
}

fn object(fields: &Fields) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{value}", text(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}
