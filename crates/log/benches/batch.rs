//! How fast batches are built and walked.
//!
//! The records are readings as the design has them: a key of at most six digits and 39 bytes of Avro, 59 bytes a record
//! in the batch. `cargo bench --bench batch` prints records a second.

use std::hint::black_box;
use std::ops::ControlFlow;

use divan::Bencher;
use divan::counter::ItemsCount;
use hw_log::batch::{BatchBuilder, BatchHeader, Compression, Scratch, walk};

const RECORDS: usize = 2_000;

fn main() {
    divan::main();
}

/// Values whose bytes differ as those of real readings do: positions wander, the rest repeats.
fn readings() -> Vec<(String, Vec<u8>)> {
    let mut noise = 7u64;
    (0..RECORDS)
        .map(|index| {
            let user = (index * 37 % 20_000).to_string();
            let mut value = vec![0, 0, 0, 0, 1];
            value.push(user.len() as u8 * 2);
            value.extend_from_slice(user.as_bytes());
            value.extend_from_slice(&[0xa2, 0x9c, 0x01]);
            for degrees in [40.7f64, -74.0] {
                noise = noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                value.extend_from_slice(&(degrees + (noise >> 40) as f64 * 1e-9).to_le_bytes());
            }
            value.extend_from_slice(&[0x98, 0x01]);
            value.resize(39, 0);
            (user, value)
        })
        .collect()
}

fn batch(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    fill(&mut builder, &readings());
    builder.finish()
}

fn fill(builder: &mut BatchBuilder, readings: &[(String, Vec<u8>)]) {
    for (index, (key, value)) in readings.iter().enumerate() {
        builder.push(1_767_225_600_000 + index as i64, Some(key.as_bytes()), Some(value), &[]);
    }
}

#[divan::bench(args = [Compression::None, Compression::Lz4])]
fn build(bencher: Bencher<'_, '_>, compression: &Compression) {
    let readings = readings();
    let mut builder = BatchBuilder::new(*compression);
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        fill(&mut builder, &readings);
        builder.finish()
    });
}

#[divan::bench(args = [Compression::None, Compression::Lz4])]
fn crc_and_walk(bencher: Bencher<'_, '_>, compression: &Compression) {
    let batch = batch(*compression);
    let mut scratch = Scratch::default();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let mut sum = 0u64;
        let header = BatchHeader::parse(&batch).expect("a whole batch");
        header.verify_crc(&batch).expect("not damaged");
        walk(black_box(&batch), &mut scratch, |record| {
            sum += record.offset + record.timestamp_ms as u64;
            sum += record.key.map_or(0, <[u8]>::len) as u64 + record.value.map_or(0, |value| u64::from(value[5]));
            ControlFlow::Continue(())
        })
        .expect("a whole batch");
        sum
    });
}

#[divan::bench]
fn crc(bencher: Bencher<'_, '_>) {
    let batch = batch(Compression::None);
    let header = BatchHeader::parse(&batch).expect("a whole batch");
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| header.verify_crc(black_box(&batch)));
}
