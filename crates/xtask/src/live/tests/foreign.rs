//! The foreign clients themselves: what one sends, the others see. Without this nothing else here would prove anything.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::super::findings::compare;
use super::super::foreign::{Load, Record, Schemas, Sent, Transaction};
use super::super::readings;
use super::super::stage::{Stage, World};

const READINGS: usize = 2_000;

/// Confluent's producer, Confluent's consumer and Kafka's console consumer agree on every record.
pub(super) fn clients_agree(stage: &Stage, world: &mut World) -> Result<()> {
    let foreign = stage.foreign(world.broker()?);
    let (topic, file) = (stage.named("readings"), stage.folder().join("readings.jsonl"));
    readings::write(&file, READINGS, 50)?;
    foreign.create_topic(&topic, 3, &[])?;
    let schemas = fixed(stage);
    let sent = foreign
        .produce(&load(stage, &topic, &file, Transaction::None), &schemas)?
        .finish()?;
    ensure!(sent == all(READINGS), "{sent:?}");

    let seen = foreign.consume(&topic, &schemas)?;
    compare(&readings::expected(&file, READINGS)?, &seen)?;
    stage.say(format_args!("{} records, as they were sent", seen.len()));

    let place = |record: &Record| (record.partition, record.offset, record.key.clone().unwrap_or_default());
    let mut ours: Vec<(u32, u64, String)> = seen.iter().map(place).collect();
    let mut consoles = foreign.console_consume(&topic)?;
    ours.sort_unstable();
    consoles.sort_unstable();
    ensure!(
        ours == consoles,
        "the console consumer saw other records: {} of {}",
        consoles.len(),
        ours.len()
    );
    ours.dedup_by_key(|(partition, ..)| *partition);
    ensure!(ours.len() == 3, "keys lie in {} of 3 partitions", ours.len());
    Ok(())
}

/// What a consumer prints is committed, also behind an aborted transaction, and of a partition's end nothing is missing.
pub(super) fn consumer_sees_committed_records_alone(stage: &Stage, world: &mut World) -> Result<()> {
    let foreign = stage.foreign(world.broker()?);
    let (topic, file) = (stage.named("readings"), stage.folder().join("readings.jsonl"));
    readings::write(&file, READINGS, 50)?;
    foreign.create_topic(&topic, 2, &[])?;
    let schemas = fixed(stage);
    for (transaction, committed) in [
        (Transaction::Aborted, 0),
        (Transaction::Committed, 1),
        (Transaction::Aborted, 1),
        (Transaction::None, 2),
    ] {
        let sent = foreign
            .produce(&load(stage, &topic, &file, transaction), &schemas)?
            .finish()?;
        ensure!(sent == all(READINGS), "{sent:?}");
        let seen = foreign.consume(&topic, &schemas)?.len();
        ensure!(
            seen == committed * READINGS,
            "{seen} records seen after {transaction:?}"
        );
    }
    // Twice the same readings, and the comparison must not take that for right.
    let expected = readings::expected(&file, READINGS)?;
    let difference = compare(&expected, &foreign.consume(&topic, &schemas)?);
    let difference = difference.err().context("doubled records went unnoticed")?.to_string();
    ensure!(difference.contains(&format!("{READINGS} are doubled")), "{difference}");
    Ok(())
}

/// Schema ids without a registry.
pub(super) fn fixed(stage: &Stage) -> Schemas {
    Schemas::Fixed(BTreeMap::from([(1, stage.kit().schema("reading"))]))
}

/// Readings from a file, at their own times.
pub(super) fn load<'a>(stage: &Stage, topic: &'a str, file: &'a std::path::Path, transaction: Transaction) -> Load<'a> {
    Load {
        topic,
        file,
        schema: stage.kit().schema("reading"),
        time: Some("time"),
        rate: None,
        transaction,
    }
}

/// Every record arrived.
pub(super) fn all(sent: usize) -> Sent {
    Sent {
        sent,
        acknowledged: sent,
        failed: 0,
    }
}
