//! How fast batches are built and walked.
//!
//! The records are readings as the design has them: a key of at most six digits and 39 bytes of Avro, 59 bytes a record
//! in the batch. `cargo bench --bench batch` prints records a second.

use std::hint::black_box;
use std::ops::ControlFlow;

use divan::Bencher;
use divan::counter::ItemsCount;
use hw_log::batch::{BatchBuilder, BatchHeader, Compression, Scratch, walk};

mod readings;

use readings::{RECORDS, fill, readings};

fn main() {
    divan::main();
}

fn batch(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    fill(&mut builder, &readings());
    builder.finish()
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
