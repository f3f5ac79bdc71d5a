//! .fit files: the `record` messages of an activity.
//!
//! The checksums are not verified: a watch that lost power writes none, and its points are good all the same. What stands
//! behind a broken message is given up, for a FIT file cannot be read from its middle.

use fitparser::Value;
use fitparser::de::{DecodeOption, FitObject, FitStreamProcessor};
use fitparser::profile::MesgNum;

use super::names::degrees_of_semicircles;
use super::point::{Collector, Point, Recording};

pub(super) fn parse(bytes: &[u8]) -> Result<Recording, String> {
    if bytes.get(8..12) != Some(b".FIT") {
        return Err("a FIT file has the letters .FIT at its 9th byte".to_owned());
    }
    let mut processor = FitStreamProcessor::new();
    processor.add_option(DecodeOption::SkipHeaderCrcValidation);
    processor.add_option(DecodeOption::SkipDataCrcValidation);
    let mut collector = Collector::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (after, object) = match processor.deserialize_next(rest) {
            Ok(next) => next,
            Err(error) => return collector.finish(Some(error.to_string())),
        };
        rest = after;
        match object {
            FitObject::DataMessage(message) => match processor.decode_message(message) {
                Ok(record) if record.kind() == MesgNum::Record => collector.push(point(record.fields())),
                Ok(_) => {}
                Err(error) => return collector.finish(Some(error.to_string())),
            },
            FitObject::Crc(_) => processor.reset(),
            FitObject::Header(_) | FitObject::DefinitionMessage(_) => {}
        }
    }
    collector.finish(None)
}

fn point(fields: &[fitparser::FitDataField]) -> Point {
    let mut point = Point::default();
    for field in fields {
        match (field.name(), field.value()) {
            ("timestamp", Value::Timestamp(time)) => point.time_ms = Some(time.timestamp_millis()),
            ("position_lat", value) => point.latitude = number(value).map(degrees_of_semicircles),
            ("position_long", value) => point.longitude = number(value).map(degrees_of_semicircles),
            ("heart_rate", value) => point.heart_rate = number(value),
            _ => {}
        }
    }
    point
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::UInt8(value) => Some(f64::from(*value)),
        Value::UInt16(value) => Some(f64::from(*value)),
        Value::SInt32(value) => Some(f64::from(*value)),
        Value::Float64(value) => Some(*value),
        _ => None,
    }
}
