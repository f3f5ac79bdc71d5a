//! Places: the neighbourhoods in which people live, and metres turned into degrees.
//!
//! Not a map: there are no streets and no rivers. A neighbourhood's centre is rounded to about 100 m, which is enough to
//! spread homes over a city.

use crate::dice::Dice;

/// Metres in one degree of latitude on the sphere that the pipelines measure on (radius 6,371,008.8 m).
const METRES_PER_DEGREE: f64 = 6_371_008.8 * std::f64::consts::PI / 180.0;

/// New York postal codes with the latitude and longitude of their centres, in degrees.
const NEIGHBOURHOODS: [(i32, f64, f64); 24] = [
    (10001, 40.751, -73.997),
    (10002, 40.716, -73.986),
    (10003, 40.732, -73.989),
    (10009, 40.726, -73.979),
    (10011, 40.742, -74.000),
    (10016, 40.745, -73.978),
    (10019, 40.765, -73.986),
    (10021, 40.769, -73.959),
    (10023, 40.776, -73.983),
    (10024, 40.786, -73.976),
    (10025, 40.799, -73.967),
    (10027, 40.812, -73.955),
    (10029, 40.792, -73.944),
    (10031, 40.825, -73.950),
    (10128, 40.782, -73.951),
    (10301, 40.632, -74.093),
    (10451, 40.820, -73.924),
    (11101, 40.747, -73.942),
    (11201, 40.694, -73.990),
    (11211, 40.713, -73.953),
    (11215, 40.663, -73.987),
    (11217, 40.682, -73.979),
    (11238, 40.679, -73.964),
    (11377, 40.745, -73.905),
];

/// A point in metres from a person's home.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spot {
    pub(crate) east_m: f64,
    pub(crate) north_m: f64,
}

impl Spot {
    /// A spot `distance_m` away from home in a direction drawn at random.
    pub(crate) fn around(distance_m: f64, dice: &mut Dice) -> Self {
        let (sin, cos) = dice.between(0.0, std::f64::consts::TAU).sin_cos();
        Self {
            east_m: distance_m * sin,
            north_m: distance_m * cos,
        }
    }

    pub(crate) fn distance_m(self, other: Self) -> f64 {
        (self.east_m - other.east_m).hypot(self.north_m - other.north_m)
    }
}

/// Where someone lives.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) zipcode: i32,
    latitude: f64,
    longitude: f64,
    metres_per_degree_east: f64,
}

impl Home {
    /// A home within about 800 m of a neighbourhood's centre.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let (zipcode, latitude, longitude) = NEIGHBOURHOODS[dice.bits() as usize % NEIGHBOURHOODS.len()];
        let metres_per_degree_east = METRES_PER_DEGREE * latitude.to_radians().cos();
        Self {
            zipcode,
            latitude: latitude + 300.0 * dice.normal().clamp(-2.7, 2.7) / METRES_PER_DEGREE,
            longitude: longitude + 300.0 * dice.normal().clamp(-2.7, 2.7) / metres_per_degree_east,
            metres_per_degree_east,
        }
    }

    /// Latitude and longitude of a point near home, in degrees to 1e-7 (about a centimetre): what a GPS chip reports.
    pub(crate) fn degrees(&self, spot: Spot) -> (f64, f64) {
        let latitude = self.latitude + spot.north_m / METRES_PER_DEGREE;
        let longitude = self.longitude + spot.east_m / self.metres_per_degree_east;
        ((latitude * 1e7).round() / 1e7, (longitude * 1e7).round() / 1e7)
    }
}
