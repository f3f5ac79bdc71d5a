//! Habits: what a person does next, by the hour of the day and their own customs.
//!
//! Decides activities and ways only; how the heart follows and how the way is travelled is not known here. A step is chosen
//! when the one before it ends, so no plan of the day is kept: a million people cost no more than their habits.

use crate::dice::Dice;
use crate::motion::Path;
use crate::places::Spot;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 1440 * MINUTE_MS;

/// What a person is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Sleeping,
    Sitting,
    Walking,
    Running,
    Driving,
    /// Training at a gym: hard work on one spot.
    Training,
}

/// A stretch of one activity: until a time, or until a path is travelled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) activity: Activity,
    /// Local time at which the step ends, for one without a path.
    pub(crate) until_ms: i64,
    pub(crate) path: Option<Path>,
}

/// Where the last way led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Home,
    Work,
    Gym,
}

/// The customs of one person. Times are minutes after local midnight.
#[derive(Debug)]
pub(crate) struct Habits {
    wakes: i64,
    to_bed: i64,
    works: Option<(i64, i64)>,
    runs: Option<i64>,
    trains: Option<i64>,
    work: Spot,
    gym: Spot,
    pub(crate) walk_m_s: f64,
    pub(crate) run_m_s: f64,
    pub(crate) drive_m_s: f64,
    place: Place,
    last: Activity,
    ran_on_day: i64,
    trained_on_day: i64,
}

impl Habits {
    /// Customs drawn at random: two thirds work away from home, a quarter runs, one in twelve goes to a gym.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let minutes = |dice: &mut Dice, from: f64, to: f64| dice.between(from, to) as i64;
        let works = dice
            .chance(0.67)
            .then(|| (minutes(dice, 450.0, 560.0), minutes(dice, 970.0, 1110.0)));
        // A third works within walking distance or a little beyond, the others have a way to go.
        let work_distance_m = if dice.chance(0.3) {
            dice.between(500.0, 2_000.0)
        } else {
            dice.between(2_500.0, 15_000.0)
        };
        let gym_distance_m = dice.between(300.0, 3_000.0);
        Self {
            wakes: minutes(dice, 345.0, 480.0),
            to_bed: minutes(dice, 1290.0, 1435.0),
            works,
            // Before work, or after it.
            runs: dice.chance(0.25).then(|| {
                if dice.chance(0.4) {
                    400
                } else {
                    minutes(dice, 1000.0, 1180.0)
                }
            }),
            trains: dice.chance(0.08).then(|| minutes(dice, 980.0, 1200.0)),
            work: Spot::around(work_distance_m, dice),
            gym: Spot::around(gym_distance_m, dice),
            walk_m_s: dice.between(1.25, 1.65),
            run_m_s: dice.between(2.3, 3.8),
            drive_m_s: dice.between(8.0, 14.0),
            place: Place::Home,
            last: Activity::Sleeping,
            ran_on_day: i64::MIN,
            trained_on_day: i64::MIN,
        }
    }

    /// Cruising speed of an activity in metres a second, 0 for those on one spot.
    pub(crate) fn speed_m_s(&self, activity: Activity) -> f64 {
        match activity {
            Activity::Sleeping | Activity::Sitting | Activity::Training => 0.0,
            Activity::Walking => self.walk_m_s,
            Activity::Running => self.run_m_s,
            Activity::Driving => self.drive_m_s,
        }
    }

    /// What the person does next, at the local time `now_ms` (milliseconds since the Unix epoch plus the town's offset).
    pub(crate) fn next(&mut self, now_ms: i64, dice: &mut Dice) -> Step {
        let (day, minute) = (now_ms.div_euclid(DAY_MS), now_ms.rem_euclid(DAY_MS) / MINUTE_MS);
        let step = match self.place {
            Place::Home => self.next_at_home(day, minute, now_ms, dice),
            Place::Work => match self.shift(day) {
                Some((starts, ends)) if (starts..ends).contains(&minute) => {
                    self.pause_or_sit(ends - minute, now_ms, dice)
                }
                _ => self.travel(Place::Home, self.work, Spot::default()),
            },
            Place::Gym if self.last == Activity::Training => self.travel(Place::Home, self.gym, Spot::default()),
            Place::Gym => stay(Activity::Training, now_ms, dice.between(30.0, 70.0)),
        };
        self.last = step.activity;
        step
    }

    fn next_at_home(&mut self, day: i64, minute: i64, now_ms: i64, dice: &mut Dice) -> Step {
        if minute >= self.to_bed || minute < self.wakes {
            // Spread, or everyone with the same waking minute would get up in the same second.
            let sleep = (self.wakes - minute).rem_euclid(1440) as f64;
            return stay(Activity::Sleeping, now_ms, sleep.max(1.0) + dice.between(0.0, 15.0));
        }
        // Half of the runners walk a little before they sit down.
        if self.last == Activity::Running && dice.chance(0.5) {
            return self.stroll(dice.between(2.0, 4.0), dice);
        }
        if let Some((starts, ends)) = self.shift(day)
            && (starts..ends).contains(&minute)
        {
            return self.travel(Place::Work, Spot::default(), self.work);
        }
        if self.runs.is_some_and(|at| (at..at + 120).contains(&minute)) && self.ran_on_day != day {
            self.ran_on_day = day;
            let length_m = dice.between(20.0, 50.0) * 60.0 * self.run_m_s;
            return round(Activity::Running, length_m, dice);
        }
        if self.trains.is_some_and(|at| (at..at + 120).contains(&minute)) && self.trained_on_day != day {
            self.trained_on_day = day;
            return self.travel(Place::Gym, Spot::default(), self.gym);
        }
        // Sitting ends in time for whatever comes next.
        let plans = [
            self.shift(day).map(|shift| shift.0),
            self.runs,
            self.trains,
            Some(self.to_bed),
        ];
        let next = plans
            .into_iter()
            .flatten()
            .filter(|at| *at > minute)
            .min()
            .unwrap_or(self.to_bed);
        self.pause_or_sit(next - minute, now_ms, dice)
    }

    /// A short walk now and then, else sitting, but no longer than the minutes until the next plan.
    fn pause_or_sit(&self, left_min: i64, now_ms: i64, dice: &mut Dice) -> Step {
        if self.last != Activity::Walking && left_min > 15 && dice.chance(0.35) {
            return self.stroll(dice.between(3.0, 14.0), dice);
        }
        stay(
            Activity::Sitting,
            now_ms,
            dice.between(8.0, 60.0).min(left_min as f64).max(1.0),
        )
    }

    fn stroll(&self, minutes: f64, dice: &mut Dice) -> Step {
        round(Activity::Walking, minutes * 60.0 * self.walk_m_s, dice)
    }

    /// A way to another place: on foot when it is near.
    fn travel(&mut self, to: Place, from: Spot, spot: Spot) -> Step {
        self.place = to;
        let activity = if from.distance_m(spot) < 1_500.0 {
            Activity::Walking
        } else {
            Activity::Driving
        };
        Step {
            activity,
            until_ms: i64::MAX,
            path: Some(Path::Line(spot)),
        }
    }

    /// Start and end of the day's work, if there is any: none at week-ends (day 2 of the epoch was a Saturday).
    fn shift(&self, day: i64) -> Option<(i64, i64)> {
        self.works.filter(|_| !matches!(day.rem_euclid(7), 2 | 3))
    }
}

