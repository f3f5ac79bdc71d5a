//! The holder's end of the socket: a thread that accepts guests, and one for each of them.
//!
//! It does not interpret batches. Guests are bounded ([`CONNECTIONS_MAX`]); a guest that sends what is no request loses
//! its connection and nothing else.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::hold::{self, SOCKET};
use super::store::Store;
use super::wire::{self, AppendHead, CommitHead, Reply, Request};
use crate::{Append, Commit, EngineGuard, Fetch, Log, LogError, Transaction};

/// Enough for an engine with a thread for every core and a handful of commands beside it.
const CONNECTIONS_MAX: usize = 64;
/// A guest's wait is cut into pieces of this length, so that a guest that is gone is noticed.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Serves guests until it is dropped.
pub(super) struct Server {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    store: Arc<Store>,
    socket: PathBuf,
    guests: Mutex<Guests>,
}

/// Touched when a guest comes or goes, and at the end.
#[derive(Default)]
struct Guests {
    is_closing: bool,
    next_id: u64,
    /// The second handle of each connection is there to end it.
    connections: HashMap<u64, (UnixStream, JoinHandle<()>)>,
}

impl Server {
    pub(super) fn start(folder: &Path, store: Arc<Store>) -> Result<Server, LogError> {
        let socket = folder.join(SOCKET);
        let failed = |error: io::Error| hold::unusable(folder, format!("its socket cannot be made: {error}"));
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(failed)?;
        let shared = Arc::new(Shared {
            store,
            socket,
            guests: Mutex::default(),
        });
        let accepting = thread::Builder::new()
            .name("log-accept".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || accept(&listener, &shared)
            })
            .map_err(failed)?;
        Ok(Server {
            shared,
            accepting: Some(accepting),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.guests().is_closing = true;
        self.shared.store.close();
        // The accepting thread sees that it is over once somebody knocks; after that nobody new comes.
        let _ = UnixStream::connect(&self.shared.socket);
        let _ = fs::remove_file(&self.shared.socket);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let connections = std::mem::take(&mut self.shared.guests().connections);
        for (stream, _) in connections.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for (_, thread) in connections.into_values() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn guests(&self) -> std::sync::MutexGuard<'_, Guests> {
        self.guests
            .lock()
            .expect("invariant: nothing panics while the guests are held")
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let mut guests = shared.guests();
        if guests.is_closing {
            return;
        }
        let Ok(stream) = stream else {
            // No file handles are left, most likely; guests that end give theirs back.
            drop(guests);
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if guests.connections.len() >= CONNECTIONS_MAX {
            let path = shared.store.keyspaces.folder.clone();
            let busy = LogError::Busy {
                path,
                connections: CONNECTIONS_MAX as u32,
            };
            let _ = wire::send(&stream, &Reply::Failed(busy), &[]);
            continue;
        }
        let id = guests.next_id;
        guests.next_id += 1;
        let Ok(second) = stream.try_clone() else { continue };
        let guest = {
            let shared = Arc::clone(shared);
            move || {
                // Whatever ended it, the guest sees a closed connection; there is nobody else to tell.
                let _ = converse(&stream, &shared.store);
                // The second handle is still open: without this the guest would wait for ever.
                let _ = stream.shutdown(Shutdown::Both);
                shared.guests().connections.remove(&id);
            }
        };
        // The lock is still held, so the thread cannot be gone before it is entered.
        if let Ok(thread) = thread::Builder::new().name(format!("log-guest-{id}")).spawn(guest) {
            guests.connections.insert(id, (second, thread));
        }
    }
}

fn converse(stream: &UnixStream, store: &Store) -> io::Result<()> {
    let mut from = BufReader::with_capacity(64 << 10, stream);
    // Dropped with the connection: a guest that is killed gives its claim back.
    let mut claim: Option<EngineGuard> = None;
    while let Some((request, parts)) = wire::receive::<Request>(&mut from)? {
        if let Request::Read {
            topic,
            partition,
            from_offset,
            bytes_max,
        } = &request
        {
            let fetched = store.read(topic, *partition, *from_offset, *bytes_max);
            send_fetch(stream, fetched)?;
            continue;
        }
        if let Request::Committed { group } = &request {
            send_committed(stream, store.committed(group))?;
            continue;
        }
        let reply = answer(store, request, &parts, &mut claim)?.unwrap_or_else(Reply::Failed);
        wire::send(stream, &reply, &[])?;
    }
    Ok(())
}

/// The inner result is for the guest; the outer one ends the connection.
fn answer(
    store: &Store,
    request: Request,
    parts: &[u8],
    claim: &mut Option<EngineGuard>,
) -> io::Result<Result<Reply, LogError>> {
    Ok(match request {
        Request::Hello { version } if version == wire::VERSION => Ok(Reply::Done),
        Request::Hello { version } => Err(hold::unusable(
            &store.keyspaces.folder,
            format!(
                "process {} holds it with another version of this program (it speaks {}, this one {version}); \
                 stop it, or use the same program",
                std::process::id(),
                wire::VERSION
            ),
        )),
        Request::CreateTopic { name, options } => store.create_topic(&name, &options).map(|()| Reply::Done),
        Request::Topic { name } => store.topic(&name).map(Reply::Topic),
        Request::Topics => store.topics().map(Reply::Topics),
        Request::Ranges { topic } => store.ranges(&topic).map(Reply::Ranges),
        Request::Append { appends, commits } => store
            .append(&transaction(appends, commits, parts)?)
            .map(Reply::BaseOffsets),
        Request::Wait { seen, timeout_ms } => store
            .wait_for_appends(seen, Duration::from_millis(timeout_ms).min(WAIT_MAX))
            .map(Reply::Mark),
        Request::OffsetAtTime {
            topic,
            partition,
            timestamp_ms,
        } => store.offset_at_time(&topic, partition, timestamp_ms).map(Reply::Offset),
        Request::RegisterSchema { subject, json } => store.register_schema(&subject, &json).map(Reply::SchemaId),
        Request::Schema { id } => store.schema(id).map(Reply::Schema),
        Request::Claim { engine, pid } => store.claim(&engine, pid).map(|guard| {
            *claim = Some(guard);
            Reply::Done
        }),
        Request::Release => {
            *claim = None;
            Ok(Reply::Done)
        }
        Request::Maintain { now_ms } => store.maintain(now_ms).map(Reply::Removed),
        Request::Read { .. } | Request::Committed { .. } => return Err(wire::malformed("answered elsewhere")),
    })
}

fn transaction(appends: Vec<AppendHead>, commits: Vec<CommitHead>, parts: &[u8]) -> io::Result<Transaction> {
    let batches = appends.iter().map(|append| append.batch_bytes);
    let metadata = commits.iter().map(|commit| commit.metadata_bytes);
    let pieces = wire::cut(parts, batches.chain(metadata))?;
    let (batches, metadata) = pieces.split_at(appends.len());
    Ok(Transaction {
        appends: appends
            .into_iter()
            .zip(batches)
            .map(|(head, batch)| Append {
                topic: head.topic,
                partition: head.partition,
                batch: batch.to_vec(),
            })
            .collect(),
        commits: commits
            .into_iter()
            .zip(metadata)
            .map(|(head, metadata)| Commit {
                group: head.group,
                topic: head.topic,
                partition: head.partition,
                offset: head.offset,
                metadata: metadata.to_vec(),
            })
            .collect(),
    })
}

fn send_fetch(stream: &UnixStream, fetched: Result<Fetch, LogError>) -> io::Result<()> {
    let fetch = match fetched {
        Ok(fetch) => fetch,
        Err(error) => return wire::send(stream, &Reply::Failed(error), &[]),
    };
    let parts: Vec<&[u8]> = fetch.batches.iter().map(|batch| &batch[..]).collect();
    let batch_bytes = parts.iter().map(|part| part.len()).collect();
    let reply = Reply::Fetch {
        batch_bytes,
        next_offset: fetch.next_offset,
        end_offset: fetch.end_offset,
    };
    wire::send(stream, &reply, &parts)
}

fn send_committed(stream: &UnixStream, committed: Result<Vec<Commit>, LogError>) -> io::Result<()> {
    let commits = match committed {
        Ok(commits) => commits,
        Err(error) => return wire::send(stream, &Reply::Failed(error), &[]),
    };
    let parts: Vec<&[u8]> = commits.iter().map(|commit| &commit.metadata[..]).collect();
    let heads = commits.iter().map(CommitHead::new).collect();
    wire::send(stream, &Reply::Committed(heads), &parts)
}
