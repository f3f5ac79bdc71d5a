//! `Program`: the heartwatch binary, started as a user starts it.
//!
//! It knows no command and no option.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::process::{Ended, Process, Signal};
use super::stage::Stage;

/// For a command that ends by itself.
const PATIENCE: Duration = Duration::from_secs(600);

/// The program at work; it is killed when this goes.
#[derive(Debug)]
pub(crate) struct Program(Process);

impl Program {
    /// Starts it. Its output stays in the test's logs under `name`.
    pub(crate) fn start(
        stage: &Stage,
        name: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Program> {
        let mut command = command(stage, arguments, environment)?;
        Ok(Program(Process::start(name, stage.logs(), &mut command)?))
    }

    /// Runs a command to its end, which has to be good.
    pub(crate) fn run(stage: &Stage, name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Ended> {
        let mut command = command(stage, arguments, environment)?;
        Process::run(name, stage.logs(), &mut command, PATIENCE)
    }

    /// Waits for the first line that contains the text.
    pub(crate) fn wait_for(&mut self, text: &str, patience: Duration) -> Result<String> {
        self.0.wait_for(text, patience)
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.0.kill()
    }

    /// SIGINT, as Ctrl-C sends it, after which it has to end well.
    pub(crate) fn interrupt(self, patience: Duration) -> Result<Ended> {
        self.0.signal(Signal::INT);
        self.0.finish(patience)?.succeeded()
    }

    /// Waits for its end, good or not.
    pub(crate) fn end(self) -> Result<Ended> {
        self.0.finish(PATIENCE)
    }

    /// Waits for its end, which has to be good.
    pub(crate) fn finish(self, patience: Duration) -> Result<Ended> {
        self.0.finish(patience)?.succeeded()
    }

    /// SIGSTOP: it still owns its sockets, and says nothing.
    pub(crate) fn pause(&self) {
        self.0.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.0.signal(Signal::CONT);
    }

    /// Fails when it has ended.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.0.ended()? {
            bail!("heartwatch ended by itself ({status})\n{}", self.0.err()?);
        }
        Ok(())
    }
}

fn command(stage: &Stage, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command> {
    let mut command = stage.kit().heartwatch()?;
    command.current_dir(stage.kit().root()).args(arguments);
    command.envs(environment.iter().copied());
    Ok(command)
}
