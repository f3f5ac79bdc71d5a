//! Random records from annotated schemas: the predecessor's own, and any other.

use std::collections::HashSet;

use hw_town::original::{BASELINE_SCHEMA, Generator, OriginalReadings, READING_SCHEMA, baselines};
use serde_json::{Value, json};

/// Values of a schema.
fn draw(schema: Value, count: usize) -> Vec<Value> {
    let mut generator = Generator::new(&schema.to_string(), 1).expect("a valid schema");
    (0..count).map(|_| generator.generate()).collect()
}

fn problem(schema: Value) -> String {
    Generator::new(&schema.to_string(), 1)
        .expect_err("a schema with a problem")
        .to_string()
}

fn text(properties: Value) -> Value {
    json!({"type": "string", "arg.properties": properties})
}

#[test]
fn the_users_are_exactly_1_to_19999() {
    let mut generator = Generator::new(&text(json!({"regex": "[1-9]\\d{0,3}|1\\d{4}"})).to_string(), 1).unwrap();
    assert!(READING_SCHEMA.contains(r"[1-9]\\d{0,3}|1\\d{4}"));
    let mut seen = HashSet::new();
    for _ in 0..1_500_000 {
        let value = generator.generate();
        let user = value.as_str().unwrap();
        assert!(
            !user.starts_with('0') && user.bytes().all(|byte| byte.is_ascii_digit()),
            "{user}"
        );
        seen.insert(user.parse::<u32>().unwrap());
    }
    assert_eq!((seen.iter().min(), seen.iter().max()), (Some(&1), Some(&19_999)));
    assert_eq!(seen.len(), 19_999);
}

#[test]
fn readings_and_ranges_are_as_the_predecessor_had_them() {
    let mut readings = Vec::new();
    let mut original = OriginalReadings::new(3, 1_000_000, 500);
    for _ in 0..10 {
        original.next_second(&mut readings);
    }
    assert_eq!(readings.len(), 5_000);
    assert_eq!(
        (readings[0].time_ms, readings[1].time_ms, readings[500].time_ms),
        (1_000_000, 1_000_002, 1_001_000)
    );
    for reading in &readings {
        assert!((39.0..41.0).contains(&reading.latitude) && (-75.0..-73.0).contains(&reading.longitude));
        assert!((50..110).contains(&reading.heart_rate) && (10001..=11377).contains(&reading.zipcode));
    }
    let rates: HashSet<i32> = readings.iter().map(|reading| reading.heart_rate).collect();
    assert_eq!(rates.len(), 60);
    let ranges: HashSet<(i32, i32)> = baselines(1, 200)
        .map(|range| (range.min_heart_rate, range.max_heart_rate))
        .collect();
    assert_eq!(ranges, HashSet::from([(51, 107), (51, 108), (52, 107), (52, 108)]));
}

#[test]
fn the_same_seed_gives_the_same_values() {
    let values = |seed| {
        let mut generator = Generator::new(BASELINE_SCHEMA, seed).unwrap();
        (0..50).map(|_| generator.generate()).collect::<Vec<_>>()
    };
    assert_eq!(values(4), values(4));
    assert_ne!(values(4), values(5));
}

#[test]
fn every_plain_type_has_values() {
    let schema = json!({"type": "record", "name": "all", "namespace": "test", "fields": [
        {"name": "nothing", "type": "null"},
        {"name": "flag", "type": "boolean"},
        {"name": "int", "type": "int"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "single", "type": "float"},
        {"name": "double", "type": "double"},
        {"name": "bytes", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "suit", "type": {"type": "enum", "name": "suit", "symbols": ["HEARTS", "SPADES"]}},
        {"name": "trump", "type": "suit"},
        {"name": "hash", "type": {"type": "fixed", "name": "hash", "size": 16}},
        {"name": "list", "type": {"type": "array", "items": "test.suit"}},
        {"name": "map", "type": {"type": "map", "values": "int"}},
        {"name": "maybe", "type": ["null", "string"]},
    ]});
    for value in draw(schema, 200) {
        assert!(value["nothing"].is_null() && value["flag"].is_boolean());
        assert!(i32::try_from(value["int"].as_i64().unwrap()).is_ok() && value["time"].is_i64());
        assert!((0.0..1.0).contains(&value["single"].as_f64().unwrap()));
        assert!((8..16).contains(&value["text"].as_str().unwrap().len()));
        assert!(["HEARTS", "SPADES"].contains(&value["trump"].as_str().unwrap()));
        assert_eq!(value["hash"].as_str().unwrap().chars().count(), 16);
        assert!((8..16).contains(&value["list"].as_array().unwrap().len()));
        assert!(value["map"].as_object().unwrap().len() <= 15);
        assert!(value["maybe"].is_null() || value["maybe"].is_string());
    }
}

