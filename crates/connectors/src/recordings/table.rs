//! .csv and .jsonl recordings: a line a point, columns found by their names.
//!
//! It does not need all columns to be filled: a line without a heart rate is counted as such.

use super::names::{ColumnNames, Role};
use super::point::{Collector, Point, Recording, SkipReason};
use super::times;
use crate::csv::{Fields, Split};
use crate::jsonl::scan::{self, Found};
use crate::rows::Cell;

/// The error says why this is no recording.
pub(super) fn parse_csv(bytes: &[u8], names: &ColumnNames) -> Result<Recording, String> {
    // Reading from memory does not fail.
    let mut split = Split::new(bytes);
    let Some(header) = split.header().map_err(|error| error.to_string())? else {
        return Err("the file is empty".to_owned());
    };
    // All four must be named by the header: without one of them no line can become a reading.
    let mut places = Vec::with_capacity(Role::ALL.len());
    for role in Role::ALL {
        let place = names.find(role, header.iter().map(String::as_str)).ok_or_else(|| {
            let (role, names) = (role.name(), header.join(", "));
            format!("no column holds the {role}; name it with a column mapping. The header has: {names}")
        })?;
        places.push((role, place));
    }
    let mut collector = Collector::default();
    while let Some(fields) = split.next().map_err(|error| error.to_string())? {
        if fields.is_blank() {
            continue;
        }
        match csv_point(&fields, &header, &places, names) {
            Some(point) => collector.push(point),
            None => collector.skip(SkipReason::Unreadable),
        }
    }
    collector.finish(None)
}

/// `None`: the line is no record of the header's width.
fn csv_point(fields: &Fields<'_>, header: &[String], places: &[(Role, usize)], names: &ColumnNames) -> Option<Point> {
    if fields.fault().is_some() || fields.len() != header.len() {
        return None;
    }
    let mut point = Point::default();
    for (role, place) in places {
        let text = fields.get(*place)?.trim();
        let degrees = || Some(names.degrees(text.parse().ok()?, &header[*place]));
        match role {
            Role::Time => point.time_ms = times::time_ms(text),
            Role::Latitude => point.latitude = degrees(),
            Role::Longitude => point.longitude = degrees(),
            Role::HeartRate => point.heart_rate = text.parse().ok(),
        }
    }
    Some(point)
}

pub(super) fn parse_jsonl(bytes: &[u8], names: &ColumnNames) -> Result<Recording, String> {
    let mut collector = Collector::default();
    let mut objects = 0;
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        let mut fields = Vec::new();
        let object = scan::object(line, |name, found| {
            if let Found::Cell(cell) = found {
                fields.push((name.to_owned(), cell));
            }
            Ok(())
        });
        match object {
            Ok(()) => {
                objects += 1;
                collector.push(json_point(&fields, names));
            }
            Err(_) => collector.skip(SkipReason::Unreadable),
        }
    }
    // A file of another kind is told apart from a recording with some bad lines.
    if objects == 0 {
        return Err("no line is a JSON object".to_owned());
    }
    collector.finish(None)
}

/// Every line may name its fields anew, so they are looked up line by line; recordings are small.
fn json_point(fields: &[(String, Cell<'_>)], names: &ColumnNames) -> Point {
    let entry = |role| {
        names
            .find(role, fields.iter().map(|(name, _)| name.as_str()))
            .map(|index| &fields[index])
    };
    let value = |role| {
        let (name, cell) = entry(role)?;
        Some((name, number(cell)?))
    };
    let degrees = |role| value(role).map(|(name, value)| names.degrees(value, name));
    Point {
        time_ms: entry(Role::Time).and_then(|(_, cell)| match cell {
            Cell::Text(text) => times::time_ms(text),
            other => times::time_ms_of_number(number(other)?),
        }),
        latitude: degrees(Role::Latitude),
        longitude: degrees(Role::Longitude),
        heart_rate: value(Role::HeartRate).map(|(_, value)| value),
    }
}

/// Some exports write every number as text.
fn number(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Integer(value) => Some(*value as f64),
        Cell::Float(value) => Some(*value),
        Cell::Text(text) => text.trim().parse().ok(),
        Cell::Boolean(_) | Cell::Null => None,
    }
}
