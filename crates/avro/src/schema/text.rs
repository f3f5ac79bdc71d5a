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
            Type::Fixed { name, size } => self.named("fixed", name, namespace, |writer| {
                writer.key("size");
                writer.out.push_str(&size.to_string());
            }),
            Type::Enum { name, symbols } => self.named("enum", name, namespace, |writer| {
                writer.key("symbols");
                writer.list(symbols, |writer, symbol| writer.text(symbol));
            }),
            Type::Array(items) => self.container("array", "items", items, namespace),
            Type::Map(values) => self.container("map", "values", values, namespace),
            Type::Record(record) => self.record(record, namespace),
            Type::Union(branches) => self.list(branches, |writer, branch| writer.avro_type(branch, namespace)),
        }
    }

    fn record(&mut self, record: &Record, outer: Option<&str>) {
        let namespace = record.namespace.as_deref();
        self.named("record", &record.name, namespace, |writer| {
            // An inner record without a namespace inside one that has one must say so, or it would inherit it.
            if namespace != outer {
                writer.key("namespace");
                writer.text(namespace.unwrap_or(""));
            }
            writer.doc(record.doc.as_deref());
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
        if let Some(default) = &field.default {
            self.key("default");
            self.value(default);
        }
        self.out.push('}');
    }

    /// A named type: its name alone when it has been written out before.
    fn named(&mut self, kind: &str, name: &str, namespace: Option<&str>, rest: impl FnOnce(&mut Self)) {
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
        rest(self);
        self.out.push('}');
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
