//! Who works on which partitions: a [`Membership`] is one worker's part in a group that shares a topic's partitions out.
//!
//! It does not read or commit. It says which partitions are the worker's, and waits with giving one away until the
//! worker has ended the transaction that holds its last work.
//!
//! # Constraints
//!
//! - No partition is two workers' at a time, as long as each obeys: what a membership has [`Change::Lost`] may be another's
//!   already, and nothing of it may be committed. A log refuses such a commit with [`LogError::Fenced`].
//! - Only [`Membership::poll`] moves it on: a worker that hangs stops polling and loses its partitions.

use crate::{Log, LogError};

/// One of the worker threads of a process: `number` of `of`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Which one.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Seat {
    /// The only worker of its process.
    pub const ONLY: Seat = Seat { number: 0, of: 1 };
}

/// What happened to a worker's partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These are the worker's from now on.
    Assigned(Vec<u32>),
    /// These are to be given back: the worker ends the transaction that holds its last work on them, forgets them, and
    /// calls [`Membership::released`]. Until then nobody else gets them.
    Revoked(Vec<u32>),
    /// These are the worker's no more, and may be another's already: it forgets them and commits nothing of them.
    Lost(Vec<u32>),
}

/// One worker's part in a group.
pub trait Membership: Send {
    /// Moves the membership on without waiting for anybody, and says what changed since the last call; to be called until
    /// it gives `None`, at least every few hundred milliseconds.
    ///
    /// # Errors
    /// When the group refuses the worker for good; what passes by itself is tried again inside.
    fn poll(&mut self) -> Result<Option<Change>, LogError>;

    /// The worker has let go of the partitions of the last [`Change::Revoked`].
    ///
    /// # Errors
    /// As [`Membership::poll`].
    fn released(&mut self) -> Result<(), LogError>;

    /// Ends the worker's part in the group, after its last transaction. A worker that is called the same when it comes back
    /// keeps its partitions until its session times out; any other leaves, so that nobody need wait for that.
    ///
    /// # Errors
    /// When the group cannot be reached; its session then times out.
    fn leave(&mut self) -> Result<(), LogError>;

    /// Ends the worker's part in the group and gives its partitions to others at once, whatever it is called.
    ///
    /// # Errors
    /// As [`Membership::leave`].
    fn leave_for_good(&mut self) -> Result<(), LogError> {
        self.leave()
    }
}

/// The membership of a worker whose process is its log's only engine: every `of`-th partition, for as long as it lives.
pub(crate) struct Alone {
    assigned: Option<Vec<u32>>,
}

impl Alone {
    pub(crate) fn new(log: &(impl Log + ?Sized), topic: &str, seat: Seat) -> Result<Alone, LogError> {
        let partitions = 0..log.topic(topic)?.options.partitions;
        let own = partitions.filter(|partition| partition % seat.of == seat.number);
        Ok(Alone {
            assigned: Some(own.collect()),
        })
    }
}

impl Membership for Alone {
    fn poll(&mut self) -> Result<Option<Change>, LogError> {
        Ok(self.assigned.take().map(Change::Assigned))
    }

    fn released(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn leave(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}
