//! Record batches that others compressed: gzip, both kinds of snappy, and zstd, as Kafka's clients write them.
//!
//! It does not test lz4, which this program writes itself (`codec.rs`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::Write;
use std::ops::ControlFlow;

use hw_log::batch::{BatchBuilder, BatchError, BatchHeader, Codec, Compression, HEADER_BYTES, Scratch, walk};
use proptest::prelude::*;

/// Who compresses.
#[derive(Debug, Clone, Copy)]
enum Foreign {
    Gzip,
    SnappyRaw,
    SnappyXerial,
    Zstd,
    /// Without the length in its header, as Java streams it.
    ZstdStreamed,
}

const ALL: [Foreign; 5] = [
    Foreign::Gzip,
    Foreign::SnappyRaw,
    Foreign::SnappyXerial,
    Foreign::Zstd,
    Foreign::ZstdStreamed,
];

impl Foreign {
    fn codec(self) -> Codec {
        match self {
            Foreign::Gzip => Codec::Gzip,
            Foreign::SnappyRaw | Foreign::SnappyXerial => Codec::Snappy,
            Foreign::Zstd | Foreign::ZstdStreamed => Codec::Zstd,
        }
    }

    fn compress(self, records: &[u8]) -> Vec<u8> {
        match self {
            Foreign::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(records).unwrap();
                encoder.finish().unwrap()
            }
            Foreign::SnappyRaw => snap::raw::Encoder::new().compress_vec(records).unwrap(),
            Foreign::SnappyXerial => xerial(records),
            Foreign::Zstd => zstd::bulk::compress(records, 3).unwrap(),
            Foreign::ZstdStreamed => zstd::stream::encode_all(records, 3).unwrap(),
        }
    }
}

/// Java's snappy library cuts its input into blocks of 32 KiB.
fn xerial(records: &[u8]) -> Vec<u8> {
    let mut stream = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for block in records.chunks(32 << 10) {
        let block = snap::raw::Encoder::new().compress_vec(block).unwrap();
        stream.extend_from_slice(&(block.len() as u32).to_be_bytes());
        stream.extend_from_slice(&block);
    }
    stream
}

fn plain(count: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for index in 0..count {
        let value = format!("{}", index * 7_919 % 1_000);
        builder.push(index as i64, Some(b"user-17"), Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

/// The batch with its records in another form, and a checksum that fits.
fn with_records(batch: &[u8], codec: Codec, stored: &[u8]) -> Vec<u8> {
    let mut changed = batch[..HEADER_BYTES].to_vec();
    changed.extend_from_slice(stored);
    let length = (changed.len() - 12) as i32;
    changed[8..12].copy_from_slice(&length.to_be_bytes());
    changed[22] = codec as u8;
    let crc = crc32c::crc32c(&changed[21..]);
    changed[17..21].copy_from_slice(&crc.to_be_bytes());
    changed
}

fn compressed(foreign: Foreign, batch: &[u8]) -> Vec<u8> {
    with_records(batch, foreign.codec(), &foreign.compress(&batch[HEADER_BYTES..]))
}

fn values(batch: &[u8], scratch: &mut Scratch) -> Result<Vec<Vec<u8>>, BatchError> {
    let mut values = Vec::new();
    walk(batch, scratch, |record| {
        values.push(record.value.unwrap_or_default().to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(values)
}

#[test]
fn what_others_compress_is_read() {
    // One scratch for all: what a decoder leaves behind must not show in the next batch.
    let mut scratch = Scratch::default();
    for count in [1, 10, 60_000, 3_000] {
        let batch = plain(count);
        let expected = values(&batch, &mut scratch).unwrap();
        for foreign in ALL {
            let batch = compressed(foreign, &batch);
            let header = BatchHeader::parse(&batch).unwrap();
            header.verify_crc(&batch).unwrap();
            assert_eq!(header.codec(), Ok(foreign.codec()));
            assert!(
                values(&batch, &mut scratch).unwrap() == expected,
                "{foreign:?}, {count} records"
            );
        }
    }
}

#[test]
fn several_frames_in_a_row_are_one() {
    let batch = plain(2_000);
    let records = &batch[HEADER_BYTES..];
    let (first, second) = records.split_at(records.len() / 3);
    let expected = values(&batch, &mut Scratch::default()).unwrap();
    for foreign in [Foreign::Gzip, Foreign::Zstd, Foreign::ZstdStreamed] {
        let both = [foreign.compress(first), foreign.compress(second)].concat();
        let batch = with_records(&batch, foreign.codec(), &both);
        assert_eq!(
            values(&batch, &mut Scratch::default()).unwrap(),
            expected,
            "{foreign:?}"
        );
    }
}

#[test]
fn damage_is_named() {
    let batch = plain(100);
    let message = |codec, stored: &[u8]| {
        values(&with_records(&batch, codec, stored), &mut Scratch::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(Codec::Gzip, b"not gzip at all"),
        "the gzip frame is malformed at byte 61: invalid gzip header"
    );
    assert_eq!(
        message(Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x07, 0]),
        "the snappy frame is malformed at byte 61: it claims to hold 2147483647 bytes, more than 6 can"
    );
    let mut cut = xerial(&batch[HEADER_BYTES..]);
    cut.truncate(cut.len() - 1);
    let block = cut.len() - 20 + 1;
    assert_eq!(
        message(Codec::Snappy, &cut),
        format!("the snappy frame is malformed at byte 77: a block of {block} bytes reaches past its end")
    );
    cut.truncate(18);
    assert_eq!(
        message(Codec::Snappy, &cut),
        "the snappy frame is malformed at byte 77: it ends inside a block's length"
    );
    assert_eq!(
        message(Codec::Zstd, b"not zstd at all"),
        "the zstd frame is malformed at byte 61: it is no sequence of whole blocks"
    );
}

#[test]
fn what_grows_past_the_limit_is_refused() {
    let batch = plain(1);
    let zeros = vec![0; (128 << 20) + 1];
    for foreign in ALL {
        let batch = with_records(&batch, foreign.codec(), &foreign.compress(&zeros));
        assert_eq!(
            values(&batch, &mut Scratch::default()),
            Err(BatchError::TooLarge { limit: 128 << 20 }),
            "{foreign:?}"
        );
    }
}

proptest! {
    #[test]
    fn mutated_bytes_are_records_or_an_error(
        foreign in proptest::sample::select(&ALL[..]),
        count in 1usize..300,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut batch = compressed(foreign, &plain(count));
        for (place, byte) in changes {
            let place = HEADER_BYTES + place.index(batch.len() - HEADER_BYTES);
            batch[place] = byte;
        }
        if let Some(cut) = cut {
            let kept = HEADER_BYTES + cut.index(batch.len() - HEADER_BYTES);
            batch = with_records(&batch, foreign.codec(), &batch[HEADER_BYTES..kept]);
        }
        if let Err(error) = values(&batch, &mut Scratch::default()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
