//! What is asked, how often, and what an answer means.

use hw_log::LogError;
use hw_log::kafka::SchemaIds;
use hw_registry::{Registered, value_subject};

use crate::server::{Server, missing, say};
use crate::{at, registry};

const SCHEMA: &str = r#"{"schema":"\"string\""}"#;

#[test]
fn a_schema_is_asked_for_once() {
    let server = Server::start(&[say(200, SCHEMA)]);
    let registry = at(&[&server.url()]);
    for _ in 0..3 {
        assert_eq!(registry.schema(7).expect("answered").as_deref(), Some("\"string\""));
    }
    assert_eq!(server.lines(), ["GET /schemas/ids/7"]);
}

#[test]
fn a_schema_is_registered_once_a_subject() {
    let server = Server::start(&[say(200, r#"{"id":12}"#), say(200, r#"{"id":13}"#)]);
    let registry = at(&[&format!("{}/apis/ccompat/v7/", server.url())]);
    for _ in 0..2 {
        assert_eq!(registry.register(&value_subject("a/b"), "\"int\"").expect("taken"), 12);
    }
    assert_eq!(registry.register("other", "\"int\"").expect("taken"), 13);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].line, "POST /apis/ccompat/v7/subjects/a%2Fb-value/versions");
    assert_eq!(asked[0].body, r#"{"schema":"\"int\""}"#);
}

#[test]
fn the_namespace_of_the_topics_stands_before_the_subjects() {
    let server = Server::start(&[say(200, r#"{"id":1}"#)]);
    let registry = registry(&format!(
        "schema.registry.url={}\nheartwatch.namespace=try-2.",
        server.url()
    ));
    registry.register(&value_subject("readings"), "\"int\"").expect("taken");
    assert_eq!(server.lines(), ["POST /subjects/try-2.readings-value/versions"]);
}

#[test]
fn an_id_that_is_not_there_is_believed_to_be_so_for_a_while() {
    let server = Server::start(&[missing()]);
    let registry = at(&[&server.url()]);
    for _ in 0..3 {
        assert_eq!(registry.schema(7), Ok(None));
    }
    assert_eq!(server.lines().len(), 1);
    assert_eq!(registry.schema(8), Ok(None));
    assert_eq!(server.lines().len(), 2);
}

#[test]
fn the_newest_version_is_asked_for_each_time() {
    let version = r#"{"subject":"s","version":3,"id":9,"schema":"\"int\"","schemaType":"AVRO","references":[]}"#;
    let no_subject = r#"{"error_code":40401,"message":"Subject not found"}"#;
    let server = Server::start(&[say(200, version), say(404, no_subject)]);
    let registry = at(&[&server.url()]);
    let expected = Registered {
        id: 9,
        version: 3,
        schema: "\"int\"".into(),
    };
    assert_eq!(registry.latest("s"), Ok(Some(expected)));
    assert_eq!(registry.latest("s"), Ok(None));
    assert_eq!(server.lines(), ["GET /subjects/s/versions/latest"; 2]);
}

#[test]
fn schemas_that_are_not_avro_or_not_whole_are_refused_for_good() {
    let reference = r#"{"schema":"{}","references":[{"name":"hw.Place","subject":"places-value","version":1}]}"#;
    for (body, reason) in [
        (
            r#"{"schemaType":"PROTOBUF","schema":"syntax"}"#,
            "schema id 7 cannot be used: it is PROTOBUF, and only AVRO is read here",
        ),
        (
            reference,
            "schema id 7 cannot be used: it refers to the schema hw.Place of subject places-value; register it with the \
             types of that one written out",
        ),
    ] {
        let server = Server::start(&[say(200, body)]);
        let registry = at(&[&server.url()]);
        for _ in 0..2 {
            let error = registry.schema(7).expect_err("unusable");
            assert!(!error.is_retriable());
            assert_eq!(error.to_string(), reason);
        }
        assert_eq!(server.lines().len(), 1);
    }
}

#[test]
fn a_schema_that_the_registry_does_not_take_is_a_mistake_in_its_words() {
    for status in [409, 422] {
        let server = Server::start(&[say(status, r#"{"error_code":1,"message":"field a is gone"}"#)]);
        let error = at(&[&server.url()]).register("s", "\"int\"").expect_err("not taken");
        assert!(!error.is_retriable());
        assert_eq!(
            error.to_string(),
            "the schema of subject \"s\" is not possible: the schema registry does not take it: field a is gone"
        );
        assert_eq!(server.lines().len(), 1);
    }
}

#[test]
fn what_is_no_registry_does_not_make_ids_unknown() {
    for (status, body) in [
        (404, "<html>not found</html>"),
        (200, "<html>hello</html>"),
        (200, r#"{"hello":1}"#),
    ] {
        let server = Server::start(&[say(status, body)]);
        let error = at(&[&server.url()]).schema(7).expect_err("no registry");
        assert!(
            matches!(&error, LogError::Registry { url, .. } if *url == server.url()),
            "{error}"
        );
        assert!(error.to_string().contains("check schema.registry.url"), "{error}");
        assert_eq!(server.lines().len(), 1, "it is not asked again");
    }
}