fn stay(activity: Activity, now_ms: i64, minutes: f64) -> Step {
    Step {
        activity,
        until_ms: now_ms + (minutes * MINUTE_MS as f64) as i64,
        path: None,
    }
}

fn round(activity: Activity, length_m: f64, dice: &mut Dice) -> Step {
    let heading = dice.between(0.0, std::f64::consts::TAU);
    Step {
        activity,
        until_ms: i64::MAX,
        path: Some(Path::Loop { length_m, heading }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of people asleep at an hour of a Monday.
    fn asleep_at(hour: i64) -> f64 {
        let asleep = (0..200).filter(|index| {
            let mut dice = Dice::new(5, *index);
            let mut habits = Habits::new(&mut dice);
            let (mut now_ms, end_ms) = (4 * DAY_MS, 4 * DAY_MS + hour * 60 * MINUTE_MS);
            loop {
                let step = habits.next(now_ms, &mut dice);
                now_ms = if step.path.is_some() {
                    now_ms + 10 * MINUTE_MS
                } else {
                    step.until_ms
                };
                if now_ms > end_ms {
                    return step.activity == Activity::Sleeping;
                }
            }
        });
        asleep.count() as f64 / 200.0
    }

    #[test]
    fn people_sleep_at_night_and_not_by_day() {
        assert!(asleep_at(3) > 0.95, "{}", asleep_at(3));
        assert!(asleep_at(11) < 0.02, "{}", asleep_at(11));
    }
}
