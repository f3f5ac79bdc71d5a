//! Town: made-up people who wear watches, and the readings those watches send.
//!
//! Two generators stand side by side. [`Town`] gives people a daily life, so that a back-test means something: they sleep,
//! sit, walk, run, drive and train, their hearts follow with the right delays, their watches fail in the usual ways, and
//! episodes are planted whose truth is known. [`original`] gives independent random records from annotated Avro schemas, as
//! the system before this one was fed.
//!
//! The same options give the same readings, byte for byte, on one platform and one `Cargo.lock`: every person draws from a
//! generator of their own, seeded from the town's seed and their number.
//!
//! Town knows no log, no SQL and no wall clock: it is asked for the next second and answers. It is not a medical model; it
//! aims at delays, levels and failures of the right size.
//!
//! ```
//! use hw_town::{Town, TownOptions};
//!
//! let mut town = Town::new(&TownOptions { users: 50, seed: 7, ..TownOptions::default() })?;
//! let mut readings = Vec::new();
//! for _ in 0..10 {
//!     town.next_second(&mut readings);
//! }
//! assert!(readings.len() > 400);
//! # Ok::<(), hw_town::TownError>(())
//! ```

mod delivery;
mod device;
mod dice;
mod gps;
mod habits;
mod heart;
mod motion;
mod options;
pub mod original;
mod person;
mod places;
mod reading;
mod score;
pub mod steady;
mod town;
mod truth;

pub use options::{EpisodeOptions, Faults, Spell, TownError, TownOptions};
pub use reading::{Baseline, Reading, write_json_line};
pub use score::{Score, score};
pub use town::Town;
pub use truth::{Cause, Episode, Kind};
