//! A guest's end of the socket: the [`Log`] of a folder that another process holds.
//!
//! It does not try again by itself: after the holder is gone it is unknown whether a transaction was committed, and only
//! the caller can ask for the committed offsets. Each call takes a connection of its own from a small pool, so that a
//! thread that waits for appends keeps nobody from appending.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::hold::SOCKET;
use super::wire::{self, AppendHead, CommitHead, Reply, Request};
use crate::names;
use crate::{
    Append, Commit, EngineGuard, Fetch, Log, LogError, OffsetRange, RawBatch, Removed, Topic, TopicOptions, Transaction,
};

/// Connections kept for the next call; more are closed after use.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// A holder that has not answered for this long is stopped or stuck. Cleaning a large folder is what takes longest.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    idle: Mutex<Vec<UnixStream>>,
}

impl Client {
    pub(super) fn connect(folder: &Path) -> Result<Client, LogError> {
        let client = Client {
            shared: Arc::new(Shared {
                folder: folder.into(),
                idle: Mutex::default(),
            }),
        };
        let stream = client.shared.open()?;
        client.shared.put_back(stream);
        Ok(client)
    }

    fn call(&self, request: &Request) -> Result<Reply, LogError> {
        self.call_with(request, &[]).map(|(reply, _)| reply)
    }

    fn call_with(&self, request: &Request, parts: &[&[u8]]) -> Result<(Reply, Vec<u8>), LogError> {
        let stream = self.shared.take()?;
        let answer = self.shared.ask(&stream, request, parts)?;
        self.shared.put_back(stream);
        Ok(answer)
    }

    fn unexpected(&self, reply: &Reply) -> LogError {
        self.shared.gone(format!("it answered with {reply:?}"))
    }
}

impl Shared {
    fn gone(&self, reason: impl ToString) -> LogError {
        LogError::Disconnected {
            path: self.folder.clone(),
            reason: reason.to_string(),
        }
    }

    fn open(&self) -> Result<UnixStream, LogError> {
        let stream = UnixStream::connect(self.folder.join(SOCKET)).map_err(|error| self.gone(error))?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(|error| self.gone(error))?;
        stream
            .set_write_timeout(Some(PATIENCE))
            .map_err(|error| self.gone(error))?;
        self.ask(&stream, &Request::Hello { version: wire::VERSION }, &[])?;
        Ok(stream)
    }

    fn take(&self) -> Result<UnixStream, LogError> {
        let idle = self
            .idle
            .lock()
            .expect("invariant: nothing panics while the pool is held")
            .pop();
        idle.map_or_else(|| self.open(), Ok)
    }

