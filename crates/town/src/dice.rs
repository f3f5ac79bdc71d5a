//! Dice: the random draws of one person, or of the town itself.
//!
//! Knows no distribution beyond the four that the models use, and is no source of secrets.

use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

/// A small generator (32 bytes), since a town holds one for every person.
#[derive(Debug)]
pub(crate) struct Dice(SmallRng);

impl Dice {
    /// The generator of number `index` in the town of `seed`. Each index has its own stream, so that adding people leaves
    /// those who were there as they were.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        // The odd factor spreads neighbouring indices over all 64 bits; `seed_from_u64` then mixes them.
        Self(SmallRng::seed_from_u64(
            seed ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        ))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The generator itself, for draws of other crates' distributions.
    pub(crate) fn rng(&mut self) -> &mut impl Rng {
        &mut self.0
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// Uniform in `[low, high)`, in milliseconds; `low` when the interval is empty.
    pub(crate) fn between_ms(&mut self, low_ms: i64, high_ms: i64) -> i64 {
        if high_ms <= low_ms {
            low_ms
        } else {
            self.0.random_range(low_ms..high_ms)
        }
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// Roughly normal with mean 0 and deviation 1: the sum of the four 16-bit parts of one draw. A quarter of the price of
    /// an exact one, and never beyond 3.5, which keeps the noise of a healthy person inside their range.
    pub(crate) fn normal(&mut self) -> f64 {
        let bits = self.0.next_u64();
        let sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
        // Four uniforms on 0..=65535: mean 131,070, deviation 65,536 / sqrt(3).
        (sum as f64 - 131_070.0) * (1.732_050_807_568_877_2 / 65_536.0)
    }

    /// Exponential with the given mean: the waiting time for something that happens at a steady rate.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.0.random::<f64>()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_has_mean_zero_and_deviation_one() {
        let mut dice = Dice::new(1, 2);
        let draws: Vec<f64> = (0..100_000).map(|_| dice.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn neighbours_draw_different_numbers() {
        assert_ne!(Dice::new(1, 1).bits(), Dice::new(1, 2).bits());
        assert_ne!(Dice::new(1, 1).bits(), Dice::new(2, 1).bits());
    }
}
