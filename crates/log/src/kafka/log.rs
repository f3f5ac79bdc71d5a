//! `KafkaLog`: the trait `Log` on a cluster. It holds the others of this room together and has no rule of its own.
//!
//! # Constraints
//!
//! - Names that come in have no namespace; those that go to brokers do.
//! - A worker's log shares what is known of the cluster with the log it comes from, and nothing else: it fetches and
//!   produces on connections of its own, under an identity of its own.

use std::sync::Arc;
use std::time::Duration;

use super::admin::{ClusterStatus, Created, GroupStatus};
use super::cluster::Cluster;
use super::failure::Failure;
use super::fetch::{Fetcher, FetchingMember};
use super::group::GroupMember;
use super::identities::GroupIdentities;
use super::produce::{Pipeline, Producer};
use super::schemas::SchemaIds;
use super::settings::Settings;
use super::topic_schemas;
use crate::batch::BatchHeader;
use crate::{
    Commit, EngineGuard, Fetch, Log, LogError, Membership, OffsetRange, Removed, Seat, Topic, TopicOptions,
    Transaction, names,
};

/// A log on an Apache Kafka cluster.
pub struct KafkaLog {
    cluster: Arc<Cluster>,
    fetcher: Arc<Fetcher>,
    producer: Arc<Producer>,
    /// As whom this log commits, by group: written by its memberships, read by its producer.
    identities: GroupIdentities,
    schemas: Arc<dyn SchemaIds>,
    /// What tells the workers of this process from those of others.
    instance: String,
}

impl KafkaLog {
    /// Connects to one of the bootstrap servers.
    ///
    /// # Errors
    /// [`LogError::Cluster`] says what is wrong with the servers, the login or the encryption, and what to do about it.
    pub fn open(settings: Settings, schemas: Arc<dyn SchemaIds>) -> Result<KafkaLog, LogError> {
        let instance = match &settings.group_instance_id {
            Some(instance) => instance.clone(),
            None => random_name()?,
        };
        let (bootstrap, namespace) = (settings.bootstrap_text(), settings.namespace.clone());
        let cluster = Cluster::open(settings).map_err(|failure| failure.into_log_error(&bootstrap, &namespace))?;
        let identities = GroupIdentities::default();
        let producer = Producer::of_command(Arc::clone(&cluster), Arc::clone(&identities))?;
        Ok(KafkaLog {
            fetcher: Arc::new(Fetcher::new(Arc::clone(&cluster))),
            producer: Arc::new(producer),
            identities,
            schemas,
            instance,
            cluster,
        })
    }

    /// Deletes a topic with all that is in it. Does nothing when there is none.
    ///
    /// # Errors
    /// When the cluster cannot be reached or does not allow it.
    pub fn delete_topic(&self, name: &str) -> Result<(), LogError> {
        self.done(self.cluster.delete_topic(&self.cluster.name(name)))
    }

    /// What a topic is called on the cluster: with the namespace before it.
    pub fn topic_there(&self, name: &str) -> String {
        self.cluster.name(name)
    }

    /// A way to append many batches without waiting for each, and with at most so many bytes under way.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub fn pipeline(&self, bytes_under_way_max: usize) -> Result<Pipeline, LogError> {
        Arc::clone(&self.producer).pipeline(bytes_under_way_max)
    }

    /// The cluster's brokers, and the topics of the namespace.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub fn status(&self) -> Result<ClusterStatus, LogError> {
        self.done(self.cluster.status())
    }

    /// The names of all groups of the namespace.
    ///
    /// # Errors
    /// When the cluster cannot be reached or does not allow it.
    pub fn groups(&self) -> Result<Vec<String>, LogError> {
        self.done(self.cluster.group_names())
    }

    /// Who is in a group, and how far behind its commits are. One that nobody ever was in is `Dead` and empty.
    ///
    /// # Errors
    /// When the cluster cannot be reached or does not allow it.
    pub fn group(&self, name: &str) -> Result<GroupStatus, LogError> {
        self.done(self.cluster.group_status(&self.cluster.name(name)))
    }

    fn done<T>(&self, result: Result<T, Failure>) -> Result<T, LogError> {
        result.map_err(|failure| self.cluster.error(failure))
    }

    /// The transactional id of one worker: the same again when the process comes back, if its instance has a name.
    fn transactional_id(&self, pipeline: &str, seat: Seat) -> String {
        let prefix = self.cluster.settings().transactional_id_prefix.as_deref().unwrap_or("");
        self.cluster
            .name(&format!("{prefix}{pipeline}-{}-{}", self.instance, seat.number))
    }
}

