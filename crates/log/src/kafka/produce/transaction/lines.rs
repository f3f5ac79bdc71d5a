//! `Lines`: connections to the coordinators that a transaction talks to.
//!
//! They are apart from the courier's links, so that a coordinator answers while batches are written. It asks nothing by
//! itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;

use crate::kafka::cluster::{Cluster, Coordinates};
use crate::kafka::connection::Connection;
use crate::kafka::failure::Failure;
use crate::kafka::produce::courier::Strain;

/// Connections to coordinators.
pub(super) struct Lines {
    cluster: Arc<Cluster>,
    /// How long an answer may take.
    timeout: Duration,
    open: HashMap<BrokerId, Connection>,
    strain: Strain,
}

impl Lines {
    pub(super) fn new(cluster: &Arc<Cluster>, timeout: Duration) -> Lines {
        Lines {
            cluster: Arc::clone(cluster),
            timeout,
            open: HashMap::new(),
            strain: Strain::None,
        }
    }

    pub(super) fn strain(&self) -> Strain {
        self.strain
    }

    /// Drops connections that the broker has closed: it does that when they are quiet for minutes. Nothing may be under
    /// way.
    pub(super) fn refresh(&mut self) {
        self.open.retain(|_, connection| connection.is_open());
    }

    /// The connection to a coordinator.
    pub(super) fn to(&mut self, of: Coordinates<'_>) -> Result<&mut Connection, Failure> {
        let broker = self.cluster.coordinator(of)?;
        self.on(broker)
    }

    /// The connection to a broker. For an answer it is the broker that was asked, whoever coordinates by now.
    pub(super) fn on(&mut self, broker: BrokerId) -> Result<&mut Connection, Failure> {
        match self.open.entry(broker) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(place) => {
                let mut connection = self.cluster.connect(broker)?;
                connection.set_timeout(self.timeout);
                Ok(place.insert(connection))
            }
        }
    }

    /// Takes note of what a failure shows to be of no use any more.
    pub(super) fn note(&mut self, failure: &Failure) {
        self.cluster.forget_what_is_stale(failure);
        if failure.code().is_none() {
            self.refresh();
            // Where no connection could be made, nothing was sent.
            if !matches!(failure, Failure::Unreachable { .. }) {
                self.strain = Strain::LostRequests;
            }
        }
    }
}
