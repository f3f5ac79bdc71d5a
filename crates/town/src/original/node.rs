//! Node: a compiled schema, as a tree of what to draw.
//!
//! Everything in it has been checked; drawing from it cannot fail.

use rand_regex::Regex;
use serde_json::Value;

/// One place of the schema.
#[derive(Debug)]
pub(super) enum Node {
    /// One of these.
    Options(Vec<Value>),
    /// Whole numbers from `min` to below `end`.
    Whole { min: i64, end: i128 },
    /// Real numbers from `min` to below `max`; single precision for Avro's `float`.
    Real { min: f64, max: f64, precision: Precision },
    /// Counting in whole numbers.
    CountWhole(Count<i64>),
    /// Counting in real numbers.
    CountReal(Count<f64>),
    /// True with this probability.
    Flag { odds: f64 },
    /// True and false in turn; the next one is kept here.
    Alternate { next: bool },
    /// A text.
    Text(Text),
    /// Bytes, as a text of code points up to 255.
    Bytes(Length),
    /// Values of one kind in a row.
    Array { items: Box<Node>, length: Length },
    /// Values of one kind by key. Keys that are drawn twice make a smaller map.
    Map {
        keys: Text,
        values: Box<Node>,
        length: Length,
    },
    /// Named fields, in order.
    Record(Vec<(String, Node)>),
    /// One of these nodes.
    Union(Vec<Node>),
}

/// Width of a real number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Single,
    Double,
}

/// A number of characters, bytes or items: at least `min`, less than `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) min: usize,
    pub(super) end: usize,
}

/// A text to draw.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) body: Body,
    pub(super) prefix: String,
    pub(super) suffix: String,
}

/// The part of a text between prefix and suffix.
#[derive(Debug)]
pub(super) enum Body {
    /// One of these.
    Options(Vec<String>),
    /// Letters.
    Letters(Length),
    /// A match of an expression, whose length is at least `min` and less than `end` characters.
    Match { regex: Regex, length: Length },
}

/// A counter.
#[derive(Debug)]
pub(super) struct Count<N> {
    pub(super) next: N,
    pub(super) start: N,
    pub(super) restart: Option<N>,
    pub(super) step: N,
}
