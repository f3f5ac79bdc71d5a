//! Person: habits, a moving body, a heart and a watch, put together.
//!
//! Everything a person does follows from the town's seed and their number; other people are not known here.
//!
//! The range of a person covers their life at rest: asleep, seated and at the wheel, with the flutter of a healthy heart.
//! Easy walking lies mostly within it, running and training do not.

use crate::device::Device;
use crate::dice::Dice;
use crate::gps::{Gps, GpsStep};
use crate::habits::{Activity, Habits, Step};
use crate::heart::{FLUTTER_MAX_BPM, Heart, HeartStep};
use crate::motion::{Motion, Traffic};
use crate::options::{EpisodeOptions, TownOptions};
use crate::places::{Home, Spot};
use crate::reading::{Baseline, Reading};
use crate::truth::{Cause, Kind, Witness};

const DAY_MS: i64 = 86_400_000;
/// Rest between two planted episodes of one person.
const BETWEEN_EPISODES_MS: i64 = 600_000;
/// A person sits on for this long after an episode, so that its end is seen still.
const AFTER_EPISODE_MS: i64 = 30_000;

/// The factors of one sampling step, equal for everyone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) interval_ms: i64,
    pub(crate) local_offset_ms: i64,
    step_s: f64,
    /// Greatest earliness of a reading within its interval, in milliseconds: watches do not tick like pendulums.
    jitter_ms: i64,
    gps: GpsStep,
    heart: HeartStep,
}

impl Pace {
    pub(crate) fn new(options: &TownOptions) -> Self {
        let interval_ms = i64::from(options.interval_ms);
        let step_s = interval_ms as f64 / 1000.0;
        Self {
            interval_ms,
            local_offset_ms: options.local_offset_ms,
            step_s,
            jitter_ms: (interval_ms / 20).min(40),
            gps: GpsStep::new(step_s),
            heart: HeartStep::new(step_s),
        }
    }
}

/// The heart rates of a person's activities, in beats a minute.
#[derive(Debug)]
struct Levels {
    sleeping: f64,
    sitting: f64,
    driving: f64,
    walking: f64,
    running: f64,
    training: f64,
}

impl Levels {
    fn new(resting: f64, dice: &mut Dice) -> Self {
        let age_years = dice.between(18.0, 80.0);
        // Highest heart rate by age: Tanaka, Monahan and Seals 2001, 208 - 0.7 x age.
        let reserve = 208.0 - 0.7 * age_years - resting;
        Self {
            sleeping: resting - dice.between(3.0, 6.0),
            sitting: resting + dice.between(2.0, 9.0),
            driving: resting + dice.between(6.0, 14.0),
            walking: resting + reserve * dice.between(0.14, 0.24),
            running: resting + reserve * dice.between(0.60, 0.82),
            training: resting + reserve * dice.between(0.35, 0.60),
        }
    }

    fn of(&self, activity: Activity) -> f64 {
        match activity {
            Activity::Sleeping => self.sleeping,
            Activity::Sitting => self.sitting,
            Activity::Walking => self.walking,
            Activity::Running => self.running,
            Activity::Driving => self.driving,
            Activity::Training => self.training,
        }
    }
}

/// One inhabitant.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) range: Baseline,
    /// Place within the sampling interval, in milliseconds.
    pub(crate) phase_ms: i64,
    pub(crate) device: Device,
    pub(crate) dice: Dice,
    pub(crate) witness: Witness,
    home: Home,
    habits: Habits,
    levels: Levels,
    step: Step,
    motion: Motion,
    gps: Gps,
    heart: Heart,
    rested_from_ms: i64,
}

impl Person {
    /// The inhabitant with this number, as their habits have them at the town's start.
    pub(crate) fn new(user: u32, options: &TownOptions, pace: &Pace) -> Self {
        let mut dice = Dice::new(options.seed, u64::from(user));
        // 45 to 80, with most people around 62.
        let resting = (62.5 + 7.0 * dice.normal()).clamp(45.0, 80.0);
        let levels = Levels::new(resting, &mut dice);
        let lowest = levels.sleeping - FLUTTER_MAX_BPM - dice.between(1.0, 3.0);
        // What is added keeps a stroll mostly inside: a range learnt from a person's history would hold it, too.
        let highest = levels.driving.max(levels.sitting) + FLUTTER_MAX_BPM + dice.between(9.0, 20.0);
        let mut habits = Habits::new(&mut dice);
        let mut motion = Motion::standing(Spot::default());
        let step = live_until(
            options.start_ms + options.local_offset_ms,
            &mut habits,
            &mut motion,
            &mut dice,
        );
        Self {
            range: Baseline {
                user,
                min_heart_rate: lowest.floor() as i32,
                max_heart_rate: highest.ceil() as i32,
            },
            phase_ms: dice.between_ms(pace.jitter_ms, pace.interval_ms),
            device: Device::new(options.start_ms, &options.faults, &mut dice),
            home: Home::new(&mut dice),
            gps: Gps::new(&mut dice),
            heart: Heart::new(levels.of(step.activity), dice.between(55.0, 110.0), pace.heart),
            witness: Witness::default(),
            rested_from_ms: i64::MIN,
            dice,
            habits,
            levels,
            step,
            motion,
        }
    }

