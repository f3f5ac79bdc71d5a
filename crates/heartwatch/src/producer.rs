//! Rows into a topic, every row once: on Kafka through an idempotent producer, in a folder through the end of the process
//! that holds it.
//!
//! In a folder every transaction leaves a receipt: a commit in a group of the producer's own. When the holder ends while a
//! transaction is under way, the receipt tells whether it arrived. Neither survives the end of the producer itself: who starts
//! again from the beginning of a file appends it again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use hw_engine::{Clock, SystemClock};
use hw_log::kafka::Pipeline;
use hw_log::{Append, Commit, IfMissing, Log, LogError, Transaction};

use crate::encode::TopicWriter;
use crate::holder::reopen;
use crate::inputs::{log_error, open_log};
use crate::place::Place;

/// Receipts are never removed, so their number is bounded: producers share this many groups for each topic.
const GROUPS: u32 = 64;

/// Bytes on their way to Kafka at most.
const BYTES_UNDER_WAY_MAX: usize = 32 << 20;

/// Appends rows to a topic.
pub(crate) struct Producer {
    writer: TopicWriter,
    to: Destination,
}

/// Where a producer's batches go.
pub(crate) enum Destination {
    /// A folder, with receipts.
    Folder(Box<FolderWriter>),
    /// A cluster, many batches at a time.
    Kafka(Pipeline),
}

impl Destination {
    /// Opens the log, and the way of a producer's batches into it.
    pub(crate) fn open(place: &Place) -> anyhow::Result<(Arc<dyn Log>, Destination)> {
        match place {
            Place::Folder(folder) => {
                let log = open_log(folder, IfMissing::Create)?;
                let writer = FolderWriter::new(folder, Arc::clone(&log));
                Ok((log, Destination::Folder(Box::new(writer))))
            }
            Place::Kafka(cluster) => {
                let log = cluster.open()?;
                let pipeline = log.pipeline(BYTES_UNDER_WAY_MAX).map_err(log_error)?;
                Ok((log, Destination::Kafka(pipeline)))
            }
        }
    }
}

impl Producer {
    /// Appends what `writer` makes to its topic.
    pub(crate) fn new(mut to: Destination, writer: TopicWriter) -> anyhow::Result<Producer> {
        if let Destination::Folder(folder) = &mut to {
            folder.begin(writer.topic())?;
        }
        Ok(Producer { writer, to })
    }

    /// Records given so far.
    pub(crate) fn records(&self) -> u64 {
        self.writer.records
    }

    /// Adds rows, and appends what has become large.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
        if self.writer.add(rows)? { self.send() } else { Ok(()) }
    }

    /// Appends what is left, and waits until all is in.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.send()?;
        match &mut self.to {
            Destination::Folder(_) => Ok(()),
            Destination::Kafka(pipeline) => Ok(pipeline.flush()?),
        }
    }

    fn send(&mut self) -> anyhow::Result<()> {
        let appends = self.writer.take();
        match &mut self.to {
            Destination::Folder(folder) => folder.append(self.writer.topic(), appends),
            Destination::Kafka(pipeline) => appends.into_iter().try_for_each(|append| {
                pipeline.send(append)?;
                // Nobody asks for the offsets; they need not pile up.
                while pipeline.next_base_offset().is_some() {}
                Ok(())
            }),
        }
    }
}

/// Appends to a folder's log, with receipts.
pub(crate) struct FolderWriter {
    folder: PathBuf,
    log: Arc<dyn Log>,
    group: String,
    /// Tells this producer's receipts from all others.
    run: String,
    sent: u64,
    /// The group's last receipt, as far as is known here.
    last: Option<Vec<u8>>,
}

impl FolderWriter {
    fn new(folder: &Path, log: Arc<dyn Log>) -> FolderWriter {
        let pid = std::process::id();
        FolderWriter {
            folder: folder.to_owned(),
            log,
            group: format!("produce-{}", pid % GROUPS),
            run: format!("{pid}-{}", SystemClock.now_ms()),
            sent: 0,
            last: None,
        }
    }

    /// Looks up the last receipt that others left for the topic.
    fn begin(&mut self, topic: &str) -> anyhow::Result<()> {
        self.last = self.receipt(topic)?;
        Ok(())
    }

    fn append(&mut self, topic: &str, appends: Vec<Append>) -> anyhow::Result<()> {
        if appends.is_empty() {
            return Ok(());
        }
        let receipt = format!("{}-{}", self.run, self.sent).into_bytes();
        let commit = Commit {
            group: self.group.clone(),
            topic: topic.to_owned(),
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
                    if self.arrived(topic, &receipt)? {
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
    fn arrived(&mut self, topic: &str, receipt: &[u8]) -> anyhow::Result<bool> {
        loop {
            self.log = reopen(&self.folder)?;
            match self.receipt(topic) {
                Ok(found) if found.as_deref() == Some(receipt) => return Ok(true),
                Ok(found) if found == self.last => return Ok(false),
                Ok(_) => anyhow::bail!(
                    "the process that held {} ended while others produced as well: it is not known whether the last \
                     rows arrived; compare the end of {topic} with the file",
                    self.folder.display(),
                ),
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn receipt(&self, topic: &str) -> Result<Option<Vec<u8>>, LogError> {
        let commits = self.log.committed(&self.group)?;
        let of_topic = commits.into_iter().find(|commit| commit.topic == topic);
        Ok(of_topic.map(|commit| commit.metadata))
    }
}
