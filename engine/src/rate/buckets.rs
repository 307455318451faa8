//! The buckets of all subjects that one object counts for.

use super::{Bucket, Grant, Rate};
use blaze_schema::limits::RATE_SUBJECTS;
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeMap;

/// Buckets by subject. A subject that is not among them has a full one.
#[derive(Clone, Debug, Default)]
pub struct Buckets(BTreeMap<String, Held>);

#[derive(Clone, Debug)]
struct Held {
    bucket: Bucket,
    /// Until when it must be remembered.
    until: Timestamp,
}

impl Buckets {
    /// Takes a lease as [`Bucket::lease`] does. Returns it, and for how long it must be remembered, in microseconds.
    pub fn lease(&mut self, subject: &str, rate: Rate, want: u32, now: Timestamp) -> (Grant, i64) {
        if !self.0.contains_key(subject) {
            self.make_room(now);
        }
        let fresh = || Held { bucket: Bucket::new(rate, now), until: now };
        let held = self.0.entry(subject.to_owned()).or_insert_with(fresh);
        let grant = held.bucket.lease(want, now);
        let memory = held.bucket.memory_micros();
        held.until = now.after(memory);
        (grant, memory)
    }

    /// Forgets those that are full again, and, if that is not enough, the one that will be next.
    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() < RATE_SUBJECTS {
            return;
        }
        self.0.retain(|_, held| held.until > now);
        if self.0.len() >= RATE_SUBJECTS {
            let next = self.0.iter().min_by_key(|(_, held)| held.until);
            if let Some(subject) = next.map(|(subject, _)| subject.clone()) {
                self.0.remove(&subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests: 10, seconds: 10 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn spend(buckets: &mut Buckets, subject: &str, now: Timestamp) -> u32 {
        let lease = |_| buckets.lease(subject, RATE, 1, now).0.amount;
        (0..10).map(lease).sum()
    }

    #[test]
    fn each_subject_has_a_bucket_of_its_own() {
        let mut buckets = Buckets::default();
        let mut alone = Bucket::new(RATE, at(0));
        for second in 0..30 {
            spend(&mut buckets, "address:a", at(second));
            let wanted = alone.lease(3, at(second));
            let memory = alone.memory_micros();
            assert_eq!(buckets.lease("address:b", RATE, 3, at(second)), (wanted, memory));
        }
    }

    #[test]
    fn as_many_are_remembered_as_the_limit_says() {
        let mut buckets = Buckets::default();
        for number in 0..RATE_SUBJECTS {
            assert_eq!(spend(&mut buckets, &format!("address:{number}"), at(0)), 10);
        }
        assert_eq!(buckets.0.len(), RATE_SUBJECTS);
        assert_eq!(spend(&mut buckets, "address:0", at(0)), 0, "at the limit nobody is forgotten");
        assert_eq!(spend(&mut buckets, "address:more", at(1)), 10);
        assert_eq!(buckets.0.len(), RATE_SUBJECTS, "one past it, one is");
        assert_eq!(spend(&mut buckets, "address:more", at(1)), 0);
        // Those that are full again are forgotten first.
        assert_eq!(spend(&mut buckets, "address:later", at(3_600)), 10);
        assert_eq!(buckets.0.len(), 1);
    }
}
