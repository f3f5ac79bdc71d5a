//! The time rules, slow and plain: the oracle of the engine's tests, and never a part of the product.
//!
//! It was written apart from the engine, from the rules alone ("Time is each user's own" in ARCHITECTURE.md). It keeps every
//! row for ever, looks at all of them at every step, and forgets nothing, so that each rule can be read here in a few
//! lines. It knows no log, no columns and no SQL.
//!
//! # Constraints
//!
//! - One partition, one window, one integer value a row.
//! - Nothing is optimised: a log of hundreds of records is what it is for.

mod clock;
mod rows;

pub use clock::{Clock, Seen};
pub use rows::{Answer, Answers, Reference, Refused, Rules, Window};
