//! Properties: the `arg.properties` of one type, checked and turned into nodes.
//!
//! Knows single types only; how types nest is `compile`'s. Numbers stand in `numbers`.

use serde_json::{Map, Value};

use super::SchemaError;
use super::compile::wrong;
use super::generate::draw_match;
use super::node::{Body, Length, Node, Precision, Text};
use crate::dice::Dice;

/// What a length is when nothing is said: 8 to 15.
const DEFAULT_LENGTH: Length = Length { min: 8, end: 16 };
/// Longest text, array or map that may be asked for.
const LONGEST: usize = 1 << 24;
/// How often `*`, `+` and `{n,}` repeat at most beyond their least.
const REPEATS: u32 = 16;

const KNOWN: [&str; 9] = [
    "options",
    "range",
    "iteration",
    "odds",
    "regex",
    "length",
    "prefix",
    "suffix",
    "keys",
];

/// The annotations of one type.
pub(super) struct Properties<'a> {
    pub(super) given: Option<&'a Map<String, Value>>,
    /// Place of the annotations.
    pub(super) path: String,
}

impl<'a> Properties<'a> {
    /// A type without annotations.
    pub(super) fn none() -> Self {
        Self {
            given: None,
            path: String::new(),
        }
    }

    /// Takes the annotations out of a type. Unknown ones are refused.
    pub(super) fn read(schema: &'a Map<String, Value>, path: &str) -> Result<Self, SchemaError> {
        let path = format!("{path}[\"arg.properties\"]");
        let Some(given) = schema.get("arg.properties") else {
            return Ok(Self { given: None, path });
        };
        Self::of(given, path)
    }

