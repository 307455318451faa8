//! One thing that goes wrong, at every place of a fixed scene: an isolate ends at a step of an actor, before its commit,
//! after it, and after each of its effects; a disk is full; a call or its answer is lost. Then everything goes on, and in
//! the end all must hold that `blaze_tests::cluster` holds.
//!
//! `BLAZE_CRASHES=all cargo test --release -p blaze-tests --test crash` lets every two things go wrong, not only some.

use blaze_tests::cluster::{Blow, Met, Sabotage, Scene, play};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One in so many pairs is tried: a prime, so that every kind of step and blow comes up.
const STRIDE: usize = 4_001;

/// The panic that ended a scene; `Ok` with the places at which blows can be dealt if all held.
fn played(scene: Scene, plan: &[Blow], sabotage: Option<Sabotage>) -> Result<Met, String> {
    catch_unwind(AssertUnwindSafe(|| play(scene, plan, sabotage))).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        format!("{plan:?}: {text}")
    })
}

/// The ends of isolates at every step.
fn crashes(met: &Met) -> Vec<Blow> {
    let mut blows = Vec::new();
    for (step, taken) in met.steps.iter().enumerate() {
        for done in [None].into_iter().chain((0..=taken.effects).map(Some)) {
            for is_memory_only in [false, true] {
                blows.push(Blow::Crash { step, done, is_memory_only });
            }
        }
    }
    blows
}

/// The disks that may be full, and the calls that may be lost.
fn failures(met: &Met) -> Vec<Blow> {
    let steps = met.steps.iter().enumerate().filter(|(_, step)| step.writes);
    let full = steps.map(|(step, _)| Blow::Full { step });
    let lost = |call| [true, false].map(|is_before| Blow::Lost { call, is_before });
    full.chain((0..met.calls).flat_map(lost)).collect()
}

fn check(scene: Scene, plans: impl Iterator<Item = Vec<Blow>>) {
    let (mut runs, mut faults) = (0, Vec::new());
    for plan in plans {
        runs += 1;
        faults.extend(played(scene, &plan, None).err());
    }
    println!("{runs} runs of {scene:?}");
    assert!(faults.is_empty(), "{} of {runs} runs:\n{}", faults.len(), faults.join("\n"));
}

/// Every blow of a scene, half of them.
fn check_half(parity: usize) {
    let met = played(Scene::Documents, &[], None).unwrap();
    let kinds: BTreeSet<&str> = met.steps.iter().map(|step| step.kind).collect();
    let all = ["Access", "Document", "Front", "Index", "Listener"];
    assert!(kinds.is_superset(&BTreeSet::from(all)), "{kinds:?}");
    let writes = met.steps.iter().filter(|step| step.writes).count();
    println!("{} steps, {writes} of which write, {} calls", met.steps.len(), met.calls);
    let blows = crashes(&met).into_iter().chain(failures(&met));
    let half = blows.enumerate().filter(|(number, _)| number % 2 == parity);
    check(Scene::Documents, half.map(|(_, blow)| vec![blow]));
}

#[test]
fn whatever_goes_wrong_at_an_even_place_all_holds_in_the_end() {
    check_half(0);
}

#[test]
fn whatever_goes_wrong_at_an_odd_place_all_holds_in_the_end() {
    check_half(1);
}

#[test]
fn whatever_goes_wrong_for_an_account_all_holds_in_the_end() {
    let met = played(Scene::Account, &[], None).unwrap();
    assert!(met.steps.iter().any(|step| step.kind == "Account"));
    // It has no sockets: to lose memory alone is the same.
    let memory_only = |blow: &Blow| matches!(blow, Blow::Crash { is_memory_only: true, .. });
    let blows = crashes(&met).into_iter().filter(|blow| !memory_only(blow)).chain(failures(&met));
    check(Scene::Account, blows.map(|blow| vec![blow]));
}

#[test]
fn two_things_that_go_wrong_do_no_more() {
    let all = std::env::var("BLAZE_CRASHES").is_ok_and(|crashes| crashes == "all");
    let met = played(Scene::Documents, &[], None).unwrap();
    let firsts = failures(&met).into_iter().chain(crashes(&met));
    let pairs =
        firsts.flat_map(|first| crashes(&met).into_iter().map(move |then| vec![first, then]));
    check(Scene::Documents, pairs.step_by(if all { 1 } else { STRIDE }));
}

/// Asserts that a blow at some place is noticed when this is broken, with one of these messages.
#[track_caller]
fn notices(sabotage: Sabotage, says: &[&str]) {
    let met = played(Scene::Documents, &[], Some(sabotage)).unwrap();
    let found = crashes(&met).into_iter().find_map(|blow| {
        let text = played(Scene::Documents, &[blow], Some(sabotage)).err()?;
        says.iter().any(|words| text.contains(words)).then_some(text)
    });
    println!("{sabotage:?}: {found:?}");
    assert!(found.is_some(), "{sabotage:?} goes unnoticed");
}

#[test]
fn what_is_let_out_without_a_commit_is_noticed() {
    notices(Sabotage::AnswerWithoutCommit, &["never had", "was shown, and the one it had"]);
}

#[test]
fn an_alarm_that_is_lost_with_its_isolate_is_noticed() {
    notices(Sabotage::ForgetAlarms, &["and its documents", "had been shown"]);
}
