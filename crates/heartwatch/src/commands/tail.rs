//! `heartwatch tail`: the records of a topic as JSON lines.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hw_log::batch::{Scratch, walk};
use hw_log::{IfMissing, Log};

use crate::decode_view::RecordView;
use crate::inputs::open_log;
use crate::mistake;

const READ_BYTES: usize = 1 << 20;

/// Print the records of a topic as JSON lines, decoded; dead letters with their reason.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heartwatch tail findings --log data --from-beginning --until-end")]
pub(crate) struct TailArgs {
    /// The topic.
    topic: String,
    /// The log's folder.
    #[arg(long)]
    log: PathBuf,
    /// Start with the first record there is instead of the next one.
    #[arg(long)]
    from_beginning: bool,
    /// End at the end of the topic instead of waiting for more.
    #[arg(long)]
    until_end: bool,
}

/// Prints records until the end, or until Ctrl-C.
pub(crate) fn run(args: &TailArgs) -> anyhow::Result<()> {
    let log = open_log(&args.log, IfMissing::Refuse)?;
    let ranges = log.ranges(&args.topic).map_err(mistake)?;
    let mut positions: Vec<u64> = ranges
        .iter()
        .map(|range| if args.from_beginning { range.start } else { range.end })
        .collect();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut view = RecordView::default();
    loop {
        let seen = log.wait_for_appends(0, Duration::ZERO)?;
        let mut found = false;
        for (partition, position) in (0..).zip(&mut positions) {
            found |= print_partition(log.as_ref(), (&args.topic, partition), position, &mut view, &mut out)?;
        }
        out.flush()?;
        if !found && args.until_end {
            return Ok(());
        }
        if !found {
            log.wait_for_appends(seen, Duration::from_secs(1))?;
        }
    }
}

fn print_partition(
    log: &dyn Log,
    (topic, partition): (&str, u32),
    position: &mut u64,
    view: &mut RecordView,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let fetch = log.read(topic, partition, *position, READ_BYTES)?;
    let mut written = Ok(());
    for batch in &fetch.batches {
        walk(batch, &mut Scratch::default(), |record| {
            if record.offset >= *position {
                written = writeln!(out, "{}", view.show(log, &record));
            }
            if written.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
    }
    written?;
    let found = fetch.next_offset > *position;
    *position = fetch.next_offset;
    Ok(found)
}
