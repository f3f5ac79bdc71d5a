//! Original: independent random records from annotated Avro schemas, as the system before this one was fed.
//!
//! A [`Generator`] takes any Avro schema. An `arg.properties` object inside a type says what its values look like, in the
//! vocabulary of the Avro random generator that the predecessor used:
//!
//! | property | types | meaning |
//! |---|---|---|
//! | `options` | all | one of these values |
//! | `range` `{min, max}` | int, long, float, double | at least `min`, less than `max`; one of them may be left out |
//! | `iteration` `{start, restart, step, initial}` | numbers | counts from `initial` or `start`, from `restart` back to `start` |
//! | `iteration` `{start}` | boolean | alternates |
//! | `odds` | boolean | share of true |
//! | `regex` | string | a text that the whole expression matches |
//! | `length` (a number, or `{min, max}`) | string, bytes, array, map | at least `min`, less than `max`; 8 to 15 when not given |
//! | `prefix`, `suffix` | string | put around the text |
//! | `keys` | map | the properties above, for its keys |
//!
//! Nothing is passed over in silence: a property that is not in this table, or not for its type, is an error that names its
//! place. It encodes no Avro; values are JSON, as Avro's own JSON form has them, but for unions, which stand without the
//! name of their branch.

mod compile;
mod generate;
mod node;
mod numbers;
mod properties;
mod readings;

use serde_json::Value;
use thiserror::Error;

use crate::dice::Dice;
use node::Node;

pub use readings::{BASELINE_SCHEMA, OriginalReadings, READING_SCHEMA, baselines};

/// Makes random values of one Avro schema.
#[derive(Debug)]
pub struct Generator {
    root: Node,
    dice: Dice,
}

/// Why a schema gives no values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// The text is no JSON at all.
    #[error("the schema is not JSON: {0}")]
    NotJson(String),
    /// Something in the schema cannot be followed.
    #[error("{path}: {problem}")]
    Wrong {
        /// Where, as a JSON path such as `$.fields[0].type["arg.properties"].regex`.
        path: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

impl Generator {
    /// Reads a schema.
    ///
    /// # Errors
    /// Text that is no JSON or no Avro schema, or a property that is unknown, malformed or not for its type.
    pub fn new(schema: &str, seed: u64) -> Result<Self, SchemaError> {
        let json: Value = serde_json::from_str(schema).map_err(|error| SchemaError::NotJson(error.to_string()))?;
        Ok(Self {
            root: compile::compile(&json)?,
            dice: Dice::new(seed, 0),
        })
    }

    /// The next value. The same schema and seed give the same values in the same order.
    pub fn generate(&mut self) -> Value {
        self.root.generate(&mut self.dice)
    }
}
