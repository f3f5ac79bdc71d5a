//! The terminal that the view is drawn on: taken over, drawn to, read for keys, and given back.
//!
//! It is given back on every way out: by `drop`, and by a panic hook that ratatui sets. It knows nothing of what is drawn.

use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType};

use super::face::Asked;
use super::scene::Scene;
use super::view;

/// Calm enough to read.
const DRAWN_EVERY: Duration = Duration::from_millis(200);

/// A terminal that is ours until this is dropped.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    drawn: Option<Instant>,
}

impl Screen {
    pub(super) fn open() -> anyhow::Result<Screen> {
        match ratatui::try_init() {
            Ok(terminal) => {
                let screen = Screen { terminal, drawn: None };
                // A terminal without a second screen still shows what was there. Not by ratatui's own `clear`, which asks
                // the terminal where the cursor is and fails when it does not answer.
                execute!(std::io::stdout(), Clear(ClearType::All))?;
                Ok(screen)
            }
            Err(error) => {
                // It may have been taken over in part.
                ratatui::try_restore().ok();
                Err(error.into())
            }
        }
    }

    /// Draws, unless that was done a moment ago.
    pub(super) fn show(&mut self, scene: &Scene<'_>) -> anyhow::Result<()> {
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAWN_EVERY) {
            self.terminal.draw(|frame| view::draw(frame, scene))?;
            self.drawn = Some(Instant::now());
        }
        Ok(())
    }

    /// Waits for a key that stops, at most this long.
    pub(super) fn wait(&mut self, most: Duration) -> anyhow::Result<Asked> {
        let began = Instant::now();
        while event::poll(most.saturating_sub(began.elapsed()))? {
            match event::read()? {
                Event::Key(key) if stops(key) => return Ok(Asked::Stop),
                // Drawn anew at once: the old picture lies torn over the new size.
                Event::Resize(..) => self.drawn = None,
                _ => {}
            }
        }
        Ok(Asked::GoOn)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.terminal.show_cursor().ok();
        // Nothing can be done when the terminal is gone.
        ratatui::try_restore().ok();
    }
}

/// A terminal that is ours sends Ctrl-C as a key, not as a signal.
fn stops(key: KeyEvent) -> bool {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.is_press() && (is_ctrl_c || key.code == KeyCode::Char('q'))
}
