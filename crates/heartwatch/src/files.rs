//! Files as rows of a table, one file after the other: tables (JSON lines, CSV, Parquet) and recordings of one user.
//!
//! It reads by the connectors alone and says what was left out. It sends nothing and knows no topic.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use hw_connectors::recordings::{self, ColumnNames, Recording};
use hw_connectors::{BatchReader, Malformed, Problem, Renamed, Table};

use crate::mistake;

/// Problems of a file that are shown; the others are counted.
const SHOWN: u64 = 5;

/// What the files are.
pub(crate) enum Kind {
    /// Rows of a table.
    Table,
    /// What a watch has stored, of one user.
    Recordings { user: String, zipcode: Option<i32> },
}

/// Files that are read one after the other.
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    kind: Kind,
    table: Table,
    malformed: Malformed,
    renamed: Vec<Renamed>,
    /// The file that is being read, as a place in `paths`.
    at: usize,
    open: Option<Box<dyn BatchReader>>,
    left_out: LeftOut,
    /// Bytes of all files, and of those before the one that is being read. Pipes have none.
    bytes: u64,
    bytes_before: u64,
}

impl Files {
    /// The files have to be there; they are opened when it is their turn.
    pub(crate) fn new(
        paths: &[PathBuf],
        kind: Kind,
        table: Table,
        malformed: Malformed,
        renamed: Vec<Renamed>,
    ) -> anyhow::Result<Files> {
        let mut bytes = 0;
        for path in paths {
            bytes += size(path)?;
            if matches!(kind, Kind::Table) && is_recording_alone(path) {
                return Err(mistake(format!(
                    "{} is a recording, which does not say whose it is: say --user ID",
                    path.display()
                )));
            }
        }
        match kind {
            Kind::Table => check_names(&renamed, &table.columns)?,
            Kind::Recordings { .. } => check_recordings(&table.columns)?,
        }
        Ok(Files {
            paths: paths.to_vec(),
            kind,
            table,
            malformed,
            renamed,
            at: 0,
            open: None,
            left_out: LeftOut::default(),
            bytes,
            bytes_before: 0,
        })
    }

    /// The next rows; none at the end of the last file. What there is to say goes to `say`.
    pub(crate) fn next(&mut self, say: &mut dyn FnMut(&str)) -> anyhow::Result<Option<RecordBatch>> {
        while let Some(path) = self.paths.get(self.at) {
            let batch = match &self.kind {
                Kind::Recordings { user, zipcode } => {
                    let recording = recordings::import(path, &column_names(&self.renamed)?).map_err(mistake)?;
                    self.left_out.of_recording(path, &recording, self.malformed, say)?;
                    let rows = recordings::to_batch(&recording.readings, user, *zipcode);
                    let rows = project(&rows, &self.table.columns)?;
                    self.next_file()?;
                    Some(rows)
                }
                Kind::Table => {
                    let reader = match &mut self.open {
                        Some(reader) => reader,
                        none => {
                            let opened = hw_connectors::open(path, &self.table, self.malformed, &self.renamed);
                            none.insert(opened.map_err(mistake)?)
                        }
                    };
                    let mut problems = Vec::new();
                    let batch = reader.next_batch(&mut problems);
                    self.left_out.of_table(&problems, say);
                    let batch = batch.map_err(mistake)?;
                    if batch.is_none() {
                        self.left_out.end_of_file(say);
                        self.next_file()?;
                    }
                    batch
                }
            };
            if batch.is_some() {
                return Ok(batch);
            }
        }
        Ok(None)
    }

    /// Begins again with the first file; what was left out is not said and not counted again.
    pub(crate) fn rewind(&mut self) {
        (self.at, self.bytes_before) = (0, 0);
        self.left_out.is_silent = true;
    }

    /// How much has been read, from 0 to 1; none when nobody knows how much there is.
    pub(crate) fn share(&self) -> Option<f64> {
        let read = self.bytes_before + self.open.as_ref().map_or(0, |reader| reader.bytes_read());
        (self.bytes > 0).then(|| (read as f64 / self.bytes as f64).min(1.0))
    }

    /// What was left out.
    pub(crate) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    fn next_file(&mut self) -> anyhow::Result<()> {
        self.open = None;
        self.bytes_before += size(&self.paths[self.at])?;
        self.at += 1;
        Ok(())
    }
}

/// Lines and points that gave no row. The first few of a file are shown as they come, the others counted.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    /// Of all files.
    pub(crate) count: u64,
    of_file: u64,
    /// Whether any line had no time.
    pub(crate) without_time: bool,
    is_silent: bool,
}

