//! Random worlds.

use crate::world::{Seen, World, shortened};
use blaze_tests::seed::seed;

const WORLDS: u64 = 1_000;
const STEPS: u64 = 60;

/// Worlds, one after the other; with stores that fail, or not.
fn run(worlds: u64, has_faults: bool) -> Seen {
    let seed = seed();
    let mut all = Seen::default();
    for number in 0..worlds {
        let seed = seed.wrapping_add(number);
        let mut world = World::new(seed, has_faults);
        for step in 0..STEPS {
            if let Err(error) = world.step() {
                panic!("BLAZE_SEED={seed}, step {step}: {}", shortened(&error));
            }
        }
        all.add(&world.seen);
    }
    println!("{all:?}");
    all
}

#[test]
fn listeners_have_what_a_query_answers() {
    let seen = run(WORLDS, false);
    assert!(seen.steps >= WORLDS * STEPS);
    assert!(seen.resumed > WORLDS && seen.unchanged > WORLDS / 4 && seen.resets > WORLDS / 20);
    assert!(seen.frames > WORLDS * 10 && seen.losses > WORLDS);
    assert_eq!((seen.ended, seen.live_resets, seen.failures), (0, 0, 0));
}

#[test]
fn listeners_have_it_over_a_store_that_fails_too() {
    let seen = run(WORLDS, true);
    assert!(seen.failures > WORLDS && seen.ended > WORLDS / 10 && seen.live_resets > WORLDS / 10);
}
