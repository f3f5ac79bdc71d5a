//! The `OPTIONS (…)` of a declaration.
//!
//! It does not know which options a stream or a table has: every option that nobody has asked for is refused.

use arrow::datatypes::SchemaRef;
use datafusion::sql::parser::CreateExternalTable;
use datafusion::sql::sqlparser::ast::{Ident, Value};
use datafusion::sql::sqlparser::tokenizer::Location;
use hw_graph::{TimeSource, Timing};

use crate::Diagnostic;
use crate::duration::parse_ms;
use crate::parameters::Parameters;
use crate::places::Places;
use crate::script::{place_of, text_of};

/// The options of one declaration, taken out as they are asked for.
pub(crate) struct Options<'a> {
    name: &'a Ident,
    given: Vec<Given>,
    asked: Vec<&'static str>,
}

struct Given {
    key: String,
    value: String,
    place: Option<Location>,
}

impl<'a> Options<'a> {
    /// The syntax tree has no places of options: they are looked up in the text, from the declaration's name on.
    pub(crate) fn read(
        places: &Places,
        create: &CreateExternalTable,
        name: &'a Ident,
        parameters: &Parameters,
    ) -> Result<Self, Diagnostic> {
        let mut given: Vec<Given> = Vec::new();
        let mut from = place_of(name).unwrap_or(Location::new(1, 1));
        for (key, value) in &create.options {
            let text = match value {
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) | Value::Number(text, _) => text,
                _ => return Err(Diagnostic::new(format!("the option {key} cannot be {value}")).at(place_of(name))),
            };
            let place = places.after(key, from);
            from = place.unwrap_or(from);
            if given.iter().any(|other| other.key == *key) {
                return Err(Diagnostic::new(format!("the option '{key}' is given twice")).at(place));
            }
            let value = parameters.bind_option(text, places.after(text, from).or(place))?;
            given.push(Given {
                key: key.clone(),
                value,
                place,
            });
        }
        Ok(Options {
            name,
            given,
            asked: Vec::new(),
        })
    }

    fn take(&mut self, key: &'static str) -> Option<Given> {
        self.asked.push(key);
        let index = self.given.iter().position(|given| given.key == key)?;
        Some(self.given.remove(index))
    }

    /// The index of the column that an option names.
    pub(crate) fn column(
        &mut self,
        key: &'static str,
        default: Option<&str>,
        columns: &SchemaRef,
    ) -> Result<usize, Diagnostic> {
        let (column, place) = match (self.take(key), default) {
            (Some(given), _) => (given.value, given.place),
            (None, Some(default)) => (default.to_string(), None),
            (None, None) => {
                return Err(
                    Diagnostic::new(format!("{} does not say which column is its {key}", self.name))
                        .hint(format!("write OPTIONS ('{key}' 'column', …)"))
                        .at(place_of(self.name)),
                );
            }
        };
        columns.index_of(&column).map_err(|_| {
            let known: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
            Diagnostic::new(format!("{} has no column {column} to be its {key}", self.name))
                .hint(format!("write OPTIONS ('{key}' '…') with one of {}", known.join(", ")))
                .at(place)
                .at(place_of(self.name))
        })
    }

    pub(crate) fn record(&mut self) -> String {
        self.take("record")
            .map_or_else(|| text_of(self.name), |given| given.value)
    }

    pub(crate) fn time_source(&mut self) -> Result<TimeSource, Diagnostic> {
        match self.take("time_source") {
            None => Ok(TimeSource::RecordTimestamp),
            Some(given) => match given.value.as_str() {
                "timestamp" => Ok(TimeSource::RecordTimestamp),
                "value" => Ok(TimeSource::Value),
                other => Err(Diagnostic::new(format!("'time_source' cannot be '{other}'"))
                    .hint("it is 'timestamp' (the record's own) or 'value' (a field of the value)")
                    .at(given.place)),
            },
        }
    }

    /// Every one has a default and may be set on the stream whose time it is.
    pub(crate) fn timing(&mut self) -> Result<Timing, Diagnostic> {
        let default = Timing::default();
        Ok(Timing {
            lateness_ms: self.duration("lateness")?.unwrap_or(default.lateness_ms),
            remember_ms: self.duration("remember")?.or(default.remember_ms),
            idle_after_ms: self.duration("idle_after")?.unwrap_or(default.idle_after_ms),
            max_lead_ms: self.duration("max_lead")?.unwrap_or(default.max_lead_ms),
            max_skew_ms: self.duration("max_skew")?.unwrap_or(default.max_skew_ms),
        })
    }

    fn duration(&mut self, key: &'static str) -> Result<Option<i64>, Diagnostic> {
        let Some(given) = self.take(key) else {
            return Ok(None);
        };
        match parse_ms(&given.value) {
            Some(ms) => Ok(Some(ms)),
            None => Err(
                Diagnostic::new(format!("'{key}' is '{}', which is no duration", given.value))
                    .hint(format!("write '{key}' '10 seconds', or '${key}' for a parameter"))
                    .at(given.place),
            ),
        }
    }

    /// Refuses what nobody has asked for.
    pub(crate) fn refuse_rest(self) -> Result<(), Diagnostic> {
        match self.given.first() {
            None => Ok(()),
            Some(given) => Err(Diagnostic::new(format!("{} has no option '{}'", self.name, given.key))
                .hint(format!("its options are {}", self.asked.join(", ")))
                .at(given.place)
                .at(place_of(self.name))),
        }
    }
}
