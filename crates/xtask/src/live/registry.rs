//! `Registry`: a real schema registry, Apicurio, which speaks Confluent's REST API.
//!
//! What it knows is lost when it stops: it keeps schemas in memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::kit::Kit;
use super::ports;
use super::process::Process;
use super::runner::Skipped;

/// Where Apicurio answers as Confluent's registry does.
const API: &str = "/apis/ccompat/v7";
/// An idle machine takes seven seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A registry that runs.
#[derive(Debug)]
pub(crate) struct Registry {
    process: Process,
    address: SocketAddr,
}

impl Registry {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// [`Skipped`] where it cannot run.
    pub(crate) fn start(kit: &Kit, logs: &Path) -> Result<Registry> {
        let mut command = kit.registry("256m").map_err(Skipped)?;
        let [port, management_port] = ports::free()?;
        command
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_HTTP_PORT", port.to_string())
            // Nobody asks there, and by default it is one port for all, open to the network.
            .env("QUARKUS_MANAGEMENT_HOST", "127.0.0.1")
            .env("QUARKUS_MANAGEMENT_PORT", management_port.to_string());
        let mut registry = Registry {
            process: Process::start("registry", logs, &mut command)?,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        registry.wait_until_ready()?;
        Ok(registry)
    }

    /// What clients are configured with.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{API}", self.address)
    }

    /// The body of an answer to `GET` below the API, whose status has to be 200.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        get(self.address, &format!("{API}{path}")).with_context(|| format!("the registry's {path}"))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let address = self.address;
        let answers = |_: &Process| Ok(get(address, &format!("{API}/subjects")).ok());
        let answer = self.process.wait_until(PATIENCE, answers)?;
        answer.with_context(|| format!("the registry has not answered within {} s", PATIENCE.as_secs()))?;
        Ok(())
    }
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // HTTP/1.0: the answer is over when the connection is.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the header")?;
    let status = head.lines().next().unwrap_or_default();
    anyhow::ensure!(status.split(' ').nth(1) == Some("200"), "{status}");
    Ok(body.to_owned())
}
