//! Two clocks: the event-time clock of one partition, and the wall clock behind a trait.
//!
//! A [`PartitionClock`] is a function of the records and marks it was shown, in offset order, and of nothing else: not of
//! batches, threads or the wall. That is what makes replay exact. It does not hold rows back, judge lateness or forget
//! keys; the queue does that with what the clock says.
//!
//! # Constraints
//!
//! - It never goes back, but when it was set wrongly ([`Observed::SetBack`]).
//! - One device that is ahead must not carry everyone with it: a far lead needs witnesses among the last records.
//! - One call a record: the usual record costs two stores and two comparisons.

/// How many of the partition's last records bear witness.
pub const WITNESSES: usize = 16;

/// What a record did to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The clock stands where it stood.
    Stood,
    /// The clock moved on.
    Moved,
    /// The record is more than `max_skew_ms` ahead and nobody confirms it: a dead letter.
    Skewed,
    /// The clock had been set wrongly: all that waits is ready, all windows close, all is forgotten. The caller answers
    /// what waits, and then sets the clock back by [`PartitionClock::take_back`], which judges the record.
    SetBack,
}

#[derive(Debug, Clone, Copy, Default)]
struct Witness {
    key: u32,
    time_ms: i64,
    /// Stood more than `max_skew_ms` behind the clock when it came. Judged once, on arrival: otherwise an idle day
    /// moved by marks would make yesterday's good records look wrong.
    behind: bool,
}

/// The event-time clock of one partition, in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub struct PartitionClock {
    now_ms: Option<i64>,
    max_lead_ms: i64,
    max_skew_ms: i64,
    witnesses: [Witness; WITNESSES],
    seen: u64,
    /// While `seen` is below this, a witness may stand behind.
    behind_until: u64,
}

impl PartitionClock {
    /// A clock that the first record will set.
    pub fn new(max_lead_ms: i64, max_skew_ms: i64) -> PartitionClock {
        PartitionClock {
            now_ms: None,
            max_lead_ms,
            max_skew_ms,
            witnesses: [Witness::default(); WITNESSES],
            seen: 0,
            behind_until: 0,
        }
    }

    /// Where the clock stands; `None` before the first record.
    pub fn now_ms(&self) -> Option<i64> {
        self.now_ms
    }

    /// Takes a record in that only bears witness: it came before the place where the clock is known.
    pub fn witness(&mut self, key: u32, time_ms: i64) {
        self.push(Witness {
            key,
            time_ms,
            behind: false,
        });
    }

    /// Starts in the middle of the log, after the records before that place bore witness: the clock stands at `now_ms`.
    /// `behind` as [`PartitionClock::behind`] said there.
    pub fn resume_at(&mut self, now_ms: Option<i64>, behind: u16) {
        self.now_ms = now_ms;
        for back in 1..=self.seen.min(WITNESSES as u64) {
            if behind >> (back - 1) & 1 == 1 {
                let seen = self.seen - back;
                self.witnesses[(seen % WITNESSES as u64) as usize].behind = true;
                self.behind_until = self.behind_until.max(seen + 1 + WITNESSES as u64);
            }
        }
    }

    /// Which of the last records stood far behind the clock when they came: a bit each, the lowest for the latest.
    pub fn behind(&self) -> u16 {
        if self.seen >= self.behind_until {
            return 0;
        }
        let bits = self.last_records().enumerate();
        bits.fold(0, |bits, (back, witness)| bits | u16::from(witness.behind) << back)
    }

    /// Takes the record of `key` at `time_ms` in.
    #[inline]
    pub fn observe(&mut self, key: u32, time_ms: i64) -> Observed {
        let now_ms = self.now_ms.unwrap_or(time_ms);
        let behind = time_ms < now_ms.saturating_sub(self.max_skew_ms);
        self.push(Witness { key, time_ms, behind });
        if behind {
            self.behind_until = self.seen + WITNESSES as u64;
        }
        if self.seen < self.behind_until && self.set_back_to().is_some() {
            return Observed::SetBack;
        }
        self.judge(time_ms)
    }

    /// Sets the clock back, after [`Observed::SetBack`], and judges the record that said so, at `time_ms`. Witnesses are
    /// judged anew from there.
    pub fn take_back(&mut self, time_ms: i64) -> Observed {
        self.now_ms = self.set_back_to().or(self.now_ms);
        for witness in &mut self.witnesses {
            witness.behind = false;
        }
        self.behind_until = 0;
        self.judge(time_ms)
    }

    /// Moves the clock to `clock_ms` as a mark of an idle partition does; `false` when it stood there already, or has
    /// not begun.
    pub fn mark(&mut self, clock_ms: i64) -> bool {
        let moved = self.now_ms.is_some_and(|now_ms| clock_ms > now_ms);
        if moved {
            self.now_ms = Some(clock_ms);
        }
        moved
    }

