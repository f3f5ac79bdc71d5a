//! Committed offsets of groups: those in force, and those that wait for their transaction's end.

use std::collections::{BTreeMap, BTreeSet};

use hw_engine::{Mark, Resume};
use hw_log::Commit;

use super::Place;

/// Group, topic, partition.
type Key = (String, String, u32);

/// The offsets topic.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    in_force: BTreeMap<Key, Commit>,
    /// With their transactions, in the order in which they came.
    pending: Vec<(u64, Commit)>,
    /// Every commit that ever came into force, with its time.
    pub(crate) history: Vec<(i64, Commit)>,
    /// Offset and clock of the marks that they told of.
    marks: BTreeMap<Key, BTreeSet<(u64, i64)>>,
}

impl Offsets {
    pub(crate) fn add_pending(&mut self, transaction: u64, commit: Commit) {
        self.pending.push((transaction, commit));
    }

    /// A transaction's end has reached a group.
    pub(crate) fn end(&mut self, now_ms: i64, group: &str, transaction: u64, is_commit: bool) {
        let (ended, left) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(of, commit)| *of == transaction && commit.group == group);
        self.pending = left;
        let ended: Vec<(u64, Commit)> = ended;
        for (_, commit) in ended.into_iter().filter(|_| is_commit) {
            self.put(now_ms, commit);
        }
    }

    pub(crate) fn put(&mut self, now_ms: i64, commit: Commit) {
        if let Ok(resume) = Resume::from_bytes(&commit.metadata) {
            let marks = resume.marks.iter().map(|mark| (mark.offset, mark.clock_ms));
            self.marks.entry(key(&commit)).or_default().extend(marks);
        }
        self.history.push((now_ms, commit.clone()));
        self.in_force.insert(key(&commit), commit);
    }

    /// Whether a commit of the group has told of a mark with that offset and clock.
    pub(crate) fn has_mark(&self, commit: &Commit, mark: &Mark) -> bool {
        let marks = self.marks.get(&key(commit));
        marks.is_some_and(|marks| marks.contains(&(mark.offset, mark.clock_ms)))
    }

    /// In force, by topic and partition.
    pub(crate) fn of(&self, group: &str) -> Vec<Commit> {
        let mine = self.in_force.values().filter(|commit| commit.group == group);
        mine.cloned().collect()
    }

    /// Places whose next commit is not decided.
    pub(crate) fn undecided(&self, group: &str) -> Vec<Place> {
        let mine = self.pending.iter().filter(|(_, commit)| commit.group == group);
        mine.map(|(_, commit)| (commit.topic.clone(), commit.partition))
            .collect()
    }
}

fn key(commit: &Commit) -> Key {
    (commit.group.clone(), commit.topic.clone(), commit.partition)
}
