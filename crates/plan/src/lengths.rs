//! Lengths of windows: frames and `date_bin` in milliseconds, or why they have no such length.
//!
//! It does not know whose window it is.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr, WindowFrame, WindowFrameBound, WindowFrameUnits};

use crate::Diagnostic;

/// The length of a frame in milliseconds.
pub(crate) fn frame_ms(frame: &WindowFrame) -> Result<i64, Diagnostic> {
    let hint = "write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW";
    let refused = |what: &str, why: &str| Err(Diagnostic::new(what).detail(why).hint(hint));
    if frame.units != WindowFrameUnits::Range {
        return refused(
            "a frame of ROWS or GROUPS is not possible on a stream",
            "A frame of rows has no end in time, and a late row would change every frame behind it.",
        );
    }
    match (&frame.start_bound, &frame.end_bound) {
        (WindowFrameBound::CurrentRow, WindowFrameBound::CurrentRow) => Ok(0),
        (WindowFrameBound::Preceding(length), WindowFrameBound::CurrentRow) if length.is_null() => refused(
            "a frame without a beginning is not possible on a stream",
            "Its rows would have to be kept for ever.",
        ),
        (WindowFrameBound::Preceding(length), WindowFrameBound::CurrentRow) => fixed_ms(length),
        _ => refused(
            "a frame must end at the current row",
            "A row is answered when its time has come; rows that follow are not there yet.",
        ),
    }
}

/// The milliseconds of a constant interval.
fn fixed_ms(value: &ScalarValue) -> Result<i64, Diagnostic> {
    let refused = |why: &str| {
        Err(
            Diagnostic::new("the length of a window must be a fixed number of milliseconds")
                .detail(why)
                .hint("write INTERVAL '10 seconds', with days, hours, minutes, seconds or milliseconds"),
        )
    };
    let (days, nanoseconds) = match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            (i64::from(interval.days), interval.nanoseconds)
        }
        ScalarValue::IntervalMonthDayNano(Some(_)) => return refused("Months and years differ in length."),
        ScalarValue::IntervalDayTime(Some(interval)) => {
            (i64::from(interval.days), i64::from(interval.milliseconds) * 1_000_000)
        }
        _ => return refused("It is no interval."),
    };
    match (days.checked_mul(86_400_000), nanoseconds % 1_000_000) {
        (Some(days_ms), 0) if days >= 0 && nanoseconds >= 0 => Ok(days_ms + nanoseconds / 1_000_000),
        (Some(_), 0) => refused("It is negative."),
        _ => refused("Event time is counted in whole milliseconds."),
    }
}

/// Length and origin in milliseconds of `date_bin(interval, time[, origin])`; `None` when it is no such call.
pub(crate) fn date_bin(expr: &Expr, time: &Expr) -> Option<Result<(i64, i64), Diagnostic>> {
    let Expr::ScalarFunction(function) = uncast(expr) else {
        return None;
    };
    if function.func.name() != "date_bin" || uncast(function.args.get(1)?) != time {
        return None;
    }
    let Expr::Literal(stride, _) = &function.args[0] else {
        return Some(Err(Diagnostic::new("the length of a window must be a constant")
            .hint("write date_bin(INTERVAL '10 seconds', time)")));
    };
    let length_ms = match fixed_ms(stride) {
        Ok(length_ms) if length_ms > 0 => length_ms,
        Ok(_) => return Some(Err(Diagnostic::new("a window must be longer than nothing"))),
        Err(diagnostic) => return Some(Err(diagnostic)),
    };
    let origin_ms = match function.args.get(2).map(uncast) {
        None => 0,
        Some(origin) => match origin_ms(origin) {
            Some(origin_ms) => origin_ms,
            None => {
                return Some(Err(Diagnostic::new(
                    "the origin of a window must be a constant time in whole milliseconds",
                )
                .hint("write date_bin(INTERVAL '1 day', time, TIMESTAMP '2026-01-01T06:00:00')")));
            }
        },
    };
    Some(Ok((length_ms, origin_ms.rem_euclid(length_ms))))
}

/// DataFusion brings an origin into nanoseconds, whatever the query wrote.
fn origin_ms(origin: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = origin else {
        return None;
    };
    match value.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, None)).ok()? {
        ScalarValue::TimestampNanosecond(Some(nanoseconds), None) if nanoseconds % 1_000_000 == 0 => {
            Some(nanoseconds / 1_000_000)
        }
        _ => None,
    }
}

/// Casts are DataFusion's coercions to the one signature of `date_bin`, and change no value of whole milliseconds.
fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(Cast { expr, .. }) => uncast(expr),
        other => other,
    }
}
