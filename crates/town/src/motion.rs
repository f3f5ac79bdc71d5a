//! Motion: how a person gets along a path.
//!
//! A path is a straight line to another spot, or a circle that ends where it began: without corners, because someone who
//! turns a sharp corner covers less ground in ten seconds than their speed says, and would look still. Knows nothing of why
//! one moves, nor of the GPS error.

use crate::dice::Dice;
use crate::places::Spot;

/// Slower than this counts as standing, in metres a second.
const STANDING_M_S: f64 = 0.3;
/// How fast legs and engines gain and lose speed, in metres a second per second.
const GAIN_M_S2: f64 = 2.0;
const LOSS_M_S2: f64 = 3.0;

/// A way from where one is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Path {
    /// To another spot, straight.
    Line(Spot),
    /// Around a circle of this length, in metres, starting into the heading given in radians.
    Loop { length_m: f64, heading: f64 },
}

/// How a path is travelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Traffic {
    /// At an even speed.
    Free,
    /// With red lights now and then.
    Lights,
}

/// Position and progress of one person.
#[derive(Debug)]
pub(crate) struct Motion {
    from: Spot,
    at: Spot,
    path: Option<Path>,
    length_m: f64,
    gone_m: f64,
    speed_m_s: f64,
    red_until_ms: i64,
}

impl Motion {
    /// Someone standing at `at`.
    pub(crate) fn standing(at: Spot) -> Self {
        Self {
            from: at,
            at,
            path: None,
            length_m: 0.0,
            gone_m: 0.0,
            speed_m_s: 0.0,
            red_until_ms: i64::MIN,
        }
    }

    /// Length of `path` from where the person is, in metres.
    pub(crate) fn length_m(&self, path: Path) -> f64 {
        match path {
            Path::Line(to) => self.at.distance_m(to),
            Path::Loop { length_m, .. } => length_m,
        }
    }

    /// Sets out along `path`.
    pub(crate) fn set_out(&mut self, path: Path) {
        self.length_m = self.length_m(path);
        self.from = self.at;
        self.gone_m = 0.0;
        self.path = Some(path);
    }

    /// Jumps `gone_m` metres ahead at cruising speed; for people who are on their way when the town begins.
    pub(crate) fn skip(&mut self, gone_m: f64, speed_m_s: f64) {
        self.gone_m = gone_m.min(self.length_m);
        self.speed_m_s = speed_m_s;
        self.place();
    }

    /// Goes the whole way at once.
    pub(crate) fn arrive(&mut self) {
        self.skip(self.length_m, 0.0);
        self.path = None;
    }

    /// Moves for `step_s` seconds and returns whether the path's end is reached (true, too, without a path).
    pub(crate) fn advance(
        &mut self,
        now_ms: i64,
        step_s: f64,
        cruise_m_s: f64,
        traffic: Traffic,
        dice: &mut Dice,
    ) -> bool {
        if self.path.is_none() {
            self.speed_m_s = 0.0;
            return true;
        }
        // A light every 80 s on average.
        if traffic == Traffic::Lights && now_ms > self.red_until_ms + 10_000 && dice.chance(step_s / 80.0) {
            self.red_until_ms = now_ms + dice.between_ms(8_000, 45_000);
        }
        let wanted_m_s = if now_ms < self.red_until_ms {
            0.0
        } else {
            cruise_m_s * (1.0 + 0.04 * dice.normal())
        };
        // Speeds change gradually, as a window of ten seconds would see it in life: the last metres before a red light count.
        let change_m_s = wanted_m_s - self.speed_m_s;
        self.speed_m_s += change_m_s.clamp(-LOSS_M_S2 * step_s, GAIN_M_S2 * step_s);
        self.gone_m += self.speed_m_s * step_s;
        self.place();
        if self.gone_m >= self.length_m {
            self.path = None;
            self.speed_m_s = 0.0;
        }
        self.path.is_none()
    }

    /// Where the person is.
    pub(crate) fn at(&self) -> Spot {
        self.at
    }

    /// True while the person does not get on, wherever they are.
    pub(crate) fn is_standing(&self) -> bool {
        self.speed_m_s < STANDING_M_S
    }

    fn place(&mut self) {
        // A path of no length is travelled at once, instead of dividing by it.
        let share = if self.length_m > 0.0 {
            (self.gone_m / self.length_m).min(1.0)
        } else {
            1.0
        };
        self.at = match self.path {
            None => return,
            Some(Path::Line(to)) => Spot {
                east_m: self.from.east_m + (to.east_m - self.from.east_m) * share,
                north_m: self.from.north_m + (to.north_m - self.from.north_m) * share,
            },
            Some(Path::Loop { length_m, heading }) => {
                let radius_m = length_m / std::f64::consts::TAU;
                let turned = std::f64::consts::TAU * share;
                // The centre lies one radius to the right of the heading.
                let (sin, cos) = (heading + std::f64::consts::FRAC_PI_2).sin_cos();
                let (sin_now, cos_now) = (heading - std::f64::consts::FRAC_PI_2 + turned).sin_cos();
                Spot {
                    east_m: self.from.east_m + radius_m * (sin + sin_now),
                    north_m: self.from.north_m + radius_m * (cos + cos_now),
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_its_spot_after_the_right_time() {
        let (mut motion, mut dice) = (Motion::standing(Spot::default()), Dice::new(3, 3));
        let to = Spot {
            east_m: 300.0,
            north_m: 400.0,
        };
        motion.set_out(Path::Line(to));
        let seconds = (1..)
            .find(|second| motion.advance(second * 1000, 1.0, 2.5, Traffic::Free, &mut dice))
            .unwrap();
        assert!((198..=206).contains(&seconds), "{seconds}");
        assert_eq!(motion.at(), to);
    }

    #[test]
    fn a_loop_ends_where_it_began_and_goes_far_in_between() {
        let (mut motion, mut dice) = (Motion::standing(Spot::default()), Dice::new(3, 3));
        motion.set_out(Path::Loop {
            length_m: 600.0,
            heading: 1.0,
        });
        let mut farthest_m = 0.0_f64;
        let mut second = 0;
        while !motion.advance(second * 1000, 1.0, 1.4, Traffic::Free, &mut dice) {
            farthest_m = farthest_m.max(motion.at().distance_m(Spot::default()));
            second += 1;
        }
        assert!((farthest_m - 600.0 / std::f64::consts::PI).abs() < 1.0, "{farthest_m}");
        assert!(motion.at().distance_m(Spot::default()) < 0.01);
    }
}
