//! Recordings: small ones written here, and real ones when they lie beside the checkout.

use std::path::PathBuf;

use expect_test::expect;
use hw_connectors::recordings::{
    ColumnNames, Positions, Reading, Recording, SkipReason, import, parse, reading_columns, to_batch,
};

fn skipped(recording: &Recording, reason: SkipReason) -> u64 {
    recording.skipped.get(&reason).copied().unwrap_or(0)
}

fn parsed(kind: &str, text: &str) -> Recording {
    parse(kind, text.as_bytes(), &ColumnNames::default()).expect("a recording")
}

const GPX: &str = r#"<?xml version="1.0"?>
<gpx xmlns:a="http://x"><metadata><time>2020-01-01T00:00:00Z</time></metadata><wpt lat="1" lon="1"/><trk><trkseg>
<trkpt lat="46.5" lon="15.25"><time>2026-01-01T00:00:00Z</time><extensions><a:TrackPointExtension><a:hr>66</a:hr></a:TrackPointExtension></extensions></trkpt>
<trkpt lat="46.5" lon="15.25"><time>2026-01-01T00:00:01Z</time></trkpt>
<trkpt lat="46.5"><time>2026-01-01T00:00:02Z</time><hr>70</hr></trkpt>
<trkpt lat="46.5" lon="15.25"><hr>70</hr></trkpt>
<trkpt lat="96.5" lon="15.25"><time>2026-01-01T00:00:03.500Z</time><hr>70</hr></trkpt>
<trkpt lat="46.5" lon="15.25"><time>2025-12-31T23:59:59Z</time><hr>70</hr></trkpt>
<trkpt lat="46.5" lon="15.25"><time>2026-01-01T00:00:04.250Z</time><hr><![CDATA[71]]></hr></trkpt>
</trkseg></trk></gpx>"#;

