//! Nanoseconds for one reading: decoding 8,192 of them into columns, and encoding them again.
//!
//! `cargo bench --profile dev -p hw-avro`; divan prints items (records) a second beside the time.

use std::hint::black_box;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use divan::Bencher;
use divan::counter::ItemsCount;
use hw_avro::{ColumnRequest, Columns, Decoder, Encoder, Schema, shipped};

const ROWS: usize = 8_192;
const BATCHES: usize = 64;

fn main() {
    divan::main();
}

fn request(name: &str, data_type: DataType) -> ColumnRequest {
    ColumnRequest::new(name, data_type, false)
}

fn all() -> Vec<ColumnRequest> {
    let mut columns = vec![request("user_id", DataType::Utf8)];
    columns.extend(without_user());
    columns
}

fn without_user() -> Vec<ColumnRequest> {
    let mut columns = vec![ColumnRequest::new("zipcode", DataType::Int32, true)];
    columns.extend(place_and_heart());
    columns
}

fn place_and_heart() -> Vec<ColumnRequest> {
    vec![
        request("latitude", DataType::Float64),
        request("longitude", DataType::Float64),
        request("heart_rate", DataType::Int32),
    ]
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Records one behind another as in a fetched batch, larger than the second-level cache, and where each ends.
fn readings() -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), vec![0]);
    for row in 0..ROWS * BATCHES {
        let mixed = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let user = format!("user-{:07}", mixed % 20_000);
        long(user.len() as i64, &mut bytes);
        bytes.extend_from_slice(user.as_bytes());
        long(1, &mut bytes); // the branch of null and int
        long(10_001 + (mixed % 900) as i64, &mut bytes);
        bytes.extend_from_slice(&(39.0 + (mixed % 2_000) as f64 / 1_000.0).to_le_bytes());
        bytes.extend_from_slice(&(-75.0 + (mixed % 1_999) as f64 / 1_000.0).to_le_bytes());
        long(50 + (mixed % 60) as i64, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn decode(bencher: Bencher, requests: &[ColumnRequest]) {
    let schema = Schema::parse(shipped::READING).expect("shipped");
    let decoder = Decoder::compile(&schema, requests).expect("compiles");
    let mut columns = Columns::new(requests).expect("types");
    let (bytes, ends) = readings();
    bencher.counter(ItemsCount::new(ROWS * BATCHES)).bench_local(|| {
        for batch in 0..BATCHES {
            for row in batch * ROWS..(batch + 1) * ROWS {
                decoder
                    .decode(&bytes[ends[row]..ends[row + 1]], &mut columns)
                    .expect("valid");
            }
            black_box(columns.finish());
        }
    });
}

#[divan::bench]
fn decode_5_fields(bencher: Bencher) {
    decode(bencher, &all());
}

#[divan::bench]
fn decode_4_fields_user_skipped(bencher: Bencher) {
    decode(bencher, &without_user());
}

#[divan::bench]
fn decode_place_and_heart(bencher: Bencher) {
    decode(bencher, &place_and_heart());
}

#[divan::bench]
fn encode_5_fields(bencher: Bencher) {
    let schema = Schema::parse(shipped::READING).expect("shipped");
    let requests = all();
    let decoder = Decoder::compile(&schema, &requests).expect("compiles");
    let mut columns = Columns::new(&requests).expect("types");
    let (bytes, ends) = readings();
    for span in ends.windows(2).take(ROWS) {
        decoder.decode(&bytes[span[0]..span[1]], &mut columns).expect("valid");
    }
    let fields: Vec<_> = requests
        .iter()
        .map(|one| Field::new(&one.name, one.data_type.clone(), one.nullable))
        .collect();
    let arrow = ArrowSchema::new(fields);
    let batch = RecordBatch::try_new(arrow.clone().into(), columns.finish()).expect("same length");
    let encoder = Encoder::compile(&schema, &arrow).expect("compiles");
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        out.clear();
        let bound = encoder.bind(batch.columns()).expect("no nulls");
        for row in 0..ROWS {
            bound.encode(row, &mut out);
        }
        black_box(out.len());
    });
}
