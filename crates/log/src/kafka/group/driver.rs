//! `Driver`: a member between the worker, who calls it, and its connections, each with a thread that does nothing but ask
//! and wait.
//!
//! It decides nothing about the group: the [`Machine`] does, and is locked for a moment only.
//!
//! # Constraints
//!
//! - The lock is never held while a broker is waited for.
//! - Whatever a step does to the identity is written down before the lock is given back.
//! - A thread looks every [`LOOK`] whether it is still wanted.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;

use super::ask::{Answer, Ask, Lane};
use super::machine::Machine;
use super::terms::Terms;
use super::wire::Wire;
use crate::LogError;
use crate::kafka::cluster::{Cluster, Coordinates};
use crate::kafka::connection::Connection;
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::identities::{GroupIdentities, GroupIdentity};

/// How long a thread waits for an answer before it looks around.
const LOOK: Duration = Duration::from_millis(100);

/// Everything that a member's worker and threads share.
pub(super) struct Driver {
    cluster: Arc<Cluster>,
    identities: GroupIdentities,
    terms: Terms,
    wire: Wire,
    /// Locked for every step, by the worker and by each connection's thread.
    state: Mutex<State>,
    /// Signalled when a request waits to be sent, when one was answered, and at the end.
    changed: Condvar,
}

struct State {
    machine: Box<dyn Machine>,
    /// What stands in `identities`.
    published: Option<GroupIdentity>,
    is_closing: bool,
}

impl Driver {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        identities: GroupIdentities,
        terms: Terms,
        wire: Wire,
        machine: Box<dyn Machine>,
    ) -> Driver {
        Driver {
            cluster,
            identities,
            terms,
            wire,
            state: Mutex::new(State {
                machine,
                published: None,
                is_closing: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Moves the machine on.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut dyn Machine, Instant) -> T) -> T {
        let mut state = self.state();
        let result = step(&mut *state.machine, Instant::now());
        self.publish(&mut state);
        let is_wanted = |lane| state.machine.is_wanted(lane);
        if is_wanted(Lane::Rebalance) || is_wanted(Lane::Heartbeat) {
            self.changed.notify_all();
        }
        result
    }

    /// Waits until leaving is over.
    pub(super) fn farewell(&self, wait_max: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + wait_max;
        let mut state = self.state();
        loop {
            if let Some(farewell) = state.machine.farewell() {
                return farewell.map_err(|failure| self.error(failure));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let session_ms = self.terms.session.as_millis();
                let who = self.terms.who();
                return Err(self.error_of(&format!(
                    "{who} leaves and nobody hears it; it is missed in {session_ms} ms"
                )));
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the threads; nobody is a member any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closing = true;
        self.publish(&mut state);
        self.changed.notify_all();
    }

    pub(super) fn error(&self, failure: Failure) -> LogError {
        self.cluster.error(failure)
    }

    pub(super) fn error_of(&self, reason: &str) -> LogError {
        LogError::Cluster {
            bootstrap: self.cluster.settings().bootstrap_text(),
            reason: reason.to_owned(),
        }
    }

    /// The life of a lane's thread.
    pub(super) fn run(&self, lane: Lane) {
        let mut connection = None;
        while let Some(ask) = self.next(lane) {
            let answer = match self.exchange(lane, &mut connection, &ask) {
                Ok(answer) => answer,
                Err(failure) => {
                    connection = None;
                    self.cluster.forget_what_is_stale(&failure);
                    match failure.is_retriable() {
                        true => Answer::Lost(failure),
                        false => Answer::Failed(failure),
                    }
                }
            };
            if let Answer::Refused(code) = &answer {
                self.refused(*code, &mut connection);
            }
            self.step(|machine, now| machine.answered(lane, now, answer));
            self.changed.notify_all();
        }
    }

    /// The next request of a lane; `None` at the end.
    fn next(&self, lane: Lane) -> Option<Ask> {
        let mut state = self.state();
        loop {
            if state.is_closing {
                return None;
            }
            if let Some(ask) = state.machine.take(lane, Instant::now()) {
                return Some(ask);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn exchange(&self, lane: Lane, connection: &mut Option<Connection>, ask: &Ask) -> Result<Answer, Failure> {
        let open = match connection.take().filter(Connection::is_open) {
            Some(open) => open,
            None => {
                let group = Coordinates::Group(&self.terms.group);
                self.cluster.connect(self.cluster.coordinator(group)?)?
            }
        };
        let connection = connection.insert(open);
        let pending = self.wire.send(connection, ask)?;
        let patience = self.patience(ask);
        let deadline = Instant::now() + patience;
        loop {
            if let Some(answer) = self.wire.poll(connection, &pending, LOOK)? {
                return Ok(answer);
            }
            let given_up = |reason: String| Failure::Io {
                address: connection.address().clone(),
                reason,
            };
            if Instant::now() >= deadline {
                return Err(given_up(format!("no answer within {} ms", patience.as_millis())));
            }
            let state = self.state();
            if state.is_closing || state.machine.is_abandoned(lane) {
                return Err(given_up("nobody waits for the answer any more".into()));
            }
        }
    }

    /// How long an answer may take.
    fn patience(&self, ask: &Ask) -> Duration {
        let request = self.cluster.settings().request_timeout;
        match ask {
            // They are held back until all the others have come, or were waited for.
            Ask::Join(_) | Ask::Sync(_) => self.terms.rebalance + request,
            // A broker that is gone without a word must not cost the session.
            Ask::Heartbeat(_) | Ask::Leave(_) | Ask::ConsumerHeartbeat(_) => request.min(self.terms.session / 3),
        }
    }

    fn refused(&self, code: ResponseError, connection: &mut Option<Connection>) {
        let what = Subject::Group(self.terms.group.clone());
        self.cluster.forget_what_is_stale(&Failure::Refused { code, what });
        if matches!(
            code,
            ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable
        ) {
            *connection = None;
        }
    }

    fn publish(&self, state: &mut State) {
        let identity = state.machine.identity().filter(|_| !state.is_closing);
        let identity = identity.unwrap_or_else(GroupIdentity::of_no_member);
        if state.published.as_ref() != Some(&identity) {
            state.published = Some(identity.clone());
            let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
            identities.insert(self.terms.group.clone(), identity);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
