//! Random logs of one partition: records of a few users, and stretches of silence.

use hw_reference::{Rules, Window};
use proptest::prelude::*;
use proptest::strategy::Union;

/// What happens next in a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Record {
        key: u32,
        time_ms: i64,
        value: i64,
        /// Whether it fulfils the condition before the window.
        counts: bool,
    },
    /// The clock is moved on by so much.
    Idle { ms: i64 },
}

/// A log and the rules of its stream.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) rules: Rules,
    pub(crate) window: Window,
    pub(crate) events: Vec<Event>,
}

impl History {
    /// How far the clock moves at the end, so that everything is answered.
    pub(crate) fn end_ms(&self) -> i64 {
        10_000 + self.rules.lateness_ms + 1
    }
}

/// How wrong the watches' clocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Disorder within and beyond the lateness, uploads of old readings, gaps.
    Mild,
    /// Clocks that are minutes to days ahead or behind, and wrong first records.
    Wild,
}

/// A step before it has a time of its own: where it stands relative to a time that walks on.
#[derive(Debug, Clone, Copy)]
enum Step {
    Record {
        key: u32,
        walk_ms: i64,
        off_ms: i64,
        value: i64,
        counts: bool,
    },
    Idle {
        ms: i64,
    },
}

const START_MS: i64 = 1_767_225_600_000;
const MAX_LEAD_MS: i64 = 20_000;
const MAX_SKEW_MS: i64 = 200_000;

/// Histories of up to 120 events over windows of 10 s.
pub(crate) fn any(window: Window, shape: Shape) -> impl Strategy<Value = History> {
    let lateness = prop_oneof![Just(0_i64), Just(1_000), Just(4_000), Just(15_000)];
    let extra = prop_oneof![Just(0_i64), Just(3_000), Just(60_000)];
    let steps = proptest::collection::vec(step(shape), 1..120);
    (lateness, extra, steps).prop_map(move |(lateness_ms, extra_ms, steps)| {
        let rules = Rules {
            lateness_ms,
            remember_ms: (10_000 + lateness_ms).max(2 * lateness_ms) + extra_ms,
            max_lead_ms: MAX_LEAD_MS,
            max_skew_ms: MAX_SKEW_MS,
        };
        History {
            rules,
            window,
            events: events(&steps),
        }
    })
}

fn step(shape: Shape) -> impl Strategy<Value = Step> {
    let idle = (500..40_000_i64).prop_map(|ms| Step::Idle { ms });
    let mut offs = vec![
        (30, Just(0).boxed()),
        (10, (-6_i64..=0).prop_map(|seconds| seconds * 1_000).boxed()),
        (5, (-40_i64..=2).prop_map(|seconds| seconds * 1_000).boxed()),
    ];
    if shape == Shape::Wild {
        offs.push((6, (-4_i64..=4).prop_map(|units| units * 21_000).boxed()));
        offs.push((6, (-2_i64..=2).prop_map(|units| units * 201_000).boxed()));
    }
    let off = Union::new_weighted(offs);
    let walk = prop_oneof![8 => 0..=2_i64, 2 => 3..=9_i64, 1 => 10..=90_i64];
    let record = (0..5_u32, walk, off, 0..100_i64, proptest::bool::weighted(0.9));
    let record = record.prop_map(|(key, walk, off_ms, value, counts)| Step::Record {
        key,
        walk_ms: walk * 500,
        off_ms,
        value,
        counts,
    });
    prop_oneof![12 => record, 1 => idle]
}

fn events(steps: &[Step]) -> Vec<Event> {
    let mut now_ms = START_MS;
    let event = |step: &Step| match *step {
        Step::Idle { ms } => {
            now_ms += ms;
            Event::Idle { ms }
        }
        Step::Record {
            key,
            walk_ms,
            off_ms,
            value,
            counts,
        } => {
            now_ms += walk_ms;
            Event::Record {
                key,
                time_ms: now_ms + off_ms,
                value,
                counts,
            }
        }
    };
    steps.iter().map(event).collect()
}
