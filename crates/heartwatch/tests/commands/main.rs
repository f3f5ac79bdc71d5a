//! The commands, as a user starts them: the real binary, real files, real folders, real signals.
//!
//! Nothing of the program is linked in here; what a test knows stands in what the program printed.

mod agreement;
mod mistakes;
mod program;
mod recordings;
