//! Golden pipelines: every folder of `tests/pipelines` is run in batch, as a backtest, and live on a folder log in several
//! ways, and must always give the same rows.
//!
//! The rows expected are in `expected.SINK.jsonl`; with `UPDATE_EXPECT=1` they are written anew, from batch, which is
//! plain DataFusion. Nothing is late in these inputs; the time rules have an oracle of their own.

mod live;
mod random;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;
use hw_golden::{Answers, GoldenFolder};
use hw_graph::Pipeline;
use live::{Live, Restart};

struct Golden {
    folder: GoldenFolder,
    sql: String,
    overrides: Vec<(String, String)>,
    pipeline: Pipeline,
    /// By stream or table.
    inputs: BTreeMap<String, Vec<RecordBatch>>,
}

impl Golden {
    fn load(name: &str) -> Golden {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = GoldenFolder::named(&repository, name);
        let files = folder.inputs().unwrap_or_else(|error| panic!("{name}: {error}"));
        let sql = std::fs::read_to_string(folder.pipeline()).expect("pipeline.sql");
        let pipeline = hw_plan::plan("golden", &sql, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let streams = pipeline.streams.iter().map(|stream| (&stream.name, &stream.columns));
        let tables = pipeline.tables.iter().map(|table| (&table.name, &table.columns));
        let mut inputs = BTreeMap::new();
        for (input, schema) in streams.chain(tables) {
            if let Some(path) = files.get(input) {
                inputs.insert(input.clone(), rows::read(path, schema));
            }
        }
        Golden {
            folder,
            sql,
            overrides: Vec::new(),
            pipeline,
            inputs,
        }
    }

    fn expected(&self) -> Answers {
        let batch = self.batch();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            for (sink, rows) in &batch {
                self.folder.expect(sink, rows).expect("write");
            }
        }
        let expected = self.folder.expected().expect("expected rows");
        assert!(
            expected.keys().eq(batch.keys()),
            "every sink has a file: {:?}",
            batch.keys()
        );
        expected
    }

    fn batch(&self) -> Answers {
        let inputs = self
            .inputs
            .iter()
            .map(|(name, batches)| (name.clone(), batches.clone()))
            .collect();
        let answers = hw_batch::run("golden", &self.sql, &self.overrides, inputs).expect("batch");
        let of_sink = |sink: hw_batch::Sink| {
            let columns = self.pipeline.streams.iter().find(|stream| stream.name == sink.name);
            let columns = &columns.expect("a declared sink").columns;
            (sink.name, rows::to_json(sink.batches.iter(), columns))
        };
        answers.sinks.into_iter().map(of_sink).collect()
    }

    fn backtest(&self) -> Answers {
        let take = |name: &String| self.inputs.get(name).cloned().unwrap_or_default();
        let streams = self.pipeline.streams.iter().map(|stream| take(&stream.name)).collect();
        let tables: Vec<_> = self.pipeline.tables.iter().map(|table| take(&table.name)).collect();
        let answers = hw_engine::backtest(&self.pipeline, streams, &tables).expect("backtest");
        let mut by_sink = Answers::new();
        for (stream, batches) in self.pipeline.streams.iter().zip(&answers.streams) {
            if self
                .pipeline
                .jobs
                .iter()
                .any(|job| self.pipeline.streams[job.sink].name == stream.name)
            {
                by_sink.insert(stream.name.clone(), rows::to_json(batches.iter(), &stream.columns));
            }
        }
        by_sink
    }
}

/// Runs one golden pipeline in every way.
fn check(name: &str) {
    let golden = Golden::load(name);
    let expected = golden.expected();
    assert!(
        expected.values().any(|rows| !rows.is_empty()),
        "{name}: expects nothing at all, so it tests nothing"
    );
    assert_same(name, "batch", &expected, &golden.batch());
    assert_same(name, "backtest", &expected, &golden.backtest());
    for partitions in [1, 4, 12] {
        let whole = Live {
            partitions,
            batch_records: 50,
            restart: Restart::Never,
        };
        assert_same(
            name,
            &format!("live, {partitions} partitions"),
            &expected,
            &whole.run(&golden),
        );
    }
    let single = Live {
        partitions: 1,
        batch_records: 1,
        restart: Restart::Never,
    };
    assert_same(name, "live, batches of 1", &expected, &single.run(&golden));
    for every in [7, 40] {
        let restarted = Live {
            partitions: 2,
            batch_records: 5,
            restart: Restart::Every(every),
        };
        assert_same(
            name,
            &format!("live, restart every {every}"),
            &expected,
            &restarted.run(&golden),
        );
    }
}

fn assert_same(name: &str, way: &str, expected: &Answers, got: &Answers) {
    for (sink, expected) in expected {
        let got = got.get(sink).cloned().unwrap_or_default();
        let times = |rows: &[String], row: &String| rows.iter().filter(|other| *other == row).count();
        let more = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter()
                .filter(|row| times(one, row) > times(other, row))
                .take(3)
                .cloned()
                .collect()
        };
        let (missing, surplus) = (more(expected, &got), more(&got, expected));
        assert!(
            *expected == got,
            "{name}, {way}, sink {sink}: {} rows, expected {}\nmissing {missing:#?}\nsurplus {surplus:#?}",
            got.len(),
            expected.len()
        );
    }
}

#[test]
fn still_out_of_range() {
    check("still_out_of_range");
}

#[test]
fn tumbling() {
    check("tumbling");
}

#[test]
fn several_frames_and_every_aggregate() {
    check("frames");
}

#[test]
fn stateless_with_a_left_join() {
    check("stateless");
}

#[test]
fn union_of_streams() {
    check("union");
}

#[test]
fn chained_jobs() {
    check("chained");
}

/// A sweep that met a forgotten key again once looped for ever; a backtest once took a baseline that broke its CHECK.
#[test]
fn keys_that_go_quiet_and_come_back() {
    check("quiet");
}
