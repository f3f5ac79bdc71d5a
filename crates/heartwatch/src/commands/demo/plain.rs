//! The plain face: a line for everyone who comes out of range, and now and then one of numbers.
//!
//! It knows no terminal: lines go wherever the standard output goes.

use std::io::Write;
use std::time::Duration;

use super::scene::Scene;
use super::watch::OutOfRange;

/// Numbers are said this often.
const NUMBERS_EVERY: Duration = Duration::from_secs(5);

/// Remembers when numbers were last said.
#[derive(Default)]
pub(super) struct Plain {
    said: Duration,
}

impl Plain {
    pub(super) fn show(&mut self, scene: &Scene<'_>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for person in scene.new {
            writeln!(out, "{}", line(person))?;
        }
        if scene.elapsed.saturating_sub(self.said) >= NUMBERS_EVERY {
            self.said = scene.elapsed;
            writeln!(
                out,
                "{:.0} readings/s in, {} findings so far, {} people out of range now",
                scene.numbers.rate().readings,
                scene.watch.findings,
                scene.watch.out_of_range.len()
            )?;
        }
        Ok(())
    }
}

fn line(person: &OutOfRange) -> String {
    format!(
        "{}  user {:>6} is still, at {:.1} beats/min: {} the own range of {:.0} to {:.0}; moved {:.1} m",
        hw_connectors::format_time(person.since_ms),
        person.user,
        person.mean,
        person.outside(),
        person.low,
        person.high,
        person.moved_metres,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_when_and_by_how_much() {
        let person = OutOfRange {
            user: "17".to_owned(),
            mean: 111.04,
            low: 48.0,
            high: 111.0,
            moved_metres: 3.25,
            since_ms: 1_767_650_400_123,
            last_ms: 1_767_650_400_123,
        };
        assert_eq!(
            line(&person),
            "2026-01-05T22:00:00.123Z  user     17 is still, at 111.0 beats/min: 0.1 above the own range of 48 to 111; moved 3.2 m"
        );
    }
}
