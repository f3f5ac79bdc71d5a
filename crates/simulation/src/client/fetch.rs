//! Fetching: what a worker reads was asked for before, and comes when it comes: late, twice, or out of order.
//!
//! A read never waits. It hands out what has arrived and fits where the reader stands, and asks for what follows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hw_log::{Fetch, LogError};

use crate::Bug;
use crate::cluster::Place;
use crate::world::{State, Who, World};

/// Answers that wait to be read, at most.
const BUFFERED_MAX: usize = 3;

/// Whoever is not answered for so long asks again.
const ASK_AGAIN_MS: i64 = 400;

/// An answer on its way.
struct Answer {
    due_ms: i64,
    /// Of the question, in the order in which they were asked.
    number: u64,
    from: u64,
    fetch: Fetch,
}

/// What is fetched of one partition.
#[derive(Default)]
struct Feed {
    /// Where the reader stands.
    at: u64,
    /// In offset order, the first at `at`.
    buffered: VecDeque<Fetch>,
    on_the_way: Vec<Answer>,
    asked_ms: i64,
    asked_from: Option<u64>,
    /// Questions so far.
    asked: u64,
    /// The last question that was answered.
    answered: u64,
    /// The partition's end, as last heard: it never goes back, whatever comes late.
    end: u64,
    /// Where the reader was told that nothing follows.
    ended_at: BTreeSet<u64>,
}

/// What is fetched of all partitions.
#[derive(Default)]
pub(super) struct Feeds(BTreeMap<Place, Feed>);

impl Feeds {
    /// Whether a reader was told that the partition ends there.
    pub(super) fn has_ended_at(&self, place: &Place, offset: u64) -> bool {
        self.0.get(place).is_some_and(|feed| feed.has_ended_at(offset))
    }

    pub(super) fn read(
        &mut self,
        (world, who): (&World, Who),
        (topic, partition): (&str, u32),
        from: u64,
    ) -> Result<Fetch, LogError> {
        world.with(|state| {
            if state.dice.chance(state.faults.busy) {
                return Err(LogError::Busy {
                    path: "simulated".into(),
                    connections: 0,
                });
            }
            let place = (topic.to_owned(), partition);
            let feed = match self.0.entry(place.clone()) {
                std::collections::btree_map::Entry::Occupied(feed) => feed.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    // Whoever begins to read asks for the end first.
                    let end = state.cluster.partition(topic, partition)?.stable_end();
                    new.insert(Feed {
                        at: from,
                        end,
                        ..Feed::default()
                    })
                }
            };
            if feed.at != from {
                feed.at = from;
                feed.buffered.clear();
                feed.asked_from = None;
            }
            feed.take_arrived(state, who, &place);
            feed.ask(state, &place)?;
            state.buffered_max = state.buffered_max.max(feed.buffered.len() + feed.on_the_way.len());
            let fetch = feed.hand_out();
            if feed.has_ended_at(fetch.next_offset) {
                state.cluster.tell_end(&place, fetch.next_offset);
            }
            Ok(fetch)
        })
    }
}

impl Feed {
    fn has_ended_at(&self, offset: u64) -> bool {
        self.ended_at.contains(&offset)
    }

    /// Where what is buffered ends.
    fn wanted(&self) -> u64 {
        self.buffered.back().map_or(self.at, |last| last.next_offset)
    }

    fn take_arrived(&mut self, state: &mut State, who: Who, place: &Place) {
        let now_ms = state.now_ms;
        let (arrived, left) = std::mem::take(&mut self.on_the_way)
            .into_iter()
            .partition(|answer| answer.due_ms <= now_ms);
        self.on_the_way = left;
        let mut arrived: Vec<Answer> = arrived;
        arrived.sort_by_key(|answer| answer.due_ms);
        for answer in arrived {
            self.end = self.end.max(answer.fetch.end_offset);
            if answer.number <= self.answered {
                let again = answer.number == self.answered;
                let how = if again { "again" } else { "after a later one" };
                state.note(format!("{who}: what {place:?} had from {} on comes {how}", answer.from));
            }
            self.answered = self.answered.max(answer.number);
            let fits = answer.from == self.wanted() || state.cluster.has(Bug::AnyAnswer);
            if fits && answer.fetch.next_offset > answer.from {
                self.buffered.push_back(answer.fetch);
            }
            if self.asked_from == Some(answer.from) {
                self.asked_from = None;
            }
        }
    }

    fn ask(&mut self, state: &mut State, place: &Place) -> Result<(), LogError> {
        let from = self.wanted();
        let is_asked = self.asked_from == Some(from) && state.now_ms - self.asked_ms < ASK_AGAIN_MS;
        if is_asked || self.buffered.len() >= BUFFERED_MAX {
            return Ok(());
        }
        (self.asked_ms, self.asked_from) = (state.now_ms, Some(from));
        self.asked += 1;
        if state.is_silent(place) || state.dice.chance(state.faults.lose) {
            return Ok(());
        }
        let batches = 1 + state.dice.index(4);
        let fetch = state.cluster.fetch(&place.0, place.1, from, batches)?;
        let copies = 1 + usize::from(state.dice.chance(state.faults.repeat));
        for _ in 0..copies {
            let delay_ms = state.delay_ms();
            self.on_the_way.push(Answer {
                due_ms: state.now_ms + delay_ms,
                number: self.asked,
                from,
                fetch: fetch.clone(),
            });
        }
        Ok(())
    }

    fn hand_out(&mut self) -> Fetch {
        match self.buffered.pop_front() {
            Some(fetch) => {
                self.at = fetch.next_offset;
                Fetch {
                    end_offset: self.end,
                    ..fetch
                }
            }
            None => {
                if self.end <= self.at {
                    self.ended_at.insert(self.at);
                }
                Fetch {
                    batches: Vec::new(),
                    next_offset: self.at,
                    end_offset: self.end,
                }
            }
        }
    }
}
