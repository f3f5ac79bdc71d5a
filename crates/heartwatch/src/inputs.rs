//! What several commands take: a pipeline's file with parameters, durations, a log's folder.
//!
//! What is wrong here is a mistake of the user's, but for a log whose store or whose holder fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hw_engine::EngineError;
use hw_graph::Pipeline;
use hw_log::{Durability, FolderLog, FolderOptions, IfMissing, Log, LogError};

use crate::mistake;

/// A pipeline's file and its parameters.
#[derive(Debug, Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline's .sql file.
    pub(crate) file: PathBuf,
    /// Overrides a parameter of the file, such as `--set window='1 minute'`; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) set: Vec<(String, String)>,
}

impl PipelineArgs {
    /// The file's name without its extension.
    pub(crate) fn name(&self) -> String {
        self.file
            .file_stem()
            .map_or_else(|| "pipeline".into(), |stem| stem.to_string_lossy().into_owned())
    }

    /// The file's text.
    pub(crate) fn sql(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(&self.file)
            .map_err(|error| mistake(format!("cannot read {}: {error}", self.file.display())))
    }

    /// The planned pipeline.
    pub(crate) fn plan(&self) -> anyhow::Result<Pipeline> {
        hw_plan::plan(&self.name(), &self.sql()?, &self.set)
            .map_err(|diagnostic| mistake(diagnostic.in_file(self.file.display().to_string())))
    }
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected NAME=VALUE, such as window='1 minute'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// A duration such as `30s`, `10m`, `2h` or `500ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let wrong = || format!("{text:?} is no duration; write a number and ms, s, m, h or d, such as 30s");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// A number of bytes such as `65536`, `64k` or `1m`, of a batch: less holds no record, and more is more than readers take.
pub(crate) fn byte_count(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" => Some(1),
        "k" | "K" => Some(1 << 10),
        "m" | "M" => Some(1 << 20),
        _ => None,
    };
    let number: Option<usize> = text[..digits].parse().ok();
    let bytes = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    bytes
        .filter(|bytes| (1 << 10..=16 << 20).contains(bytes))
        .ok_or_else(|| format!("{text:?} is no size of a batch; write bytes, from 1k to 16m, such as 64k"))
}

/// What a log survives, for whichever command comes to hold its folder: so it is no option of one command.
const SURVIVES: &str = "HEARTWATCH_LOG_SURVIVES";

/// Opens the log in a folder, which is made when `if_missing` says so.
pub(crate) fn open_log(folder: &Path, if_missing: IfMissing) -> anyhow::Result<Arc<dyn Log>> {
    let options = FolderOptions {
        if_missing,
        durability: durability(std::env::var(SURVIVES).ok().as_deref()).map_err(mistake)?,
        ..FolderOptions::default()
    };
    Ok(Arc::new(FolderLog::open(folder, &options).map_err(log_error)?))
}

fn durability(survives: Option<&str>) -> Result<Durability, String> {
    match survives {
        None | Some("" | "kill") => Ok(Durability::Process),
        Some("power-failure") => Ok(Durability::Power),
        Some(other) => Err(format!(
            "the environment variable {SURVIVES} is '{other}', but it can only be 'kill' (the default: a power failure may \
             cost the last half minute) or 'power-failure' (every transaction is synced to the disk, which takes \
             milliseconds each)"
        )),
    }
}

/// A log's error as the user's mistake where it is one: a folder, a name or another engine that is in the way. What fails
/// while running stays what it is.
pub(crate) fn log_error(error: LogError) -> anyhow::Error {
    match error {
        LogError::UnknownTopic { .. } => mistake(format!(
            "{error}; check its name and the namespace, or make it with `heartwatch setup` or `heartwatch produce`"
        )),
        LogError::UnknownPartition { .. }
        | LogError::TopicDiffers { .. }
        | LogError::Invalid { .. }
        | LogError::EngineRunning { .. }
        | LogError::Unusable { .. }
        | LogError::Cluster { .. }
        | LogError::Registry { .. }
        | LogError::UnusableSchema { .. } => mistake(error),
        LogError::OffsetOutOfRange { .. }
        | LogError::InvalidBatch { .. }
        | LogError::Damaged { .. }
        | LogError::TooLarge { .. }
        | LogError::Store { .. }
        | LogError::Disconnected { .. }
        | LogError::ClusterAway { .. }
        | LogError::RegistryAway { .. }
        | LogError::Fenced { .. }
        | LogError::Unknown { .. }
        | LogError::Busy { .. } => error.into(),
    }
}

/// As [`log_error`], for an engine that does not start, or that finds while it runs what it cannot go on with.
pub(crate) fn start_error(error: EngineError) -> anyhow::Error {
    match error {
        EngineError::Log(error) => log_error(error),
        EngineError::Group { source, .. } => log_error(source),
        EngineError::Plan(_) | EngineError::Schema { .. } | EngineError::Topics(_) | EngineError::Metadata { .. } => {
            mistake(error)
        }
        EngineError::Evaluate { .. } | EngineError::Batch(_) | EngineError::Encode { .. } | EngineError::Crashed(_) => {
            error.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_in_k_and_m() {
        assert_eq!(byte_count("65536"), Ok(65_536));
        assert_eq!(byte_count("64k"), Ok(65_536));
        assert_eq!(byte_count("1M"), Ok(1 << 20));
        for wrong in ["", "k", "10", "1g", "17m", "64 k", "-1k", "99999999999999999999m"] {
            assert!(byte_count(wrong).unwrap_err().contains("such as 64k"), "{wrong}");
        }
    }

    #[test]
    fn what_a_log_survives_is_said_in_words_or_refused() {
        assert_eq!(durability(None), Ok(Durability::Process));
        assert_eq!(durability(Some("kill")), Ok(Durability::Process));
        assert_eq!(durability(Some("power-failure")), Ok(Durability::Power));
        let refused = durability(Some("yes")).expect_err("no such word");
        assert!(
            refused.contains("'yes'") && refused.contains("'power-failure'"),
            "{refused}"
        );
    }
}