impl Log for KafkaLog {
    fn create_topic(&self, name: &str, options: &TopicOptions) -> Result<(), LogError> {
        names::check_topic(name, options)?;
        if name == topic_schemas::TOPIC {
            return Err(LogError::Invalid {
                what: "the topic name".into(),
                name: name.into(),
                reason: "schemas are kept under it; use another".into(),
            });
        }
        match self.done(self.cluster.create_topic(&self.cluster.name(name), options))? {
            Created::AsWanted => Ok(()),
            Created::Differs(existing) => Err(LogError::TopicDiffers {
                topic: name.into(),
                existing,
                wanted: *options,
            }),
        }
    }

    fn topic(&self, name: &str) -> Result<Topic, LogError> {
        let options = self.done(self.cluster.topic_options(&self.cluster.name(name)))?;
        Ok(Topic {
            name: name.into(),
            options,
        })
    }

    fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let topics = self.done(self.cluster.all_topics())?;
        let own = topics.iter().filter_map(|(name, options)| {
            let name = self.cluster.own_name(name)?;
            (name != topic_schemas::TOPIC).then(|| Topic {
                name: name.to_owned(),
                options: *options,
            })
        });
        Ok(own.collect())
    }

    fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError> {
        self.done(self.cluster.ranges(&self.cluster.name(topic)))
    }

    fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        names::check_transaction(transaction)?;
        let offsets = self.producer.append(transaction)?;
        for (append, offset) in transaction.appends.iter().zip(&offsets) {
            let records = BatchHeader::parse(&append.batch).map_or(0, |header| u64::from(header.count));
            self.fetcher.appended(&append.topic, append.partition, offset + records);
        }
        Ok(offsets)
    }

    fn read(&self, topic: &str, partition: u32, from_offset: u64, bytes_max: usize) -> Result<Fetch, LogError> {
        self.fetcher.read(topic, partition, from_offset, bytes_max)
    }

    fn wait_for_appends(&self, seen: u64, timeout: Duration) -> Result<u64, LogError> {
        Ok(self.fetcher.wait(seen, timeout))
    }

    fn offset_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, LogError> {
        self.done(
            self.cluster
                .offset_at_time(&self.cluster.name(topic), partition, timestamp_ms),
        )
    }

    fn committed(&self, group: &str) -> Result<Vec<Commit>, LogError> {
        let commits = self.done(self.cluster.committed(&self.cluster.name(group)))?;
        let own = commits.into_iter().filter_map(|commit| {
            Some(Commit {
                group: group.to_owned(),
                topic: self.cluster.own_name(&commit.topic)?.to_owned(),
                ..commit
            })
        });
        Ok(own.collect())
    }

    fn register_schema(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        self.schemas.register(subject, json)
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        self.schemas.schema(id)
    }

    /// Any number of engines may work on a cluster: its groups share the partitions out among them.
    fn claim_engine(&self, _name: &str) -> Result<EngineGuard, LogError> {
        Ok(EngineGuard::new(()))
    }

    fn for_worker(&self, pipeline: &str, seat: Seat) -> Result<Option<Arc<dyn Log>>, LogError> {
        let identities = GroupIdentities::default();
        let id = self.transactional_id(pipeline, seat);
        let producer = Producer::of_worker(Arc::clone(&self.cluster), id, Arc::clone(&identities));
        Ok(Some(Arc::new(KafkaLog {
            cluster: Arc::clone(&self.cluster),
            fetcher: Arc::new(Fetcher::new(Arc::clone(&self.cluster))),
            producer: Arc::new(producer),
            identities,
            schemas: Arc::clone(&self.schemas),
            instance: self.instance.clone(),
        })))
    }

    fn join(&self, group: &str, topic: &str, seat: Seat) -> Result<Box<dyn Membership>, LogError> {
        names::check_name("the group name", group)?;
        Ok(Box::new(FetchingMember {
            membership: GroupMember::join(&self.cluster, &self.identities, group, topic, seat)?,
            fetcher: Arc::clone(&self.fetcher),
            topic: topic.into(),
        }))
    }

    /// Brokers clean their topics themselves.
    fn maintain(&self, _now_ms: i64) -> Result<Vec<Removed>, LogError> {
        Ok(Vec::new())
    }
}

fn random_name() -> Result<String, LogError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| LogError::Invalid {
        what: "the setting".into(),
        name: "group.instance.id".into(),
        reason: format!("it is not set, and the system gives no randomness instead: {error}"),
    })?;
    Ok(format!("{:08x}", u32::from_be_bytes(random)))
}
