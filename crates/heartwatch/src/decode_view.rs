//! Records as JSON for people: the value's fields and the event time; for dead letters what is wrong with them.
//!
//! It reads no log but for schemas, and decides nothing.

use std::collections::HashMap;

use hw_avro::{Schema, confluent};
use hw_log::Log;
use hw_log::batch::Record;
use serde_json::{Map, Value, json};

/// Turns records into JSON; remembers the schemas it has seen.
#[derive(Default)]
pub(crate) struct RecordView {
    schemas: HashMap<u32, Option<Schema>>,
}

impl RecordView {
    /// One record as an object: `user_id`, `time`, then the other fields.
    pub(crate) fn show(&mut self, log: &dyn Log, record: &Record<'_>) -> Value {
        let mut shown = Map::new();
        let key = record.key.map(|key| String::from_utf8_lossy(key).into_owned());
        let time = hw_connectors::format_time(record.timestamp_ms);
        for header in record.headers.iter() {
            let text = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
            shown.insert(String::from_utf8_lossy(header.name).into_owned(), json!(text));
        }
        let decoded = record.value.map(|value| self.decode(log, value));
        let fields = match decoded {
            None => return json!({"user_id": key, "time": time, "deleted": true}),
            Some(Ok(Value::Object(fields))) => fields,
            Some(Ok(other)) => Map::from_iter([("value".to_owned(), other)]),
            Some(Err(reason)) => Map::from_iter([("undecoded".to_owned(), json!(reason))]),
        };
        shown.insert("user_id".to_owned(), json!(key));
        shown.insert("time".to_owned(), json!(time));
        for (name, value) in fields {
            let value = match value.as_i64() {
                Some(time_ms) if name.starts_with("window_") => json!(hw_connectors::format_time(time_ms)),
                _ => value,
            };
            shown.insert(name, value);
        }
        Value::Object(shown)
    }

    fn decode(&mut self, log: &dyn Log, value: &[u8]) -> Result<Value, String> {
        let (id, avro) = confluent::split(value).map_err(|error| error.to_string())?;
        let find = || log.schema(id).ok().flatten().and_then(|json| Schema::parse(&json).ok());
        let schema = self.schemas.entry(id).or_insert_with(find);
        let schema = schema.as_ref().ok_or_else(|| format!("schema id {id} is not known"))?;
        hw_avro::to_json(schema, avro).map_err(|error| error.to_string())
    }
}
