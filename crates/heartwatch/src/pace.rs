//! How fast records are given away: so many a second, in small portions, or as fast as it goes; and now and then a line that
//! says how far it is.
//!
//! It reads nothing and knows no topic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;

use crate::producer::Producer;

/// A portion is what is due in this time.
const PORTION: Duration = Duration::from_millis(50);

/// Between two lines about how far it is.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// Holds rows back until they are due.
pub(crate) struct Pace {
    rate: Option<u32>,
    began: Instant,
    said: Instant,
}

impl Pace {
    /// `rate`: records a second.
    pub(crate) fn new(rate: Option<u32>) -> Pace {
        let now = Instant::now();
        Pace {
            rate,
            began: now,
            said: now,
        }
    }

    /// Gives the rows to the producer as they are due, until told to stop.
    pub(crate) fn write(
        &mut self,
        rows: &RecordBatch,
        producer: &mut Producer,
        stop: &AtomicBool,
    ) -> anyhow::Result<()> {
        let Some(rate) = self.rate else {
            producer.write(rows)?;
            self.say(producer.records());
            return Ok(());
        };
        let portion = (rate as usize / 20).max(1);
        let mut from = 0;
        while from < rows.num_rows() && !stop.load(Ordering::Relaxed) {
            let due = Duration::from_secs_f64(producer.records() as f64 / f64::from(rate));
            if let Some(early) = due.checked_sub(self.began.elapsed()) {
                std::thread::sleep(early.min(PORTION));
                continue;
            }
            let length = portion.min(rows.num_rows() - from);
            producer.write(&rows.slice(from, length))?;
            // What is due is not held back until a batch is full.
            producer.flush()?;
            from += length;
            self.say(producer.records());
        }
        Ok(())
    }

    fn say(&mut self, records: u64) {
        if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            let rate = records as f64 / self.began.elapsed().as_secs_f64();
            eprintln!("{records} records, {rate:.0} records/s");
        }
    }
}
