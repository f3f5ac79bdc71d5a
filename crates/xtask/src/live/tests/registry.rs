//! The schema registry: Confluent's serializer and deserializer have their ids from it.

use anyhow::{Result, ensure};

use super::super::findings::compare;
use super::super::foreign::{Schemas, Transaction};
use super::super::readings;
use super::super::stage::{Stage, World};
use super::foreign::load;

const READINGS: usize = 200;

/// A foreign producer registers its schema, and a foreign consumer finds it by the id in the values.
pub(super) fn gives_schemas_their_ids(stage: &Stage, world: &mut World) -> Result<()> {
    // First: where it cannot run, nothing else has to.
    let registry = world.registry()?.url();
    let foreign = stage.foreign(world.broker()?);
    let (topic, file) = (stage.named("readings"), stage.folder().join("readings.jsonl"));
    readings::write(&file, READINGS, 10)?;
    foreign.create_topic(&topic, 1, &[])?;
    let schemas = Schemas::Registry(registry);
    foreign
        .produce(&load(stage, &topic, &file, Transaction::None), &schemas)?
        .finish()?;
    compare(
        &readings::expected(&file, READINGS)?,
        &foreign.consume(&topic, &schemas)?,
    )?;

    let registry = world.registry()?;
    let subjects: Vec<String> = serde_json::from_str(&registry.get("/subjects")?)?;
    ensure!(subjects.contains(&format!("{topic}-value")), "{subjects:?}");
    let latest: serde_json::Value =
        serde_json::from_str(&registry.get(&format!("/subjects/{topic}-value/versions/latest"))?)?;
    let by_id: serde_json::Value = serde_json::from_str(&registry.get(&format!("/schemas/ids/{}", latest["id"]))?)?;
    stage.say(format_args!("{topic}-value has id {}", latest["id"]));
    ensure!(by_id["schema"] == latest["schema"], "{by_id} is not {latest}");
    Ok(())
}
