//! `heartwatch import`: recordings of watches and bike computers to readings.

use std::path::PathBuf;

use clap::Args;
use hw_connectors::output::Writer;
use hw_connectors::recordings::{self, ColumnNames};

use crate::mistake;

/// Turn recordings (.fit, .gpx, .tcx, .csv, .jsonl) into readings; says what was skipped and why.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heartwatch import ride.gpx --user 17 --out readings.jsonl")]
pub(crate) struct ImportArgs {
    /// The recordings.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Whose they are.
    #[arg(long)]
    user: String,
    /// The zip code that the readings carry.
    #[arg(long, default_value_t = 0)]
    zipcode: i32,
    /// Where the readings go: .jsonl, .csv or .parquet.
    #[arg(long)]
    out: PathBuf,
}

/// Imports the files.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let mut writer = Writer::create(&args.out, &recordings::reading_columns()).map_err(mistake)?;
    for file in &args.files {
        let recording = recordings::import(file, &ColumnNames::default()).map_err(mistake)?;
        writer.write(&recordings::to_batch(&recording.readings, &args.user, args.zipcode))?;
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
        eprintln!("{}: {} readings, {skipped}", file.display(), recording.readings.len());
        if let Some(reason) = &recording.cut_short {
            eprintln!("{}: the rest cannot be read: {reason}", file.display());
        }
    }
    Ok(writer.finish()?)
}
