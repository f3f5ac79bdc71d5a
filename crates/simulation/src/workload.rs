//! The workload: a pipeline of one of several shapes, and what watches send to it, drawn from a seed.
//!
//! Small numbers on purpose: windows of two seconds, a handful of users, so that half a minute holds many windows, several
//! ranges of replay, and every kind of disorder.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use arrow::datatypes::Schema as Columns;
use hw_avro::{BoundEncoder, Encoder, Schema, confluent};
use hw_engine::{outside_value, value_schema};
use hw_graph::Pipeline;
use hw_log::TopicOptions;
use hw_log::batch::{BatchBuilder, Compression};
use hw_reference::{Rules, Window};

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::script::{Act, How, Sending};
use crate::world::START_MS;

/// How long things go wrong.
pub(crate) const TROUBLE_MS: i64 = 30_000;

/// How long is sent: a little longer, so that something is left to do.
const SENDING_MS: i64 = 33_000;

/// A value from here on breaks the stream's `CHECK`.
pub(crate) const VALUE_LIMIT: i64 = 1_000;

pub(crate) const SOURCE: &str = "readings";
pub(crate) const SINK: &str = "answers";
const TABLE: &str = "people";
/// Between the two jobs of a chain.
pub(crate) const BETWEEN: &str = "clean";

/// How wrong the watches' clocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// In order, and as the wall clock goes.
    Calm,
    /// Disorder within and beyond the lateness, uploads of old readings.
    Mild,
    /// Clocks that are far ahead or behind.
    Wild,
}

/// A pipeline and what is sent to it.
pub(crate) struct Workload {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) rules: Rules,
    pub(crate) window: Window,
    pub(crate) partitions: u32,
    /// Whether a job without a window stands before the one with it.
    pub(crate) is_chained: bool,
    /// Whether answers need the user to be in a table.
    pub(crate) is_joined: bool,
    style: Style,
}

