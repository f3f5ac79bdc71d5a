//! The last commits of a group. Names are those on the cluster.
//!
//! It commits nothing; the producer does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kafka_protocol::messages::OffsetFetchRequest;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartition;

use super::{group_id, unsigned};
use crate::Commit;
use crate::kafka::cluster::{Cluster, Coordinates, Where};
use crate::kafka::failure::{Failure, Subject};

/// A commit's metadata as brokers keep it: they take text only.
pub(crate) fn metadata_to_text(metadata: &[u8]) -> String {
    STANDARD.encode(metadata)
}

/// The metadata of a commit. Whatever another tool wrote there, as one that resets offsets does, says nothing to us.
fn metadata_from_text(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

impl Cluster {
    /// The last commits of a group, by topic and partition. Those of a transaction that is about to end are waited for:
    /// a worker that starts from an older one would do again what is done.
    pub(crate) fn committed(&self, group: &str) -> Result<Vec<Commit>, Failure> {
        let request = OffsetFetchRequest::default()
            .with_group_id(group_id(group))
            .with_topics(None)
            .with_require_stable(true);
        self.retry(self.deadline(), || {
            let coordinator = self.coordinator(Coordinates::Group(group))?;
            let answer = self.call(Where::Broker(coordinator), 7..=7, &request)?;
            Failure::check(answer.error_code, || Subject::Group(group.to_owned()))?;
            let mut commits = Vec::new();
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    Failure::check(partition.error_code, || Subject::Group(group.to_owned()))?;
                    commits.extend(commit(group, topic.name.as_str(), partition));
                }
            }
            commits.sort_by(|left, right| (&left.topic, left.partition).cmp(&(&right.topic, right.partition)));
            Ok(commits)
        })
    }
}

fn commit(group: &str, topic: &str, partition: &OffsetFetchResponsePartition) -> Option<Commit> {
    if partition.committed_offset < 0 {
        return None;
    }
    Some(Commit {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition: u32::try_from(partition.partition_index).ok()?,
        offset: unsigned(partition.committed_offset),
        metadata: partition
            .metadata
            .as_ref()
            .map_or(Vec::new(), |text| metadata_from_text(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::METADATA_BYTES_MAX;

    #[test]
    fn metadata_survive_and_fit() {
        let metadata: Vec<u8> = (0..METADATA_BYTES_MAX).map(|index| index as u8).collect();
        let text = metadata_to_text(&metadata);
        assert!(text.len() <= 4_096, "{}", text.len());
        assert_eq!(metadata_from_text(&text), metadata);
        assert!(metadata_from_text("by hand").is_empty());
    }
}
