//! GPS error: how far the receiver's position is from the true one.
//!
//! The error of a real receiver drifts over about a minute rather than jumping afresh with every fix, so it is a
//! first-order autoregressive walk on each axis and not white noise: two fixes 10 s apart share most of it. Satellites lost
//! behind buildings are not modelled.

use crate::dice::Dice;

/// Time over which the error forgets itself, in seconds.
const MEMORY_S: f64 = 60.0;

/// The factors of one step of the walk, equal for everyone with the same sampling interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GpsStep {
    keep: f64,
    push: f64,
}

impl GpsStep {
    pub(crate) fn new(step_s: f64) -> Self {
        let keep = (-step_s / MEMORY_S).exp();
        // Chosen so that the deviation stays what it is from step to step.
        Self {
            keep,
            push: (1.0 - keep * keep).sqrt(),
        }
    }
}

/// The error of one receiver, in metres.
#[derive(Debug)]
pub(crate) struct Gps {
    deviation_m: f64,
    pub(crate) east_m: f64,
    pub(crate) north_m: f64,
}

impl Gps {
    /// A receiver with an error of 0.4 to 2.5 m, settled.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let deviation_m = dice.between(0.4, 2.5);
        Self {
            deviation_m,
            east_m: deviation_m * dice.normal(),
            north_m: deviation_m * dice.normal(),
        }
    }

    pub(crate) fn advance(&mut self, step: GpsStep, dice: &mut Dice) {
        let push_m = step.push * self.deviation_m;
        self.east_m = step.keep * self.east_m + push_m * dice.normal();
        self.north_m = step.keep * self.north_m + push_m * dice.normal();
    }
}
