//! `Stage` and `World`: what a test finds when it starts: a folder and logs of its own, and servers that tests share.
//!
//! # Constraints
//!
//! - Servers start when a test first asks, and serve the next ones too; after a failed test they are started anew.
//! - A test that breaks a server mends it, or its successor gets another.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::cluster::{Cluster, Shape};
use super::foreign::Foreign;
use super::interrupt;
use super::kit::Kit;
use super::registry::Registry;

/// A test's own place.
#[derive(Debug)]
pub(crate) struct Stage {
    kit: Arc<Kit>,
    name: &'static str,
    folder: PathBuf,
    logs: PathBuf,
}

/// The servers.
#[derive(Debug)]
pub(crate) struct World {
    kit: Arc<Kit>,
    folder: PathBuf,
    logs: PathBuf,
    /// How many servers were started, for their names.
    started: u32,
    broker: Option<Cluster>,
    quorum: Option<Cluster>,
    registry: Option<Registry>,
}

impl Stage {
    /// Makes the test's folders below those of the run.
    pub(crate) fn new(kit: &Arc<Kit>, name: &'static str, data: &Path, logs: &Path) -> Result<Stage> {
        let stage = Stage {
            kit: Arc::clone(kit),
            name,
            folder: data.join(name),
            logs: logs.join(name),
        };
        std::fs::create_dir_all(&stage.folder).with_context(|| format!("no folder for {name}"))?;
        Ok(stage)
    }

    /// What tests are made with.
    pub(crate) fn kit(&self) -> &Arc<Kit> {
        &self.kit
    }

    /// A folder that goes when the test is over.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where output is kept until the test has passed.
    pub(crate) fn logs(&self) -> &Path {
        &self.logs
    }

    /// A topic's or group's name that no other test uses.
    pub(crate) fn named(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }

    /// Foreign clients at a cluster.
    pub(crate) fn foreign(&self, cluster: &Cluster) -> Foreign {
        Foreign::new(&self.kit, &cluster.bootstrap(), &self.logs)
    }

    /// Tells whoever watches what is going on.
    pub(crate) fn say(&self, what: impl std::fmt::Display) {
        println!("    {what}");
    }

    /// Lets time pass, unless the tests were interrupted.
    pub(crate) fn pause(&self, length: Duration) -> Result<()> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            interrupt::check()?;
            std::thread::sleep(Duration::from_millis(20).min(length));
        }
        Ok(())
    }
}

impl World {
    /// No server runs yet.
    pub(crate) fn new(kit: &Arc<Kit>, data: &Path, logs: &Path) -> World {
        World {
            kit: Arc::clone(kit),
            folder: data.join("servers"),
            logs: logs.join("servers"),
            started: 0,
            broker: None,
            quorum: None,
            registry: None,
        }
    }

    /// One broker, shared.
    pub(crate) fn broker(&mut self) -> Result<&mut Cluster> {
        if self.broker.is_none() {
            self.broker = Some(self.cluster(Shape::Single)?);
        }
        self.broker.as_mut().context("invariant: it was started above")
    }

    /// Three brokers, shared.
    pub(crate) fn quorum(&mut self) -> Result<&mut Cluster> {
        if self.quorum.is_none() {
            self.quorum = Some(self.cluster(Shape::Quorum)?);
        }
        self.quorum.as_mut().context("invariant: it was started above")
    }

    /// A cluster of the caller's own.
    pub(crate) fn cluster(&mut self, shape: Shape) -> Result<Cluster> {
        let (name, began) = (self.next(shape), Instant::now());
        let (folder, logs) = (self.folder.join(&name), self.logs.join(&name));
        let cluster = Cluster::start(&self.kit, shape, &folder, &logs).with_context(|| format!("no {name}"))?;
        println!(
            "    {name} at {} started in {:.1} s",
            cluster.bootstrap(),
            began.elapsed().as_secs_f64()
        );
        Ok(cluster)
    }

    /// A schema registry, shared.
    ///
    /// # Errors
    /// [`super::runner::Skipped`] where it cannot run.
    pub(crate) fn registry(&mut self) -> Result<&Registry> {
        if self.registry.is_none() {
            let (name, began) = (self.next("registry"), Instant::now());
            let registry = Registry::start(&self.kit, &self.logs.join(&name))?;
            println!(
                "    {name} at {} started in {:.1} s",
                registry.url(),
                began.elapsed().as_secs_f64()
            );
            self.registry = Some(registry);
        }
        self.registry.as_ref().context("invariant: it was started above")
    }

    /// After a failed test nothing here is trusted.
    pub(crate) fn forget(&mut self) {
        self.broker = None;
        self.quorum = None;
        self.registry = None;
    }

    /// Forgets what a test has left broken.
    pub(crate) fn keep_what_is_whole(&mut self) -> Result<()> {
        for cluster in [&mut self.broker, &mut self.quorum] {
            let whole = cluster.as_mut().map(Cluster::is_whole).transpose()?;
            if whole == Some(false) {
                *cluster = None;
            }
        }
        Ok(())
    }

    fn next(&mut self, what: impl std::fmt::Debug) -> String {
        self.started += 1;
        format!("{}-{what:?}", self.started).to_lowercase().replace('"', "")
    }
}
