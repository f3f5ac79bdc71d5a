//! From partitions that were assigned to the tasks that work on them: each goes on from its last commit.
//!
//! It reads commits and the log's ranges, and refuses what cannot be gone on with; it processes nothing.

use std::sync::Arc;

use hw_log::{Commit, Log};

use crate::EngineError;
use crate::prepared::Prepared;
use crate::resume::Resume;
use crate::task::Task;
use crate::topics::replay_range_ms;
use crate::worker::PartitionTask;

/// Makes the tasks of a job for some partitions of its source.
///
/// # Errors
/// When a commit cannot be understood, or what has to be replayed is not in the log any more.
pub(crate) fn take_up(
    prepared: &Prepared,
    log: &Arc<dyn Log>,
    job: usize,
    partitions: &[u32],
) -> Result<Vec<PartitionTask>, EngineError> {
    let topic = &prepared.source(job).topic;
    let commits = log.committed(&prepared.group(job))?;
    let ranges = log.ranges(topic)?;
    let of_source: Vec<(Commit, Resume)> = commits
        .into_iter()
        .filter(|commit| commit.topic == *topic)
        .map(|commit| understand(&commit).map(|resume| (commit, resume)))
        .collect::<Result<_, _>>()?;
    if prepared.pipeline.jobs[job].window.is_some() {
        refuse_resized(&prepared.pipeline.name, topic, ranges.len(), &of_source)?;
    }
    let mut tasks = Vec::new();
    for partition in partitions {
        let Some(range) = ranges.get(*partition as usize) else {
            return Err(EngineError::Topics(format!(
                "partition {partition} of topic {topic} was assigned, but the topic has {}",
                ranges.len()
            )));
        };
        let place = of_source.iter().find(|(commit, _)| commit.partition == *partition);
        let task = resumed(prepared, log, job, place, range.start)?;
        tasks.push(PartitionTask::new(prepared, job, task, *partition, ranges.len() as u32));
    }
    Ok(tasks)
}

/// A task at the place of its last commit, or at the partition's beginning.
fn resumed(
    prepared: &Prepared,
    log: &Arc<dyn Log>,
    job: usize,
    place: Option<&(Commit, Resume)>,
    start: u64,
) -> Result<Task, EngineError> {
    let (pipeline, schemas) = (&prepared.pipeline, Box::new(Arc::clone(log)));
    let mut task = Task::for_topic(pipeline, job, &prepared.tables, schemas, prepared.sinks[job].schema_id)?;
    match place {
        None => task.start_at(start, start),
        Some((commit, resume)) if resume.fingerprint == task.fingerprint() => {
            refuse_lost(&pipeline.name, commit, resume, start)?;
            task.resume(commit.offset, resume, start);
        }
        Some((commit, resume)) => {
            let range_ms = replay_range_ms(pipeline, &pipeline.jobs[job]);
            let from = changed_from(&task, log.as_ref(), commit, resume, range_ms)?;
            refuse_forgotten(&pipeline.name, commit, from, start)?;
            task.start_changed(from, commit.offset);
        }
    }
    Ok(task)
}

fn understand(commit: &Commit) -> Result<Resume, EngineError> {
    Resume::from_bytes(&commit.metadata).map_err(|reason| EngineError::Metadata {
        topic: commit.topic.clone(),
        partition: commit.partition,
        reason,
    })
}

/// With another number of partitions keys lie elsewhere, and a window would miss what its key had before.
fn refuse_resized(name: &str, topic: &str, partitions: usize, commits: &[(Commit, Resume)]) -> Result<(), EngineError> {
    let is_other = |count: &u32| *count != 0 && *count as usize != partitions;
    match commits.iter().map(|(_, resume)| resume.partitions).find(is_other) {
        None => Ok(()),
        Some(before) => Err(EngineError::Topics(format!(
            "topic {topic} has {partitions} partitions, but had {before} when {name} last committed: keys lie in other \
             partitions now, and their windows cannot go on. Give the topic {before} partitions again, or run a copy of \
             the pipeline's file under another name, which begins at the beginning"
        ))),
    }
}

