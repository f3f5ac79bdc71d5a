//! `Broker`: one node of a cluster, from its formatted folder to its end.
//!
//! It knows nothing of the other nodes but what its properties say.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::kit::{Classes, Kit};
use super::super::process::{Process, Signal};
use super::properties::{Format, Node};

/// For a start on a machine that is busy; an idle one takes five seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// What a broker says once it serves.
const READY: &str = "Kafka Server started";

/// One node.
#[derive(Debug)]
pub(super) struct Broker {
    node: Node,
    heap: &'static str,
    properties: PathBuf,
    logs: PathBuf,
    /// None while it is down.
    process: Option<Process>,
}

impl Broker {
    /// Writes its properties.
    pub(super) fn new(node: &Node, format: &Format<'_>, heap: &'static str, logs: &Path) -> Result<Broker> {
        let properties = node.folder.join("server.properties");
        std::fs::create_dir_all(&node.folder)?;
        std::fs::write(&properties, format.properties(node))
            .with_context(|| format!("cannot write {}", properties.display()))?;
        Ok(Broker {
            node: node.clone(),
            heap,
            properties,
            logs: logs.to_path_buf(),
            process: None,
        })
    }

    /// Starts to format its folder.
    pub(super) fn format(&self, kit: &Kit, format: &Format<'_>) -> Result<Process> {
        let mut command = kit.java(Classes::Broker, "128m", "kafka.tools.StorageTool");
        command.args(["format", "--config"]).arg(&self.properties);
        command.args(format.arguments());
        Process::start(&self.name("format"), &self.logs, &mut command)
    }

    /// Starts it; it is not ready yet.
    pub(super) fn start(&mut self, kit: &Kit) -> Result<()> {
        let mut command: Command = kit.java(Classes::Broker, self.heap, "kafka.Kafka");
        command.arg(&self.properties);
        self.process = Some(Process::start(&self.name("broker"), &self.logs, &mut command)?);
        Ok(())
    }

    /// Waits until it serves clients.
    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let port = SocketAddr::from(([127, 0, 0, 1], self.node.client_port));
        let process = self.process()?;
        process.wait_for(READY, PATIENCE)?;
        let accepts = |_: &Process| Ok(TcpStream::connect_timeout(&port, Duration::from_secs(1)).ok());
        process
            .wait_until(PATIENCE, accepts)?
            .with_context(|| format!("a broker says that it is ready and accepts nothing on {port}"))?;
        Ok(())
    }

    /// Where clients reach it.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.node.client_port)
    }

    /// Whether its process lives.
    pub(super) fn runs(&mut self) -> Result<bool> {
        match &mut self.process {
            Some(process) => Ok(process.ended()?.is_none()),
            None => Ok(false),
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.process()?.kill()?;
        self.process = None;
        Ok(())
    }

    /// SIGSTOP.
    pub(super) fn pause(&mut self) -> Result<()> {
        self.process()?.signal(Signal::STOP);
        Ok(())
    }

    /// SIGCONT.
    pub(super) fn resume(&mut self) -> Result<()> {
        self.process()?.signal(Signal::CONT);
        Ok(())
    }

    fn process(&mut self) -> Result<&mut Process> {
        let id = self.node.id;
        self.process.as_mut().with_context(|| format!("broker {id} is down"))
    }

    fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.node.id)
    }
}
