//! Parameters: what a file declares with `SET`, what the user overrides, and their place in the syntax tree.
//!
//! A placeholder is replaced in the tree, not in the text: places in diagnostics stay those of the file, and a value
//! can never become syntax.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Interval, Query, Set, Spanned, UnaryOperator, Value, ValueWithSpan, visit_expressions_mut,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use hw_graph::{Parameter, interval_text};

use crate::Diagnostic;
use crate::duration::parse_ms;

/// A value of one of the kinds that a parameter may have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    /// Decimal, with its sign.
    Number(String),
    /// Milliseconds, not negative.
    Interval(i64),
    Text(String),
    Boolean(bool),
}

/// The parameters in force.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    declared: Vec<(String, Literal)>,
}

impl Parameters {
    /// Takes one `SET name = value`.
    pub(crate) fn declare(&mut self, set: &Set, span: Span) -> Result<(), Diagnostic> {
        let refused = || {
            Diagnostic::new("this SET declares no parameter")
                .hint("write SET name = value, with a number, a string, a boolean or INTERVAL '10 seconds'")
                .at_span(span)
        };
        let Set::SingleAssignment {
            scope: None,
            hivevar: false,
            variable,
            values,
        } = set
        else {
            return Err(refused());
        };
        let ([name], [value]) = (variable.0.as_slice(), values.as_slice()) else {
            return Err(refused());
        };
        let ident = name.as_ident().ok_or_else(refused)?;
        let name = ident.value.clone();
        let place = if ident.span == Span::empty() { span } else { ident.span };
        if self.find(&name).is_some() {
            return Err(Diagnostic::new(format!("the parameter {name} is declared twice")).at_span(place));
        }
        let literal = literal(value).map_err(|diagnostic| diagnostic.at_span(value.span()).at_span(place))?;
        self.declared.push((name, literal));
        Ok(())
    }

    /// Takes the user's own values, each of the kind that the file declares.
    pub(crate) fn override_with(&mut self, overrides: &[(String, String)]) -> Result<(), Diagnostic> {
        for (name, text) in overrides {
            let Some(index) = self.declared.iter().position(|(declared, _)| declared == name) else {
                return Err(self.unknown(name));
            };
            let default = &mut self.declared[index].1;
            *default = like(default, text).ok_or_else(|| {
                Diagnostic::new(format!("'{text}' is no value for the parameter {name}")).hint(format!(
                    "it takes {}, as its default {} is",
                    kind(default),
                    sql(default)
                ))
            })?;
        }
        Ok(())
    }

    /// Replaces every `$name` of a query.
    pub(crate) fn bind_query(&self, query: &mut Query) -> Result<(), Diagnostic> {
        as_result(visit_expressions_mut(query, |expr| self.replace(expr)))
    }

    /// Replaces every `$name` of an expression.
    pub(crate) fn bind_expr(&self, expr: &mut Expr) -> Result<(), Diagnostic> {
        as_result(visit_expressions_mut(expr, |expr| self.replace(expr)))
    }

    /// The text that an option's value stands for: itself, or the value of the parameter that it names.
    pub(crate) fn bind_option(&self, text: &str, place: Option<Location>) -> Result<String, Diagnostic> {
        let Some(name) = text.strip_prefix('$') else {
            return Ok(text.to_string());
        };
        match self.find(name) {
            Some(Literal::Interval(ms)) => Ok(interval_text(*ms)),
            Some(Literal::Number(text) | Literal::Text(text)) => Ok(text.clone()),
            Some(Literal::Boolean(value)) => Ok(value.to_string()),
            None => Err(self.unknown(name).at(place)),
        }
    }

    /// The parameters as the graph shows them.
    pub(crate) fn listed(&self) -> Vec<Parameter> {
        (self.declared.iter())
            .map(|(name, value)| Parameter {
                name: name.clone(),
                value: sql(value),
            })
            .collect()
    }

    fn find(&self, name: &str) -> Option<&Literal> {
        self.declared
            .iter()
            .find(|(declared, _)| declared == name)
            .map(|(_, literal)| literal)
    }

    /// Listing what there is, with the values in force, also answers what a parameter looks like.
    fn unknown(&self, name: &str) -> Diagnostic {
        let declared: Vec<String> = self
            .declared
            .iter()
            .map(|(name, value)| format!("{name} = {}", sql(value)))
            .collect();
        let diagnostic = Diagnostic::new(format!("there is no parameter {name}"));
        match declared.is_empty() {
            true => diagnostic.hint(format!("declare it at the top of the file: SET {name} = …;")),
            false => diagnostic.hint(format!("the file declares {}", declared.join(", "))),
        }
    }

