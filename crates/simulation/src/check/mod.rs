//! What must hold at the end of a simulation, however it went.
//!
//! Everything is read from the cluster as a stranger would read it: committed records and committed offsets. What they should
//! be, the reference says ([`expected()`]), which knows no engine.

mod expected;
mod seen;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::ops::AddAssign;

use hw_engine::Resume;
use hw_log::METADATA_BYTES_MAX;
use hw_reference::{Answer, Window};

use crate::cluster::Cluster;
use crate::workload::{BETWEEN, SINK, SOURCE, Workload};
use expected::{Expected, expected};
use seen::{Letter, Reading, answers, letters, readings};

/// What was looked at, for the summary.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Valid records of the windows' source.
    pub records: usize,
    /// Answers found.
    pub answers: usize,
    /// Refused records found.
    pub refused: usize,
    /// Records found that nobody can read, or that break a `CHECK`.
    pub poison: usize,
    /// Marks of idle partitions among the commits.
    pub marks: usize,
    /// Partitions compared with the reference.
    pub exact: usize,
    /// Partitions whose marks the commits do not fully tell, so that only the accounts were checked.
    pub inexact: usize,
    /// Runs compared with a backtest as well: nothing was refused and no window cut.
    pub backtests: usize,
}

impl AddAssign for Checked {
    fn add_assign(&mut self, other: Checked) {
        self.records += other.records;
        self.answers += other.answers;
        self.refused += other.refused;
        self.poison += other.poison;
        self.marks += other.marks;
        self.exact += other.exact;
        self.inexact += other.inexact;
        self.backtests += other.backtests;
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked {
            records,
            answers,
            refused,
            poison,
            marks,
            exact,
            inexact,
            backtests,
        } = self;
        write!(
            f,
            "{records} records, {answers} answers, {refused} refused, {poison} poison, {marks} marks; {exact} partitions are as the reference says, \
             of {inexact} only the accounts were checked; {backtests} runs are as a backtest says"
        )
    }
}

/// Compares everything that came out; adds what is wrong to `violations`.
pub(crate) fn check(cluster: &Cluster, workload: &Workload, violations: &mut Vec<String>) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    check_offsets(cluster, violations);
    let mut wanted_letters = Vec::new();
    let mut all: Vec<(Vec<Reading>, Vec<Answer>)> = Vec::new();
    let (mut is_like_batch, source) = (true, workload.windowed());
    for partition in 0..workload.partitions {
        let (valid, poison) = readings(cluster, SOURCE, partition)?;
        checked.poison += poison.len();
        wanted_letters.extend(poison.iter().map(|offset| Letter::other(SOURCE, partition, *offset)));
        let windowed = if workload.is_chained {
            let (clean, _) = readings(cluster, BETWEEN, partition)?;
            check_clean(partition, &valid, &clean, violations);
            clean
        } else {
            valid
        };
        let wanted = expected(cluster, workload, partition, &windowed);
        let got = answers(cluster, SINK, partition)?;
        let mine: Vec<Letter> = letters(cluster)?
            .into_iter()
            .filter(|letter| letter.is_of(source, partition))
            .collect();
        let refusals = mine.iter().filter(|letter| letter.is_refusal()).count();
        checked.records += windowed.len();
        checked.answers += got.len();
        checked.refused += refusals;
        checked.marks += wanted.marks;
        is_like_batch &= refusals == 0 && !wanted.may_be_cut;
        if wanted.is_exact {
            checked.exact += 1;
            let what = format!("answers of partition {partition}");
            compare(&what, &wanted.answers, &got, violations);
            wanted_letters.extend(wanted.letters(source, partition));
        } else {
            checked.inexact += 1;
            wanted_letters.extend(mine.into_iter().filter(Letter::is_refusal));
        }
        if !wanted.may_be_cut || matches!(workload.window, Window::Sliding { .. }) {
            check_accounts(workload, partition, &windowed, (&got, &letters(cluster)?), violations);
        }
        all.push((windowed, got));
    }
    compare("dead letters", &wanted_letters, &letters(cluster)?, violations);
    if is_like_batch {
        checked.backtests = 1;
        expected::compare_with_backtest(workload, &all, violations)?;
    }
    Ok(checked)
}

