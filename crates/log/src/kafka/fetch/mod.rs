//! `Fetcher`: what is read of a cluster's partitions is fetched ahead.
//!
//! It decompresses nothing and keeps no positions beyond the life of its readers. Whoever reads asks for an offset; from
//! then on the fetcher has what comes next ready, as far as memory allows.
//!
//! ```text
//!  broker 1 ◀── request ── thread 1 ─┐                          ┌─▶ read(topic, 0, offset)
//!           ── answer ──▶            ├─▶ State: a cursor for ───┤
//!  broker 2 ◀── request ── thread 2 ─┘   each reader's place    └─▶ read(topic, 1, offset)
//! ```
//!
//! There is one thread, with one connection, for each broker that leads a partition somebody reads. A request asks for many
//! partitions and megabytes. Its answer is read from the socket straight into memory of each partition (`answer`,
//! `buffers`), its batches are found by their headers (`hop`), those of aborted transactions are hidden (`aborted`), the
//! next request is made (`planning`, `broker`), and only then are the batches summed up and handed over (`arrival`).
//! Readers get slices of that memory; it is used again when they have dropped the last one.
//!
//! # Constraints
//!
//! - [`Fetcher::read`] waits for no broker, except to find out where a partition begins and ends when it is read for the
//!   first time.
//! - `fetch.max.bytes` bounds what is fetched and not read yet, counted as the memory that it keeps, plus what is under
//!   way. One batch larger than its share comes all the same, or its partition would stand still.
//! - A connection that is lost loses nothing: a cursor moves only over what has arrived.
//! - A broker answers one request after the other and may keep one for `fetch.max.wait.ms` until something is appended.
//!   So it is allowed to only while everybody who reads is in that request; and when a reader comes to a partition that
//!   is not, the connection is broken off and made anew, which takes a few milliseconds instead of half a second. A second
//!   request behind the first would wait with it, and a shorter wait would ask idle brokers ten times a second for nothing.
//! - Fetch sessions (KIP-227) are not used: they save bytes where most partitions stay the same from request to request,
//!   and here they come and go as room does.

mod aborted;
mod answer;
mod arrival;
mod broker;
mod buffers;
mod cursor;
mod hop;
mod member;
mod partition;
mod planning;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka_protocol::messages::BrokerId;

use self::arrival::Arrival;
use self::broker::BrokerThread;
use self::buffers::Buffers;
pub(crate) use self::member::FetchingMember;
use self::planning::{Named, Next, Plan};
use self::state::{Limits, Place, State, nothing};
use super::cluster::Cluster;
use super::connection::Breaker;
use super::failure::Failure;
use crate::{Fetch, LogError, OffsetRange};

/// Fetches ahead. Dropping it ends its threads.
pub(crate) struct Fetcher {
    shared: Arc<Shared>,
}

/// What readers and threads have in common.
struct Shared {
    cluster: Arc<Cluster>,
    buffers: Arc<Buffers>,
    /// Held for a look or a few moves, never while a broker is waited for.
    state: Mutex<State>,
    /// For readers: the mark has risen.
    arrived: Condvar,
    /// For threads: there is something to do.
    work: Condvar,
}

impl Fetcher {
    /// A fetcher that fetches nothing yet.
    pub(crate) fn new(cluster: Arc<Cluster>) -> Fetcher {
        let settings = cluster.settings();
        let limits = Limits {
            bytes_max: settings.fetch_bytes_max as usize,
            partition_bytes_max: settings.partition_fetch_bytes_max as usize,
        };
        let spare_max = (limits.bytes_max / 2)
            .checked_div(limits.partition_bytes_max)
            .unwrap_or(0);
        let shared = Shared {
            buffers: Buffers::new(limits.partition_bytes_max, spare_max),
            cluster,
            state: Mutex::new(State::new(limits)),
            arrived: Condvar::new(),
            work: Condvar::new(),
        };
        Fetcher {
            shared: Arc::new(shared),
        }
    }

    /// What is there of the partition from that offset on, as [`crate::Log::read`] gives it. `topic` is named as the log's
    /// user does.
    ///
    /// Nothing may be there because nothing has arrived yet: the end is reached when [`Fetch::next_offset`] is
    /// [`Fetch::end_offset`]. What goes wrong while fetching is told here, once what came before was read; whoever asks
    /// again has it tried again.
    pub(crate) fn read(
        &self,
        topic: &str,
        partition: u32,
        from_offset: u64,
        bytes_max: usize,
    ) -> Result<Fetch, LogError> {
        let now = Instant::now();
        let mut state = self.shared.state();
        let read = state.read(topic, partition, from_offset, bytes_max, now);
        self.shared.wake(state);
        match read {
            Some(read) => read,
            None => self.subscribe(topic, partition, from_offset),
        }
    }

    /// Waits until something new can be read (or went wrong, or a reader turns out to be at the end) since the mark
    /// `seen`, at most for `timeout`. Gives the mark to wait with next.
    pub(crate) fn wait(&self, seen: u64, timeout: Duration) -> u64 {
        let state = self.shared.state();
        let waited = self
            .shared
            .arrived
            .wait_timeout_while(state, timeout, |state| state.mark == seen);
        waited.unwrap_or_else(PoisonError::into_inner).0.mark
    }

    /// This log has appended to the partition up to `end_offset`, so that its readers are not told before they have it that
    /// they are at the end.
    pub(crate) fn appended(&self, topic: &str, partition: u32, end_offset: u64) {
        if let Some(partition) = self.shared.state().partition(topic, partition) {
            partition.range.end = partition.range.end.max(end_offset);
        }
    }

