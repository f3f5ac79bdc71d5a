//! Two hundred seeds must be well, the same seed must mean the same history, and every planted bug must be found.
//!
//! A seed that fails is replayed by `cargo run -p hw-simulation -- --seed N`, with `--bug NAME` when one was planted.

use std::collections::BTreeMap;

use hw_simulation::{BUGS, Checked, Outcome, simulate};

const SEEDS: u64 = 200;

/// Seeds that a bug has to hide in.
const SEEDS_A_BUG: u64 = 400;

/// The steps at each of which a process has to crash in some seed.
const STEPS: [&str; 17] = [
    "topics",
    "create topic",
    "topic",
    "register schema",
    "schema",
    "ranges",
    "poll",
    "released",
    "committed",
    "mark",
    "read",
    "append",
    "init producer",
    "produce",
    "commit offsets",
    "end transaction",
    "after the end",
];

/// What else has to happen somewhere, or the simulation tests less than it says: as the history tells it.
const HAPPENS: [&str; 21] = [
    // Lost and late replies, of every kind whose loss leaves something unknown.
    "not known: Lost",
    "not known: Unanswered",
    "not known: Late",
    "a late commit of process",
    "is refused for now",
    // Fetches.
    "on comes again",
    "on comes after a later one",
    // Rebalances, and zombies that go on after one.
    "Assigned(",
    "Revoked(",
    "Lost(",
    "a rebalance in the middle of its commit",
    "dozes",
    "was replaced: commit offsets",
    "was replaced: end transaction",
    "upheaval: Kill",
    "upheaval: Stop",
    "upheaval: Pause",
    "upheaval: Twin",
    "upheaval: Forget",
    "upheaval: Silence",
    "upheaval: Set",
];

/// What some seeds came to, together.
#[derive(Default)]
struct Sum {
    checked: Checked,
    happened: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.checked += outcome.checked;
        for line in &outcome.history {
            let kinds = HAPPENS.iter().filter(|kind| line.contains(**kind));
            let kinds = kinds.map(|kind| (*kind).to_owned());
            let crash = line
                .split_once("crashes at: ")
                .map(|(_, step)| format!("crashes at: {step}"));
            for kind in kinds.chain(crash) {
                *self.happened.entry(kind).or_default() += 1;
            }
        }
    }

    fn merge(mut self, other: Sum) -> Sum {
        self.checked += other.checked;
        for (kind, count) in other.happened {
            *self.happened.entry(kind).or_default() += count;
        }
        self
    }

    fn assert_that_all_happened(&self) {
        let steps = STEPS.iter().map(|step| format!("crashes at: {step}"));
        let kinds = HAPPENS.iter().map(|kind| (*kind).to_owned());
        let never: Vec<String> = steps
            .chain(kinds)
            .filter(|kind| !self.happened.contains_key(kind))
            .collect();
        assert!(never.is_empty(), "in no seed: {never:?}");
    }
}

fn run(seed: u64) -> Outcome {
    simulate(seed, None).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"))
}

/// Runs something for every seed, on all processors; gives what each thread made of its seeds.
fn on_all_threads<T: Send>(seeds: u64, work: impl Fn(&mut dyn Iterator<Item = u64>) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let begin = |first: usize| {
            scope.spawn({
                let work = &work;
                move || work(&mut (first as u64..seeds).step_by(threads))
            })
        };
        let begun: Vec<_> = (0..threads).map(begin).collect();
        begun
            .into_iter()
            .map(|part| part.join().expect("no violation"))
            .collect()
    })
}

#[test]
fn two_hundred_seeds_are_well() {
    let parts = on_all_threads(SEEDS, |seeds| {
        let mut sum = Sum::default();
        for seed in seeds {
            let outcome = run(seed);
            assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}", outcome.violations);
            sum.add(&outcome);
        }
        sum
    });
    let sum = parts.into_iter().fold(Sum::default(), Sum::merge);
    let checked = sum.checked;
    println!("{checked}; {:?}", sum.happened);
    sum.assert_that_all_happened();
    assert!(
        checked.exact > 8 * checked.inexact,
        "too little was compared with the reference: {checked}"
    );
    assert!(checked.backtests > 0, "nothing was compared with a backtest");
    let (disorder, poison, idle) = (checked.refused, checked.poison, checked.marks);
    assert!(disorder > 0 && poison > 0 && idle > 0, "{checked}");
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
