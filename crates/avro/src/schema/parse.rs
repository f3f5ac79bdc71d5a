//! JSON to [`Schema`].
//!
//! Bounds: a schema has at most 10,000 types once every named type is written out, nested at most 64 deep, so that a text
//! from outside cannot make the compiled decoder large or the stack deep.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::logical::logical;
use super::{Field, Record, Schema, Type, check_name};
use crate::SchemaError;

/// Far above any schema that people write; a schema of readings has about ten.
const TYPES_MAX: usize = 10_000;
/// As deep as the compiled skips call themselves.
const DEPTH_MAX: usize = 64;

pub(super) fn parse(json: &str) -> Result<Schema, SchemaError> {
    let value: Value = serde_json::from_str(json).map_err(|error| SchemaError::Json(error.to_string()))?;
    let mut parser = Parser {
        named: HashMap::new(),
        open: HashSet::new(),
        path: Vec::new(),
        types: 0,
    };
    match parser.avro_type(&value, None)? {
        Type::Record(record) => Ok(Schema { record }),
        other => Err(parser.error(format!(
            "the outermost type must be a record, this is {}",
            other.describe()
        ))),
    }
}

/// What is known while the JSON is walked, from the outermost type inwards.
struct Parser<'a> {
    /// Finished named types by full name, with the number of types in each.
    named: HashMap<String, (Type, usize)>,
    /// Full names of the records that are being read: a reference to one of them would be endless.
    open: HashSet<String>,
    /// Names from the outermost record to where we are.
    path: Vec<&'a str>,
    /// Types so far, references written out.
    types: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, message: impl Into<String>) -> SchemaError {
        SchemaError::Invalid {
            place: if self.path.is_empty() {
                "its top".to_owned()
            } else {
                self.path.join(".")
            },
            message: message.into(),
        }
    }

    /// Counts types against the bound.
    fn count(&mut self, types: usize) -> Result<(), SchemaError> {
        self.types += types;
        if self.types > TYPES_MAX {
            return Err(self.error(format!("the schema has more than {TYPES_MAX} types")));
        }
        Ok(())
    }

    fn avro_type(&mut self, value: &'a Value, namespace: Option<&str>) -> Result<Type, SchemaError> {
        if self.path.len() > DEPTH_MAX {
            return Err(self.error(format!("types are nested more than {DEPTH_MAX} deep")));
        }
        match value {
            Value::String(name) => self.by_name(name, namespace),
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(object) => self.object(object, namespace),
            _ => Err(self.error(format!("a type is a name, a list or an object, not {value}"))),
        }
    }

    /// A primitive, or a named type that stands further up.
    fn by_name(&mut self, name: &str, namespace: Option<&str>) -> Result<Type, SchemaError> {
        if let Some(primitive) = primitive(name) {
            self.count(1)?;
            return Ok(primitive);
        }
        let mut full = full_name(name, namespace);
        // A type without a namespace can be named inside of one that has one in no other way; Avro's Java allows it, too.
        if !self.named.contains_key(&full) && !self.open.contains(&full) {
            full = name.to_owned();
        }
        if self.open.contains(&full) {
            return Err(self.error(format!(
                "record {full:?} contains itself; such schemas are not supported"
            )));
        }
        match self.named.get(&full) {
            Some((avro, types)) => {
                let (avro, types) = (avro.clone(), *types);
                self.count(types)?;
                Ok(avro)
            }
            None => Err(self.error(format!("there is no type {:?}", full_name(name, namespace)))),
        }
    }

    fn union(&mut self, branches: &'a [Value], namespace: Option<&str>) -> Result<Type, SchemaError> {
        self.count(1)?;
        let branches = branches
            .iter()
            .map(|branch| match branch {
                Value::Array(_) => Err(self.error("a union directly inside a union")),
                other => self.avro_type(other, namespace),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if branches.is_empty() {
            return Err(self.error("a union without branches"));
        }
        Ok(Type::Union(branches))
    }

    /// A type that is written as an object: named, a container, or a primitive with a logical type.
    fn object(&mut self, object: &'a Map<String, Value>, namespace: Option<&str>) -> Result<Type, SchemaError> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            // {"type": {"type": "string", ...}}: some generators wrap types once more.
            Some(inner @ (Value::Object(_) | Value::Array(_))) => {
                self.path.push("type");
                let avro = self.avro_type(inner, namespace);
                self.path.pop();
                return avro;
            }
            _ => return Err(self.error("an object without \"type\"")),
        };
        match kind {
            "record" | "error" | "enum" | "fixed" => self.named(kind, object, namespace),
            "array" => Ok(Type::Array(Box::new(self.inner(object, "items", namespace)?))),
            "map" => Ok(Type::Map(Box::new(self.inner(object, "values", namespace)?))),
            _ => {
                let avro = self.by_name(kind, namespace)?;
                Ok(logical(avro, object))
            }
        }
    }

    fn inner(
        &mut self,
        object: &'a Map<String, Value>,
        key: &'static str,
        namespace: Option<&str>,
    ) -> Result<Type, SchemaError> {
        self.count(1)?;
        let value = object
            .get(key)
            .ok_or_else(|| self.error(format!("an array or map without {key:?}")))?;
        self.path.push(key);
        let avro = self.avro_type(value, namespace);
        self.path.pop();
        avro
    }

    /// A record, enum or fixed: it gets a full name, under which it may be used after this.
    fn named(&mut self, kind: &str, object: &'a Map<String, Value>, outer: Option<&str>) -> Result<Type, SchemaError> {
        let before = self.types;
        self.count(1)?;
        let Some(name) = object.get("name").and_then(Value::as_str) else {
            return Err(self.error(format!("a {kind} without \"name\"")));
        };
        let own = object.get("namespace").and_then(Value::as_str);
        let full = full_name(name, own.or(outer));
        let (namespace, name) = match full.rsplit_once('.') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, full.clone()),
        };
        check_name(&name, &self.path.join("."))?;
        if self.named.contains_key(&full) || !self.open.insert(full.clone()) {
            return Err(self.error(format!("type {full:?} is defined twice")));
        }
        // A field of this record that names it would be endless; so it is open until its last field is read.
        let avro = match kind {
            "enum" => Type::Enum {
                name,
                namespace,
                symbols: self.symbols(object)?,
                default: text_of(object, "default"),
            },
            "fixed" => {
                let size = self.size(object)?;
                logical(Type::Fixed { name, namespace, size }, object)
            }
            _ => Type::Record(Record {
                fields: self.fields(object, namespace.as_deref())?,
                name,
                namespace,
                doc: text_of(object, "doc"),
                aliases: texts_of(object, "aliases"),
            }),
        };
        self.open.remove(&full);
        self.named.insert(full, (avro.clone(), self.types - before));
        Ok(avro)
    }

    fn symbols(&self, object: &Map<String, Value>) -> Result<Vec<String>, SchemaError> {
        let symbols = object.get("symbols").and_then(Value::as_array);
        let symbols = symbols.and_then(|all| all.iter().map(|one| one.as_str().map(str::to_owned)).collect());
        symbols.ok_or_else(|| self.error("an enum without a list of \"symbols\""))
    }

    fn size(&self, object: &Map<String, Value>) -> Result<usize, SchemaError> {
        // More than a record can hold is a mistake; the bound keeps sums of sizes small.
        let size = object
            .get("size")
            .and_then(Value::as_u64)
            .filter(|size| *size <= 1 << 30);
        size.map(|size| size as usize)
            .ok_or_else(|| self.error("a fixed without a \"size\" in bytes"))
    }

    fn fields(&mut self, object: &'a Map<String, Value>, namespace: Option<&str>) -> Result<Vec<Field>, SchemaError> {
        let Some(values) = object.get("fields").and_then(Value::as_array) else {
            return Err(self.error("a record without a list of \"fields\""));
        };
        let mut fields: Vec<Field> = Vec::with_capacity(values.len());
        for value in values {
            let (Some(object), Some(name)) = (value.as_object(), value.get("name").and_then(Value::as_str)) else {
                return Err(self.error("a field without \"name\""));
            };
            self.path.push(name);
            check_name(name, &self.path.join("."))?;
            if fields.iter().any(|field| field.name == name) {
                return Err(self.error(format!("field {name:?} stands there twice")));
            }
            let field = self.field(name, object, namespace)?;
            self.path.pop();
            fields.push(field);
        }
        Ok(fields)
    }

    fn field(
        &mut self,
        name: &str,
        object: &'a Map<String, Value>,
        namespace: Option<&str>,
    ) -> Result<Field, SchemaError> {
        let avro = object
            .get("type")
            .ok_or_else(|| self.error("a field without \"type\""))?;
        let avro = self.avro_type(avro, namespace)?;
        Ok(Field {
            name: name.to_owned(),
            doc: text_of(object, "doc"),
            aliases: texts_of(object, "aliases"),
            // Written beside the type instead of inside it by a common mistake; the meaning is plain.
            avro: logical(avro, object),
            default: object.get("default").cloned(),
        })
    }
}

fn primitive(name: &str) -> Option<Type> {
    Some(match name {
        "null" => Type::Null,
        "boolean" => Type::Boolean,
        "int" => Type::Int,
        "long" => Type::Long,
        "float" => Type::Float,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "string" => Type::String,
        _ => return None,
    })
}

/// A name with dots is full already; another takes the namespace around it.
fn full_name(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !name.contains('.') && !namespace.is_empty() => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    }
}

fn text_of(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn texts_of(object: &Map<String, Value>, key: &str) -> Vec<String> {
    let texts = object.get(key).and_then(Value::as_array).into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
