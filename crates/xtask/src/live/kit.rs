//! `Kit`: everything that was fetched and built for live tests, and how it is started.
//!
//! It starts nothing by itself but what fetches and builds. What it fetched stays in `target/live`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::machine::Machine;
use super::process::Process;

/// The folder of what live tests bring of their own.
const SOURCES: &str = "tests/live";
/// Maven or pip may wait for a slow network.
const FETCH_PATIENCE: Duration = Duration::from_secs(900);
/// A first build compiles DataFusion.
const BUILD_PATIENCE: Duration = Duration::from_secs(3600);

/// What tests are made with.
#[derive(Debug)]
pub(crate) struct Kit {
    root: PathBuf,
    folder: PathBuf,
    machine: Machine,
    /// Given on the command line, or built when first asked for.
    binary: OnceLock<PathBuf>,
}

/// Whose classes a Java program is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Classes {
    /// The broker's.
    Broker,
    /// The command-line tools'.
    Tools,
}

impl Kit {
    /// Fetches what is missing.
    pub(crate) fn prepare(root: &Path, machine: Machine, binary: Option<PathBuf>) -> Result<Kit> {
        let kit = Kit {
            root: root.to_path_buf(),
            folder: root.join("target/live"),
            machine,
            binary: OnceLock::new(),
        };
        if let Some(binary) = binary {
            let binary = binary
                .canonicalize()
                .with_context(|| format!("there is no program {}", binary.display()))?;
            kit.binary.get_or_init(|| binary);
        }
        kit.fetch_jars()?;
        kit.fetch_python()?;
        Ok(kit)
    }

    /// The repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for everything that is not the repository's.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file that live tests bring.
    pub(crate) fn source(&self, name: &str) -> PathBuf {
        self.root.join(SOURCES).join(name)
    }

    /// A schema that comes with the product.
    pub(crate) fn schema(&self, record: &str) -> PathBuf {
        self.root.join("crates/avro/schemas").join(format!("{record}.avsc"))
    }

    /// A Java program; its arguments are still to come.
    pub(crate) fn java(&self, classes: Classes, heap: &str, main: &str) -> Command {
        let libs = self.folder.join("libs/*").display().to_string();
        // The tools' own version stands before the broker's, which has the rest of what they need.
        let (logging, class_path) = match classes {
            Classes::Broker => ("broker", libs),
            Classes::Tools => ("tools", format!("{}:{libs}", self.folder.join("tools/*").display())),
        };
        let logging = self.source(&format!("log4j/{logging}.properties"));
        let mut command = short_lived(&self.machine.java, heap);
        command
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .args(["-cp", &class_path, main]);
        command
    }

    /// The schema registry, or why it cannot run here.
    pub(crate) fn registry(&self, heap: &str) -> Result<Command, String> {
        let java = self.machine.registry_java.as_ref().map_err(Clone::clone)?;
        let mut command = short_lived(java, heap);
        command.arg("-jar").arg(self.folder.join("registry/quarkus-run.jar"));
        Ok(command)
    }

    /// One of the foreign programs in Python.
    pub(crate) fn python(&self, script: &str) -> Command {
        let mut command = Command::new(self.folder.join("venv/bin/python"));
        command
            .arg(self.source(script))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            // Libraries that warn of each other's future.
            .env("PYTHONWARNINGS", "ignore");
        command
    }

    /// The program under test.
    pub(crate) fn heartwatch(&self) -> Result<Command> {
        if self.binary.get().is_none() {
            let binary = self.build()?;
            self.binary.get_or_init(|| binary);
        }
        let binary = self.binary.get().context("invariant: it was set above")?;
        let mut command = Command::new(binary);
        command.env("NO_COLOR", "1").env("TERM", "dumb");
        Ok(command)
    }

    /// cargo, as it started this.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    fn build(&self) -> Result<PathBuf> {
        self.step("the program", self.cargo().arg("build"), BUILD_PATIENCE)?;
        let xtask = std::env::current_exe()?;
        // TARGET/debug/xtask, or another profile's folder beside it.
        let target = xtask.ancestors().nth(2).context("invariant: cargo has built this")?;
        let binary = target.join("debug/heartwatch");
        if !binary.is_file() {
            bail!("`cargo build` has not made {}; give --binary FILE", binary.display());
        }
        Ok(binary)
    }

    fn fetch_jars(&self) -> Result<()> {
        let pom = self.source("pom.xml");
        let registry = self.machine.registry_java.is_ok();
        let wanted = format!("registry: {registry}\n{}", std::fs::read_to_string(&pom)?);
        // `maven` too: Maven keeps there what it believes to be unpacked.
        self.once("jars", &wanted, &["libs", "tools", "registry", "maven"], || {
            let mut maven = Command::new("mvn");
            maven
                .args(["-q", "-B", "-Dstyle.color=never", "-f"])
                .arg(&pom)
                .arg(format!("-Dlive.folder={}", self.folder.display()));
            if registry {
                maven.arg("-Pregistry");
            }
            self.step("jars, by Maven", maven.arg("process-resources"), FETCH_PATIENCE)
        })
    }

    fn fetch_python(&self) -> Result<()> {
        let list = self.source("requirements.txt");
        self.once("venv", &std::fs::read_to_string(&list)?, &["venv"], || {
            let venv = self.folder.join("venv");
            let mut make = Command::new(&self.machine.python);
            self.step("a venv", make.args(["-m", "venv"]).arg(&venv), FETCH_PATIENCE)?;
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--only-binary", ":all:", "-r"])
                .arg(&list);
            self.step("foreign clients, by pip", &mut pip, FETCH_PATIENCE)
        })
    }

    /// Does it unless it was done for the same text; removes the folders before.
    fn once(&self, name: &str, wanted: &str, folders: &[&str], fetch: impl FnOnce() -> Result<()>) -> Result<()> {
        let stamp = self.folder.join(format!("{name}.fetched"));
        if std::fs::read_to_string(&stamp).is_ok_and(|done| done == wanted) {
            return Ok(());
        }
        for folder in folders.iter().map(|folder| self.folder.join(folder)) {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        std::fs::create_dir_all(&self.folder)?;
        fetch()?;
        Ok(std::fs::write(&stamp, wanted)?)
    }

    fn step(&self, what: &str, command: &mut Command, patience: Duration) -> Result<()> {
        let began = Instant::now();
        println!("fetching or building {what}");
        Process::run("prepare", &self.folder.join("prepare"), command, patience)
            .with_context(|| format!("{what} could not be had"))?;
        println!("    took {:.1} s: {what}", began.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Java for minutes: its second compiler and its parallel collectors cost more than they give within that time.
fn short_lived(java: &Path, heap: &str) -> Command {
    let mut command = Command::new(java);
    command.args([
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
    ]);
    command.arg(format!("-Xmx{heap}"));
    command
}
