//! What the rules mean, said again without the engine.

use crate::world::{Person, Place, Who};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    /// Reads it.
    Read,
    /// Reads whether it is there, and fails if it is not.
    Verify,
    /// Writes it, whether it is there or not.
    Set,
    /// Writes it if it is there, and fails if it is not.
    Change,
    /// Writes it if it is not there, and fails if it is.
    Create,
    /// Removes it, whether it is there or not.
    Delete,
    /// Removes it if it is there, and fails if it is not.
    Remove,
    /// Reads whether it is at a version that it never is at.
    Missed,
    /// Reads whether it is there, and writes it then.
    Verified,
    /// A write that fails whatever is there: a precondition that never holds.
    Fail,
}

impl Act {
    /// Whether the state of the document makes it fail, for somebody who may do everything.
    pub(crate) fn fails(self, exists: bool) -> bool {
        match self {
            Act::Read | Act::Set | Act::Delete => false,
            Act::Verify | Act::Verified | Act::Change | Act::Remove => !exists,
            Act::Create => exists,
            Act::Fail | Act::Missed => true,
        }
    }

    /// Whether it leaves the document as it is, for somebody who may do everything.
    pub(crate) fn changes(self, exists: bool) -> bool {
        match self {
            Act::Read | Act::Verify | Act::Missed => false,
            Act::Delete => exists,
            _ => !self.fails(exists),
        }
    }
}

fn is_editor(who: Who) -> bool {
    matches!(who, Who::Editor | Who::Grantee)
}

/// Whether somebody may read alice's document, or that it is not there.
pub(crate) fn may_read(person: &Person, place: Place, exists: bool) -> bool {
    match (person.who, place) {
        (Who::Nobody, _) => false,
        (Who::Admin, _) => true,
        (who, Place::Notes) => who == Who::Alice && exists,
        (who, Place::Comments) => who != Who::Anonymous,
        (_, Place::Public) => true,
        (who, Place::Deep) => is_editor(who),
        (_, Place::Drop | Place::Secret) => false,
        (who, Place::Roles) => who == Who::Alice,
    }
}

/// Whether somebody may write it, so that it stays alice's, or remove it.
pub(crate) fn may_write(person: &Person, place: Place, exists: bool, act: Act) -> bool {
    match (person.who, place) {
        (Who::Nobody, _) => false,
        (Who::Admin, _) => true,
        (who, Place::Notes) => who == Who::Alice && (exists || act != Act::Delete),
        (who, Place::Comments | Place::Public | Place::Deep) => is_editor(who),
        (who, Place::Drop) => who != Who::Anonymous,
        (_, Place::Secret | Place::Roles) => false,
    }
}

/// Whether an operation is forbidden. One that fails for what the document is tells what it is: that is for readers.
pub(crate) fn is_forbidden(person: &Person, place: Place, exists: bool, act: Act) -> bool {
    let reads = matches!(act, Act::Read | Act::Verify | Act::Verified) || act.fails(exists);
    let writes = !matches!(act, Act::Read | Act::Verify) && !act.fails(exists);
    reads && !may_read(person, place, exists) || writes && !may_write(person, place, exists, act)
}

/// Whether somebody may ask for the documents of a place, or for those that are alice's.
pub(crate) fn may_list(person: &Person, place: Place, of_alice: bool) -> bool {
    match (person.who, place) {
        (Who::Admin, _) => true,
        (who, Place::Notes) => who == Who::Alice && of_alice,
        _ => may_read(person, place, true),
    }
}
