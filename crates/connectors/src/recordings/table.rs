//! .csv and .jsonl recordings: a line a point, columns found by their names.
//!
//! It does not need all columns to be filled: a line without a heart rate is counted as such.

use serde_json::{Map, Value};

use super::names::{ColumnNames, Role};
use super::point::{Collector, Point, Recording, SkipReason};
use super::times;
use crate::csv::{Fields, Split};

pub(super) fn parse_csv(bytes: &[u8], names: &ColumnNames) -> Result<Recording, String> {
    // Reading from memory does not fail.
    let mut split = Split::new(bytes);
    let Some(header) = split.header().map_err(|error| error.to_string())? else {
        return Err("the file is empty".to_owned());
    };
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
        match serde_json::from_slice::<Map<String, Value>>(line) {
            Ok(object) => {
                objects += 1;
                collector.push(json_point(&object, names));
            }
            Err(_) => collector.skip(SkipReason::Unreadable),
        }
    }
    if objects == 0 {
        return Err("no line is a JSON object".to_owned());
    }
    collector.finish(None)
}

fn json_point(object: &Map<String, Value>, names: &ColumnNames) -> Point {
    let entry = |role| {
        let index = names.find(role, object.keys().map(String::as_str))?;
        object.iter().nth(index)
    };
    let number = |role| {
        let (name, value) = entry(role)?;
        Some((name, value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?))
    };
    let degrees = |role| number(role).map(|(name, value)| names.degrees(value, name));
    Point {
        time_ms: entry(Role::Time).and_then(|(_, value)| match value {
            Value::String(text) => times::time_ms(text),
            other => times::time_ms_of_number(other.as_f64()?),
        }),
        latitude: degrees(Role::Latitude),
        longitude: degrees(Role::Longitude),
        heart_rate: number(Role::HeartRate).map(|(_, value)| value),
    }
}
