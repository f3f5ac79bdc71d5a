//! `DeadLetter`: a dead letter as a foreign consumer sees it, byte for byte.
//!
//! It does not judge whether it had to be one.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::foreign::RawRecord;

/// A record that a pipeline could not process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) reason: String,
    /// Where it stood, with the names that the program was given.
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) original: Original,
}

/// What the record was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Original {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    /// In base64; none for a tombstone.
    pub(crate) value: Option<String>,
}

impl DeadLetter {
    /// From a record of the topic of dead letters.
    pub(crate) fn of(record: &RawRecord) -> Result<DeadLetter> {
        let header = |name: &str| {
            let text = record.headers.get(name)?;
            String::from_utf8(STANDARD.decode(text).ok()?).ok()
        };
        let parse = || {
            Some(DeadLetter {
                reason: header("reason")?,
                topic: header("topic")?,
                partition: header("partition")?.parse().ok()?,
                offset: header("offset")?.parse().ok()?,
                original: Original::of(record),
            })
        };
        let (partition, offset) = (record.partition, record.offset);
        parse().with_context(|| {
            format!(
                "no dead letter at partition {partition}, offset {offset}: {:?}",
                record.headers
            )
        })
    }

    /// Where its original stood.
    pub(crate) fn place(&self) -> (u32, u64) {
        (self.partition, self.offset)
    }
}

impl Original {
    /// What a record is but its place.
    pub(crate) fn of(record: &RawRecord) -> Original {
        Original {
            timestamp: record.timestamp,
            key: record.key.clone(),
            value: record.value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_where_it_stood_and_why() {
        let line = r#"{"partition": 0, "offset": 4, "timestamp": 5, "key": "u", "value": "AQI=",
            "headers": {"reason": "bGF0ZQ==", "topic": "cg==", "partition": "Mw==", "offset": "MTc="}}"#;
        let mut record: RawRecord = serde_json::from_str(line).unwrap();
        let letter = DeadLetter::of(&record).unwrap();
        assert_eq!(
            (letter.reason.as_str(), letter.topic.as_str(), letter.place()),
            ("late", "r", (3, 17))
        );
        assert_eq!(letter.original.value.as_deref(), Some("AQI="));
        record.headers.remove("offset");
        assert!(DeadLetter::of(&record).is_err());
    }
}