    fn put_back(&self, stream: UnixStream) {
        let mut idle = self
            .idle
            .lock()
            .expect("invariant: nothing panics while the pool is held");
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(stream);
        }
    }

    /// One request and its reply. A connection that failed is not to be used again: a late reply might be in it.
    fn ask(&self, stream: &UnixStream, request: &Request, parts: &[&[u8]]) -> Result<(Reply, Vec<u8>), LogError> {
        let sent = wire::send(stream, request, parts);
        // A holder that is full has said so and closed; its words are still there when sending fails.
        let received = wire::receive::<Reply>(stream);
        match (sent, received) {
            (_, Ok(Some((Reply::Failed(error), _)))) => Err(error),
            (Ok(()), Ok(Some(answer))) => Ok(answer),
            (Err(error), _) => Err(self.gone(error)),
            (_, Ok(None)) => Err(self.gone("it closed the connection")),
            (_, Err(error)) if is_timeout(&error) => {
                Err(self.gone(format!("it has not answered for {} s", PATIENCE.as_secs())))
            }
            (_, Err(error)) => Err(self.gone(error)),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The one request that `append` sends, without its bytes.
fn append_request(transaction: &Transaction) -> Request {
    let head = |append: &Append| AppendHead {
        topic: append.topic.clone(),
        partition: append.partition,
        batch_bytes: append.batch.len(),
    };
    Request::Append {
        appends: transaction.appends.iter().map(head).collect(),
        commits: transaction.commits.iter().map(CommitHead::new).collect(),
    }
}

/// Gives an engine's claim back; the connection it stands for is closed.
struct Release {
    shared: Arc<Shared>,
    stream: UnixStream,
}

impl Drop for Release {
    fn drop(&mut self) {
        // Closing releases it too, but only once the holder notices; who claims again at once would be refused.
        let _ = self.shared.ask(&self.stream, &Request::Release, &[]);
    }
}

impl Log for Client {
    fn create_topic(&self, name: &str, options: &TopicOptions) -> Result<(), LogError> {
        self.call(&Request::CreateTopic {
            name: name.into(),
            options: *options,
        })
        .map(|_| ())
    }

    fn topic(&self, name: &str) -> Result<Topic, LogError> {
        match self.call(&Request::Topic { name: name.into() })? {
            Reply::Topic(topic) => Ok(topic),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn topics(&self) -> Result<Vec<Topic>, LogError> {
        match self.call(&Request::Topics)? {
            Reply::Topics(topics) => Ok(topics),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError> {
        match self.call(&Request::Ranges { topic: topic.into() })? {
            Reply::Ranges(ranges) => Ok(ranges),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        // Too much is refused here already: the holder would cut the connection.
        names::check_transaction(transaction)?;
        let batches = transaction.appends.iter().map(|append| &append.batch[..]);
        let metadata = transaction.commits.iter().map(|commit| &commit.metadata[..]);
        let parts: Vec<&[u8]> = batches.chain(metadata).collect();
        match self.call_with(&append_request(transaction), &parts)?.0 {
            Reply::BaseOffsets(offsets) => Ok(offsets),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn read(&self, topic: &str, partition: u32, from_offset: u64, bytes_max: usize) -> Result<Fetch, LogError> {
        let request = Request::Read {
            topic: topic.into(),
            partition,
            from_offset,
            bytes_max,
        };
        let (reply, parts) = self.call_with(&request, &[])?;
        let Reply::Fetch {
            batch_bytes,
            next_offset,
            end_offset,
        } = reply
        else {
            return Err(self.unexpected(&reply));
        };
        wire::cut(&parts, batch_bytes.iter().copied()).map_err(|error| self.shared.gone(error))?;
        let owner = Arc::new(parts);
        let mut start = 0;
        let batches = batch_bytes
            .into_iter()
            .map(|bytes| {
                let range = start..start + bytes;
                start = range.end;
                RawBatch::new(Arc::clone(&owner) as _, range)
            })
            .collect();
        Ok(Fetch {
            batches,
            next_offset,
            end_offset,
        })
    }

    fn wait_for_appends(&self, seen: u64, timeout: Duration) -> Result<u64, LogError> {
        let started = Instant::now();
        loop {
            let left = timeout.saturating_sub(started.elapsed());
            // Rounded up: a wait that ended a part of a millisecond early would surprise its caller.
            let timeout_ms = u64::try_from(left.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
            match self.call(&Request::Wait { seen, timeout_ms })? {
                // The holder answers before long, so that it notices guests that are gone.
                Reply::Mark(mark) if mark == seen && started.elapsed() < timeout => {}
                Reply::Mark(mark) => return Ok(mark),
                reply => return Err(self.unexpected(&reply)),
            }
        }
    }

    fn offset_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, LogError> {
        match self.call(&Request::OffsetAtTime {
            topic: topic.into(),
            partition,
            timestamp_ms,
        })? {
            Reply::Offset(offset) => Ok(offset),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn committed(&self, group: &str) -> Result<Vec<Commit>, LogError> {
        let (reply, parts) = self.call_with(&Request::Committed { group: group.into() }, &[])?;
        let Reply::Committed(heads) = reply else {
            return Err(self.unexpected(&reply));
        };
        let metadata =
            wire::cut(&parts, heads.iter().map(|head| head.metadata_bytes)).map_err(|error| self.shared.gone(error))?;
        Ok(heads
            .iter()
            .zip(metadata)
            .map(|(head, metadata)| Commit {
                group: head.group.clone(),
                topic: head.topic.clone(),
                partition: head.partition,
                offset: head.offset,
                metadata: metadata.to_vec(),
            })
            .collect())
    }

    fn register_schema(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        match self.call(&Request::RegisterSchema {
            subject: subject.into(),
            json: json.into(),
        })? {
            Reply::SchemaId(id) => Ok(id),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        match self.call(&Request::Schema { id })? {
            Reply::Schema(schema) => Ok(schema),
            reply => Err(self.unexpected(&reply)),
        }
    }

    fn claim_engine(&self, name: &str) -> Result<EngineGuard, LogError> {
        let stream = self.shared.open()?;
        let request = Request::Claim {
            engine: name.into(),
            pid: std::process::id(),
        };
        self.shared.ask(&stream, &request, &[])?;
        Ok(EngineGuard::new(Release {
            shared: Arc::clone(&self.shared),
            stream,
        }))
    }

    fn maintain(&self, now_ms: i64) -> Result<Vec<Removed>, LogError> {
        match self.call(&Request::Maintain { now_ms })? {
            Reply::Removed(removed) => Ok(removed),
            reply => Err(self.unexpected(&reply)),
        }
    }
}
