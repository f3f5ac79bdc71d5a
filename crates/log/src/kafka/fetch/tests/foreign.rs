//! `Foreign`: a producer whose transactions come to nothing, which this program's own never do unless something fails.
//!
//! It does nothing twice; it is for tests.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest, ProducerId, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::{Writer, batch, sum_up};
use crate::kafka::cluster::{Cluster, Coordinates, Where};
use crate::kafka::live::fresh;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Abort,
}

pub(super) struct Foreign {
    cluster: Arc<Cluster>,
    topic: String,
    id: String,
    producer: ProducerId,
    epoch: i16,
    /// Number of the next record by partition.
    sequences: HashMap<u32, i32>,
}

impl Foreign {
    /// A producer with an identity of its own; `topic` as the cluster calls it.
    pub(super) fn new(cluster: &Arc<Cluster>, topic: &str) -> Foreign {
        let id = fresh("foreign");
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional(&id)))
            .with_transaction_timeout_ms(60_000);
        let answer = cluster
            .retry(cluster.deadline(), || {
                let coordinator = cluster.coordinator(Coordinates::Transaction(&id))?;
                let answer = cluster.call(Where::Broker(coordinator), 0..=4, &request)?;
                let what = || crate::kafka::failure::Subject::Transaction(id.clone());
                crate::kafka::failure::Failure::check(answer.error_code, what)?;
                Ok(answer)
            })
            .unwrap();
        Foreign {
            cluster: Arc::clone(cluster),
            topic: topic.to_owned(),
            id,
            producer: answer.producer_id,
            epoch: answer.producer_epoch,
            sequences: HashMap::new(),
        }
    }

    /// Appends so many records within a transaction, which begins with the first.
    pub(super) fn append(&mut self, partition: u32, records: u32) {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(name(&self.topic))
            .with_partitions(vec![partition as i32]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional(&self.id))
            .with_v3_and_below_producer_id(self.producer)
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let answer = self
                .cluster
                .call(Where::Broker(self.coordinator()), 0..=3, &request)
                .unwrap();
            let code = answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
            if code == 0 {
                break;
            }
            // The marks of the last transaction may still be under way.
            assert_eq!(code, ResponseError::ConcurrentTransactions.code());
            assert!(std::time::Instant::now() < deadline);
        }
        let sequence = self.sequences.entry(partition).or_default();
        let mut bytes = batch(0, records, Writer::Transaction(self.producer.0));
        bytes[51..53].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        sum_up(&mut bytes);
        *sequence += records as i32;
        self.produce(partition, bytes);
    }

    fn produce(&self, partition: u32, bytes: Vec<u8>) {
        let part = PartitionProduceData::default()
            .with_index(partition as i32)
            .with_records(Some(Bytes::from(bytes)));
        let topic = TopicProduceData::default()
            .with_name(name(&self.topic))
            .with_partition_data(vec![part]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(transactional(&self.id)))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let leader = self.cluster.leader(&self.topic, partition).unwrap();
        let answer = self.cluster.call(Where::Broker(leader), 3..=11, &request).unwrap();
        let part = &answer.responses[0].partition_responses[0];
        assert_eq!(part.error_code, 0, "{part:?}");
    }

    pub(super) fn end(&mut self, end: End) {
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional(&self.id))
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_committed(end == End::Commit);
        let answer = self
            .cluster
            .call(Where::Broker(self.coordinator()), 0..=4, &request)
            .unwrap();
        assert_eq!(answer.error_code, 0);
    }

    fn coordinator(&self) -> kafka_protocol::messages::BrokerId {
        self.cluster.coordinator(Coordinates::Transaction(&self.id)).unwrap()
    }
}

fn transactional(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
