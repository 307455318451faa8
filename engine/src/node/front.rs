//! The front of a process: requests come in here, are decided ([`routes`](super::routes)), and are answered, passed on, or
//! answered with what objects say.

use super::routes::{Join, Reaction, route};
use crate::actor::{
    Answer, Call, Effect, Event, Facts, Halt, Key, Object, Tasks, Turn, is_abandoned, is_crowded,
};
use crate::http::incoming::Incoming;
use crate::http::reply::Reply;
use crate::http::security;
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
            _ => {}
        }
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
        self.sweep(turn);
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
    fn sweep<S>(&mut self, turn: &mut Turn<'_, S>) {
        if !is_crowded(self.gathering.len()) {
            return;
        }
        let now = turn.now;
        let is_old = |gathering: &Gathering| is_abandoned(gathering.began, now);
        for (ticket, _) in self.gathering.extract_if(.., |_, gathering| is_old(gathering)) {
            turn.effects.push(Effect::Abandon { ticket });
        }
        let gathering = &self.gathering;
        self.calls.retain(|_, (ticket, _)| gathering.contains_key(ticket));
    }
}

fn finish<S>(turn: &mut Turn<'_, S>, ticket: u64, request: &Incoming, reply: Reply) {
    let reply = turn.node.finish(reply, request, security::ANSWER);
    turn.push(Effect::Reply { ticket, reply });
}

#[cfg(test)]
mod tests {
    use crate::actor::bench::{Bench, calls, open, request, statuses};
    use crate::actor::{Body, Call, Class, Effect, Event, Object};
    use blaze_schema::error::{Code, Error};
    use blaze_schema::limits::{SNAPSHOT_GRACE_MICROS, SNAPSHOT_MICROS, TASK_MICROS};

    #[test]
    fn a_request_to_a_document_is_passed_on_without_anything_in_between() {
        let mut bench = Bench::front(open("{}"));
        let effects = bench.request(1, request("GET", "/v1/docs/a/b%20c", &[]));
        let object = Object::new(Class::Document, "a/b c");
        assert_eq!(effects, [Effect::Pass { ticket: 1, object, url: None }]);
    }

    #[test]
    fn rules_that_cannot_be_asked_for_are_used_in_need_and_then_nothing_is_answered() {
        let mut bench = Bench::front(open("{}"));
        for (age, status) in [(SNAPSHOT_MICROS, 200), (SNAPSHOT_GRACE_MICROS, 503)] {
            bench.now = 1_000_000 + age;
            let effects = bench.request(1, request("GET", "/health", &[]));
            let [(number, object, Call::Snapshot { .. })] = calls(&effects)[..] else {
                panic!("{effects:?}")
            };
            assert_eq!(*object, Object::access());
            let effects = bench.event(Event::Told { number, answer: None });
            assert_eq!(statuses(&effects), [(1, status)], "{age}");
        }
    }

    #[test]
    fn a_query_is_relayed_to_its_index_and_a_commit_joined_from_its_documents() {
        let mut bench = Bench::front(open("{}"));
        let json = [("content-type", "application/json")];
        let body = |ticket, text: &str| Event::Body { ticket, body: Body::Whole(text.into()) };
        bench.request(1, request("POST", "/v1/query", &json));
        let effects = bench.event(body(1, r#"{"from":"a"}"#));
        let [Effect::Relay { object, reply, .. }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!((object, reply.status), (&Object::new(Class::Index, "c/0/a"), 200));
        bench.request(2, request("POST", "/v1/commit", &json));
        let effects = bench.event(body(2, r#"{"writes":[{"delete":"a/b"},{"delete":"a/c"}]}"#));
        let numbers: Vec<u64> = calls(&effects).iter().map(|(number, ..)| *number).collect();
        let refused = |code| Err(Error::new(code, "x"));
        assert_eq!(bench.told(numbers[1], refused(Code::PermissionDenied)), []);
        let effects = bench.told(numbers[0], refused(Code::Unimplemented));
        assert_eq!(statuses(&effects), [(2, 403)], "the refusal of the caller decides");
    }

    #[test]
    fn what_an_object_does_not_answer_is_unavailable() {
        let mut bench = Bench::front(open("{}"));
        bench.request(1, request("POST", "/v1/commit", &[]));
        let text = r#"{"writes":[{"delete":"a/b"}]}"#;
        let effects = bench.event(Event::Body { ticket: 1, body: Body::Whole(text.into()) });
        let (number, ..) = calls(&effects)[0];
        let effects = bench.event(Event::Told { number, answer: None });
        let [Effect::Reply { reply, .. }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(reply.status, 503);
        assert!(reply.headers.contains(&("retry-after", "1".to_owned())));
    }

    #[test]
    fn requests_that_were_abandoned_are_forgotten() {
        let mut bench = Bench::front(open("{}"));
        let waiting = |bench: &Bench| match &bench.actor {
            crate::actor::Actor::Front(front) => front.tasks.waiting(),
            _ => 0,
        };
        let ask = |bench: &mut Bench, ticket| {
            bench.request(ticket, request("POST", "/v1/commit", &[]));
        };
        for ticket in 0..64 {
            ask(&mut bench, ticket);
        }
        bench.now += TASK_MICROS;
        bench.know(2);
        ask(&mut bench, 64);
        assert_eq!(waiting(&bench), 65, "none is older");
        for ticket in 65..128 {
            ask(&mut bench, ticket);
        }
        bench.now += 1;
        ask(&mut bench, 128);
        assert_eq!(waiting(&bench), 65);
    }
}