    fn replace(&self, expr: &mut Expr) -> ControlFlow<Diagnostic> {
        let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(placeholder),
            span,
        }) = expr
        else {
            return ControlFlow::Continue(());
        };
        let span = *span;
        let name = placeholder.trim_start_matches('$');
        match self.find(name) {
            Some(literal) => {
                *expr = expression(literal, span);
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(self.unknown(name).at_span(span)),
        }
    }
}

/// The parser's visitor breaks off with a value; the rest of this crate returns errors.
fn as_result(flow: ControlFlow<Diagnostic>) -> Result<(), Diagnostic> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(diagnostic) => Err(diagnostic),
    }
}

/// The value that an expression of the file writes.
fn literal(expr: &Expr) -> Result<Literal, Diagnostic> {
    let refused = || {
        Diagnostic::new(format!("a parameter cannot be {expr}"))
            .hint("write a number, a string, a boolean or INTERVAL '10 seconds'")
    };
    match expr {
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Value::Number(number, _) => Ok(Literal::Number(number.clone())),
            Value::SingleQuotedString(text) => Ok(Literal::Text(text.clone())),
            Value::Boolean(value) => Ok(Literal::Boolean(*value)),
            _ => Err(refused()),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => match literal(inner)? {
            Literal::Number(number) => Ok(Literal::Number(format!("-{number}"))),
            _ => Err(refused()),
        },
        Expr::Interval(interval) => {
            let text = interval_words(interval).ok_or_else(refused)?;
            parse_ms(&text).map(Literal::Interval).ok_or_else(|| {
                Diagnostic::new(format!("{interval} is no fixed number of milliseconds"))
                    .detail("Months and years differ in length, and event time is counted in whole milliseconds.")
                    .hint("write INTERVAL '10 seconds', with weeks, days, hours, minutes, seconds or milliseconds")
            })
        }
        _ => Err(refused()),
    }
}

/// `INTERVAL '10 seconds'` and `INTERVAL '10' SECOND` alike as `10 seconds`.
fn interval_words(interval: &Interval) -> Option<String> {
    let Expr::Value(ValueWithSpan { value, .. }) = interval.value.as_ref() else {
        return None;
    };
    let amount = match value {
        Value::SingleQuotedString(text) | Value::Number(text, _) => text,
        _ => return None,
    };
    let unit = interval
        .leading_field
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    (interval.last_field.is_none()).then(|| format!("{amount} {unit}"))
}

/// The user's text as a value of the same kind as the default.
fn like(default: &Literal, text: &str) -> Option<Literal> {
    let text = text.trim();
    match default {
        Literal::Number(_) => {
            let shape = text.strip_prefix('-').unwrap_or(text);
            let plain = shape.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            (plain && text.parse::<f64>().is_ok_and(f64::is_finite)).then(|| Literal::Number(text.to_string()))
        }
        Literal::Interval(_) => {
            let words = text
                .strip_prefix("INTERVAL")
                .or(text.strip_prefix("interval"))
                .unwrap_or(text);
            parse_ms(words.trim().trim_matches('\'')).map(Literal::Interval)
        }
        Literal::Text(_) => Some(Literal::Text(text.to_string())),
        Literal::Boolean(_) => text.to_ascii_lowercase().parse().ok().map(Literal::Boolean),
    }
}

fn kind(literal: &Literal) -> &'static str {
    match literal {
        Literal::Number(_) => "a number",
        Literal::Interval(_) => "a duration such as '10 seconds' or '1 minute'",
        Literal::Text(_) => "a text",
        Literal::Boolean(_) => "true or false",
    }
}

/// The value as SQL text.
fn sql(literal: &Literal) -> String {
    match literal {
        Literal::Number(number) => number.clone(),
        literal => expression(literal, Span::empty()).to_string(),
    }
}

fn expression(literal: &Literal, span: Span) -> Expr {
    let value = |value: Value| Expr::Value(value.with_span(span));
    match literal {
        Literal::Number(number) => match number.strip_prefix('-') {
            // Nested, so that `3 - $x` cannot become a comment.
            Some(positive) => Expr::Nested(Box::new(Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr: Box::new(value(Value::Number(positive.to_string(), false))),
            })),
            None => value(Value::Number(number.clone(), false)),
        },
        Literal::Interval(ms) => Expr::Interval(Interval {
            value: Box::new(value(Value::SingleQuotedString(interval_text(*ms)))),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        }),
        Literal::Text(text) => value(Value::SingleQuotedString(text.clone())),
        Literal::Boolean(flag) => value(Value::Boolean(*flag)),
    }
}
