//! Record batches: what is built is what is walked, and malformed bytes are errors, never panics.
//!
//! It does not test a log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::ops::ControlFlow;

use hw_log::batch::{BatchBuilder, BatchError, BatchHeader, Compression, HEADER_BYTES, Scratch, walk};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Owned {
    offset: u64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

fn build(compression: Compression, records: &[Owned]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    for record in records {
        let headers: Vec<(&str, &[u8])> = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        builder.push(
            record.timestamp_ms,
            record.key.as_deref(),
            record.value.as_deref(),
            &headers,
        );
    }
    builder.finish()
}

fn read(batch: &[u8]) -> Result<Vec<Owned>, BatchError> {
    let mut records = Vec::new();
    walk(batch, &mut Scratch::default(), |record| {
        records.push(Owned {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers
                .iter()
                .map(|header| {
                    (
                        String::from_utf8_lossy(header.name).into_owned(),
                        header.value.unwrap_or_default().to_vec(),
                    )
                })
                .collect(),
        });
        ControlFlow::Continue(())
    })?;
    Ok(records)
}

fn any_records() -> impl Strategy<Value = Vec<Owned>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    let time = prop_oneof![any::<i64>(), 1_767_225_600_000i64..1_767_225_700_000];
    let headers = proptest::collection::vec(("[a-z]{0,12}", bytes()), 0..3);
    let record = (
        time,
        proptest::option::of(bytes()),
        proptest::option::of(bytes()),
        headers,
    );
    proptest::collection::vec(record, 1..60).prop_map(|records| {
        records
            .into_iter()
            .enumerate()
            .map(|(index, (timestamp_ms, key, value, headers))| Owned {
                offset: index as u64,
                timestamp_ms,
                key,
                value,
                headers,
            })
            .collect()
    })
}

fn any_compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Lz4)]
}

