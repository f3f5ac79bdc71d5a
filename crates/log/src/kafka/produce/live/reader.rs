//! A reader that is as simple as can be: one partition from its start, by plain Fetch requests.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::batch::{BatchHeader, Scratch, at, walk};
use crate::kafka::cluster::{Cluster, Where};

/// What a reader sees of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

/// Offset and value of every record of a partition that a reader sees, once no transaction is open on it.
pub(in super::super) fn read(
    cluster: &Cluster,
    topic: &str,
    partition: u32,
    isolation: Isolation,
) -> Vec<(u64, String)> {
    let mut records = Vec::new();
    let mut next = 0;
    let mut aborted = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "{topic}/{partition} does not end");
        let fetched = fetch(cluster, topic, partition, next, isolation);
        let bytes = fetched.records.unwrap_or_default();
        let mut starts = fetched.aborted_transactions.unwrap_or_default();
        starts.sort_by_key(|start| start.first_offset);
        let mut starts = starts.into_iter().peekable();
        let mut at_byte = 0;
        while let Ok(header) = BatchHeader::parse(&bytes[at_byte..]) {
            let batch = &bytes[at_byte..at_byte + header.total_bytes()];
            header.verify_crc(batch).unwrap();
            while let Some(start) = starts.next_if(|start| start.first_offset as u64 <= header.last_offset()) {
                aborted.insert(start.producer_id.0);
            }
            let producer_id = i64::from_be_bytes(batch[at::PRODUCER_ID..at::PRODUCER_EPOCH].try_into().unwrap());
            if header.is_control() {
                aborted.remove(&producer_id);
            } else if !(header.is_transactional() && aborted.contains(&producer_id)) {
                walk(batch, &mut Scratch::default(), |record| {
                    let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                    records.push((record.offset, value));
                    ControlFlow::Continue(())
                })
                .unwrap();
            }
            next = header.last_offset() + 1;
            at_byte += header.total_bytes();
        }
        if next == fetched.high_watermark as u64 {
            return records;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fetch(
    cluster: &Cluster,
    topic: &str,
    partition: u32,
    from: u64,
    isolation: Isolation,
) -> kafka_protocol::messages::fetch_response::PartitionData {
    let name = cluster.name(topic);
    let wanted = FetchPartition::default()
        .with_partition(partition as i32)
        .with_fetch_offset(from as i64)
        .with_partition_max_bytes(8 << 20);
    let wanted = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(name.clone())))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(16 << 20)
        .with_isolation_level(if isolation == Isolation::ReadCommitted { 1 } else { 0 })
        .with_topics(vec![wanted]);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let fetched = cluster.retry(deadline, || {
            let leader = cluster.leader(&name, partition)?;
            cluster.call(Where::Broker(leader), 4..=11, &request)
        });
        let fetched = fetched.unwrap().responses[0].partitions[0].clone();
        // A broker may not have made its part of a new topic yet.
        if fetched.error_code == 0 || Instant::now() > deadline {
            assert_eq!(fetched.error_code, 0);
            return fetched;
        }
        cluster.forget_leaders(&name);
        std::thread::sleep(Duration::from_millis(10));
    }
}
