//! Many members of the classic protocol, one coordinator, and everything between them that goes wrong, by seed.
//!
//! It simulates no bytes and no brokers' disks. The same seed twice gives the same history.

mod coordinator;
mod dice;
mod network;
mod worker;
mod world;

use std::time::Duration;

use proptest::prelude::*;

use self::world::World;

/// Long enough for every session to end and every rebalance to be waited for.
const CALM: Duration = Duration::from_secs(90);

/// Everything goes wrong for a while, and then nothing: at the end all is well.
fn storm(seed: u64) -> World {
    let mut world = World::new(seed);
    world.run_in_storm(Duration::from_secs(120));
    world.run(CALM);
    world.check_balanced();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_partition_has_two_owners_and_all_end_balanced(seed in any::<u64>()) {
        storm(seed);
    }

    #[test]
    fn one_more_moves_only_what_must(seed in any::<u64>()) {
        let mut world = storm(seed);
        let before = world.owners();
        let members = world.count();
        world.start_dynamic();
        world.run(CALM);
        world.check_balanced();
        let after = world.owners();
        let moved = before.iter().filter(|(partition, owner)| after[*partition] != **owner).count();
        prop_assert!(moved <= before.len().div_ceil(members + 1), "{} of {} moved to {}", moved, before.len(), members + 1);
    }

    #[test]
    fn one_with_an_instance_id_comes_back_unnoticed(seed in any::<u64>()) {
        let mut world = storm(seed);
        world.start_static();
        world.run(CALM);
        let (owners, generation) = (world.owners(), world.generation());
        let restarted = world.restart_a_static(Duration::from_secs(2));
        world.run(Duration::from_secs(3));
        prop_assert_eq!(world.generation(), generation);
        prop_assert_eq!(world.owners_named(restarted), owners);
    }

    #[test]
    fn when_nothing_happens_nothing_happens(seed in any::<u64>()) {
        let mut world = storm(seed);
        let (owners, generation) = (world.owners(), world.generation());
        world.run(CALM);
        prop_assert_eq!((world.owners(), world.generation()), (owners, generation));
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [1, 2] {
        assert_eq!(storm(seed).history, storm(seed).history);
    }
    assert_ne!(storm(1).history, storm(2).history);
}
