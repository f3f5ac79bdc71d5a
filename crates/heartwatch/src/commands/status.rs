//! `heartwatch status`: how a Kafka cluster and the pipelines on it are.
//!
//! It judges nothing but whether copies are missing; it changes nothing.

use std::io::Write;

use clap::Args;
use hw_engine::{Clock, Resume, SystemClock};
use hw_log::Log;
use hw_log::kafka::{ClusterStatus, GroupStatus, KafkaLog, TopicStatus};
use serde::Serialize;

use crate::inputs::log_error;
use crate::place::KafkaArgs;

/// Show brokers, topics with sizes, and for every group its members, lag and clock by partition.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heartwatch status --kafka localhost:9092\n\n\
The clock of a partition is the event time that its pipeline has reached; its age is how long ago that was.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Status {
    cluster: Option<String>,
    brokers: Vec<Broker>,
    topics: Vec<Topic>,
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Broker {
    id: i32,
    address: String,
    rack: Option<String>,
    partitions_led: usize,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    partitions: usize,
    copies: usize,
    /// On the leaders' disks; null when a broker did not say.
    bytes: Option<u64>,
    partitions_without_leader: usize,
    partitions_with_missing_copies: usize,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    state: String,
    members: Vec<Member>,
    positions: Vec<Position>,
}

#[derive(Debug, Serialize)]
struct Member {
    id: String,
    instance: Option<String>,
    client: String,
    host: String,
    partitions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Position {
    topic: String,
    partition: u32,
    committed: u64,
    end: Option<u64>,
    lag: Option<u64>,
    clock_ms: Option<i64>,
    clock_age_ms: Option<i64>,
}

/// Asks the cluster and prints.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let log = args.kafka.open()?;
    let status = look(&log)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &status)?;
        writeln!(out)?;
        return Ok(());
    }
    Ok(print(&status, &mut out)?)
}

fn look(log: &KafkaLog) -> anyhow::Result<Status> {
    let cluster = log.status().map_err(log_error)?;
    let groups = log.groups().map_err(log_error)?;
    let groups = groups.iter().map(|name| look_at_group(log, name));
    Ok(Status {
        brokers: brokers(&cluster),
        topics: cluster.topics.iter().map(topic).collect(),
        groups: groups.collect::<anyhow::Result<_>>()?,
        cluster: cluster.id,
    })
}

fn brokers(cluster: &ClusterStatus) -> Vec<Broker> {
    let leaders = || cluster.topics.iter().flat_map(|topic| &topic.partitions);
    let broker = |broker: &hw_log::kafka::BrokerStatus| Broker {
        id: broker.id,
        address: broker.address.to_string(),
        rack: broker.rack.clone(),
        partitions_led: leaders()
            .filter(|partition| partition.leader == Some(broker.id))
            .count(),
    };
    cluster.brokers.iter().map(broker).collect()
}

fn topic(topic: &TopicStatus) -> Topic {
    let partitions = &topic.partitions;
    let count = |holds: fn(&hw_log::kafka::PartitionStatus) -> bool| {
        partitions.iter().filter(|partition| holds(partition)).count()
    };
    Topic {
        name: topic.name.clone(),
        partitions: partitions.len(),
        copies: partitions
            .iter()
            .map(|partition| partition.replicas.len())
            .max()
            .unwrap_or(0),
        bytes: partitions.iter().map(|partition| partition.bytes).sum(),
        partitions_without_leader: count(|partition| partition.leader.is_none()),
        partitions_with_missing_copies: count(|partition| partition.in_sync.len() < partition.replicas.len()),
    }
}

