//! The script: what is sent to the source, and what befalls processes, groups and partitions, each at its time.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cluster::Place;
use crate::dice::Dice;
use crate::world::{Late, State, World};

/// A clock in another time zone.
const HOUR_MS: i64 = 3_600_000;

/// What happens next.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Send(Sending),
    Befall(Upheaval),
}

/// In the order of their times.
#[derive(Debug, Default)]
pub(crate) struct Script(VecDeque<(i64, Act)>);

impl Script {
    pub(crate) fn new(mut acts: Vec<(i64, Act)>) -> Script {
        acts.sort_by_key(|(at_ms, _)| *at_ms);
        Script(acts.into())
    }

    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.0.front().map(|(at_ms, _)| *at_ms)
    }

    pub(crate) fn next(&mut self) -> Option<Act> {
        self.0.pop_front().map(|(_, act)| act)
    }
}

/// A batch of somebody outside.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) place: Place,
    pub(crate) batch: Vec<u8>,
    pub(crate) how: How,
}

/// In which way it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Plain,
    /// In a transaction that ends after a while.
    Transaction {
        ends_after_ms: i64,
        is_commit: bool,
    },
}

impl Sending {
    pub(crate) fn send(&self, state: &mut State) {
        let (now_ms, place) = (state.now_ms, &self.place);
        match self.how {
            How::Plain => {
                state.cluster.append(place, &self.batch);
            }
            How::Transaction {
                ends_after_ms,
                is_commit,
            } => {
                // Nobody else has that name, so that nothing is refused.
                let id = format!("outside-{now_ms}-{}-{}", place.1, state.dice.next());
                let begun = state.cluster.init_producer(now_ms, &id, &[]).and_then(|epoch| {
                    state.cluster.produce(now_ms, (&id, epoch, 1), place, &self.batch)?;
                    Ok(epoch)
                });
                if let Ok(epoch) = begun {
                    let delays_ms = vec![0];
                    state.late.push(Late {
                        due_ms: now_ms + ends_after_ms,
                        id,
                        epoch,
                        is_commit,
                        delays_ms,
                    });
                }
            }
        }
    }
}

/// Something that happens to more than one call.
#[derive(Debug, Clone)]
pub(crate) enum Upheaval {
    /// A process ends at once.
    Kill(u32),
    /// A process is asked to end.
    Stop(u32),
    /// A process stands still, and goes on as if nothing had been.
    Pause { identity: u32, ms: i64 },
    /// A second life of a process begins while the first still lives.
    Twin(u32),
    /// A group's coordinator forgets one of its members.
    Forget,
    /// A partition answers no fetch.
    Silence { place: Place, ms: i64 },
    /// A process's clock is set.
    Set { identity: u32, by_ms: i64 },
}

impl Upheaval {
    pub(crate) fn draw(dice: &mut Dice, identities: u32, topic: &str, partitions: u32) -> Upheaval {
        let identity = dice.below(u64::from(identities)) as u32;
        match dice.below(8) {
            0 => Upheaval::Kill(identity),
            1 => Upheaval::Stop(identity),
            2 | 3 => Upheaval::Pause {
                identity,
                ms: dice.between(300, 9_000),
            },
            4 => Upheaval::Twin(identity),
            5 => Upheaval::Forget,
            6 => Upheaval::Set {
                identity,
                by_ms: if dice.chance(850) {
                    dice.between(-3_000, 3_000)
                } else {
                    dice.pick(&[-HOUR_MS, HOUR_MS])
                },
            },
            _ => Upheaval::Silence {
                place: (topic.to_owned(), dice.below(u64::from(partitions)) as u32),
                ms: dice.between(300, 6_000),
            },
        }
    }

    pub(crate) fn befall(&self, world: &Arc<World>) {
        world.note(|| format!("upheaval: {self:?}"));
        let now_ms = world.now_ms();
        match self {
            Upheaval::Kill(identity) => {
                let lives = world.cast().lives_of(*identity);
                world.with(|state| lives.iter().for_each(|instance| state.kill(*instance)));
            }
            Upheaval::Stop(identity) => {
                let mut cast = world.cast();
                let lives = cast.lives_of(*identity);
                lives.into_iter().for_each(|instance| cast.stop(instance));
            }
            Upheaval::Pause { identity, ms } => {
                let mut cast = world.cast();
                let lives = cast.lives_of(*identity);
                lives.into_iter().for_each(|instance| cast.pause(instance, now_ms + ms));
            }
            Upheaval::Twin(identity) => {
                let mut cast = world.cast();
                if cast.lives_of(*identity).len() < 2 {
                    cast.begin(*identity, now_ms);
                }
            }
            Upheaval::Forget => world.with(|state| {
                let forgotten: Vec<String> = state
                    .cluster
                    .groups
                    .iter_mut()
                    .filter_map(|(name, group)| group.forget_one().map(|member| format!("{member} of {name}")))
                    .collect();
                state.note(format!("forgotten: {}", forgotten.join(", ")));
            }),
            Upheaval::Set { identity, by_ms } => {
                let lives = world.cast().lives_of(*identity);
                world.with(|state| {
                    for instance in lives {
                        *state.skews_ms.entry(instance).or_default() += by_ms;
                    }
                });
            }
            Upheaval::Silence { place, ms } => world.with(|state| {
                state.silent.insert(place.clone(), now_ms + ms);
            }),
        }
    }
}
