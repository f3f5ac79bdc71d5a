//! Truth: the spells in which a person really was out of their range while standing still, and why.
//!
//! Written down from what the model did, not by looking at readings through windows: it is what a rule should find, not what
//! the shipped rule happens to find. Planted episodes are one cause among three, since by the question asked ("out of range
//! while still?") someone who sits down straight after a run is out of range as well, and so is someone on a rowing machine.

use serde::{Deserialize, Serialize};

use crate::reading::Baseline;

/// A spell goes on when its condition comes back within this time: flutter around the limit is one spell, not twenty.
const JOIN_MS: i64 = 10_000;

/// On which side of the range a heart rate lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Above the highest heart rate of the range.
    High,
    /// Below the lowest.
    Low,
}

/// Why a person was out of range while still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An episode that the town planted: what recall is measured on.
    Planted,
    /// The heart had not come down yet from walking or running.
    AfterExercise,
    /// Training at a gym, where effort does not move the position.
    Training,
}

/// One spell of a person out of range while still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The person.
    pub user_id: String,
    /// Time of the first reading out of range, by the watch's clock, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Time of the last reading out of range, both ends included.
    pub end_ms: i64,
    /// The side.
    pub kind: Kind,
    /// Why.
    pub cause: Cause,
    /// The most extreme heart rate of the spell, in beats a minute.
    pub heart_rate: i32,
    /// The person's range, in beats a minute.
    pub min_heart_rate: i32,
    /// See `min_heart_rate`.
    pub max_heart_rate: i32,
}

/// A spell that may still go on.
#[derive(Debug, Clone, Copy)]
struct Open {
    start_ms: i64,
    end_ms: i64,
    kind: Kind,
    cause: Cause,
    heart_rate: i32,
}

/// Follows one person and closes a spell when it is over.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    open: Option<Open>,
}

impl Witness {
    /// Notes one moment. `cause` is none when the person moves.
    pub(crate) fn see(
        &mut self,
        time_ms: i64,
        heart_rate: i32,
        cause: Option<Cause>,
        range: &Baseline,
    ) -> Option<Episode> {
        let kind = side(heart_rate, range);
        // A planted spell stays one until it is over: the way back into the range belongs to it.
        if let (Some(kind), Some(cause), Some(open)) = (kind, cause, &mut self.open)
            && kind == open.kind
            && (open.cause == cause || open.cause == Cause::Planted)
        {
            open.end_ms = time_ms;
            open.heart_rate = match kind {
                Kind::High => open.heart_rate.max(heart_rate),
                Kind::Low => open.heart_rate.min(heart_rate),
            };
            return None;
        }
        // A spell of another side or cause begins anew, even without a pause.
        let starts = kind.zip(cause).map(|(kind, cause)| Open {
            start_ms: time_ms,
            end_ms: time_ms,
            kind,
            cause,
            heart_rate,
        });
        let moves = cause.is_none();
        let over = self
            .open
            .is_some_and(|open| moves || starts.is_some() || time_ms - open.end_ms > JOIN_MS);
        let closed = if over { self.close(range) } else { None };
        if starts.is_some() {
            self.open = starts;
        }
        closed
    }

    /// Ends what is open, as at the end of a simulation.
    pub(crate) fn close(&mut self, range: &Baseline) -> Option<Episode> {
        self.open.take().map(|open| Episode {
            user_id: range.user.to_string(),
            start_ms: open.start_ms,
            end_ms: open.end_ms,
            kind: open.kind,
            cause: open.cause,
            heart_rate: open.heart_rate,
            min_heart_rate: range.min_heart_rate,
            max_heart_rate: range.max_heart_rate,
        })
    }
}

fn side(heart_rate: i32, range: &Baseline) -> Option<Kind> {
    if heart_rate > range.max_heart_rate {
        Some(Kind::High)
    } else if heart_rate < range.min_heart_rate {
        Some(Kind::Low)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Baseline = Baseline {
        user: 3,
        min_heart_rate: 50,
        max_heart_rate: 90,
    };

    /// Feeds one heart rate a second and returns (start, end, extreme) of the spells in seconds.
    fn spells(rates: &[i32]) -> Vec<(i64, i64, i32)> {
        let mut witness = Witness::default();
        let mut closed: Vec<Episode> = Vec::new();
        for (second, rate) in rates.iter().enumerate() {
            closed.extend(witness.see(second as i64 * 1000, *rate, Some(Cause::AfterExercise), &RANGE));
        }
        closed.extend(witness.close(&RANGE));
        closed
            .iter()
            .map(|spell| (spell.start_ms / 1000, spell.end_ms / 1000, spell.heart_rate))
            .collect()
    }

    #[test]
    fn flutter_around_the_limit_is_one_spell() {
        assert_eq!(spells(&[60, 95, 90, 91, 60, 92, 60]), vec![(1, 5, 95)]);
    }

    #[test]
    fn a_pause_of_more_than_ten_seconds_or_the_other_side_begins_a_new_spell() {
        assert_eq!(
            spells(&[95, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 96, 40]),
            vec![(0, 0, 95), (12, 12, 96), (13, 13, 40)]
        );
    }
}