/// A group's offset never goes back, and its metadata is what Kafka takes.
fn check_offsets(cluster: &Cluster, violations: &mut Vec<String>) {
    let mut last: BTreeMap<(&str, &str, u32), u64> = BTreeMap::new();
    for (_, commit) in &cluster.offsets.history {
        let place = (commit.group.as_str(), commit.topic.as_str(), commit.partition);
        let before = last.insert(place, commit.offset).unwrap_or(0);
        if commit.offset < before {
            violations.push(format!(
                "the offset of {place:?} went back from {before} to {}",
                commit.offset
            ));
        }
        if commit.metadata.len() > METADATA_BYTES_MAX || Resume::from_bytes(&commit.metadata).is_err() {
            violations.push(format!("the metadata of {place:?} at {} is impossible", commit.offset));
        }
    }
}

/// A job without a window keeps order and loses nothing.
fn check_clean(partition: u32, valid: &[Reading], clean: &[Reading], violations: &mut Vec<String>) {
    let content = |reading: &Reading| (reading.key, reading.time_ms, reading.value);
    let wanted: Vec<_> = valid.iter().filter(|reading| reading.value >= 0).map(content).collect();
    let got: Vec<_> = clean.iter().map(content).collect();
    if wanted != got {
        violations.push(format!(
            "{BETWEEN}/{partition} has {} records in another order or number than the {} of its source",
            got.len(),
            wanted.len()
        ));
        compare(&format!("records of {BETWEEN}/{partition}"), &wanted, &got, violations);
    }
}

/// Every record is answered once or refused once, whatever the marks were: by itself in a sliding window, by its window in a
/// tumbling one, if no window was cut.
fn check_accounts(
    workload: &Workload,
    partition: u32,
    readings: &[Reading],
    (answers, letters): (&[Answer], &[Letter]),
    violations: &mut Vec<String>,
) {
    let source = workload.windowed();
    let is_refused = |reading: &Reading| {
        let mut mine = letters.iter().filter(|letter| letter.is_of(source, partition));
        mine.any(|letter| letter.offset == reading.offset)
    };
    let counts = |reading: &&Reading| reading.value >= 0 && workload.knows(reading.key) && !is_refused(reading);
    let accepted = readings.iter().filter(counts);
    let answered_at_ms = |time_ms: i64| match workload.window {
        Window::Sliding { .. } => time_ms,
        Window::Tumbling { length_ms } => time_ms - time_ms.rem_euclid(length_ms),
    };
    let wanted: Vec<(u32, i64)> = accepted
        .map(|reading| (reading.key, answered_at_ms(reading.time_ms)))
        .collect();
    let records_of = |answer: &Answer| match workload.window {
        Window::Sliding { .. } => 1,
        Window::Tumbling { .. } => answer.count as usize,
    };
    let got: Vec<(u32, i64)> = answers
        .iter()
        .flat_map(|answer| std::iter::repeat_n((answer.key, answer.time_ms), records_of(answer)))
        .collect();
    compare(&format!("accounts of partition {partition}"), &wanted, &got, violations);
}

/// Two multisets; what is in one alone is a violation each.
fn compare<T: Ord + Clone + Debug>(what: &str, wanted: &[T], got: &[T], violations: &mut Vec<String>) {
    let mut balance: BTreeMap<&T, i64> = BTreeMap::new();
    wanted.iter().for_each(|one| *balance.entry(one).or_default() += 1);
    got.iter().for_each(|one| *balance.entry(one).or_default() -= 1);
    for (one, left) in balance.into_iter().filter(|(_, left)| *left != 0) {
        let how = if left > 0 { "missing" } else { "too many" };
        violations.push(format!("{what}: {how} ({}): {one:?}", left.abs()));
    }
}

impl Expected {
    /// What has to be among the dead letters of a partition.
    fn letters(&self, topic: &str, partition: u32) -> impl Iterator<Item = Letter> {
        let place = (topic.to_owned(), partition);
        self.refused
            .iter()
            .map(move |(offset, refused)| Letter::refused(&place.0, place.1, *offset, *refused))
    }
}
