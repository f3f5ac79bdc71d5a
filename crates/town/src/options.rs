//! Options of a town, and what may be wrong with them.
//!
//! Plain values with defaults; they decide everything that a town does.

use thiserror::Error;

/// What a town is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct TownOptions {
    /// Number of people; they are numbered from 1.
    pub users: u32,
    /// Seed of every draw.
    pub seed: u64,
    /// Event time of the first second, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Time between two readings of a person, in milliseconds.
    pub interval_ms: u32,
    /// What the town's clocks show beyond UTC, in milliseconds: people's habits follow it. The default, -5 h, is New York's
    /// in winter; a demonstration may choose it so that it is always late afternoon.
    pub local_offset_ms: i64,
    /// How watches and their networks fail.
    pub faults: Faults,
    /// How many episodes are planted.
    pub episodes: EpisodeOptions,
}

impl Default for TownOptions {
    fn default() -> Self {
        Self {
            users: 1_000,
            seed: 1,
            // 2026-01-05 (a Monday) 22:00 UTC: 17:00 in the town, when there is something of everything.
            start_ms: 1_767_650_400_000,
            interval_ms: 1_000,
            local_offset_ms: -5 * 3_600_000,
            faults: Faults::default(),
            episodes: EpisodeOptions::default(),
        }
    }
}

/// A fault that lasts: the share of all readings it meets, and how long it lasts each time (uniform between the two).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spell {
    /// Share of a person's time, 0 to 1.
    pub share: f64,
    /// Shortest spell, in milliseconds.
    pub min_ms: i64,
    /// Longest spell, in milliseconds.
    pub max_ms: i64,
}

impl Spell {
    pub(crate) fn mean_ms(&self) -> f64 {
        (self.min_ms + self.max_ms) as f64 / 2.0
    }
}

/// How watches and their networks fail. Shares are of readings, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// The watch is not worn: no readings for minutes.
    pub watch_off: Spell,
    /// Some readings in a row are lost.
    pub gap: Spell,
    /// No network: the readings of the spell are held and come at once, in order, when it ends.
    pub offline: Spell,
    /// Share of readings that come after later ones of the same person.
    pub late_share: f64,
    /// Longest delay of a late reading, in milliseconds; the shortest is one and a half intervals.
    pub late_max_ms: i64,
    /// Share of readings that come twice, the second time within 2 s.
    pub duplicate_share: f64,
    /// Share of people whose watch's clock is wrong, by between a minute and six hours, ahead or behind.
    pub wrong_clock_share: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            watch_off: Spell {
                share: 0.01,
                min_ms: 300_000,
                max_ms: 1_800_000,
            },
            gap: Spell {
                share: 0.005,
                min_ms: 2_000,
                max_ms: 30_000,
            },
            offline: Spell {
                share: 0.005,
                min_ms: 20_000,
                max_ms: 100_000,
            },
            late_share: 0.002,
            late_max_ms: 4_000,
            duplicate_share: 0.002,
            wrong_clock_share: 0.0,
        }
    }
}

impl Faults {
    /// Watches that never fail.
    pub fn none() -> Self {
        let never = Spell {
            share: 0.0,
            min_ms: 1_000,
            max_ms: 1_000,
        };
        Self {
            watch_off: never,
            gap: never,
            offline: never,
            late_share: 0.0,
            late_max_ms: 0,
            duplicate_share: 0.0,
            wrong_clock_share: 0.0,
        }
    }
}

/// How many episodes are planted, and what they are like.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeOptions {
    /// Episodes an hour, as a share of the people: 0.1 plants 100 an hour, evenly spaced, in a town of 1,000.
    pub share_per_hour: f64,
    /// Time from the start to the first one, in milliseconds. Its heart rate leaves the range some 3 s later.
    pub first_after_ms: i64,
    /// Shortest time out of range, in milliseconds.
    pub min_ms: i64,
    /// Longest time out of range, in milliseconds.
    pub max_ms: i64,
    /// Share of episodes above the range; the others are below.
    pub high_share: f64,
}

impl Default for EpisodeOptions {
    fn default() -> Self {
        Self {
            share_per_hour: 0.1,
            first_after_ms: 10_000,
            min_ms: 30_000,
            max_ms: 180_000,
            high_share: 0.7,
        }
    }
}

/// Why a town cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TownError {
    /// Nobody lives there.
    #[error("a town needs at least one person: users is 0")]
    NoUsers,
    /// Readings must have distinct times.
    #[error("interval_ms is {0}; a reading every 20 ms to 600,000 ms is possible")]
    Interval(u32),
    /// A share outside 0 to 1.
    #[error("{name} is {value}; a share lies between 0 and 1")]
    Share {
        /// The option.
        name: &'static str,
        /// What was asked for.
        value: f64,
    },
    /// The lasting faults would leave no time for good readings.
    #[error("watch_off, gap and offline take {0} of the time together; less than 0.9 is possible")]
    FaultsTakeAll(f64),
    /// A duration with its ends swapped, or not positive.
    #[error("{name} lasts from {min_ms} ms to {max_ms} ms; the first must be at least 1 and no more than the second")]
    Duration {
        /// The option.
        name: &'static str,
        /// Its lower end.
        min_ms: i64,
        /// Its upper end.
        max_ms: i64,
    },
}

impl TownOptions {
    /// The `local_offset_ms` with which a town that starts at `start_ms` begins on a Monday at 17:30, when people are on
    /// their way home, running and training: a demonstration must not show sleepers only because it is night somewhere.
    pub fn afternoon_offset_ms(start_ms: i64) -> i64 {
        // 5 January 1970 was a Monday.
        const MONDAY_AFTERNOON_MS: i64 = 4 * 86_400_000 + 1_050 * 60_000;
        MONDAY_AFTERNOON_MS - start_ms
    }

    /// Checks every option.
    ///
    /// # Errors
    /// The first option that cannot be, with its name and value.
    pub fn check(&self) -> Result<(), TownError> {
        if self.users == 0 {
            return Err(TownError::NoUsers);
        }
        if !(20..=600_000).contains(&self.interval_ms) {
            return Err(TownError::Interval(self.interval_ms));
        }
        let faults = &self.faults;
        let spells = [
            ("watch_off", faults.watch_off),
            ("gap", faults.gap),
            ("offline", faults.offline),
        ];
        for (name, spell) in spells {
            check_share(name, spell.share)?;
            check_duration(name, spell.min_ms, spell.max_ms)?;
        }
        let taken: f64 = spells.iter().map(|(_, spell)| spell.share).sum();
        if taken >= 0.9 {
            return Err(TownError::FaultsTakeAll(taken));
        }
        check_share("late_share", faults.late_share)?;
        check_share("duplicate_share", faults.duplicate_share)?;
        check_share("wrong_clock_share", faults.wrong_clock_share)?;
        check_share("high_share", self.episodes.high_share)?;
        check_duration("an episode", self.episodes.min_ms, self.episodes.max_ms)?;
        // More than one an hour each is allowed: a small town that must show something asks for it.
        let share = self.episodes.share_per_hour;
        if share.is_finite() && share >= 0.0 {
            Ok(())
        } else {
            Err(TownError::Share {
                name: "share_per_hour",
                value: share,
            })
        }
    }
}

fn check_share(name: &'static str, value: f64) -> Result<(), TownError> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(TownError::Share { name, value })
    }
}

fn check_duration(name: &'static str, min_ms: i64, max_ms: i64) -> Result<(), TownError> {
    if min_ms >= 1 && min_ms <= max_ms {
        Ok(())
    } else {
        Err(TownError::Duration { name, min_ms, max_ms })
    }
}
