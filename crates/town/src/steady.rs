//! A steady load for benchmarks: everyone sends one reading a second, and arithmetic alone decides what it says.
//!
//! One user in ten moves at 10 m/s; the others stay within a circle of 3.3 m. In every window of ten seconds one still
//! user in a hundred is out of range, another one each time. It is not a town: nobody lives here, nothing is late.

use crate::{Baseline, Reading};

/// Midnight UTC of 2023-11-14T22:13:20, a multiple of ten seconds.
pub const START_MS: i64 = 1_700_000_000_000;

/// A load of one reading a second for everyone.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    /// How many.
    pub users: u32,
    /// The order of users within a second.
    pub order: Order,
}

/// The order of users within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By number, the same every second.
    Same,
    /// As good as random, another one every second.
    Shuffled,
}

impl Steady {
    /// The `index`-th reading of a second, `index < users`. Readings rise in time.
    pub fn reading(&self, second: u32, index: u32) -> Reading {
        let user = match self.order {
            Order::Same => index,
            Order::Shuffled => self.shuffled(second, index),
        };
        let time_ms = START_MS + i64::from(second) * 1_000 + i64::from(index) * 1_000 / i64::from(self.users);
        let baseline = Self::baseline(user);
        let middle = (baseline.min_heart_rate + baseline.max_heart_rate) / 2;
        let noise = scramble(u64::from(user) << 32 | u64::from(second));
        let (north, east) = (noise % 600, noise / 600 % 600);
        let walked = if user.is_multiple_of(10) {
            i64::from(second % 1_000) * 900
        } else {
            0
        };
        // Units of 1e-7 degrees: 300 of them are 3.3 m of latitude.
        let latitude = 400_000_000 + i64::from(user % 1_000) * 10_000 + north as i64 - 300 + walked;
        let longitude = -740_000_000 + i64::from(user / 1_000) * 10_000 + east as i64 - 300;
        let heart_rate = match self.is_out_of_range(user, second) {
            false => middle + (noise >> 40) as i32 % 11 - 5,
            true if user.is_multiple_of(2) => baseline.max_heart_rate + 25,
            true => baseline.min_heart_rate - 15,
        };
        Reading {
            user,
            time_ms,
            zipcode: 10_001 + (user % 200) as i32,
            latitude: latitude as f64 / 1e7,
            longitude: longitude as f64 / 1e7,
            heart_rate,
        }
    }

    /// A user's own range.
    pub fn baseline(user: u32) -> Baseline {
        let min_heart_rate = 45 + (user % 20) as i32;
        Baseline {
            user,
            min_heart_rate,
            max_heart_rate: min_heart_rate + 50,
        }
    }

    /// Whether the user's heart beats outside of their range in that second.
    pub fn is_out_of_range(&self, user: u32, second: u32) -> bool {
        user % 100 == (37 + second / 10) % 100
    }

    /// A step of odd size through the users, which meets everyone once when it shares no factor with their number.
    fn shuffled(&self, second: u32, index: u32) -> u32 {
        let users = u64::from(self.users);
        let mut step = (users as f64 * 0.618_033_988_749) as u64 | 1;
        while divisor(step, users) != 1 {
            step += 2;
        }
        ((u64::from(index) * step + scramble(u64::from(second)) % users) % users) as u32
    }
}

fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn scramble(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_sends_once_a_second_in_either_order() {
        for order in [Order::Same, Order::Shuffled] {
            let load = Steady { users: 1_000, order };
            let mut users: Vec<u32> = (0..1_000).map(|index| load.reading(7, index).user).collect();
            users.sort_unstable();
            assert_eq!(users, (0..1_000).collect::<Vec<_>>());
        }
    }
}
