//! .gpx and .tcx files, read as a stream of events.
//!
//! Elements are known by their local names: the prefix of Garmin's TrackPointExtension differs from one export to the
//! next (`gpxtpx:hr`, `ns3:hr`), and some use other extensions with the same names. What stands behind broken XML is given
//! up; the points before it are kept. It does not read way points and routes, which have no heart rate.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::point::{Collector, Point, Recording};
use crate::parse_time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Gpx,
    Tcx,
}

impl Dialect {
    fn root(self) -> &'static str {
        match self {
            Dialect::Gpx => "gpx",
            Dialect::Tcx => "TrainingCenterDatabase",
        }
    }

    fn point(self) -> &'static str {
        match self {
            Dialect::Gpx => "trkpt",
            Dialect::Tcx => "Trackpoint",
        }
    }
}

pub(super) fn parse(bytes: &[u8], dialect: Dialect) -> Result<Recording, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    let mut walk = Walk {
        dialect,
        collector: Collector::default(),
        point: None,
        element: String::new(),
        outer: String::new(),
        text: String::new(),
        rooted: false,
    };
    let end = loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => walk.start(&start),
            Ok(Event::Empty(start)) => {
                walk.start(&start);
                walk.end(start.local_name().into_inner());
            }
            Ok(Event::Text(text)) => walk.text.push_str(&text.xml10_content()),
            Ok(Event::CData(text)) => walk.text.push_str(&text.xml10_content()),
            Ok(Event::End(end)) => walk.end(end.local_name().into_inner()),
            Ok(Event::Eof) if walk.point.is_some() => break Some("the file ends within a point".to_owned()),
            Ok(Event::Eof) => break None,
            Ok(_) => {}
            Err(error) => break Some(format!("byte {}: {error}", reader.error_position())),
        }
    };
    if !walk.rooted {
        return Err(format!("it has no element <{}>", dialect.root()));
    }
    walk.collector.finish(end)
}

/// Where we are in the document.
struct Walk {
    dialect: Dialect,
    collector: Collector,
    /// The point we are in.
    point: Option<Point>,
    /// The innermost element that was opened last, and the one before it: `Value` says nothing without `HeartRateBpm`.
    element: String,
    outer: String,
    /// Text since that element was opened.
    text: String,
    /// Whether the root element was seen.
    rooted: bool,
}

impl Walk {
    fn start(&mut self, start: &BytesStart<'_>) {
        let name = start.local_name().into_inner();
        self.rooted |= name == self.dialect.root();
        std::mem::swap(&mut self.outer, &mut self.element);
        self.element.clear();
        self.element.push_str(name);
        self.text.clear();
        if name != self.dialect.point() {
            return;
        }
        let mut point = Point::default();
        for attribute in start.attributes().flatten() {
            match attribute.key.local_name().into_inner() {
                "lat" => point.latitude = attribute.value.trim().parse().ok(),
                "lon" => point.longitude = attribute.value.trim().parse().ok(),
                _ => {}
            }
        }
        self.point = Some(point);
    }

    fn end(&mut self, name: &str) {
        if name == self.dialect.point() {
            if let Some(point) = self.point.take() {
                self.collector.push(point);
            }
            return;
        }
        let Some(point) = &mut self.point else {
            return;
        };
        // Only an element without children has a value of its own.
        if name != self.element {
            return;
        }
        let text = self.text.trim();
        match (self.dialect, name) {
            (Dialect::Gpx, "time") | (Dialect::Tcx, "Time") => point.time_ms = parse_time(text),
            (Dialect::Gpx, "hr" | "heartrate") => point.heart_rate = text.parse().ok(),
            (Dialect::Tcx, "LatitudeDegrees") => point.latitude = text.parse().ok(),
            (Dialect::Tcx, "LongitudeDegrees") => point.longitude = text.parse().ok(),
            (Dialect::Tcx, "Value") if self.outer == "HeartRateBpm" => point.heart_rate = text.parse().ok(),
            _ => {}
        }
        self.element.clear();
    }
}
