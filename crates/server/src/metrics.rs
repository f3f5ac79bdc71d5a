//! Metrics: the numbers in Prometheus' text format, version 0.0.4.
//!
//! Names follow Prometheus' rules: base units, and `_total` behind what only grows. It keeps no numbers of its own.

use std::fmt::Write;
use std::time::Duration;

use crate::source::Task;

/// What the text is, for the `Content-Type` header.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A number of every task.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// None where the task has no such number yet.
    value: fn(&Task) -> Option<f64>,
}

const FAMILIES: [Family; 12] = [
    Family {
        name: "heartwatch_records_in_total",
        kind: "counter",
        help: "Records read, replayed ones not counted.",
        value: |task| Some(task.numbers.records_in as f64),
    },
    Family {
        name: "heartwatch_rows_out_total",
        kind: "counter",
        help: "Answers written.",
        value: |task| Some(task.numbers.rows_out as f64),
    },
    Family {
        name: "heartwatch_late_total",
        kind: "counter",
        help: "Rows that came late.",
        value: |task| Some(task.numbers.late as f64),
    },
    Family {
        name: "heartwatch_dead_letters_total",
        kind: "counter",
        help: "Records that went to the dead-letter topic, late ones among them.",
        value: |task| Some(task.numbers.dead_letters as f64),
    },
    Family {
        name: "heartwatch_unmatched_total",
        kind: "counter",
        help: "Answers without a row in a table they are joined with.",
        value: |task| Some(task.numbers.unmatched as f64),
    },
    Family {
        name: "heartwatch_cut_windows_total",
        kind: "counter",
        help: "Answers whose windows reached over rows that do not know each other.",
        value: |task| Some(task.numbers.cut_windows as f64),
    },
    Family {
        name: "heartwatch_starts_over_total",
        kind: "counter",
        help: "How often a task was made anew because the log refused a transaction, or did not say whether it was committed.",
        value: |task| Some(task.numbers.starts_over as f64),
    },
    Family {
        name: "heartwatch_waiting_rows",
        kind: "gauge",
        help: "Rows that wait for the clock.",
        value: |task| Some(task.numbers.waiting as f64),
    },
    Family {
        name: "heartwatch_keys",
        kind: "gauge",
        help: "Keys that are remembered.",
        value: |task| Some(task.numbers.keys as f64),
    },
    Family {
        name: "heartwatch_state_bytes",
        kind: "gauge",
        help: "Bytes of state.",
        value: |task| Some(task.numbers.state_bytes as f64),
    },
    Family {
        name: "heartwatch_lag_records",
        kind: "gauge",
        help: "Records between the task's position and the partition's end.",
        value: |task| Some(task.numbers.lag as f64),
    },
    Family {
        name: "heartwatch_clock_timestamp_seconds",
        kind: "gauge",
        help: "The partition's clock (event time) in seconds since the epoch; absent before the first record.",
        value: |task| task.clock_ms.map(|clock_ms| clock_ms as f64 / 1_000.0),
    },
];

/// The whole text.
pub(crate) fn text(pipeline: &str, is_running: bool, uptime: Duration, tasks: &[Task]) -> String {
    let mut text = String::new();
    let pipeline = label("pipeline", pipeline);
    let version = label("version", env!("CARGO_PKG_VERSION"));
    head(&mut text, "heartwatch_build_info", "gauge", "1, with the version.");
    sample(&mut text, "heartwatch_build_info", &version, 1.0);
    head(
        &mut text,
        "heartwatch_uptime_seconds",
        "gauge",
        "Seconds since the server started.",
    );
    sample(&mut text, "heartwatch_uptime_seconds", &pipeline, uptime.as_secs_f64());
    head(
        &mut text,
        "heartwatch_pipeline_running",
        "gauge",
        "1 while the pipeline runs, 0 before and after.",
    );
    let running = if is_running { 1.0 } else { 0.0 };
    sample(&mut text, "heartwatch_pipeline_running", &pipeline, running);
    for family in &FAMILIES {
        head(&mut text, family.name, family.kind, family.help);
        for task in tasks {
            if let Some(value) = (family.value)(task) {
                sample(&mut text, family.name, &labels(task), value);
            }
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(text: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(text, "{name}{{{labels}}} {value}");
}

fn labels(task: &Task) -> String {
    let (job, topic) = (label("job", &task.job.to_string()), label("topic", &task.topic));
    format!("{job},{topic},partition=\"{}\"", task.partition)
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}
