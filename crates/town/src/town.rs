//! Town: all people, second by second, and the order in which their readings arrive.
//!
//! People are kept in the order of their place within the sampling interval, so one walk over them gives readings in order
//! of time without sorting; only late and repeated ones wait in a heap. The town itself draws nothing but whom the next
//! episode meets.

use crate::delivery::Delivery;
use crate::device::Fate;
use crate::dice::Dice;
use crate::options::{EpisodeOptions, Faults, TownError, TownOptions};
use crate::person::{Pace, Person};
use crate::reading::{Baseline, Reading};
use crate::truth::Episode;

const SECOND_MS: i64 = 1000;
const HOUR_MS: f64 = 3_600_000.0;

/// A simulated town.
///
/// Memory is some 500 bytes a person, readings held by offline watches, and truth not yet taken; it does not grow with time.
#[derive(Debug)]
pub struct Town {
    people: Vec<Person>,
    pace: Pace,
    faults: Faults,
    episodes: EpisodeOptions,
    dice: Dice,
    /// Start of the second that comes next.
    now_ms: i64,
    /// Start of the sampling interval that is on, and the next person in it.
    round_ms: i64,
    cursor: usize,
    /// Not whole milliseconds, so that the rate stays exact over a day.
    next_episode_ms: f64,
    delivery: Delivery,
    truth: Vec<Episode>,
}

impl Town {
    /// Builds the town and lets everyone's day begin.
    ///
    /// # Errors
    /// An option that cannot be.
    pub fn new(options: &TownOptions) -> Result<Self, TownError> {
        options.check()?;
        let pace = Pace::new(options);
        let mut people: Vec<Person> = (1..=options.users)
            .map(|user| Person::new(user, options, &pace))
            .collect();
        people.sort_by_key(|person| (person.phase_ms, person.range.user));
        Ok(Self {
            people,
            pace,
            faults: options.faults.clone(),
            episodes: options.episodes.clone(),
            dice: Dice::new(options.seed, 0),
            now_ms: options.start_ms,
            round_ms: options.start_ms,
            cursor: 0,
            next_episode_ms: (options.start_ms + options.episodes.first_after_ms) as f64,
            delivery: Delivery::default(),
            truth: Vec::new(),
        })
    }

    /// Everyone's range, in order of their numbers.
    pub fn baselines(&self) -> Vec<Baseline> {
        let mut ranges: Vec<Baseline> = self.people.iter().map(|person| person.range).collect();
        ranges.sort_by_key(|range| range.user);
        ranges
    }

    /// True time at which the next second starts, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Appends what arrives during the next second, in order of arrival.
    pub fn next_second(&mut self, out: &mut Vec<Reading>) {
        let end_ms = self.now_ms + SECOND_MS;
        self.plant_episodes(end_ms);
        loop {
            let at_ms = self.round_ms + self.people[self.cursor].phase_ms;
            if at_ms >= end_ms {
                break;
            }
            self.delivery.arrive(at_ms, out);
            self.sample(at_ms, out);
            self.cursor += 1;
            if self.cursor == self.people.len() {
                self.cursor = 0;
                self.round_ms += self.pace.interval_ms;
            }
        }
        // What arrives after the last person of this second, and still within it.
        self.delivery.arrive(end_ms - 1, out);
        self.now_ms = end_ms;
    }

    /// Hands out the spells that have ended since the last call, in the order in which they ended.
    pub fn take_truth(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.truth)
    }

    /// Ends the simulation: appends everything that is held or on its way, and returns the truth not yet taken, with spells
    /// that were still going on.
    pub fn finish(mut self, out: &mut Vec<Reading>) -> Vec<Episode> {
        self.delivery.arrive(i64::MAX, out);
        for person in &mut self.people {
            person.device.release(out);
            self.truth.extend(person.witness.close(&person.range));
        }
        self.truth
    }

    fn sample(&mut self, at_ms: i64, out: &mut Vec<Reading>) {
        let person = &mut self.people[self.cursor];
        let (reading, cause) = person.advance(at_ms, &self.pace);
        self.truth.extend(
            person
                .witness
                .see(reading.time_ms, reading.heart_rate, cause, &person.range),
        );
        match person
            .device
            .fate(at_ms, self.pace.interval_ms, &self.faults, &mut person.dice)
        {
            Fate::Lost => {}
            Fate::Held => person.device.hold(reading),
            Fate::Late { after_ms } => self.delivery.send(reading, at_ms + after_ms),
            Fate::Sent => {
                person.device.release(out);
                out.push(reading);
            }
            Fate::SentTwice { again_after_ms } => {
                person.device.release(out);
                out.push(reading);
                self.delivery.send(reading, at_ms + again_after_ms);
            }
        }
    }

    /// Plants the episodes that are due before `end_ms`, evenly spaced, each on the first person who can have one from a
    /// place drawn at random. When nobody can, the next second tries again.
    fn plant_episodes(&mut self, end_ms: i64) {
        let an_hour = self.episodes.share_per_hour * self.people.len() as f64;
        if an_hour == 0.0 {
            return;
        }
        while self.next_episode_ms < end_ms as f64 {
            let first = self.dice.bits() as usize % self.people.len();
            let (before, after) = self.people.split_at_mut(first);
            let Some(person) = after
                .iter_mut()
                .chain(before)
                .find(|person| person.can_fall_ill(self.now_ms))
            else {
                self.next_episode_ms = end_ms as f64;
                return;
            };
            person.fall_ill(self.now_ms, &self.episodes, &self.pace);
            self.next_episode_ms += HOUR_MS / an_hour;
        }
    }
}
