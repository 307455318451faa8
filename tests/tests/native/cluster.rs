//! Many histories of a cluster, each from its seed: see `blaze_tests::cluster` for what it is.
//!
//! `CLUSTER_SEED=7 cargo test -p blaze-tests --test cluster -- --nocapture one_history` prints one;
//! `CLUSTER_SEEDS=10000 cargo test --release -p blaze-tests --test cluster` tries that many, `CLUSTER_FIRST=5000` from that
//! seed on. `APPS_SEED` and `APPS_SEEDS` are the same for the histories of real clients.

use blaze_tests::cluster::{Outcome, Sabotage, run, run_apps};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds that once found something, and what.
const KEPT: [(u64, &str); 7] = [
    (14636, "a query was begun under rules that were too old before the listener's first tick"),
    (19844, "the same, of another listener"),
    (81044, "the same, of one whom nobody has signed in"),
    (98008, "the same, of another such one"),
    (396, "who came back to a document was shown states between that the rules had denied"),
    (1900, "the same, of another document"),
    (1727, "a refused token took another socket of its identity out of the audience"),
];

/// The same of real clients.
const KEPT_APPS: [(u64, &str); 1] =
    [(561, "a write overtook one that a full disk had refused, and whose refusal was lost")];

/// Number of histories, half of them in each of two threads, unless `CLUSTER_SEEDS` says another.
const SEEDS: u64 = 120;

/// Events that must occur in each half of the histories: a simulation in which nothing goes wrong proves nothing.
const HAPPENS: [&str; 37] = [
    "alarm",
    "alarm once more",
    "answer lost",
    "call lost",
    "call twice",
    "changes of a query",
    "commit",
    "crash",
    "crash after the commit",
    "crash before the commit",
    "deployment",
    "disk full",
    "first answer given again",
    "hibernation",
    "key revoked",
    "memory lost",
    "missed frames served",
    "query",
    "query resumed",
    "query resumed in vain",
    "read",
    "request without an answer",
    "rules",
    "shown by a frame",
    "shown by an answer",
    "signed in",
    "snapshot for who comes back",
    "socket",
    "socket authenticated late",
    "socket closed",
    "socket cut",
    "socket opened again",
    "token renewed",
    "unavailable",
    "write by a socket",
    "write refused",
    "write repeated",
];

fn environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// A history of a seed, of which something may be broken or printed.
type History = fn(u64, Option<Sabotage>, bool) -> Outcome;

/// The panic that ended a history; `None` if all held.
fn fault(history: History, seed: u64, sabotage: Option<Sabotage>) -> (Outcome, Option<String>) {
    match catch_unwind(AssertUnwindSafe(|| history(seed, sabotage, false))) {
        Ok(outcome) => (outcome, None),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            (Outcome::default(), Some(text.unwrap_or_default()))
        }
    }
}

fn check_half(parity: u64) {
    let seeds = environment("CLUSTER_SEEDS").unwrap_or(SEEDS);
    let first = environment("CLUSTER_FIRST").unwrap_or(0);
    let seeds = (first..first + seeds).filter(|seed| seed % 2 == parity);
    check_all("CLUSTER_SEED", run, seeds, &HAPPENS);
}

/// Checks histories, and that each of these kinds of events is in them.
fn check_all(name: &str, history: History, seeds: impl Iterator<Item = u64>, happens: &[&str]) {
    let (mut counts, mut faults) = (BTreeMap::<String, u64>::new(), Vec::new());
    for seed in seeds {
        let (outcome, found) = fault(history, seed, None);
        for (kind, count) in outcome.counts {
            *counts.entry(kind).or_default() += count;
        }
        faults.extend(found.map(|text| format!("{name}={seed}: {text}")));
    }
    println!("{counts:#?}");
    assert!(faults.is_empty(), "{} histories:\n{}", faults.len(), faults.join("\n"));
    for kind in happens {
        let count = counts.get(*kind).copied().unwrap_or_default();
        assert!(count >= 2, "{kind}: {count}");
    }
}

#[test]
fn one_history() {
    if let Some(seed) = environment("CLUSTER_SEED") {
        println!("{:#?}", run(seed, None, true));
    }
}

#[test]
fn even_histories() {
    check_half(0);
}

#[test]
fn odd_histories() {
    check_half(1);
}

