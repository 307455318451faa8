//! The tasks of an actor: steps that may lack facts, and what waits behind them.
//!
//! ```text
//!   begin ──▶ attempt ──▶ done, or refused ──▶ the next one of the same name
//!              │   ▲
//!              ▼   │ the facts are there: told, read
//!             waiting
//! ```

use super::{Answer, Body, Call, Effect, Facts, Halt, Object, Turn, Wait};
use crate::http::reply::Reply;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{TASK_MICROS, WAITING_BYTES};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use std::collections::{BTreeMap, VecDeque};

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

/// An actor whose steps may lack facts.
pub(crate) trait Work {
    type Task;

    fn tasks(&mut self) -> &mut Tasks<Self::Task>;

    /// Takes a task's step, as far as the facts go. What it changes in the task is kept while the task waits.
    fn attempt<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: &mut Self::Task,
        facts: &mut Facts,
    ) -> Result<(), Halt>;

    /// Answers a task whose step is refused: by an error, or with a reply instead of it.
    fn refuse<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: Self::Task,
        error: Error,
        reply: Option<Reply>,
    );

    /// Begins a task, in place of one of its name that waits.
    fn start<S: Store>(&mut self, turn: &mut Turn<'_, S>, key: Key, task: Self::Task) {
        self.run(turn, key, task, Facts::default());
    }

    /// Begins a task of so many bytes after those of its name that came before it.
    fn queue<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        key: Key,
        task: Self::Task,
        bytes: usize,
    ) {
        if !self.tasks().has(key) {
            return self.start(turn, key, task);
        }
        if let Err(task) = self.tasks().push(key, task, bytes) {
            let detail = format!("message: more than {WAITING_BYTES} bytes wait on this socket");
            self.refuse(turn, task, Error::new(Code::ResourceExhausted, detail), None);
        }
    }

    fn run<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        key: Key,
        mut task: Self::Task,
        mut facts: Facts,
    ) {
        loop {
            let counted = facts.count_round().map_err(Halt::from);
            match counted.and_then(|()| self.attempt(turn, &mut task, &mut facts)) {
                Ok(()) => {}
                Err(Halt::Wait(wait)) => return self.tasks().wait(key, task, facts, wait, turn),
                Err(Halt::Refused(error)) => self.refuse(turn, task, error, None),
                Err(Halt::Reply(reply)) => {
                    let error = Error::internal("a reply to no request");
                    self.refuse(turn, task, error, Some(reply));
                }
            }
            let Some(next) = self.tasks().next(key) else { return };
            (task, facts) = (next, Facts::default());
        }
    }

    /// Takes the answer to a call, and goes on with the task that made it.
    ///
    /// # Errors
    /// The answer, if no task made the call.
    fn told<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        number: u64,
        answer: Option<Answer>,
    ) -> Result<(), Option<Answer>> {
        if let Some((key, task, facts)) = self.tasks().told(number, answer)? {
            self.run(turn, key, task, facts);
        }
        Ok(())
    }

    /// Takes the body of a request, and goes on with the task that asked for it.
    fn read<S: Store>(&mut self, turn: &mut Turn<'_, S>, ticket: u64, body: Body) {
        if let Some((key, task, mut facts)) = self.tasks().take(Key::Ticket(ticket)) {
            facts.body = Some(body);
            self.run(turn, key, task, facts);
        }
    }
}

/// The tasks that wait.
#[derive(Debug)]
pub(crate) struct Tasks<T> {
    /// The tasks that wait for facts.
    waiting: BTreeMap<Key, Waiting<T>>,
    /// The tasks that wait for the one of their name, with the bytes of each, and those of all.
    behind: BTreeMap<Key, (VecDeque<(T, usize)>, usize)>,
    /// The calls that were made for tasks, each with the place of its answer, and the waits for nothing but time.
    calls: BTreeMap<u64, (Key, usize)>,
    last: u64,
}

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        Tasks { waiting: BTreeMap::new(), behind: BTreeMap::new(), calls: BTreeMap::new(), last: 0 }
    }
}

