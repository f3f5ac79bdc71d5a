//! The commands, as a user starts them: the real binary, real files, real folders, real signals.
//!
//! Nothing of the program is linked in here; what a test knows stands in what the program printed.

mod agreement;
mod killed;
mod mistakes;
mod original;
mod program;
mod recordings;
mod replayed;
mod shown;
mod simulated;
