//! Many worlds, each from its seed: see `blaze_tests::simulation` for what they are and what must hold in them.
//!
//! `BLAZE_SEED=7 cargo test -p blaze-tests --test simulation -- --nocapture one_world` prints all that happens in one;
//! `BLAZE_WORLDS=100000 cargo test --release -p blaze-tests --test simulation` tries that many.

use blaze_tests::simulation::{Outcome, Sabotage, Stats, run};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Seeds that once found something, and what.
const KEPT: &[(u64, &str)] = &[
    (1, "the answer to a DELETE did not say its version, so the deleted document was shown again"),
    (73, "a new epoch of a document that was never written was taken for a rewritten history"),
    (34, "a request refused and repeated was done after all: its refusal was not kept"),
];

/// How many worlds are tried, half of them in each of two threads, unless `BLAZE_WORLDS` says another number.
const WORLDS: u64 = 100;

fn environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// One world. When it fails, how to see it again.
fn check(seed: u64) -> Outcome {
    catch_unwind(|| run(seed, None, false)).unwrap_or_else(|panic| {
        eprintln!(
            "\nTo see it: BLAZE_SEED={seed} cargo test -p blaze-tests --test simulation -- --nocapture one_world\n"
        );
        resume_unwind(panic)
    })
}

/// What must happen now and then in half of the worlds: a simulation in which nothing goes wrong proves nothing.
const HAPPENS: [&str; 56] = [
    "alarm",
    "alarm once more",
    "answer lost",
    "answered after the index",
    "changes of a query",
    "connection cut",
    "crash",
    "crash while telling",
    "crash within a step",
    "deployment",
    "frame",
    "frame lost",
    "frame twice",
    "hibernation",
    "index crash",
    "index full",
    "index given up",
    "index hibernation",
    "index not told",
    "index told again",
    "index told twice",
    "index told what is old",
    "index's alarm",
    "index's answer lost",
    "missed frames served",
    "not answered for want of an index",
    "offline",
    "ping through a connection",
    "plain write",
    "promise",
    "query begun",
    "query begun anew",
    "query resumed",
    "query resumed in vain",
    "read",
    "read failed",
    "reload",
    "request done already",
    "rows shown",
    "rows shown pending",
    "shown",
    "shown pending",
    "snapshot for who comes back",
    "socket behind a connection lost",
    "socket closed for want of an index",
    "socket cut",
    "socket from nothing",
    "socket resumed, nothing missed",
    "socket resumed, something missed",
    "wipe",
    "write",
    "write by HTTP",
    "write by socket",
    "write done",
    "write on a connection",
    "write refused",
];

fn check_all(seeds: impl Iterator<Item = u64>) -> Stats {
    let mut stats = Stats::default();
    for seed in seeds {
        stats.add(&check(seed).stats);
    }
    println!("{stats:#?}");
    stats
}

fn check_half(parity: u64) {
    let worlds = environment("BLAZE_WORLDS").unwrap_or(WORLDS);
    let stats = check_all((0..worlds).filter(|seed| seed % 2 == parity));
    for kind in HAPPENS {
        let count = stats.0.get(kind).copied().unwrap_or_default();
        assert!(count >= 2, "{kind}: {count}");
    }
    assert_eq!(stats.0.len(), HAPPENS.len(), "every kind is in the list");
}

#[test]
fn one_world() {
    if let Some(seed) = environment("BLAZE_SEED") {
        run(seed, None, true);
    }
}

#[test]
fn even_worlds() {
    check_half(0);
}

#[test]
fn odd_worlds() {
    check_half(1);
}

#[test]
fn kept_worlds() {
    check_all(KEPT.iter().map(|(seed, _)| *seed));
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..10 {
        let (first, second) = (check(seed), check(seed));
        assert_eq!(first, second);
        assert!(first.lines > 100 && first != check(seed + 1));
    }
}

/// Whether one of the first worlds fails when this is broken, saying so.
#[track_caller]
fn notices(sabotage: Sabotage, says: &str) {
    let found = (0..60).any(|seed| {
        let broken = catch_unwind(AssertUnwindSafe(|| run(seed, Some(sabotage), false)));
        let Err(panic) = broken else { return false };
        let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        println!("{sabotage:?}, seed {seed}: {message}");
        message.contains(says)
    });
    assert!(found, "{sabotage:?} goes unnoticed");
}

#[test]
fn what_is_broken_on_purpose_is_noticed() {
    notices(Sabotage::ForgetKeys, "was applied twice");
    notices(Sabotage::SkipBroadcasts, "a gap before");
    notices(Sabotage::SwapFrames, "a gap before");
    notices(Sabotage::ForgetMissed, "a gap before");
    notices(Sabotage::LoseCommits, "from version");
    notices(Sabotage::LieAboutVersions, "is said to be done at version");
}

#[test]
fn what_is_broken_on_the_way_to_queries_is_noticed() {
    notices(Sabotage::NoAlarm, "and a query finds");
    notices(Sabotage::TrustRepetitions, "and a query finds");
    notices(Sabotage::ReadAhead, "and a query finds");
    notices(Sabotage::BroadcastAhead, "and a query finds");
    notices(Sabotage::ApplyOlder, "the index");
    notices(Sabotage::ForgetTombstones, "the index");
    notices(Sabotage::SkipPublishing, "after a frame of");
    notices(Sabotage::ForgetSubscriptions, "watch");
}
