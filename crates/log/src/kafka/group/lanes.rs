//! `Lanes`: what a member wants to ask and what it has asked, on each of its two connections.
//!
//! It sends nothing. Whoever does takes one request of a lane at a time and brings what became of it.

use std::time::Instant;

use super::ask::{Ask, Lane};

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) ask: Ask,
    pub(super) sent_at: Instant,
    /// Nobody waits for its answer any more.
    is_abandoned: bool,
}

/// Both lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    rebalance: State,
    heartbeat: State,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Ask>,
    under_way: Option<UnderWay>,
}

impl Lanes {
    /// To be sent next.
    pub(super) fn ask(&mut self, lane: Lane, ask: Ask) {
        self.lane_mut(lane).wanted = Some(ask);
    }

    /// Whether nothing is wanted or under way.
    pub(super) fn is_free(&self, lane: Lane) -> bool {
        let State { wanted, under_way } = self.lane(lane);
        wanted.is_none() && under_way.is_none()
    }

    /// Whether something waits to be sent.
    pub(super) fn is_wanted(&self, lane: Lane) -> bool {
        self.lane(lane).wanted.is_some() && self.lane(lane).under_way.is_none()
    }

    /// What is to be sent now.
    pub(super) fn take(&mut self, lane: Lane, now: Instant) -> Option<Ask> {
        let state = self.lane_mut(lane);
        if state.under_way.is_some() {
            return None;
        }
        let ask = state.wanted.take()?;
        state.under_way = Some(UnderWay {
            ask: ask.clone(),
            sent_at: now,
            is_abandoned: false,
        });
        Some(ask)
    }

    /// The answer came, or never will; `None` when nobody waits for it.
    pub(super) fn finish(&mut self, lane: Lane) -> Option<UnderWay> {
        self.lane_mut(lane)
            .under_way
            .take()
            .filter(|under_way| !under_way.is_abandoned)
    }

    /// Whatever is wanted or under way is of no use any more.
    pub(super) fn abandon(&mut self, lane: Lane) {
        let state = self.lane_mut(lane);
        state.wanted = None;
        if let Some(under_way) = &mut state.under_way {
            under_way.is_abandoned = true;
        }
    }

    /// Whether the connection should be given up instead of waiting on.
    pub(super) fn is_abandoned(&self, lane: Lane) -> bool {
        self.lane(lane)
            .under_way
            .as_ref()
            .is_some_and(|under_way| under_way.is_abandoned)
    }

    fn lane(&self, lane: Lane) -> &State {
        match lane {
            Lane::Rebalance => &self.rebalance,
            Lane::Heartbeat => &self.heartbeat,
        }
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut State {
        match lane {
            Lane::Rebalance => &mut self.rebalance,
            Lane::Heartbeat => &mut self.heartbeat,
        }
    }
}
