//! What this machine has of what live tests need: Java, Maven, Python.
//!
//! It installs nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Least Java of a broker.
const BROKER_JAVA: u32 = 17;
/// Least Java of the schema registry.
const REGISTRY_JAVA: u32 = 21;
/// Least Python of the foreign clients.
const PYTHON: (u32, u32) = (3, 10);
/// Where Linux distributions put Java.
const JVM_FOLDER: &str = "/usr/lib/jvm";

/// The programs that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Java for brokers and Kafka's tools.
    pub(crate) java: PathBuf,
    /// Java for the registry, or why there is none.
    pub(crate) registry_java: Result<PathBuf, String>,
    /// Python with `venv`.
    pub(crate) python: PathBuf,
}

/// Looks for everything.
///
/// # Errors
/// All that is missing, in one sentence.
pub(crate) fn find() -> Result<Machine, String> {
    let javas = javas();
    let java = at_least(&javas, BROKER_JAVA);
    let python = python();
    let mut missing = Vec::new();
    if java.is_none() {
        missing.push(format!("Java {BROKER_JAVA} or later ({})", seen(&javas)));
    }
    if said("mvn", &["--version"]).is_none() {
        missing.push("mvn (Apache Maven)".to_owned());
    }
    if python.is_none() {
        missing.push(format!("python3 {}.{} or later with venv", PYTHON.0, PYTHON.1));
    }
    let (Some(java), Some(python), true) = (java, python, missing.is_empty()) else {
        return Err(format!("not found: {}", missing.join("; ")));
    };
    let registry_java = at_least(&javas, REGISTRY_JAVA).ok_or_else(|| {
        format!(
            "the schema registry needs Java {REGISTRY_JAVA} or later ({})",
            seen(&javas)
        )
    });
    Ok(Machine {
        java,
        registry_java,
        python,
    })
}

/// Every Java here with its version: the chosen one first, then that of the path, then the others.
fn javas() -> Vec<(PathBuf, u32)> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let mut places: Vec<PathBuf> = home.into_iter().chain([PathBuf::from("java")]).collect();
    let installed = std::fs::read_dir(JVM_FOLDER).into_iter().flatten().flatten();
    let mut installed: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin/java")).collect();
    installed.sort();
    places.extend(installed);
    let version = |place: PathBuf| Some((place.clone(), java_version(&said(&place, &["-version"])?)?));
    places.into_iter().filter_map(version).collect()
}

fn at_least(javas: &[(PathBuf, u32)], version: u32) -> Option<PathBuf> {
    let found = javas.iter().find(|(_, has)| *has >= version);
    found.map(|(place, _)| place.clone())
}

fn seen(javas: &[(PathBuf, u32)]) -> String {
    if javas.is_empty() {
        return "no Java is here".to_owned();
    }
    let each: Vec<String> = javas
        .iter()
        .map(|(place, version)| format!("{} is Java {version}", place.display()))
        .collect();
    each.join(", ")
}

/// `openjdk version "17.0.15" 2025-04-15` is 17, and so was `java version "1.8.0_392"` 8.
fn java_version(text: &str) -> Option<u32> {
    let mut numbers = text.split('"').nth(1)?.split(['.', '-', '_', '+']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        version => Some(version),
    }
}

fn python() -> Option<PathBuf> {
    let python = PathBuf::from("python3");
    // `ensurepip` is what Debian's package python3-venv brings.
    let program = "import ensurepip, sys; print(*sys.version_info[:2])";
    let text = said(&python, &["-c", program])?;
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u32>().ok());
    let version = (numbers.next()??, numbers.next()??);
    (version >= PYTHON).then_some(python)
}

/// What a program prints, on whichever stream; none when it cannot be started or fails.
fn said(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_java_are_read() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_version("openjdk version \"25\" 2025-09-16 LTS"), Some(25));
        assert_eq!(java_version("openjdk version \"21-ea\" 2023-09-19"), Some(21));
        assert_eq!(java_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(java_version("command not found"), None);
    }

    #[test]
    fn the_first_java_that_is_new_enough_is_taken() {
        let javas = [("a", 17), ("b", 11), ("c", 25)].map(|(place, version)| (PathBuf::from(place), version));
        assert_eq!(at_least(&javas, 17), Some("a".into()));
        assert_eq!(at_least(&javas, 21), Some("c".into()));
        assert_eq!(at_least(&javas, 26), None);
        assert_eq!(seen(&javas[1..]), "b is Java 11, c is Java 25");
    }
}
