//! The topics of a pipeline: making those that are missing, refusing those that cannot be worked on.
//!
//! It looks at how topics are laid out, never into them.

use hw_graph::{Job, Pipeline};
use hw_log::{Log, TopicOptions};

use crate::EngineError;

/// Makes the topics that do not exist yet: sources first, for a sink has as many partitions as its job's source.
pub fn make_topics(pipeline: &Pipeline, log: &dyn Log, partitions: u32) -> Result<(), EngineError> {
    let existing = log.topics()?;
    let options_of = |topic: &str| {
        existing
            .iter()
            .find(|known| known.name == topic)
            .map(|known| known.options)
    };
    let ensure = |topic: &str, wanted: TopicOptions| -> Result<u32, EngineError> {
        match options_of(topic) {
            Some(options) => Ok(options.partitions),
            None => {
                log.create_topic(topic, &wanted)?;
                Ok(wanted.partitions)
            }
        }
    };
    for table in &pipeline.tables {
        ensure(&table.topic, TopicOptions::table(1))?;
    }
    let mut counts = vec![0; pipeline.streams.len()];
    for (index, stream) in pipeline.streams.iter().enumerate() {
        if pipeline.is_external(index) {
            counts[index] = ensure(&stream.topic, TopicOptions::stream(partitions))?;
        }
    }
    for index in pipeline.jobs_in_order() {
        let job = &pipeline.jobs[index];
        counts[job.sink] = ensure(
            &pipeline.streams[job.sink].topic,
            TopicOptions::stream(counts[job.source]),
        )?;
    }
    ensure(&pipeline.dead_letter_topic(), TopicOptions::stream(1))?;
    for job in &pipeline.jobs {
        check_source(pipeline, job, options_of(&pipeline.streams[job.source].topic))?;
    }
    Ok(())
}

fn check_source(pipeline: &Pipeline, job: &Job, options: Option<TopicOptions>) -> Result<(), EngineError> {
    let Some(options) = options else { return Ok(()) };
    let topic = &pipeline.streams[job.source].topic;
    if options.compacted {
        return Err(EngineError::Topics(format!(
            "topic {topic} is compacted: old readings vanish from it, so its windows cannot be rebuilt; \
             produce into a topic that is not compacted, or declare it as a table (without UNBOUNDED)"
        )));
    }
    let range_ms = replay_range_ms(pipeline, job);
    match options.retention_ms {
        Some(kept_ms) if job.window.is_some() && (kept_ms as i64) < range_ms => Err(EngineError::Topics(format!(
            "topic {topic} keeps {kept_ms} ms, but a restart replays {range_ms} ms (2 x remember + lateness); \
             raise its retention, or set a smaller 'remember'"
        ))),
        _ => Ok(()),
    }
}

/// How far back a restart reads: 2 x `remember` + `lateness`.
pub(crate) fn replay_range_ms(pipeline: &Pipeline, job: &Job) -> i64 {
    2 * job.remember_ms(pipeline) + pipeline.streams[job.source].timing.lateness_ms
}
