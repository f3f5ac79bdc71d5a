//! The graph as text, for `heartwatch explain`: what is read, kept, answered and written, in the order of a row's way.
//!
//! It shows the value that the engine runs, nothing of the SQL text it came from.

use std::fmt::{self, Write};

use crate::sql::{expression_text, interval_text, type_text};
use crate::{Aggregate, Check, Job, LookupKind, Pipeline, Stream, TimeSource, Window};

impl Pipeline {
    /// The pipeline as a tree for people to read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = self.write(&mut text);
        text
    }

    /// Steps in the order that a row takes through them.
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "pipeline {}", self.name)?;
        if !self.parameters.is_empty() {
            writeln!(out, "  parameters")?;
            let width = self
                .parameters
                .iter()
                .map(|parameter| parameter.name.len())
                .max()
                .unwrap_or(0);
            for parameter in &self.parameters {
                writeln!(out, "    {:width$} = {}", parameter.name, parameter.value)?;
            }
        }
        for (index, job) in self.jobs.iter().enumerate() {
            let (source, sink) = (&self.streams[job.source], &self.streams[job.sink]);
            writeln!(out, "\n  job {}: {} -> {}", index + 1, source.name, sink.name)?;
            self.write_source(source, job, out)?;
            write_list(
                out,
                "before",
                job.before.iter().map(|expr| expression_text(expr.as_ref())),
            )?;
            if let Some(window) = &job.window {
                write_window(window, source, out)?;
            }
            self.write_lookups(job, source, out)?;
            write_list(
                out,
                "after",
                job.after.iter().map(|expr| expression_text(expr.as_ref())),
            )?;
            write_list(out, "select", selected(job))?;
            write_sink(sink, out)?;
            self.write_state(job, source, out)?;
        }
        Ok(())
    }

    fn write_source(&self, source: &Stream, job: &Job, out: &mut String) -> fmt::Result {
        let time = source.columns.field(source.time).name();
        let read_from = match source.time_source {
            TimeSource::RecordTimestamp => "the record's timestamp",
            TimeSource::Value => "a field of the value",
        };
        let key = source.columns.field(source.key).name();
        let mut lines = vec![
            format!("topic {}, Avro record {}", source.topic, source.record),
            format!("key {key}, event time {time} ({read_from})"),
        ];
        let timing = &source.timing;
        // Without a window nothing waits and nothing is remembered.
        if job.window.is_some() {
            let default = match timing.remember_ms {
                Some(_) => "",
                None if job.remember_ms(self) == 2 * timing.lateness_ms => " (2 x lateness)",
                None => " (window + lateness + 1 minute)",
            };
            lines.push(format!("lateness   {}", interval_text(timing.lateness_ms)));
            lines.push(format!("remember   {}{default}", interval_text(job.remember_ms(self))));
            lines.push(format!("idle after {}", interval_text(timing.idle_after_ms)));
        }
        lines.push(format!("max lead   {}", interval_text(timing.max_lead_ms)));
        lines.push(format!("max skew   {}", interval_text(timing.max_skew_ms)));
        write_list(out, "source", lines)?;
        self.write_checks(&source.checks, out)
    }

    fn write_checks(&self, checks: &[Check], out: &mut String) -> fmt::Result {
        let mut lines: Vec<String> = checks.iter().map(|check| check.text.clone()).collect();
        if !lines.is_empty() {
            lines.push(format!("otherwise to {}", self.dead_letter_topic()));
        }
        write_list(out, "check", lines)
    }

    /// Tables, with what happens to a row that finds nothing there.
    fn write_lookups(&self, job: &Job, source: &Stream, out: &mut String) -> fmt::Result {
        let mut lines = Vec::new();
        for lookup in &job.lookups {
            let table = &self.tables[lookup.table];
            let without = match lookup.kind {
                LookupKind::Inner => "a row without one is dropped and counted",
                LookupKind::Left => "a row without one gets nulls",
            };
            let (key, name) = (source.columns.field(source.key).name(), &table.name);
            let table_key = table.columns.field(table.key).name();
            lines.push(format!("{name} on {key} = {name}.{table_key}; {without}"));
            lines.push(format!("  topic {}, Avro record {}", table.topic, table.record));
            lines.extend(table.checks.iter().map(|check| format!("  check {}", check.text)));
        }
        write_list(out, "look up", lines)
    }

    /// What an operator of the pipeline has to reckon with: memory for each key, and how long a restart takes.
    fn write_state(&self, job: &Job, source: &Stream, out: &mut String) -> fmt::Result {
        let key = source.columns.field(source.key).name();
        let (remember_ms, lateness_ms) = (job.remember_ms(self), source.timing.lateness_ms);
        let kept = match &job.window {
            None => None,
            Some(window @ Window::Sliding(_)) => Some(format!(
                "its rows of the last {}, and those that wait to be ready",
                interval_text(window.length_ms())
            )),
            Some(Window::Tumbling(_)) => Some("its open windows, and its rows that wait to be ready".to_string()),
        };
        let mut lines = match kept {
            None => vec!["none: each row is answered as it comes".to_string()],
            Some(kept) => vec![
                format!("for each {key}: {kept}"),
                format!(
                    "a {key} is forgotten when it has been quiet for {}",
                    interval_text(remember_ms)
                ),
                format!(
                    "a restart reads again what came in the last {} of the clock, and 16 records more",
                    interval_text(2 * remember_ms + lateness_ms)
                ),
            ],
        };
        for lookup in &job.lookups {
            lines.push(format!(
                "the table {}, read to its end before the first answer",
                self.tables[lookup.table].name
            ));
        }
        write_list(out, "state", lines)
    }
}

