//! The client against a real registry, whose address `HEARTWATCH_TEST_REGISTRY` gives.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use hw_log::LogError;
use hw_log::kafka::SchemaIds;
use hw_registry::{Registry, Settings, value_subject};

const VARIABLE: &str = "HEARTWATCH_TEST_REGISTRY";
const READING: &str = r#"{"type":"record","name":"reading","fields":[{"name":"heart_rate","type":"int"}]}"#;
const WITH_PLACE: &str = r#"{"type":"record","name":"reading","fields":[{"name":"heart_rate","type":"int"},{"name":"zipcode","type":["null","int"],"default":null}]}"#;

fn registry(url: &str) -> Registry {
    let mut properties = BTreeMap::from([("schema.registry.url".to_owned(), url.to_owned())]);
    let settings = Settings::take_from(&mut properties)
        .expect("valid")
        .expect("a registry");
    Registry::new(&settings).expect("usable settings")
}

/// A topic that no test before has used.
fn topic() -> String {
    format!("registry-test.{:016x}", RandomState::new().build_hasher().finish())
}

/// The registry's address; without one it is said that the test was skipped.
fn url() -> Option<String> {
    let url = std::env::var(VARIABLE).ok();
    if url.is_none() {
        println!("skipped: {VARIABLE} is not set");
    }
    url
}

#[test]
fn schemas_are_registered_and_read_back() {
    let Some(url) = url() else { return };
    let (writer, subject) = (registry(&url), value_subject(&topic()));
    assert_eq!(writer.latest(&subject), Ok(None));
    let first = writer.register(&subject, READING).expect("registered");
    let second = writer.register(&subject, WITH_PLACE).expect("registered");
    assert_ne!(first, second);
    // Another client knows nothing yet, and registering again changes nothing.
    let reader = registry(&url);
    assert_eq!(reader.register(&subject, READING), Ok(first));
    assert_eq!(reader.schema(first).expect("answered").as_deref(), Some(READING));
    assert_eq!(reader.schema(second).expect("answered").as_deref(), Some(WITH_PLACE));
    let latest = reader.latest(&subject).expect("answered").expect("two versions");
    assert_eq!(
        (latest.id, latest.version, latest.schema.as_str()),
        (second, 2, WITH_PLACE)
    );
}

#[test]
fn an_id_that_nobody_has_is_none_and_a_wrong_path_is_not() {
    let Some(url) = url() else { return };
    assert_eq!(registry(&url).schema(2_000_000_000), Ok(None));
    let error = registry(&format!("{url}/elsewhere"))
        .schema(1)
        .expect_err("no registry");
    assert!(matches!(error, LogError::Registry { .. }), "{error}");
}

#[test]
fn what_is_no_schema_is_refused_in_the_registrys_words() {
    let Some(url) = url() else { return };
    let error = registry(&url).register(&value_subject(&topic()), r#"{"type":"no such type"}"#);
    let error = error.expect_err("no schema");
    assert!(matches!(error, LogError::Invalid { .. }), "{error}");
    assert!(
        error.to_string().contains("the schema registry does not take it: "),
        "{error}"
    );
}
