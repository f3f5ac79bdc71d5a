//! `Cluster`: one broker, or a KRaft quorum of three, on this machine's loopback.
//!
//! Its brokers are killed, stopped, continued and started again one by one; data goes when the cluster goes. It knows no
//! topics of its own.

mod broker;
mod properties;
mod secured;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::broker::Broker;
use self::properties::{Format, Node};
use super::foreign::Foreign;
use super::kit::Kit;
use super::ports;
pub(crate) use secured::{MECHANISMS, PASSWORD, Secured, USER};

/// What kind of cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One broker.
    Single,
    /// One broker with every kind of listener and login.
    Secured,
    /// Three brokers that are controllers, too: replication 3, min ISR 2.
    Quorum,
}

impl Shape {
    fn brokers(self) -> u32 {
        match self {
            Shape::Single | Shape::Secured => 1,
            Shape::Quorum => 3,
        }
    }

    fn heap(self) -> &'static str {
        match self {
            Shape::Single | Shape::Secured => "512m",
            Shape::Quorum => "384m",
        }
    }
}

/// Brokers that belong together.
#[derive(Debug)]
pub(crate) struct Cluster {
    kit: Arc<Kit>,
    brokers: Vec<Broker>,
    secured: Option<Secured>,
    logs: PathBuf,
}

impl Cluster {
    /// Starts a cluster and waits until all of it is ready. Data goes to the folder, output to `logs`.
    pub(crate) fn start(kit: &Arc<Kit>, shape: Shape, folder: &Path, logs: &Path) -> Result<Cluster> {
        let secured = match shape {
            Shape::Secured => Some(Secured::make(kit, &folder.join("secured"), logs)?),
            Shape::Single | Shape::Quorum => None,
        };
        let mut nodes = Vec::new();
        for id in 1..=shape.brokers() {
            let [client_port, controller_port] = ports::free()?;
            let client_port = secured.as_ref().map_or(client_port, Secured::plain_port);
            nodes.push(Node::new(id, [client_port, controller_port], folder));
        }
        let format = Format::new(&nodes, secured.as_ref());
        let mut cluster = Cluster {
            kit: Arc::clone(kit),
            brokers: Vec::new(),
            secured: None,
            logs: logs.to_path_buf(),
        };
        for node in &nodes {
            cluster.brokers.push(Broker::new(node, &format, shape.heap(), logs)?);
        }
        cluster.start_all(&format)?;
        cluster.secured = secured;
        Ok(cluster)
    }

    fn start_all(&mut self, format: &Format<'_>) -> Result<()> {
        let formatting: Result<Vec<_>> = self
            .brokers
            .iter()
            .map(|broker| broker.format(&self.kit, format))
            .collect();
        for tool in formatting? {
            tool.finish(broker::PATIENCE)?.succeeded()?;
        }
        // A quorum is ready when the brokers are up together, so none is waited for before the last is started.
        for broker in &mut self.brokers {
            broker.start(&self.kit)?;
        }
        for broker in &mut self.brokers {
            broker.wait_until_ready()?;
        }
        self.wait_until_in_sync()
    }

    /// Where clients begin: every broker, whether it runs or not.
    pub(crate) fn bootstrap(&self) -> String {
        let each: Vec<String> = self.brokers.iter().map(Broker::address).collect();
        each.join(",")
    }

    /// What clients need that come by TLS.
    pub(crate) fn secured(&self) -> Result<&Secured> {
        self.secured.as_ref().context("this cluster is not secured")
    }

    /// How many brokers it has when all run.
    pub(crate) fn size(&self) -> usize {
        self.brokers.len()
    }

    /// Whether every broker runs.
    pub(crate) fn is_whole(&mut self) -> Result<bool> {
        for broker in &mut self.brokers {
            if !broker.runs()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// SIGKILL for one broker, counted from 0.
    pub(crate) fn kill(&mut self, index: usize) -> Result<()> {
        self.broker(index)?.kill()
    }

    /// SIGSTOP for one broker: its sockets stay open and answer nothing.
    pub(crate) fn pause(&mut self, index: usize) -> Result<()> {
        self.broker(index)?.pause()
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self, index: usize) -> Result<()> {
        self.broker(index)?.resume()
    }

    /// Starts one broker again, with the data and on the ports that it had, and waits until it is ready.
    pub(crate) fn restart(&mut self, index: usize) -> Result<Duration> {
        let began = Instant::now();
        let kit = Arc::clone(&self.kit);
        let broker = self.broker(index)?;
        broker.start(&kit)?;
        broker.wait_until_ready()?;
        Ok(began.elapsed())
    }

    /// Waits until all brokers know one another and every replica of every partition is in sync: from here on any one
    /// broker may fail.
    pub(crate) fn wait_until_in_sync(&self) -> Result<()> {
        Foreign::new(&self.kit, &self.bootstrap(), &self.logs).wait_until_in_sync(self.size())
    }

    fn broker(&mut self, index: usize) -> Result<&mut Broker> {
        let brokers = self.brokers.len();
        self.brokers
            .get_mut(index)
            .with_context(|| format!("there is no broker {index} among {brokers}"))
    }
}
