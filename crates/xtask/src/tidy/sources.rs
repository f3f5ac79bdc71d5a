//! Sources: rules that one file answers for by itself: its opening, its length, and words that have no place in it.
//!
//! What functions look like stands in `functions`.

use super::Problem;
use super::lexer::code_only;
use super::ratchets;
use super::rooms::RustFile;

/// Most lines of a file.
const LIMIT: usize = 400;

/// Words that mark unfinished work, wherever they stand. Put together, so that this file does not name them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that has no place here, with what to do instead.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("to", "do!("), "build it or leave it out: a stub is a defect"),
    (
        concat!("unimpl", "emented!("),
        "build it or leave it out: a stub is a defect",
    ),
    (
        concat!("#[ig", "nore"),
        "a test that does not run proves nothing: mend it or remove it",
    ),
    (concat!("mod ", "util"), "name the module after the noun it is about"),
    (concat!("mod ", "utils"), "name the module after the noun it is about"),
    (concat!("mod ", "common"), "name the module after the noun it is about"),
];

/// Checks one file.
pub(crate) fn check(file: &RustFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |line, rule, advice: String| {
        problems.push(Problem {
            file: file.path.clone(),
            line,
            rule,
            advice,
        })
    };
    if !file.text.starts_with("//! ") {
        let advice = "the file must open with a `//!` line that says what it is, then what it does not do";
        report(1, "module doc", advice.to_owned());
    }
    let lines = file.text.lines().count();
    let exception = ratchets::file_limit(&file.path);
    let limit = exception.unwrap_or(LIMIT);
    if lines > limit {
        report(
            limit + 1,
            "file length",
            format!("{lines} lines, {limit} are allowed; split the file by noun"),
        );
    } else if exception.is_some() && lines <= LIMIT {
        report(
            1,
            "file length",
            "short enough now; remove it from crates/xtask/src/tidy/ratchets.rs".to_owned(),
        );
    }
    // Words of unfinished work count in comments, where they mostly stand; the others only in code.
    let code = code_only(&file.text);
    for (index, (text, code)) in file.text.lines().zip(code.lines()).enumerate() {
        for word in UNFINISHED.iter().filter(|word| has_word(text, word)) {
            report(
                index + 1,
                "unfinished work",
                format!("{word} must not stay: do it now, or write an issue and leave the code whole"),
            );
        }
        for (word, advice) in FORBIDDEN.iter().filter(|(word, _)| has_code(code, word)) {
            report(index + 1, "forbidden code", format!("`{word}`: {advice}"));
        }
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|found| found == word)
}

/// `code` stands in the line, and not as a part of longer words.
fn has_code(line: &str, code: &str) -> bool {
    let in_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let ends_open = code.ends_with(in_word);
    let part_of_a_word = |at: usize| {
        let after = &line[at + code.len()..];
        line[..at].ends_with(in_word) || (ends_open && after.starts_with(in_word))
    };
    line.match_indices(code).any(|(at, _)| !part_of_a_word(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(usize, &'static str)> {
        let file = RustFile {
            path: "crates/a/src/lib.rs".to_owned(),
            text: text.to_owned(),
        };
        check(&file)
            .iter()
            .map(|problem| (problem.line, problem.rule))
            .collect()
    }

    #[test]
    fn a_good_file_breaks_no_rule() {
        assert_eq!(
            rules("//! A: a noun.\n\nmod utility;\n// the word todo! in prose\n"),
            []
        );
    }

    #[test]
    fn each_rule_names_its_line() {
        assert_eq!(rules("mod a;\n"), [(1, "module doc")]);
        assert_eq!(rules(&"//! a\n".repeat(401)), [(401, "file length")]);
        assert_eq!(rules(concat!("//! A.\n// TO", "DO: b\n")), [(2, "unfinished work")]);
        assert_eq!(
            rules(concat!("//! A.\nfn a() { to", "do!() }\n#[ig", "nore]\n")),
            [(2, "forbidden code"), (3, "forbidden code")]
        );
        assert_eq!(rules(concat!("//! A.\nmod ", "common;\n")), [(2, "forbidden code")]);
    }
}
