//! The two faces of the demonstration: a terminal view, or plain lines when there is no terminal to draw on.
//!
//! It chooses and passes on; what each shows stands in `view` and `plain`.

use std::env;
use std::io::IsTerminal;
use std::time::Duration;

use super::plain::Plain;
use super::scene::Scene;
use super::screen::Screen;

/// What whoever watches wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    GoOn,
    Stop,
}

pub(super) enum Face {
    Screen(Screen),
    Plain(Plain),
}

impl Face {
    /// A view where it can be drawn and nothing forbids it.
    pub(super) fn choose() -> anyhow::Result<Face> {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Ok(if is_terminal && !no_color && !dumb {
            Face::Screen(Screen::open()?)
        } else {
            Face::Plain(Plain::default())
        })
    }

    pub(super) fn show(&mut self, scene: &Scene<'_>) -> anyhow::Result<()> {
        match self {
            Face::Screen(screen) => screen.show(scene),
            Face::Plain(plain) => plain.show(scene),
        }
    }

    /// Waits at most this long; less when a key says what to do.
    pub(super) fn wait(&mut self, most: Duration) -> anyhow::Result<Asked> {
        match self {
            Face::Screen(screen) => screen.wait(most),
            Face::Plain(_) => {
                std::thread::sleep(most);
                Ok(Asked::GoOn)
            }
        }
    }
}
