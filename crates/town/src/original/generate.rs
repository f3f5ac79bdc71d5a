//! Generate: draws a value from a node.
//!
//! Cannot fail, for compiling has checked everything; keeps no state but the counters inside nodes.

use rand::Rng;
use rand::distr::Distribution;
use serde_json::{Map, Value};

use super::node::{Body, Count, Length, Node, Precision, Text};
use crate::dice::Dice;

/// How often a match of the wrong length is drawn again before the last one is taken as it is. Compiling
/// has made sure that matches of the right length do come up.
const TRIES: usize = 10_000;

impl Node {
    /// Draws a value; counters move on.
    pub(super) fn generate(&mut self, dice: &mut Dice) -> Value {
        match self {
            Node::Options(options) => options[dice.rng().random_range(0..options.len())].clone(),
            Node::Whole { min, end } => Value::from(dice.rng().random_range(i128::from(*min)..*end) as i64),
            Node::Real { min, max, precision } => real(dice.between(*min, *max), *min, *max, *precision),
            Node::CountWhole(count) => Value::from(count.advance(i64::saturating_add)),
            Node::CountReal(count) => Value::from(count.advance(|next, step| next + step)),
            Node::Flag { odds } => Value::from(dice.chance(*odds)),
            Node::Alternate { next } => {
                *next = !*next;
                Value::from(!*next)
            }
            Node::Text(text) => Value::from(text.generate(dice)),
            Node::Bytes(length) => {
                let bytes = length.draw(dice);
                Value::from((0..bytes).map(|_| char::from(dice.bits() as u8)).collect::<String>())
            }
            Node::Array { items, length } => (0..length.draw(dice)).map(|_| items.generate(dice)).collect(),
            Node::Map { keys, values, length } => {
                let entries = (0..length.draw(dice)).map(|_| (keys.generate(dice), values.generate(dice)));
                Value::Object(entries.collect())
            }
            Node::Record(fields) => {
                let values = fields
                    .iter_mut()
                    .map(|(name, node)| (name.clone(), node.generate(dice)));
                Value::Object(values.collect::<Map<_, _>>())
            }
            Node::Union(branches) => {
                let branch = dice.rng().random_range(0..branches.len());
                branches[branch].generate(dice)
            }
        }
    }
}

impl Text {
    pub(super) fn generate(&self, dice: &mut Dice) -> String {
        let body = match &self.body {
            Body::Options(options) => options[dice.rng().random_range(0..options.len())].clone(),
            Body::Letters(length) => (0..length.draw(dice))
                .map(|_| char::from(dice.rng().random_range(b'a'..=b'z')))
                .collect(),
            Body::Match { regex, length } => draw_match(regex, *length, dice).0,
        };
        format!("{}{body}{}", self.prefix, self.suffix)
    }
}

/// A match, and whether its length is right.
pub(super) fn draw_match(regex: &rand_regex::Regex, length: Length, dice: &mut Dice) -> (String, bool) {
    let mut text = String::new();
    for _ in 0..TRIES {
        text = regex.sample(dice.rng());
        if (length.min..length.end).contains(&text.chars().count()) {
            return (text, true);
        }
    }
    (text, false)
}

impl Length {
    fn draw(self, dice: &mut Dice) -> usize {
        dice.rng().random_range(self.min..self.end)
    }
}

impl<N: Copy + PartialOrd> Count<N> {
    /// The present number; moves on by the step and, at or past `restart`, back to `start`.
    fn advance(&mut self, add: impl Fn(N, N) -> N) -> N {
        let present = self.next;
        self.next = add(present, self.step);
        let wraps = self.restart.is_some_and(|restart| {
            if restart > self.start {
                self.next >= restart
            } else {
                self.next <= restart
            }
        });
        if wraps {
            self.next = self.start;
        }
        present
    }
}

/// Rounding to single precision, and the multiplication inside a draw, may reach the open end of a range: it is left out.
fn real(drawn: f64, min: f64, max: f64, precision: Precision) -> Value {
    let value = match precision {
        Precision::Single => f64::from(drawn as f32),
        Precision::Double => drawn,
    };
    Value::from(if value >= min && value < max { value } else { min })
}
