//! The product on a broker with TLS and SASL: the whole way of readings and findings, and what it says to whom is not let in.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::super::cluster::{PASSWORD, Secured, Shape, USER};
use super::super::findings::{Row, compare};
use super::super::oracle;
use super::super::process::Ended;
use super::super::program::Program;
use super::super::stage::{Stage, World};
use super::oracle::as_records;
use super::sentences::says;

const PIPELINE: &str = "pipelines/still_out_of_range.sql";
/// Kafka's own settings, and as users may give them.
type Settings = Vec<(&'static str, String)>;

/// Once with a file of settings, once with the environment alone; and refused with a wrong password and by a wrong authority.
pub(super) fn findings_come_by_tls(stage: &Stage, world: &mut World) -> Result<()> {
    let cluster = world.cluster(Shape::Secured)?;
    let secured = cluster.secured()?;
    let people = People::simulate(stage)?;

    let file = stage.folder().join("kafka.properties");
    write(
        &file,
        settings(secured, "SCRAM-SHA-512", PASSWORD, &secured.authority()),
    )?;
    let by_file = Client {
        stage,
        kafka: file.display().to_string(),
        namespace: "file.",
        environment: Vec::new(),
    };
    people.are_found(&by_file)?;
    for (mechanism, namespace) in [("SCRAM-SHA-256", "scram256."), ("PLAIN", "plain.")] {
        let settings = settings(secured, mechanism, PASSWORD, &secured.authority());
        let by_environment = Client {
            stage,
            kafka: secured.bootstrap(),
            namespace,
            environment: settings.into_iter().map(as_variable).collect(),
        };
        people.are_found(&by_environment)?;
        stage.say(format_args!("{mechanism} by TLS, from the environment"));
    }

    write(
        &file,
        settings(secured, "SCRAM-SHA-512", "guessed", &secured.authority()),
    )?;
    let words = [
        "refused the login of anna by SCRAM-SHA-512",
        "check sasl.username, sasl.password",
    ];
    says(stage, by_file.try_to(&["run", PIPELINE])?, &words)?;
    write(&file, settings(secured, "SCRAM-SHA-512", PASSWORD, &secured.stranger()))?;
    says(
        stage,
        by_file.try_to(&["status"])?,
        &["certificate", "ssl.truststore.location"],
    )
}

/// What a client needs to be let in.
fn settings(secured: &Secured, mechanism: &str, password: &str, authority: &str) -> Settings {
    vec![
        ("bootstrap.servers", secured.bootstrap()),
        ("security.protocol", "SASL_SSL".to_owned()),
        ("sasl.mechanism", mechanism.to_owned()),
        ("sasl.username", USER.to_owned()),
        ("sasl.password", password.to_owned()),
        ("ssl.truststore.type", "PEM".to_owned()),
        ("ssl.truststore.location", authority.to_owned()),
    ]
}

fn write(file: &Path, settings: Settings) -> Result<()> {
    let lines: String = settings
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    std::fs::write(file, lines).with_context(|| format!("cannot write {}", file.display()))
}

/// `sasl.password` as `HEARTWATCH_KAFKA_SASL_PASSWORD`.
fn as_variable((name, value): (&str, String)) -> (String, String) {
    let variable = format!("HEARTWATCH_KAFKA_{}", name.to_uppercase().replace('.', "_"));
    (variable, value)
}

/// The program with one set of settings.
struct Client<'a> {
    stage: &'a Stage,
    kafka: String,
    namespace: &'static str,
    environment: Vec<(String, String)>,
}

impl Client<'_> {
    fn try_to(&self, arguments: &[&str]) -> Result<Ended> {
        let place = ["--kafka", &self.kafka, "--namespace", self.namespace];
        let environment = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<(&str, &str)> = environment.collect();
        let name = arguments.first().copied().unwrap_or_default();
        Program::start(self.stage, name, &[arguments, &place].concat(), &environment)?.end()
    }

    fn run(&self, arguments: &[&str]) -> Result<Ended> {
        self.try_to(arguments)?.succeeded()
    }
}

/// Simulated people, and who of them is to be found.
struct People {
    readings: String,
    baselines: String,
    expected: Vec<Row>,
}

impl People {
    fn simulate(stage: &Stage) -> Result<People> {
        let files = ["readings", "baselines"].map(|name| stage.folder().join(format!("{name}.jsonl")));
        let [readings, baselines] = [0, 1].map(|file: usize| files[file].display().to_string());
        let town = ["simulate", "--users", "100", "--for", "2m", "--seed", "9"];
        let out = ["--out", &readings, "--baselines", &baselines];
        Program::run(stage, "simulate", &[&town[..], &out].concat(), &[])?;
        let pipeline = stage.kit().root().join(PIPELINE);
        let expected = oracle::backtest(stage, &pipeline, &["lateness=1 hour"], &files[0], &files[1])?;
        ensure!(expected.len() > 100, "only {} findings to be seen", expected.len());
        Ok(People {
            readings,
            baselines,
            expected,
        })
    }

    /// The whole way, by commands alone.
    fn are_found(&self, client: &Client<'_>) -> Result<()> {
        client.run(&["setup", PIPELINE, "--partitions", "2"])?;
        client.run(&["produce", &self.baselines, "--topic", "baselines"])?;
        client.run(&["produce", &self.readings, "--topic", "readings"])?;
        // Nobody is late: it waits for longer than there are readings.
        client.run(&["run", PIPELINE, "--until-end", "--set", "lateness=1 hour"])?;
        let tail = client.run(&["tail", "findings", "--from-beginning", "--until-end"])?;
        compare(&self.expected, &as_records(&tail.out)?)?;
        let status = client.run(&["status"])?.out;
        for name in ["readings", "findings", "still_out_of_range-0"] {
            ensure!(status.contains(name), "the status does not show {name}:\n{status}");
        }
        Ok(())
    }
}
