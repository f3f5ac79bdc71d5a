//! Which column of a CSV or JSON-lines recording is what.
//!
//! It does not read them.

/// Names of the columns that a recording's points are made of. `None`: found by the names that exports commonly use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnNames {
    /// When.
    pub time: Option<String>,
    /// Degrees north, or semicircles.
    pub latitude: Option<String>,
    /// Degrees east, or semicircles.
    pub longitude: Option<String>,
    /// Beats per minute.
    pub heart_rate: Option<String>,
    /// The unit of positions.
    pub positions: Positions,
}

/// The unit of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Positions {
    /// Semicircles if the columns are called `position_lat` and `position_long`, else degrees.
    #[default]
    ByName,
    /// Degrees.
    Degrees,
    /// Garmin's unit: 2^31 of them are 180 degrees.
    Semicircles,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Time,
    Latitude,
    Longitude,
    HeartRate,
}

impl Role {
    pub(super) const ALL: [Role; 4] = [Role::Time, Role::Latitude, Role::Longitude, Role::HeartRate];

    /// Names as exports commonly have them, in lower case.
    fn known(self) -> &'static [&'static str] {
        match self {
            Role::Time => &["time", "timestamp", "time_ms", "datetime", "date_time", "date"],
            Role::Latitude => &["latitude", "lat", "position_lat", "latitudedegrees"],
            Role::Longitude => &["longitude", "lon", "lng", "long", "position_long", "longitudedegrees"],
            Role::HeartRate => &["heart_rate", "heartrate", "heart rate", "hr", "bpm", "heart_rate_bpm"],
        }
    }

    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Time => "time",
            Role::Latitude => "latitude",
            Role::Longitude => "longitude",
            Role::HeartRate => "heart rate",
        }
    }
}

impl ColumnNames {
    fn given(&self, role: Role) -> Option<&str> {
        match role {
            Role::Time => self.time.as_deref(),
            Role::Latitude => self.latitude.as_deref(),
            Role::Longitude => self.longitude.as_deref(),
            Role::HeartRate => self.heart_rate.as_deref(),
        }
    }

    /// Which of `names` has the role.
    pub(super) fn find<'n>(&self, role: Role, names: impl IntoIterator<Item = &'n str>) -> Option<usize> {
        let mut names = names.into_iter();
        if let Some(given) = self.given(role) {
            return names.position(|name| name == given);
        }
        // Of several known names the first in our list, not the first in the file.
        let rank = |name: &str| {
            role.known()
                .iter()
                .position(|known| name.trim().eq_ignore_ascii_case(known))
        };
        let ranked = names.enumerate().filter_map(|(index, name)| Some((rank(name)?, index)));
        ranked.min().map(|(_, index)| index)
    }

    /// The position in degrees.
    pub(super) fn degrees(&self, value: f64, column: &str) -> f64 {
        let semicircles = match self.positions {
            Positions::ByName => column.trim().to_ascii_lowercase().starts_with("position_l"),
            Positions::Degrees => false,
            Positions::Semicircles => true,
        };
        if semicircles {
            degrees_of_semicircles(value)
        } else {
            value
        }
    }
}

/// Garmin's FIT profile: degrees = semicircles x 180 / 2^31.
pub(super) fn degrees_of_semicircles(semicircles: f64) -> f64 {
    semicircles * (180.0 / 2_147_483_648.0)
}
