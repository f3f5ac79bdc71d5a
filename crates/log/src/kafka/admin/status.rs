//! How a cluster is: its brokers, who leads and holds what, and how much there is.
//!
//! It judges nothing: whoever shows it decides what is alarming.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{BrokerId, DescribeLogDirsRequest, MetadataResponse};

use super::unsigned;
use crate::kafka::address::Address;
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The cluster's own id.
    pub id: Option<String>,
    /// The brokers that are there, by id.
    pub brokers: Vec<BrokerStatus>,
    /// The topics of the namespace, by name.
    pub topics: Vec<TopicStatus>,
}

/// A broker that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerStatus {
    /// As its operator numbered it.
    pub id: i32,
    /// Where it listens.
    pub address: Address,
    /// The rack or zone it stands in, where its operator said so.
    pub rack: Option<String>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStatus {
    /// Without the namespace.
    pub name: String,
    /// In their order.
    pub partitions: Vec<PartitionStatus>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The broker that it is read from and written to; `None` while there is none, and it cannot be used.
    pub leader: Option<i32>,
    /// The brokers that should have a copy.
    pub replicas: Vec<i32>,
    /// Those of them whose copy is up to date.
    pub in_sync: Vec<i32>,
    /// What its leader has on disk, in bytes. `None` when that could not be learnt.
    pub bytes: Option<u64>,
}

/// Bytes on disk of each partition, by broker, topic and partition.
type Sizes = HashMap<(i32, String, u32), u64>;

impl Cluster {
    /// Brokers, and topics of the namespace.
    pub(crate) fn status(&self) -> Result<ClusterStatus, Failure> {
        let metadata = self.retry(self.deadline(), || self.metadata(None))?;
        // Sizes are a help: where they are not allowed to us, the rest still is.
        let sizes = sizes(self, &metadata).unwrap_or_default();
        let topics = metadata
            .topics
            .iter()
            .filter(|topic| !topic.is_internal && topic.error_code == 0);
        let mut topics: Vec<TopicStatus> = topics.filter_map(|topic| topic_status(self, topic, &sizes)).collect();
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(ClusterStatus {
            id: metadata.cluster_id.as_ref().map(ToString::to_string),
            brokers: brokers(&metadata),
            topics,
        })
    }
}

fn brokers(metadata: &MetadataResponse) -> Vec<BrokerStatus> {
    let brokers = metadata.brokers.iter().map(|broker| {
        let address = Address {
            host: broker.host.to_string(),
            port: u16::try_from(broker.port).unwrap_or(0),
        };
        let status = BrokerStatus {
            id: broker.node_id.0,
            address,
            rack: broker.rack.as_ref().map(ToString::to_string),
        };
        (status.id, status)
    });
    brokers.collect::<BTreeMap<_, _>>().into_values().collect()
}

fn topic_status(cluster: &Cluster, topic: &MetadataResponseTopic, sizes: &Sizes) -> Option<TopicStatus> {
    let name = topic.name.as_ref()?;
    let own = cluster.own_name(name)?.to_owned();
    let partitions: BTreeMap<i32, PartitionStatus> = (topic.partitions.iter())
        .map(|partition| (partition.partition_index, partition_status(name, partition, sizes)))
        .collect();
    Some(TopicStatus {
        name: own,
        partitions: partitions.into_values().collect(),
    })
}

fn partition_status(topic: &str, partition: &MetadataResponsePartition, sizes: &Sizes) -> PartitionStatus {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect();
    let leader = (partition.leader_id.0 >= 0).then_some(partition.leader_id.0);
    let index = u32::try_from(partition.partition_index).unwrap_or(u32::MAX);
    PartitionStatus {
        leader,
        replicas: ids(&partition.replica_nodes),
        in_sync: ids(&partition.isr_nodes),
        bytes: leader.and_then(|leader| sizes.get(&(leader, topic.to_owned(), index)).copied()),
    }
}

/// What every broker has on its disks.
fn sizes(cluster: &Cluster, metadata: &MetadataResponse) -> Result<Sizes, Failure> {
    let mut sizes = HashMap::new();
    for broker in &metadata.brokers {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = cluster.call(Where::Broker(broker.node_id), 1..=4, &request)?;
        Failure::check(answer.error_code, || Subject::Other("the brokers' disks".into()))?;
        for topic in answer.results.iter().flat_map(|disk| &disk.topics) {
            for partition in topic.partitions.iter().filter(|partition| !partition.is_future_key) {
                let index = u32::try_from(partition.partition_index).unwrap_or(u32::MAX);
                let key = (broker.node_id.0, topic.name.to_string(), index);
                sizes.insert(key, unsigned(partition.partition_size));
            }
        }
    }
    Ok(sizes)
}
