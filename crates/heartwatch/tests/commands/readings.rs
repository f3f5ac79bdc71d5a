//! Readings for `produce`, and what of them is in a topic, as `tail` prints it.
//!
//! It asserts nothing but what every use of it needs.

use std::time::SystemTime;

use serde_json::Value;

use crate::program::{Ended, heartwatch};

/// 2026-01-01T00:00:00 in milliseconds.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// JSON lines of so many seconds of so many users, second by second.
pub(crate) fn readings(users: usize, seconds: usize) -> String {
    let line = |second: usize, user: usize| {
        let time_ms = START_MS + second as i64 * 1_000;
        format!(
            "{{\"user_id\":\"{user}\",\"time\":{time_ms},\"zipcode\":{user},\"latitude\":40.5,\"longitude\":-74.25,\"heart_rate\":{}}}\n",
            60 + second % 50
        )
    };
    (0..seconds)
        .flat_map(|second| (0..users).map(move |user| line(second, user)))
        .collect()
}

pub(crate) fn produce(file: &str, log: &str, more: &[&str]) -> Ended {
    heartwatch(&[&["produce", file, "--log", log, "--topic", "readings"][..], more].concat())
}

/// What is in the topic, as printed: partition by partition.
pub(crate) fn in_topic(log: &str, topic: &str) -> String {
    let tail = ["tail", topic, "--log", log, "--from-beginning", "--until-end"];
    heartwatch(&tail).succeeded().out
}

/// Times and heart rates of a user, in the topic's order.
pub(crate) fn of_user(printed: &str, user: &str) -> Vec<(i64, i64)> {
    let rows = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let own = rows.filter(|row| row["user_id"] == user);
    own.map(|row| {
        let time = row["time"].as_str().expect("a time");
        (ms(time), row["heart_rate"].as_i64().expect("a number"))
    })
    .collect()
}

/// `2026-01-01T00:00:07.250Z`; only days and what is smaller differ in these tests.
fn ms(time: &str) -> i64 {
    let number = |from: usize, to: usize| -> i64 { time[from..to].parse().expect("digits") };
    let day = days_since_epoch(number(0, 4), number(5, 7), number(8, 10));
    (((day * 24 + number(11, 13)) * 60 + number(14, 16)) * 60 + number(17, 19)) * 1_000 + number(20, 23)
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + months[..month as usize - 1].iter().sum::<i64>() + day - 1
}

/// The machine's clock.
pub(crate) fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing of the program is linked in here, its clock included"
    )]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("after 1970").as_millis() as i64
}

/// The number before `records appended`.
pub(crate) fn appended(said: &str) -> usize {
    let line = said
        .lines()
        .find(|line| line.contains("records appended"))
        .expect("a last line");
    line.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}
