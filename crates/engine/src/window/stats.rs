//! Statistics of a stretch of rows: count, sum, extremes and moments, which can be joined.
//!
//! It does not know where the rows lie, nor which of its numbers a job asks for.

/// What is known of a stretch of rows. Integers are kept apart from floats, so that their sums stay exact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stats {
    pub(crate) count: u64,
    pub(crate) int_sum: i64,
    pub(crate) float_sum: f64,
    pub(crate) int_min: i64,
    pub(crate) int_max: i64,
    pub(crate) float_min: f64,
    pub(crate) float_max: f64,
    mean: f64,
    squares: f64,
}

impl Stats {
    pub(crate) const NONE: Stats = Stats {
        count: 0,
        int_sum: 0,
        float_sum: 0.0,
        int_min: i64::MAX,
        int_max: i64::MIN,
        float_min: f64::INFINITY,
        float_max: f64::NEG_INFINITY,
        mean: 0.0,
        squares: 0.0,
    };

    /// The sum of squared distances from the mean.
    pub(crate) fn squares(&self) -> f64 {
        self.squares
    }

    #[inline]
    pub(crate) fn join(&mut self, other: &Stats) {
        if other.count == 0 {
            return;
        }
        if self.squares != 0.0 || other.squares != 0.0 || self.mean != other.mean {
            self.join_moments(other);
        }
        self.count += other.count;
        self.int_sum = self.int_sum.wrapping_add(other.int_sum);
        self.float_sum += other.float_sum;
        self.int_min = self.int_min.min(other.int_min);
        self.int_max = self.int_max.max(other.int_max);
        self.float_min = if other.float_min < self.float_min {
            other.float_min
        } else {
            self.float_min
        };
        self.float_max = if other.float_max > self.float_max {
            other.float_max
        } else {
            self.float_max
        };
    }

    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    fn join_moments(&mut self, other: &Stats) {
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        let all = mine + theirs;
        self.mean += distance * theirs / all;
        self.squares += other.squares + distance * distance * mine * theirs / all;
    }

    #[inline]
    pub(crate) fn add_moment(&mut self, value: f64) {
        // Welford's update; `count` is already one higher.
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }
}
