//! `SchemaIds`: who gives a schema its id, and knows the schema of an id.
//!
//! A log on Kafka is given one: a registry, or [`super::TopicSchemas`] where there is none. It does not look into schemas.

use crate::LogError;

/// Gives ids to schemas. Every call may come from any thread.
pub trait SchemaIds: Send + Sync {
    /// The id of a schema, which is new unless the same text was registered for the same subject. Ids start at 1.
    ///
    /// # Errors
    /// [`LogError::Invalid`] when the subject has no possible name or the text is no schema; or when whoever keeps the ids
    /// cannot be reached.
    fn register(&self, subject: &str, json: &str) -> Result<u32, LogError>;

    /// The text of a schema; `None` when no schema has that id.
    ///
    /// # Errors
    /// When whoever keeps the ids cannot be reached.
    fn schema(&self, id: u32) -> Result<Option<String>, LogError>;
}
