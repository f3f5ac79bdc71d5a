//! A history through the engine's task, cut into batches and restarted.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use hw_avro::{Encoder, Schema, confluent};
use hw_engine::{Reason, Schemas, Task, outside_value, value_schema};
use hw_graph::Pipeline;
use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
use hw_log::{LogError, RawBatch};
use hw_reference::{Answer, Answers, Refused, Window};

use crate::history::{Event, History};

const ROWS_SCHEMA: u32 = 1;
const ANSWERS_SCHEMA: u32 = 2;

/// Answers and refusals, sorted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Answer>,
    pub(crate) refused: Vec<(u64, Refused)>,
}

impl Outcome {
    pub(crate) fn of(mut answers: Answers) -> Outcome {
        answers.rows.sort_unstable();
        answers.refused.sort_unstable();
        Outcome {
            rows: answers.rows,
            refused: answers.refused,
        }
    }
}

struct OneSchema(String);

impl Schemas for OneSchema {
    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        Ok((id == ROWS_SCHEMA).then(|| self.0.clone()))
    }
}

/// A pipeline that answers as the reference does, and a history to show it.
pub(crate) struct ThroughTask<'a> {
    history: &'a History,
    pipeline: Pipeline,
    rows_schema: Schema,
    answers_schema: Schema,
    task: Task,
    /// Of the records appended so far: their batches, with the offset behind each.
    log: Vec<(RawBatch, u64)>,
    answers: Answers,
}

impl<'a> ThroughTask<'a> {
    pub(crate) fn new(history: &'a History) -> ThroughTask<'a> {
        let pipeline = hw_plan::plan("rules", &sql(history), &[]).unwrap_or_else(|error| panic!("{error}"));
        let schema = |name: &str| {
            let stream = pipeline
                .streams
                .iter()
                .find(|stream| stream.name == name)
                .expect("a stream");
            value_schema(&stream.record, &stream.columns, outside_value(stream)).expect("a schema")
        };
        let (rows_schema, answers_schema) = (schema("readings"), schema("answers"));
        ThroughTask {
            task: task(&pipeline, &rows_schema),
            history,
            pipeline,
            rows_schema,
            answers_schema,
            log: Vec::new(),
            answers: Answers::default(),
        }
    }

    /// Cuts records into batches of `cuts` records each in turn, and restarts after as many events as `restarts` say in turn.
    pub(crate) fn run(mut self, cuts: &[usize], restarts: &[usize]) -> Outcome {
        let (mut cuts, mut restarts) = (cuts.iter().cycle(), restarts.iter());
        let mut until_restart = restarts.next().copied().unwrap_or(usize::MAX);
        let mut pending = Vec::new();
        let mut room = cuts.next().copied().unwrap_or(1);
        for event in &self.history.events {
            match event {
                Event::Record { .. } => pending.push(*event),
                Event::Idle { .. } => {}
            }
            let is_idle = matches!(event, Event::Idle { .. });
            until_restart = until_restart.saturating_sub(1);
            if pending.len() >= room || is_idle || until_restart == 0 {
                self.append(&std::mem::take(&mut pending));
                room = cuts.next().copied().unwrap_or(1);
            }
            if let Event::Idle { ms } = event {
                self.idle(*ms);
            }
            if until_restart == 0 {
                self.restart();
                until_restart = restarts.next().copied().unwrap_or(usize::MAX);
            }
        }
        self.append(&pending);
        self.idle(self.history.end_ms());
        Outcome::of(self.answers)
    }

    fn append(&mut self, records: &[Event]) {
        if records.is_empty() {
            return;
        }
        let first = self.log.last().map_or(0, |(_, next)| *next);
        let encoder = Encoder::compile(
            &self.rows_schema,
            &self.pipeline.streams[0].columns.project(&[0, 2]).expect("columns"),
        );
        let encoder = encoder.expect("an encoder");
        let mut builder = BatchBuilder::new(Compression::Lz4);
        for record in records {
            let Event::Record {
                key,
                time_ms,
                value,
                counts,
            } = *record
            else {
                continue;
            };
            let key = key.to_string();
            let value = if counts { value as i32 } else { -1 };
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from(vec![key.as_str()])),
                Arc::new(Int32Array::from(vec![value])),
            ];
            let mut bytes = confluent::header(ROWS_SCHEMA).to_vec();
            encoder.bind(&columns).expect("a row").encode(0, &mut bytes);
            builder.push(time_ms, Some(key.as_bytes()), Some(&bytes), &[]);
        }
        let mut batch = builder.finish();
        batch[..8].copy_from_slice(&first.to_be_bytes());
        self.log.push((RawBatch::from(batch), first + records.len() as u64));
        self.catch_up(1);
    }

    /// Shows the task everything from its position on, so many batches at a time.
    fn catch_up(&mut self, together: usize) {
        let from = self.task.position();
        let first = self.log.partition_point(|(_, next)| *next <= from);
        for read in self.log[first..].chunks(together) {
            let batches: Vec<RawBatch> = read.iter().map(|(batch, _)| batch.clone()).collect();
            let next = read.last().map_or(from, |(_, next)| *next);
            self.task.process(&batches, next).expect("batches");
        }
        self.collect();
    }

    fn idle(&mut self, ms: i64) {
        if let Some(clock_ms) = self.task.clock_ms() {
            self.task.mark(clock_ms + ms).expect("a mark");
            self.collect();
        }
    }

    /// What was committed is what was shown; a new task starts from there.
    fn restart(&mut self) {
        let bytes = self.task.resume_point().to_bytes();
        let resume = hw_engine::Resume::from_bytes(&bytes).expect("metadata");
        let committed = self.task.position();
        let clock_ms = self.task.clock_ms();
        self.task = task(&self.pipeline, &self.rows_schema);
        self.task.resume(committed, &resume, 0);
        // As a log's reads do: sometimes all in one, with several marks between.
        self.catch_up([1, 3, usize::MAX][self.log.len() % 3]);
        assert_eq!(self.task.position(), committed);
        assert_eq!(self.task.clock_ms(), clock_ms, "the clock after replay");
    }

    fn collect(&mut self) {
        for letter in self.task.take_dead_letters() {
            let reason = match letter.reason {
                Reason::Late => Refused::Late,
                Reason::Skewed => Refused::Skewed,
                other => panic!("{other}"),
            };
            self.answers.refused.push((letter.offset, reason));
        }
        let mut scratch = Scratch::default();
        for batch in self.task.take_batches() {
            let walked = walk(&batch, &mut scratch, |record| {
                let (_, avro) = confluent::split(record.value.expect("a value")).expect("a frame");
                let row = hw_avro::to_json(&self.answers_schema, avro).expect("a row");
                let number = |column: &str| row[column].as_i64().expect("a number");
                self.answers.rows.push(Answer {
                    key: row["user_id"].as_str().and_then(|key| key.parse().ok()).expect("a key"),
                    time_ms: record.timestamp_ms,
                    count: number("count"),
                    sum: number("sum"),
                });
                ControlFlow::Continue(())
            });
            walked.expect("a batch");
        }
    }
}

