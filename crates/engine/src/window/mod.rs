//! Windows over the rows of a key: the time rules, the rows, and the aggregates.
//!
//! [`keyed::Keyed`] applies the time rules and drives an [`operator::Operator`]: [`sliding::SlidingWindow`] or
//! [`tumbling::TumblingWindow`]. Rows lie in [`rings::Rings`]; answers go to [`evaluated::Evaluated`]. Nothing here knows
//! records, expressions or the wall clock.

pub(crate) mod aggregates;
mod blocks;
mod column;
pub(crate) mod evaluated;
pub(crate) mod inputs;
mod key_windows;
pub(crate) mod keyed;
mod known;
mod late_rows;
pub(crate) mod operator;
mod queue;
mod rings;
mod run;
pub(crate) mod sliding;
mod state;
mod stats;
mod store;
mod summaries;
pub(crate) mod tumbling;
mod whole;
