//! Score: findings held against the truth.
//!
//! Judges single findings and planted episodes; it does not run a rule and knows no window, only a tolerance.

use std::collections::HashMap;

use crate::truth::{Cause, Episode};

/// How findings compare with the truth.
///
/// A finding right after exercise, or while training on one spot, is a right answer to "out of range while still", but no
/// episode that anyone planted. It is therefore counted by itself, and precision is given both ways.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Score {
    /// All findings.
    pub findings: usize,
    /// Findings during planted episodes.
    pub in_planted: usize,
    /// Findings of people whose heart was coming down from exercise.
    pub after_exercise: usize,
    /// Findings of people training on one spot.
    pub in_training: usize,
    /// Findings for which the truth has no reason.
    pub unexplained: usize,
    /// Planted episodes.
    pub planted: usize,
    /// Planted episodes with at least one finding.
    pub found: usize,
    /// Mean time from a found episode's start to its first finding, in milliseconds.
    pub mean_delay_ms: Option<f64>,
    /// Share of findings that the truth explains, by any cause. None without findings.
    pub precision: Option<f64>,
    /// Share of findings that lie in planted episodes: exercise counts as wrong. None without findings.
    pub precision_planted: Option<f64>,
    /// Share of planted episodes that were found. None without planted episodes.
    pub recall: Option<f64>,
}

/// Compares findings (user and event time in milliseconds) with the truth.
///
/// A finding belongs to a spell of its user from the spell's start until `tolerance_ms` after its end: a window that
/// reaches back over X sees a spell for up to X longer, so X is the tolerance to give. When several spells fit, a planted
/// one is taken first.
pub fn score<S: AsRef<str>>(findings: &[(S, i64)], truth: &[Episode], tolerance_ms: i64) -> Score {
    let mut spells: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, spell) in truth.iter().enumerate() {
        spells.entry(&spell.user_id).or_default().push(index);
    }
    // By episode, since a finding that is not the first one says nothing about delay or recall.
    let mut first_finding_ms: Vec<Option<i64>> = vec![None; truth.len()];
    let mut score = Score {
        findings: findings.len(),
        ..Score::default()
    };
    for (user, time_ms) in findings {
        let fits = |index: &&usize| {
            let spell = &truth[**index];
            (spell.start_ms..=spell.end_ms.saturating_add(tolerance_ms)).contains(time_ms)
        };
        let found = spells
            .get(user.as_ref())
            .into_iter()
            .flatten()
            .filter(fits)
            .min_by_key(|index| truth[**index].cause != Cause::Planted);
        let Some(&index) = found else {
            score.unexplained += 1;
            continue;
        };
        first_finding_ms[index] = Some(first_finding_ms[index].map_or(*time_ms, |first| first.min(*time_ms)));
        match truth[index].cause {
            Cause::Planted => score.in_planted += 1,
            Cause::AfterExercise => score.after_exercise += 1,
            Cause::Training => score.in_training += 1,
        }
    }
    let planted = truth
        .iter()
        .zip(&first_finding_ms)
        .filter(|(spell, _)| spell.cause == Cause::Planted);
    let delays_ms: Vec<i64> = planted
        .clone()
        .filter_map(|(spell, first)| first.map(|first| first - spell.start_ms))
        .collect();
    score.planted = planted.count();
    score.found = delays_ms.len();
    score.mean_delay_ms = share(delays_ms.iter().sum::<i64>() as f64, delays_ms.len());
    score.precision = share((score.findings - score.unexplained) as f64, score.findings);
    score.precision_planted = share(score.in_planted as f64, score.findings);
    score.recall = share(score.found as f64, score.planted);
    score
}

fn share(part: f64, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Kind;

    fn spell(user: &str, start_ms: i64, end_ms: i64, cause: Cause) -> Episode {
        Episode {
            user_id: user.to_owned(),
            start_ms,
            end_ms,
            kind: Kind::High,
            cause,
            heart_rate: 130,
            min_heart_rate: 50,
            max_heart_rate: 90,
        }
    }

    #[test]
    fn each_finding_is_counted_once_and_exercise_by_itself() {
        let truth = [
            spell("1", 10_000, 60_000, Cause::Planted),
            spell("2", 10_000, 60_000, Cause::Planted),
            spell("3", 0, 30_000, Cause::AfterExercise),
            spell("4", 0, 30_000, Cause::Training),
        ];
        let findings = [
            ("1", 15_000),
            ("1", 70_000),
            ("1", 70_001),
            ("3", 30_000),
            ("4", 12_000),
            ("5", 12_000),
        ];
        let score = score(&findings, &truth, 10_000);
        assert_eq!(
            score,
            Score {
                findings: 6,
                in_planted: 2,
                after_exercise: 1,
                in_training: 1,
                unexplained: 2,
                planted: 2,
                found: 1,
                mean_delay_ms: Some(5_000.0),
                precision: Some(4.0 / 6.0),
                precision_planted: Some(2.0 / 6.0),
                recall: Some(0.5),
            }
        );
    }

    #[test]
    fn nothing_to_measure_gives_no_shares() {
        let score = score::<&str>(&[], &[], 0);
        assert_eq!((score.precision, score.recall, score.mean_delay_ms), (None, None, None));
    }
}
