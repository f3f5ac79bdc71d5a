//! What the syntax tree alone shows to be impossible on a stream, with its exact place.
//!
//! It knows names but no types: what needs the analysed plan is refused by [`crate::normalise`] and [`crate::windows`].
//! Functions and their windows are looked at by [`crate::over`].

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, JoinConstraint, JoinOperator, ObjectName, Query, Select, SetExpr, SetOperator, SetQuantifier,
    Spanned, TableFactor, TableWithJoins, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use crate::Diagnostic;
use crate::catalog::{Catalog, Origin};
use crate::over;
use crate::places::Places;
use crate::script::text_of;

/// Refuses the first impossible thing that the tree of a query shows.
pub(crate) fn check(query: &Query, catalog: &Catalog, state: &SessionState, places: &Places) -> Result<(), Diagnostic> {
    let mut checker = Checker {
        catalog,
        state,
        places,
        named: Vec::new(),
    };
    match query.visit(&mut checker) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(diagnostic) => Err(*diagnostic),
    }
}

struct Checker<'a> {
    catalog: &'a Catalog,
    state: &'a SessionState,
    places: &'a Places,
    /// Names that `WITH` gives.
    named: Vec<String>,
}

// Boxed: the parser's visitor keeps a break on its stack at every level.
type Checked = ControlFlow<Box<Diagnostic>>;

fn flow(result: Result<(), Diagnostic>) -> Checked {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(diagnostic) => ControlFlow::Break(Box::new(diagnostic)),
    }
}