#[derive(Debug)]
struct Waiting<T> {
    task: T,
    facts: Facts,
    /// The calls whose answers become facts.
    asked: Vec<(Object, Call)>,
    answers: Vec<Option<Answer>>,
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
    fn wait<S>(&mut self, key: Key, task: T, mut facts: Facts, wait: Wait, turn: &mut Turn<'_, S>) {
        // An earlier wait under this name is void, and so are the answers to its calls.
        self.calls.retain(|_, (of, _)| *of != key);
        let (mut asked, mut missing) = (Vec::new(), 0);
        match wait {
            Wait::Body { limit, is_gzip } => {
                if let Key::Ticket(ticket) = key {
                    turn.push(Effect::Read { ticket, limit, is_gzip });
                }
            }
            Wait::Calls(calls) => {
                missing = self.call(key, calls.clone(), turn);
                asked = calls;
            }
            Wait::Answers(calls) => missing = self.call(key, calls, turn),
            Wait::Until(until) => {
                // Others' calls are waited for as long as their own limit says, not by rounds.
                facts.uncount_round();
                let number = self.number();
                self.calls.insert(number, (key, 0));
                turn.push(Effect::Sleep { number, until });
            }
        }
        self.sweep(turn);
        let answers = vec![None; missing];
        let began = turn.now;
        self.waiting.insert(key, Waiting { task, facts, asked, answers, missing, began });
    }

    /// Makes calls; returns how many.
    fn call<S>(&mut self, key: Key, calls: Vec<(Object, Call)>, turn: &mut Turn<'_, S>) -> usize {
        let count = calls.len();
        for (place, (object, call)) in calls.into_iter().enumerate() {
            let number = self.number();
            self.calls.insert(number, (key, place));
            turn.push(Effect::Call { number, object, call });
        }
        count
    }

    /// Drops tasks whose requests were abandoned: the shell never brings what they wait for.
    fn sweep<S>(&mut self, turn: &mut Turn<'_, S>) {
        if self.waiting.len() < 64 || !self.waiting.len().is_power_of_two() {
            return;
        }
        let now = turn.now;
        let is_over = |key: &Key, waiting: &mut Waiting<T>| {
            matches!(key, Key::Ticket(_)) && now.since(waiting.began) > TASK_MICROS
        };
        for (key, _) in self.waiting.extract_if(.., is_over) {
            if let Key::Ticket(ticket) = key {
                turn.effects.push(Effect::Abandon { ticket });
            }
        }
        let waiting = &self.waiting;
        self.calls.retain(|_, (key, _)| waiting.contains_key(key));
    }

    /// Takes the answer to a call. Returns the task if it has all that it waited for.
    ///
    /// # Errors
    /// The answer, if no task made the call.
    fn told(
        &mut self,
        number: u64,
        answer: Option<Answer>,
    ) -> Result<Option<(Key, T, Facts)>, Option<Answer>> {
        let Some((key, place)) = self.calls.remove(&number) else { return Err(answer) };
        let Some(waiting) = self.waiting.get_mut(&key) else { return Ok(None) };
        if let Some(there) = waiting.answers.get_mut(place) {
            *there = answer;
        }
        waiting.missing = waiting.missing.saturating_sub(1);
        Ok(if waiting.missing == 0 { self.take(key) } else { None })
    }

    fn take(&mut self, key: Key) -> Option<(Key, T, Facts)> {
        let Waiting { task, mut facts, asked, answers, began, .. } = self.waiting.remove(&key)?;
        if asked.is_empty() {
            facts.gathered = answers;
        } else {
            for ((object, call), answer) in asked.into_iter().zip(answers) {
                facts.add(object, call, answer, began);
            }
        }
        Some((key, task, facts))
    }

    /// Puts a task of so many bytes behind the others of its name, if there is room.
    fn push(&mut self, key: Key, task: T, bytes: usize) -> Result<(), T> {
        let (tasks, sum) = self.behind.entry(key).or_default();
        // A task without a text takes room too.
        let bytes = bytes.saturating_add(size_of::<T>());
        if sum.saturating_add(bytes) > WAITING_BYTES {
            return Err(task);
        }
        *sum = sum.saturating_add(bytes);
        tasks.push_back((task, bytes));
        Ok(())
    }

    /// Has a task begin next, after the present one of its name.
    pub(crate) fn put_next(&mut self, key: Key, task: T) {
        self.behind.entry(key).or_default().0.push_front((task, 0));
    }

    /// Takes the task that is next under a name.
    fn next(&mut self, key: Key) -> Option<T> {
        let (tasks, sum) = self.behind.get_mut(&key)?;
        let Some((task, bytes)) = tasks.pop_front() else {
            self.behind.remove(&key);
            return None;
        };
        *sum = sum.saturating_sub(bytes);
        Some(task)
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

    /// Forgets the tasks of a name.
    pub(crate) fn forget(&mut self, key: Key) {
        self.waiting.remove(&key);
        self.behind.remove(&key);
    }
}
