//! What brokers are told: their properties, and how their folders are formatted.
//!
//! It starts nothing and touches no file.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use super::secured::Secured;

/// One node of a cluster.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Counted from 1.
    pub(super) id: u32,
    /// For clients without TLS, and for other brokers.
    pub(super) client_port: u16,
    controller_port: u16,
    /// The identity of its data folder, which all voters of a quorum name.
    directory_id: String,
    /// Where its properties and its data are.
    pub(super) folder: PathBuf,
}

impl Node {
    /// A node on these ports, for clients and for controllers.
    pub(super) fn new(id: u32, [client_port, controller_port]: [u16; 2], inside: &Path) -> Node {
        Node {
            id,
            client_port,
            controller_port,
            directory_id: uuid(),
            folder: inside.join(format!("node-{id}")),
        }
    }
}

/// What all nodes of a cluster share.
#[derive(Debug)]
pub(super) struct Format<'a> {
    cluster_id: String,
    /// `ID@HOST:PORT:DIRECTORY` of every controller.
    voters: String,
    controllers: String,
    replication: usize,
    secured: Option<&'a Secured>,
}

impl<'a> Format<'a> {
    pub(super) fn new(nodes: &[Node], secured: Option<&'a Secured>) -> Format<'a> {
        let each = |write: &dyn Fn(&Node) -> String| -> String {
            let all: Vec<String> = nodes.iter().map(write).collect();
            all.join(",")
        };
        Format {
            cluster_id: uuid(),
            voters: each(&|node| format!("{}@127.0.0.1:{}:{}", node.id, node.controller_port, node.directory_id)),
            controllers: each(&|node| format!("127.0.0.1:{}", node.controller_port)),
            replication: nodes.len(),
            secured,
        }
    }

    /// Arguments of the storage tool.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--cluster-id".to_owned(), self.cluster_id.clone()];
        arguments.extend(["--initial-controllers".to_owned(), self.voters.clone()]);
        if self.secured.is_some() {
            let accounts = Secured::accounts().into_iter();
            arguments.extend(accounts.flat_map(|account| ["--add-scram".to_owned(), account]));
        }
        arguments
    }

    /// The text of a node's `server.properties`.
    pub(super) fn properties(&self, node: &Node) -> String {
        let clients = match self.secured {
            Some(secured) => secured.listeners(),
            None => format!("PLAINTEXT://127.0.0.1:{}", node.client_port),
        };
        let listeners = format!("{clients},CONTROLLER://127.0.0.1:{}", node.controller_port);
        let replicas = self.replication;
        // One replica may be missing, two may not.
        let in_sync = replicas.div_ceil(2);
        let mut text = String::new();
        for (name, value) in [
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", node.id.to_string()),
            ("controller.quorum.bootstrap.servers", self.controllers.clone()),
            ("listeners", listeners.clone()),
            ("advertised.listeners", listeners),
            ("log.dirs", node.folder.join("data").display().to_string()),
            ("default.replication.factor", replicas.to_string()),
            ("min.insync.replicas", in_sync.to_string()),
            ("offsets.topic.replication.factor", replicas.to_string()),
            ("transaction.state.log.replication.factor", replicas.to_string()),
            ("transaction.state.log.min.isr", in_sync.to_string()),
            ("share.coordinator.state.topic.replication.factor", replicas.to_string()),
            ("share.coordinator.state.topic.min.isr", in_sync.to_string()),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}={value}");
        }
        text + FOR_ALL + &self.secured.map(Secured::properties).unwrap_or_default()
    }
}

/// What every broker is told alike.
const FOR_ALL: &str = "\
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,\
SASL_PLAINTEXT:SASL_PLAINTEXT,MTLS:SSL
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
# A topic is made by whoever means it.
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
# Readings keep the times at which they were measured, which may be long ago.
log.retention.hours=876000
# Files are created whole; tests have many small partitions.
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
# What is to be removed or compacted is looked for at once, and not minutes later.
log.initial.task.delay.ms=500
log.retention.check.interval.ms=1000
log.cleaner.backoff.ms=500
# Workers come one after the other: the first need not be waited for.
group.initial.rebalance.delay.ms=0
# Tests have sessions of seconds, the shortest that brokers allow by default is six.
group.min.session.timeout.ms=1000
# A dead broker is given up after 4 s instead of 9, a dead transaction within a second of its timeout instead of ten.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
";

/// A random identity as Kafka writes it: 16 bytes in URL-safe base64, and never a `-` first, which tools would take for an
/// option.
fn uuid() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let random = RandomState::new();
    let mut bits = (u128::from(random.hash_one(0)) << 64) | u128::from(random.hash_one(1));
    // The last of 22 letters holds the two bits that are left of 128: A, Q, g or w.
    let mut letters = vec![LETTERS[((bits & 3) << 4) as usize]];
    bits >>= 2;
    for _ in 0..21 {
        letters.push(LETTERS[(bits & 63) as usize]);
        bits >>= 6;
    }
    letters.reverse();
    if letters[0] == b'-' {
        letters[0] = b'A';
    }
    letters.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_of_three_bears_the_loss_of_one() {
        let nodes = [1, 2, 3].map(|id| Node::new(id, [id as u16 * 10, id as u16 * 100], Path::new("/data")));
        let format = Format::new(&nodes, None);
        let text = format.properties(&nodes[1]);
        for line in [
            "node.id=2",
            "listeners=PLAINTEXT://127.0.0.1:20,CONTROLLER://127.0.0.1:200",
            "controller.quorum.bootstrap.servers=127.0.0.1:100,127.0.0.1:200,127.0.0.1:300",
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "transaction.state.log.min.isr=2",
            "log.dirs=/data/node-2/data",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(format.arguments()[3].starts_with("1@127.0.0.1:100:"));
    }

    #[test]
    fn a_single_broker_needs_itself_only() {
        let node = Node::new(1, [10, 20], Path::new("/data"));
        let text = Format::new(std::slice::from_ref(&node), None).properties(&node);
        assert!(text.contains("\nmin.insync.replicas=1\n") && !text.contains("authorizer"));
    }

    #[test]
    fn identities_are_letters_that_kafka_takes() {
        for _ in 0..1_000 {
            let id = uuid();
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-') && "AQgw".contains(&id[21..]), "{id}");
        }
    }
}
