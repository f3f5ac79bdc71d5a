//! A golden pipeline, live on a folder log.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};
use hw_avro::{Encoder, Schema, confluent};
use hw_engine::{Clock, End, RunOptions, SystemClock};
use hw_golden::{Answers, canonical};
use hw_graph::{Pipeline, Stream};
use hw_log::batch::{BatchBuilder, Compression, Scratch, partition_for_key, walk};
use hw_log::{Append, Log, TopicOptions, Transaction};
use serde_json::{Map, Value, json};

use crate::Golden;

/// When the engine is stopped and started again.
pub(crate) enum Restart {
    /// Only at the end.
    Never,
    /// After so many records of each stream.
    Every(usize),
}

/// One way of running live.
pub(crate) struct Live {
    pub(crate) partitions: u32,
    pub(crate) batch_records: usize,
    pub(crate) restart: Restart,
}

struct Record {
    time_ms: i64,
    key: String,
    value: Vec<u8>,
}

impl Live {
    pub(crate) fn run(&self, golden: &Golden) -> Answers {
        let folder = tempfile::tempdir().expect("a folder");
        let log: Arc<dyn Log> =
            Arc::new(hw_log::FolderLog::open(folder.path(), &hw_log::FolderOptions::default()).expect("a log"));
        let pipeline = Arc::new(golden.pipeline.clone());
        for table in &pipeline.tables {
            log.create_topic(&table.topic, &TopicOptions::table(1)).expect("topic");
            let records = encode(
                &*log,
                &table.topic,
                &table.record,
                &table.columns,
                (table.key, None),
                golden,
                &table.name,
            );
            append(&*log, &table.topic, 1, self.batch_records, &records);
        }
        let mut streams = Vec::new();
        for (_, stream) in pipeline
            .streams
            .iter()
            .enumerate()
            .filter(|(index, _)| pipeline.is_external(*index))
        {
            log.create_topic(&stream.topic, &TopicOptions::stream(self.partitions))
                .expect("topic");
            let place = (stream.key, hw_engine::outside_value(stream));
            let records = encode(
                &*log,
                &stream.topic,
                &stream.record,
                &stream.columns,
                place,
                golden,
                &stream.name,
            );
            streams.push((stream.topic.clone(), records));
        }
        let longest = streams.iter().map(|(_, records)| records.len()).max().unwrap_or(0);
        let step = match self.restart {
            Restart::Never => longest.max(1),
            Restart::Every(records) => records,
        };
        for start in (0..longest).step_by(step) {
            for (topic, records) in &streams {
                let part = &records[start.min(records.len())..(start + step).min(records.len())];
                append(&*log, topic, self.partitions, self.batch_records, part);
            }
            if matches!(self.restart, Restart::Every(_)) {
                follow_to_end(&pipeline, &log);
            }
        }
        run(&pipeline, &log, End::Stop).join().expect("run to the end");
        let sinks = pipeline.jobs.iter().map(|job| &pipeline.streams[job.sink]);
        sinks.map(|sink| (sink.name.clone(), read_sink(&*log, sink))).collect()
    }
}

fn run(pipeline: &Arc<Pipeline>, log: &Arc<dyn Log>, end: End) -> hw_engine::Running {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = RunOptions {
        end,
        commit_interval: Duration::from_millis(5),
        ..RunOptions::default()
    };
    hw_engine::start(pipeline, log, &clock, &options).expect("start")
}

