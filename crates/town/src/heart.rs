//! Heart: the rate that follows what a body does.
//!
//! A first-order response: towards a higher level within some 30 s, towards a lower one over minutes (fitter people
//! faster), with a slow bounded flutter on top. Knows levels in beats a minute, not what the body does or where.

use crate::dice::Dice;

/// Time constant of the rise with effort, in seconds: two thirds of the way in 25 s.
const RISE_S: f64 = 25.0;
/// Time constant of a planted episode's onset and end: a disturbed rhythm starts abruptly.
const ABRUPT_S: f64 = 3.0;
/// Memory of the flutter, in seconds.
const FLUTTER_S: f64 = 20.0;
/// Deviation of the flutter, in beats a minute.
const FLUTTER_BPM: f64 = 1.8;
/// The flutter never goes beyond this, so that nobody leaves their range by chance (see `person`).
pub(crate) const FLUTTER_MAX_BPM: f64 = 5.0;
/// An episode is over when the rate is this near to its normal level.
const SETTLED_BPM: f64 = 2.0;

/// The factors of one step, equal for everyone with the same sampling interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeartStep {
    step_s: f64,
    rise: f64,
    abrupt: f64,
    keep: f64,
    push: f64,
}

impl HeartStep {
    pub(crate) fn new(step_s: f64) -> Self {
        let keep = (-step_s / FLUTTER_S).exp();
        Self {
            step_s,
            rise: response(step_s, RISE_S),
            abrupt: response(step_s, ABRUPT_S),
            keep,
            push: FLUTTER_BPM * (1.0 - keep * keep).sqrt(),
        }
    }
}

/// Share of the remaining way that a first-order response goes in one step.
fn response(step_s: f64, constant_s: f64) -> f64 {
    1.0 - (-step_s / constant_s).exp()
}

/// What governs the rate now.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rhythm {
    /// Follows the body.
    Normal,
    /// Held at a level by an episode until a time.
    Held { level_bpm: f64, until_ms: i64 },
    /// On the way back from an episode.
    Reverting,
}

/// The heart of one person.
#[derive(Debug)]
pub(crate) struct Heart {
    rate_bpm: f64,
    flutter_bpm: f64,
    fall: f64,
    rhythm: Rhythm,
}

impl Heart {
    /// A heart at rest at `rate_bpm` whose rate falls back with the time constant `fall_s`.
    pub(crate) fn new(rate_bpm: f64, fall_s: f64, step: HeartStep) -> Self {
        Self {
            rate_bpm,
            flutter_bpm: 0.0,
            fall: response(step.step_s, fall_s),
            rhythm: Rhythm::Normal,
        }
    }

    /// Moves one step towards `target_bpm` and returns the rate as a watch shows it.
    pub(crate) fn advance(&mut self, now_ms: i64, target_bpm: f64, step: HeartStep, dice: &mut Dice) -> i32 {
        let (goal_bpm, share) = match self.rhythm {
            Rhythm::Held { level_bpm, until_ms } if now_ms < until_ms => (level_bpm, step.abrupt),
            Rhythm::Held { .. } => {
                self.rhythm = Rhythm::Reverting;
                (target_bpm, step.abrupt)
            }
            Rhythm::Reverting => (target_bpm, step.abrupt),
            Rhythm::Normal if target_bpm > self.rate_bpm => (target_bpm, step.rise),
            Rhythm::Normal => (target_bpm, self.fall),
        };
        self.rate_bpm += (goal_bpm - self.rate_bpm) * share;
        if self.rhythm == Rhythm::Reverting && (self.rate_bpm - target_bpm).abs() < SETTLED_BPM {
            self.rhythm = Rhythm::Normal;
        }
        let flutter = step.keep * self.flutter_bpm + step.push * dice.normal();
        self.flutter_bpm = flutter.clamp(-FLUTTER_MAX_BPM, FLUTTER_MAX_BPM);
        (self.rate_bpm + self.flutter_bpm).round() as i32
    }

    /// Starts an episode at `level_bpm` that keeps the rate beyond `limit_bpm` for about `held_ms`. Returns its end: the
    /// time for getting to the limit is added, so that short episodes are not eaten up by their own onset.
    pub(crate) fn hold(&mut self, now_ms: i64, level_bpm: f64, limit_bpm: f64, held_ms: i64) -> i64 {
        let onset_s = ABRUPT_S * ((self.rate_bpm - level_bpm) / (limit_bpm - level_bpm)).max(1.0).ln();
        let until_ms = now_ms + (onset_s * 1000.0) as i64 + held_ms;
        self.rhythm = Rhythm::Held { level_bpm, until_ms };
        until_ms
    }

    /// True when no episode is on and the rate is where the body's state puts it.
    pub(crate) fn at_ease(&self, target_bpm: f64) -> bool {
        self.rhythm == Rhythm::Normal && (self.rate_bpm - target_bpm).abs() < SETTLED_BPM
    }

    /// True while an episode is on.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.rhythm, Rhythm::Held { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the rate has done nine tenths of the way from one level to another.
    fn seconds_to_settle(from_bpm: f64, to_bpm: f64) -> usize {
        let (step, mut dice) = (HeartStep::new(1.0), Dice::new(1, 1));
        let mut heart = Heart::new(from_bpm, 80.0, step);
        (0..)
            .find(|second| {
                heart.advance(second * 1000, to_bpm, step, &mut dice);
                (heart.rate_bpm - to_bpm).abs() < 0.1 * (from_bpm - to_bpm).abs()
            })
            .map(|second| second as usize)
            .unwrap()
    }

    #[test]
    fn it_rises_within_a_minute_and_falls_over_minutes() {
        let (rise_s, fall_s) = (seconds_to_settle(60.0, 150.0), seconds_to_settle(150.0, 60.0));
        assert!((30..90).contains(&rise_s), "{rise_s}");
        assert!((150..300).contains(&fall_s), "{fall_s}");
    }

    #[test]
    fn an_episode_is_beyond_its_limit_for_as_long_as_asked() {
        let (step, mut dice) = (HeartStep::new(1.0), Dice::new(1, 1));
        let mut heart = Heart::new(65.0, 80.0, step);
        heart.hold(0, 130.0, 95.0, 60_000);
        let beyond = (0..300)
            .filter(|second| heart.advance(second * 1000, 65.0, step, &mut dice) > 95)
            .count();
        assert!((58..=66).contains(&beyond), "{beyond}");
        assert!(heart.at_ease(65.0));
    }
}
