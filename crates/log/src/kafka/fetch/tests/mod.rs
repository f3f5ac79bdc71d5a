//! Tests of what needs no broker, and of the whole against one (`live`).
//!
//! Here is how batches are made that this program never writes: transactional ones and the marks that end them.

mod choice;
mod foreign;
mod hidden;
mod live;
mod scene;
mod stage;

use crate::batch::{BatchBuilder, Compression};

/// Who wrote a batch.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Plain,
    /// In a transaction of that producer.
    Transaction(i64),
    /// The mark that ends a transaction of that producer.
    Commit(i64),
    Abort(i64),
}

/// The attributes' bits.
const TRANSACTIONAL: u8 = 0x10;
const CONTROL: u8 = 0x20;

/// A batch of so many records as a broker stores it.
fn batch(offset: u64, records: u32, writer: Writer) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    let (key, producer, attributes): (&[u8], i64, u8) = match writer {
        Writer::Plain => (b"key", -1, 0),
        Writer::Transaction(producer) => (b"key", producer, TRANSACTIONAL),
        Writer::Commit(producer) => (&[0, 0, 0, 1], producer, TRANSACTIONAL | CONTROL),
        Writer::Abort(producer) => (&[0, 0, 0, 0], producer, TRANSACTIONAL | CONTROL),
    };
    for record in 0..records {
        let value = format!("{:09}", offset + u64::from(record));
        builder.push(1_000, Some(key), Some(value.as_bytes()), &[]);
    }
    let mut batch = builder.finish();
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch[22] |= attributes;
    batch[43..51].copy_from_slice(&producer.to_be_bytes());
    sum_up(&mut batch);
    batch
}

/// Makes the checksum fit.
fn sum_up(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}
