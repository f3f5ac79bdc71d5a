//! What the answers should be: the reference over a partition's records and the marks that were committed.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use hw_engine::{Resume, group};
use hw_reference::{Answer, Reference, Refused, Window};

use super::compare;
use super::seen::Reading;
use crate::cluster::Cluster;
use crate::workload::Workload;

/// What a partition should have given.
pub(super) struct Expected {
    pub(super) answers: Vec<Answer>,
    /// Offset and reason.
    pub(super) refused: Vec<(u64, Refused)>,
    /// How many marks the commits tell.
    pub(super) marks: usize,
    /// Whether the commits tell every mark that can have been made.
    pub(super) is_exact: bool,
    /// Whether a window may reach over rows that do not know each other.
    pub(super) may_be_cut: bool,
}

/// Offset and clock of every mark of a partition.
struct Marks {
    marks: BTreeSet<(u64, i64)>,
    is_complete: bool,
}

pub(super) fn expected(cluster: &Cluster, workload: &Workload, partition: u32, readings: &[Reading]) -> Expected {
    let told = marks(cluster, workload, partition);
    let mut reference = Reference::new(workload.rules, workload.window);
    let mut marks = told.marks.iter().peekable();
    let mut arrived: Vec<(Reading, i64)> = Vec::new();
    for reading in readings {
        while let Some((_, clock_ms)) = marks.next_if(|(offset, _)| *offset <= reading.offset) {
            reference.mark(*clock_ms);
        }
        reference.record(reading.key, reading.time_ms, reading.value, reading.value >= 0);
        arrived.push((*reading, reference.clock_ms().unwrap_or(i64::MIN)));
    }
    for (_, clock_ms) in marks {
        reference.mark(*clock_ms);
    }
    let answers = reference.take();
    // The reference numbers the records it was shown.
    let offset = |index: u64| readings.get(index as usize).map_or(u64::MAX, |reading| reading.offset);
    Expected {
        answers: answers
            .rows
            .into_iter()
            .filter(|answer| workload.knows(answer.key))
            .collect(),
        refused: answers
            .refused
            .into_iter()
            .map(|(index, why)| (offset(index), why))
            .collect(),
        marks: told.marks.len(),
        is_exact: told.is_complete,
        may_be_cut: may_be_cut(workload, &arrived),
    }
}

/// Whether two rows that may share a window arrived too far apart to know each other.
fn may_be_cut(workload: &Workload, arrived: &[(Reading, i64)]) -> bool {
    let (Window::Sliding { length_ms } | Window::Tumbling { length_ms }) = workload.window;
    arrived.iter().enumerate().any(|(index, (one, one_ms))| {
        arrived[index + 1..].iter().any(|(other, other_ms)| {
            one.key == other.key
                && (one.time_ms - other.time_ms).abs() <= length_ms
                && (one_ms - other_ms).abs() > workload.rules.remember_ms
        })
    })
}

/// The marks that commits carry. A commit leaves out those before the place where its replay begins; when that place lies
/// beyond the commit before, and somebody was told that the partition ends between the two, a mark may never have been told.
fn marks(cluster: &Cluster, workload: &Workload, partition: u32) -> Marks {
    let job = workload.pipeline.jobs.len() - 1;
    let (group, topic) = (group(&workload.pipeline, job), workload.windowed());
    let mut told = Marks {
        marks: BTreeSet::new(),
        is_complete: true,
    };
    let place = (topic.to_owned(), partition);
    let mut committed = 0;
    let of_partition = cluster.offsets.history.iter().map(|(_, commit)| commit);
    for commit in of_partition
        .filter(|commit| (&commit.group, commit.topic.as_str(), commit.partition) == (&group, topic, partition))
    {
        let Ok(resume) = Resume::from_bytes(&commit.metadata) else {
            told.is_complete = false;
            continue;
        };
        // Without a clock there are no marks.
        let has_marked = resume.clock_ms.is_some() && cluster.has_told_end(&place, committed..resume.replay_from);
        told.is_complete &= !has_marked;
        committed = commit.offset;
        told.marks
            .extend(resume.marks.iter().map(|mark| (mark.offset, mark.clock_ms)));
    }
    told
}

/// When nothing was refused and no window cut, live is batch.
pub(super) fn compare_with_backtest(
    workload: &Workload,
    partitions: &[(Vec<Reading>, Vec<Answer>)],
    violations: &mut Vec<String>,
) -> anyhow::Result<()> {
    let pipeline = &workload.pipeline;
    let readings: Vec<&Reading> = partitions.iter().flat_map(|(readings, _)| readings).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            readings.iter().map(|reading| reading.key.to_string()),
        )),
        Arc::new(TimestampMillisecondArray::from_iter_values(
            readings.iter().map(|reading| reading.time_ms),
        )),
        Arc::new(Int32Array::from_iter_values(
            readings.iter().map(|reading| reading.value as i32),
        )),
    ];
    let rows = RecordBatch::try_new(pipeline.streams[0].columns.clone(), columns)?;
    let mut tables = Vec::new();
    if workload.is_joined {
        let known: Vec<u32> = (0..workload.partitions * 10)
            .filter(|key| workload.knows(*key))
            .collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(known.iter().map(u32::to_string))),
            Arc::new(Int32Array::from_iter_values(known.iter().map(|key| *key as i32))),
        ];
        tables.push(vec![RecordBatch::try_new(pipeline.tables[0].columns.clone(), columns)?]);
    }
    let told = hw_engine::backtest(pipeline, vec![vec![rows]], &tables)?;
    let sink = pipeline.jobs[pipeline.jobs.len() - 1].sink;
    let wanted: Vec<Answer> = told.streams[sink].iter().flat_map(answers_of).collect();
    let got: Vec<Answer> = partitions.iter().flat_map(|(_, answers)| answers).copied().collect();
    compare("a backtest's answers", &wanted, &got, violations);
    Ok(())
}

fn answers_of(batch: &RecordBatch) -> Vec<Answer> {
    let keys = batch.column(0).as_string::<i32>();
    let times = batch.column(1).as_primitive::<TimestampMillisecondType>();
    let (counts, sums) = (
        batch.column(2).as_primitive::<Int64Type>(),
        batch.column(3).as_primitive::<Int64Type>(),
    );
    let answer = |row| Answer {
        key: keys.value(row).parse().unwrap_or(u32::MAX),
        time_ms: times.value(row),
        count: counts.value(row),
        sum: sums.value(row),
    };
    (0..batch.num_rows()).map(answer).collect()
}
