//! What an answer of a registry means: status and body, nothing else.
//!
//! It asks nobody and remembers nothing. The one thing to get right is what counts as absence, for that makes dead letters:
//! only what says so in the registry's own words does, never a 404 of a proxy or of a path that was mistyped.

use serde_json::Value;

/// Codes in Confluent's API for a subject, a version and a schema that are not there.
const MISSING: [u64; 3] = [40401, 40402, 40403];
/// Most characters of an answer in a message.
const QUOTED_MAX: usize = 300;

/// What is to be made of an answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// What was asked for.
    Good(Value),
    /// The registry does not have it.
    Missing,
    /// The registry does not take what it was sent; its own words.
    Unfit(String),
    /// Asking again here gives the same: a sentence with what to do.
    Refused(String),
    /// Asking again later may give another answer: a sentence.
    Away(String),
}

pub(crate) fn verdict(status: u16, body: &str) -> Verdict {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let field = |name: &str| json.as_ref().and_then(|json| json.get(name));
    let words = shortened(field("message").and_then(Value::as_str).unwrap_or(body));
    let code = field("error_code").and_then(Value::as_u64);
    match (status, json) {
        (200..=299, Some(json @ Value::Object(_))) => Verdict::Good(json),
        (404, _) if code.is_some_and(|code| MISSING.contains(&code)) => Verdict::Missing,
        (409 | 422, _) => Verdict::Unfit(words),
        (408 | 425 | 429 | 500.., _) => Verdict::Away(format!("it answered {status}: {words}")),
        (401, _) => Verdict::Refused(
            "it wants to know who asks (401); set schema.registry.basic.auth.user.info to user:password".into(),
        ),
        (403, _) => Verdict::Refused(format!("the user is not allowed to do this (403): {words}")),
        (200..=399 | 404, _) => Verdict::Refused(format!(
            "what answers there ({status}) is no schema registry; check schema.registry.url (that of Apicurio ends in \
             /apis/ccompat/v7)"
        )),
        _ => Verdict::Refused(format!("it answered {status}: {words}")),
    }
}

fn shortened(text: &str) -> String {
    let mut letters = text
        .trim()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short: String = letters.by_ref().take(QUOTED_MAX).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_registry_can_say_that_something_is_not_there() {
        let missing = r#"{"error_code":40403,"message":"Schema 9 not found"}"#;
        assert_eq!(verdict(404, missing), Verdict::Missing);
        for (status, body) in [
            (404, "<html>404</html>"),
            (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
            (404, r#"{"status":404}"#),
            (200, "<html>hello</html>"),
            (200, ""),
            (302, ""),
        ] {
            let refused = verdict(status, body);
            assert!(
                matches!(&refused, Verdict::Refused(reason) if reason.contains("is no schema registry")),
                "{refused:?}"
            );
        }
        assert!(
            matches!(verdict(503, missing), Verdict::Away(_)),
            "whatever its body says"
        );
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        assert_eq!(verdict(200, r#"{"id":1}"#), Verdict::Good(json!({"id": 1})));
        for status in [408, 429, 500, 502, 503, 599] {
            assert!(matches!(verdict(status, "x"), Verdict::Away(_)), "{status}");
        }
        for status in [400, 401, 403, 405, 406] {
            assert!(matches!(verdict(status, "x"), Verdict::Refused(_)), "{status}");
        }
        let words = verdict(409, r#"{"error_code":409,"message":"incompatible"}"#);
        assert_eq!(words, Verdict::Unfit("incompatible".into()));
    }

    #[test]
    fn long_answers_are_quoted_in_part() {
        let Verdict::Unfit(words) = verdict(422, &"ü\n".repeat(1_000)) else {
            panic!("unfit");
        };
        assert!(words.chars().count() == QUOTED_MAX + 1 && !words.contains('\n'));
    }
}
