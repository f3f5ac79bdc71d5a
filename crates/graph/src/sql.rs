//! Expressions, types and intervals as SQL text, for people and for fingerprints.
//!
//! It is not meant to be parsed again: columns of the evaluated row have names such as `avg(heart_rate)[10 seconds]`.

use std::fmt;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr};

/// A duration in words: `1 minute 30 seconds`; `0 seconds` when it is nothing. Negative ones have a minus before them.
pub fn interval_text(ms: i64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
        (1, "millisecond"),
    ];
    let mut rest = ms.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            parts.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    match (parts.is_empty(), ms < 0) {
        (true, _) => "0 seconds".to_string(),
        (false, negative) => format!("{}{}", if negative { "-" } else { "" }, parts.join(" ")),
    }
}

/// A column's type as SQL declares it.
pub fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "VARCHAR".to_string(),
        DataType::Int32 => "INT".to_string(),
        DataType::Int64 => "BIGINT".to_string(),
        DataType::Float32 => "REAL".to_string(),
        DataType::Float64 => "DOUBLE".to_string(),
        DataType::Boolean => "BOOLEAN".to_string(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP(3)".to_string(),
        other => other.to_string(),
    }
}

/// An expression as SQL text, its columns by name.
pub fn expression_text(expr: &dyn PhysicalExpr) -> String {
    Text(expr).to_string()
}

struct Text<'a>(&'a dyn PhysicalExpr);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expr = self.0;
        if let Some(column) = expr.downcast_ref::<Column>() {
            return f.write_str(column.name());
        }
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            return f.write_str(&literal_text(literal.value()));
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return write!(
                f,
                "CAST({} AS {})",
                Text(cast.expr().as_ref()),
                type_text(cast.cast_type())
            );
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            return self.binary(binary, f);
        }
        if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() {
            let args: Vec<String> = function
                .args()
                .iter()
                .map(|arg| Text(arg.as_ref()).to_string())
                .collect();
            return write!(f, "{}({})", function.name(), args.join(", "));
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return write!(f, "NOT ({})", Text(not.arg().as_ref()));
        }
        if let Some(is_null) = expr.downcast_ref::<IsNullExpr>() {
            return write!(f, "{} IS NULL", Nested(is_null.arg().as_ref()));
        }
        if let Some(is_not_null) = expr.downcast_ref::<IsNotNullExpr>() {
            return write!(f, "{} IS NOT NULL", Nested(is_not_null.arg().as_ref()));
        }
        self.rarer(f)
    }
}

impl Text<'_> {
    fn binary(&self, binary: &BinaryExpr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = binary.op().precedence();
        for (side, is_right) in [(binary.left(), false), (binary.right(), true)] {
            if is_right {
                write!(f, " {} ", binary.op())?;
            }
            let inner = side.downcast_ref::<BinaryExpr>().map(|inner| inner.op().precedence());
            // `a - (b - c)` and `(a < b) < c` need their parentheses; `a AND b AND c` reads better without.
            let nested = inner.is_some_and(|inner| inner < own || (inner == own && is_right));
            match nested {
                true => write!(f, "({})", Text(side.as_ref()))?,
                false => write!(f, "{}", Text(side.as_ref()))?,
            }
        }
        Ok(())
    }

    /// What few queries have, apart from the common so that both stay readable.
    fn rarer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expr = self.0;
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            let items: Vec<String> = list.list().iter().map(|item| Text(item.as_ref()).to_string()).collect();
            let not = if list.negated() { "NOT " } else { "" };
            return write!(f, "{} {not}IN ({})", Nested(list.expr().as_ref()), items.join(", "));
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            let (not, like_word) = (
                if like.negated() { "NOT " } else { "" },
                if like.case_insensitive() { "ILIKE" } else { "LIKE" },
            );
            let pattern = Text(like.pattern().as_ref());
            return write!(f, "{} {not}{like_word} {pattern}", Nested(like.expr().as_ref()));
        }
        if let Some(case) = expr.downcast_ref::<CaseExpr>() {
            f.write_str("CASE")?;
            if let Some(operand) = case.expr() {
                write!(f, " {}", Text(operand.as_ref()))?;
            }
            for (when, then) in case.when_then_expr() {
                write!(f, " WHEN {} THEN {}", Text(when.as_ref()), Text(then.as_ref()))?;
            }
            if let Some(otherwise) = case.else_expr() {
                write!(f, " ELSE {}", Text(otherwise.as_ref()))?;
            }
            return f.write_str(" END");
        }
        // What is left is rare enough for DataFusion's own words.
        expr.fmt_sql(f)
    }
}

/// An operand, in parentheses when it is an operation itself.
struct Nested<'a>(&'a dyn PhysicalExpr);

impl fmt::Display for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is::<BinaryExpr>() {
            true => write!(f, "({})", Text(self.0)),
            false => write!(f, "{}", Text(self.0)),
        }
    }
}

/// A constant as it would be typed; intervals in words, for DataFusion's own form counts nanoseconds.
fn literal_text(value: &ScalarValue) -> String {
    match value {
        value if value.is_null() => "NULL".to_string(),
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        ScalarValue::Float64(Some(number)) => format!("{number:?}"),
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            let ms = i64::from(interval.days) * 86_400_000 + interval.nanoseconds / 1_000_000;
            match interval.nanoseconds % 1_000_000 {
                0 => format!("INTERVAL '{}'", interval_text(ms)),
                _ => value.to_string(),
            }
        }
        ScalarValue::DurationMillisecond(Some(ms)) => format!("INTERVAL '{}'", interval_text(*ms)),
        other => other.to_string(),
    }
}