/// Which rows each aggregate sees, and what is kept of a row for it.
fn write_window(window: &Window, source: &Stream, out: &mut String) -> fmt::Result {
    let key = source.columns.field(source.key).name();
    let time = source.columns.field(source.time).name();
    let names = |aggregates: &[Aggregate]| {
        aggregates
            .iter()
            .map(|aggregate| aggregate.text.clone())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut lines = Vec::new();
    match window {
        Window::Sliding(sliding) => {
            lines.push(format!("sliding by {key}, up to each row in the order of {time}"));
            for frame in &sliding.frames {
                lines.push(format!(
                    "last {}: {}",
                    interval_text(frame.preceding_ms),
                    names(&frame.aggregates)
                ));
            }
        }
        Window::Tumbling(tumbling) => {
            let origin = match tumbling.origin_ms {
                0 => "since the epoch".to_string(),
                origin_ms => format!("since the epoch + {}", interval_text(origin_ms)),
            };
            lines.push(format!(
                "tumbling by {key}, every {} of {time} {origin}",
                interval_text(tumbling.length_ms)
            ));
            lines.push(format!("each: {}", names(&tumbling.aggregates)));
        }
    }
    let inputs = window
        .inputs()
        .iter()
        .map(|input| expression_text(input.expr.as_ref()))
        .collect::<Vec<_>>();
    if !inputs.is_empty() {
        lines.push(format!("reads {}", inputs.join(", ")));
    }
    write_list(out, "window", lines)
}

fn selected(job: &Job) -> impl Iterator<Item = String> {
    job.projection
        .iter()
        .zip(&job.names)
        .map(|(expr, name)| match expression_text(expr.as_ref()) {
            text if text == *name => text,
            text => format!("{text} AS {name}"),
        })
}

/// What is written, in the order of the sink's columns.
fn write_sink(sink: &Stream, out: &mut String) -> fmt::Result {
    let columns: Vec<String> = (sink.columns.fields().iter())
        .map(|field| {
            let not_null = if field.is_nullable() { "" } else { " NOT NULL" };
            format!("{} {}{not_null}", field.name(), type_text(field.data_type()))
        })
        .collect();
    let (key, time) = (
        sink.columns.field(sink.key).name(),
        sink.columns.field(sink.time).name(),
    );
    let lines = [
        format!("topic {}, Avro record {}", sink.topic, sink.record),
        format!("key {key}, event time {time}"),
        columns.join(", "),
    ];
    write_list(out, "sink", lines)
}

/// A step of the job: its name once, then a line each.
fn write_list(out: &mut String, name: &str, lines: impl IntoIterator<Item = String>) -> fmt::Result {
    for (index, line) in lines.into_iter().enumerate() {
        writeln!(out, "    {:8} {line}", if index == 0 { name } else { "" })?;
    }
    Ok(())
}
