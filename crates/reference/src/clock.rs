//! The event-time clock of a partition, as its rules read.

/// How many of the last records bear witness.
const WITNESSES: usize = 16;

/// What a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The clock had been set wrongly and was set back, before the record was judged.
    pub set_back: bool,
    /// Too far ahead, and nobody confirms it.
    pub skewed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Witness {
    key: u32,
    time_ms: i64,
    behind: bool,
}

/// The greatest event time so far, with witnesses for far leads and for a wrong first record.
#[derive(Debug, Clone)]
pub struct Clock {
    /// `None` before the first record.
    pub now_ms: Option<i64>,
    max_lead_ms: i64,
    max_skew_ms: i64,
    /// The last records, the latest first.
    last: Vec<Witness>,
}

impl Clock {
    /// A clock that the first record sets.
    pub fn new(max_lead_ms: i64, max_skew_ms: i64) -> Clock {
        Clock {
            now_ms: None,
            max_lead_ms,
            max_skew_ms,
            last: Vec::new(),
        }
    }

    /// A record of `key` at `time_ms`.
    pub fn record(&mut self, key: u32, time_ms: i64) -> Seen {
        let now_ms = *self.now_ms.get_or_insert(time_ms);
        let behind = time_ms < now_ms - self.max_skew_ms;
        self.last.insert(0, Witness { key, time_ms, behind });
        self.last.truncate(WITNESSES);
        let set_back = self.most(|witness| witness.behind);
        if set_back {
            let of_those_behind = self.voters().into_iter().filter(|witness| witness.behind);
            self.now_ms = of_those_behind.map(|witness| witness.time_ms).max();
            self.last.iter_mut().for_each(|witness| witness.behind = false);
        }
        let skewed = self.judge(time_ms);
        Seen { set_back, skewed }
    }

    /// A mark of an idle partition. Before the first record it says nothing.
    pub fn mark(&mut self, clock_ms: i64) {
        self.now_ms = self.now_ms.map(|now_ms| now_ms.max(clock_ms));
    }

    fn judge(&mut self, time_ms: i64) -> bool {
        let now_ms = self.now_ms.unwrap_or(time_ms);
        let lead_ms = time_ms - now_ms;
        let bound_ms = if lead_ms > self.max_skew_ms {
            self.max_skew_ms
        } else {
            self.max_lead_ms
        };
        let confirmed = self.most(|witness| witness.time_ms > now_ms + bound_ms);
        if lead_ms > 0 && (lead_ms <= self.max_lead_ms || confirmed) {
            self.now_ms = Some(time_ms);
        }
        lead_ms > self.max_skew_ms && !confirmed
    }

    /// The latest record of each key among the last ones.
    fn voters(&self) -> Vec<Witness> {
        let mut voters: Vec<Witness> = Vec::new();
        for witness in &self.last {
            if voters.iter().all(|voter| voter.key != witness.key) {
                voters.push(*witness);
            }
        }
        voters
    }

    fn most(&self, holds: impl Fn(&Witness) -> bool) -> bool {
        let voters = self.voters();
        2 * voters.iter().filter(|witness| holds(witness)).count() > voters.len()
    }
}
