//! Blows: what goes wrong at one place of a history, in place of chance.

use super::delivery::Place;
use super::faults::Fate;

/// A blow, at a step of an actor or at a call, both counted from the beginning of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The isolate ends at this step: before the commit, or after it and so many effects.
    Crash {
        /// The step.
        step: usize,
        /// The effects that are let out; `None` for an end before the commit.
        done: Option<usize>,
        /// True if only memory is lost.
        is_memory_only: bool,
    },
    /// The object's disk takes no changes at this step.
    Full {
        /// The step.
        step: usize,
    },
    /// This call or request between isolates is lost.
    Lost {
        /// The call.
        call: usize,
        /// True if it never arrives; false if its answer does not.
        is_before: bool,
    },
}

/// The places at which blows can be dealt, as far as a history has gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// The steps.
    pub steps: Vec<Step>,
    /// Number of calls and requests between isolates.
    pub calls: usize,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The kind of the actor.
    pub kind: &'static str,
    /// Number of its effects.
    pub effects: usize,
    /// True if it wrote rows.
    pub writes: bool,
}

/// The name of an actor's kind.
pub(super) fn kind(place: &Place) -> &'static str {
    match place {
        Place::Front(_) => "Front",
        Place::Listener(_) => "Listener",
        Place::Object(object) => object.class.name(),
    }
}

/// The fate that a plan has for a call.
pub(super) fn blow_at_call(plan: &[Blow], number: usize) -> Option<Fate> {
    plan.iter().find_map(|blow| match *blow {
        Blow::Lost { call, is_before } if call == number => {
            Some(if is_before { Fate::LostBefore } else { Fate::LostAfter })
        }
        _ => None,
    })
}

/// The end of an isolate that a plan has for a step: the effects that are let out, and whether only memory is lost.
pub(super) fn crash_at(plan: &[Blow], number: usize) -> Option<(Option<usize>, bool)> {
    plan.iter().find_map(|blow| match *blow {
        Blow::Crash { step, done, is_memory_only } if step == number => {
            Some((done, is_memory_only))
        }
        _ => None,
    })
}

/// True if a plan has a full disk for a step.
pub(super) fn is_full_at(plan: &[Blow], number: usize) -> bool {
    plan.contains(&Blow::Full { step: number })
}
