//! Compile: an Avro schema with annotations -> a tree of nodes, or what is wrong with it and where.
//!
//! Draws nothing, except to make sure that an expression can give texts of the length asked for.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::SchemaError;
use super::node::{Length, Node};
use super::properties::Properties;

/// Compiles a whole schema.
pub(super) fn compile(schema: &Value) -> Result<Node, SchemaError> {
    Compiler::default().node(schema, "$")
}

pub(super) fn wrong(path: &str, problem: impl Into<String>) -> SchemaError {
    SchemaError::Wrong {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// What is known of named types so far.
#[derive(Default)]
struct Compiler<'a> {
    /// Schema and namespace of every named type, by full name.
    named: HashMap<String, (&'a Map<String, Value>, String)>,
    /// Full names of the types around the present place.
    inside: Vec<String>,
    /// Namespace of the present place, empty at the top.
    namespace: String,
}

impl<'a> Compiler<'a> {
    fn node(&mut self, schema: &'a Value, path: &str) -> Result<Node, SchemaError> {
        match schema {
            Value::String(name) => self.by_name(name, path),
            Value::Array(branches) => self.union(branches, path),
            Value::Object(object) => match object.get("type") {
                Some(Value::String(kind)) => self.object(object, kind, path),
                // {"type": {"type": "string"}}: the same as what is inside, as Avro has it.
                Some(inner @ (Value::Object(_) | Value::Array(_))) => {
                    refuse_outside(object, path)?;
                    self.node(inner, &format!("{path}.type"))
                }
                _ => Err(wrong(path, "a schema needs a \"type\"")),
            },
            _ => Err(wrong(
                path,
                "not an Avro schema: a name, an object or a list of schemas is expected",
            )),
        }
    }

    fn by_name(&mut self, name: &str, path: &str) -> Result<Node, SchemaError> {
        if let Some(node) = Properties::none().primitive(name) {
            return node;
        }
        let full = self.full_name(name);
        let Some((schema, namespace)) = self.named.get(&full).or_else(|| self.named.get(name)).cloned() else {
            return Err(wrong(path, format!("there is no type {name:?} up to here")));
        };
        // Names inside a type mean what they meant where it was defined, not where it is used.
        let outer = std::mem::replace(&mut self.namespace, namespace);
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let node = self.object(schema, kind, path);
        self.namespace = outer;
        node
    }

    fn union(&mut self, branches: &'a [Value], path: &str) -> Result<Node, SchemaError> {
        if branches.is_empty() {
            return Err(wrong(path, "a union without branches has no values"));
        }
        let nodes = branches
            .iter()
            .enumerate()
            .map(|(index, branch)| self.node(branch, &format!("{path}[{index}]")));
        Ok(Node::Union(nodes.collect::<Result<_, _>>()?))
    }

    fn object(&mut self, schema: &'a Map<String, Value>, kind: &str, path: &str) -> Result<Node, SchemaError> {
        let properties = Properties::read(schema, path)?;
        if let Some(node) = properties.primitive(kind) {
            return node;
        }
        match kind {
            "array" => {
                properties.allow(&["options", "length"], kind)?;
                let items = self.node(member(schema, "items", path)?, &format!("{path}.items"))?;
                let length = properties.length()?;
                properties.or_options(
                    kind,
                    Node::Array {
                        items: Box::new(items),
                        length,
                    },
                )
            }
            "map" => {
                properties.allow(&["options", "length", "keys"], kind)?;
                let values = self.node(member(schema, "values", path)?, &format!("{path}.values"))?;
                let (keys, length) = (properties.keys()?, properties.length()?);
                properties.or_options(
                    kind,
                    Node::Map {
                        keys,
                        values: Box::new(values),
                        length,
                    },
                )
            }
            "enum" | "fixed" | "record" => self.named_type(schema, kind, &properties, path),
            // A named type with annotations around its name has nowhere to keep them.
            name if properties.is_empty() => self.by_name(name, path),
            name => Err(wrong(
                path,
                format!("annotations of {name:?} belong where that type is defined"),
            )),
        }
    }

    fn named_type(
        &mut self,
        schema: &'a Map<String, Value>,
        kind: &str,
        properties: &Properties<'_>,
        path: &str,
    ) -> Result<Node, SchemaError> {
        let name = schema
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| wrong(path, format!("a {kind} needs a \"name\"")))?;
        let outer = self.namespace.clone();
        if let Some(namespace) = schema.get("namespace").and_then(Value::as_str) {
            self.namespace = namespace.to_owned();
        } else if let Some((namespace, _)) = name.rsplit_once('.') {
            self.namespace = namespace.to_owned();
        }
        let full = self.full_name(name);
        if self.inside.contains(&full) {
            return Err(wrong(
                path,
                format!(
                    "type {full:?} contains itself, so its values might never end; write out as many levels as are needed"
                ),
            ));
        }
        properties.allow(&["options"], kind)?;
        // Known before its own fields are read, so that a type inside itself is recognised as such.
        self.named.insert(full.clone(), (schema, outer.clone()));
        self.inside.push(full);
        let node = match kind {
            "enum" => symbols(schema, path),
            "fixed" => fixed(schema, path),
            _ => self.record(schema, path),
        };
        self.inside.pop();
        self.namespace = outer;
        properties.or_options(kind, node?)
    }

    fn record(&mut self, schema: &'a Map<String, Value>, path: &str) -> Result<Node, SchemaError> {
        let fields = member(schema, "fields", path)?
            .as_array()
            .ok_or_else(|| wrong(path, "\"fields\" must be a list"))?;
        let mut nodes = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let path = format!("{path}.fields[{index}]");
            let field = field
                .as_object()
                .ok_or_else(|| wrong(&path, "a field must be an object"))?;
            let name = field
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| wrong(&path, "a field needs a \"name\""))?;
            refuse_outside(field, &path)?;
            nodes.push((
                name.to_owned(),
                self.node(member(field, "type", &path)?, &format!("{path}.type"))?,
            ));
        }
        Ok(Node::Record(nodes))
    }

    fn full_name(&self, name: &str) -> String {
        if name.contains('.') || self.namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.namespace)
        }
    }
}