impl Workload {
    pub(crate) fn draw(dice: &mut Dice) -> anyhow::Result<Workload> {
        let length_ms = 2_000;
        let window = if dice.chance(500) {
            Window::Sliding { length_ms }
        } else {
            Window::Tumbling { length_ms }
        };
        let lateness_ms = dice.pick(&[0, 300, 1_000, 3_000]);
        let rules = Rules {
            lateness_ms,
            remember_ms: (length_ms + lateness_ms).max(2 * lateness_ms) + dice.pick(&[0, 1_000, 10_000]),
            max_lead_ms: 4_000,
            max_skew_ms: 40_000,
        };
        let (is_chained, is_joined) = (dice.chance(400), dice.chance(300));
        let sql = sql(&rules, window, is_chained, is_joined);
        let pipeline = hw_plan::plan("sim", &sql, &[]).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Workload {
            pipeline: Arc::new(pipeline),
            rules,
            window,
            partitions: 1 + dice.below(4) as u32,
            is_chained,
            is_joined,
            style: dice.pick(&[Style::Calm, Style::Calm, Style::Mild, Style::Wild]),
        })
    }

    /// The topic that the job with the window reads.
    pub(crate) fn windowed(&self) -> &'static str {
        if self.is_chained { BETWEEN } else { SOURCE }
    }

    /// Whether the table has a user.
    pub(crate) fn knows(&self, key: u32) -> bool {
        !self.is_joined || key % 5 != 4
    }

    pub(crate) fn describe(&self) -> String {
        let (rules, window, style) = (self.rules, self.window, self.style);
        let chained = if self.is_chained { ", two jobs" } else { "" };
        let joined = if self.is_joined { ", with a table" } else { "" };
        format!(
            "{window:?}, {} partitions, {style:?}, lateness {} ms, remember {} ms{chained}{joined}",
            self.partitions, rules.lateness_ms, rules.remember_ms
        )
    }

    /// Makes topics, fills the table, and gives what is sent, each with its time.
    pub(crate) fn prepare(&self, cluster: &mut Cluster, dice: &mut Dice) -> anyhow::Result<Vec<(i64, Act)>> {
        cluster.create_topic(SOURCE, &TopicOptions::stream(self.partitions))?;
        if self.is_joined {
            self.fill_table(cluster)?;
        }
        let source = &self.pipeline.streams[0];
        let schema = value_schema(&source.record, &source.columns, outside_value(source))?;
        let schema_id = cluster.register("readings-value", &schema.to_json());
        let writer = Writer::new(&schema, &source.columns.project(&[0, 2])?, schema_id)?;
        let mut acts = Vec::new();
        for partition in 0..self.partitions {
            let mut dice = dice.apart();
            self.send_to(partition, &writer, &mut dice, &mut acts)?;
        }
        Ok(acts)
    }

    fn fill_table(&self, cluster: &mut Cluster) -> anyhow::Result<()> {
        cluster.create_topic(TABLE, &TopicOptions::table(1))?;
        let table = &self.pipeline.tables[0];
        let schema = value_schema(&table.record, &table.columns, None)?;
        let schema_id = cluster.register("people-value", &schema.to_json());
        let writer = Writer::new(&schema, &table.columns, schema_id)?;
        let place = (TABLE.to_owned(), 0);
        for key in (0..self.partitions * 10).filter(|key| self.knows(*key)) {
            let mut batch = BatchBuilder::new(Compression::Lz4);
            let value = writer.value(key, i64::from(key))?;
            batch.push(START_MS, Some(key.to_string().as_bytes()), Some(&value), &[]);
            cluster.append(&place, &batch.finish());
        }
        Ok(())
    }

    /// What one partition gets: bursts, gaps, and now and then something that nobody can read.
    fn send_to(
        &self,
        partition: u32,
        writer: &Writer,
        dice: &mut Dice,
        acts: &mut Vec<(i64, Act)>,
    ) -> anyhow::Result<()> {
        let mut at_ms = START_MS + dice.between(0, 2_000);
        let last_ms = START_MS + SENDING_MS;
        while at_ms < last_ms {
            let mut batch = BatchBuilder::new(Compression::Lz4);
            for _ in 0..1 + dice.below(4) {
                self.push_record(partition, at_ms, writer, dice, &mut batch)?;
            }
            let sending = Sending {
                place: (SOURCE.to_owned(), partition),
                batch: batch.finish(),
                how: how(dice),
            };
            acts.push((at_ms, Act::Send(sending)));
            at_ms += if dice.chance(60) {
                dice.between(2_000, 9_000)
            } else {
                dice.between(0, 900)
            };
        }
        Ok(())
    }

    fn push_record(
        &self,
        partition: u32,
        at_ms: i64,
        writer: &Writer,
        dice: &mut Dice,
        batch: &mut BatchBuilder,
    ) -> anyhow::Result<()> {
        let key = partition * 10 + dice.below(5) as u32;
        let time_ms = at_ms + self.off_ms(dice);
        let value = if dice.chance(80) { -1 } else { dice.between(0, 99) };
        let (text, mut bytes) = (key.to_string(), writer.value(key, value)?);
        let mut text = Some(text.as_bytes());
        if dice.chance(30) {
            // Poison.
            match dice.below(4) {
                0 => bytes.truncate(confluent::HEADER_BYTES),
                1 => bytes[1..confluent::HEADER_BYTES].copy_from_slice(&[0, 0, 3, 231]),
                2 => text = None,
                _ => bytes = writer.value(key, VALUE_LIMIT + 5)?,
            }
        }
        let value = if dice.chance(4) { None } else { Some(&bytes[..]) };
        batch.push(time_ms, text, value, &[]);
        Ok(())
    }

    /// How far a record's time lies from the wall clock.
    fn off_ms(&self, dice: &mut Dice) -> i64 {
        let far = match self.style {
            Style::Calm => return -dice.between(0, self.rules.lateness_ms / 4),
            Style::Mild => 0,
            Style::Wild => 120,
        };
        if dice.chance(far) {
            let unit_ms = dice.pick(&[4_200, 40_200]);
            return dice.between(-2, 2) * unit_ms;
        }
        match dice.below(10) {
            0..=5 => 0,
            6 | 7 => -dice.between(0, 1_200),
            _ => dice.between(-8_000, 400),
        }
    }
}

