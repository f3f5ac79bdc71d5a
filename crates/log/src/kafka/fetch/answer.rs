//! `Answer`: what a broker says to a fetch request, read straight from the socket into the memory of each partition.
//!
//! It reads versions 4 to 12, which name topics by their names, and judges nothing.

use std::io::Result;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::aborted::AbortedTransaction;
use super::buffers::{Buffers, Records};
use crate::kafka::connection::{Pieces, invalid};

/// The versions that are asked and read here. Brokers from 0.11 to 4.4 understand one of them; later versions name topics
/// by ids and give a reader nothing else.
pub(super) const VERSIONS: RangeInclusive<i16> = 4..=12;

/// From here on the answer says as a whole whether it is one.
const WITH_CODE: i16 = 7;
/// From here on a partition's first offset is told.
const WITH_START: i16 = 5;
/// From here on another broker to read from may be named, which is not done here.
const WITH_REPLICA: i16 = 11;
/// From here on lengths are short and structures end in tagged fields.
const COMPACT: i16 = 12;

/// An answer without what was not asked for.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether it is one at all, as Kafka's error code.
    pub(super) code: i16,
    /// In the order they came.
    pub(super) parts: Vec<Part>,
}

/// What it says about one partition.
#[derive(Debug)]
pub(super) struct Part {
    /// Which of those asked for.
    pub(super) asked: usize,
    /// Kafka's error code.
    pub(super) code: i16,
    /// First offset that is kept; negative where it is not told.
    pub(super) start_offset: i64,
    /// The offset that the next committed record will get; negative where it is not told.
    pub(super) end_offset: i64,
    /// The aborted transactions that touch the records.
    pub(super) aborted: Vec<AbortedTransaction>,
    pub(super) records: Option<Records>,
}

/// Reads an answer in that version. `find` says which of those asked for a topic and partition is.
pub(super) fn read(
    pieces: &mut Pieces<'_>,
    version: i16,
    buffers: &Arc<Buffers>,
    find: impl Fn(&str, i32, usize) -> Option<usize>,
) -> Result<Answer> {
    let mut answer = Answer {
        code: 0,
        parts: Vec::new(),
    };
    // How long a quota has made us wait; the broker itself does not read from us meanwhile.
    pieces.i32()?;
    if version >= WITH_CODE {
        answer.code = pieces.i16()?;
        // The number of a session, which was not asked for.
        pieces.i32()?;
    }
    for _ in 0..count(pieces, version)? {
        let name_bytes = match version >= COMPACT {
            true => pieces.unsigned_varint()?.saturating_sub(1) as usize,
            false => usize::try_from(pieces.i16()?).unwrap_or(0),
        };
        let topic = pieces.text(name_bytes)?.unwrap_or_default();
        for _ in 0..count(pieces, version)? {
            let partition = pieces.i32()?;
            // Brokers answer in the order of the request, so the next one is the likeliest.
            let asked = find(&topic, partition, answer.parts.len());
            if let Some(part) = read_part(pieces, version, buffers, asked)? {
                answer.parts.push(part);
            }
        }
        skip_tags(pieces, version)?;
    }
    skip_tags(pieces, version)?;
    Ok(answer)
}

fn read_part(
    pieces: &mut Pieces<'_>,
    version: i16,
    buffers: &Arc<Buffers>,
    asked: Option<usize>,
) -> Result<Option<Part>> {
    let code = pieces.i16()?;
    // The high watermark: behind it are records of open transactions.
    pieces.i64()?;
    let end_offset = pieces.i64()?;
    let start_offset = if version >= WITH_START { pieces.i64()? } else { -1 };
    let mut aborted = Vec::new();
    for _ in 0..count(pieces, version)? {
        let producer_id = pieces.i64()?;
        let first_offset = pieces.i64()?;
        aborted.push(AbortedTransaction {
            first_offset,
            producer_id,
        });
        skip_tags(pieces, version)?;
    }
    if version >= WITH_REPLICA {
        pieces.i32()?;
    }
    let bytes = count(pieces, version)?;
    if bytes > pieces.left() {
        return Err(invalid("claims records that it has not"));
    }
    let records = match (bytes, asked) {
        (0, _) => None,
        (_, Some(_)) => {
            let mut records = buffers.take(bytes);
            pieces.fill(records.bytes_mut())?;
            Some(records)
        }
        (_, None) => pieces.skip(bytes).map(|()| None)?,
    };
    skip_tags(pieces, version)?;
    Ok(asked.map(|asked| Part {
        asked,
        code,
        start_offset,
        end_offset,
        aborted,
        records,
    }))
}

