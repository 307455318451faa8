//! The tasks of an actor that wait for facts.

use super::{Answer, Body, Call, Effect, Facts, Object, Turn, Wait};
use blaze_schema::limits::TASK_MICROS;
use blaze_schema::timestamp::Timestamp;
use std::collections::BTreeMap;

/// The name of a task: one of each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The answering of a request or a call.
    Ticket(u64),
    /// The handling of a socket's message.
    Socket(u64),
    /// Something of the object itself.
    Own,
}

/// The tasks that wait.
#[derive(Debug)]
pub(crate) struct Tasks<T> {
    waiting: BTreeMap<Key, Waiting<T>>,
    /// The calls that were made for them.
    calls: BTreeMap<u64, (Key, Object, Call, Timestamp)>,
    /// The waits for nothing but time.
    sleeps: BTreeMap<u64, Key>,
    last: u64,
}

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        Tasks { waiting: BTreeMap::new(), calls: BTreeMap::new(), sleeps: BTreeMap::new(), last: 0 }
    }
}

#[derive(Debug)]
struct Waiting<T> {
    task: T,
    facts: Facts,
    /// Number of calls without an answer.
    missing: usize,
    began: Timestamp,
}

impl<T> Tasks<T> {
    /// Returns a number for a call or a fetch that no other one has.
    pub(crate) fn number(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Keeps a task until it has what it waits for, and asks for that.
    pub(crate) fn wait<S>(
        &mut self,
        key: Key,
        task: T,
        mut facts: Facts,
        wait: Wait,
        turn: &mut Turn<'_, S>,
    ) {
        // An earlier wait under this name is void, and so are the answers to its calls.
        self.calls.retain(|_, (of, ..)| *of != key);
        self.sleeps.retain(|_, of| *of != key);
        let mut missing = 0;
        match wait {
            Wait::Body { limit, is_gzip } => {
                if let Key::Ticket(ticket) = key {
                    turn.push(Effect::Read { ticket, limit, is_gzip });
                }
            }
            Wait::Calls(calls) => {
                missing = calls.len();
                for (object, call) in calls {
                    let number = self.number();
                    self.calls.insert(number, (key, object.clone(), call.clone(), turn.now));
                    turn.push(Effect::Call { number, object, call });
                }
            }
            Wait::Until(until) => {
                // Others' calls are waited for as long as their own limit says, not by rounds.
                facts.uncount_round();
                let number = self.number();
                self.sleeps.insert(number, key);
                turn.push(Effect::Sleep { number, until });
            }
        }
        self.sweep(turn);
        self.waiting.insert(key, Waiting { task, facts, missing, began: turn.now });
    }

    /// Drops tasks whose requests were abandoned: the shell never brings what they wait for.
    fn sweep<S>(&mut self, turn: &mut Turn<'_, S>) {
        if !is_crowded(self.waiting.len()) {
            return;
        }
        let now = turn.now;
        let is_over = |key: &Key, waiting: &mut Waiting<T>| {
            matches!(key, Key::Ticket(_)) && is_abandoned(waiting.began, now)
        };
        for (key, _) in self.waiting.extract_if(.., is_over) {
            if let Key::Ticket(ticket) = key {
                turn.effects.push(Effect::Abandon { ticket });
            }
        }
        let waiting = &self.waiting;
        self.calls.retain(|_, (key, ..)| waiting.contains_key(key));
    }

    /// Takes the answer to a call. Returns the task if it has all that it waited for.
    ///
    /// # Errors
    /// The answer, if no task made the call.
    pub(crate) fn told(
        &mut self,
        number: u64,
        answer: Option<Answer>,
    ) -> Result<Option<(Key, T, Facts)>, Option<Answer>> {
        if let Some(key) = self.sleeps.remove(&number) {
            return Ok(self.take(key));
        }
        let Some((key, object, call, asked)) = self.calls.remove(&number) else {
            return Err(answer);
        };
        let Some(waiting) = self.waiting.get_mut(&key) else { return Ok(None) };
        waiting.facts.add(object, call, answer, asked);
        waiting.missing = waiting.missing.saturating_sub(1);
        Ok(if waiting.missing == 0 { self.take(key) } else { None })
    }

    /// Takes the body of a request.
    pub(crate) fn read(&mut self, ticket: u64, body: Body) -> Option<(Key, T, Facts)> {
        let (key, task, mut facts) = self.take(Key::Ticket(ticket))?;
        facts.body = Some(body);
        Some((key, task, facts))
    }

    /// True if a task waits under this name.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.waiting.contains_key(&key)
    }

    /// Number of tasks that wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets a task.
    pub(crate) fn take(&mut self, key: Key) -> Option<(Key, T, Facts)> {
        let Waiting { task, facts, .. } = self.waiting.remove(&key)?;
        Some((key, task, facts))
    }
}

/// True if so many wait that those are looked for that were abandoned.
pub(crate) fn is_crowded(waiting: usize) -> bool {
    waiting >= 64 && waiting.is_power_of_two()
}

/// True if something that began at a time waits too long.
pub(crate) fn is_abandoned(began: Timestamp, now: Timestamp) -> bool {
    now.since(began) > TASK_MICROS
}
