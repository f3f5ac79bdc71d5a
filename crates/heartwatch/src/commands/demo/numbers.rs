//! Numbers: what the pipeline's tasks count, summed, and how fast it grows.
//!
//! It counts nothing itself and shows nothing.

use std::collections::VecDeque;
use std::time::Duration;

use hw_engine::{TaskMetrics, TaskStatus};

use crate::commands::run::sum;

/// A rate is taken this often: over a whole second, in which everyone has had their turn.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// As many as a wide terminal has columns.
const SAMPLES_MAX: usize = 300;
/// The present rate is the mean of so many samples, so that it can be read.
const SAMPLES_NOW: usize = 3;

/// A second's readings in and findings out.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    pub(super) readings: f64,
    pub(super) findings: f64,
}

/// The sums over all tasks, and the rates of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) readings: u64,
    pub(super) findings: u64,
    pub(super) late: u64,
    pub(super) dead_letters: u64,
    pub(super) state_bytes: u64,
    /// Readings in the log that the pipeline has not read yet.
    pub(super) lag: u64,
    /// How far event time has come, in milliseconds since the epoch; none before the first reading.
    pub(super) clock_ms: Option<i64>,
    /// Oldest first.
    pub(super) rates: VecDeque<Rate>,
    pub(super) sampled: Sample,
}

/// What there was when a rate was last taken.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sample {
    at: Duration,
    readings: u64,
    findings: u64,
}

impl Numbers {
    /// Reads all numbers; `elapsed` is the time since the start.
    pub(super) fn look(&mut self, elapsed: Duration, tasks: &[TaskStatus]) {
        self.readings = sum(tasks, |metrics| TaskMetrics::get(&metrics.records_in));
        self.findings = sum(tasks, |metrics| TaskMetrics::get(&metrics.rows_out));
        self.late = sum(tasks, |metrics| TaskMetrics::get(&metrics.late));
        self.dead_letters = sum(tasks, |metrics| TaskMetrics::get(&metrics.dead_letters));
        self.state_bytes = sum(tasks, |metrics| TaskMetrics::get(&metrics.state_bytes));
        self.lag = sum(tasks, |metrics| TaskMetrics::get(&metrics.lag));
        let clocks = tasks
            .iter()
            .map(|task| task.metrics.clock_ms.load(std::sync::atomic::Ordering::Relaxed));
        self.clock_ms = clocks.max().filter(|clock_ms| *clock_ms != i64::MIN);
        self.sample(elapsed);
    }

    /// The present rate.
    pub(super) fn rate(&self) -> Rate {
        let count = self.rates.len().clamp(1, SAMPLES_NOW) as f64;
        let last = || self.rates.iter().rev().take(SAMPLES_NOW);
        Rate {
            readings: last().map(|rate| rate.readings).sum::<f64>() / count,
            findings: last().map(|rate| rate.findings).sum::<f64>() / count,
        }
    }

    fn sample(&mut self, elapsed: Duration) {
        let passed = elapsed.saturating_sub(self.sampled.at);
        if passed < SAMPLE_EVERY {
            return;
        }
        let a_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / passed.as_secs_f64();
        self.rates.push_back(Rate {
            readings: a_second(self.readings, self.sampled.readings),
            findings: a_second(self.findings, self.sampled.findings),
        });
        if self.rates.len() > SAMPLES_MAX {
            self.rates.pop_front();
        }
        self.sampled = Sample {
            at: elapsed,
            readings: self.readings,
            findings: self.findings,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_second_whatever_the_time_between_samples() {
        let mut numbers = Numbers::default();
        for (at_ms, readings) in [(1_000, 1_000), (1_900, 1_900), (3_000, 3_000)] {
            numbers.readings = readings;
            numbers.sample(Duration::from_millis(at_ms));
        }
        let rates: Vec<f64> = numbers.rates.iter().map(|rate| rate.readings).collect();
        assert_eq!(rates, [1_000.0, 1_000.0]);
        assert_eq!(numbers.rate().readings, 1_000.0);
        assert_eq!(Numbers::default().rate(), Rate::default());
    }
}
