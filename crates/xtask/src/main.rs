//! xtask: chores of this repository that need more than cargo. Never part of the product.
//!
//! `cargo run -p xtask -- tidy` prints every breach of the house rules; `cargo test` fails on the same.
//! `cargo run -p xtask -- live` runs the live tests against a real Apache Kafka.

mod live;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    match chore() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("live") => live::live(&root()?, arguments),
        Some("tidy") => {
            let problems = tidy::check(&root()?)?;
            for problem in &problems {
                println!("{problem}");
            }
            if !problems.is_empty() {
                bail!(
                    "{} breach(es) of the house rules; ARCHITECTURE.md has the reasons",
                    problems.len()
                );
            }
            println!("the house rules hold");
            Ok(())
        }
        Some(other) => bail!("no chore {other:?}; there are: tidy, live"),
        None => bail!("name a chore: cargo run -p xtask -- tidy, or live"),
    }
}

/// The repository, two levels above this crate.
fn root() -> Result<PathBuf> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder
        .ancestors()
        .nth(2)
        .context("invariant: xtask lives in crates/xtask")?;
    Ok(root.to_path_buf())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_rules_hold() {
        let problems = super::tidy::check(&super::root().unwrap()).unwrap();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }
}
