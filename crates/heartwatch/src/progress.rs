//! How far a command has come, on a terminal.
//!
//! Nothing is drawn when standard error is no terminal: a bar in a log file helps nobody.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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

fn with_template(bar: ProgressBar, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("invariant: the templates above are valid");
    bar.with_style(style)
}
