//! The client against a server that misbehaves as it is told.

mod answers;
mod encryption;
mod retries;
mod server;
mod users;

use std::collections::BTreeMap;

use hw_registry::{Registry, Settings};

/// A registry by the lines of a properties file. The machine may be busy: it waits longer than any answer takes.
fn registry(properties: &str) -> Registry {
    let text = format!("schema.registry.default.api.timeout.ms=60000\n{properties}");
    Registry::new(&settings(&text)).expect("usable settings")
}

fn settings(text: &str) -> Settings {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut properties: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Settings::take_from(&mut properties)
        .expect("valid")
        .expect("a registry")
}

fn at(urls: &[&str]) -> Registry {
    registry(&format!("schema.registry.url={}", urls.join(",")))
}

/// One whose calls give up after half a second.
fn impatient(urls: &[&str]) -> Registry {
    let patience = "schema.registry.default.api.timeout.ms=500";
    registry(&format!("{patience}\nschema.registry.url={}", urls.join(",")))
}
