//! Bugs that are planted on purpose, to show that the simulation finds such.

use std::fmt;
use std::str::FromStr;

/// What is wrong with the simulated log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Requests of an earlier epoch, or of who is no member any more, are done.
    NoFencing,
    /// Offsets are in force before their transaction has ended, and stay when it is aborted.
    OffsetsOutsideTransaction,
    /// A resume replays nothing: processing starts at the committed offset.
    ReplayFromCommitted,
    /// Committed offsets are read while the transaction that overwrites them is not decided.
    UndecidedOffsets,
    /// A worker that was out of its group joins again without being told what it lost.
    SilentLoss,
    /// An answer to a fetch is taken for the present one, whatever was asked.
    AnyAnswer,
    /// A partition's range ends where readers may read at the moment, before what is committed and not known there.
    EarlyEnds,
}

/// All of them, with their names on the command line.
pub const BUGS: [(&str, Bug); 7] = [
    ("no-fencing", Bug::NoFencing),
    ("offsets-outside-transaction", Bug::OffsetsOutsideTransaction),
    ("replay-from-committed", Bug::ReplayFromCommitted),
    ("undecided-offsets", Bug::UndecidedOffsets),
    ("silent-loss", Bug::SilentLoss),
    ("any-answer", Bug::AnyAnswer),
    ("early-ends", Bug::EarlyEnds),
];

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Bug, String> {
        let found = BUGS.iter().find(|(name, _)| *name == text);
        found.map(|(_, bug)| *bug).ok_or_else(|| {
            let names: Vec<&str> = BUGS.iter().map(|(name, _)| *name).collect();
            format!("there is no bug {text:?}; there are: {}", names.join(", "))
        })
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = BUGS.iter().find(|(_, bug)| bug == self).map_or("?", |(name, _)| *name);
        f.write_str(name)
    }
}