    /// Whether the key is among the last records, so that its number must not be given to another key yet.
    pub fn remembers(&self, key: u32) -> bool {
        self.last_records().any(|witness| witness.key == key)
    }

    #[inline]
    fn push(&mut self, witness: Witness) {
        self.witnesses[(self.seen % WITNESSES as u64) as usize] = witness;
        self.seen += 1;
    }

    #[inline]
    fn judge(&mut self, time_ms: i64) -> Observed {
        match self.now_ms {
            Some(now_ms) if time_ms <= now_ms => Observed::Stood,
            Some(now_ms) if time_ms.saturating_sub(now_ms) > self.max_lead_ms => self.observe_lead(now_ms, time_ms),
            _ => {
                self.now_ms = Some(time_ms);
                Observed::Moved
            }
        }
    }

    #[cold]
    fn observe_lead(&mut self, now_ms: i64, time_ms: i64) -> Observed {
        let far = time_ms.saturating_sub(now_ms) > self.max_skew_ms;
        let bound_ms = now_ms.saturating_add(if far { self.max_skew_ms } else { self.max_lead_ms });
        if self.most_keys(|witness| witness.time_ms > bound_ms) {
            self.now_ms = Some(time_ms);
            return Observed::Moved;
        }
        if far { Observed::Skewed } else { Observed::Stood }
    }

    #[cold]
    fn set_back_to(&self) -> Option<i64> {
        if !self.most_keys(|witness| witness.behind) {
            return None;
        }
        self.latest_of_each_key()
            .filter(|witness| witness.behind)
            .map(|witness| witness.time_ms)
            .max()
    }

    fn most_keys(&self, holds: impl Fn(&Witness) -> bool) -> bool {
        let (mut keys, mut holding) = (0, 0);
        for witness in self.latest_of_each_key() {
            keys += 1;
            holding += usize::from(holds(witness));
        }
        2 * holding > keys
    }

    /// The last records, the latest first.
    fn last_records(&self) -> impl Iterator<Item = &Witness> {
        let known = self.seen.min(WITNESSES as u64);
        (1..=known).map(move |back| &self.witnesses[((self.seen - back) % WITNESSES as u64) as usize])
    }

    fn latest_of_each_key(&self) -> impl Iterator<Item = &Witness> {
        self.last_records()
            .enumerate()
            .filter(|(back, witness)| self.last_records().take(*back).all(|later| later.key != witness.key))
            .map(|(_, witness)| witness)
    }
}

/// The wall clock. Everything that depends on real time asks one of these, so that a simulation can lead it.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> PartitionClock {
        PartitionClock::new(60_000, 86_400_000)
    }

    #[test]
    fn one_device_ahead_moves_nobody_and_most_do() {
        let mut clock = clock();
        for key in 0..4 {
            assert_eq!(
                clock.observe(key, 1_000),
                if key == 0 { Observed::Moved } else { Observed::Stood }
            );
        }
        assert_eq!(clock.observe(9, 3_600_000), Observed::Stood);
        assert_eq!(clock.now_ms(), Some(1_000));
        assert_eq!(clock.observe(0, 3_600_001), Observed::Stood);
        assert_eq!(
            clock.observe(1, 3_600_002),
            Observed::Moved,
            "three of five keys are that far ahead"
        );
        assert_eq!(clock.now_ms(), Some(3_600_002));
    }

    #[test]
    fn a_lone_device_may_leap() {
        let mut clock = clock();
        clock.observe(1, 0);
        assert_eq!(clock.observe(1, 10 * 86_400_000), Observed::Moved);
    }

    #[test]
    fn a_wrong_first_record_is_taken_back() {
        let mut clock = clock();
        clock.observe(1, 400 * 86_400_000);
        assert_eq!(
            clock.observe(2, 5_000),
            Observed::Stood,
            "one of two keys is not most of them"
        );
        assert_eq!(clock.observe(3, 7_000), Observed::SetBack);
        assert_eq!(clock.take_back(7_000), Observed::Stood);
        assert_eq!(clock.now_ms(), Some(7_000));
        assert_eq!(clock.observe(1, 400 * 86_400_000), Observed::Skewed);
    }

    #[test]
    fn an_idle_day_moved_by_marks_sets_nothing_back() {
        let mut clock = clock();
        for key in 0..8 {
            clock.observe(key, 1_000);
        }
        assert!(clock.mark(3 * 86_400_000));
        assert_eq!(clock.observe(3, 3 * 86_400_000 + 5), Observed::Moved);
    }
}