proptest! {
    #[test]
    fn what_is_built_is_walked(records in any_records(), compression in any_compression()) {
        let batch = build(compression, &records);
        let header = BatchHeader::parse(&batch).unwrap();
        prop_assert_eq!(header.total_bytes(), batch.len());
        prop_assert_eq!(header.count as usize, records.len());
        prop_assert_eq!(header.max_timestamp_ms, records.iter().map(|record| record.timestamp_ms).max().unwrap());
        header.verify_crc(&batch).unwrap();
        prop_assert_eq!(read(&batch).unwrap(), records);
    }

    #[test]
    fn mutated_bytes_are_records_or_an_error(
        records in any_records(),
        compression in any_compression(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut batch = build(compression, &records);
        for (place, byte) in changes {
            let place = place.index(batch.len());
            batch[place] = byte;
        }
        if let Some(cut) = cut {
            batch.truncate(cut.index(batch.len()));
        }
        if let Err(error) = read(&batch) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Changes behind the frame's length fields only, so that most of them reach the record walker.
    #[test]
    fn mutated_records_are_records_or_an_error(
        records in any_records(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut batch = build(Compression::None, &records);
        for (place, byte) in changes {
            let place = HEADER_BYTES + place.index(batch.len() - HEADER_BYTES);
            batch[place] = byte;
        }
        let _ = read(&batch);
    }

    #[test]
    fn a_changed_byte_fails_the_checksum(records in any_records(), place in any::<prop::sample::Index>()) {
        let mut batch = build(Compression::Lz4, &records);
        let header = BatchHeader::parse(&batch).unwrap();
        // The sum covers everything from the attributes on.
        let place = 21 + place.index(batch.len() - 21);
        batch[place] ^= 0x10;
        let refused = matches!(header.verify_crc(&batch), Err(BatchError::Checksum { .. }));
        prop_assert!(refused);
    }
}

fn plain(count: usize) -> Vec<Owned> {
    (0..count)
        .map(|index| Owned {
            offset: index as u64,
            timestamp_ms: 1_767_225_600_000 + index as i64,
            key: Some(format!("user-{index}").into_bytes()),
            value: Some(vec![7; 40]),
            headers: Vec::new(),
        })
        .collect()
}

/// The bytes of one record as Kafka's own documentation of the format describes them, written out by hand.
#[test]
fn one_record_has_the_bytes_of_the_format() {
    let batch = build(
        Compression::None,
        &[Owned {
            offset: 0,
            timestamp_ms: 5,
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![("h".into(), b"v".to_vec())],
        }],
    );
    let mut expected = Vec::new();
    expected.extend_from_slice(&0i64.to_be_bytes());
    expected.extend_from_slice(&61i32.to_be_bytes());
    expected.extend_from_slice(&[0, 0, 0, 0, 2]);
    expected.extend_from_slice(&batch[17..21]);
    expected.extend_from_slice(&0i16.to_be_bytes());
    expected.extend_from_slice(&0i32.to_be_bytes());
    expected.extend_from_slice(&5i64.to_be_bytes());
    expected.extend_from_slice(&5i64.to_be_bytes());
    expected.extend_from_slice(&[0xff; 14]);
    expected.extend_from_slice(&1i32.to_be_bytes());
    expected.extend_from_slice(&[22, 0, 0, 0, 2, b'k', 1, 2, 2, b'h', 2, b'v']);
    assert_eq!(batch, expected);
    assert_eq!(batch.len(), 61 + 12);
}

#[test]
fn the_frame_is_the_one_that_java_reads() {
    let batch = build(Compression::Lz4, &plain(1_000));
    assert_eq!(
        batch[HEADER_BYTES..HEADER_BYTES + 7],
        [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
    );
    assert_eq!(batch[batch.len() - 4..], [0; 4], "the end mark");
    // An independent decoder, which also checks the header's checksum, agrees.
    let mut decoded = Vec::new();
    let mut decoder = lz4_flex::frame::FrameDecoder::new(&batch[HEADER_BYTES..]);
    std::io::Read::read_to_end(&mut decoder, &mut decoded).unwrap();
    let uncompressed = build(Compression::None, &plain(1_000));
    assert_eq!(decoded, uncompressed[HEADER_BYTES..]);
}

/// Replaces the lz4 frame of a batch.
fn with_frame(batch: &[u8], frame: &[u8]) -> Vec<u8> {
    let mut changed = batch[..HEADER_BYTES].to_vec();
    changed.extend_from_slice(frame);
    let length = (changed.len() - 12) as i32;
    changed[8..12].copy_from_slice(&length.to_be_bytes());
    changed
}

#[test]
fn frames_of_other_producers_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let records = plain(5_000);
    let uncompressed = build(Compression::None, &records);
    let compressed = build(Compression::Lz4, &records);
    for info in [
        FrameInfo::new().block_mode(BlockMode::Linked),
        FrameInfo::new().block_checksums(true),
        FrameInfo::new().content_checksum(true),
        FrameInfo::new().content_size(Some((uncompressed.len() - HEADER_BYTES) as u64)),
        FrameInfo::new().block_size(BlockSize::Max4MB),
    ] {
        let mut encoder = FrameEncoder::with_frame_info(info.clone(), Vec::new());
        std::io::Write::write_all(&mut encoder, &uncompressed[HEADER_BYTES..]).unwrap();
        let frame = encoder.finish().unwrap();
        assert_eq!(read(&with_frame(&compressed, &frame)).unwrap(), records, "{info:?}");
    }
}

#[test]
fn incompressible_records_are_stored_as_they_are() {
    let mut noise = 1u64;
    let mut records = plain(3_000);
    for record in &mut records {
        let value = (0..64).map(|_| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (noise >> 56) as u8
        });
        record.value = Some(value.collect());
    }
    assert_eq!(read(&build(Compression::Lz4, &records)).unwrap(), records);
}

#[test]
fn a_frame_that_claims_more_than_it_holds_takes_no_memory() {
    let compressed = build(Compression::Lz4, &plain(10));
    // A block length of 2 GiB minus one, and nothing behind it.
    let frame = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0xff, 0xff, 0xff, 0x7f];
    let error = read(&with_frame(&compressed, &frame)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lz4 frame is malformed at byte 68: a block of 2147483647 bytes reaches past its end"
    );
}

#[test]
fn a_frame_that_grows_past_the_limit_is_refused() {
    let compressed = build(Compression::Lz4, &plain(10));
    let zeros = vec![0; 4 << 20];
    let info = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max4MB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    for _ in 0..33 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    let frame = encoder.finish().unwrap();
    let error = read(&with_frame(&compressed, &frame)).unwrap_err();
    assert_eq!(error, BatchError::TooLarge { limit: 128 << 20 });
}

#[test]
fn a_builder_starts_afresh_after_finish() {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    assert!(builder.is_empty());
    assert_eq!(builder.finish(), Vec::<u8>::new());
    builder.push(10, Some(b"a"), Some(b"1"), &[]);
    let first = builder.finish();
    assert_eq!(builder.len(), 0);
    builder.push(3, Some(b"a"), Some(b"1"), &[]);
    assert_eq!(builder.len(), 1);
    assert!(builder.bytes_estimate() > HEADER_BYTES);
    let second = builder.finish();
    assert_eq!(BatchHeader::parse(&first).unwrap().max_timestamp_ms, 10);
    assert_eq!(BatchHeader::parse(&second).unwrap().max_timestamp_ms, 3);
}

#[test]
fn other_formats_and_codecs_are_named() {
    let mut batch = build(Compression::None, &plain(1));
    batch[22] = 5;
    assert_eq!(
        read(&batch).unwrap_err().to_string(),
        "the batch is compressed with codec 5; none, gzip, snappy, lz4 and zstd (0 to 4) can be read"
    );
    batch[16] = 1;
    assert_eq!(
        read(&batch).unwrap_err().to_string(),
        "it is in Kafka's message format 1; only format 2 (Kafka 0.11 and later) can be read: copy the topic with a newer \
         producer"
    );
    assert_eq!(read(&batch[..20]), read(&batch));
    batch[16] = 3;
    assert_eq!(
        read(&batch).unwrap_err().to_string(),
        "the batch header's magic is 3 (byte 16)"
    );
    batch[16] = 2;
    assert_eq!(
        read(&batch[..20]).unwrap_err().to_string(),
        "the batch is cut off: 61 bytes are needed, 20 are there"
    );
}