/// What retention has taken cannot be replayed, and going on without it would give other answers than before.
fn refuse_lost(name: &str, commit: &Commit, resume: &Resume, start: u64) -> Result<(), EngineError> {
    let first = resume.replay_from.min(commit.offset);
    if start <= first {
        return Ok(());
    }
    let (topic, partition) = (&commit.topic, commit.partition);
    Err(EngineError::Topics(format!(
        "topic {topic}, partition {partition} begins at offset {start}, but a restart of {name} reads again from {first}: \
         retention has removed what is needed to go on where the last commit was. Raise the topic's retention; to go on \
         with what is left, run a copy of the pipeline's file under another name, which begins at the beginning"
    )))
}

/// A changed plan has no use for the old plan's place: it reads again from as far back as it remembers itself.
fn changed_from(
    task: &Task,
    log: &dyn Log,
    commit: &Commit,
    resume: &Resume,
    range_ms: i64,
) -> Result<u64, EngineError> {
    match resume.clock_ms {
        Some(clock_ms) if task.has_window() => {
            let from_ms = clock_ms.saturating_sub(range_ms);
            let from = log.offset_at_time(&commit.topic, commit.partition, from_ms)?;
            Ok(from.min(commit.offset))
        }
        _ => Ok(commit.offset),
    }
}

/// A changed plan that would read from the first record that is left, though there were others before it, might miss some
/// that its windows hold.
fn refuse_forgotten(name: &str, commit: &Commit, from: u64, start: u64) -> Result<(), EngineError> {
    let is_whole = start == 0 || start < from || from == commit.offset && start == from;
    if is_whole {
        return Ok(());
    }
    let (topic, partition) = (&commit.topic, commit.partition);
    Err(EngineError::Topics(format!(
        "{name} has changed since its last commit, and its windows reach back to records that retention has removed: topic \
         {topic}, partition {partition} begins at offset {start}. Raise the topic's retention and wait, go back to the \
         pipeline as it was, or run it under another file's name, which begins at the beginning"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> Commit {
        Commit {
            group: "rule-0".into(),
            topic: "readings".into(),
            partition: 3,
            offset: 900,
            metadata: Vec::new(),
        }
    }

    #[test]
    fn a_start_without_what_must_be_replayed_is_refused() {
        let resume = Resume {
            witnesses_from: 480,
            replay_from: 500,
            ..Resume::default()
        };
        assert!(refuse_lost("rule", &commit(), &resume, 500).is_ok());
        let error = refuse_lost("rule", &commit(), &resume, 501)
            .expect_err("it is gone")
            .to_string();
        assert!(
            error.starts_with(
                "topic readings, partition 3 begins at offset 501, but a restart of rule reads again from 500"
            ),
            "{error}"
        );
    }

    /// It once went on with windows of which retention had taken a part.
    #[test]
    fn a_changed_plan_without_what_its_windows_reach_back_to_is_refused() {
        let refuse = |from, start| refuse_forgotten("rule", &commit(), from, start);
        assert!(refuse(0, 0).is_ok(), "nothing was ever removed");
        assert!(refuse(501, 500).is_ok(), "what was removed is older than that");
        assert!(refuse(900, 900).is_ok(), "nothing is to be read again");
        let error = refuse(500, 500).expect_err("it may be gone").to_string();
        assert!(
            error.starts_with("rule has changed since its last commit") && error.contains("begins at offset 500"),
            "{error}"
        );
        assert!(refuse(900, 901).is_err(), "even what comes next is gone");
    }

    #[test]
    fn another_number_of_partitions_is_refused() {
        let of = |partitions| {
            let resume = Resume {
                partitions,
                ..Resume::default()
            };
            refuse_resized("rule", "readings", 6, &[(commit(), resume)])
        };
        assert!(of(6).is_ok());
        assert!(of(0).is_ok(), "an early version did not write it down");
        let error = of(4).expect_err("keys have moved").to_string();
        assert!(
            error.starts_with("topic readings has 6 partitions, but had 4 when rule last committed"),
            "{error}"
        );
    }
}
