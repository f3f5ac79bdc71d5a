//! Who asks, and that nobody else learns his password.

use hw_log::kafka::SchemaIds;

use crate::server::{Reply, Server, say};
use crate::{at, impatient, registry};

const SCHEMA: &str = r#"{"schema":"\"string\""}"#;
/// `anna:secret` in base64.
const ANNA: &str = "Basic YW5uYTpzZWNyZXQ=";

#[test]
fn the_user_is_named_to_the_registry() {
    for by_settings in [true, false] {
        let server = Server::start(&[say(200, SCHEMA)]);
        let (address, more) = match by_settings {
            true => (
                server.url(),
                "\nbasic.auth.credentials.source=USER_INFO\nbasic.auth.user.info=anna:secret",
            ),
            false => (
                server.url().replace("//", "//anna:secret@"),
                "\nbasic.auth.credentials.source=URL",
            ),
        };
        registry(&format!("schema.registry.url={address}{more}"))
            .schema(7)
            .expect("answered");
        assert_eq!(server.asked()[0].authorization.as_deref(), Some(ANNA));
        assert_eq!(server.asked()[0].line, "GET /schemas/ids/7");
    }
    let server = Server::start(&[say(200, SCHEMA)]);
    at(&[&server.url()]).schema(7).expect("answered");
    assert_eq!(server.asked()[0].authorization, None);
}

#[test]
fn a_user_who_is_refused_is_told_what_to_set_and_nothing_shows_the_password() {
    for (reply, reason) in [
        (
            say(401, r#"{"message":"Unauthorized"}"#),
            "set schema.registry.basic.auth.user.info",
        ),
        (say(403, "no"), "the user is not allowed to do this (403): no"),
        (say(500, ""), "it answered 500"),
        (Reply::Hang, "the schema registry does not answer"),
    ] {
        let server = Server::start(&[reply]);
        let url = server.url().replace("//", "//anna:secret@");
        let registry = impatient(&[&url]);
        let error = registry.schema(7).expect_err("refused");
        let shown = format!("{error} {error:?} {registry:?}");
        assert!(shown.contains(reason) && shown.contains(&server.url()), "{shown}");
        assert!(!shown.contains("secret") && !shown.contains("YW5uYT"), "{shown}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Server::start(&[say(200, r#"{"id":1,"schema":"x"}"#)]);
    for status in [301, 302, 307, 308] {
        let to_other = Reply::Header(status, format!("Location: {}/schemas/ids/7", other.url()));
        let server = Server::start(&[to_other]);
        let registry = at(&[&server.url().replace("//", "//anna:secret@")]);
        for error in [
            registry.schema(7).expect_err("asked"),
            registry.register("s", "x").expect_err("sent"),
        ] {
            assert!(error.to_string().contains("is no schema registry"), "{error}");
        }
    }
    assert!(other.asked().is_empty());
}