#[test]
fn properties_are_followed() {
    let count = json!({"type": "int", "arg.properties": {"iteration": {"start": 3, "restart": 9, "step": 2}}});
    assert_eq!(draw(count, 5), [3, 5, 7, 3, 5].map(Value::from));
    let down = json!({"type": "double", "arg.properties": {"iteration": {"start": 2, "restart": 0, "initial": 1}}});
    assert_eq!(draw(down, 4), [1.0, 2.0, 1.0, 2.0].map(Value::from));
    let turns = json!({"type": "boolean", "arg.properties": {"iteration": {"start": true}}});
    assert_eq!(draw(turns, 3), [true, false, true].map(Value::from));
    let never = json!({"type": "boolean", "arg.properties": {"odds": 0.0}});
    assert!(draw(never, 50).iter().all(|value| *value == json!(false)));
    for value in draw(
        text(json!({"regex": "[a-c]*", "length": {"min": 2, "max": 5}, "prefix": "<", "suffix": ">"})),
        100,
    ) {
        let body = value
            .as_str()
            .unwrap()
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap();
        assert!(
            (2..5).contains(&body.len()) && body.bytes().all(|byte| (b'a'..=b'c').contains(&byte)),
            "{body}"
        );
    }
    let map = json!({"type": "map", "values": "int", "arg.properties": {"length": 1, "keys": {"options": ["a", "b"]}}});
    assert!(
        draw(map, 20)
            .iter()
            .all(|value| value.get("a").or(value.get("b")).is_some_and(Value::is_i64))
    );
    let whole = json!({"type": "long", "arg.properties": {"range": {"min": 9_223_372_036_854_775_806_i64}}});
    assert!(
        draw(whole, 20)
            .iter()
            .all(|value| value.as_i64().unwrap() >= i64::MAX - 1)
    );
}

#[test]
fn what_cannot_be_followed_is_named_with_its_place() {
    let field = |kind: Value| json!({"type": "record", "name": "r", "fields": [{"name": "a", "type": kind}]});
    let at = "$.fields[0].type[\"arg.properties\"]";
    assert_eq!(
        problem(field(text(json!({"kind": "email"})))),
        format!(
            "{at}.kind: not supported; there are options, range, iteration, odds, regex, length, prefix, suffix, keys"
        )
    );
    assert_eq!(
        problem(field(text(json!({"range": {"min": 1}})))),
        format!("{at}.range: not for string, which takes options, regex, length, prefix, suffix")
    );
    assert_eq!(
        problem(field(
            json!({"type": "int", "arg.properties": {"range": {"min": 5, "max": 5}}})
        )),
        format!("{at}.range: max must be more than min: it is left out itself")
    );
    assert_eq!(
        problem(field(json!({"type": "int", "arg.properties": {"range": {"min": 5.5}}}))),
        format!("{at}.range.min: 5.5 is no int")
    );
    assert_eq!(
        problem(field(text(json!({"regex": "^a$"})))),
        format!("{at}.regex: leave out ^, $ and \\b: the whole text matches in any case")
    );
    assert_eq!(
        problem(field(text(json!({"regex": "a", "length": {"min": 3, "max": 5}})))),
        format!("{at}.length: \"a\" hardly ever gives a text of this length")
    );
    assert!(problem(field(text(json!({"regex": "[z-a]"})))).starts_with(&format!("{at}.regex: ")));
    assert_eq!(
        problem(field(json!("rider"))),
        "$.fields[0].type: there is no type \"rider\" up to here"
    );
    assert_eq!(
        problem(field(json!(["null", "r"]))),
        "$.fields[0].type[1]: type \"r\" contains itself, so its values might never end; write out as many levels as are needed"
    );
    let beside = json!({"type": "record", "name": "r", "fields": [
        {"name": "a", "type": "string", "arg.properties": {"regex": "a"}}]});
    assert!(problem(beside).starts_with("$.fields[0][\"arg.properties\"]: annotations belong inside the type"));
    assert!(
        Generator::new("{", 1)
            .unwrap_err()
            .to_string()
            .starts_with("the schema is not JSON: ")
    );
}