    /// The partition is not read here any more. One that is not read for 30 seconds is let go by itself.
    pub(crate) fn release(&self, topic: &str, partition: u32) {
        let mut state = self.shared.state();
        state.release(topic, partition);
        self.shared.wake(state);
    }

    /// Begins to fetch for a reader at `from`.
    fn subscribe(&self, topic: &str, partition: u32, from: u64) -> Result<Fetch, LogError> {
        let cluster = &self.shared.cluster;
        let of = Named {
            topic: topic.into(),
            name: cluster.name(topic).into(),
            partition,
        };
        let place = look_up(cluster, &of).map_err(|failure| cluster.error(failure))?;
        let OffsetRange { start, end } = place.range;
        if from < start || from > end {
            return Err(LogError::OffsetOutOfRange {
                topic: topic.into(),
                partition,
                offset: from,
                start,
                end,
            });
        }
        let mut state = self.shared.state();
        let needs_thread = state.subscribe(&of, place, from, Instant::now());
        self.shared.wake(state);
        if needs_thread {
            self.start(place.leader)?;
        }
        Ok(nothing(from, end))
    }

    fn start(&self, broker: BrokerId) -> Result<(), LogError> {
        Shared::start(&self.shared, broker).map_err(|error| LogError::Cluster {
            bootstrap: self.shared.cluster.settings().bootstrap_text(),
            reason: format!("no thread can be started to fetch from broker {}: {error}", broker.0),
        })
    }
}

/// Asks the brokers where a partition begins and ends, so that a reader knows at once whether his place is possible and
/// how far it is to the end.
fn look_up(cluster: &Cluster, of: &Named) -> Result<Place, Failure> {
    let (topic, partition) = (&*of.name, of.partition);
    let leader = cluster.retry(cluster.deadline(), || cluster.leader(topic, partition))?;
    // In this order: what is removed meanwhile cannot turn the range round.
    let start = cluster.offset_at_time(topic, partition, i64::MIN)?;
    let end = cluster.end(topic, partition)?.max(start);
    Ok(Place {
        leader,
        range: OffsetRange { start, end },
    })
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_closing = true;
        for breaker in state.desks.values().filter_map(|desk| desk.breaker.as_ref()) {
            breaker.hang_up();
        }
        drop(state);
        // They are not waited for: one that makes a connection just now ends when that has succeeded or failed.
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the lock back and wakes threads for which something has changed.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let has_work = std::mem::take(&mut state.has_work);
        drop(state);
        if has_work {
            self.work.notify_all();
        }
    }

    fn start(shared: &Arc<Shared>, broker: BrokerId) -> std::io::Result<()> {
        let thread = BrokerThread::new(Arc::clone(shared), broker);
        let name = format!("fetch-{}", broker.0);
        let spawned = std::thread::Builder::new().name(name).spawn(move || thread.run());
        if spawned.is_err() {
            shared.state().desks.remove(&broker);
        }
        spawned.map(drop)
    }

    /// What a thread has to do, once there is something; `None` when it is not needed any more.
    fn wait_for_work(&self, broker: BrokerId) -> Option<Next> {
        let mut state = self.state();
        loop {
            if state.is_closing {
                return None;
            }
            let timeout = match state.next(broker, Instant::now()) {
                Next::Wait(timeout) => timeout,
                Next::Leave => return None,
                next => return Some(next),
            };
            let waited = self.work.wait_timeout(state, timeout);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn connected(&self, broker: BrokerId, breaker: Breaker) {
        let mut state = self.state();
        if state.is_closing {
            breaker.hang_up();
        }
        if let Some(desk) = state.desks.get_mut(&broker) {
            desk.breaker = Some(breaker);
            desk.is_hung_up = false;
        }
    }

    /// Says where the next request starts, and what it is, if there is to be one right now.
    fn advance(&self, broker: BrokerId, plan: &Plan, arrivals: &mut [Arrival]) -> Option<Plan> {
        let now = Instant::now();
        let mut state = self.state();
        state.advance(broker, plan, arrivals, now);
        if state.is_closing {
            return None;
        }
        match state.next(broker, now) {
            Next::Ask(plan) => Some(plan),
            _ => None,
        }
    }

    fn deliver(&self, arrivals: Vec<Arrival>) {
        if self.state().deliver(arrivals, Instant::now()) {
            self.arrived.notify_all();
        }
    }

    fn give_up(&self, broker: BrokerId, error: Option<&LogError>, pause: Duration) -> bool {
        let is_hung_up = self.state().give_up(broker, error, pause, Instant::now());
        if error.is_some() {
            self.arrived.notify_all();
        }
        is_hung_up
    }

    /// That broker leads the partition now.
    fn lead(self: &Arc<Shared>, of: &Named, leader: BrokerId) {
        let mut state = self.state();
        let needs_thread = state.lead(of, leader, Instant::now());
        self.wake(state);
        if needs_thread && let Err(error) = Shared::start(self, leader) {
            let bootstrap = self.cluster.settings().bootstrap_text();
            let reason = format!("no thread can be started: {error}");
            self.postpone(
                of,
                Duration::from_secs(1),
                Some(LogError::Cluster { bootstrap, reason }),
            );
        }
    }

    /// Nobody leads the partition just now, or it is refused.
    fn postpone(&self, of: &Named, pause: Duration, error: Option<LogError>) {
        let mut state = self.state();
        let Some(partition) = state.partition(&of.topic, of.partition) else {
            return;
        };
        partition.lost = Some(Instant::now() + pause);
        let Some(error) = error else {
            return;
        };
        partition
            .cursors
            .iter_mut()
            .for_each(|cursor| cursor.fail(error.clone()));
        state.mark += 1;
        drop(state);
        self.arrived.notify_all();
    }
}
