//! A seeded simulation of the engine on a cluster: workers, tasks and the commit protocol, with everything that goes wrong.
//!
//! The engine is the real one, stepped in one thread ([`hw_engine::Worker::step`]); the log below it, the group's coordinator,
//! the network and the clock are simulated, and every decision comes from a seed. A seed that fails is replayed, to the
//! word, by `cargo run -p hw-simulation -- --seed N`.
//!
//! Nobody may depend on this crate. It says nothing of the real client's requests: it checks that the engine is right on any
//! log that keeps the promises of [`hw_log::Log`], and what those promises are for, its planted bugs ([`Bug`]) show.
//!
//! # What goes wrong
//!
//! Processes crash at every call, before and after its effect; answers are lost or late, so that a transaction's outcome is
//! unknown with and without effect; workers pause past their sessions and go on as zombies, also in the middle of a
//! transaction; second lives begin while the first still live; coordinators forget members; fetches come late, twice, out of
//! order and not at all; records are poison, late, ahead, and of transactions that are aborted; partitions go idle.
//!
//! # What must hold
//!
//! See `check`: committed answers and dead letters are exactly those of the reference over the committed records and marks,
//! and of a backtest when nothing was late; none twice, none lost; offsets never go back; memory is bounded; nobody stops
//! with an error, and all is caught up soon after the faults end.

mod bug;
mod cast;
mod check;
mod client;
mod cluster;
mod dice;
mod faults;
mod run;
mod script;
mod workload;
mod world;

pub use bug::{BUGS, Bug};
pub use check::Checked;
pub use run::{Outcome, simulate};
