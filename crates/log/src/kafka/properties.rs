//! `Properties`: settings by name, taken out one by one, so that what is left over was not understood.
//!
//! It knows no meaning of any name.

use std::collections::BTreeMap;
use std::time::Duration;

use super::address::Address;
use crate::LogError;

/// Names and values, and the names that were asked for.
pub(crate) struct Properties<'a> {
    values: &'a BTreeMap<String, String>,
    known: Vec<&'static str>,
    known_prefixes: Vec<&'static str>,
}

impl<'a> Properties<'a> {
    pub(crate) fn new(values: &'a BTreeMap<String, String>) -> Properties<'a> {
        Properties {
            values,
            known: Vec::new(),
            known_prefixes: Vec::new(),
        }
    }

    /// The error that names a setting.
    pub(crate) fn invalid(&self, name: &str, reason: &str) -> LogError {
        LogError::Invalid {
            what: "the setting".into(),
            name: name.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.values.get(name).map(|value| value.trim().to_owned())
    }

    /// All names with a prefix, without it.
    pub(crate) fn with_prefix(&mut self, prefix: &'static str) -> BTreeMap<String, String> {
        self.known_prefixes.push(prefix);
        let entries = self.values.iter();
        let entries = entries.filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone())));
        entries.collect()
    }

    /// One of several words, whatever their case.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        default: T,
        choices: &[(&str, T)],
    ) -> Result<T, LogError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let chosen = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text));
        chosen.map(|&(_, choice)| choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.invalid(name, &format!("{text:?} is none of {}", words.join(", ")))
        })
    }

    /// A setting that has one possible value.
    pub(crate) fn only(&mut self, name: &'static str, value: &str) -> Result<(), LogError> {
        self.choice(name, (), &[(value, ())])
    }

    pub(crate) fn millis(&mut self, name: &'static str, default: u64) -> Result<Duration, LogError> {
        // Kafka writes these as 32 bits.
        let millis = self.number(name, default, i32::MAX as u64)?;
        Ok(Duration::from_millis(millis))
    }

    pub(crate) fn bytes(&mut self, name: &'static str, default: u32) -> Result<u32, LogError> {
        let bytes = self.number(name, u64::from(default), i32::MAX as u64)?;
        Ok(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    fn number(&mut self, name: &'static str, default: u64, max: u64) -> Result<u64, LogError> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let number = text
            .parse::<u64>()
            .map_err(|_| self.invalid(name, &format!("{text:?} is no whole number")))?;
        if number == 0 || number > max {
            return Err(self.invalid(name, &format!("{number} is not between 1 and {max}")));
        }
        Ok(number)
    }

    /// Addresses with commas between them, at least one.
    pub(crate) fn addresses(&mut self, name: &'static str) -> Result<Vec<Address>, LogError> {
        let text = self.text(name).ok_or_else(|| self.invalid(name, "it is missing"))?;
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let addresses: Result<Vec<Address>, String> = entries.map(Address::parse).collect();
        let addresses = addresses.map_err(|reason| self.invalid(name, &reason))?;
        if addresses.is_empty() {
            return Err(self.invalid(name, "it names no server; write host:port"));
        }
        Ok(addresses)
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(self) -> Result<(), LogError> {
        let is_known = |name: &str| {
            self.known.contains(&name) || self.known_prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let Some(unknown) = self.values.keys().find(|name| !is_known(name)) else {
            return Ok(());
        };
        let nearest = self.known.iter().min_by_key(|known| distance(known, unknown));
        let nearest = nearest.filter(|known| distance(known, unknown) <= known.len() / 2);
        let hint = nearest.map_or(String::new(), |known| format!("; did you mean {known}?"));
        Err(self.invalid(unknown, &format!("it is not known here{hint}")))
    }
}

/// How many letters have to be put in, taken out or changed (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

/// User and password of Java's login configuration: `Module required username="…" password="…";`.
pub(crate) fn jaas(text: &str) -> Result<(Option<String>, Option<String>), String> {
    let mut username = None;
    let mut password = None;
    let mut rest = text.trim().trim_end_matches(';');
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.split_whitespace().next_back().unwrap_or_default();
        let (value, remaining) =
            quoted(after.trim_start()).ok_or_else(|| format!("the value of {name} is not quoted"))?;
        match name {
            "username" => username = Some(value),
            "password" => password = Some(value),
            other => return Err(format!("{other} is not known here; only username and password are")),
        }
        rest = remaining;
    }
    Ok((username, password))
}

/// A text in quotes and what comes behind it; a backslash takes the next letter as it is.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '"' | '\''))?;
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            letter if letter == quote => return Some((value, &text[at + 1..])),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        assert_eq!(distance("ab", "ab"), 0);
    }

    #[test]
    fn java_logins() {
        let login = jaas("x.PlainLoginModule required username=\"a b\"\n password='c;=\\'d' ;").unwrap();
        assert_eq!(login, (Some("a b".into()), Some("c;='d".into())));
        assert_eq!(
            jaas("x required username=anna;").unwrap_err(),
            "the value of username is not quoted"
        );
        assert!(
            jaas("x required tokenauth=\"true\";")
                .unwrap_err()
                .contains("tokenauth")
        );
    }
}
