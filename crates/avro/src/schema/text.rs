//! [`Schema`](super::Schema) to JSON text, keys always in the same order and no spaces.
//!
//! It is written by hand because the order of a `serde_json` object's keys depends on a feature that any crate in the
//! build may switch. A named type is written out at its first use and by its name after that.

use std::collections::HashSet;

use serde_json::Value;

use super::{Field, Record, Type};

pub(super) fn to_json(record: &Record) -> String {
    let mut writer = Writer::default();
    writer.record(record, None);
    writer.out
}

pub(super) fn type_to_json(avro: &Type) -> String {
    let mut writer = Writer::default();
    writer.avro_type(avro, None);
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Full names that have been written out.
    known: HashSet<String>,
}

impl Writer {
    fn avro_type(&mut self, avro: &Type, namespace: Option<&str>) {
        match avro {
            Type::Null => self.out.push_str("\"null\""),
            Type::Boolean => self.out.push_str("\"boolean\""),
            Type::Int => self.out.push_str("\"int\""),
            Type::Long => self.out.push_str("\"long\""),
            Type::Float => self.out.push_str("\"float\""),
            Type::Double => self.out.push_str("\"double\""),
            Type::Bytes => self.out.push_str("\"bytes\""),
            Type::String => self.out.push_str("\"string\""),
            Type::Date => self.logical("int", "date"),
            Type::TimestampMillis => self.logical("long", "timestamp-millis"),
            Type::TimestampMicros => self.logical("long", "timestamp-micros"),
            Type::TimestampNanos => self.logical("long", "timestamp-nanos"),
            Type::TimeMillis => self.logical("int", "time-millis"),
            Type::TimeMicros => self.logical("long", "time-micros"),
            Type::Decimal {
                precision,
                scale,
                below,
            } => self.decimal(*precision, *scale, below, namespace),
            Type::Fixed {
                name,
                namespace: own,
                size,
            } => self.named("fixed", name, own.as_deref(), namespace, |writer| {
                writer.number("size", *size);
            }),
            Type::Enum {
                name,
                namespace: own,
                symbols,
                default,
            } => self.named("enum", name, own.as_deref(), namespace, |writer| {
                writer.texts("symbols", symbols);
                if let Some(default) = default {
                    writer.key("default");
                    writer.text(default);
                }
            }),
            Type::Array(items) => self.container("array", "items", items, namespace),
            Type::Map(values) => self.container("map", "values", values, namespace),
            Type::Record(record) => self.record(record, namespace),
            Type::Union(branches) => self.list(branches, |writer, branch| writer.avro_type(branch, namespace)),
        }
    }

    fn record(&mut self, record: &Record, outer: Option<&str>) {
        let namespace = record.namespace.as_deref();
        self.named("record", &record.name, namespace, outer, |writer| {
            writer.doc(record.doc.as_deref());
            if !record.aliases.is_empty() {
                writer.texts("aliases", &record.aliases);
            }
            writer.key("fields");
            writer.list(&record.fields, |writer, field| writer.field(field, namespace));
        });
    }

    /// In the order of keys that Avro's own canonical form has, then what it leaves out.
    fn field(&mut self, field: &Field, namespace: Option<&str>) {
        self.out.push_str("{\"name\":");
        self.text(&field.name);
        self.key("type");
        self.avro_type(&field.avro, namespace);
        self.doc(field.doc.as_deref());
        if !field.aliases.is_empty() {
            self.texts("aliases", &field.aliases);
        }
        if let Some(default) = &field.default {
            self.key("default");
            self.value(default);
        }
        self.out.push('}');
    }

    /// A named type: its name alone when it has been written out before.
    fn named(
        &mut self,
        kind: &str,
        name: &str,
        namespace: Option<&str>,
        outer: Option<&str>,
        rest: impl FnOnce(&mut Self),
    ) {
        let full = match namespace {
            Some(namespace) => format!("{namespace}.{name}"),
            None => name.to_owned(),
        };
        if !self.known.insert(full.clone()) {
            return self.text(&full);
        }
        self.out.push_str("{\"type\":");
        self.text(kind);
        self.key("name");
        self.text(name);
        // An inner type without a namespace inside one that has one must say so, or it would inherit it.
        if namespace != outer {
            self.key("namespace");
            self.text(namespace.unwrap_or(""));
        }
        rest(self);
        self.out.push('}');
    }

    /// Its attributes stand beside those of the type below it. A fixed that has been written out before is known with them.
    fn decimal(&mut self, precision: u32, scale: u32, below: &Type, outer: Option<&str>) {
        let attributes = |writer: &mut Self| {
            writer.key("logicalType");
            writer.text("decimal");
            writer.number("precision", precision as usize);
            writer.number("scale", scale as usize);
        };
        match below {
            Type::Fixed { name, namespace, size } => self.named("fixed", name, namespace.as_deref(), outer, |writer| {
                writer.number("size", *size);
                attributes(writer);
            }),
            _ => {
                self.out.push_str("{\"type\":\"bytes\"");
                attributes(self);
                self.out.push('}');
            }
        }
    }

    fn container(&mut self, kind: &str, key: &str, inner: &Type, namespace: Option<&str>) {
        self.out.push_str("{\"type\":");
        self.text(kind);
        self.key(key);
        self.avro_type(inner, namespace);
        self.out.push('}');
    }

    fn logical(&mut self, below: &str, name: &str) {
        self.out.push_str("{\"type\":");
        self.text(below);
        self.key("logicalType");
        self.text(name);
        self.out.push('}');
    }

    fn doc(&mut self, doc: Option<&str>) {
        if let Some(doc) = doc {
            self.key("doc");
            self.text(doc);
        }
    }

    fn number(&mut self, key: &str, number: usize) {
        self.key(key);
        self.out.push_str(&number.to_string());
    }

    fn texts(&mut self, key: &str, texts: &[String]) {
        self.key(key);
        self.list(texts, |writer, text| writer.text(text));
    }

    fn key(&mut self, key: &str) {
        self.out.push(',');
        self.text(key);
        self.out.push(':');
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write(self, item);
        }
        self.out.push(']');
    }

    /// A default. Its keys are sorted, for their order means nothing and must not change the text.
    fn value(&mut self, value: &Value) {
        match value {
            Value::Array(items) => self.list(items, |writer, item| writer.value(item)),
            Value::Object(object) => {
                let mut entries: Vec<_> = object.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                self.out.push('{');
                for (at, (key, value)) in entries.into_iter().enumerate() {
                    if at > 0 {
                        self.out.push(',');
                    }
                    self.text(key);
                    self.out.push(':');
                    self.value(value);
                }
                self.out.push('}');
            }
            scalar => self.out.push_str(&scalar.to_string()),
        }
    }

    /// A JSON string, escapes and all.
    fn text(&mut self, text: &str) {
        self.out.push_str(&Value::from(text).to_string());
    }
}