#[test]
fn kept_histories() {
    for (seed, what) in KEPT {
        assert_eq!(fault(run, seed, None).1, None, "{seed}: {what}");
    }
    for (seed, what) in KEPT_APPS {
        assert_eq!(fault(run_apps, seed, None).1, None, "{seed}: {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..5 {
        let (first, second) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(first, second);
        assert!(first != run(seed + 1, None, false));
    }
}

/// The same of real clients.
const HAPPENS_TO_APPS: [&str; 17] = [
    "answer lost on its way to a client",
    "crash",
    "disk full",
    "frame",
    "hibernation",
    "memory lost",
    "offline",
    "read",
    "reload",
    "row shown",
    "row shown pending",
    "shown",
    "shown pending",
    "socket cut",
    "write by HTTP",
    "write done",
    "write refused",
];

#[test]
fn one_history_of_apps() {
    if let Some(seed) = environment("APPS_SEED") {
        println!("{:#?}", run_apps(seed, None, true));
    }
}

#[test]
fn histories_of_apps() {
    let seeds = environment("APPS_SEEDS").unwrap_or(SEEDS / 2);
    let first = environment("CLUSTER_FIRST").unwrap_or(0);
    check_all("APPS_SEED", run_apps, first..first + seeds, &HAPPENS_TO_APPS);
}

#[test]
fn what_apps_are_shown_or_told_wrongly_is_noticed() {
    notices_in(run_apps, Sabotage::LieAboutVersions, &["is said to be done at a version"]);
    notices_in(run_apps, Sabotage::ForgetKeys, &["of the ledger"]);
    notices_in(run_apps, Sabotage::SkipPublishing, &["the rows of"]);
}

/// Seeds of which one must notice what is broken on purpose.
const SABOTAGED: u64 = 60;

/// Asserts that one of the first histories fails when this is broken, with one of these messages.
#[track_caller]
fn notices(sabotage: Sabotage, says: &[&str]) {
    notices_in(run, sabotage, says);
}

#[track_caller]
fn notices_in(history: History, sabotage: Sabotage, says: &[&str]) {
    let found = (0..SABOTAGED).any(|seed| {
        let Some(text) = fault(history, seed, Some(sabotage)).1 else { return false };
        println!("{sabotage:?}, seed {seed}: {text}");
        says.iter().any(|words| text.contains(words))
    });
    assert!(found, "{sabotage:?} goes unnoticed");
}

#[test]
fn a_state_that_is_shown_before_its_index_has_it_is_noticed() {
    notices(Sabotage::AnswerAhead, &["had been shown"]);
}

#[test]
fn a_copy_of_rules_that_is_never_renewed_is_noticed() {
    notices(Sabotage::SnapshotForEver, &["was shown what is denied"]);
}

#[test]
fn a_lookup_that_is_kept_for_ever_is_noticed() {
    notices(Sabotage::LookupForEver, &["was shown what is denied"]);
}

#[test]
fn an_attachment_that_is_lost_is_noticed() {
    notices(Sabotage::DropAttach, &["though a good token came"]);
}

#[test]
fn a_socket_that_is_not_closed_is_noticed() {
    notices(Sabotage::DropClose, &["no pong"]);
}

#[test]
fn an_alarm_that_never_rings_is_noticed() {
    notices(Sabotage::NoAlarm, &["and its documents"]);
}

#[test]
fn a_loss_that_is_never_reported_is_noticed() {
    notices(Sabotage::LoseTold, &["not answered"]);
}

#[test]
fn a_write_that_is_done_twice_is_noticed() {
    notices(Sabotage::DoubleWrite, &["are of one write"]);
}

#[test]
fn an_answer_without_a_commit_is_noticed() {
    notices(Sabotage::AnswerWithoutCommit, &["never had", "was shown, and the one it had"]);
}

#[test]
fn frames_that_a_socket_does_not_get_are_noticed() {
    notices(Sabotage::SkipBroadcasts, &["a gap", "lags behind"]);
    notices(Sabotage::SkipPublishing, &["a live query of", "at the place of", "before a result"]);
}

#[test]
fn frames_that_are_missed_are_noticed() {
    notices(Sabotage::ForgetMissed, &["a gap", "lags behind"]);
}

#[test]
fn idempotency_keys_that_are_not_read_are_noticed() {
    notices(Sabotage::ForgetKeys, &["are of one write", "the first answer to a write"]);
}

#[test]
fn an_index_that_forgets_its_listeners_is_noticed() {
    notices(Sabotage::ForgetSubscriptions, &["a live query of"]);
}

#[test]
fn an_index_that_forgets_what_was_deleted_is_noticed() {
    notices(Sabotage::ForgetTombstones, &["and its documents", "the rows of index"]);
}

#[test]
fn a_full_disk_that_does_not_say_so_is_noticed() {
    notices(Sabotage::LieAboutDisks, &["never had"]);
}

#[test]
fn frames_that_change_places_are_noticed() {
    notices(Sabotage::SwapFrames, &["a gap"]);
}