impl LeftOut {
    /// Lines of a table's file.
    pub(crate) fn of_table(&mut self, problems: &[Problem], say: &mut dyn FnMut(&str)) {
        if self.is_silent {
            return;
        }
        for problem in problems {
            if self.of_file < SHOWN {
                say(&format!("skipped: {problem}"));
            }
            self.of_file += 1;
            self.without_time |= problem.message == "field \"time\" is missing";
        }
    }

    /// The next lines are another file's.
    pub(crate) fn end_of_file(&mut self, say: &mut dyn FnMut(&str)) {
        if self.of_file > SHOWN {
            say(&format!("skipped: … and {} more", self.of_file - SHOWN));
        }
        self.count += std::mem::take(&mut self.of_file);
    }

    /// Points of a recording; that a watch had no position or no pulse for a while is in the nature of recordings, a line or
    /// an end that cannot be read is not.
    fn of_recording(
        &mut self,
        path: &Path,
        recording: &Recording,
        malformed: Malformed,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        say_recording(path, recording, say);
        self.count += recording.skipped.values().sum::<u64>();
        let unreadable = recording.skipped.get(&recordings::SkipReason::Unreadable);
        match (malformed, unreadable, &recording.cut_short) {
            (Malformed::Skip, _, _) | (Malformed::Refuse, None, None) => Ok(()),
            (Malformed::Refuse, _, _) => Err(mistake(format!("{}: not all of it can be read", path.display()))),
        }
    }
}

/// What a recording gave.
pub(crate) fn say_recording(file: &Path, recording: &Recording, say: &mut dyn FnMut(&str)) {
    let skipped: Vec<String> = recording
        .skipped
        .iter()
        .map(|(reason, count)| format!("{count} skipped ({reason})"))
        .collect();
    let skipped = if skipped.is_empty() {
        "nothing skipped".to_owned()
    } else {
        skipped.join(", ")
    };
    let readings = recording.readings.len();
    say(&format!("{}: {readings} readings, {skipped}", file.display()));
    if let Some(reason) = &recording.cut_short {
        say(&format!("{}: the rest cannot be read: {reason}", file.display()));
    }
}

/// A column mapping for recordings, which have four columns.
pub(crate) fn column_names(renamed: &[Renamed]) -> anyhow::Result<ColumnNames> {
    let mut names = ColumnNames::default();
    for Renamed { from, to } in renamed {
        let name = match to.as_str() {
            "time" => &mut names.time,
            "latitude" => &mut names.latitude,
            "longitude" => &mut names.longitude,
            "heart_rate" => &mut names.heart_rate,
            other => {
                return Err(mistake(format!(
                    "a recording has no {other:?}; NAME is time, latitude, longitude or heart_rate"
                )));
            }
        };
        *name = Some(from.clone());
    }
    Ok(names)
}

/// `NAME=COLUMN`.
pub(crate) fn renamed(text: &str) -> Result<Renamed, String> {
    let (to, from) = text
        .split_once('=')
        .ok_or("expected NAME=COLUMN, such as heart_rate=HR")?;
    Ok(Renamed {
        from: from.to_owned(),
        to: to.to_owned(),
    })
}

fn check_names(renamed: &[Renamed], columns: &SchemaRef) -> anyhow::Result<()> {
    for Renamed { to, .. } in renamed {
        if columns.index_of(to).is_err() {
            let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(mistake(format!(
                "the topic's records have no {to:?}; NAME is one of {}",
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// Recordings give readings and nothing else.
fn check_recordings(columns: &SchemaRef) -> anyhow::Result<()> {
    let given = recordings::reading_columns();
    for field in columns.fields() {
        let known = given.field_with_name(field.name()).ok();
        if known.is_none_or(|known| known.data_type() != field.data_type()) {
            return Err(mistake(format!(
                "recordings give readings, which have no {} {:?}",
                field.data_type(),
                field.name()
            )));
        }
    }
    Ok(())
}

fn project(rows: &RecordBatch, columns: &SchemaRef) -> anyhow::Result<RecordBatch> {
    let places: Result<Vec<usize>, _> = columns
        .fields()
        .iter()
        .map(|field| rows.schema_ref().index_of(field.name()))
        .collect();
    let rows = rows.project(&places?)?;
    Ok(RecordBatch::try_new(columns.clone(), rows.columns().to_vec())?)
}

/// Of what is no regular file, such as a pipe, nobody knows how much will come.
fn size(path: &Path) -> anyhow::Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Ok(0),
        Err(error) => Err(mistake(format!("cannot read {}: {error}", path.display()))),
    }
}

/// A kind of file that is nothing else.
fn is_recording_alone(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| extension == "fit" || extension == "gpx" || extension == "tcx")
}
