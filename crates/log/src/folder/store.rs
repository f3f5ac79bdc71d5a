//! `Store`: the log as the process that holds the folder sees it, on an embedded LSM tree (`fjall`).
//!
//! It does not know about sockets or other processes. Appending and reading stand in `append` and `read`, cleaning in
//! `clean`; here is what they share.
//!
//! # Layout
//! Three keyspaces, written together atomically through one journal: `batches` (partition and base offset → the batch's
//! bytes), `times` (partition and timestamp → base offset of the batch that first reached it) and `meta` (topics, start
//! offsets, commits, schemas). Batches are kept apart from their keys once they leave memory, so that merging the tree
//! moves keys of 16 bytes and not the data.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};

use super::clean::Cleaner;
use super::state::{Schema, State, StoredTopic, TopicState};
use super::{Durability, FolderOptions, keys};
use crate::names;
use crate::{Commit, EngineGuard, Fetch, Log, LogError, OffsetRange, Removed, Topic, TopicOptions, Transaction};

/// Batches below this many bytes stay beside their key: following a pointer would cost more than moving them.
const SEPARATION_BYTES: u32 = 1_024;
/// Memory for batches that are not in files yet. Also what is read again when opening after kill -9.
///
/// When it is full the store syncs its journal, and appends wait for that: at 78 MB/s of batches at most 0.13 s. A thread
/// that synced four times a second was tried against it and made that 0.3 to 0.75 s.
const MEMTABLE_BYTES: u64 = 32 << 20;
const JOURNAL_BYTES_MAX: u64 = 256 << 20;

pub(super) struct Store {
    pub(super) keyspaces: Keyspaces,
    pub(super) options: FolderOptions,
    /// Held while a change is written, so that offsets are given in the order of the journal. Taken before `state`.
    pub(super) writer: Mutex<()>,
    /// Held while `maintain` runs. Taken before `state`; never together with `writer`.
    pub(super) cleaner: Mutex<Cleaner>,
    /// Held for moments only, never while the disk works.
    state: Mutex<State>,
    pub(super) appended: Condvar,
    claim: Arc<Mutex<Option<Claim>>>,
}

/// The database and its parts.
pub(super) struct Keyspaces {
    pub(super) folder: PathBuf,
    pub(super) database: Database,
    pub(super) batches: Keyspace,
    pub(super) times: Keyspace,
    pub(super) meta: Keyspace,
}

struct Claim {
    engine: String,
    pid: u32,
}

/// Gives the claim back when dropped.
struct Release(Arc<Mutex<Option<Claim>>>);

impl Drop for Release {
    fn drop(&mut self) {
        *self
            .0
            .lock()
            .expect("invariant: nothing panics while a claim is looked at") = None;
    }
}

impl Keyspaces {
    fn open(folder: &Path) -> Result<Keyspaces, LogError> {
        let failed = |error: fjall::Error| store_error(folder, error);
        // Batches are compressed already: compressing them again in the journal would only cost time.
        let database = Database::builder(folder.join("store"))
            .journal_compression(CompressionType::None)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(2)
            .open()
            .map_err(failed)?;
        let plain = || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
                .max_memtable_size(MEMTABLE_BYTES)
        };
        let separated = || {
            let options = KvSeparationOptions::default()
                .compression(CompressionType::None)
                .separation_threshold(SEPARATION_BYTES);
            plain().with_kv_separation(Some(options))
        };
        Ok(Keyspaces {
            folder: folder.to_path_buf(),
            batches: database.keyspace("batches", separated).map_err(failed)?,
            times: database.keyspace("times", plain).map_err(failed)?,
            meta: database.keyspace("meta", plain).map_err(failed)?,
            database,
        })
    }

    pub(super) fn failed(&self, error: fjall::Error) -> LogError {
        store_error(&self.folder, error)
    }

    /// For what the store gave back and cannot have been written by this program.
    pub(super) fn broken(&self, what: impl Display) -> LogError {
        LogError::Store {
            path: self.folder.clone(),
            reason: format!("what is stored cannot be read: {what}"),
        }
    }

    /// An empty write batch with the durability that was asked for.
    pub(super) fn write(&self, durability: Durability) -> fjall::OwnedWriteBatch {
        self.database.batch().durability(Some(match durability {
            Durability::Process => PersistMode::Buffer,
            Durability::Power => PersistMode::SyncAll,
        }))
    }
}

fn store_error(folder: &Path, error: fjall::Error) -> LogError {
    LogError::Store {
        path: folder.to_path_buf(),
        reason: error.to_string(),
    }
}

