//! No bytes make a reader panic, and what is written is read back.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::compute::concat_batches;
use hw_connectors::output::{Format, Writer};
use hw_connectors::recordings::{ColumnNames, parse, reading_columns};
use hw_connectors::{BatchReader, Malformed, Table, csv, jsonl};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

fn table() -> Table {
    Table {
        columns: reading_columns(),
        key: 0,
        time: Some(1),
    }
}

fn read(mut reader: impl BatchReader) -> RecordBatch {
    let (mut batches, mut problems) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next_batch(&mut problems).expect("skips") {
        batches.push(batch);
    }
    concat_batches(&reading_columns(), &batches).expect("one schema")
}

fn batch(rows: &[(String, i64, i32, f64, i32)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.0))),
        Arc::new(TimestampMillisecondArray::from_iter_values(
            rows.iter().map(|row| row.1),
        )),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| -row.3))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.4))),
    ];
    RecordBatch::try_new(reading_columns(), columns).expect("same length")
}

fn written(batch: &RecordBatch, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "memory", format, &batch.schema()).expect("starts");
    writer.write(batch).expect("writes");
    writer.finish().expect("finishes");
    out
}

const SEEDS: [(&str, &str); 4] = [
    (
        "gpx",
        "<gpx><trk><trkpt lat=\"1\" lon=\"2\"><time>2026-01-01T00:00:00Z</time><x:hr>66</x:hr></trkpt></trk></gpx>",
    ),
    (
        "tcx",
        "<TrainingCenterDatabase><Trackpoint><Time>2026-01-01T00:00:00Z</Time><Position><LatitudeDegrees>1</LatitudeDegrees>\
         <LongitudeDegrees>2</LongitudeDegrees></Position><HeartRateBpm><Value>9</Value></HeartRateBpm></Trackpoint>\
         </TrainingCenterDatabase>",
    ),
    (
        "csv",
        "timestamp,heart_rate,position_lat,position_long\nSun Sep 25 06:00:22 PDT 2011,161,521521093,-946874053\n\"1\",2,3,4\n",
    ),
    (
        "jsonl",
        "{\"time\":1767225600000,\"lat\":1.5,\"lon\":2.5,\"hr\":70}\n{\"time\":\"2026-01-01T00:00:01Z\",\"lat\":\"1.5\"}\n",
    ),
];

/// A FIT file of one definition (timestamp, latitude, longitude, heart rate) and two records.
fn fit_seed() -> Vec<u8> {
    let mut data = vec![0x40, 0, 0, 20, 0, 4, 253, 4, 0x86, 0, 4, 0x85, 1, 4, 0x85, 3, 1, 0x02];
    for second in 0..2u32 {
        data.push(0);
        data.extend_from_slice(&(1_000_000_000 + second).to_le_bytes());
        data.extend_from_slice(&536_870_912i32.to_le_bytes());
        data.extend_from_slice(&(-268_435_456i32).to_le_bytes());
        data.push(70);
    }
    let mut file = vec![14, 0x10, 0x5c, 0x08];
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(b".FIT\0\0");
    file.extend_from_slice(&data);
    file.extend_from_slice(&[0, 0]);
    file
}

#[test]
fn a_fit_file_written_by_hand_is_read() {
    let recording = parse("fit", &fit_seed(), &ColumnNames::default()).expect("a recording");
    assert_eq!(recording.readings.len(), 2, "{recording:?}");
    assert_eq!(recording.readings[0].latitude, 45.0);
    assert_eq!(recording.readings[0].longitude, -22.5);
    assert_eq!(recording.readings[1].time_ms, (631_065_600 + 1_000_000_001) * 1_000);
}

fn damaged(mut bytes: Vec<u8>, damage: &[(Index, u8)], cut: Option<Index>) -> Vec<u8> {
    for (at, value) in damage {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

proptest! {
    #[test]
    fn text_that_is_written_is_read_back(
        rows in vec((".{1,12}", -62_135_596_800_000..253_402_300_800_000i64, any::<i32>(), -1e9..1e9f64, any::<i32>()), 1..20)
    ) {
        let batch = batch(&rows);
        let table = table();
        let json = written(&batch, Format::JsonLines);
        prop_assert_eq!(&read(jsonl::Reader::new(json.as_slice(), "x", &table, Malformed::Refuse)), &batch);
        let text = written(&batch, Format::Csv);
        let reader = csv::Reader::new(text.as_slice(), "x", &table, Malformed::Refuse).expect("a header");
        prop_assert_eq!(&read(reader), &batch);
    }

    #[test]
    fn damaged_tables_never_panic(
        damage in vec((any::<Index>(), any::<u8>()), 0..10),
        cut in proptest::option::of(any::<Index>()),
    ) {
        let rows: Vec<_> = (0..5).map(|row| (format!("u\"{row},"), row, 1, 2.5, 70)).collect();
        let (batch, table) = (batch(&rows), table());
        let json = damaged(written(&batch, Format::JsonLines), &damage, cut);
        prop_assert!(read(jsonl::Reader::new(json.as_slice(), "x", &table, Malformed::Skip)).num_rows() <= 10);
        let text = damaged(written(&batch, Format::Csv), &damage, cut);
        if let Ok(reader) = csv::Reader::new(text.as_slice(), "x", &table, Malformed::Skip) {
            prop_assert!(read(reader).num_rows() <= 10);
        }
    }

    #[test]
    fn damaged_recordings_never_panic(
        damage in vec((any::<Index>(), any::<u8>()), 0..10),
        cut in proptest::option::of(any::<Index>()),
    ) {
        for (kind, seed) in SEEDS {
            parse(kind, &damaged(seed.into(), &damage, cut), &ColumnNames::default()).ok();
        }
        parse("fit", &damaged(fit_seed(), &damage, cut), &ColumnNames::default()).ok();
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        for kind in ["gpx", "tcx", "csv", "jsonl", "fit"] {
            parse(kind, &bytes, &ColumnNames::default()).ok();
        }
        read(jsonl::Reader::new(bytes.as_slice(), "x", &table(), Malformed::Skip));
    }
}
