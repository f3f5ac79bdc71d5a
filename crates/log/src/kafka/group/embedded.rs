//! What the members of a classic group tell each other through the coordinator, which does not look at it: the
//! subscription of each and the share of each, in the form that Kafka's own consumers and tools use (protocol type
//! `consumer`).
//!
//! It does not say who gets what.
//!
//! # Constraints
//!
//! - Newer forms begin as older ones do: of a version from the future, what is known is read.
//! - A group shares one topic out. Whoever does not subscribe to it is no candidate; his other topics are not ours.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Given;
use kafka_protocol::messages::consumer_protocol_subscription::TopicPartition as Owned;
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};

use super::assign::Claims;

/// Of the strategy, so that a group of others with another one is not joined.
pub(super) const STRATEGY: &str = "cooperative-sticky";
/// Of what is embedded.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

/// What cannot be written or read, in words.
type Result<T> = std::result::Result<T, String>;

/// The first with the generation of the claims (KIP-792).
const SUBSCRIPTION_VERSION: i16 = 2;
const ASSIGNMENT_VERSION: i16 = 1;

/// What a member tells the leader.
pub(super) fn subscription(topic: &str, claims: &Claims) -> Result<Bytes> {
    let owned = Owned::default()
        .with_topic(name(topic))
        .with_partitions(signed(&claims.partitions));
    let subscription = ConsumerProtocolSubscription::default()
        .with_topics(vec![StrBytes::from_string(topic.to_owned())])
        .with_owned_partitions(if claims.partitions.is_empty() {
            Vec::new()
        } else {
            vec![owned]
        })
        .with_generation_id(claims.generation);
    with_version(SUBSCRIPTION_VERSION, &subscription)
}

/// What a member told the leader; `None` when it has not subscribed to the topic.
pub(super) fn claims(topic: &str, bytes: &[u8]) -> Result<Option<Claims>> {
    let mut reader = Reader(bytes);
    let version = reader.version()?;
    let mut is_subscribed = false;
    reader.each(|reader| {
        is_subscribed |= reader.text()? == topic.as_bytes();
        Ok(())
    })?;
    reader.skip_bytes()?;
    let partitions = if version >= 1 {
        reader.partitions_of(topic)?
    } else {
        Vec::new()
    };
    let generation = if version >= 2 { reader.i32()? } else { -1 };
    Ok(is_subscribed.then_some(Claims { partitions, generation }))
}

/// What the leader tells a member.
pub(super) fn assignment(topic: &str, partitions: &[u32]) -> Result<Bytes> {
    let given = Given::default()
        .with_topic(name(topic))
        .with_partitions(signed(partitions));
    let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(if partitions.is_empty() {
        Vec::new()
    } else {
        vec![given]
    });
    with_version(ASSIGNMENT_VERSION, &assignment)
}

/// What the leader told a member. One whom it did not know gets nothing at all.
pub(super) fn share(topic: &str, bytes: &[u8]) -> Result<Vec<u32>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader(bytes);
    reader.version()?;
    reader.partitions_of(topic)
}

fn with_version(version: i16, message: &impl Encodable) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(version);
    message.encode(&mut bytes, version).map_err(|error| error.to_string())?;
    Ok(bytes.freeze())
}

/// What is left to read. Counts are believed only as far as there are bytes for them: other members, not the broker, wrote
/// this.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const BYTES: usize>(&mut self) -> Result<[u8; BYTES]> {
        self.take(BYTES)?.try_into().map_err(|_| "it ends too early".into())
    }

    fn i16(&mut self) -> Result<i16> {
        self.number().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.number().map(i32::from_be_bytes)
    }

    fn version(&mut self) -> Result<i16> {
        match self.i16()? {
            version @ 0.. => Ok(version),
            version => Err(format!("there is no version {version}")),
        }
    }

    fn text(&mut self) -> Result<&'a [u8]> {
        let bytes = self.i16()?;
        self.take(usize::try_from(bytes).map_err(|_| "a text is missing")?)
    }

    fn skip_bytes(&mut self) -> Result<()> {
        // Below zero: there are none.
        let bytes = self.i32()?.max(0);
        self.take(bytes as usize).map(drop)
    }

    fn each(&mut self, mut read: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        (0..self.i32()?).try_for_each(|_| read(self))
    }

    /// A list of topics with their partitions, of which one topic counts. Numbers below zero are no partitions.
    fn partitions_of(&mut self, topic: &str) -> Result<Vec<u32>> {
        let mut partitions = Vec::new();
        self.each(|reader| {
            let is_ours = reader.text()? == topic.as_bytes();
            reader.each(|reader| {
                let partition = u32::try_from(reader.i32()?).ok();
                partitions.extend(partition.filter(|_| is_ours));
                Ok(())
            })
        })?;
        Ok(partitions)
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// As Kafka writes them.
pub(super) fn signed(partitions: &[u32]) -> Vec<i32> {
    partitions
        .iter()
        .map(|&partition| i32::try_from(partition).unwrap_or(i32::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let said = Claims {
            partitions: vec![0, 7],
            generation: 12,
        };
        assert_eq!(
            claims("t", &subscription("t", &said).unwrap()).unwrap(),
            Some(said.clone())
        );
        assert_eq!(claims("other", &subscription("t", &said).unwrap()).unwrap(), None);
        assert_eq!(share("t", &assignment("t", &[3, 1]).unwrap()).unwrap(), [3, 1]);
        assert!(share("other", &assignment("t", &[3, 1]).unwrap()).unwrap().is_empty());
        assert!(share("t", &[]).unwrap().is_empty());
    }

    #[test]
    fn as_others_write_it() {
        // Version 1 of the subscription: topics, user data, owned partitions. Its end may be longer in the future.
        let first = b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x04\xff\xff\xff\xff";
        let expected = Claims {
            partitions: vec![4],
            generation: -1,
        };
        assert_eq!(claims("t", first).unwrap(), Some(expected.clone()));
        let future = [b"\0\x09", &first[2..], b"\0\0\0\x05\xff\xffmore"].concat();
        let expected = Claims {
            generation: 5,
            ..expected
        };
        assert_eq!(claims("t", &future).unwrap(), Some(expected));
        let assignment = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02\xff\xff\xff\xff";
        assert_eq!(share("t", assignment).unwrap(), [2]);
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in [&b"\0"[..], b"\xff\xff", b"\0\x01\0\0\0\x09", b"\0\x01\x7f\xff\xff\xff"] {
            assert!(claims("t", nonsense).is_err(), "{nonsense:?}");
            assert!(share("t", nonsense).is_err(), "{nonsense:?}");
        }
    }
}