fn look_at_group(log: &KafkaLog, name: &str) -> anyhow::Result<Group> {
    let status = log.group(name).map_err(log_error)?;
    let commits = log.committed(name).map_err(log_error)?;
    let now_ms = SystemClock.now_ms();
    let positions = status.lags.iter().map(|lag| {
        let commit = commits
            .iter()
            .find(|commit| commit.topic == lag.topic && commit.partition == lag.partition);
        // A group that is no pipeline's has no clock.
        let resume = commit.and_then(|commit| Resume::from_bytes(&commit.metadata).ok());
        let clock_ms = resume.and_then(|resume| resume.clock_ms);
        Position {
            topic: lag.topic.clone(),
            partition: lag.partition,
            committed: lag.committed,
            end: lag.end,
            lag: lag.records(),
            clock_ms,
            clock_age_ms: clock_ms.map(|clock_ms| now_ms.saturating_sub(clock_ms)),
        }
    });
    Ok(Group {
        name: name.to_owned(),
        positions: positions.collect(),
        members: members(&status),
        state: status.state,
    })
}

fn members(group: &GroupStatus) -> Vec<Member> {
    let members = group.members.iter().map(|member| Member {
        id: member.id.clone(),
        instance: member.instance.clone(),
        client: member.client.clone(),
        host: member.host.clone(),
        partitions: member
            .partitions
            .iter()
            .flat_map(|(topic, numbers)| numbers.iter().map(move |number| format!("{topic}/{number}")))
            .collect(),
    });
    members.collect()
}

fn print(status: &Status, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "cluster {}", status.cluster.as_deref().unwrap_or("without an id"))?;
    writeln!(
        out,
        "\n{:<8} {:<28} {:<12} {:>14}",
        "broker", "address", "rack", "leads"
    )?;
    for broker in &status.brokers {
        let rack = broker.rack.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{:<8} {:<28} {rack:<12} {:>14}",
            broker.id, broker.address, broker.partitions_led
        )?;
    }
    writeln!(
        out,
        "\n{:<40} {:>10} {:>6} {:>12}",
        "topic", "partitions", "copies", "size"
    )?;
    for topic in &status.topics {
        writeln!(
            out,
            "{:<40} {:>10} {:>6} {:>12}{}",
            topic.name,
            topic.partitions,
            topic.copies,
            size(topic.bytes),
            trouble(topic)
        )?;
    }
    status.groups.iter().try_for_each(|group| print_group(group, out))
}

fn print_group(group: &Group, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\ngroup {} ({}, {} workers)",
        group.name,
        group.state,
        group.members.len()
    )?;
    for member in &group.members {
        let name = member.instance.as_ref().unwrap_or(&member.id);
        writeln!(out, "  {name} at {}: {}", member.host, member.partitions.join(", "))?;
    }
    writeln!(
        out,
        "  {:<40} {:>14} {:>10} {:>14}",
        "partition", "committed", "lag", "clock age"
    )?;
    for position in &group.positions {
        let place = format!("{}/{}", position.topic, position.partition);
        let lag = position.lag.map_or("-".into(), |lag| lag.to_string());
        let age = position.clock_age_ms.map_or("-".into(), age);
        writeln!(out, "  {place:<40} {:>14} {lag:>10} {age:>14}", position.committed)?;
    }
    Ok(())
}

fn trouble(topic: &Topic) -> String {
    match (topic.partitions_without_leader, topic.partitions_with_missing_copies) {
        (0, 0) => String::new(),
        (0, missing) => format!("  {missing} partitions lack a copy"),
        (without, _) => format!("  {without} partitions have no leader and cannot be used"),
    }
}

fn size(bytes: Option<u64>) -> String {
    match bytes {
        None => "-".into(),
        Some(bytes) if bytes < 10_000 => format!("{bytes} B"),
        Some(bytes) if bytes < 10_000_000 => format!("{} kB", bytes / 1_000),
        Some(bytes) => format!("{} MB", bytes / 1_000_000),
    }
}

fn age(age_ms: i64) -> String {
    let seconds = age_ms as f64 / 1e3;
    if age_ms < 1_000 {
        format!("{age_ms} ms")
    } else if seconds < 600.0 {
        format!("{seconds:.1} s")
    } else if seconds < 172_800.0 {
        format!("{:.1} h", seconds / 3_600.0)
    } else {
        format!("{:.0} days", seconds / 86_400.0)
    }
}
