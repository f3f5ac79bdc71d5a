//! What a registry has said: for good where it cannot change, for a short time where it can.
//!
//! It asks nobody. Every list has a bound; one that is full starts anew, which costs questions and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_log::LogError;

/// Far above the schemas of a topic; what passes it are made-up ids.
const ENTRIES_MAX: usize = 10_000;

/// A schema's text, or why there is none that can be used.
pub(crate) type Known = Result<Arc<str>, LogError>;

/// Answers by what was asked.
pub(crate) struct Cache {
    /// An id stands for the same schema for ever.
    schemas: HashMap<u32, Known>,
    /// Ids that were not there, and when that was seen.
    absent: HashMap<u32, Instant>,
    /// By subject and text.
    ids: HashMap<(String, String), u32>,
    absence: Duration,
}

impl Cache {
    /// `absence`: for how long an id that was not there is believed to be so.
    pub(crate) fn new(absence: Duration) -> Cache {
        Cache {
            schemas: HashMap::new(),
            absent: HashMap::new(),
            ids: HashMap::new(),
            absence,
        }
    }

    /// `Some(None)`: not there a moment ago. `None`: ask.
    pub(crate) fn schema(&self, id: u32) -> Option<Option<Known>> {
        if let Some(known) = self.schemas.get(&id) {
            return Some(Some(known.clone()));
        }
        let since = self.absent.get(&id)?;
        (since.elapsed() < self.absence).then_some(None)
    }

    pub(crate) fn keep_schema(&mut self, id: u32, known: Known) {
        self.absent.remove(&id);
        bounded(&mut self.schemas).insert(id, known);
    }

    pub(crate) fn keep_absence(&mut self, id: u32) {
        bounded(&mut self.absent).insert(id, Instant::now());
    }

    pub(crate) fn id(&self, subject: &str, json: &str) -> Option<u32> {
        self.ids.get(&(subject.to_owned(), json.to_owned())).copied()
    }

    pub(crate) fn keep_id(&mut self, subject: &str, json: &str, id: u32) {
        bounded(&mut self.ids).insert((subject.to_owned(), json.to_owned()), id);
    }
}

fn bounded<K, V>(list: &mut HashMap<K, V>) -> &mut HashMap<K, V> {
    if list.len() >= ENTRIES_MAX {
        list.clear();
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_passes_and_schemas_stay() {
        let mut cache = Cache::new(Duration::from_millis(20));
        assert_eq!(cache.schema(1), None);
        cache.keep_absence(1);
        assert_eq!(cache.schema(1), Some(None));
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(cache.schema(1), None);
        cache.keep_absence(1);
        cache.keep_schema(1, Ok("text".into()));
        assert_eq!(cache.schema(1), Some(Some(Ok("text".into()))));
    }

    #[test]
    fn made_up_ids_take_bounded_memory() {
        let mut cache = Cache::new(Duration::from_secs(60));
        (0..3 * ENTRIES_MAX as u32).for_each(|id| cache.keep_absence(id));
        assert!(cache.absent.len() <= ENTRIES_MAX);
    }
}
