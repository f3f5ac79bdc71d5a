//! Sharing a topic's partitions out among a group's members: what the leader of a classic group does.
//!
//! It knows no protocol and no time. The same members with the same claims give the same shares, in whatever order they
//! come.
//!
//! # Constraints
//!
//! - Balanced: no share is more than one partition larger than another, once everybody has let go of what moves.
//! - Sticky: only what must move for that does.
//! - Cooperative (KIP-429): a partition that somebody else claims is in nobody's share. It is given out in the rebalance
//!   that follows when it has been let go of.
//! - Of two who claim the same partition, the one with the claim of a later generation has it (KIP-792): the other was
//!   asleep when it was taken away. With equal generations neither does, and it rests for a round.

use std::collections::BTreeMap;

/// What a member says that it works on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The partitions.
    pub(super) partitions: Vec<u32>,
    /// The generation in which it was told so; -1 when it does not know.
    pub(super) generation: i32,
}

/// A member that wants a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// As the coordinator calls it.
    pub(super) member_id: String,
    /// What it has now.
    pub(super) claims: Claims,
}

/// Who gets what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// The partitions of every member, also of those who get none.
    pub(super) by_member: BTreeMap<String, Vec<u32>>,
    /// Partitions that move: in nobody's share until their owners let go of them.
    pub(super) moving: Vec<u32>,
}

/// Where a partition is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Free,
    /// With the candidate of that number, since that generation.
    With(usize, i32),
    /// With several, who all say so as of that generation.
    Contested(i32),
}

/// Shares `partitions` out.
pub(super) fn assign(partitions: u32, candidates: &[Candidate]) -> Shares {
    let places = places(partitions, candidates);
    let mut owned = vec![Vec::new(); candidates.len()];
    let mut free = Vec::new();
    let mut moving = Vec::new();
    for (partition, place) in (0..partitions).zip(places) {
        match place {
            Place::Free => free.push(partition),
            Place::With(candidate, _) => owned[candidate].push(partition),
            Place::Contested(_) => moving.push(partition),
        }
    }
    let sizes = sizes(partitions as usize, candidates, &owned);
    for (own, &size) in owned.iter_mut().zip(&sizes) {
        moving.extend(own.drain(size.min(own.len())..));
    }
    hand_out(&free, &sizes, &mut owned);
    moving.sort_unstable();
    let members = candidates.iter().map(|candidate| candidate.member_id.clone());
    Shares {
        by_member: members.zip(owned).collect(),
        moving,
    }
}

fn places(partitions: u32, candidates: &[Candidate]) -> Vec<Place> {
    let mut places = vec![Place::Free; partitions as usize];
    for (number, candidate) in candidates.iter().enumerate() {
        let Claims { partitions, generation } = &candidate.claims;
        for &partition in partitions {
            // One that the topic does not have may be claimed by whoever knows an older topic of the same name.
            let Some(place) = places.get_mut(partition as usize) else {
                continue;
            };
            *place = match *place {
                Place::With(owner, _) if owner == number => continue,
                Place::With(_, since) | Place::Contested(since) if since > *generation => continue,
                Place::With(_, since) | Place::Contested(since) if since == *generation => Place::Contested(since),
                _ => Place::With(number, *generation),
            };
        }
    }
    places
}

/// How many partitions each candidate is to have. Where some must have one more than others, those do that have more now.
fn sizes(partitions: usize, candidates: &[Candidate], owned: &[Vec<u32>]) -> Vec<usize> {
    let mut sizes = vec![partitions.checked_div(candidates.len()).unwrap_or(0); candidates.len()];
    let larger = partitions.checked_rem(candidates.len()).unwrap_or(0);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&number| (usize::MAX - owned[number].len(), &candidates[number].member_id));
    for &number in &order[..larger] {
        sizes[number] += 1;
    }
    sizes
}

