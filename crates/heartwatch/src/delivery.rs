//! Rows on their way into a topic: when they are due, through a crew of producers, with a word about how far it is, until
//! all is in or an end is asked for.
//!
//! It does not know where rows come from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use hw_engine::{Clock, SystemClock};

use crate::crew::{Crew, Flow, Portion, Urgency};
use crate::pace::{Due, Pace, Tempo};
use crate::progress::Advance;
use crate::stop::Stop;

/// Between two looks at whether an end is asked for.
const GLANCE: Duration = Duration::from_millis(50);

/// Rows that are due within this time go together.
const TOGETHER: Duration = Duration::from_millis(10);

/// A wait that is worth a word.
const LONG_WAIT: Duration = Duration::from_secs(30);

/// The times that records get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Those of the rows.
    Recorded,
    /// When they are sent, in place of what the column with this index holds.
    Now(usize),
}

/// How rows are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) tempo: Tempo,
    pub(crate) stamp: Stamp,
    /// No longer than this.
    pub(crate) length: Option<Duration>,
}

/// Sends rows.
pub(crate) struct Delivery {
    crew: Crew,
    pace: Pace,
    manner: Manner,
    stop: Stop,
    advance: Advance,
    began: Instant,
    /// How much of everything had been sent before the rows that are being sent.
    share: Option<f64>,
    /// Whether the present wait was mentioned.
    mentioned: bool,
}

/// What became of the rows.
pub(crate) struct Delivered {
    /// Records that are known to be in the log.
    acknowledged: u64,
    took: Duration,
    /// Whether it ended before all was sent.
    is_cut: bool,
    /// Why a producer has failed; then more records may be in the log than are acknowledged.
    pub(crate) outcome: anyhow::Result<()>,
}

impl Delivery {
    /// Begins; the clock of `manner` starts now.
    pub(crate) fn begin(crew: Crew, manner: Manner, stop: Stop) -> Delivery {
        Delivery {
            crew,
            pace: Pace::new(manner.tempo),
            manner,
            stop,
            advance: Advance::begin(),
            began: Instant::now(),
            share: Some(0.0),
            mentioned: false,
        }
    }

    /// Sends the rows as they are due. `share`: how much of everything has been sent with them, from 0 to 1, if anybody
    /// knows.
    pub(crate) fn send(&mut self, rows: &RecordBatch, share: Option<f64>) -> anyhow::Result<Flow> {
        let before = self.share;
        let mut from = 0;
        while from < rows.num_rows() {
            if self.is_over() {
                return Ok(Flow::End);
            }
            match self.pace.due(rows, from, self.began.elapsed()) {
                Due::Rows(due) => {
                    self.mentioned = false;
                    if self.give(rows.slice(from, due))? == Flow::End {
                        return Ok(Flow::End);
                    }
                    from += due;
                    let within = from as f64 / rows.num_rows() as f64;
                    self.share = before
                        .zip(share)
                        .map(|(before, after)| before + (after - before) * within);
                }
                Due::In(wait) => self.wait(wait),
            }
            self.tell();
        }
        self.share = share;
        Ok(if self.is_over() { Flow::End } else { Flow::GoOn })
    }

    /// Prints a line among those about how far it is.
    pub(crate) fn say(&self, line: &str) {
        self.advance.say(line);
    }

    /// Whether an end was asked for, or the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_asked() || self.manner.length.is_some_and(|length| self.began.elapsed() >= length)
    }

    /// Waits until all that was sent is in the log.
    pub(crate) fn finish(mut self) -> Delivered {
        let is_cut = self.is_over();
        let (share, advance) = (self.share, &mut self.advance);
        let (acknowledged, outcome) = self.crew.finish(|records| advance.tell(records, share, None));
        self.advance.finish();
        Delivered {
            acknowledged,
            took: self.began.elapsed(),
            is_cut,
            outcome,
        }
    }

    fn give(&mut self, rows: RecordBatch) -> anyhow::Result<Flow> {
        let rows = match self.manner.stamp {
            Stamp::Recorded => rows,
            Stamp::Now(column) => stamped(&rows, column, SystemClock.now_ms())?,
        };
        let urgency = match self.manner.tempo {
            Tempo::Free => Urgency::WhenFull,
            Tempo::Rate(_) | Tempo::Speed { .. } => Urgency::Now,
        };
        let (stop, share, advance) = (&self.stop, self.share, &mut self.advance);
        let ends = self.manner.length.map(|length| self.began + length);
        Ok(self.crew.give(&Portion { rows, urgency }, |records| {
            let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()));
            advance.tell(records, share, left);
            // What is full may stay so for minutes, when a cluster is away.
            if stop.is_asked() || left.is_some_and(|left| left.is_zero()) {
                Flow::End
            } else {
                Flow::GoOn
            }
        }))
    }

    fn wait(&mut self, wait: Duration) {
        if wait > LONG_WAIT && !self.mentioned {
            self.mentioned = true;
            let seconds = wait.as_secs();
            self.advance.say(&format!(
                "the next reading was recorded later: it is sent in {seconds} s"
            ));
        }
        std::thread::sleep(wait.clamp(TOGETHER, GLANCE));
    }

    fn tell(&mut self) {
        let ends = self
            .manner
            .length
            .map(|length| length.saturating_sub(self.began.elapsed()));
        self.advance.tell(self.crew.acknowledged(), self.share, ends);
    }
}

impl Delivered {
    /// Whether anything is in.
    pub(crate) fn is_any(&self) -> bool {
        self.acknowledged > 0 || self.outcome.is_err()
    }

    /// What is in a topic now. `besides`: what else there is to say, each behind a comma.
    pub(crate) fn summary(&self, topic: &str, besides: &str) -> String {
        let how = match (&self.outcome, self.is_cut) {
            (Err(_), _) => "these are acknowledged, more may be in",
            (Ok(()), true) => "stopped before the end, all that was sent is acknowledged",
            (Ok(()), false) => "all are acknowledged",
        };
        let seconds = self.took.as_secs_f64();
        let rate = self.acknowledged as f64 / seconds.max(1e-3);
        format!(
            "{} records appended to {topic}{besides}; {how} ({seconds:.1} s, {rate:.0} records/s)",
            self.acknowledged
        )
    }
}

/// The rows with one time for all.
fn stamped(rows: &RecordBatch, column: usize, now_ms: i64) -> anyhow::Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_value(now_ms, rows.num_rows()));
    columns[column] = times;
    Ok(RecordBatch::try_new(rows.schema(), columns)?)
}
