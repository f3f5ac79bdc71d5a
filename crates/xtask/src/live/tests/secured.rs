//! A broker with TLS and SASL: it lets in who knows the password and trusts its authority, and nobody else.

use anyhow::{Result, ensure};

use super::super::cluster::{MECHANISMS, PASSWORD, Shape, USER};
use super::super::findings::compare;
use super::super::foreign::{Foreign, Transaction};
use super::super::readings;
use super::super::stage::{Stage, World};
use super::foreign::{fixed, load};

const READINGS: usize = 200;

/// Confluent's client by all three mechanisms, and refused with a wrong password and by a wrong authority.
pub(super) fn broker_lets_its_friends_in(stage: &Stage, world: &mut World) -> Result<()> {
    let cluster = world.cluster(Shape::Secured)?;
    let secured = cluster.secured()?;
    let (authority, stranger) = (secured.authority(), secured.stranger());
    let client = |mechanism: &str, password: &str, authority: &str| {
        Foreign::new(stage.kit(), &secured.bootstrap(), stage.logs()).with(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", mechanism),
            ("sasl.username", USER),
            ("sasl.password", password),
            ("ssl.ca.location", authority),
        ])
    };
    let file = stage.folder().join("readings.jsonl");
    readings::write(&file, READINGS, 10)?;
    for mechanism in MECHANISMS {
        let friend = client(mechanism, PASSWORD, &authority);
        let topic = stage.named(&mechanism.to_lowercase());
        friend.create_topic(&topic, 1, &[])?;
        friend
            .produce(&load(stage, &topic, &file, Transaction::None), &fixed(stage))?
            .finish()?;
        compare(
            &readings::expected(&file, READINGS)?,
            &friend.consume(&topic, &fixed(stage))?,
        )?;
        stage.say(format_args!("{mechanism} by TLS: {READINGS} records there and back"));
    }
    client("PLAIN", PASSWORD, &authority).reach()?;
    for (wrong, client) in [
        ("password", client("SCRAM-SHA-512", "guessed", &authority)),
        ("authority", client("SCRAM-SHA-512", PASSWORD, &stranger)),
    ] {
        ensure!(client.reach().is_err(), "a wrong {wrong} was good enough");
    }
    Ok(())
}
