//! The commands, as a user starts them: the real binary, real files, real folders, real signals.
//!
//! Nothing of the program is linked in here; what a test knows stands in what the program printed.

mod agreement;
mod formats;
mod killed;
mod mistakes;
mod original;
mod program;
mod readings;
mod recordings;
mod replayed;
mod shown;
mod simulated;