/// Runs until everything in the log is committed, and stops.
fn follow_to_end(pipeline: &Arc<Pipeline>, log: &Arc<dyn Log>) {
    let running = run(pipeline, log, End::Follow);
    let started = Instant::now();
    // Jobs that feed others are looked at first, so that what they add is seen.
    for job in pipeline.jobs_in_order() {
        let topic = &pipeline.streams[pipeline.jobs[job].source].topic;
        loop {
            let commits = log.committed(&hw_engine::group(pipeline, job)).expect("commits");
            let ranges = log.ranges(topic).expect("ranges");
            let behind = (0..).zip(&ranges).any(|(partition, range)| {
                let commit = commits.iter().find(|commit| commit.partition == partition);
                range.end > commit.map_or(0, |commit| commit.offset)
            });
            if !behind {
                break;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "the engine does not reach the end of {topic}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    running.stop();
    running.join().expect("an orderly stop");
}

fn encode(
    log: &dyn Log,
    topic: &str,
    record: &str,
    columns: &SchemaRef,
    (key, skip): (usize, Option<usize>),
    golden: &Golden,
    input: &str,
) -> Vec<Record> {
    let schema = hw_engine::value_schema(record, columns, skip).expect("schema");
    let id = log
        .register_schema(&format!("{topic}-value"), &schema.to_json())
        .expect("id");
    let kept: Vec<usize> = (0..columns.fields().len())
        .filter(|column| Some(*column) != skip)
        .collect();
    let encoder = Encoder::compile(&schema, &columns.project(&kept).expect("columns")).expect("encoder");
    let mut records = Vec::new();
    for batch in golden.inputs.get(input).into_iter().flatten() {
        let values: Vec<ArrayRef> = kept.iter().map(|column| batch.column(*column).clone()).collect();
        let bound = encoder.bind(&values).expect("rows");
        for row in 0..batch.num_rows() {
            let mut value = confluent::header(id).to_vec();
            bound.encode(row, &mut value);
            let key = batch.column(key).as_string::<i32>().value(row).to_owned();
            records.push(Record {
                time_ms: skip.map_or(0, |time| time_of(batch, time, row)),
                key,
                value,
            });
        }
    }
    records
}

fn time_of(batch: &RecordBatch, column: usize, row: usize) -> i64 {
    batch
        .column(column)
        .as_primitive::<TimestampMillisecondType>()
        .value(row)
}

fn append(log: &dyn Log, topic: &str, partitions: u32, batch_records: usize, records: &[Record]) {
    for partition in 0..partitions {
        let mine: Vec<&Record> = records
            .iter()
            .filter(|record| partition_for_key(record.key.as_bytes(), partitions) == partition)
            .collect();
        for part in mine.chunks(batch_records) {
            let mut builder = BatchBuilder::new(Compression::Lz4);
            for record in part {
                builder.push(record.time_ms, Some(record.key.as_bytes()), Some(&record.value), &[]);
            }
            let appends = vec![Append {
                topic: topic.to_owned(),
                partition,
                batch: builder.finish(),
            }];
            log.append(&Transaction {
                appends,
                commits: Vec::new(),
            })
            .expect("append");
        }
    }
}

fn read_sink(log: &dyn Log, sink: &Stream) -> Vec<String> {
    let mut lines = Vec::new();
    let mut scratch = Scratch::default();
    for (partition, range) in (0..).zip(log.ranges(&sink.topic).expect("ranges")) {
        let mut at = range.start;
        while at < range.end {
            let fetch = log.read(&sink.topic, partition, at, 1 << 20).expect("read");
            for batch in &fetch.batches {
                let walked = walk(batch, &mut scratch, |record| {
                    let (id, avro) = confluent::split(record.value.expect("a value")).expect("a frame");
                    let schema = Schema::parse(&log.schema(id).expect("schema").expect("known")).expect("schema");
                    let Value::Object(mut row) = hw_avro::to_json(&schema, avro).expect("a row") else {
                        panic!("a row is an object")
                    };
                    let time = sink.columns.field(sink.time).name().clone();
                    row.insert(time, json!(record.timestamp_ms));
                    lines.push(canonical(with_times(row, sink)));
                    ControlFlow::Continue(())
                });
                walked.expect("a batch");
            }
            at = fetch.next_offset;
        }
    }
    lines.sort();
    lines
}

/// Milliseconds as the JSON writer of the other ways shows them.
fn with_times(mut row: Map<String, Value>, sink: &Stream) -> Map<String, Value> {
    for field in sink.columns.fields() {
        if !matches!(field.data_type(), arrow::datatypes::DataType::Timestamp(_, _)) {
            continue;
        }
        if let Some(time_ms) = row.get(field.name()).and_then(Value::as_i64) {
            let array = arrow::array::TimestampMillisecondArray::from(vec![time_ms]);
            let text = arrow::util::display::array_value_to_string(&array, 0).expect("a time");
            row.insert(field.name().clone(), json!(text));
        }
    }
    row
}