fn task(pipeline: &Pipeline, rows_schema: &Schema) -> Task {
    let schemas = Box::new(OneSchema(rows_schema.to_json()));
    Task::for_topic(pipeline, 0, &[], schemas, ANSWERS_SCHEMA).expect("a task")
}

fn sql(history: &History) -> String {
    let query = match history.window {
        Window::Sliding { length_ms } => format!(
            "SELECT user_id, time, count(*) OVER w, sum(value) OVER w FROM readings WHERE value >= 0
             WINDOW w AS (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '{length_ms} milliseconds' PRECEDING AND CURRENT ROW)"
        ),
        Window::Tumbling { length_ms } => format!(
            "SELECT user_id, date_bin(INTERVAL '{length_ms} milliseconds', time), count(*), sum(value) FROM readings WHERE value >= 0
             GROUP BY user_id, date_bin(INTERVAL '{length_ms} milliseconds', time)"
        ),
    };
    let rules = history.rules;
    format!(
        "CREATE UNBOUNDED EXTERNAL TABLE readings (user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, value INT NOT NULL)
         STORED AS AVRO LOCATION 'readings' OPTIONS ('key' 'user_id', 'time' 'time', 'lateness' '{} ms', 'remember' '{} ms',
           'max_lead' '{} ms', 'max_skew' '{} ms');
         CREATE UNBOUNDED EXTERNAL TABLE answers (user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, count BIGINT NOT NULL, sum BIGINT)
         STORED AS AVRO LOCATION 'answers' OPTIONS ('key' 'user_id', 'time' 'time');
         INSERT INTO answers {query};",
        rules.lateness_ms, rules.remember_ms, rules.max_lead_ms, rules.max_skew_ms
    )
}
