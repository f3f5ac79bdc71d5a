//! Numbers: `range` and `iteration` of the numeric types.
//!
//! Checks and compiles only; counting itself is `generate`'s.

use serde_json::Value;

use super::SchemaError;
use super::node::{Count, Node, Precision};
use super::properties::Properties;

const NUMBER_PROPERTIES: [&str; 3] = ["options", "range", "iteration"];

impl Properties<'_> {
    /// An int or a long between `lowest` and `highest`, both included.
    pub(super) fn whole(&self, kind: &str, lowest: i64, highest: i64) -> Result<Node, SchemaError> {
        self.allow(&NUMBER_PROPERTIES, kind)?;
        let read = |value: &Value| value.as_i64().filter(|number| (lowest..=highest).contains(number));
        if self.get("iteration").is_some() {
            let mut count = self.count(kind, read, [1, -1])?;
            // Without a restart an int starts again before it would leave its type; a long stays at its end.
            if count.restart.is_none() {
                count.restart = if count.step > 0 {
                    highest.checked_add(1)
                } else {
                    lowest.checked_sub(1)
                };
            }
            return Ok(Node::CountWhole(count));
        }
        let (min, max) = self.range(kind, read)?;
        let min = min.unwrap_or(lowest);
        let end = max.map_or(i128::from(highest) + 1, i128::from);
        if i128::from(min) >= end {
            return Err(self.wrong("range", "max must be more than min: it is left out itself"));
        }
        self.or_options(kind, Node::Whole { min, end })
    }

    /// A float or a double; from 0 to 1 when nothing is said.
    pub(super) fn real(&self, kind: &str, precision: Precision) -> Result<Node, SchemaError> {
        self.allow(&NUMBER_PROPERTIES, kind)?;
        let highest = match precision {
            Precision::Single => f64::from(f32::MAX),
            Precision::Double => f64::MAX,
        };
        let read = |value: &Value| value.as_f64().filter(|number| number.abs() <= highest);
        if self.get("iteration").is_some() {
            return self.count(kind, read, [1.0, -1.0]).map(Node::CountReal);
        }
        let (min, max) = match self.range(kind, read)? {
            (None, None) => (0.0, 1.0),
            // Half of the width that the type has, so that the difference of the two stays a number.
            (min, max) => (min.unwrap_or(-highest / 2.0), max.unwrap_or(highest / 2.0)),
        };
        if min >= max || !(max - min).is_finite() {
            return Err(self.wrong(
                "range",
                "max must be more than min (it is left out itself), and their distance finite",
            ));
        }
        self.or_options(kind, Node::Real { min, max, precision })
    }

    fn range<N>(&self, kind: &str, read: impl Fn(&Value) -> Option<N>) -> Result<(Option<N>, Option<N>), SchemaError> {
        let Some(range) = self.get("range") else {
            return Ok((None, None));
        };
        let object = range
            .as_object()
            .ok_or_else(|| self.wrong("range", "must be an object with min, max or both"))?;
        if object.is_empty() {
            return Err(self.wrong("range", "must have min, max or both"));
        }
        if let Some(name) = object.keys().find(|name| !["min", "max"].contains(&name.as_str())) {
            return Err(self.wrong(&format!("range.{name}"), "a range has min and max only"));
        }
        Ok((
            self.member(range, "range", "min", kind, &read)?,
            self.member(range, "range", "max", kind, &read)?,
        ))
    }

    fn count<N: Copy + PartialOrd + Default>(
        &self,
        kind: &str,
        read: impl Fn(&Value) -> Option<N>,
        [up, down]: [N; 2],
    ) -> Result<Count<N>, SchemaError> {
        let iteration = self.get("iteration").unwrap_or(&Value::Null);
        let known = ["start", "restart", "step", "initial"];
        let unknown = iteration
            .as_object()
            .and_then(|object| object.keys().find(|name| !known.contains(&name.as_str())));
        if let Some(name) = unknown {
            return Err(self.wrong(
                &format!("iteration.{name}"),
                format!("an iteration has {}", known.join(", ")),
            ));
        }
        let member = |name: &str| self.member(iteration, "iteration", name, kind, &read);
        let start = member("start")?
            .ok_or_else(|| self.wrong("iteration", format!("must be an object with a start that is a {kind}")))?;
        let restart = member("restart")?;
        if restart == Some(start) {
            return Err(self.wrong("iteration.restart", "must differ from start"));
        }
        let downwards = restart.is_some_and(|restart| restart < start);
        let step = member("step")?.unwrap_or(if downwards { down } else { up });
        let zero = N::default();
        if step == zero || (restart.is_some() && (step < zero) != downwards) {
            return Err(self.wrong("iteration.step", "must lead from start to restart"));
        }
        Ok(Count {
            next: member("initial")?.unwrap_or(start),
            start,
            restart,
            step,
        })
    }

    fn member<N>(
        &self,
        object: &Value,
        property: &str,
        name: &str,
        kind: &str,
        read: &impl Fn(&Value) -> Option<N>,
    ) -> Result<Option<N>, SchemaError> {
        let Some(value) = object.get(name) else { return Ok(None) };
        read(value)
            .map(Some)
            .ok_or_else(|| self.wrong(&format!("{property}.{name}"), format!("{value} is no {kind}")))
    }
}