fn member<'a>(schema: &'a Map<String, Value>, name: &str, path: &str) -> Result<&'a Value, SchemaError> {
    schema
        .get(name)
        .ok_or_else(|| wrong(path, format!("{name:?} is missing")))
}

/// Annotations beside a type instead of in it would be passed over; say so.
fn refuse_outside(object: &Map<String, Value>, path: &str) -> Result<(), SchemaError> {
    if object.contains_key("arg.properties") {
        return Err(wrong(
            &format!("{path}[\"arg.properties\"]"),
            "annotations belong inside the type: {\"type\": {\"type\": \"string\", \"arg.properties\": {...}}}",
        ));
    }
    Ok(())
}

fn symbols(schema: &Map<String, Value>, path: &str) -> Result<Node, SchemaError> {
    match member(schema, "symbols", path)?.as_array() {
        Some(symbols) if !symbols.is_empty() && symbols.iter().all(Value::is_string) => {
            Ok(Node::Options(symbols.clone()))
        }
        _ => Err(wrong(&format!("{path}.symbols"), "must be a list of at least one name")),
    }
}

fn fixed(schema: &Map<String, Value>, path: &str) -> Result<Node, SchemaError> {
    let size = member(schema, "size", path)?
        .as_u64()
        .and_then(|size| usize::try_from(size).ok());
    // A bound, so that a schema cannot ask for more memory than there is.
    let size = size.filter(|size| *size < 1 << 24);
    let size = size.ok_or_else(|| wrong(&format!("{path}.size"), "must be a number of bytes below 16,777,216"))?;
    Ok(Node::Bytes(Length {
        min: size,
        end: size + 1,
    }))
}
