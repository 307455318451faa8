//! The facts that a decision may lack: a step that lacks one ends with what it needs, and the same step is taken again with
//! it.
//!
//! ```text
//!   step(facts) ──▶ Err(Wait::Calls([…])) ──▶ the answers become facts ──▶ step(facts) ──▶ Ok(…)
//! ```
//!
//! So a step must change nothing before it has all its facts. It asks for them in a fixed order.

use super::call::{Answer, Call, Object};
use crate::guard::Stop;
use crate::http::reply::Reply;
use crate::rate::Kind;
use blaze_rules::Lookups;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::ROUNDS;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeSet;

/// The body of a request, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it, inflated.
    Whole(Vec<u8>),
    /// More bytes than were asked for.
    TooLarge,
    /// The reason why it cannot be read: its framing is broken, or it broke off.
    Broken(String),
}

/// The end of a step that cannot go on, or not yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// The step lacks facts.
    Wait(Wait),
    /// The refusal.
    Refused(Error),
    /// The answer.
    Reply(Reply),
}

/// The facts that a step lacks.
#[derive(Clone, Debug, PartialEq)]
pub enum Wait {
    /// The request's body.
    Body {
        /// Bytes of it at most.
        limit: usize,
        /// True if it has to be inflated first.
        is_gzip: bool,
    },
    /// The answers of objects, which become facts.
    Calls(Vec<(Object, Call)>),
    /// The answers of objects, in this order: [`Facts::gathered`].
    Answers(Vec<(Object, Call)>),
    /// Nothing but time: another one asks for the same.
    Until(Timestamp),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Refused(error)
    }
}

impl From<Reply> for Halt {
    fn from(reply: Reply) -> Self {
        Halt::Reply(reply)
    }
}

/// An object's answer.
#[derive(Clone, Debug)]
pub struct Fact {
    object: Object,
    call: Call,
    /// The answer; `None` if there is none.
    pub answer: Option<Answer>,
    /// The time of the call.
    pub asked: Timestamp,
}

/// The facts that one step has so far.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The request's body.
    pub body: Option<Body>,
    answers: Vec<Fact>,
    /// The outcome of [`Wait::Answers`]; `None` for an object that gave no answer.
    pub(crate) gathered: Vec<Option<Answer>>,
    /// The kinds of subjects for which the request was counted.
    pub(crate) counted: Vec<Kind>,
    rounds: u32,
}

impl Facts {
    /// Returns the last answer to such a call.
    pub fn known(&self, is_it: impl Fn(&Call) -> bool) -> Option<&Fact> {
        self.answers.iter().rev().find(|fact| is_it(&fact.call))
    }

    /// Number of such calls whose outcome is known.
    pub fn count(&self, is_it: impl Fn(&Call) -> bool) -> usize {
        self.answers.iter().filter(|fact| is_it(&fact.call)).count()
    }

    /// Adds the answer to a call that was made at `asked`; `None` if there is none.
    pub fn add(&mut self, object: Object, call: Call, answer: Option<Answer>, asked: Timestamp) {
        self.answers.push(Fact { object, call, answer, asked });
    }

    /// Takes back a round that ended with a wait for nothing but time.
    pub fn uncount_round(&mut self) {
        self.rounds = self.rounds.saturating_sub(1);
    }

    /// Counts a round of asking.
    ///
    /// # Errors
    /// `internal` after [`ROUNDS`]: a decision that asks for ever more.
    pub fn count_round(&mut self) -> Result<(), Error> {
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > ROUNDS {
            return Err(Error::internal("a decision that asks for ever more"));
        }
        Ok(())
    }

    /// Returns the documents that rules looked up.
    ///
    /// # Errors
    /// `unavailable` for a document that gave no answer.
    pub fn lookups(&self) -> Result<Lookups, Error> {
        let mut lookups = Lookups::new();
        for Fact { object, call, answer, .. } in &self.answers {
            if *call == Call::Peek {
                let answer = answer.as_ref().ok_or_else(silent)?;
                let data = answer.result.as_ref().map_err(Clone::clone)?;
                let data = serde_json::from_str(data)
                    .map_err(|error| Error::internal(format!("lookup: {error}")))?;
                lookups.insert(DocumentPath::parse(&object.name)?, data);
            }
        }
        Ok(lookups)
    }

    /// Converts the outcome of a decision by rules.
    ///
    /// # Errors
    /// Its refusal, or the documents that it lacks.
    pub fn permitted<T>(&self, outcome: Result<T, Stop>) -> Result<T, Halt> {
        outcome.map_err(|stop| match stop {
            Stop::Refused(error) => Halt::Refused(error),
            Stop::Needs(paths) => lookup(&paths),
        })
    }
}

/// Asks for the data of documents.
pub fn lookup(paths: &BTreeSet<DocumentPath>) -> Halt {
    let peek =
        |path: &DocumentPath| (Object::new(super::Class::Document, path.as_str()), Call::Peek);
    Halt::Wait(Wait::Calls(paths.iter().map(peek).collect()))
}

/// The refusal of a request for which an object could not be asked.
pub fn silent() -> Error {
    let detail = "an object that answers it is not available; repeat the request, with its Idempotency-Key if it has one";
    Error::new(Code::Unavailable, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_may_ask_so_often_and_no_more() {
        let mut facts = Facts::default();
        for _ in 0..ROUNDS {
            assert_eq!(facts.count_round(), Ok(()));
        }
        assert_eq!(facts.count_round().map_err(|error| error.code), Err(Code::Internal));
    }

    #[test]
    fn documents_that_were_looked_up_are_facts_and_one_that_is_silent_is_not() {
        let mut facts = Facts::default();
        let paths = ["a/b", "a/c"].map(|path| DocumentPath::parse(path).unwrap());
        let Halt::Wait(Wait::Calls(calls)) = lookup(&paths.clone().into()) else { panic!() };
        let answers = [r#"{"n":1}"#, "null"];
        for ((object, call), answer) in calls.clone().into_iter().zip(answers) {
            facts.add(object, call, Some(Ok(answer.to_owned()).into()), Timestamp::MIN);
        }
        let lookups = facts.lookups().unwrap();
        assert_eq!(lookups.keys().cloned().collect::<Vec<_>>(), paths);
        assert_eq!(lookups.values().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
        let (object, call) = calls.into_iter().next().unwrap();
        facts.add(object, call, None, Timestamp::MIN);
        assert_eq!(facts.lookups().unwrap_err().code, Code::Unavailable);
    }
}
