//! Device: a watch and its way to the network, with their failures.
//!
//! Says what becomes of each reading; it does not make readings and delivers nothing itself. A device alternates between
//! working and one of three failures. Failures begin at rates chosen so that each takes its share of the time in the long run, and a
//! device may be in one when the town begins.

use crate::dice::Dice;
use crate::options::{Faults, Spell};
use crate::reading::Reading;

/// What the device is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    WatchOff,
    Gap,
    Offline,
}

/// What becomes of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Delivered now, after what was held before it.
    Sent,
    /// Delivered now, and again after so many milliseconds.
    SentTwice { again_after_ms: i64 },
    /// Delivered after so many milliseconds.
    Late { after_ms: i64 },
    /// Kept by the device until it is online.
    Held,
    /// Never measured, or gone.
    Lost,
}

/// The device of one person.
#[derive(Debug)]
pub(crate) struct Device {
    link: Link,
    until_ms: i64,
    held: Vec<Reading>,
    /// What its clock shows beyond the true time, in milliseconds.
    pub(crate) clock_error_ms: i64,
}

impl Device {
    pub(crate) fn new(start_ms: i64, faults: &Faults, dice: &mut Dice) -> Self {
        let clock_error_ms = if dice.chance(faults.wrong_clock_share) {
            let error_ms = dice.between_ms(60_000, 6 * 3_600_000);
            if dice.chance(0.5) { error_ms } else { -error_ms }
        } else {
            0
        };
        let mut device = Self {
            link: Link::Up,
            until_ms: i64::MAX,
            held: Vec::new(),
            clock_error_ms,
        };
        let mut draw = dice.between(0.0, 1.0);
        for (link, spell) in spells(faults) {
            if draw < spell.share {
                device.link = link;
                // Some of it is over already.
                let length_ms = dice.between(spell.min_ms as f64, spell.max_ms as f64);
                device.until_ms = start_ms + (length_ms * dice.between(0.0, 1.0)) as i64;
                return device;
            }
            draw -= spell.share;
        }
        device.until_ms = start_ms + up_ms(faults, dice);
        device
    }

    /// What becomes of the reading of `now_ms`.
    pub(crate) fn fate(&mut self, now_ms: i64, interval_ms: i64, faults: &Faults, dice: &mut Dice) -> Fate {
        if now_ms >= self.until_ms {
            self.change(now_ms, faults, dice);
        }
        match self.link {
            Link::WatchOff | Link::Gap => Fate::Lost,
            Link::Offline => Fate::Held,
            Link::Up => {
                // One draw serves both tests; this is the path of nearly every reading.
                let bits = dice.bits();
                if below(bits as u32, faults.late_share) {
                    let shortest_ms = interval_ms * 3 / 2;
                    Fate::Late {
                        after_ms: dice.between_ms(shortest_ms, faults.late_max_ms.max(shortest_ms + 1)),
                    }
                } else if below((bits >> 32) as u32, faults.duplicate_share) {
                    Fate::SentTwice {
                        again_after_ms: dice.between_ms(0, 2_000),
                    }
                } else {
                    Fate::Sent
                }
            }
        }
    }

    /// Keeps a reading for later.
    pub(crate) fn hold(&mut self, reading: Reading) {
        self.held.push(reading);
    }

    /// Hands out what was held, oldest first.
    pub(crate) fn release(&mut self, out: &mut Vec<Reading>) {
        out.append(&mut self.held);
    }

    /// True while the device works.
    pub(crate) fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    /// Puts off the next failure until `time_ms`: a planted episode that nobody could see would not measure anything.
    pub(crate) fn stay_up_until(&mut self, time_ms: i64) {
        self.until_ms = self.until_ms.max(time_ms);
    }

    fn change(&mut self, now_ms: i64, faults: &Faults, dice: &mut Dice) {
        if self.link != Link::Up {
            self.link = Link::Up;
            self.until_ms = now_ms + up_ms(faults, dice);
            return;
        }
        // Which failure it is: each with its part of the rate at which any begins.
        let mut draw = dice.between(0.0, begin_rate(faults));
        for (link, spell) in spells(faults) {
            draw -= spell.share / spell.mean_ms();
            if draw < 0.0 {
                self.link = link;
                self.until_ms = now_ms + dice.between(spell.min_ms as f64, spell.max_ms as f64).round() as i64;
                return;
            }
        }
        self.until_ms = now_ms + up_ms(faults, dice);
    }
}

fn spells(faults: &Faults) -> [(Link, Spell); 3] {
    [
        (Link::WatchOff, faults.watch_off),
        (Link::Gap, faults.gap),
        (Link::Offline, faults.offline),
    ]
}

/// Failures a millisecond, over all time.
fn begin_rate(faults: &Faults) -> f64 {
    spells(faults)
        .iter()
        .map(|(_, spell)| spell.share / spell.mean_ms())
        .sum()
}

/// Time until the next failure: exponential, with the mean that gives every failure its share of the time.
fn up_ms(faults: &Faults, dice: &mut Dice) -> i64 {
    let rate = begin_rate(faults);
    if rate == 0.0 {
        // Never, and far enough from the end of the type that times can be added to it.
        return i64::MAX / 4;
    }
    let failing: f64 = spells(faults).iter().map(|(_, spell)| spell.share).sum();
    dice.exponential((1.0 - failing) / rate) as i64
}

/// True with the probability `share`, for 32 random bits.
fn below(bits: u32, share: f64) -> bool {
    f64::from(bits) < share * 4_294_967_296.0
}
