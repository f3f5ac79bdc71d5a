//! Places of words in a file's text, for what the syntax tree has no place of.
//!
//! It only looks for tokens near a place that is known; it does not parse.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// The words, numbers and strings of a file, in order.
#[derive(Debug)]
pub(crate) struct Places {
    tokens: Vec<TokenWithSpan>,
}

impl Places {
    /// Of a text that is no SQL there are no places.
    pub(crate) fn of(sql: &str) -> Self {
        let tokens = Tokenizer::new(&GenericDialect, sql)
            .tokenize_with_location()
            .unwrap_or_default();
        Places { tokens }
    }

    /// The first time that a word, a number or a string with this text stands at or after a place.
    pub(crate) fn after(&self, text: &str, from: Location) -> Option<Location> {
        let mut tokens = self
            .tokens
            .iter()
            .filter(|token| order(token.span.start) >= order(from));
        tokens
            .find(|token| is(&token.token, text))
            .map(|token| token.span.start)
    }

    /// The last time that a word stands before a place.
    pub(crate) fn before(&self, text: &str, to: Location) -> Option<Location> {
        let mut tokens = self
            .tokens
            .iter()
            .rev()
            .filter(|token| order(token.span.start) < order(to));
        tokens
            .find(|token| is(&token.token, text))
            .map(|token| token.span.start)
    }
}

fn order(location: Location) -> (u64, u64) {
    (location.line, location.column)
}

fn is(token: &Token, text: &str) -> bool {
    match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(text),
        Token::SingleQuotedString(string) | Token::Number(string, _) => string == text,
        _ => false,
    }
}
