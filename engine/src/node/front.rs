//! The front of a process: requests come in here, are decided ([`routes`](super::routes)), and are answered, passed on, or
//! answered with what objects say.

use super::routes::{Join, Reaction, route};
use crate::actor::{Answer, Call, Effect, Event, Facts, Halt, Key, Object, Tasks, Turn};
use crate::http::incoming::Incoming;
use crate::http::reply::Reply;
use crate::http::security;
use blaze_schema::limits::TASK_MICROS;
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use std::collections::BTreeMap;

/// The front.
#[derive(Debug, Default)]
pub struct Front {
    tasks: Tasks<Incoming>,
    /// Requests that are decided, and wait for the answers of objects.
    gathering: BTreeMap<u64, Gathering>,
    /// The calls that were made for them, each with the place of its answer.
    calls: BTreeMap<u64, (u64, usize)>,
}

#[derive(Debug)]
struct Gathering {
    request: Incoming,
    join: Join,
    answers: Vec<Option<Answer>>,
    missing: usize,
    began: Timestamp,
}

impl Front {
    pub(crate) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        match event {
            Event::Request { ticket, request } => {
                self.run(turn, Key::Ticket(ticket), request, Facts::default());
            }
            Event::Body { ticket, body } => {
                let ready = self.tasks.read(ticket, body);
                self.go_on(turn, ready);
            }
            Event::Told { number, answer } => match self.tasks.told(number, answer) {
                Ok(ready) => self.go_on(turn, ready),
                Err(answer) => self.gathered(turn, number, answer),
            },
            Event::Timer => {
                while let Some(ready) = self.tasks.due(turn.now) {
                    self.go_on(turn, Some(ready));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn wakes(&self) -> Option<Timestamp> {
        self.tasks.wakes()
    }

    fn go_on<S: Store>(&mut self, turn: &mut Turn<'_, S>, ready: Option<(Key, Incoming, Facts)>) {
        if let Some((key, request, facts)) = ready {
            self.run(turn, key, request, facts);
        }
    }

    /// Decides about a request, as far as the facts go.
    fn run<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        key: Key,
        request: Incoming,
        mut facts: Facts,
    ) {
        let Key::Ticket(ticket) = key else { return };
        let decided = match facts.count_round() {
            Ok(()) => route(turn, &request, &mut facts),
            Err(error) => Err(error.into()),
        };
        match decided {
            Ok(reaction) => self.react(turn, ticket, request, reaction),
            Err(Halt::Wait(wait)) => self.tasks.wait(key, request, facts, wait, turn),
            Err(Halt::Refused(error)) => finish(turn, ticket, &request, error.into()),
            Err(Halt::Reply(reply)) => finish(turn, ticket, &request, reply),
        }
    }

    fn react<S>(
        &mut self,
        turn: &mut Turn<'_, S>,
        ticket: u64,
        request: Incoming,
        reaction: Reaction,
    ) {
        match reaction {
            Reaction::Reply(reply) => finish(turn, ticket, &request, reply),
            Reaction::Pass { object, url } => turn.push(Effect::Pass { ticket, object, url }),
            Reaction::Gather { calls, join } => self.gather(turn, ticket, request, calls, join),
            Reaction::Serve { files, otherwise } => {
                let otherwise = turn.node.finish(otherwise, &request, security::ANSWER);
                turn.push(Effect::Serve { ticket, files, otherwise });
            }
            Reaction::Listen { protocol, credential, address } => {
                turn.push(Effect::Listen { ticket, protocol, credential, address });
            }
            Reaction::Refuse { protocol, frame, code } => {
                turn.push(Effect::Refuse { ticket, protocol, frame, code });
            }
        }
    }

    /// Calls objects for a request.
    fn gather<S>(
        &mut self,
        turn: &mut Turn<'_, S>,
        ticket: u64,
        request: Incoming,
        mut calls: Vec<(Object, Call)>,
        join: Join,
    ) {
        if let Some(reply) = join.relayed()
            && let Some((object, call)) = calls.pop()
        {
            let reply = turn.node.finish(reply, &request, security::ANSWER);
            return turn.push(Effect::Relay { ticket, object, call, reply });
        }
        self.sweep(turn.now);
        let (missing, answers) = (calls.len(), vec![None; calls.len()]);
        for (place, (object, call)) in calls.into_iter().enumerate() {
            let number = self.number(ticket, place);
            turn.push(Effect::Call { number, object, call });
        }
        let gathering = Gathering { request, join, answers, missing, began: turn.now };
        self.gathering.insert(ticket, gathering);
    }

    fn number(&mut self, ticket: u64, place: usize) -> u64 {
        let number = self.tasks.number();
        self.calls.insert(number, (ticket, place));
        number
    }

    /// Takes the answer of an object.
    fn gathered<S: Store>(&mut self, turn: &mut Turn<'_, S>, number: u64, answer: Option<Answer>) {
        let Some((ticket, place)) = self.calls.remove(&number) else { return };
        let Some(gathering) = self.gathering.get_mut(&ticket) else { return };
        if let Some(there) = gathering.answers.get_mut(place) {
            *there = answer;
        }
        gathering.missing = gathering.missing.saturating_sub(1);
        if gathering.missing > 0 {
            return;
        }
        if let Some(Gathering { request, join, answers, .. }) = self.gathering.remove(&ticket) {
            match join.join(turn, &request, answers) {
                Ok(reaction) => self.react(turn, ticket, request, reaction),
                Err(error) => finish(turn, ticket, &request, error.into()),
            }
        }
    }

    /// Drops requests that were abandoned.
    fn sweep(&mut self, now: Timestamp) {
        let is_old = |began: Timestamp| now.micros().saturating_sub(began.micros()) > TASK_MICROS;
        if self.gathering.len() >= 64 && self.gathering.len().is_power_of_two() {
            self.gathering.retain(|_, gathering| !is_old(gathering.began));
            let gathering = &self.gathering;
            self.calls.retain(|_, (ticket, _)| gathering.contains_key(ticket));
        }
    }
}

fn finish<S>(turn: &mut Turn<'_, S>, ticket: u64, request: &Incoming, reply: Reply) {
    let reply = turn.node.finish(reply, request, security::ANSWER);
    turn.push(Effect::Reply { ticket, reply });
}
