//! Rows into a topic of a folder's log, every row once, through the end of the process that holds the folder.
//!
//! Every transaction leaves a receipt: a commit in a group of the producer's own. When the holder ends while a transaction is
//! under way, the receipt tells whether it arrived. It does not survive the end of the producer itself: who starts again
//! from the beginning of a file appends it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hw_engine::{Clock, SystemClock};
use hw_log::{Commit, Log, LogError, Transaction};

use crate::encode::TopicWriter;
use crate::holder::reopen;

/// Receipts are never removed, so their number is bounded: producers share this many groups for each topic.
const GROUPS: u32 = 64;

/// Appends rows to a topic.
pub(crate) struct Producer {
    folder: PathBuf,
    log: Arc<dyn Log>,
    writer: TopicWriter,
    group: String,
    /// Tells this producer's receipts from all others.
    run: String,
    sent: u64,
    /// The group's last receipt, as far as is known here.
    last: Option<Vec<u8>>,
}

impl Producer {
    /// Appends what `writer` makes to its topic of the log in `folder`, which is `log`.
    pub(crate) fn new(folder: &Path, log: Arc<dyn Log>, writer: TopicWriter) -> anyhow::Result<Producer> {
        let pid = std::process::id();
        let mut producer = Producer {
            folder: folder.to_owned(),
            log,
            group: format!("produce-{}", pid % GROUPS),
            run: format!("{pid}-{}", SystemClock.now_ms()),
            writer,
            sent: 0,
            last: None,
        };
        producer.last = producer.receipt()?;
        Ok(producer)
    }

    /// Records given so far.
    pub(crate) fn records(&self) -> u64 {
        self.writer.records
    }

    /// Adds rows, and appends what has become large.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
        if self.writer.add(rows)? { self.flush() } else { Ok(()) }
    }

    /// Appends what is left.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let appends = self.writer.take();
        if appends.is_empty() {
            return Ok(());
        }
        let receipt = format!("{}-{}", self.run, self.sent).into_bytes();
        let commit = Commit {
            group: self.group.clone(),
            topic: self.writer.topic().to_owned(),
            partition: 0,
            offset: self.sent,
            metadata: receipt.clone(),
        };
        let transaction = Transaction {
            appends,
            commits: vec![commit],
        };
        loop {
            match self.log.append(&transaction) {
                Ok(_) => break,
                Err(error) if error.is_retriable() => {
                    if self.arrived(&receipt)? {
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.sent += 1;
        self.last = Some(receipt);
        Ok(())
    }

    /// Opens the log again and looks whether the transaction with this receipt is there.
    fn arrived(&mut self, receipt: &[u8]) -> anyhow::Result<bool> {
        loop {
            self.log = reopen(&self.folder)?;
            match self.receipt() {
                Ok(found) if found.as_deref() == Some(receipt) => return Ok(true),
                Ok(found) if found == self.last => return Ok(false),
                Ok(_) => anyhow::bail!(
                    "the process that held {} ended while others produced as well: it is not known whether the last \
                     rows arrived; compare the end of {} with the file",
                    self.folder.display(),
                    self.writer.topic()
                ),
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receipt(&self) -> Result<Option<Vec<u8>>, LogError> {
        let commits = self.log.committed(&self.group)?;
        let of_topic = commits.into_iter().find(|commit| commit.topic == self.writer.topic());
        Ok(of_topic.map(|commit| commit.metadata))
    }
}
