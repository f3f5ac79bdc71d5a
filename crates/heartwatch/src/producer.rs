//! Rows into a topic, every row once: on Kafka through an idempotent producer, in a folder through the end of the process
//! that holds it.
//!
//! In a folder every transaction leaves a receipt: a commit in a group of the producer's own. When the holder ends while a
//! transaction is under way, the receipt tells whether it arrived. Neither survives the end of the producer itself: who starts
//! again from the beginning of a file appends it again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use hw_engine::{Clock, SystemClock};
use hw_log::kafka::{KafkaLog, Pipeline};
use hw_log::{Append, Commit, IfMissing, Log, LogError, Transaction};

use crate::encode::{Filled, TopicWriter};
use crate::holder::reopen;
use crate::inputs::{log_error, open_log};
use crate::place::Place;

/// Receipts are never removed, so their number is bounded: processes share this many groups for each topic and each
/// producer of theirs.
const GROUPS: u32 = 64;

/// Bytes on their way to Kafka at most, of all producers of a process.
const BYTES_UNDER_WAY_MAX: usize = 32 << 20;

/// So often Kafka's answers are looked at, though nothing has to wait for them: what is shown as acknowledged is no older.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A log that producers append to.
pub(crate) enum OpenLog {
    /// Of a folder.
    Folder(PathBuf, Arc<dyn Log>),
    /// Of a cluster.
    Kafka(Arc<KafkaLog>),
}

/// Appends rows to a topic.
pub(crate) struct Producer {
    writer: TopicWriter,
    to: Destination,
    /// Records that are known to be in the log. Producers of one command add to the same number, which is looked at by
    /// whoever shows how far it is.
    acknowledged: Arc<AtomicU64>,
    /// Records of each batch that is on its way to Kafka.
    under_way: VecDeque<u64>,
    looked: Instant,
}

/// Where a producer's batches go.
enum Destination {
    /// A folder, with receipts.
    Folder(Box<FolderWriter>),
    /// A cluster, many batches at a time.
    Kafka(Pipeline),
}

impl OpenLog {
    /// Opens the log; a folder is made when it is not there.
    pub(crate) fn open(place: &Place) -> anyhow::Result<OpenLog> {
        match place {
            Place::Folder(folder) => Ok(OpenLog::Folder(folder.clone(), open_log(folder, IfMissing::Create)?)),
            Place::Kafka(cluster) => Ok(OpenLog::Kafka(cluster.open()?)),
        }
    }

    /// The log itself.
    pub(crate) fn log(&self) -> Arc<dyn Log> {
        match self {
            OpenLog::Folder(_, log) => Arc::clone(log),
            OpenLog::Kafka(log) => Arc::clone(log) as Arc<dyn Log>,
        }
    }

    /// A producer that works alone.
    pub(crate) fn producer(&self, writer: TopicWriter) -> anyhow::Result<Producer> {
        self.numbered(0, writer, BYTES_UNDER_WAY_MAX, &Arc::default())
    }

    /// A producer for each writer; `acknowledged` counts the records of all.
    pub(crate) fn producers(
        &self,
        writers: Vec<TopicWriter>,
        acknowledged: &Arc<AtomicU64>,
    ) -> anyhow::Result<Vec<Producer>> {
        let bytes_under_way_max = BYTES_UNDER_WAY_MAX / writers.len().max(1);
        let numbered = (0..).zip(writers);
        numbered
            .map(|(number, writer)| self.numbered(number, writer, bytes_under_way_max, acknowledged))
            .collect()
    }

    fn numbered(
        &self,
        number: u32,
        writer: TopicWriter,
        bytes_under_way_max: usize,
        acknowledged: &Arc<AtomicU64>,
    ) -> anyhow::Result<Producer> {
        let to = match self {
            OpenLog::Folder(folder, log) => {
                let mut to = FolderWriter::new(folder, Arc::clone(log), number);
                to.begin(writer.topic())?;
                Destination::Folder(Box::new(to))
            }
            OpenLog::Kafka(log) => Destination::Kafka(log.pipeline(bytes_under_way_max).map_err(log_error)?),
        };
        Ok(Producer {
            writer,
            to,
            acknowledged: Arc::clone(acknowledged),
            under_way: VecDeque::new(),
            looked: Instant::now(),
        })
    }
}

impl Producer {
    /// Records that are known to be in the log.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Adds rows, and appends what has become large.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
        self.writer.add(rows)?;
        let full = self.writer.take_full();
        self.send(full)?;
        if self.looked.elapsed() >= LOOK_EVERY {
            self.arrive()?;
        }
        Ok(())
    }

    /// Appends what is left, and waits until all is in.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        let all = self.writer.take();
        self.send(all)?;
        self.arrive()
    }

    /// Waits until all that was sent is in.
    fn arrive(&mut self) -> anyhow::Result<()> {
        if let Destination::Kafka(pipeline) = &mut self.to {
            let flushed = pipeline.flush();
            // Also when it has failed: what came in before is in.
            settle(pipeline, &mut self.under_way, &self.acknowledged);
            flushed?;
        }
        self.looked = Instant::now();
        Ok(())
    }

    fn send(&mut self, filled: Vec<Filled>) -> anyhow::Result<()> {
        match &mut self.to {
            Destination::Folder(folder) => {
                let records = filled.iter().map(|filled| filled.records).sum();
                let appends = filled.into_iter().map(|filled| filled.append).collect();
                folder.append(self.writer.topic(), appends)?;
                self.acknowledged.fetch_add(records, Ordering::Relaxed);
            }
            Destination::Kafka(pipeline) => {
                for filled in filled {
                    self.under_way.push_back(filled.records);
                    let sent = pipeline.send(filled.append);
                    settle(pipeline, &mut self.under_way, &self.acknowledged);
                    sent?;
                }
            }
        }
        Ok(())
    }
}

/// Counts the batches whose offsets have come back, oldest first.
fn settle(pipeline: &mut Pipeline, under_way: &mut VecDeque<u64>, acknowledged: &AtomicU64) {
    while pipeline.next_base_offset().is_some() {
        let records = under_way.pop_front().unwrap_or_default();
        acknowledged.fetch_add(records, Ordering::Relaxed);
    }
}

/// Appends to a folder's log, with receipts.
struct FolderWriter {
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
    fn new(folder: &Path, log: Arc<dyn Log>, number: u32) -> FolderWriter {
        let pid = std::process::id();
        let group = pid % GROUPS;
        FolderWriter {
            folder: folder.to_owned(),
            log,
            group: match number {
                0 => format!("produce-{group}"),
                _ => format!("produce-{group}-{number}"),
            },
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
