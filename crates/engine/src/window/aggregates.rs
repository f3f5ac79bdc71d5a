//! From a job's aggregates to what must be kept of its inputs, and from stretches of rows to the aggregates' values.
//!
//! It does not choose the rows; sliding and tumbling windows do.

use std::ops::Range;

use arrow::datatypes::DataType;
use datafusion_physical_expr::expressions::Column as ColumnExpr;
use hw_graph::{Aggregate, AggregateFunction, Input};

use super::column::Wanted;
use super::evaluated::AggregateColumn;
use super::rings::{ColumnKind, Ring, Rings};
use super::run::{Stretch, WholeStats};
use super::stats::Stats;
use super::store::Store;

/// Where an aggregate's numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// `count(*)`.
    Rows,
    /// Least, greatest or count of the event time: rows are sorted by it, so it needs no column.
    EventTime,
    /// A column of the rings.
    Column(usize),
}

/// Which inputs are kept, and as what. Shared by all frames of a job.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// For every input: its column, or `None` when nothing needs to be kept.
    columns: Vec<Option<usize>>,
    event_time: Vec<bool>,
    kinds: Vec<ColumnKind>,
}

impl Layout {
    /// `time` is the source's event-time column.
    pub(crate) fn new<'a>(
        inputs: &[Input],
        aggregates: impl Iterator<Item = &'a Aggregate> + Clone,
        time: usize,
    ) -> Layout {
        let mut layout = Layout {
            columns: Vec::new(),
            event_time: Vec::new(),
            kinds: Vec::new(),
        };
        for (index, input) in inputs.iter().enumerate() {
            let is_time = input
                .expr
                .downcast_ref::<ColumnExpr>()
                .is_some_and(|column| column.index() == time);
            let mine = || aggregates.clone().filter(|aggregate| aggregate.input == Some(index));
            let from_order = is_time && mine().all(|aggregate| answers_from_order(aggregate.function));
            layout.event_time.push(from_order);
            let needed = !from_order && mine().next().is_some();
            layout.columns.push(needed.then_some(layout.kinds.len()));
            if needed {
                let wanted = mine().fold(Wanted::default(), |wanted, aggregate| want(wanted, aggregate.function));
                layout.kinds.push(ColumnKind {
                    data_type: input.data_type.clone(),
                    nullable: input.nullable,
                    wanted,
                });
            }
        }
        layout
    }

    /// The rings' columns.
    pub(crate) fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// The inputs that are kept, in the order of the rings' columns.
    pub(crate) fn kept_inputs(&self) -> impl Iterator<Item = usize> + '_ {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.is_some())
            .map(|(input, _)| input)
    }

    fn source(&self, input: Option<usize>) -> Source {
        match input {
            None => Source::Rows,
            Some(input) if self.event_time[input] => Source::EventTime,
            Some(input) => Source::Column(self.columns[input].expect("invariant: an input with an aggregate is kept")),
        }
    }
}

fn answers_from_order(function: AggregateFunction) -> bool {
    matches!(
        function,
        AggregateFunction::Count | AggregateFunction::Min | AggregateFunction::Max
    )
}

fn want(wanted: Wanted, function: AggregateFunction) -> Wanted {
    use AggregateFunction as F;
    Wanted {
        sum: wanted.sum || matches!(function, F::Sum | F::Avg),
        extremes: wanted.extremes || matches!(function, F::Min | F::Max),
        moments: wanted.moments || matches!(function, F::StddevSamp | F::StddevPop),
    }
}

#[derive(Debug, Clone, Copy)]
struct Step {
    function: AggregateFunction,
    is_int: bool,
    /// Which column of the evaluated row's aggregates it fills.
    to: usize,
}

impl Step {
    fn is_extreme(&self) -> bool {
        matches!(self.function, AggregateFunction::Min | AggregateFunction::Max)
    }

    /// The least or the greatest as a whole number.
    fn whole_extreme(&self, stats: &Stats) -> i64 {
        if self.function == AggregateFunction::Min {
            stats.int_min
        } else {
            stats.int_max
        }
    }
}

/// Steps that read the same, so that it is read once.
#[derive(Debug, Clone)]
struct Group {
    source: Source,
    steps: Vec<Step>,
}

/// The aggregates over one frame.
#[derive(Debug, Clone)]
pub(crate) struct FrameAggregates {
    groups: Vec<Group>,
}

impl FrameAggregates {
    /// `first` is the place of the first of them among the evaluated row's aggregates.
    pub(crate) fn new(layout: &Layout, inputs: &[Input], aggregates: &[Aggregate], first: usize) -> FrameAggregates {
        let mut groups: Vec<Group> = Vec::new();
        for (index, aggregate) in aggregates.iter().enumerate() {
            let source = layout.source(aggregate.input);
            let step = Step {
                function: aggregate.function,
                is_int: aggregate
                    .input
                    .is_none_or(|input| inputs[input].data_type != DataType::Float64),
                to: first + index,
            };
            match groups.iter_mut().find(|group| group.source == source) {
                Some(group) => group.steps.push(step),
                None => groups.push(Group {
                    source,
                    steps: vec![step],
                }),
            }
        }
        FrameAggregates { groups }
    }

    /// Answers over the rows of `ranges`, in order, each a stretch of the ring.
    #[inline]
    pub(crate) fn answer(&self, rings: &Rings, ring: &Ring, ranges: &[Range<usize>], out: &mut [AggregateColumn]) {
        for group in &self.groups {
            match group.source {
                Source::Rows => {
                    let rows = ranges.iter().map(ExactSizeIterator::len).sum::<usize>() as i64;
                    group.steps.iter().for_each(|step| out[step.to].push_int(rows));
                }
                Source::EventTime => {
                    for step in &group.steps {
                        answer_from_order(step.function, rings, ring, ranges, &mut out[step.to]);
                    }
                }
                Source::Column(index) => {
                    let stats = read_stats(rings, ring, index, ranges);
                    let is_scaled = stats.count > 0 && rings.is_scaled(ring, index);
                    push_stats(&group.steps, is_scaled, &stats, out);
                }
            }
        }
    }
}

