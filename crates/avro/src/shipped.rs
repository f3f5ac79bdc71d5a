//! The schemas that come with HeartWatch, every field with its unit.
//!
//! It does not register them anywhere.

/// One measurement of a watch: where somebody is and how fast the heart beats.
pub const READING: &str = include_str!("../schemas/reading.avsc");
/// A user's own range of heart rates.
pub const BASELINE: &str = include_str!("../schemas/baseline.avsc");
/// Somebody out of their own range while still.
pub const FINDING: &str = include_str!("../schemas/finding.avsc");

/// The shipped schema whose record has this name.
pub fn by_record_name(name: &str) -> Option<&'static str> {
    match name {
        "reading" => Some(READING),
        "baseline" => Some(BASELINE),
        "finding" => Some(FINDING),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    #[test]
    fn every_shipped_schema_parses_and_documents_every_field() {
        for name in ["reading", "baseline", "finding"] {
            let schema = Schema::parse(by_record_name(name).expect("shipped")).expect("valid");
            assert_eq!(schema.record.name, name);
            assert!(schema.record.doc.is_some());
            for field in &schema.record.fields {
                assert!(field.doc.is_some(), "{name}.{}", field.name);
            }
        }
        assert_eq!(by_record_name("alert"), None);
    }
}