impl Store {
    pub(super) fn open(folder: &Path, options: &FolderOptions) -> Result<Store, LogError> {
        let keyspaces = Keyspaces::open(folder)?;
        let state = State::load(&keyspaces)?;
        Ok(Store {
            keyspaces,
            options: options.clone(),
            writer: Mutex::new(()),
            cleaner: Mutex::new(Cleaner::default()),
            state: Mutex::new(state),
            appended: Condvar::new(),
            claim: Arc::new(Mutex::new(None)),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("invariant: nothing panics while the state is held")
    }

    /// Wakes everyone who waits for appends, for good.
    pub(super) fn close(&self) {
        self.state().is_closing = true;
        self.appended.notify_all();
    }

    /// [`Log::claim_engine`] for an engine that may run in another process.
    pub(super) fn claim(&self, engine: &str, pid: u32) -> Result<EngineGuard, LogError> {
        names::check_name("the engine name", engine)?;
        let mut claim = self
            .claim
            .lock()
            .expect("invariant: nothing panics while a claim is looked at");
        if let Some(Claim { engine, pid }) = &*claim {
            let log = self.keyspaces.folder.clone();
            return Err(LogError::EngineRunning {
                log,
                engine: engine.clone(),
                pid: *pid,
            });
        }
        *claim = Some(Claim {
            engine: engine.into(),
            pid,
        });
        Ok(EngineGuard::new(Release(Arc::clone(&self.claim))))
    }

    /// Writes one entry of `meta`.
    fn put_meta(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), LogError> {
        let mut write = self.keyspaces.write(self.options.durability);
        write.insert(&self.keyspaces.meta, key, value);
        write.commit().map_err(|error| self.keyspaces.failed(error))
    }
}

impl Log for Store {
    fn create_topic(&self, name: &str, options: &TopicOptions) -> Result<(), LogError> {
        names::check_topic(name, options)?;
        let _writer = self.writer.lock().expect("invariant: nothing panics while writing");
        let id = {
            let state = self.state();
            match state.topics.get(name) {
                Some(topic) if topic.options == *options => return Ok(()),
                Some(topic) => {
                    return Err(LogError::TopicDiffers {
                        topic: name.into(),
                        existing: topic.options,
                        wanted: *options,
                    });
                }
                None => state.next_topic_id(),
            }
        };
        let stored = StoredTopic { id, options: *options };
        self.put_meta(
            keys::topic(name),
            serde_json::to_vec(&stored).expect("invariant: a topic is JSON"),
        )?;
        self.state().topics.insert(name.into(), TopicState::new(&stored));
        Ok(())
    }

    fn topic(&self, name: &str) -> Result<Topic, LogError> {
        Ok(self.state().topic(name)?.named(name))
    }

    fn topics(&self) -> Result<Vec<Topic>, LogError> {
        Ok(self
            .state()
            .topics
            .iter()
            .map(|(name, topic)| topic.named(name))
            .collect())
    }

    fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError> {
        let state = self.state();
        let partitions = &state.topic(topic)?.partitions;
        Ok(partitions
            .iter()
            .map(|found| OffsetRange {
                start: found.start,
                end: found.end,
            })
            .collect())
    }

    fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        self.append_checked(transaction)
    }

    fn read(&self, topic: &str, partition: u32, from_offset: u64, bytes_max: usize) -> Result<Fetch, LogError> {
        self.fetch(topic, partition, from_offset, bytes_max)
    }

    fn wait_for_appends(&self, seen: u64, timeout: Duration) -> Result<u64, LogError> {
        let (state, _) = self
            .appended
            .wait_timeout_while(self.state(), timeout, |state| state.mark == seen && !state.is_closing)
            .expect("invariant: nothing panics while the state is held");
        Ok(state.mark)
    }

    fn offset_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, LogError> {
        self.first_at_time(topic, partition, timestamp_ms)
    }

    fn committed(&self, group: &str) -> Result<Vec<Commit>, LogError> {
        let state = self.state();
        let positions = state.commits.get(group).into_iter().flatten();
        Ok(positions
            .map(|((topic, partition), position)| Commit {
                group: group.into(),
                topic: topic.clone(),
                partition: *partition,
                offset: position.offset,
                metadata: position.metadata.clone(),
            })
            .collect())
    }

    fn register_schema(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        names::check_schema(subject, json)?;
        let schema = Schema {
            subject: subject.into(),
            json: json.into(),
        };
        let _writer = self.writer.lock().expect("invariant: nothing panics while writing");
        let id = {
            let state = self.state();
            if let Some(&id) = state.schema_ids.get(&schema) {
                return Ok(id);
            }
            state.next_schema_id()
        };
        self.put_meta(
            keys::schema(id),
            serde_json::to_vec(&schema).expect("invariant: a schema is JSON"),
        )?;
        self.state().add_schema(id, schema);
        Ok(id)
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        Ok(self.state().schemas.get(&id).map(|schema| schema.json.clone()))
    }

    fn claim_engine(&self, name: &str) -> Result<EngineGuard, LogError> {
        self.claim(name, std::process::id())
    }

    fn maintain(&self, now_ms: i64) -> Result<Vec<Removed>, LogError> {
        self.clean(now_ms)
    }
}
