//! The times of rows that are replayed: moved so that the first is now, and moved on with every round.
//!
//! It reads no clock: it is told what time it is.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::TimestampMillisecondType;

/// Between the last reading of a round and the first of the next: what lies between two readings of most watches.
const BETWEEN_ROUNDS_MS: i64 = 1_000;

/// Where the first row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Where it was recorded.
    Recorded,
    /// At this time, in milliseconds since the epoch.
    At(i64),
}

/// Moves the times in one column.
#[derive(Debug)]
pub(crate) struct Replay {
    time: usize,
    start: Start,
    /// By how much; none before the first row.
    shift_ms: Option<i64>,
    /// The least and the greatest recorded time of this round so far.
    recorded: Option<(i64, i64)>,
}

impl Replay {
    /// `time`: the column, of milliseconds since the epoch, without nulls.
    pub(crate) fn new(time: usize, start: Start) -> Replay {
        Replay {
            time,
            start,
            shift_ms: None,
            recorded: None,
        }
    }

    /// The rows at the times at which they take place now.
    pub(crate) fn place(&mut self, rows: &RecordBatch) -> anyhow::Result<RecordBatch> {
        let times = rows.column(self.time).as_primitive::<TimestampMillisecondType>();
        let (Some(least), Some(greatest)) = (compute::min(times), compute::max(times)) else {
            return Ok(rows.clone());
        };
        let (least, greatest) = match self.recorded {
            Some((before, after)) => (least.min(before), greatest.max(after)),
            None => (least, greatest),
        };
        self.recorded = Some((least, greatest));
        let shift_ms = *self.shift_ms.get_or_insert_with(|| match self.start {
            Start::Recorded => 0,
            Start::At(start_ms) => start_ms.saturating_sub(times.value(0)),
        });
        if shift_ms == 0 {
            return Ok(rows.clone());
        }
        let moved: ArrayRef =
            Arc::new(times.unary::<_, TimestampMillisecondType>(|time_ms| time_ms.saturating_add(shift_ms)));
        let mut columns = rows.columns().to_vec();
        columns[self.time] = moved;
        Ok(RecordBatch::try_new(rows.schema(), columns)?)
    }

    /// The same rows come again, behind those that have been.
    pub(crate) fn next_round(&mut self) {
        if let (Some(shift_ms), Some((least, greatest))) = (&mut self.shift_ms, self.recorded.take()) {
            let length = greatest.saturating_sub(least).saturating_add(BETWEEN_ROUNDS_MS);
            *shift_ms = shift_ms.saturating_add(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampMillisecondArray;

    use super::*;

    fn placed(replay: &mut Replay, times_ms: &[i64]) -> Vec<i64> {
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(times_ms.to_vec()));
        let rows = RecordBatch::try_from_iter([("time", times)]).unwrap();
        let placed = replay.place(&rows).unwrap();
        placed
            .column(0)
            .as_primitive::<TimestampMillisecondType>()
            .values()
            .to_vec()
    }

    #[test]
    fn a_round_follows_the_last_by_a_second_whatever_the_order_within() {
        let mut replay = Replay::new(0, Start::Recorded);
        assert_eq!(placed(&mut replay, &[5_000, 9_000]), [5_000, 9_000]);
        assert_eq!(placed(&mut replay, &[4_000]), [4_000]);
        replay.next_round();
        assert_eq!(placed(&mut replay, &[5_000, 9_000]), [11_000, 15_000]);
        assert_eq!(placed(&mut replay, &[4_000]), [10_000]);
        replay.next_round();
        assert_eq!(placed(&mut replay, &[4_000]), [16_000]);
    }

    #[test]
    fn the_first_row_is_moved_to_where_it_shall_be_and_the_others_with_it() {
        let mut replay = Replay::new(0, Start::At(1_000_000));
        assert_eq!(
            placed(&mut replay, &[5_000, 4_000, 6_000]),
            [1_000_000, 999_000, 1_001_000]
        );
        replay.next_round();
        assert_eq!(placed(&mut replay, &[5_000]), [1_003_000]);
        assert_eq!(placed(&mut Replay::new(0, Start::At(7)), &[]), [] as [i64; 0]);
    }

    #[test]
    fn times_at_the_ends_of_what_can_be_counted_stay_there() {
        let mut replay = Replay::new(0, Start::At(i64::MAX));
        assert_eq!(placed(&mut replay, &[i64::MIN, i64::MAX]), [-1, i64::MAX]);
        replay.next_round();
        assert_eq!(placed(&mut replay, &[i64::MAX]), [i64::MAX]);
    }
}
