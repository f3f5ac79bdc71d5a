//! Functions: none is longer than one can hold in mind.
//!
//! Counts the lines of code from `fn` to the closing brace. Comments, blank lines and the insides of literals do not count:
//! reasons and expected outputs are meant to be there. Closures and macros belong to the function around them.

use super::Problem;
use super::lexer::code_only;
use super::ratchets;
use super::rooms::RustFile;

/// Most lines of a function.
const LIMIT: usize = 70;

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    /// Line of the `fn`, counted from 1.
    line: usize,
    lines: usize,
}

/// Checks the functions of one file.
pub(crate) fn check(file: &RustFile) -> Vec<Problem> {
    let functions = functions(&code_only(&file.text));
    let mut problems = Vec::new();
    let mut report = |line, advice| {
        problems.push(Problem {
            file: file.path.clone(),
            line,
            rule: "function length",
            advice,
        });
    };
    for function in &functions {
        let limit = ratchets::function_limit(&file.path, &function.name).unwrap_or(LIMIT);
        if function.lines > limit {
            let Function { name, lines, .. } = function;
            report(
                function.line,
                format!("{name} has {lines} lines of code, {limit} are allowed; split it by what it does"),
            );
        }
    }
    for (name, _) in ratchets::functions_of(&file.path) {
        if !functions
            .iter()
            .any(|function| function.name == name && function.lines > LIMIT)
        {
            report(
                1,
                format!("{name} is short now; remove it from crates/xtask/src/tidy/ratchets.rs"),
            );
        }
    }
    problems
}

fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        // `defn x` is no function, and `fn(u8)` is a type.
        let begins_a_word = !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let name: String = code[at + 3..]
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        if !begins_a_word || name.is_empty() {
            continue;
        }
        if let Some(length) = body_end(&code[at..]) {
            let line = 1 + code[..at].matches('\n').count();
            let lines = code[at..=at + length]
                .lines()
                .filter(|line| !line.trim().is_empty())
                .count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// Bytes up to the brace that closes the first body; none for a declaration that ends in a semicolon.
fn body_end(code: &str) -> Option<usize> {
    // Brackets count as well, since closures in arguments bring braces of their own before the body.
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, letter) in code.char_indices() {
        match letter {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 && brackets == 0 {
                    return Some(at);
                }
            }
            // `[u8; 4]` in a signature is not the end of a declaration.
            ';' if braces == 0 && brackets == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let code = "trait T { fn declared(&self);\n fn by_default() {} }\n\
                    pub(crate) async fn long(x: [u8; 4])\nwhere X: Y,\n{\n\n if a { b }\n let f: fn(u8) = c;\n}\n";
        let measured: Vec<_> = functions(code)
            .into_iter()
            .map(|found| (found.name, found.line, found.lines))
            .collect();
        assert_eq!(measured, [("by_default".to_owned(), 2, 1), ("long".to_owned(), 3, 6)]);
    }
}
