//! Two hundred seeds must be well, the same seed must mean the same history, and every planted bug must be found.
//!
//! A seed that fails is replayed by `cargo run -p hw-simulation -- --seed N`, with `--bug NAME` when one was planted.

use std::collections::BTreeMap;

use hw_simulation::{BUGS, Checked, Outcome, simulate};

const SEEDS: u64 = 200;

/// Seeds that a bug has to hide in.
const SEEDS_A_BUG: u64 = 150;

/// What has to happen somewhere, or the simulation tests less than it says: as the history tells it.
const HAPPENS: [&str; 17] = [
    "crashes at: produce",
    "crashes at: commit offsets",
    "crashes at: end transaction",
    "crashes at: after the end",
    "not known: Lost",
    "not known: Unanswered",
    "not known: Late",
    "a late commit of process",
    "was replaced: commit offsets",
    "was replaced: end transaction",
    "is refused for now",
    "dozes",
    "Assigned(",
    "Revoked(",
    "Lost(",
    "upheaval: Twin",
    "upheaval: Pause",
];

fn run(seed: u64) -> Outcome {
    simulate(seed, None).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"))
}

#[test]
fn two_hundred_seeds_are_well() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parts: Vec<(Checked, BTreeMap<&str, u64>)> = std::thread::scope(|scope| {
        let part = |first: usize| {
            scope.spawn(move || {
                let (mut sum, mut happened) = (Checked::default(), BTreeMap::new());
                for seed in (first as u64..SEEDS).step_by(threads) {
                    let outcome = run(seed);
                    assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}", outcome.violations);
                    sum += outcome.checked;
                    for what in HAPPENS {
                        let lines = outcome.history.iter().filter(|line| line.contains(what));
                        *happened.entry(what).or_default() += lines.count() as u64;
                    }
                }
                (sum, happened)
            })
        };
        let parts: Vec<_> = (0..threads).map(part).collect();
        parts
            .into_iter()
            .map(|part| part.join().expect("no violation"))
            .collect()
    });
    let mut sum = Checked::default();
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    for (checked, lines) in parts {
        sum += checked;
        for (what, count) in lines {
            *happened.entry(what).or_default() += count;
        }
    }
    println!("{sum}; {happened:?}");
    let never: Vec<_> = HAPPENS.iter().filter(|what| happened[**what] == 0).collect();
    assert!(never.is_empty(), "in no seed: {never:?}");
    assert!(
        sum.exact > 10 * sum.inexact,
        "too little was compared with the reference: {sum}"
    );
    assert!(sum.backtests > 0, "nothing was compared with a backtest");
    assert!(sum.refused > 0 && sum.marks > 0, "{sum}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [3, 17, 42, 1_000_003] {
        let (one, other) = (run(seed), run(seed));
        assert!(one.history.len() > 100, "seed {seed} is a short story");
        for (line, (one, other)) in one.history.iter().zip(&other.history).enumerate() {
            assert_eq!(one, other, "seed {seed}, line {line}");
        }
        assert_eq!(one.history.len(), other.history.len());
        assert_eq!(one.checked, other.checked);
    }
    assert_ne!(run(3).history, run(17).history);
}

#[test]
fn every_planted_bug_is_found() {
    for (name, bug) in BUGS {
        let finds = |seed: &u64| !simulate(*seed, Some(bug)).expect("a simulation").violations.is_empty();
        let found = (0..SEEDS_A_BUG).find(finds);
        println!("{name}: seed {found:?}");
        assert!(found.is_some(), "no seed of {SEEDS_A_BUG} finds {name}");
    }
}
