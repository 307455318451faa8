//! Rates over many isolates: each with leases of its own, one bucket behind them, and answers that take their time.

use blaze_engine::rate::{Bucket, Grant, Kind, Lessee, Rate, Rates, Taken};
use blaze_schema::timestamp::Timestamp;
use proptest::prelude::*;

/// How long an answer of the bucket takes, in microseconds.
const LATENCY: i64 = 5_000;

/// Some isolates, and the requests that they let through, by time.
struct World {
    rate: Rate,
    isolates: Vec<Lessee>,
    bucket: Bucket,
    /// When which isolate is told what.
    answers: Vec<(i64, usize, Grant)>,
    passed: Vec<(i64, usize)>,
    asked: usize,
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl World {
    fn new(rate: Rate, isolates: usize) -> Self {
        let lessee = Lessee::new(Rates { identity: Some(rate), ..Rates::default() });
        World {
            rate,
            isolates: vec![lessee; isolates],
            bucket: Bucket::new(rate, at(0)),
            answers: Vec::new(),
            passed: Vec::new(),
            asked: 0,
        }
    }

    /// Delivers the answers that are due.
    fn settle(&mut self, now: i64) {
        let due: Vec<_> = self.answers.extract_if(.., |(time, ..)| *time <= now).collect();
        for (time, isolate, grant) in due {
            match self.isolates[isolate].granted("identity:a", Some(grant), at(time)) {
                Taken::Yes => self.passed.push((time, isolate)),
                Taken::Refused { .. } => assert_eq!(grant.amount, 0),
                Taken::Ask { .. } => panic!("an answer that asks"),
            }
        }
    }

    fn request(&mut self, isolate: usize, now: i64) {
        self.settle(now);
        match self.isolates[isolate].take(Kind::Identity, "a", at(now)) {
            Taken::Yes => self.passed.push((now, isolate)),
            Taken::Refused { .. } => {}
            Taken::Ask { subject, want } => {
                assert_eq!(subject, "identity:a");
                self.asked += 1;
                let grant = self.bucket.lease(want, at(now));
                self.answers.push((now + LATENCY, isolate, grant));
            }
        }
    }

    /// Requests that passed in the busiest `seconds` of the rate.
    fn busiest(&mut self) -> usize {
        self.passed.sort_unstable();
        let window = i64::from(self.rate.seconds) * 1_000_000;
        let times: Vec<i64> = self.passed.iter().map(|(time, _)| *time).collect();
        let from = |first: usize| {
            times[first..].iter().take_while(|time| **time <= times[first] + window).count()
        };
        (0..times.len()).map(from).max().unwrap_or(0)
    }
}

/// What may pass in any `seconds`: a bucket, its refill, and what is refilled while a lease lasts and is answered.
fn bound(rate: Rate) -> usize {
    let lease = (f64::from(rate.seconds) / 10.0).max(1.0) + LATENCY as f64 / 1e6;
    let refill = f64::from(rate.requests) * (1.0 + lease / f64::from(rate.seconds));
    rate.requests as usize + refill.ceil() as usize
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn isolates_together_pass_no_more_than_the_rate(
        requests in 1_u32..80, seconds in 1_u32..15, isolates in 1_usize..8,
        wishes in prop::collection::vec((0_usize..8, 0_i64..100_000, 1_usize..8), 1..400),
    ) {
        let rate = Rate { requests, seconds };
        let mut world = World::new(rate, isolates);
        let mut now = 0;
        for (isolate, pause, times) in wishes {
            now += pause;
            for _ in 0..times {
                world.request(isolate % isolates, now);
            }
        }
        world.settle(i64::MAX);
        prop_assert!(world.busiest() <= bound(rate), "{} of {}", world.busiest(), bound(rate));
    }
}

#[test]
fn a_flood_passes_at_the_rate_and_is_seldom_asked_about() {
    let rate = Rate { requests: 600, seconds: 60 };
    let mut world = World::new(rate, 10);
    // 1,000 requests a second for 5 minutes.
    for millisecond in 0..300_000_i64 {
        world.request((millisecond % 10) as usize, millisecond * 1_000);
    }
    world.settle(i64::MAX);
    let passed = world.passed.len();
    assert!((3_300..=3_600).contains(&passed), "{passed} of 600 at once and 3,000 after");
    assert!(world.busiest() <= bound(rate));
    // One for each that passes at most, and one for each isolate and second that is refused.
    assert!(world.asked <= passed + 10 * 300, "{} asked", world.asked);
    // Nobody starves.
    for isolate in 0..10 {
        let own = world.passed.iter().filter(|(_, passed)| *passed == isolate).count();
        assert!(own > passed / 30, "isolate {isolate}: {own} of {passed}");
    }
}

#[test]
fn who_stays_below_the_rate_is_never_refused_and_mostly_not_asked_about() {
    let rate = Rate { requests: 600, seconds: 60 };
    for isolates in [1, 3, 10] {
        let mut world = World::new(rate, isolates);
        // 8 requests a second, of 10.
        for number in 0..4_800_i64 {
            world.request((number as usize * 7) % isolates, number * 125_000);
        }
        world.settle(i64::MAX);
        assert_eq!(world.passed.len(), 4_800, "{isolates} isolates");
        assert!(world.asked * 3 < 4_800, "{} asked by {isolates} isolates", world.asked);
    }
}

#[test]
fn somebody_quiet_is_not_kept_out_by_a_flood_of_his_own_elsewhere_for_long() {
    let rate = Rate { requests: 60, seconds: 60 };
    let mut world = World::new(rate, 2);
    let mut quiet = 0;
    for millisecond in 0..600_000_i64 {
        world.request(0, millisecond * 1_000);
        if millisecond % 1_000 == 500 {
            world.request(1, millisecond * 1_000);
            quiet += 1;
        }
    }
    world.settle(i64::MAX);
    let own = world.passed.iter().filter(|(_, isolate)| *isolate == 1).count();
    assert!(own * 10 > quiet, "{own} of {quiet}");
}
