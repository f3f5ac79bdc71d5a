//! `heartwatch setup`: the topics and schemas of a pipeline on a Kafka cluster, before anything runs.
//!
//! It may be called again: what is there and as the pipeline needs it stays as it is.

use std::time::Duration;

use clap::Args;
use hw_engine::{make_topics, outside_value, value_schema};
use hw_graph::Pipeline;
use hw_log::kafka::KafkaLog;
use hw_log::{Log, TopicOptions};

use crate::commands::produce::ensure_topic;
use crate::inputs::{PipelineArgs, duration, log_error, start_error};
use crate::mistake;
use crate::place::KafkaArgs;

/// Make the topics of a pipeline on a Kafka cluster, and register its schemas; what is there stays.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch setup pipelines/still_out_of_range.sql --kafka localhost:9092 --partitions 12\n\n\
Tables become compacted topics of one partition. Copies are the brokers' default, or `replication.factor` of the settings."
)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Partitions of streams that are made.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    partitions: u32,
    /// How long streams that are made keep their records, such as 7d; by default for ever.
    #[arg(long, value_parser = duration)]
    retention: Option<Duration>,
}

/// Makes what is missing and says what there is.
pub(crate) fn run(args: &SetupArgs) -> anyhow::Result<()> {
    let pipeline = args.pipeline.plan()?;
    let log = args.kafka.open()?;
    let topics = topics(&pipeline);
    let known: Vec<String> = log
        .topics()
        .map_err(log_error)?
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    let retention_ms = args.retention.map(|retention| retention.as_millis() as u64);
    for topic in topics.iter().filter(|topic| topic.kind == Kind::Stream) {
        let options = TopicOptions {
            retention_ms,
            ..TopicOptions::stream(args.partitions)
        };
        ensure_topic(log.as_ref(), &topic.name, options)?;
    }
    make_topics(&pipeline, log.as_ref(), args.partitions).map_err(start_error)?;
    register(&pipeline, &log)?;
    for topic in topics {
        let options = log.topic(&topic.name).map_err(log_error)?.options;
        let news = if known.contains(&topic.name) {
            "is there"
        } else {
            "made"
        };
        println!("{:<40} {news}: {options}", topic.name);
    }
    Ok(())
}

/// What a topic is to a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Table,
    DeadLetters,
}

/// A topic of a pipeline.
#[derive(Debug)]
pub(crate) struct PipelineTopic {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// All topics of a pipeline: sources, tables, sinks, dead letters.
pub(crate) fn topics(pipeline: &Pipeline) -> Vec<PipelineTopic> {
    let topic = |name: &str, kind| PipelineTopic {
        name: name.to_owned(),
        kind,
    };
    let tables = pipeline.tables.iter().map(|table| topic(&table.topic, Kind::Table));
    let streams = pipeline.streams.iter().map(|stream| topic(&stream.topic, Kind::Stream));
    let dead = topic(&pipeline.dead_letter_topic(), Kind::DeadLetters);
    tables.chain(streams).chain([dead]).collect()
}

/// The schemas of all streams; a foreign producer finds them under their subjects.
fn register(pipeline: &Pipeline, log: &KafkaLog) -> anyhow::Result<()> {
    for stream in &pipeline.streams {
        let schema = value_schema(&stream.record, &stream.columns, outside_value(stream)).map_err(mistake)?;
        log.register_schema(&format!("{}-value", stream.topic), &schema.to_json())
            .map_err(log_error)?;
    }
    Ok(())
}
