//! The program is where the harness has it, and does what signals tell it: what tests with worse signals build upon.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::program::Program;
use super::super::stage::{Stage, World};

/// For what takes a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stopped program goes on, an interrupted one ends well, and a killed one is gone at once.
pub(super) fn obeys_signals(stage: &Stage, _: &mut World) -> Result<()> {
    let demo = ["demo", "--users", "50", "--for", "10m", "--port", "0"];
    let mut interrupted = Program::start(stage, "interrupted", &demo, &[])?;
    let mut killed = Program::start(stage, "killed", &demo, &[])?;
    for program in [&mut interrupted, &mut killed] {
        stage.say(program.wait_for("readings/s in", PATIENCE)?);
    }
    interrupted.pause();
    stage.pause(Duration::from_secs(1))?;
    interrupted.resume();
    interrupted.still_runs()?;
    let ended = interrupted.interrupt(PATIENCE)?;
    ensure!(ended.out.contains("stopped after"), "{}", ended.out);
    killed.kill()
}
