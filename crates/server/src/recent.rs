//! Recent: the last values of a stream, a bounded number of them, in memory.
//!
//! It does not know what the values are, and keeps no order but that of arrival.

use std::collections::VecDeque;

use serde_json::Value;

/// A ring of the last values.
#[derive(Debug)]
pub struct Recent {
    values: VecDeque<Value>,
    most: usize,
}

impl Recent {
    /// Keeps the last `most` values.
    pub fn new(most: usize) -> Recent {
        let values = VecDeque::with_capacity(most);
        Recent { values, most }
    }

    /// Adds the newest value, and forgets the oldest one when there are too many.
    pub fn push(&mut self, value: Value) {
        self.values.push_back(value);
        if self.values.len() > self.most {
            self.values.pop_front();
        }
    }

    /// The newest values, newest first, at most `limit`.
    pub fn newest(&self, limit: usize) -> Vec<Value> {
        self.values.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_are_kept_and_come_first() {
        let mut recent = Recent::new(3);
        assert_eq!(recent.newest(9), Vec::<Value>::new());
        for number in 1..=5 {
            recent.push(json!(number));
        }
        assert_eq!(recent.newest(9), [json!(5), json!(4), json!(3)]);
        assert_eq!(recent.newest(2), [json!(5), json!(4)]);
    }
}
