//! What is left of one subject's rate.

use super::Rate;
use blaze_schema::timestamp::Timestamp;

/// A token bucket, exact to the microsecond: time fills it by `requests` units for each microsecond, and a request takes
/// as many units as `seconds` has microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    rate: Rate,
    /// The units that are missing.
    missing: i64,
    at: Timestamp,
}

/// The answer to who asks for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How many requests; 0 is a refusal.
    pub amount: u32,
    /// How long they may be spent, or, of a refusal, how long to wait, in microseconds.
    pub micros: i64,
}

impl Bucket {
    /// A full one.
    pub fn new(rate: Rate, now: Timestamp) -> Self {
        Bucket { rate, missing: 0, at: now }
    }

    fn cost(&self) -> i64 {
        i64::from(self.rate.seconds).saturating_mul(1_000_000)
    }

    fn capacity(&self) -> i64 {
        self.cost().saturating_mul(i64::from(self.rate.requests))
    }

    /// Takes a lease of at most `want` requests, and of at most a tenth of what is left, if that is more than one: so
    /// something is left for other isolates, and little is lost where a lease is not spent.
    pub fn lease(&mut self, want: u32, now: Timestamp) -> Grant {
        self.refill(now);
        let free = self.capacity().saturating_sub(self.missing);
        let left = free.checked_div(self.cost()).unwrap_or(0);
        let tenth = (left / 10).max(1).min(left);
        let amount = tenth.min(i64::from(want.max(1)));
        self.missing = self.missing.saturating_add(self.cost().saturating_mul(amount));
        match u32::try_from(amount) {
            Ok(amount) if amount > 0 => Grant { amount, micros: self.rate.lease_micros() },
            _ => Grant { amount: 0, micros: self.until_filled(self.cost()) },
        }
    }

    /// How long it must be remembered, in microseconds: until half of it is there. Nobody gains much by having it
    /// forgotten later.
    pub fn memory_micros(&self) -> i64 {
        self.until_filled(self.capacity() / 2)
    }

    fn refill(&mut self, now: Timestamp) {
        // A clock that was set back gives nothing.
        let passed = now.since(self.at).max(0);
        let filled = passed.saturating_mul(i64::from(self.rate.requests));
        self.missing = self.missing.saturating_sub(filled).max(0);
        self.at = self.at.max(now);
    }

    /// How long it takes until there are so many units.
    fn until_filled(&self, units: i64) -> i64 {
        let lacking = self.missing.saturating_sub(self.capacity().saturating_sub(units)).max(0);
        let requests = i64::from(self.rate.requests.max(1));
        let whole = lacking.checked_div(requests).unwrap_or(0);
        whole.saturating_add(i64::from(lacking.checked_rem(requests) != Some(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::limits::{RATE_REQUESTS, RATE_SECONDS};
    use proptest::prelude::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn leases_shrink_with_what_is_left_and_a_refusal_says_how_long() {
        let mut bucket = Bucket::new(Rate { requests: 100, seconds: 60 }, at(0));
        assert_eq!(bucket.lease(10, at(0)), Grant { amount: 10, micros: 6_000_000 });
        assert_eq!(bucket.lease(10, at(0)).amount, 9);
        assert_eq!(bucket.lease(3, at(0)).amount, 3);
        let rest: u32 = (0..78).map(|_| bucket.lease(10, at(0)).amount).sum();
        assert_eq!(rest, 78);
        assert_eq!(bucket.lease(10, at(0)), Grant { amount: 0, micros: 600_000 });
        assert_eq!(bucket.lease(10, at(599_999)), Grant { amount: 0, micros: 1 });
        assert_eq!(bucket.lease(10, at(600_000)).amount, 1);
        assert_eq!(bucket.memory_micros(), 30_000_000);
        assert_eq!(bucket.lease(10, at(60_600_000)).amount, 10);
        assert_eq!(bucket.memory_micros(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_gives_and_takes_nothing() {
        let mut bucket = Bucket::new(Rate { requests: 1, seconds: 10 }, at(50_000_000));
        assert_eq!(bucket.lease(1, at(50_000_000)).amount, 1);
        assert_eq!(bucket.lease(1, at(0)), Grant { amount: 0, micros: 10_000_000 });
        assert_eq!(bucket.lease(1, at(60_000_000)).amount, 1);
    }

    #[test]
    fn the_extremes_of_rates_and_times_are_counted() {
        for (requests, seconds) in
            [(RATE_REQUESTS, RATE_SECONDS), (1, RATE_SECONDS), (RATE_REQUESTS, 1), (1, 1)]
        {
            let rate = Rate { requests, seconds };
            let mut bucket = Bucket::new(rate, Timestamp::MIN);
            assert_eq!(bucket.lease(u32::MAX, Timestamp::MIN).amount, rate.share());
            assert_eq!(bucket.lease(0, Timestamp::MAX).amount, 1);
            assert_eq!(bucket.memory_micros() > 0, requests == 1);
        }
    }

    proptest! {
        #[test]
        fn in_any_time_there_is_no_more_than_a_bucket_and_its_refill(
            requests in 1_u32..50, seconds in 1_u32..20,
            asks in prop::collection::vec((0_i64..2_000_000, 1_u32..20), 1..200),
        ) {
            let mut bucket = Bucket::new(Rate { requests, seconds }, at(0));
            let (mut now, mut grants) = (0, Vec::new());
            for (pause, want) in asks {
                now += pause;
                let grant = bucket.lease(want, at(now));
                if grant.amount == 0 {
                    // Not earlier than it says, and then indeed.
                    let mut other = bucket;
                    prop_assert_eq!(other.lease(1, at(now + grant.micros - 1)).amount, 0);
                    other = bucket;
                    prop_assert_eq!(other.lease(1, at(now + grant.micros)).amount, 1);
                }
                grants.push((now, i64::from(grant.amount)));
            }
            let (requests, window) = (i64::from(requests), i64::from(seconds) * 1_000_000);
            for (first, (start, _)) in grants.iter().enumerate() {
                let mut sum = 0;
                for (time, amount) in &grants[first..] {
                    sum += amount;
                    prop_assert!((sum - requests) * window <= requests * (time - start), "{grants:?}");
                }
            }
        }
    }
}
