//! What a town hands out: readings and baselines, and their form as JSON lines.
//!
//! Reads nothing back and knows no file format but JSON lines.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

/// One message of a watch.
///
/// Small and `Copy`, because a town hands out a million a second: the user is a number here and text only in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reading {
    /// The person; written as text (`"17"`), the key of the stream.
    #[serde(rename = "user_id", serialize_with = "number_as_text")]
    pub user: u32,
    /// Time of the measurement by the watch's own clock, in milliseconds since the Unix epoch.
    #[serde(rename = "time")]
    pub time_ms: i64,
    /// Postal code of the person's home.
    pub zipcode: i32,
    /// WGS 84 latitude in degrees, to 1e-7.
    pub latitude: f64,
    /// WGS 84 longitude in degrees, to 1e-7.
    pub longitude: f64,
    /// Heart rate in beats a minute.
    pub heart_rate: i32,
}

/// The range in which a person's heart rate lies while they are still and well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// The person; written as text, like [`Reading::user`].
    #[serde(rename = "user_id", serialize_with = "number_as_text")]
    pub user: u32,
    /// Lowest heart rate of the range, in beats a minute.
    pub min_heart_rate: i32,
    /// Highest heart rate of the range, in beats a minute.
    pub max_heart_rate: i32,
}

/// Writes one reading, baseline or episode as a line of JSON.
///
/// # Errors
/// What the writer reports; the values themselves always have a JSON form.
pub fn write_json_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn number_as_text<S: Serializer>(user: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_one_line_of_json_with_the_users_number_as_text() {
        let reading = Reading {
            user: 17,
            time_ms: 1_767_225_600_123,
            zipcode: 10001,
            latitude: 40.7506,
            longitude: -73.9972,
            heart_rate: 64,
        };
        let mut line = Vec::new();
        write_json_line(&mut line, &reading).unwrap();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"user_id\":\"17\",\"time\":1767225600123,\"zipcode\":10001,\"latitude\":40.7506,\
             \"longitude\":-73.9972,\"heart_rate\":64}\n"
        );
    }
}
