//! What there is to show at one moment, for both faces of the demonstration.
//!
//! It holds no words and no colours.

use std::time::Duration;

use super::numbers::Numbers;
use super::watch::{OutOfRange, Watch};

/// One moment.
pub(super) struct Scene<'a> {
    pub(super) users: u32,
    /// Simulated seconds a second.
    pub(super) speed: u32,
    /// Since the start.
    pub(super) elapsed: Duration,
    /// When it will end, if not by hand.
    pub(super) length: Option<Duration>,
    /// Where a browser finds the page.
    pub(super) url: &'a str,
    pub(super) numbers: &'a Numbers,
    pub(super) watch: &'a Watch,
    /// Who came out of range since the last moment.
    pub(super) new: &'a [OutOfRange],
}