fn how(dice: &mut Dice) -> How {
    if dice.chance(850) {
        return How::Plain;
    }
    How::Transaction {
        ends_after_ms: dice.between(0, 1_500),
        is_commit: dice.chance(500),
    }
}

/// Encodes values of two columns: a user and a number.
struct Writer {
    encoder: Encoder,
    schema_id: u32,
}

impl Writer {
    fn new(schema: &Schema, columns: &Columns, schema_id: u32) -> anyhow::Result<Writer> {
        let encoder = Encoder::compile(schema, columns)?;
        Ok(Writer { encoder, schema_id })
    }

    fn value(&self, key: u32, number: i64) -> anyhow::Result<Vec<u8>> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![key.to_string()])),
            Arc::new(Int32Array::from(vec![number as i32])),
        ];
        let mut bytes = confluent::header(self.schema_id).to_vec();
        let row: BoundEncoder = self.encoder.bind(&columns)?;
        row.encode(0, &mut bytes);
        Ok(bytes)
    }
}

fn sql(rules: &Rules, window: Window, is_chained: bool, is_joined: bool) -> String {
    let timing = format!(
        "'lateness' '{} ms', 'remember' '{} ms', 'max_lead' '{} ms', 'max_skew' '{} ms', 'idle_after' '700 ms'",
        rules.lateness_ms, rules.remember_ms, rules.max_lead_ms, rules.max_skew_ms
    );
    let columns = "user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, value INT NOT NULL";
    let keyed = "STORED AS AVRO LOCATION";
    let mut sql = format!(
        "CREATE UNBOUNDED EXTERNAL TABLE readings ({columns}, CHECK (value < {VALUE_LIMIT}))
         {keyed} '{SOURCE}' OPTIONS ('key' 'user_id', 'time' 'time', {timing});
         CREATE UNBOUNDED EXTERNAL TABLE answers (user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, count BIGINT NOT NULL, sum BIGINT)
         {keyed} '{SINK}' OPTIONS ('key' 'user_id', 'time' 'time');"
    );
    if is_joined {
        sql += &format!(
            "CREATE EXTERNAL TABLE people (user_id VARCHAR NOT NULL, team INT NOT NULL)
             {keyed} '{TABLE}' OPTIONS ('key' 'user_id');"
        );
    }
    if is_chained {
        sql += &format!(
            "CREATE UNBOUNDED EXTERNAL TABLE clean ({columns})
             {keyed} '{BETWEEN}' OPTIONS ('key' 'user_id', 'time' 'time', {timing});
             INSERT INTO clean SELECT user_id, time, value FROM readings WHERE value >= 0;"
        );
    }
    let source = if is_chained { "clean" } else { "readings" };
    let (join, and) = if is_joined {
        ("JOIN people p ON w.user_id = p.user_id", "WHERE p.team >= 0")
    } else {
        ("", "")
    };
    let inner = match window {
        Window::Sliding { length_ms } => format!(
            "SELECT r.user_id, r.time, count(*) OVER w AS c, sum(r.value) OVER w AS s FROM {source} r WHERE r.value >= 0
             WINDOW w AS (PARTITION BY r.user_id ORDER BY r.time
                          RANGE BETWEEN INTERVAL '{length_ms} milliseconds' PRECEDING AND CURRENT ROW)"
        ),
        Window::Tumbling { length_ms } => format!(
            "SELECT r.user_id, date_bin(INTERVAL '{length_ms} milliseconds', r.time) AS time, count(*) AS c, sum(r.value) AS s
             FROM {source} r WHERE r.value >= 0
             GROUP BY r.user_id, date_bin(INTERVAL '{length_ms} milliseconds', r.time)"
        ),
    };
    sql + &format!("INSERT INTO answers SELECT w.user_id, w.time, w.c, w.s FROM ({inner}) w {join} {and};")
}