    /// Lives one sampling step up to `now_ms` and returns what the watch measures, with the cause that a heart rate out of
    /// range would have now (none while the person moves).
    pub(crate) fn advance(&mut self, now_ms: i64, pace: &Pace) -> (Reading, Option<Cause>) {
        let local_ms = now_ms + pace.local_offset_ms;
        let activity = self.step.activity;
        let traffic = if activity == Activity::Driving {
            Traffic::Lights
        } else {
            Traffic::Free
        };
        let speed_m_s = self.habits.speed_m_s(activity);
        let arrived = self
            .motion
            .advance(now_ms, pace.step_s, speed_m_s, traffic, &mut self.dice);
        let over = if self.step.path.is_some() {
            arrived
        } else {
            local_ms >= self.step.until_ms
        };
        if over {
            self.step = self.habits.next(local_ms, &mut self.dice);
            if let Some(path) = self.step.path {
                self.motion.set_out(path);
            }
        }
        // The heart answers to the step just chosen, the position to the one that ended: the order does not matter at this size.
        self.gps.advance(pace.gps, &mut self.dice);
        let level_bpm = self.levels.of(self.step.activity);
        let heart_rate = self.heart.advance(now_ms, level_bpm, pace.heart, &mut self.dice);
        let at = self.motion.at();
        let seen = Spot {
            east_m: at.east_m + self.gps.east_m,
            north_m: at.north_m + self.gps.north_m,
        };
        let (latitude, longitude) = self.home.degrees(seen);
        let early_ms = self.dice.between_ms(0, pace.jitter_ms);
        let reading = Reading {
            user: self.range.user,
            time_ms: now_ms - early_ms + self.device.clock_error_ms,
            zipcode: self.home.zipcode,
            latitude,
            longitude,
            heart_rate,
        };
        (reading, self.cause())
    }

    /// True when an episode can be planted: seated or asleep and at ease, the watch working, the last one long over.
    pub(crate) fn can_fall_ill(&self, now_ms: i64) -> bool {
        matches!(self.step.activity, Activity::Sleeping | Activity::Sitting)
            && now_ms >= self.rested_from_ms
            && self.device.is_up()
            && self.heart.at_ease(self.levels.of(self.step.activity))
    }

    /// Plants an episode.
    pub(crate) fn fall_ill(&mut self, now_ms: i64, options: &EpisodeOptions, pace: &Pace) {
        let kind = if self.dice.chance(options.high_share) {
            Kind::High
        } else {
            Kind::Low
        };
        // Far enough beyond the limit that the flutter never leads back into the range.
        let (limit_bpm, level_bpm) = match kind {
            Kind::High => {
                let limit_bpm = f64::from(self.range.max_heart_rate);
                (limit_bpm, limit_bpm + self.dice.between(15.0, 45.0))
            }
            Kind::Low => {
                let limit_bpm = f64::from(self.range.min_heart_rate);
                (limit_bpm, limit_bpm - self.dice.between(7.5, 10.0))
            }
        };
        let held_ms = self.dice.between_ms(options.min_ms, options.max_ms + 1);
        // Nobody stands up in the middle, and no fault hides it: an episode that cannot be seen measures nothing.
        let over_ms = self.heart.hold(now_ms, level_bpm, limit_bpm, held_ms) + AFTER_EPISODE_MS;
        self.step.until_ms = self.step.until_ms.max(over_ms + pace.local_offset_ms);
        self.device.stay_up_until(over_ms);
        self.rested_from_ms = over_ms + BETWEEN_EPISODES_MS;
    }

    /// By standing still rather than by activity: at a red light one is as still as in a chair.
    fn cause(&self) -> Option<Cause> {
        if !self.motion.is_standing() {
            None
        } else if self.heart.is_held() {
            Some(Cause::Planted)
        } else if self.step.activity == Activity::Training {
            Some(Cause::Training)
        } else {
            Some(Cause::AfterExercise)
        }
    }
}

/// Lives from the midnight before the last up to `local_ms` without readings, and returns the step that is on then: nobody
/// begins their day when the town does.
fn live_until(local_ms: i64, habits: &mut Habits, motion: &mut Motion, dice: &mut Dice) -> Step {
    let mut now_ms = (local_ms.div_euclid(DAY_MS) - 1) * DAY_MS;
    loop {
        let step = habits.next(now_ms, dice);
        let Some(path) = step.path else {
            if step.until_ms > local_ms {
                return step;
            }
            now_ms = step.until_ms;
            continue;
        };
        motion.set_out(path);
        let speed_m_s = habits.speed_m_s(step.activity);
        let ends_ms = now_ms + (motion.length_m(path) / speed_m_s * 1000.0) as i64;
        if ends_ms > local_ms {
            motion.skip((local_ms - now_ms) as f64 / 1000.0 * speed_m_s, speed_m_s);
            return step;
        }
        motion.arrive();
        now_ms = ends_ms;
    }
}
