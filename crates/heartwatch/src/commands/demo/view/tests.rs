//! The view's pictures, drawn into a buffer.
//!
//! Colours are not looked at.

use std::time::Duration;

use expect_test::{Expect, expect};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw;
use crate::commands::demo::numbers::{Numbers, Rate};
use crate::commands::demo::scene::Scene;
use crate::commands::demo::watch::Watch;
use crate::commands::demo::watch::tests::watch_of;

const START_MS: i64 = 1_767_650_400_000;

fn picture(watch: &Watch, (width, height): (u16, u16)) -> String {
    let mut numbers = Numbers {
        readings: 1_234_567,
        late: 2_469,
        dead_letters: 2_470,
        state_bytes: 4_100_000,
        lag: 120,
        ..Numbers::default()
    };
    numbers.rates.extend((1..=40).map(|sample| Rate {
        readings: 1_000.0,
        findings: f64::from(sample) / 2.0,
    }));
    let scene = Scene {
        users: 1_000,
        speed: 10,
        elapsed: Duration::from_secs(83),
        length: None,
        url: "http://127.0.0.1:8080/",
        numbers: &numbers,
        watch,
        new: &[],
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &scene)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content.chunks(usize::from(width).max(1)).map(|cells| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        // The bar keeps a first column of spaces, which `expect!` would take for indentation.
        format!("|{}\n", line.trim_end())
    });
    lines.collect()
}

/// A town in which this many people are out of range, in turn above and below.
fn watch_with(count: u32) -> Watch {
    let mut findings = Vec::new();
    for number in 1..=count {
        let user = (100 * number).to_string();
        let mean = if number.is_multiple_of(2) {
            50.0 - f64::from(number)
        } else {
            100.25 + 3.0 * f64::from(number)
        };
        for second in 0..i64::from(number) * 4 {
            findings.push((user.clone(), mean, START_MS + second * 1_000));
        }
    }
    watch_of(&findings)
}

fn check(count: u32, size: (u16, u16), expected: &Expect) {
    expected.assert_eq(&picture(&watch_with(count), size));
}

#[test]
fn a_usual_terminal() {
    check(
        5,
        (80, 24),
        &expect![[r#"
            | HeartWatch demo  1,000 people  speed 10  1:23            Not a medical device.
            | in      1,000 readings/s              ████████████████████████████████████████
            | out        20 findings/s                  ▁▁▁▁▁▂▂▂▂▂▃▃▃▃▃▄▄▄▄▄▅▅▅▅▅▆▆▆▆▆▇▇▇▇▇█
            | Out of range now: 5 people ────────────────────────────────────────────────────
            |   user  beats/min  own range   outside by    moved  since (UTC)      for
            |    500      115.2     50-100   15.2 above    3.2 m     22:00:00     0:19
            |    300      109.2     50-100    9.2 above    3.2 m     22:00:00     0:11
            |    400       46.0     50-100    4.0 below    3.2 m     22:00:00     0:15
            |    100      103.2     50-100    3.2 above    3.2 m     22:00:00     0:03
            |    200       48.0     50-100    2.0 below    3.2 m     22:00:00     0:07
            |
            |
            |
            |
            |
            |
            |
            |
            |
            |
            |────────────────────────────────────────────────────────────────────────────────
            | readings 1,234,567  findings 60  late 2,469  dead letters 2,470  state 4.1 MB
            | lag 120
            | q or Ctrl-C stops  page: http://127.0.0.1:8080/
        "#]],
    );
}

#[test]
fn a_small_terminal_with_more_people_than_rows() {
    check(
        20,
        (40, 12),
        &expect![[r#"
            | HeartWatch demo  1:23
            | Not a medical device.  1,000 people x10
            | in      1,000 /s  ████████████████████
            | out        20 /s  ▄▄▄▄▅▅▅▅▅▆▆▆▆▆▇▇▇▇▇█
            | Out of range now: 20 people ───────────
            |   user beats/min  outside by     for
            |   1900     157.2  57.2 above    1:15
            |   1700     151.2  51.2 above    1:07
            |   1500     145.2  45.2 above    0:59
            |   1300     139.2  39.2 above    0:51
            | readings 1,234,567  findings 840
            | q or Ctrl-C stops
        "#]],
    );
}

#[test]
fn nobody_is_out_of_range_yet() {
    check(
        0,
        (80, 12),
        &expect![[r#"
            | HeartWatch demo  1,000 people  speed 10  1:23            Not a medical device.
            | in      1,000 readings/s              ████████████████████████████████████████
            | out        20 findings/s                  ▁▁▁▁▁▂▂▂▂▂▃▃▃▃▃▄▄▄▄▄▅▅▅▅▅▆▆▆▆▆▇▇▇▇▇█
            | Out of range now: 0 people ────────────────────────────────────────────────────
            |
            |
            |                 Nobody yet: it takes 10 s of readings to tell.
            |
            |
            |
            | readings 1,234,567  findings 0  late 2,469  dead letters 2,470  state 4.1 MB
            | q or Ctrl-C stops  page: http://127.0.0.1:8080/
        "#]],
    );
}

#[test]
fn no_size_is_too_small_or_too_large() {
    for width in [1, 2, 9, 20, 39, 41, 59, 73, 74, 300] {
        for height in [1, 2, 3, 5, 7, 8, 9, 60] {
            picture(&watch_with(0), (width, height));
            picture(&watch_with(30), (width, height));
        }
    }
}