impl FrameAggregates {
    /// Whether every column that is read says all that is asked of it by whole numbers.
    pub(super) fn are_whole(&self, store: &Store) -> bool {
        self.groups.iter().all(|group| match group.source {
            Source::Column(index) => store.columns[index].is_whole(),
            _ => true,
        })
    }

    /// Answers for the rows of a run, column by column.
    pub(super) fn answer_run(
        &self,
        store: &Store,
        stretches: &[Stretch],
        whole: &mut WholeStats,
        out: &mut [AggregateColumn],
    ) {
        for group in &self.groups {
            match group.source {
                Source::Rows => {
                    for step in &group.steps {
                        out[step.to].extend_ints(stretches.iter().map(|stretch| stretch.len() as i64));
                    }
                }
                Source::EventTime => {
                    for step in &group.steps {
                        times_of_run(step.function, stretches, &mut out[step.to]);
                    }
                }
                Source::Column(index) if store.columns[index].is_whole() => {
                    store.whole_stats(index, stretches, whole);
                    for step in &group.steps {
                        let is_scaled = store.columns[index].is_scaled();
                        push_whole(step, is_scaled, stretches, whole, &mut out[step.to]);
                    }
                }
                Source::Column(index) => {
                    for stretch in stretches {
                        let stats = store.stats_of(index, stretch);
                        let is_scaled = store.columns[index].is_scaled();
                        push_stats(&group.steps, is_scaled, &stats, out);
                    }
                }
            }
        }
    }
}

fn times_of_run(function: AggregateFunction, stretches: &[Stretch], out: &mut AggregateColumn) {
    match function {
        AggregateFunction::Min => out.extend_ints(stretches.iter().map(|stretch| stretch.first_ms)),
        AggregateFunction::Max => out.extend_ints(stretches.iter().map(|stretch| stretch.last_ms)),
        _ => out.extend_ints(stretches.iter().map(|stretch| stretch.len() as i64)),
    }
}

/// One aggregate of a whole column without nulls; a frame holds its own row at least.
fn push_whole(step: &Step, is_scaled: bool, stretches: &[Stretch], whole: &WholeStats, out: &mut AggregateColumn) {
    use AggregateFunction as F;
    let extremes = if step.function == F::Min {
        &whole.least
    } else {
        &whole.greatest
    };
    match step.function {
        F::Min | F::Max if is_scaled => out.extend_scaled(extremes.iter().copied()),
        F::Min | F::Max => out.extend_ints(extremes.iter().copied()),
        F::Sum => out.extend_ints(whole.sums.iter().copied()),
        F::Avg => {
            let means = whole.sums.iter().zip(stretches);
            out.extend_floats(means.map(|(sum, stretch)| *sum as f64 / stretch.len() as f64));
        }
        _ => out.extend_ints(stretches.iter().map(|stretch| stretch.len() as i64)),
    }
}

#[inline]
fn push_stats(steps: &[Step], is_scaled: bool, stats: &Stats, out: &mut [AggregateColumn]) {
    for step in steps {
        if is_scaled && step.is_extreme() {
            out[step.to].push_scaled(step.whole_extreme(stats));
        } else {
            push_value(step, stats, &mut out[step.to]);
        }
    }
}

#[inline]
fn read_stats(rings: &Rings, ring: &Ring, column: usize, ranges: &[Range<usize>]) -> Stats {
    if let [range] = ranges {
        return rings.stats(ring, column, range.clone());
    }
    let mut stats = Stats::NONE;
    for range in ranges {
        rings.add_stats(ring, column, range.clone(), &mut stats);
    }
    stats
}

fn answer_from_order(
    function: AggregateFunction,
    rings: &Rings,
    ring: &Ring,
    ranges: &[Range<usize>],
    out: &mut AggregateColumn,
) {
    let first = ranges.iter().find(|range| !range.is_empty());
    let last = ranges.iter().rfind(|range| !range.is_empty());
    match (function, first, last) {
        (AggregateFunction::Min, Some(range), _) => out.push_int(rings.time_ms(ring, range.start)),
        (AggregateFunction::Max, _, Some(range)) => out.push_int(rings.time_ms(ring, range.end - 1)),
        (AggregateFunction::Count, _, _) => {
            out.push_int(ranges.iter().map(ExactSizeIterator::len).sum::<usize>() as i64)
        }
        _ => out.push_null(),
    }
}

#[inline]
fn push_value(step: &Step, stats: &Stats, out: &mut AggregateColumn) {
    use AggregateFunction as F;
    let count = stats.count as f64;
    let sum = if step.is_int {
        stats.int_sum as f64
    } else {
        stats.float_sum
    };
    match step.function {
        F::Count => out.push_int(stats.count as i64),
        F::StddevSamp if stats.count < 2 => out.push_null(),
        _ if stats.count == 0 => out.push_null(),
        F::Sum if step.is_int => out.push_int(stats.int_sum),
        F::Sum => out.push_float(stats.float_sum),
        F::Avg => out.push_float(sum / count),
        F::Min if step.is_int => out.push_int(stats.int_min),
        F::Min => out.push_float(stats.float_min),
        F::Max if step.is_int => out.push_int(stats.int_max),
        F::Max => out.push_float(stats.float_max),
        F::StddevSamp => out.push_float((stats.squares() / (count - 1.0)).sqrt()),
        F::StddevPop => out.push_float((stats.squares() / count).sqrt()),
    }
}
