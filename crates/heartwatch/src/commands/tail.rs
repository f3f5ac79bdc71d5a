//! `heartwatch tail`: the records of a topic as JSON lines.

use std::io::{BufWriter, Stdout, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use hw_log::batch::{Record, Scratch, walk};
use hw_log::{IfMissing, Log, OffsetRange};

use crate::decode_view::RecordView;
use crate::holder::on_log;
use crate::inputs::log_error;
use crate::place::{LogArgs, NamespaceArgs};

const READ_BYTES: usize = 1 << 20;

/// Print the records of a topic as JSON lines, decoded; dead letters with their reason.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch tail findings --log data --from-beginning --limit 10\n  heartwatch tail findings --kafka localhost:9092"
)]
pub(crate) struct TailArgs {
    /// The topic.
    topic: String,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    names: NamespaceArgs,
    /// Start with the first record there is instead of the next one.
    #[arg(long)]
    from_beginning: bool,
    /// End at the end of the topic instead of waiting for more.
    #[arg(long)]
    until_end: bool,
    /// End after this many records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// Prints records until the end, or until Ctrl-C. When another process holds the folder and ends, it goes on where it was.
pub(crate) fn run(args: &TailArgs) -> anyhow::Result<()> {
    let mut tail = Tail {
        args,
        positions: Vec::new(),
        left: args.limit.unwrap_or(u64::MAX),
        view: RecordView::default(),
        out: BufWriter::new(std::io::stdout()),
    };
    let place = args.log.place(&args.names)?;
    on_log(&place, IfMissing::Refuse, |log| tail.follow(log.as_ref()))
}

/// What has been printed so far.
struct Tail<'a> {
    args: &'a TailArgs,
    /// The next offset of each partition; empty before the first look.
    positions: Vec<u64>,
    /// Records that may still be printed.
    left: u64,
    view: RecordView,
    out: BufWriter<Stdout>,
}

impl Tail<'_> {
    fn follow(&mut self, log: &dyn Log) -> anyhow::Result<()> {
        if self.positions.is_empty() {
            let ranges = log.ranges(&self.args.topic).map_err(log_error)?;
            let first = |range: &OffsetRange| {
                if self.args.from_beginning {
                    range.start
                } else {
                    range.end
                }
            };
            self.positions = ranges.iter().map(first).collect();
        }
        loop {
            let seen = log.wait_for_appends(0, Duration::ZERO)?;
            let mut found = false;
            for partition in 0..self.positions.len() {
                found |= self.print_partition(log, partition)?;
            }
            self.out.flush()?;
            if self.left == 0 || (!found && self.args.until_end) {
                return Ok(());
            }
            if !found {
                log.wait_for_appends(seen, Duration::from_secs(1))?;
            }
        }
    }

    /// Prints what one reading gives; says whether there was anything, or is more to come.
    fn print_partition(&mut self, log: &dyn Log, partition: usize) -> anyhow::Result<bool> {
        let from = self.positions[partition];
        let fetch = log.read(&self.args.topic, partition as u32, from, READ_BYTES)?;
        let mut printed = Ok(());
        for batch in &fetch.batches {
            walk(batch, &mut Scratch::default(), |record| {
                if self.left == 0 || printed.is_err() {
                    return ControlFlow::Break(());
                }
                if record.offset >= from {
                    printed = self.print(log, partition, &record);
                }
                ControlFlow::Continue(())
            })?;
        }
        printed?;
        if self.left > 0 {
            self.positions[partition] = fetch.next_offset;
        }
        Ok(fetch.next_offset > from || fetch.next_offset < fetch.end_offset)
    }

    /// Record by record the position moves, so that none is printed twice when the log is lost on the way.
    fn print(&mut self, log: &dyn Log, partition: usize, record: &Record<'_>) -> anyhow::Result<()> {
        let line = self.view.line(log, record)?;
        writeln!(self.out, "{line}")?;
        self.positions[partition] = record.offset + 1;
        self.left -= 1;
        Ok(())
    }
}