#[test]
fn gpx_points_are_read_and_bad_ones_counted_by_reason() {
    let recording = parsed("gpx", GPX);
    let reading = |time_ms, heart_rate| Reading {
        time_ms,
        latitude: 46.5,
        longitude: 15.25,
        heart_rate,
    };
    assert_eq!(
        recording.readings,
        [reading(1_767_225_600_000, 66), reading(1_767_225_604_250, 71)]
    );
    let counted: String = recording
        .skipped
        .iter()
        .map(|(reason, count)| format!("{reason}: {count}\n"))
        .collect();
    expect![[r#"
        no time: 1
        no position: 1
        no heart rate: 1
        out of range: 1
        time goes back: 1
    "#]]
    .assert_eq(&counted);
    assert_eq!(recording.cut_short, None);
}

#[test]
fn points_before_broken_xml_are_kept() {
    let end = GPX.find("<trkpt lat=\"96.5\"").expect("stands there") + 10;
    let recording = parsed("gpx", &GPX[..end]);
    assert_eq!(recording.readings.len(), 1);
    assert!(recording.cut_short.is_some());
}

#[test]
fn tcx_takes_the_points_heart_rate_and_not_the_laps() {
    let tcx = r#"<TrainingCenterDatabase xmlns="x"><Lap><MaximumHeartRateBpm><Value>200</Value></MaximumHeartRateBpm><Track>
      <Trackpoint><Time>2026-01-01T00:00:00.000Z</Time><Position><LatitudeDegrees>46.5</LatitudeDegrees>
        <LongitudeDegrees>15.25</LongitudeDegrees></Position><HeartRateBpm><Value>96</Value></HeartRateBpm>
        <Extensions><ns3:TPX><ns3:Value>3</ns3:Value></ns3:TPX></Extensions></Trackpoint>
      <Trackpoint><Time>2026-01-01T00:00:01Z</Time><HeartRateBpm><Value>97</Value></HeartRateBpm></Trackpoint>
    </Track></Lap></TrainingCenterDatabase>"#;
    let recording = parsed("tcx", tcx);
    assert_eq!(recording.readings.len(), 1);
    assert_eq!(recording.readings[0].heart_rate, 96);
    assert_eq!(skipped(&recording, SkipReason::NoPosition), 1);
}

#[test]
fn csv_columns_are_found_by_common_names_or_a_mapping() {
    let semicircles = parsed(
        "csv",
        "timestamp,heart_rate,position_lat,position_long\n1767225600,70,1073741824,-536870912\n1767225601,,1,1\nx\n",
    );
    assert_eq!(
        semicircles.readings,
        [Reading {
            time_ms: 1_767_225_600_000,
            latitude: 90.0,
            longitude: -45.0,
            heart_rate: 70
        }]
    );
    assert_eq!(skipped(&semicircles, SkipReason::NoHeartRate), 1);
    assert_eq!(skipped(&semicircles, SkipReason::Unreadable), 1);

    let own = "when;puls;y;x\n2026-01-01T00:00:00Z;70;1073741824;-536870912\n";
    let error = parse("csv", own.as_bytes(), &ColumnNames::default()).expect_err("unknown names");
    expect!["no column holds the time; name it with a column mapping. The header has: when, puls, y, x"]
        .assert_eq(&error);
    let name = |name: &str| Some(name.to_owned());
    let names = ColumnNames {
        time: name("when"),
        latitude: name("y"),
        longitude: name("x"),
        heart_rate: name("puls"),
        positions: Positions::Semicircles,
    };
    assert_eq!(
        parse("csv", own.as_bytes(), &names).expect("mapped").readings,
        semicircles.readings
    );
}

#[test]
fn json_lines_may_leave_fields_out() {
    let text = r#"{"time":1767225600000,"lat":1.5,"lon":2.5,"hr":70}
{"time":"2026-01-01T00:00:01Z","latitude":"1.5","longitude":2.5,"heart_rate":71}
{"time":"2026-01-01T00:00:02Z","latitude":1.5,"longitude":2.5}
nonsense
"#;
    let recording = parsed("jsonl", text);
    assert_eq!(recording.readings.len(), 2);
    assert_eq!(skipped(&recording, SkipReason::NoHeartRate), 1);
    assert_eq!(skipped(&recording, SkipReason::Unreadable), 1);
}

#[test]
fn what_is_no_recording_gives_one_clear_error() {
    let refused = |kind, text: &str| parse(kind, text.as_bytes(), &ColumnNames::default()).expect_err("no recording");
    assert_eq!(refused("gpx", "hello"), "it has no element <gpx>");
    assert_eq!(refused("tcx", GPX), "it has no element <TrainingCenterDatabase>");
    assert_eq!(refused("gpx", "<gpx></gpx>"), "it holds no point");
    assert_eq!(
        refused("fit", "hello"),
        "a FIT file has the letters .FIT at its 9th byte"
    );
    assert_eq!(refused("csv", ""), "the file is empty");
    assert_eq!(refused("jsonl", "hello\n"), "no line is a JSON object");
    let unknown = import("notes.txt".as_ref(), &ColumnNames::default()).expect_err("no recording");
    expect!["notes.txt is no recording by its name; known are .fit, .gpx, .tcx, .csv and .jsonl"]
        .assert_eq(&unknown.to_string());
}

/// Real devices: counts of points with time, position and heart rate as the folder's own list has them, but for the CSV,
/// where the list says 10,677 and every one of the file's 10,686 lines has all three.
#[test]
fn real_recordings_give_the_readings_they_hold() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tracks");
    if !folder.exists() {
        return;
    }
    let expected = [
        ("edge-2013-02-06.fit", 583, 7),
        ("ride-stops.gpx", 2_372, 0),
        ("walk-calm.tcx", 660, 0),
        ("paddle-short.tcx", 111, 0),
        ("steady-run.gpx", 988, 0),
        ("edge-500-records.csv", 10_686, 0),
    ];
    for (name, readings, left_out) in expected {
        let recording = import(&folder.join(name), &ColumnNames::default()).expect("a recording");
        assert_eq!(recording.readings.len(), readings, "{name}: {:?}", recording.skipped);
        assert_eq!(
            recording.skipped.values().sum::<u64>(),
            left_out,
            "{name}: {:?}",
            recording.skipped
        );
        assert_eq!(recording.cut_short, None, "{name}");
        let batch = to_batch(&recording.readings, "17", None);
        assert_eq!((batch.num_rows(), batch.schema()), (readings, reading_columns()));
    }
}
