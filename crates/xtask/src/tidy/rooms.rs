//! Rooms: the crates under `crates/` and their files, as text.
//!
//! Reads manifests line by line, which is enough for the way they are written here; a dependency must be named at the
//! beginning of its line or in a section of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Folder that one may keep for oneself, outside of version control, to hold features together in partial builds.
const LOCAL_ONLY: &str = "unify";

/// A crate.
#[derive(Debug)]
pub(crate) struct Room {
    /// Folder under `crates/`, which is also the name used everywhere in this house.
    pub(crate) name: String,
    /// Package name as in its manifest.
    pub(crate) package: String,
    /// Dependencies, wherever they come from.
    pub(crate) needs: Vec<Need>,
}

/// A line of a manifest that names a dependency.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) package: String,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The crate itself, or its build script.
    Product,
    /// Its tests, benchmarks and examples.
    Tests,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct RustFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All crates of the workspace, by name.
pub(crate) fn find(root: &Path) -> Result<Vec<Room>> {
    let mut rooms = Vec::new();
    for name in folder(&root.join("crates"))? {
        let manifest = root.join("crates").join(&name).join("Cargo.toml");
        if name == LOCAL_ONLY || !manifest.is_file() {
            continue;
        }
        let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        rooms.push(parse(name, &text));
    }
    Ok(rooms)
}

/// Every `.rs` file of the given crates, and of the tests at the root.
pub(crate) fn rust_files(root: &Path, rooms: &[Room]) -> Result<Vec<RustFile>> {
    let mut files = Vec::new();
    for room in rooms {
        collect(root, &format!("crates/{}", room.name), &mut files)?;
    }
    if root.join("tests").is_dir() {
        collect(root, "tests", &mut files)?;
    }
    Ok(files)
}

fn collect(root: &Path, inside: &str, files: &mut Vec<RustFile>) -> Result<()> {
    for name in folder(&root.join(inside))? {
        let path = format!("{inside}/{name}");
        let full = root.join(&path);
        // A crate built by itself leaves its own target folder.
        if full.is_dir() && name != "target" {
            collect(root, &path, files)?;
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&full).with_context(|| format!("cannot read {path}"))?;
            files.push(RustFile { path, text });
        }
    }
    Ok(())
}

/// Names in a folder, sorted, so that problems come in the same order everywhere.
fn folder(path: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn parse(name: String, manifest: &str) -> Room {
    // A parser of TOML would be the only dependency of these rules, to read lines that are all alike.
    let mut room = Room {
        name,
        package: String::new(),
        needs: Vec::new(),
    };
    let mut section = String::new();
    for (index, line) in manifest.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned();
            // `[dependencies.hw-log]`: the name stands in the header.
            if let Some((table, package)) = section.rsplit_once('.')
                && let Some(kind) = kind_of(table)
            {
                room.needs.push(Need {
                    package: package.to_owned(),
                    line: number,
                    kind,
                });
            }
            continue;
        }
        let key: String = line
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
            .collect();
        if section == "package" && key == "name" {
            room.package = line.split('"').nth(1).unwrap_or_default().to_owned();
        } else if let (Some(kind), false) = (kind_of(&section), key.is_empty()) {
            room.needs.push(Need {
                package: key,
                line: number,
                kind,
            });
        }
    }
    room
}

/// What a section's dependencies are for; none for other sections.
fn kind_of(section: &str) -> Option<Kind> {
    match section.rsplit('.').next().unwrap_or_default() {
        "dependencies" | "build-dependencies" => Some(Kind::Product),
        "dev-dependencies" => Some(Kind::Tests),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_found_in_every_form() {
        let manifest = "[package]\nname = \"hw-a\"\n[dependencies]\nhw-b.workspace = true # why\n\
                        hw-c = { path = \"../c\" }\n[dev-dependencies.hw-d]\npath = \"../d\"\n\
                        [target.'cfg(unix)'.dependencies]\nhw-e = \"1\"\n[lints]\nworkspace = true\n";
        let room = parse("a".to_owned(), manifest);
        let needs: Vec<_> = room
            .needs
            .iter()
            .map(|need| (need.package.as_str(), need.line, need.kind))
            .collect();
        assert_eq!(room.package, "hw-a");
        assert_eq!(
            needs,
            [
                ("hw-b", 4, Kind::Product),
                ("hw-c", 5, Kind::Product),
                ("hw-d", 6, Kind::Tests),
                ("hw-e", 9, Kind::Product)
            ]
        );
    }
}
