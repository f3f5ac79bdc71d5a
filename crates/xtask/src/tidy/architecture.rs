//! Architecture: ARCHITECTURE.md has a section for every crate.
//!
//! Checks that the section is there, not what it says.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Problem;
use super::rooms::Room;

const FILE: &str = "ARCHITECTURE.md";

/// Checks the document at the root.
pub(crate) fn check(root: &Path, rooms: &[Room]) -> Result<Vec<Problem>> {
    let path = root.join(FILE);
    // Without the document every crate lacks its section, which says more than "not found".
    let text = if path.is_file() {
        fs::read_to_string(path)?
    } else {
        String::new()
    };
    Ok(missing(&text, rooms))
}

fn missing(text: &str, rooms: &[Room]) -> Vec<Problem> {
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    // A heading may say more than the name: "### `log`: records" will do.
    let has = |room: &Room| {
        headings.iter().any(|heading| {
            heading
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| word == room.name)
        })
    };
    let problem = |room: &Room| Problem {
        file: FILE.to_owned(),
        line: 1,
        rule: "a section a crate",
        advice: format!(
            "no heading names {0}; add a section such as \"### `{0}`\": what it is, what it may not do",
            room.name
        ),
    };
    rooms.iter().filter(|room| !has(room)).map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_a_heading_is_named() {
        let room = |name: &str| Room {
            name: name.to_owned(),
            package: String::new(),
            needs: Vec::new(),
        };
        let problems = missing("# House\n### `log`: records\nengine\n", &[room("log"), room("engine")]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].advice.contains("### `engine`"));
    }
}