/// Gives what is free to those who have least, as long as they may have more.
fn hand_out(free: &[u32], sizes: &[usize], owned: &mut [Vec<u32>]) {
    for &partition in free {
        let hungry = (0..owned.len()).filter(|&number| owned[number].len() < sizes[number]);
        let Some(number) = hungry.min_by_key(|&number| owned[number].len()) else {
            return;
        };
        owned[number].push(partition);
    }
    owned.iter_mut().for_each(|own| own.sort_unstable());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn candidate(member_id: &str, partitions: &[u32], generation: i32) -> Candidate {
        Candidate {
            member_id: member_id.into(),
            claims: Claims {
                partitions: partitions.into(),
                generation,
            },
        }
    }

    fn check(partitions: u32, candidates: &[Candidate], shares: &[&[u32]], moving: &[u32]) {
        let result = assign(partitions, candidates);
        let found: Vec<&[u32]> = result.by_member.values().map(Vec::as_slice).collect();
        assert_eq!((found.as_slice(), result.moving.as_slice()), (shares, moving));
    }

    #[test]
    fn who_is_alone_gets_all() {
        check(3, &[candidate("a", &[], -1)], &[&[0, 1, 2]], &[]);
        check(0, &[candidate("a", &[], -1)], &[&[]], &[]);
        check(3, &[], &[], &[]);
    }

    #[test]
    fn what_moves_rests_for_a_round() {
        check(
            4,
            &[candidate("a", &[0, 1, 2, 3], 5), candidate("b", &[], -1)],
            &[&[0, 1], &[]],
            &[2, 3],
        );
        check(
            4,
            &[candidate("a", &[0, 1], 6), candidate("b", &[], 6)],
            &[&[0, 1], &[2, 3]],
            &[],
        );
    }

    #[test]
    fn a_late_claim_beats_an_early_one() {
        check(
            2,
            &[candidate("a", &[0, 1], 4), candidate("b", &[1], 5)],
            &[&[0], &[1]],
            &[],
        );
        check(
            2,
            &[candidate("a", &[0], 5), candidate("b", &[0, 1], 4)],
            &[&[0], &[1]],
            &[],
        );
        // It moves from the one who has it, not from the one who had it.
        check(
            2,
            &[candidate("a", &[0, 1], 5), candidate("b", &[0, 1], 4)],
            &[&[0], &[]],
            &[1],
        );
    }

    #[test]
    fn equal_claims_cancel_each_other() {
        check(
            2,
            &[candidate("a", &[0, 1], 5), candidate("b", &[0], 5)],
            &[&[1], &[]],
            &[0],
        );
        let third = candidate("c", &[0], 6);
        check(
            3,
            &[candidate("a", &[0], 5), candidate("b", &[0], 5), third],
            &[&[1], &[2], &[0]],
            &[],
        );
    }

    #[test]
    fn claims_on_what_does_not_exist_count_for_nothing() {
        check(
            2,
            &[candidate("a", &[7, 1, 1], 5), candidate("b", &[], 5)],
            &[&[1], &[0]],
            &[],
        );
    }

    /// Lets everybody let go and rejoin until nothing moves, and says which partitions have a new owner.
    fn settle(partitions: u32, candidates: &mut [Candidate]) -> BTreeSet<u32> {
        let owner_of = |candidates: &[Candidate]| -> BTreeMap<u32, String> {
            let owned = candidates.iter();
            owned
                .flat_map(|each| {
                    each.claims
                        .partitions
                        .iter()
                        .map(|&partition| (partition, each.member_id.clone()))
                })
                .collect()
        };
        let before = owner_of(candidates);
        for generation in 1..10 {
            let shares = assign(partitions, candidates);
            for candidate in &mut *candidates {
                candidate.claims = Claims {
                    partitions: shares.by_member[&candidate.member_id].clone(),
                    generation,
                };
            }
            if shares.moving.is_empty() {
                break;
            }
            assert!(generation < 3, "what moves has moved in the second round");
        }
        let after = owner_of(candidates);
        let moved = after
            .iter()
            .filter(|(partition, owner)| before.get(partition).is_some_and(|old| old != *owner));
        moved.map(|(&partition, _)| partition).collect()
    }

    fn sizes_of(candidates: &[Candidate]) -> Vec<usize> {
        let mut sizes: Vec<usize> = candidates.iter().map(|each| each.claims.partitions.len()).collect();
        sizes.sort_unstable();
        sizes
    }

    fn members(ids: std::ops::Range<usize>) -> Vec<Candidate> {
        ids.map(|id| candidate(&format!("m{id:02}"), &[], -1)).collect()
    }

    proptest! {
        #[test]
        fn one_more_member_moves_only_its_share(partitions in 0_u32..60, count in 1_usize..12, at in 0_usize..12) {
            let mut candidates = members(0..count);
            settle(partitions, &mut candidates);
            candidates.insert(at % (count + 1), candidate(["a", "m00x", "z"][at % 3], &[], -1));
            let moved = settle(partitions, &mut candidates);
            prop_assert!(moved.len() <= (partitions as usize).div_ceil(count + 1), "{moved:?}");
            let sizes = sizes_of(&candidates);
            prop_assert_eq!(sizes.iter().sum::<usize>(), partitions as usize);
            prop_assert!(sizes[count] - sizes[0] <= 1);
        }

        #[test]
        fn one_member_less_moves_only_what_it_had(partitions in 0_u32..60, count in 2_usize..12, gone in 0_usize..12) {
            let mut candidates = members(0..count);
            settle(partitions, &mut candidates);
            candidates.remove(gone % count);
            let moved = settle(partitions, &mut candidates);
            prop_assert_eq!(moved.len(), 0);
            prop_assert_eq!(sizes_of(&candidates).iter().sum::<usize>(), partitions as usize);
        }

        #[test]
        fn any_claims_give_disjoint_shares_and_touch_nothing_of_others(
            claims in prop::collection::vec((prop::collection::vec(0_u32..20, 0..12), -1_i32..4), 0..6),
        ) {
            let candidates: Vec<Candidate> = claims.iter().enumerate()
                .map(|(id, (partitions, generation))| candidate(&format!("m{id}"), partitions, *generation))
                .collect();
            let shares = assign(16, &candidates);
            let given = shares.by_member.values().flatten();
            let mut all: Vec<u32> = given.chain(&shares.moving).copied().collect();
            all.sort_unstable();
            let everything: Vec<u32> = if candidates.is_empty() { Vec::new() } else { (0..16).collect() };
            prop_assert_eq!(all, everything);
            for receiver in &candidates {
                for partition in &shares.by_member[&receiver.member_id] {
                    let others = candidates.iter().filter(|other| *other != receiver);
                    for other in others.filter(|other| other.claims.partitions.contains(partition)) {
                        prop_assert!(receiver.claims.partitions.contains(partition));
                        prop_assert!(other.claims.generation < receiver.claims.generation);
                    }
                }
            }
        }
    }
}
