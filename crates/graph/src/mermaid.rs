//! The graph as a Mermaid flowchart: topics and the steps between them.
//!
//! It shows less than the text: no timing, no types.

use std::fmt::{self, Write};

use crate::sql::{expression_text, interval_text};
use crate::{Job, LookupKind, Pipeline, Window};

impl Pipeline {
    /// The pipeline as the source of a Mermaid flowchart (<https://mermaid.js.org>).
    pub fn mermaid(&self) -> String {
        let mut text = String::new();
        // Writing to a string never fails.
        let _ = self.draw(&mut text);
        text
    }

    /// Topics first, then a subgraph for each job: Mermaid lays out in the order of first mention.
    fn draw(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "flowchart LR")?;
        for (index, stream) in self.streams.iter().enumerate() {
            if self.jobs.iter().any(|job| job.source == index || job.sink == index) {
                writeln!(out, "  stream{index}[({})]", label(std::slice::from_ref(&stream.topic)))?;
            }
        }
        for (index, table) in self.tables.iter().enumerate() {
            if self
                .jobs
                .iter()
                .any(|job| job.lookups.iter().any(|lookup| lookup.table == index))
            {
                writeln!(
                    out,
                    "  table{index}[({})]",
                    label(&[table.topic.clone(), "table".to_string()])
                )?;
            }
        }
        writeln!(out, "  dead[({})]", label(&[self.dead_letter_topic()]))?;
        for (index, job) in self.jobs.iter().enumerate() {
            self.draw_job(index, job, out)?;
        }
        Ok(())
    }

    /// A job's steps, and its edges to topics outside of the subgraph.
    fn draw_job(&self, index: usize, job: &Job, out: &mut String) -> fmt::Result {
        writeln!(out, "  subgraph job{index}[\"job {}\"]", index + 1)?;
        writeln!(out, "    direction LR")?;
        let steps = self.steps(job);
        for (name, lines) in &steps {
            writeln!(out, "    job{index}_{name}[{}]", label(lines))?;
        }
        for pair in steps.windows(2) {
            writeln!(out, "    job{index}_{} --> job{index}_{}", pair[0].0, pair[1].0)?;
        }
        writeln!(out, "  end")?;
        // `steps` always has its first and its last.
        if let (Some((first, _)), Some((last, _))) = (steps.first(), steps.last()) {
            writeln!(out, "  stream{} --> job{index}_{first}", job.source)?;
            writeln!(out, "  job{index}_{first} -. not valid or late .-> dead")?;
            writeln!(out, "  job{index}_{last} --> stream{}", job.sink)?;
        }
        for lookup in &job.lookups {
            writeln!(out, "  table{} --> job{index}_lookup", lookup.table)?;
        }
        Ok(())
    }

    /// The job's steps in order: an identifier, and the lines of the label.
    fn steps(&self, job: &Job) -> Vec<(&'static str, Vec<String>)> {
        let source = &self.streams[job.source];
        let mut checks = vec!["check".to_string()];
        checks.extend(source.checks.iter().map(|check| check.text.clone()));
        let mut steps = vec![("check", checks)];
        let texts = |exprs: &[std::sync::Arc<dyn datafusion_physical_expr::PhysicalExpr>]| {
            exprs
                .iter()
                .map(|expr| expression_text(expr.as_ref()))
                .collect::<Vec<_>>()
        };
        if !job.before.is_empty() {
            steps.push(("before", texts(&job.before)));
        }
        match &job.window {
            None => {}
            Some(Window::Sliding(sliding)) => {
                let mut lines = vec![format!("sliding by {}", source.columns.field(source.key).name())];
                lines.extend(
                    sliding
                        .frames
                        .iter()
                        .map(|frame| format!("last {}", interval_text(frame.preceding_ms))),
                );
                steps.push(("window", lines));
            }
            Some(Window::Tumbling(tumbling)) => {
                let by = source.columns.field(source.key).name();
                steps.push((
                    "window",
                    vec![format!("tumbling by {by}, {}", interval_text(tumbling.length_ms))],
                ));
            }
        }
        if !job.lookups.is_empty() {
            let lines = job.lookups.iter().map(|lookup| {
                let kind = if lookup.kind == LookupKind::Inner {
                    "join"
                } else {
                    "left join"
                };
                format!("{kind} {}", self.tables[lookup.table].name)
            });
            steps.push(("lookup", lines.collect()));
        }
        if !job.after.is_empty() {
            steps.push(("after", texts(&job.after)));
        }
        steps.push(("select", vec![format!("select {}", job.names.join(", "))]));
        steps
    }
}

/// A label in quotes, with what Mermaid or HTML would read as their own written as entities.
fn label(lines: &[String]) -> String {
    let escaped: Vec<String> = (lines.iter())
        .map(|line| {
            line.replace('&', "&amp;")
                .replace('"', "#quot;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
        })
        .collect();
    format!("\"{}\"", escaped.join("<br/>"))
}
