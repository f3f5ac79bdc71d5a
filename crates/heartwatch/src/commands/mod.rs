//! One file a command: its arguments and what it wires together.

pub(crate) mod backtest;
pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod produce;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod teardown;
