//! .fit files: the `record` messages of an activity.
//!
//! The checksums are not verified: a watch that lost power writes none, and its points are good all the same. What stands
//! behind a broken message is given up, for a FIT file cannot be read from its middle.

use std::panic::{self, AssertUnwindSafe};

use fitparser::Value;
use fitparser::de::{DecodeOption, FitObject, FitStreamProcessor};
use fitparser::profile::MesgNum;

use super::names::degrees_of_semicircles;
use super::point::{Collector, Point, Recording};

pub(super) fn parse(bytes: &[u8]) -> Result<Recording, String> {
    if bytes.get(8..12) != Some(b".FIT") {
        return Err("a FIT file has the letters .FIT at its 9th byte".to_owned());
    }
    let mut collector = Collector::default();
    // The parser indexes with sizes from the file in places; a file from outside must not end the program. What has been
    // collected before is whole: a point is added only once it is read.
    let walked = panic::catch_unwind(AssertUnwindSafe(|| walk(bytes, &mut collector)));
    let end = walked.unwrap_or_else(|_| Err("a size in the file is wrong".to_owned()));
    collector.finish(end.err())
}

fn walk(bytes: &[u8], collector: &mut Collector) -> Result<(), String> {
    let mut processor = FitStreamProcessor::new();
    processor.add_option(DecodeOption::SkipHeaderCrcValidation);
    processor.add_option(DecodeOption::SkipDataCrcValidation);
    let mut rest = bytes;
    while !rest.is_empty() {
        // A header of another size is where the parser would panic, and say so on standard error.
        if rest.get(8..12) == Some(b".FIT") && !matches!(rest[0], 12 | 14) {
            return Err(format!("the header claims {} bytes; it has 12 or 14", rest[0]));
        }
        let (after, object) = processor.deserialize_next(rest).map_err(|error| error.to_string())?;
        rest = after;
        match object {
            FitObject::DataMessage(message) => {
                let record = processor.decode_message(message).map_err(|error| error.to_string())?;
                if record.kind() == MesgNum::Record {
                    collector.push(point(record.fields()));
                }
            }
            FitObject::Crc(_) => processor.reset(),
            FitObject::Header(_) | FitObject::DefinitionMessage(_) => {}
        }
    }
    Ok(())
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
