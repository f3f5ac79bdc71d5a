//! The oracle of a run on Kafka whose readings come in disorder: what the partitions hold and the marks that commits carried,
//! by the reference; against the findings and the dead letters that foreign consumers see.
//!
//! It runs nothing. The run is over when it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, ensure};

use super::commits::{self, Marks};
use super::dead_letters::{DeadLetter, Original};
use super::deployment::Deployment;
use super::findings::compare;
use super::foreign::Record;
use super::time_rules::{Expected, Rule};

/// The shipped rule, as its file is called.
const NAME: &str = "still_out_of_range";

/// How much a run has shown.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) readings: usize,
    pub(crate) findings: usize,
    pub(crate) late: usize,
    pub(crate) skewed: usize,
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown {
            readings,
            findings,
            late,
            skewed,
        } = self;
        write!(
            out,
            "{readings} readings: {findings} findings, {late} late, {skewed} far ahead"
        )
    }
}

/// The marks that the rule's commits have carried so far.
pub(crate) fn marks(deployment: &Deployment<'_>) -> Result<Marks> {
    let [group, topic] = [&format!("{NAME}-0"), "readings"].map(|name| deployment.on_cluster(name));
    commits::marks(&deployment.foreign.commits(&group, &topic)?)
}

/// Compares all that was ever answered with what had to be.
pub(crate) fn compare_with_rules(deployment: &Deployment<'_>, rule: Rule, baselines: &[Record]) -> Result<Shown> {
    let readings = deployment.consume("readings")?;
    let expected = rule.findings(&readings, baselines, &marks(deployment)?)?;
    compare(&expected.findings, &deployment.consume("findings")?)?;
    compare_dead_letters(deployment, &expected)?;
    Ok(Shown {
        readings: readings.len(),
        findings: expected.findings.len(),
        late: expected.late.len(),
        skewed: expected.skewed.len(),
    })
}

/// Every reading that was refused is a dead letter once, as it was.
fn compare_dead_letters(deployment: &Deployment<'_>, expected: &Expected) -> Result<()> {
    let mut originals: BTreeMap<(u32, u64), Original> = BTreeMap::new();
    for record in deployment.foreign.consume_raw(&deployment.on_cluster("readings"))? {
        originals.insert((record.partition, record.offset), Original::of(&record));
    }
    let letters = deployment.dead_letters(NAME)?;
    let with = |reason: &str| -> Vec<&DeadLetter> {
        let letters = letters.iter();
        letters.filter(|letter| letter.reason.starts_with(reason)).collect()
    };
    let (late, skewed) = (with("late:"), with("time: more than max_skew"));
    ensure!(
        late.len() + skewed.len() == letters.len(),
        "other dead letters: {letters:?}"
    );
    for (name, seen, expected) in [("late", late, &expected.late), ("far ahead", skewed, &expected.skewed)] {
        let places: BTreeSet<(u32, u64)> = seen.iter().map(|letter| letter.place()).collect();
        ensure!(
            places.len() == seen.len(),
            "dead letters that are {name} are there twice"
        );
        let missing: Vec<_> = expected.difference(&places).collect();
        let invented: Vec<_> = places.difference(expected).collect();
        ensure!(
            missing.is_empty() && invented.is_empty(),
            "dead letters that are {name}: missing {missing:?}, never expected {invented:?}"
        );
    }
    for letter in &letters {
        let same = originals.get(&letter.place()) == Some(&letter.original);
        ensure!(letter.topic == "readings" && same, "not the original: {letter:?}");
    }
    Ok(())
}
