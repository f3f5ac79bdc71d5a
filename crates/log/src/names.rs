//! Which names and sizes a log takes.
//!
//! It does not know whether anything of that name exists.

use crate::{LogError, METADATA_BYTES_MAX, TopicOptions, Transaction};

/// The most bytes of batches and metadata in one transaction: what fits into the memory of both ends of a socket
/// without a second thought. An engine that commits ten times a second stays far below it.
pub(crate) const TRANSACTION_BYTES_MAX: usize = 64 << 20;

const PARTITIONS_MAX: u32 = 10_000;
const SUBJECT_BYTES_MAX: usize = 1_000;
const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// Kafka's rule for topics, applied to groups and engines as well.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), LogError> {
    let reason = if name.is_empty() || name.len() > 249 {
        "it must have 1 to 249 characters"
    } else if name == "." || name == ".." {
        "it would be a folder"
    } else if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        "only letters, digits, '.', '_' and '-' may be in it"
    } else {
        return Ok(());
    };
    Err(LogError::Invalid {
        what: what.into(),
        name: name.into(),
        reason: reason.into(),
    })
}

pub(crate) fn check_topic(name: &str, options: &TopicOptions) -> Result<(), LogError> {
    check_name("the topic name", name)?;
    if options.partitions == 0 || options.partitions > PARTITIONS_MAX {
        let reason = format!(
            "it has {} partitions, which must be 1 to {PARTITIONS_MAX}",
            options.partitions
        );
        return Err(LogError::Invalid {
            what: "the topic".into(),
            name: name.into(),
            reason,
        });
    }
    Ok(())
}

pub(crate) fn check_schema(subject: &str, json: &str) -> Result<(), LogError> {
    let invalid = |reason: String| LogError::Invalid {
        what: "the subject".into(),
        name: subject.into(),
        reason,
    };
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
        return Err(invalid(format!("it must have 1 to {SUBJECT_BYTES_MAX} bytes")));
    }
    if json.len() > SCHEMA_BYTES_MAX {
        let what = format!("the schema of {subject}");
        return Err(LogError::TooLarge {
            what,
            bytes: json.len() as u64,
            limit: SCHEMA_BYTES_MAX as u64,
        });
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(format!("its schema is no JSON: {error}"))),
    }
}

/// Everything about a transaction that can be told without the log.
pub(crate) fn check_transaction(transaction: &Transaction) -> Result<(), LogError> {
    let batches: usize = transaction.appends.iter().map(|append| append.batch.len()).sum();
    let metadata: usize = transaction.commits.iter().map(|commit| commit.metadata.len()).sum();
    if batches + metadata > TRANSACTION_BYTES_MAX {
        return Err(LogError::TooLarge {
            what: "a transaction".into(),
            bytes: (batches + metadata) as u64,
            limit: TRANSACTION_BYTES_MAX as u64,
        });
    }
    for commit in &transaction.commits {
        check_name("the group name", &commit.group)?;
        if commit.metadata.len() > METADATA_BYTES_MAX {
            return Err(LogError::TooLarge {
                what: format!(
                    "the metadata that {} commits for {}/{}",
                    commit.group, commit.topic, commit.partition
                ),
                bytes: commit.metadata.len() as u64,
                limit: METADATA_BYTES_MAX as u64,
            });
        }
    }
    Ok(())
}
