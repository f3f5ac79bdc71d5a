//! A town's readings and ranges as batches of rows.
//!
//! It makes nobody up and sends nothing.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use hw_town::{Baseline, Reading};

/// Readings as user, time, zip code, latitude, longitude, heart rate, under the names of `columns`.
pub(crate) fn readings(columns: &SchemaRef, readings: &[Reading]) -> anyhow::Result<RecordBatch> {
    let times: TimestampMillisecondArray = readings.iter().map(|reading| Some(reading.time_ms)).collect();
    let degrees =
        |of: fn(&Reading) -> f64| -> Float64Array { readings.iter().map(|reading| Some(of(reading))).collect() };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(texts(readings, |reading| reading.user)),
        Arc::new(times),
        Arc::new(integers(readings, |reading| reading.zipcode)),
        Arc::new(degrees(|reading| reading.latitude)),
        Arc::new(degrees(|reading| reading.longitude)),
        Arc::new(integers(readings, |reading| reading.heart_rate)),
    ];
    Ok(RecordBatch::try_new(columns.clone(), arrays)?)
}

/// Ranges as user, least and greatest heart rate, under the names of `columns`.
pub(crate) fn ranges(columns: &SchemaRef, ranges: &[Baseline]) -> anyhow::Result<RecordBatch> {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(texts(ranges, |range| range.user)),
        Arc::new(integers(ranges, |range| range.min_heart_rate)),
        Arc::new(integers(ranges, |range| range.max_heart_rate)),
    ];
    Ok(RecordBatch::try_new(columns.clone(), arrays)?)
}

fn texts<T>(rows: &[T], of: impl Fn(&T) -> u32) -> StringArray {
    rows.iter().map(|row| Some(of(row).to_string())).collect()
}

fn integers<T>(rows: &[T], of: impl Fn(&T) -> i32) -> Int32Array {
    rows.iter().map(|row| Some(of(row))).collect()
}
