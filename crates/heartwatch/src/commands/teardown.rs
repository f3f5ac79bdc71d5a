//! `heartwatch teardown`: removes what `setup` and a pipeline made on a Kafka cluster.

use clap::Args;
use hw_log::Log;

use crate::commands::setup::topics;
use crate::inputs::{PipelineArgs, log_error};
use crate::mistake;
use crate::place::KafkaArgs;

/// Delete the topics of a pipeline on a Kafka cluster, with all that is in them.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch teardown pipelines/still_out_of_range.sql --kafka localhost:9092 --namespace test1. --yes\n\n\
Without --yes it only says what would go. The brokers forget the positions in a topic with the topic."
)]
pub(crate) struct TeardownArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Really do it.
    #[arg(long)]
    yes: bool,
}

/// Deletes the topics that are there, or says which.
pub(crate) fn run(args: &TeardownArgs) -> anyhow::Result<()> {
    let pipeline = args.pipeline.plan()?;
    let log = args.kafka.open()?;
    let known: Vec<String> = log
        .topics()
        .map_err(log_error)?
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    let there: Vec<String> = topics(&pipeline)
        .into_iter()
        .map(|topic| topic.name)
        .filter(|topic| known.contains(topic))
        .collect();
    if !args.yes && !there.is_empty() {
        return Err(mistake(format!(
            "these topics would go, with all that is in them: {}; say --yes to delete them",
            there.join(", ")
        )));
    }
    for topic in &there {
        log.delete_topic(topic).map_err(log_error)?;
        println!("{topic:<40} deleted");
    }
    if there.is_empty() {
        println!("there is nothing of {} to delete", pipeline.name);
    }
    Ok(())
}
