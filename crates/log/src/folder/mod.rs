//! `FolderLog`: the log in a folder of this machine.
//!
//! The first process that opens a folder *holds* it: it has the files open and serves every other process through a Unix
//! domain socket in the folder. The others are *guests*; they see the same [`Log`]. Neither knows what is in the records.
//!
//! # What survives
//! A transaction that was answered survives `kill -9`, always, and one that was not is there whole or not at all. What a
//! power failure or a crash of the system may cost is [`Durability`].
//!
//! # In the folder
//! `lock` (its flock is the holding; its text is the holder's process id), `log.sock`, and `store/` with the data. A
//! process that is killed leaves a stale socket: the lock went with it, so the next process simply takes over.

mod append;
mod clean;
mod client;
mod compact;
mod hold;
mod keys;
mod read;
mod serve;
mod state;
mod store;
mod wire;

use std::path::Path;
use std::time::Duration;

use crate::{Commit, EngineGuard, Fetch, Log, LogError, OffsetRange, Removed, Topic, TopicOptions, Transaction};
use client::Client;
use hold::{Holder, Opened};

/// How a folder is opened. Only the holder's options count; a guest brings none of its own but [`Self::if_missing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderOptions {
    /// What a power failure may cost.
    pub durability: Durability,
    /// Whether a folder that is not there is made.
    pub if_missing: IfMissing,
    /// How long compaction keeps a tombstone after it has first seen it, in milliseconds. Kafka's default is a day.
    pub delete_retention_ms: u64,
}

impl Default for FolderOptions {
    fn default() -> FolderOptions {
        FolderOptions {
            durability: Durability::Process,
            if_missing: IfMissing::Create,
            delete_retention_ms: 86_400_000,
        }
    }
}

/// What a power failure, or a crash of the operating system, may cost. A crash of the process costs nothing either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// The transactions of the last seconds, which the system had not written to the disk yet: half a minute on a Linux
    /// with default settings. They go as wholes, the latest first.
    ///
    /// The system may write pages in another order than the process did. If the power fails just then, the store's
    /// journal can be damaged in the middle; opening the folder then fails with a checksum error instead of guessing.
    #[default]
    Process,
    /// Nothing that was answered: every transaction is synced to the disk (`fsync`) before [`Log::append`] returns. That
    /// costs a few milliseconds each, on the disk's behalf.
    Power,
}

/// What to do about a folder that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IfMissing {
    /// Make it, readable for its owner only.
    #[default]
    Create,
    /// Refuse: a command that only reads must not answer a mistyped path with an empty log.
    Refuse,
}

/// What a process is to a folder that it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It has the files open and serves the others.
    Holder,
    /// It works through the holder.
    Guest,
}

/// A log in a folder. Dropping the holder's ends its guests' connections.
pub struct FolderLog {
    opened: Opened,
}

impl FolderLog {
    /// Opens the folder, or connects to the process that has it open.
    ///
    /// # Errors
    /// [`LogError::Unusable`] says what is wrong with the folder; [`LogError::Disconnected`] when the process that holds
    /// it does not answer.
    pub fn open(folder: impl AsRef<Path>, options: &FolderOptions) -> Result<FolderLog, LogError> {
        let opened = hold::open(folder.as_ref(), options)?;
        Ok(FolderLog { opened })
    }

    /// Whether this process holds the folder or is a guest. A guest's calls fail with [`LogError::Disconnected`] once the
    /// holder is gone; opening the folder again then makes one of the guests its holder.
    pub fn role(&self) -> Role {
        match self.opened {
            Opened::Holder(_) => Role::Holder,
            Opened::Guest(_) => Role::Guest,
        }
    }

    fn log(&self) -> &dyn Log {
        match &self.opened {
            Opened::Holder(holder) => Holder::log(holder),
            Opened::Guest(client) => client as &Client,
        }
    }
}

impl Log for FolderLog {
    fn create_topic(&self, name: &str, options: &TopicOptions) -> Result<(), LogError> {
        self.log().create_topic(name, options)
    }

    fn topic(&self, name: &str) -> Result<Topic, LogError> {
        self.log().topic(name)
    }

    fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.log().topics()
    }

    fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError> {
        self.log().ranges(topic)
    }

    fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        self.log().append(transaction)
    }

    fn read(&self, topic: &str, partition: u32, from_offset: u64, bytes_max: usize) -> Result<Fetch, LogError> {
        self.log().read(topic, partition, from_offset, bytes_max)
    }

    fn wait_for_appends(&self, seen: u64, timeout: Duration) -> Result<u64, LogError> {
        self.log().wait_for_appends(seen, timeout)
    }

    fn offset_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, LogError> {
        self.log().offset_at_time(topic, partition, timestamp_ms)
    }

    fn committed(&self, group: &str) -> Result<Vec<Commit>, LogError> {
        self.log().committed(group)
    }

    fn register_schema(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        self.log().register_schema(subject, json)
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        self.log().schema(id)
    }

    fn claim_engine(&self, name: &str) -> Result<EngineGuard, LogError> {
        self.log().claim_engine(name)
    }

    fn maintain(&self, now_ms: i64) -> Result<Vec<Removed>, LogError> {
        self.log().maintain(now_ms)
    }
}
