//! Exposition: a strict reader of Prometheus' text format, version 0.0.4.
//!
//! It takes less than Prometheus does: `HELP`, then `TYPE`, then the samples of one family, each family once, no
//! timestamps, no blank lines. It fails by panicking with the line.

use std::collections::{BTreeMap, HashSet};

/// A metric with all its samples.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// By labels, sorted by name.
    pub(crate) samples: BTreeMap<Vec<(String, String)>, f64>,
}

/// All families by name.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n'), "the last line must end");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line
            .strip_prefix("# HELP ")
            .unwrap_or_else(|| panic!("no HELP: {line}"));
        let (name, says) = help.split_once(' ').expect("a text after the name");
        assert!(is_name(name) && !says.is_empty(), "{line}");
        let line = lines.next().expect("a TYPE after HELP");
        let kind = line
            .strip_prefix(&format!("# TYPE {name} "))
            .unwrap_or_else(|| panic!("no TYPE: {line}"));
        assert!(["counter", "gauge"].contains(&kind), "{line}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        let mut family = Family {
            kind: kind.to_owned(),
            ..Family::default()
        };
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (labels, value) = sample(line, name);
            assert!(family.samples.insert(labels, value).is_none(), "twice: {line}");
        }
        assert!(families.insert(name.to_owned(), family).is_none(), "twice: {name}");
    }
    families
}

/// `name{label="value",...} number`
fn sample(line: &str, name: &str) -> (Vec<(String, String)>, f64) {
    let mut rest = line
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('{'))
        .unwrap_or_else(|| panic!("not of {name}: {line}"));
    let mut labels = Vec::new();
    loop {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        assert!(is_name(label), "{line}");
        let (value, after) = quoted(after).unwrap_or_else(|| panic!("no value: {line}"));
        labels.push((label.to_owned(), value));
        rest = after;
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => break,
        }
    }
    let number = rest
        .strip_prefix("} ")
        .unwrap_or_else(|| panic!("no end of labels: {line}"));
    labels.sort();
    let names: HashSet<&String> = labels.iter().map(|(label, _)| label).collect();
    assert_eq!(names.len(), labels.len(), "{line}");
    (labels, number.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// The text up to the closing quote, and what stands behind the quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match letters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            letter => value.push(letter),
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.starts_with(|letter: char| letter.is_ascii_alphabetic()) && name.chars().all(is_word)
}