    fn of(given: &'a Value, path: String) -> Result<Self, SchemaError> {
        let given = given.as_object().ok_or_else(|| wrong(&path, "must be an object"))?;
        let unknown = given.keys().find(|name| !KNOWN.contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(wrong(
                &format!("{path}.{name}"),
                format!("not supported; there are {}", KNOWN.join(", ")),
            ));
        }
        Ok(Self {
            given: Some(given),
            path,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.given.is_none_or(Map::is_empty)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.given?.get(name)
    }

    pub(super) fn wrong(&self, name: &str, problem: impl Into<String>) -> SchemaError {
        wrong(&format!("{}.{name}", self.path), problem)
    }

    /// Refuses properties that are not for this type.
    pub(super) fn allow(&self, names: &[&str], kind: &str) -> Result<(), SchemaError> {
        match self
            .given
            .and_then(|given| given.keys().find(|name| !names.contains(&name.as_str())))
        {
            Some(name) => Err(self.wrong(name, format!("not for {kind}, which takes {}", names.join(", ")))),
            None => Ok(()),
        }
    }

    /// The node of a primitive type; none when `kind` is not primitive.
    pub(super) fn primitive(&self, kind: &str) -> Option<Result<Node, SchemaError>> {
        Some(match kind {
            "null" => self
                .allow(&["options"], kind)
                .map(|()| Node::Options(vec![Value::Null])),
            "boolean" => self.boolean(),
            "int" => self.whole(kind, i64::from(i32::MIN), i64::from(i32::MAX)),
            "long" => self.whole(kind, i64::MIN, i64::MAX),
            "float" => self.real(kind, Precision::Single),
            "double" => self.real(kind, Precision::Double),
            "bytes" => self
                .allow(&["options", "length"], kind)
                .and_then(|()| self.length())
                .and_then(|length| self.or_options(kind, Node::Bytes(length))),
            "string" => self
                .allow(&["options", "regex", "length", "prefix", "suffix"], kind)
                .and_then(|()| self.text())
                .map(Node::Text),
            _ => return None,
        })
    }

    /// `node`, unless the annotations list the values.
    pub(super) fn or_options(&self, kind: &str, node: Node) -> Result<Node, SchemaError> {
        Ok(self.options(kind)?.map_or(node, Node::Options))
    }

    fn options(&self, kind: &str) -> Result<Option<Vec<Value>>, SchemaError> {
        let Some(options) = self.get("options") else {
            return Ok(None);
        };
        let Some(options) = options.as_array().filter(|options| !options.is_empty()) else {
            return Err(self.wrong(
                "options",
                "must be a list of at least one value (a file of options is not supported)",
            ));
        };
        match options.iter().position(|option| !fits(kind, option)) {
            Some(index) => Err(self.wrong(&format!("options[{index}]"), format!("{} is no {kind}", options[index]))),
            None => Ok(Some(options.clone())),
        }
    }

    /// A number, or an object of `min` and `max`.
    pub(super) fn length(&self) -> Result<Length, SchemaError> {
        let Some(length) = self.get("length") else {
            return Ok(DEFAULT_LENGTH);
        };
        // A plain number is exact: from it to below the next.
        if let Some(exact) = count(length) {
            return Ok(Length {
                min: exact,
                end: exact + 1,
            });
        }
        let bound = |name: &str| match length.get(name) {
            None => Ok(None),
            Some(bound) => count(bound).map(Some).ok_or_else(|| {
                self.wrong(
                    &format!("length.{name}"),
                    format!("must be a whole number from 0 to {LONGEST}"),
                )
            }),
        };
        let (min, max) = (bound("min")?, bound("max")?);
        let length = match (min, max) {
            (None, None) => return Err(self.wrong("length", "must be a number, or an object with min or max")),
            (min, Some(max)) => Length {
                min: min.unwrap_or(0),
                end: max,
            },
            (Some(min), None) => Length { min, end: min + 8 },
        };
        if length.min < length.end {
            Ok(length)
        } else {
            Err(self.wrong("length", "max must be more than min: it is left out itself"))
        }
    }

    /// Keys of a map.
    pub(super) fn keys(&self) -> Result<Text, SchemaError> {
        let Some(keys) = self.get("keys") else {
            return Properties::none().text();
        };
        let path = format!("{}.keys", self.path);
        let keys = Properties::of(keys, path)?;
        keys.allow(&["options", "regex", "length", "prefix", "suffix"], "the keys of a map")?;
        keys.text()
    }

    fn boolean(&self) -> Result<Node, SchemaError> {
        self.allow(&["options", "iteration", "odds"], "boolean")?;
        if let Some(iteration) = self.get("iteration") {
            let only_start = iteration.as_object().is_some_and(|object| object.len() == 1);
            return match iteration.get("start").and_then(Value::as_bool) {
                Some(start) if only_start => Ok(Node::Alternate { next: start }),
                _ => Err(self.wrong(
                    "iteration",
                    "of a boolean must be {\"start\": true} or {\"start\": false}",
                )),
            };
        }
        let odds = match self.get("odds") {
            None => 0.5,
            Some(odds) => odds
                .as_f64()
                .filter(|odds| (0.0..=1.0).contains(odds))
                .ok_or_else(|| self.wrong("odds", "must be a number from 0 to 1"))?,
        };
        self.or_options("boolean", Node::Flag { odds })
    }

    fn text(&self) -> Result<Text, SchemaError> {
        let affix = |name: &str| match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(self.wrong(name, "must be a text")),
        };
        let (prefix, suffix) = (affix("prefix")?, affix("suffix")?);
        let body = if let Some(options) = self.options("string")? {
            Body::Options(options.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        } else if let Some(regex) = self.get("regex") {
            let pattern = regex.as_str().ok_or_else(|| self.wrong("regex", "must be a text"))?;
            self.matching(pattern)?
        } else {
            Body::Letters(self.length()?)
        };
        Ok(Text { body, prefix, suffix })
    }

    fn matching(&self, pattern: &str) -> Result<Body, SchemaError> {
        // A length beside an expression: a plain number is the least length, as in the generator this follows.
        let length = match self.get("length") {
            None => Length {
                min: 0,
                end: usize::MAX,
            },
            Some(length) if length.is_number() => Length {
                min: self.length()?.min,
                end: usize::MAX,
            },
            Some(length) if length.get("max").is_none() => Length {
                min: self.length()?.min,
                end: usize::MAX,
            },
            Some(_) => self.length()?,
        };
        // `\d` and its like mean ASCII here, as they did for the predecessor, whose users had numbers one can parse.
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(true)
            .build()
            .parse(pattern);
        let hir = hir.map_err(|error| self.wrong("regex", error.to_string()))?;
        // Enough repetitions for the least length that was asked for.
        let repeats = REPEATS.max(u32::try_from(length.min).unwrap_or(u32::MAX));
        let regex = rand_regex::Regex::with_hir(hir, repeats).map_err(|error| match error {
            rand_regex::Error::Anchor => {
                self.wrong("regex", "leave out ^, $ and \\b: the whole text matches in any case")
            }
            error => self.wrong("regex", error.to_string()),
        })?;
        // Tried out here, so that drawing itself cannot fail.
        if !draw_match(&regex, length, &mut Dice::new(0, 0)).1 {
            return Err(self.wrong("length", format!("{pattern:?} hardly ever gives a text of this length")));
        }
        Ok(Body::Match { regex, length })
    }
}

fn count(value: &Value) -> Option<usize> {
    value
        .as_u64()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count <= LONGEST)
}

/// Whether a value can stand for a type. What is inside arrays, maps and records is the schema's author's business.
fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "boolean" => value.is_boolean(),
        "int" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "long" => value.is_i64(),
        "float" | "double" => value.is_number(),
        "array" => value.is_array(),
        "map" | "record" => value.is_object(),
        _ => value.is_string(),
    }
}
