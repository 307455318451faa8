//! How long to wait before trying again: exponential backoff with full jitter, so that a thousand clients that lost
//! the same server do not all come back in the same instant.

/// The wait after the first failure is at most this, in milliseconds.
pub const FIRST_MS: u32 = 250;
/// No wait is longer, in milliseconds.
pub const LONGEST_MS: u32 = 30_000;

/// After so many doublings the bound is [`LONGEST_MS`] for good.
const MOST_DOUBLINGS: u32 = 7;

/// Counts failures in a row.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure. Returns how long to wait, in milliseconds: evenly spread between 0 and a bound that doubles
    /// from [`FIRST_MS`] up to [`LONGEST_MS`]. Of `random`, the low 32 bits are used.
    pub fn fail(&mut self, random: u128) -> u32 {
        let bound = LONGEST_MS.min(FIRST_MS << self.failures);
        self.failures = (self.failures + 1).min(MOST_DOUBLINGS);
        let random = random as u32;
        ((u64::from(random) * (u64::from(bound) + 1)) >> 32) as u32
    }

    /// It worked: the next failure is a first one.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u128 = u128::MAX;

    #[test]
    fn the_bound_doubles_up_to_the_longest_wait() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u32> = (0..9).map(|_| backoff.fail(MOST)).collect();
        assert_eq!(bounds, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        for _ in 0..1_000 {
            assert_eq!(backoff.fail(MOST), LONGEST_MS);
        }
        backoff.succeed();
        assert_eq!(backoff.fail(MOST), FIRST_MS);
    }

    #[test]
    fn the_jitter_covers_everything_below_the_bound() {
        let wait = |random: u32| Backoff::default().fail(u128::from(random));
        assert_eq!((wait(0), wait(u32::MAX / 2), wait(u32::MAX)), (0, 125, 250));
    }
}
