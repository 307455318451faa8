//! Where random tests start: a seed that is printed, so that a failure can be run again.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// `$BLAZE_SEED`, or else the clock's. It is printed, which a failed test shows.
pub fn seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    seed_or(time.map_or(0, |time| time.as_nanos() as u64))
}

/// `$BLAZE_SEED`, or else this one. It is printed.
pub fn seed_or(default: u64) -> u64 {
    let seed = env::var("BLAZE_SEED");
    let seed = seed.map_or(default, |seed| seed.parse().expect("BLAZE_SEED is a number"));
    println!("run again with BLAZE_SEED={seed}");
    seed
}
