//! The fingerprint of a job: what the state of its tasks depends on, as one number.
//!
//! It leaves out what a restart may change freely: filters behind the window, look-ups, the projection, the sink and
//! `idle_after`. Two jobs with the same fingerprint rebuild the same state from the same log.

use std::fmt::Write;

use crate::sql::expression_text;
use crate::{Aggregate, Job, Pipeline, TimeSource, Window};

/// Names the form of the canonical text: another form is another number.
const FORM: &str = "1";

impl Job {
    /// A number that is the same on every machine and in every run while the job's state means the same.
    pub fn fingerprint(&self, pipeline: &Pipeline) -> u64 {
        fnv1a(self.canonical(pipeline).as_bytes())
    }

    /// What the fingerprint is taken of. Readable, so that two that differ can be compared.
    fn canonical(&self, pipeline: &Pipeline) -> String {
        let source = &pipeline.streams[self.source];
        let mut text = String::new();
        // A length before every item: no name or text can pass for the boundary of two.
        let mut put = |item: &str| {
            let _ = write!(text, "{}:{item};", item.len());
        };
        put(FORM);
        put(&source.topic);
        for (index, field) in source.columns.fields().iter().enumerate() {
            let role = match index {
                index if index == source.key => "key",
                index if index == source.time => "time",
                _ => "column",
            };
            put(role);
            put(field.name());
            put(&field.data_type().to_string());
            put(if field.is_nullable() { "null" } else { "not null" });
        }
        put(match source.time_source {
            TimeSource::RecordTimestamp => "timestamp",
            TimeSource::Value => "value",
        });
        let timing = &source.timing;
        for ms in [
            timing.lateness_ms,
            self.remember_ms(pipeline),
            timing.max_lead_ms,
            timing.max_skew_ms,
        ] {
            put(&ms.to_string());
        }
        for check in &source.checks {
            put("check");
            put(&expression_text(check.predicate.as_ref()));
        }
        for conjunct in &self.before {
            put("before");
            put(&expression_text(conjunct.as_ref()));
        }
        match &self.window {
            None => put("no window"),
            Some(window) => put_window(window, &mut put),
        }
        text
    }
}

/// Aggregates are part of the state: they decide what of a row is kept.
fn put_window(window: &Window, put: &mut impl FnMut(&str)) {
    for input in window.inputs() {
        put("input");
        put(&expression_text(input.expr.as_ref()));
        put(&input.data_type.to_string());
    }
    let aggregates = |aggregates: &[Aggregate], put: &mut dyn FnMut(&str)| {
        for aggregate in aggregates {
            put(&aggregate.function.to_string());
            put(&aggregate.input.map_or("*".to_string(), |input| input.to_string()));
        }
    };
    match window {
        Window::Sliding(sliding) => {
            for frame in &sliding.frames {
                put("frame");
                put(&frame.preceding_ms.to_string());
                aggregates(&frame.aggregates, put);
            }
        }
        Window::Tumbling(tumbling) => {
            put("tumbling");
            put(&tumbling.length_ms.to_string());
            put(&tumbling.origin_ms.to_string());
            aggregates(&tumbling.aggregates, put);
        }
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; <http://www.isthe.com/chongo/tech/comp/fnv>): the standard library's hasher may
/// change from one release to the next.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn published_values() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
