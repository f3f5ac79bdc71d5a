//! Lexer: Rust text with everything blanked out that is not code.
//!
//! Comments and the insides of literals become spaces, line breaks stay, so that braces and words found in the result are
//! code and stand on their true lines. It knows no grammar beyond that.

/// The code of `text`, character by character in the same places.
pub(crate) fn code_only(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = end_of_blank(&letters, at);
        if end == at {
            code.push(letters[at]);
            at += 1;
        } else {
            code.extend(
                letters[at..end]
                    .iter()
                    .map(|letter| if *letter == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    code
}

/// End of the comment or literal that begins at `at`; `at` itself when none does. Letters before a quote matter: `r"` has no
/// escapes, and `bar"` is a word followed by a text.
fn end_of_blank(letters: &[char], at: usize) -> usize {
    let next = |offset: usize| letters.get(at + offset).copied();
    match letters[at] {
        '/' if next(1) == Some('/') => find(letters, at, "\n"),
        '/' if next(1) == Some('*') => end_of_block_comment(letters, at),
        '"' => end_of_text(letters, at),
        'r' | 'b' | 'c' if !continues_a_word(letters, at) => end_of_raw_text(letters, at).unwrap_or(at),
        // Only a closing quote right after tells a character from a lifetime.
        '\'' => end_of_character(letters, at),
        _ => at,
    }
}

fn continues_a_word(letters: &[char], at: usize) -> bool {
    at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_')
}

/// Place of `wanted` at or after `at`, or the end of the text.
fn find(letters: &[char], at: usize, wanted: &str) -> usize {
    let wanted: Vec<char> = wanted.chars().collect();
    (at..letters.len())
        .find(|place| letters[*place..].starts_with(&wanted))
        .unwrap_or(letters.len())
}

fn end_of_block_comment(letters: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(letters.len())
}

/// A literal in double quotes, with escapes.
fn end_of_text(letters: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < letters.len() && letters[at] != '"' {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(letters.len())
}

/// `r"…"`, `br#"…"#` and the like; none when these letters begin a word instead.
fn end_of_raw_text(letters: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    while matches!(letters.get(at), Some('r' | 'b' | 'c')) {
        at += 1;
    }
    let raw = letters[start..at].contains(&'r');
    let hashes = letters[at..].iter().take_while(|letter| **letter == '#').count();
    let opens = letters.get(at + hashes) == Some(&'"') && at - start <= 2;
    match (opens, raw) {
        (true, true) => {
            let close = format!("\"{}", "#".repeat(hashes));
            Some((find(letters, at + hashes + 1, &close) + 1 + hashes).min(letters.len()))
        }
        (true, false) if hashes == 0 => Some(end_of_text(letters, at)),
        _ => None,
    }
}

/// `'x'` or `'\n'`; a lifetime is code.
fn end_of_character(letters: &[char], at: usize) -> usize {
    match (letters.get(at + 1), letters.get(at + 2)) {
        (Some('\\'), Some(_)) => (find(letters, at + 3, "'") + 1).min(letters.len()),
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str) {
        assert_eq!(
            code_only(text).split_whitespace().collect::<Vec<_>>().join(" "),
            code,
            "{text}"
        );
        assert_eq!(code_only(text).lines().count(), text.lines().count());
    }

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_not() {
        check("a // { b\nc", "a c");
        check("a /* { /* } */ */ b", "a b");
        check(r#"f("{ \" }", '{', '\'', '\u{7b}') + b"{""#, "f( , , , ) +");
        check(r##"g(r#"{ " "#, br"{\") + h"##, "g( , ) + h");
        check(
            "fn f<'a>(x: &'a str) { r = b; bar }",
            "fn f<'a>(x: &'a str) { r = b; bar }",
        );
        check("\"two\nlines\" x", "x");
    }
}