impl Visitor for Checker<'_> {
    type Break = Box<Diagnostic>;

    fn pre_visit_query(&mut self, query: &Query) -> Checked {
        if let Some(with) = &query.with {
            self.named
                .extend(with.cte_tables.iter().map(|cte| text_of(&cte.alias.name)));
        }
        flow(self.query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> Checked {
        flow(self.select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Checked {
        flow(self.table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Checked {
        flow(match expr {
            Expr::Function(function) => over::check_function(function, self.state, self.places),
            Expr::Subquery(_)
            | Expr::InSubquery { .. }
            | Expr::Exists { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. } => Err(
                Diagnostic::new("a sub-query in an expression is not possible on a stream")
                    .detail("It would have to be answered anew, from the beginning, for every row.")
                    .hint("JOIN a table on the key, or INSERT the sub-query INTO a stream of its own")
                    .at_span(expr.span()),
            ),
            _ => Ok(()),
        })
    }
}

/// A clause that would need the end of a stream that has none.
fn endless(clause: &str, hint: &str) -> Diagnostic {
    Diagnostic::new(format!("{clause} is not possible on a stream"))
        .detail("A stream has no end: there is never a last row to wait for.")
        .hint(hint)
}

fn start_of(span: Span) -> Option<Location> {
    (span != Span::empty()).then_some(span.start)
}

impl Checker<'_> {
    /// Clauses around a query's body, the inner ones of sub-queries too.
    fn query(&self, query: &Query) -> Result<(), Diagnostic> {
        let body = query.body.span();
        let word = |word: &str| start_of(body).and_then(|body| self.places.after(word, body));
        if let Some(order_by) = &query.order_by {
            let place = start_of(order_by.span()).and_then(|first| self.places.before("ORDER", first));
            return Err(endless(
                "ORDER BY",
                "leave it out: the rows of a key are answered in the order of their time",
            )
            .at(place)
            .at(word("ORDER")));
        }
        if let Some(limit) = &query.limit_clause {
            let first = start_of(limit.span());
            let before = |word| first.and_then(|first| self.places.before(word, first));
            return Err(endless("LIMIT", "leave it out")
                .at(before("LIMIT").or(before("OFFSET")))
                .at(word("LIMIT")));
        }
        if query.fetch.is_some() {
            return Err(endless("FETCH", "leave it out").at(word("FETCH")));
        }
        if let Some(with) = &query.with
            && with.recursive
        {
            return Err(endless("WITH RECURSIVE", "write the query without recursion").at_span(with.with_token.0.span));
        }
        if !query.locks.is_empty() || query.for_clause.is_some() || !query.pipe_operators.is_empty() {
            return Err(Diagnostic::new("this form of a query is not possible on a stream").at_span(body));
        }
        self.set_expr(&query.body)
    }

    /// Of all set operations only `UNION ALL` needs no memory.
    fn set_expr(&self, body: &SetExpr) -> Result<(), Diagnostic> {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) => Ok(()),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let word = op.to_string();
                let place = start_of(right.span()).and_then(|right| self.places.before(&word, right));
                if *op != SetOperator::Union {
                    let hint = "filter with WHERE, or JOIN a table on the key";
                    return Err(endless(&word, hint).at(place));
                }
                if *set_quantifier != SetQuantifier::All {
                    return Err(Diagnostic::new("UNION without ALL is not possible on a stream")
                        .detail("To leave duplicates out, every row would have to be kept for ever.")
                        .hint("write UNION ALL")
                        .at(place));
                }
                self.set_expr(left)?;
                self.set_expr(right)
            }
            other => Err(Diagnostic::new("a job selects from a stream")
                .hint("write INSERT INTO sink SELECT … FROM stream")
                .at_span(other.span())),
        }
    }

    /// Clauses of one `SELECT`; its expressions are visited one by one.
    fn select(&self, select: &Select) -> Result<(), Diagnostic> {
        let start = select.select_token.0.span;
        let word = |word: &str| start_of(start).and_then(|start| self.places.after(word, start));
        if select.distinct.is_some() {
            return Err(Diagnostic::new("DISTINCT is not possible on a stream")
                .detail("To leave duplicates out, every row would have to be kept for ever.")
                .hint("leave it out, or GROUP BY the key and date_bin(INTERVAL '10 seconds', time)")
                .at(word("DISTINCT")));
        }
        if select.top.is_some() {
            return Err(endless("TOP", "leave it out").at(word("TOP")));
        }
        let rare = [
            ("INTO", select.into.is_some()),
            ("LATERAL", !select.lateral_views.is_empty()),
            ("PREWHERE", select.prewhere.is_some()),
            ("CONNECT", !select.connect_by.is_empty()),
            ("CLUSTER", !select.cluster_by.is_empty()),
            ("DISTRIBUTE", !select.distribute_by.is_empty()),
            ("SORT", !select.sort_by.is_empty()),
        ];
        if let Some((clause, _)) = rare.iter().find(|(_, present)| *present) {
            return Err(Diagnostic::new(format!("{clause} is not possible here"))
                .hint("leave it out")
                .at(word(clause)));
        }
        if select.from.is_empty() {
            return Err(Diagnostic::new("a SELECT without FROM has no rows to answer to")
                .hint("write SELECT … FROM stream")
                .at_span(start));
        }
        self.group_by(&select.group_by, start)?;
        self.joins(&select.from)?;
        for definition in &select.named_window {
            over::check_definition(definition, self.places)?;
        }
        Ok(())
    }

    fn group_by(&self, group_by: &GroupByExpr, start: Span) -> Result<(), Diagnostic> {
        let place = start_of(start).and_then(|start| self.places.after("GROUP", start));
        let hint = "write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time)";
        let refused = |what: &str| Diagnostic::new(format!("{what} is not possible on a stream")).hint(hint);
        match group_by {
            GroupByExpr::All(_) => Err(refused("GROUP BY ALL").at(place)),
            GroupByExpr::Expressions(exprs, modifiers) => {
                let several = |expr: &&Expr| matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
                match exprs.iter().find(several) {
                    Some(expr) => Err(refused("GROUP BY with several groupings")
                        .at_span(expr.span())
                        .at(place)),
                    None if !modifiers.is_empty() => Err(refused("GROUP BY with several groupings").at(place)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Kinds of joins, and pairs of streams as far as names show them; the rest is seen in the plan.
    fn joins(&self, from: &[TableWithJoins]) -> Result<(), Diagnostic> {
        let without_on = |place: Option<Location>| {
            Diagnostic::new("a join without a condition is not possible on a stream")
                .detail("Only a row's key finds what belongs to it.")
                .hint("write JOIN table ON stream.key = table.key")
                .at(place)
        };
        if let Some(second) = from.get(1) {
            return Err(without_on(start_of(second.relation.span())));
        }
        for from in from {
            let mut stream = self.is_stream(&from.relation);
            for join in &from.joins {
                let relation = start_of(join.relation.span());
                let before = |word: &str| relation.and_then(|relation| self.places.before(word, relation));
                let (constraint, refused) = kind_of(&join.join_operator);
                if let Some(word) = refused {
                    return Err(Diagnostic::new(format!("a {word} join is not possible on a stream"))
                        .detail("There would be an answer for keys that no row has come for, or none until the end.")
                        .hint("write FROM stream [LEFT] JOIN table ON stream.key = table.key")
                        .at(before(word).or(relation)));
                }
                if matches!(constraint, Some(JoinConstraint::None) | None) {
                    return Err(without_on(before("JOIN").or(relation)));
                }
                if stream && self.is_stream(&join.relation) {
                    return Err(Diagnostic::new("two streams cannot be joined")
                        .detail("Each would have to be kept for as long as the other may still bring a match.")
                        .hint("join a stream with a table (CREATE EXTERNAL TABLE), or use a window over one stream")
                        .at(relation));
                }
                stream |= self.is_stream(&join.relation);
            }
        }
        Ok(())
    }

    fn is_stream(&self, factor: &TableFactor) -> bool {
        let TableFactor::Table { name, .. } = factor else {
            return false;
        };
        let name = plain(name).unwrap_or_default();
        !self.named.contains(&name) && matches!(self.catalog.find(&name), Some(Origin::Stream(_)))
    }

    /// Names that are not declared are refused here, where they have a place: DataFusion's own error has none.
    fn table_factor(&self, factor: &TableFactor) -> Result<(), Diagnostic> {
        let refused = |what: &str| {
            Err(Diagnostic::new(format!("{what} is not possible on a stream"))
                .hint("select from a stream or from a sub-query of one")
                .at_span(factor.span()))
        };
        match factor {
            TableFactor::Table { args: Some(_), .. } => refused("a table function"),
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Table { version: Some(_), .. } => {
                refused("a sample or version")
            }
            TableFactor::Table { name, .. } => {
                let known =
                    plain(name).is_some_and(|name| self.named.contains(&name) || self.catalog.find(&name).is_some());
                match known {
                    true => Ok(()),
                    false => Err(Diagnostic::new(format!("there is no stream or table {name}"))
                        .hint(format!("the file declares {}", self.catalog.names()))
                        .at_span(name.span())),
                }
            }
            TableFactor::Derived {
                lateral: false,
                sample: None,
                ..
            }
            | TableFactor::NestedJoin { .. } => Ok(()),
            TableFactor::Derived { .. } => refused("LATERAL"),
            _ => refused("this kind of table"),
        }
    }
}

/// A name in one part, as SQL reads it.
fn plain(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(text_of),
        _ => None,
    }
}

/// A join's condition, and the word that makes it impossible, if any.
fn kind_of(operator: &JoinOperator) -> (Option<&JoinConstraint>, Option<&'static str>) {
    match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (Some(constraint), None),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (Some(constraint), None),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (None, Some("RIGHT")),
        JoinOperator::FullOuter(_) => (None, Some("FULL")),
        JoinOperator::CrossJoin(_) => (None, Some("CROSS")),
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => (None, Some("SEMI")),
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => (None, Some("ANTI")),
        JoinOperator::AsOf { .. } => (None, Some("ASOF")),
        _ => (None, Some("APPLY")),
    }
}
