//! [`Operator`]: what a kind of window does with rows whose turn has come. Sliding and tumbling windows are such.
//!
//! It does not decide when a row's turn comes, nor which rows are late.

use super::evaluated::Evaluated;
use super::inputs::InputValues;
use super::queue::Waiting;
use super::rings::Rings;
use super::state::KeyState;

/// How far ahead of a row in a run the memory of its key's rows is asked for.
pub(crate) const AHEAD: usize = 12;

/// How long rows wait, and how long they are remembered, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) lateness_ms: i64,
    pub(crate) remember_ms: i64,
}

/// The circumstances of an evaluation.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) rules: Rules,
    /// The clock.
    pub(crate) now_ms: i64,
    /// No row that is still to be evaluated arrived, or will arrive, before this.
    pub(crate) oldest_ms: i64,
    pub(crate) out: &'a mut Evaluated,
    /// Answers whose windows reached over rows that do not know each other.
    pub(crate) cut_windows: &'a mut u64,
}

/// A kind of window over keyed rows.
pub(crate) trait Operator {
    /// An accepted row has arrived.
    fn accept(&mut self, key: u32, time_ms: i64, arrival_ms: i64);

    /// A late row has arrived; gives the time before which a row of the key has to be judged.
    fn refuse(&mut self, key: u32, time_ms: i64, arrival_ms: i64) -> i64;

    /// Whether windows of the key, as far as a row at `time_ms` that arrives at `now_ms` knows them, make it late.
    fn makes_late(&self, key: u32, time_ms: i64, now_ms: i64, rules: &Rules) -> bool;

    /// Takes a row among the key's rows. `is_ready`: not only pulled along by a younger one.
    fn push(
        &mut self,
        state: &mut KeyState,
        row: &Waiting,
        inputs: &[InputValues],
        is_ready: bool,
        moment: &mut Moment<'_>,
    );

    /// Answers for a row that was pushed, after all rows of the same time were.
    fn answer(&mut self, state: &mut KeyState, row: &Waiting, moment: &mut Moment<'_>);

    /// Pushes and answers ready rows of different keys, in their order.
    fn evaluate_run(
        &mut self,
        states: &mut [KeyState],
        rows: &[Waiting],
        source: &impl InputSource,
        moment: &mut Moment<'_>,
    );

    /// Whether [`Operator::clock_moved`] has anything to do at the clock `now_ms`.
    fn is_due(&self, now_ms: i64) -> bool;

    /// The clock has moved, and all that is ready was answered.
    fn clock_moved(&mut self, states: &mut [KeyState], moment: &mut Moment<'_>);

    /// Whether nothing but remembered rows is left of the key.
    fn is_quiet(&self, key: u32) -> bool;

    /// Drops all that is kept of the key.
    fn forget(&mut self, key: u32, state: &mut KeyState);

    /// Asks for the memory that an arriving row of the key will touch.
    fn prefetch_arrival(&self, key: u32);

    /// Where the evaluated rows lie.
    fn rings(&self) -> &Rings;

    /// Bytes held for rows and windows.
    fn bytes_held(&self) -> usize;
}

/// Where the inputs of waiting rows are found.
pub(crate) trait InputSource {
    /// The inputs of a chunk.
    fn inputs(&self, chunk: u32) -> &[InputValues];
}
