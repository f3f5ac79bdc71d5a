//! The time rules against their oracle: random logs through a task, however they are cut into batches and wherever it is
//! stopped and resumed, must give the answers and refusals of the slow reference.

mod history;
mod through_task;

use history::{Event, History, Shape};
use hw_reference::{Reference, Window};
use proptest::prelude::*;
use through_task::{Outcome, ThroughTask};

/// What the reference says of a history.
fn expected(history: &History) -> Outcome {
    let mut reference = Reference::new(history.rules, history.window);
    for event in &history.events {
        match *event {
            Event::Record {
                key,
                time_ms,
                value,
                counts,
            } => reference.record(key, time_ms, value, counts),
            Event::Idle { ms } => {
                if let Some(clock_ms) = reference.clock_ms() {
                    reference.mark(clock_ms + ms);
                }
            }
        }
    }
    if let Some(clock_ms) = reference.clock_ms() {
        reference.mark(clock_ms + history.end_ms());
    }
    Outcome::of(reference.take())
}

fn check(history: &History, cuts: &[usize], restarts: &[usize]) {
    let got = ThroughTask::new(history).run(cuts, restarts);
    assert_eq!(
        got,
        expected(history),
        "{history:#?}\ncuts {cuts:?}, restarts {restarts:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sliding_windows_follow_the_rules(
        history in history::any(Window::Sliding { length_ms: 10_000 }, Shape::Mild),
        cuts in proptest::collection::vec(1..12_usize, 1..8),
        restarts in proptest::collection::vec(1..40_usize, 0..4),
    ) {
        check(&history, &cuts, &restarts);
    }

    #[test]
    fn tumbling_windows_follow_the_rules(
        history in history::any(Window::Tumbling { length_ms: 10_000 }, Shape::Mild),
        cuts in proptest::collection::vec(1..12_usize, 1..8),
        restarts in proptest::collection::vec(1..40_usize, 0..4),
    ) {
        check(&history, &cuts, &restarts);
    }

    #[test]
    fn sliding_windows_bear_wrong_clocks(
        history in history::any(Window::Sliding { length_ms: 10_000 }, Shape::Wild),
        cuts in proptest::collection::vec(1..12_usize, 1..8),
        restarts in proptest::collection::vec(1..40_usize, 0..4),
    ) {
        check(&history, &cuts, &restarts);
    }

    #[test]
    fn tumbling_windows_bear_wrong_clocks(
        history in history::any(Window::Tumbling { length_ms: 10_000 }, Shape::Wild),
        cuts in proptest::collection::vec(1..12_usize, 1..8),
        restarts in proptest::collection::vec(1..40_usize, 0..4),
    ) {
        check(&history, &cuts, &restarts);
    }
}

/// Each test draws this many histories; more with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(400)
}
