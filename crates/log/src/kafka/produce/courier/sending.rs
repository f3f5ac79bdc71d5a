//! Choosing what is sent, and waiting.
//!
//! It does not look into answers.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use kafka_protocol::messages::BrokerId;

use super::lane::Lane;
use super::link::{Link, Load, Waybill};
use super::{Courier, REQUEST_BYTES};
use crate::LogError;
use crate::kafka::failure::Failure;

/// The longest wait when nothing is under way and it is not known who leads.
const IDLE_PAUSE: Duration = Duration::from_millis(5);

/// What is done where as many requests are under way as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    WaitForOne,
    LeaveTheRest,
}

impl Courier {
    /// Sends whatever may go now.
    pub(in super::super) fn send_all(&mut self) -> Result<(), LogError> {
        self.send(WhenFull::LeaveTheRest)
    }

    /// Sends one batch of every partition that has any, and waits where that would be too many at a time.
    pub(super) fn send_full_requests(&mut self) -> Result<(), LogError> {
        self.send(WhenFull::WaitForOne)
    }

    /// Waits for an answer; with nothing under way, until something may be sent.
    pub(super) fn wait(&mut self) -> Result<(), LogError> {
        let waiting = |(broker, link): (&BrokerId, &Link)| link.waits_since().map(|since| (since, *broker));
        if let Some((_, broker)) = self.links.iter().filter_map(waiting).min_by_key(|(since, _)| *since) {
            return self.receive(broker);
        }
        let now = Instant::now();
        let opens_at = self.lanes.iter().filter_map(|lane| lane.opens_at()).min();
        let pause = opens_at.map_or(IDLE_PAUSE, |opens_at| opens_at.saturating_duration_since(now));
        std::thread::sleep(pause);
        Ok(())
    }

    fn send(&mut self, when_full: WhenFull) -> Result<(), LogError> {
        self.look_for_doubtful()?;
        for (leader, mut lanes) in self.ready_lanes()? {
            while !lanes.is_empty() {
                if self.links.get(&leader).is_some_and(Link::is_full) {
                    match when_full {
                        WhenFull::LeaveTheRest => break,
                        WhenFull::WaitForOne => self.receive(leader)?,
                    }
                }
                self.send_request(leader, &mut lanes)?;
            }
        }
        Ok(())
    }

    /// The lanes that have a batch to send, by the broker that leads them.
    fn ready_lanes(&mut self) -> Result<HashMap<BrokerId, VecDeque<usize>>, LogError> {
        let now = Instant::now();
        let mut ready: HashMap<BrokerId, VecDeque<usize>> = HashMap::new();
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].ready(now).is_none() {
                continue;
            }
            match self.leader(lane) {
                Ok(leader) => ready.entry(leader).or_default().push_back(lane),
                Err(failure) => self.postpone(&[lane], failure)?,
            }
        }
        Ok(ready)
    }

    fn leader(&mut self, lane: usize) -> Result<BrokerId, Failure> {
        let lane = &mut self.lanes[lane];
        if let Some(leader) = lane.leader {
            return Ok(leader);
        }
        let leader = self.cluster.leader(&lane.topic, lane.partition)?;
        lane.leader = Some(leader);
        Ok(leader)
    }

    /// One request of what the first of `lanes` have, which are taken out.
    fn send_request(&mut self, leader: BrokerId, lanes: &mut VecDeque<usize>) -> Result<(), LogError> {
        if !self.links.get(&leader).is_some_and(Link::is_usable) {
            match self.connect(leader) {
                Ok(link) => self.meet(leader, link),
                Err(failure) => return self.postpone(&std::mem::take(lanes).into_iter().collect::<Vec<_>>(), failure),
            };
        }
        let now = Instant::now();
        let mut loads = Vec::with_capacity(lanes.len());
        let mut bytes = 0;
        while let Some(&lane) = lanes.front() {
            // Answers that came since may have closed it.
            let ready = self.lanes[lane]
                .ready(now)
                .filter(|_| self.lanes[lane].leader == Some(leader));
            let Some(batch_bytes) = ready else {
                lanes.pop_front();
                continue;
            };
            if bytes > 0 && bytes + batch_bytes > REQUEST_BYTES {
                break;
            }
            bytes += batch_bytes;
            lanes.pop_front();
            if let Some((ticket, batch)) = self.lanes[lane].take() {
                loads.push((Waybill { lane, ticket }, batch));
            }
        }
        self.hand_to_link(leader, loads, now)
    }

    fn hand_to_link(
        &mut self,
        leader: BrokerId,
        loads: Vec<(Waybill, bytes::Bytes)>,
        now: Instant,
    ) -> Result<(), LogError> {
        let Some(link) = self.links.get_mut(&leader).filter(|_| !loads.is_empty()) else {
            return Ok(());
        };
        let load = |(waybill, batch): (Waybill, bytes::Bytes)| Load {
            waybill,
            topic: &self.lanes[waybill.lane].topic,
            partition: self.lanes[waybill.lane].partition,
            batch,
        };
        let loads = loads.into_iter().map(load).collect();
        match link.send(&self.terms, loads, now) {
            Ok(()) => Ok(()),
            Err((failure, parcels)) => self.lost(leader, parcels, failure),
        }
    }

    fn meet(&mut self, leader: BrokerId, link: Link) {
        self.links.insert(leader, link);
        let led = self.lanes.iter_mut().filter(|lane| lane.leader == Some(leader));
        led.for_each(Lane::meet_anew);
    }

    fn connect(&self, leader: BrokerId) -> Result<Link, Failure> {
        let mut connection = self.cluster.connect(leader)?;
        connection.set_timeout(self.terms.timeout);
        Link::new(connection)
    }

    /// These have to wait: their leader is not known or cannot be reached.
    pub(super) fn postpone(&mut self, lanes: &[usize], failure: Failure) -> Result<(), LogError> {
        self.cluster.forget_what_is_stale(&failure);
        let now = Instant::now();
        for &lane in lanes {
            self.lanes[lane].postpone(now);
        }
        self.go_on_after(failure)
    }
}
