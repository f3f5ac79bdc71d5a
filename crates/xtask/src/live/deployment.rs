//! `Deployment`: a namespace of its own on a cluster, and the program as users start it there.
//!
//! It knows no pipeline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::cluster::Cluster;
use super::dead_letters::DeadLetter;
use super::foreign::{Foreign, Record, Schemas};
use super::process::Ended;
use super::program::Program;
use super::stage::{Stage, World};

/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace on a cluster.
pub(crate) struct Deployment<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) foreign: Foreign,
    registry: String,
    bootstrap: String,
    namespace: String,
}

impl<'a> Deployment<'a> {
    /// On the shared broker, with the shared registry.
    pub(crate) fn on_broker(stage: &'a Stage, world: &mut World, name: &str) -> Result<Deployment<'a>> {
        // First: where it cannot run, nothing else has to.
        let registry = world.registry()?.url();
        Ok(Deployment::new(stage, world.broker()?, registry, name))
    }

    /// On any cluster, with a registry's URL.
    pub(crate) fn new(stage: &'a Stage, cluster: &Cluster, registry: String, name: &str) -> Deployment<'a> {
        Deployment {
            stage,
            foreign: stage.foreign(cluster),
            registry,
            bootstrap: cluster.bootstrap(),
            namespace: stage.named(name),
        }
    }

    /// A name as it is on the cluster.
    pub(crate) fn on_cluster(&self, name: &str) -> String {
        format!("{}{name}", self.namespace)
    }

    /// The registry's URL.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// What read_committed consumers see of a topic.
    pub(crate) fn consume(&self, topic: &str) -> Result<Vec<Record>> {
        let schemas = Schemas::Registry(self.registry.clone());
        self.foreign.consume(&self.on_cluster(topic), &schemas)
    }

    /// The dead letters of a pipeline.
    pub(crate) fn dead_letters(&self, pipeline: &str) -> Result<Vec<DeadLetter>> {
        let records = self
            .foreign
            .consume_raw(&self.on_cluster(&format!("{pipeline}.dead-letters")))?;
        records.iter().map(DeadLetter::of).collect()
    }

    /// Waits until a pipeline has committed something.
    pub(crate) fn wait_for_commit(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let status: Value = serde_json::from_str(&self.run("status", &["status", "--json"])?.out)?;
            let groups = status["groups"].as_array().into_iter().flatten();
            let mut positions = groups.filter_map(|group| group["positions"].as_array()).flatten();
            if positions.any(|position| position["committed"].as_u64() > Some(0)) {
                return Ok(());
            }
        }
        bail!("nothing was committed within {} s", PATIENCE.as_secs())
    }

    /// Starts a command; `instance` is as whom a worker is known to its group.
    pub(crate) fn start(&self, name: &str, arguments: &[&str], instance: &str) -> Result<Program> {
        let place = ["--kafka", &self.bootstrap, "--namespace", &self.namespace];
        Program::start(
            self.stage,
            name,
            &[arguments, &place].concat(),
            &[
                ("HEARTWATCH_KAFKA_SCHEMA_REGISTRY_URL", &self.registry),
                ("HEARTWATCH_KAFKA_SESSION_TIMEOUT_MS", "6000"),
                ("HEARTWATCH_KAFKA_HEARTBEAT_INTERVAL_MS", "1000"),
                ("HEARTWATCH_KAFKA_GROUP_INSTANCE_ID", instance),
            ],
        )
    }

    /// Runs a command to its end, which has to be good.
    pub(crate) fn run(&self, name: &str, arguments: &[&str]) -> Result<Ended> {
        self.start(name, arguments, name)?.end()?.succeeded()
    }

    /// Runs a command to its end, good or not.
    pub(crate) fn try_to(&self, name: &str, arguments: &[&str]) -> Result<Ended> {
        self.start(name, arguments, name)?.end()
    }
}
