//! Producers at work side by side, a thread each, for one topic.
//!
//! All get all rows, and each appends those of its own partitions: a key's records stay in the order of the rows, and a
//! partition has the same records in the same order whatever the number of producers. It reads no files and knows no pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::anyhow;
use arrow::array::RecordBatch;

use crate::encode::TopicWriter;
use crate::producer::{OpenLog, Producer};

/// Portions that may wait for a producer: enough that none is idle while the next is being read.
const WAITING_MAX: usize = 4;

/// What waits for a batch to be full is sent when nothing has come for so long.
const IDLE: Duration = Duration::from_millis(200);

/// How long whoever offers rows waits before it tries again.
const BREATH: Duration = Duration::from_millis(1);

/// Rows for the producers.
#[derive(Debug, Clone)]
pub(crate) struct Portion {
    pub(crate) rows: RecordBatch,
    pub(crate) urgency: Urgency,
}

/// When rows are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// With others that fill a batch.
    WhenFull,
    /// At once, for their time has come.
    Now,
}

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    /// A producer has failed, or it is time to stop.
    End,
}

/// The producers.
pub(crate) struct Crew {
    hands: Vec<Hand>,
    acknowledged: Arc<AtomicU64>,
}

struct Hand {
    portions: SyncSender<Portion>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Crew {
    /// Starts a producer for each writer.
    pub(crate) fn start(log: &OpenLog, writers: Vec<TopicWriter>) -> anyhow::Result<Crew> {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut hands = Vec::new();
        for mut producer in log.producers(writers, &acknowledged)? {
            let (portions, given) = sync_channel(WAITING_MAX);
            let name = format!("producer {}", hands.len());
            let work = move || work(&mut producer, &given);
            let thread = std::thread::Builder::new().name(name).spawn(work)?;
            hands.push(Hand { portions, thread });
        }
        Ok(Crew { hands, acknowledged })
    }

    /// Records that are known to be in the log.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Gives a portion to all. While one of them cannot take it, `meanwhile` is called, and says whether to go on waiting.
    pub(crate) fn give(&self, portion: &Portion, mut meanwhile: impl FnMut(u64) -> Flow) -> Flow {
        for hand in &self.hands {
            let mut offered = portion.clone();
            loop {
                match hand.portions.try_send(offered) {
                    Ok(()) => break,
                    Err(TrySendError::Disconnected(_)) => return Flow::End,
                    Err(TrySendError::Full(back)) => {
                        if meanwhile(self.acknowledged()) == Flow::End {
                            return Flow::End;
                        }
                        std::thread::sleep(BREATH);
                        offered = back;
                    }
                }
            }
        }
        Flow::GoOn
    }

    /// Sends what is left and waits until all is in, with `meanwhile` called from time to time. Gives how many records are
    /// known to be in the log, and the first failure of a producer.
    pub(crate) fn finish(self, mut meanwhile: impl FnMut(u64)) -> (u64, anyhow::Result<()>) {
        let threads: Vec<_> = self.hands.into_iter().map(|hand| hand.thread).collect();
        while !threads.iter().all(JoinHandle::is_finished) {
            meanwhile(self.acknowledged.load(Ordering::Relaxed));
            std::thread::sleep(BREATH);
        }
        let mut first = Ok(());
        for thread in threads {
            let ended = thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a producer's thread panicked")));
            first = first.and(ended);
        }
        (self.acknowledged.load(Ordering::Relaxed), first)
    }
}

fn work(producer: &mut Producer, given: &Receiver<Portion>) -> anyhow::Result<()> {
    loop {
        match given.recv_timeout(IDLE) {
            Ok(portion) => {
                producer.write(&portion.rows)?;
                if portion.urgency == Urgency::Now {
                    producer.flush()?;
                }
            }
            Err(RecvTimeoutError::Timeout) => producer.flush()?,
            Err(RecvTimeoutError::Disconnected) => return producer.flush(),
        }
    }
}
