//! How far a command has come, on a terminal.
//!
//! Nothing is drawn when standard error is no terminal: a bar in a log file helps nobody. Of records on their way
//! ([`Advance`]) a line now and then says the same.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// Between two looks at the numbers of a bar, which are how many before it is measured over.
const DRAW_EVERY: Duration = Duration::from_millis(200);
const MEASURED_OVER: usize = 10;

/// A bar over a known number of steps.
pub(crate) fn bar(steps: u64, what: impl Into<Cow<'static, str>>) -> ProgressBar {
    with_template(
        ProgressBar::new(steps),
        "{msg} {wide_bar} {human_pos}/{human_len}, {eta} left",
    )
    .with_message(what)
}

/// A count of what has been done, when nobody knows how much there is.
pub(crate) fn count(what: impl Into<Cow<'static, str>>) -> ProgressBar {
    with_template(ProgressBar::no_length(), "{msg}: {human_pos} rows, {elapsed}").with_message(what)
}

/// A clock beside a step that says nothing of itself.
pub(crate) fn wait(what: impl Into<Cow<'static, str>>) -> ProgressBar {
    let waiting = with_template(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}").with_message(what);
    waiting.enable_steady_tick(Duration::from_millis(100));
    waiting
}

/// Records on their way: how many have arrived, how many a second, and how long it may still take.
pub(crate) struct Advance {
    bar: ProgressBar,
    began: Instant,
    said: Instant,
    /// Moments of the last two seconds, and the records that had arrived then.
    seen: VecDeque<(Instant, u64)>,
}

/// Of a bar that shows a share of something.
const WHOLE: u64 = 1_000;

impl Advance {
    /// Nothing has arrived.
    pub(crate) fn begin() -> Advance {
        let now = Instant::now();
        Advance {
            bar: with_template(ProgressBar::new(WHOLE), "{wide_bar} {percent:>3}%  {msg}"),
            began: now,
            said: now,
            seen: VecDeque::from([(now, 0)]),
        }
    }

    /// Shows the numbers, if it is time to. `share`: how much of everything is done, if anybody knows; `left`: how long it
    /// may take at most.
    pub(crate) fn tell(&mut self, records: u64, share: Option<f64>, left: Option<Duration>) {
        let now = Instant::now();
        let newest = self.seen.back().map_or(self.began, |(at, _)| *at);
        if now.duration_since(newest) < DRAW_EVERY {
            return;
        }
        self.seen.push_back((now, records));
        if self.seen.len() > MEASURED_OVER + 1 {
            self.seen.pop_front();
        }
        let text = self.text(now, records, share, left);
        if !self.bar.is_hidden() {
            self.bar.set_position((share.unwrap_or_default() * WHOLE as f64) as u64);
            self.bar.set_message(text);
        } else if now.duration_since(self.said) >= SAY_EVERY {
            self.said = now;
            eprintln!("{text}");
        }
    }

    /// Prints a line without a bar in its way.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn text(&self, now: Instant, records: u64, share: Option<f64>, left: Option<Duration>) -> String {
        let (from, before) = self.seen.front().copied().unwrap_or((self.began, 0));
        let rate = records.saturating_sub(before) as f64 / now.duration_since(from).as_secs_f64().max(1e-3);
        let by_share = share.and_then(|share| time_left(now.duration_since(self.began), share));
        let left = match (by_share, left) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let left = left.map_or_else(String::new, |left| format!(", {} left", clock_text(left)));
        format!("{records} records, {rate:.0} records/s{left}")
    }
}

/// As long as it has taken so far, for what is still to be done.
fn time_left(elapsed: Duration, share: f64) -> Option<Duration> {
    if share <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - share).max(0.0) / share).ok()
}

/// `7 s`, `2 min 5 s` or `3 h 10 min`.
fn clock_text(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

fn with_template(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("invariant: the templates above are valid");
    bar.with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let seconds = Duration::from_secs;
        assert_eq!(time_left(seconds(10), 0.25), Some(seconds(30)));
        assert_eq!(time_left(seconds(10), 1.0), Some(seconds(0)));
        assert_eq!(time_left(seconds(10), 0.0), None, "nothing is known yet");
        let advance = Advance::begin();
        let now = advance.began + seconds(10);
        assert_eq!(
            advance.text(now, 5_000, Some(0.1), None),
            "5000 records, 500 records/s, 1 min 30 s left"
        );
        assert_eq!(
            advance.text(now, 5_000, Some(0.1), Some(seconds(7))),
            "5000 records, 500 records/s, 7 s left"
        );
        assert_eq!(advance.text(now, 5_000, None, None), "5000 records, 500 records/s");
        assert_eq!(clock_text(seconds(11_405)), "3 h 10 min");
    }
}