/// A count of elements or bytes; none for what is not there.
fn count(pieces: &mut Pieces<'_>, version: i16) -> Result<usize> {
    match version >= COMPACT {
        true => Ok(pieces.unsigned_varint()?.saturating_sub(1) as usize),
        false => Ok(usize::try_from(pieces.i32()?).unwrap_or(0)),
    }
}

fn skip_tags(pieces: &mut Pieces<'_>, version: i16) -> Result<()> {
    if version >= COMPACT { pieces.skip_tags() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction as SentAborted, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
    };
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;

    fn part(partition: i32, records: &'static [u8], version: i16) -> PartitionData {
        let aborted = SentAborted::default().with_producer_id(77.into()).with_first_offset(40);
        let part = PartitionData::default()
            .with_partition_index(partition)
            .with_high_watermark(50)
            .with_last_stable_offset(45)
            .with_aborted_transactions(Some(vec![aborted]))
            .with_records(Some(Bytes::from_static(records)));
        let part = if version >= 5 {
            part.with_log_start_offset(3)
        } else {
            part
        };
        if version >= 12 {
            // Tagged fields that are not asked for.
            let leader = LeaderIdAndEpoch::default()
                .with_leader_id(5.into())
                .with_leader_epoch(9);
            return part.with_current_leader(leader);
        }
        part
    }

    fn encode(version: i16) -> Vec<u8> {
        let topic = FetchableTopicResponse::default()
            .with_topic(TopicName(StrBytes::from_static_str("t")))
            .with_partitions(vec![
                part(4, b"first", version),
                part(9, b"not asked for", version),
                part(2, b"", version)
                    .with_error_code(6)
                    .with_aborted_transactions(None)
                    .with_records(None),
            ]);
        let response = FetchResponse::default().with_responses(vec![topic]);
        let mut bytes = Vec::new();
        response.encode(&mut bytes, version).unwrap();
        bytes
    }

    fn decode(mut bytes: &[u8], version: i16) -> Result<Answer> {
        let length = bytes.len();
        let mut pieces = Pieces::new(&mut bytes, length);
        let wanted = [("t", 4), ("t", 2)];
        let answer = read(
            &mut pieces,
            version,
            &Buffers::new(1 << 20, 1),
            |topic, partition, _| wanted.iter().position(|wanted| *wanted == (topic, partition)),
        )?;
        if pieces.left() == 0 {
            Ok(answer)
        } else {
            Err(invalid("goes on"))
        }
    }

    #[test]
    fn every_version() {
        for version in VERSIONS {
            let answer = decode(&encode(version), version).unwrap();
            assert_eq!((answer.code, answer.parts.len()), (0, 2), "version {version}");
            let [first, second] = &answer.parts[..] else { panic!() };
            assert_eq!((first.asked, first.code, first.end_offset), (0, 0, 45));
            assert_eq!(first.start_offset, if version >= 5 { 3 } else { -1 });
            let expected = AbortedTransaction {
                first_offset: 40,
                producer_id: 77,
            };
            assert_eq!(first.aborted, [expected]);
            assert_eq!(first.records.as_ref().unwrap().as_ref(), b"first");
            assert_eq!((second.asked, second.code, second.records.is_none()), (1, 6, true));
        }
    }

    #[test]
    fn what_is_cut_off_or_claims_too_much_is_an_error() {
        for version in VERSIONS {
            let whole = encode(version);
            for cut in 0..whole.len() {
                assert!(
                    decode(&whole[..cut], version).is_err(),
                    "version {version}, {cut} bytes"
                );
            }
        }
        let mut bytes = vec![0; 14];
        bytes.extend_from_slice(&[0xff; 40]);
        for version in VERSIONS {
            assert!(decode(&bytes, version).is_err());
        }
    }
}
