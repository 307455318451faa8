//! The front of a process: requests come in here, are decided ([`routes`](super::routes)), and are answered, passed on, or
//! answered with what objects say.

use super::routes::{Join, Reaction, route};
use crate::actor::{Effect, Event, Facts, Halt, Key, Tasks, Turn, Wait, Work};
use crate::http::incoming::Incoming;
use crate::http::reply::Reply;
use crate::http::security;
use blaze_schema::error::Error;
use blaze_store::Store;

/// The front.
#[derive(Debug, Default)]
pub struct Front {
    tasks: Tasks<Task>,
}

/// A request; a decided one waits for the answers of objects, which are joined.
#[derive(Debug)]
pub(crate) struct Task {
    ticket: u64,
    request: Incoming,
    join: Option<Join>,
}

impl Front {
    pub(crate) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        match event {
            Event::Request { ticket, request } => {
                self.start(turn, Key::Ticket(ticket), Task { ticket, request, join: None });
            }
            Event::Body { ticket, body } => self.read(turn, ticket, body),
            Event::Told { number, answer } => {
                self.told(turn, number, answer).ok();
            }
            _ => {}
        }
    }
}

impl Work for Front {
    type Task = Task;

    fn tasks(&mut self) -> &mut Tasks<Task> {
        &mut self.tasks
    }

    fn attempt<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: &mut Task,
        facts: &mut Facts,
    ) -> Result<(), Halt> {
        let (ticket, request) = (task.ticket, &task.request);
        let reaction = match task.join.take() {
            Some(join) => join.join(turn, request, std::mem::take(&mut facts.gathered))?,
            None => route(turn, ticket, request, facts)?,
        };
        match reaction {
            Reaction::Reply(reply) => finish(turn, ticket, request, reply),
            Reaction::Do(effect) => turn.push(effect),
            Reaction::Gather { mut calls, join } => {
                if let Some(reply) = join.relayed()
                    && let Some((object, call)) = calls.pop()
                {
                    let reply = turn.node.finish(reply, request, security::ANSWER);
                    turn.push(Effect::Relay { ticket, object, call, reply });
                    return Ok(());
                }
                task.join = Some(join);
                *facts = Facts::default();
                return Err(Halt::Wait(Wait::Answers(calls)));
            }
        }
        Ok(())
    }

    fn refuse<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: Task,
        error: Error,
        reply: Option<Reply>,
    ) {
        finish(turn, task.ticket, &task.request, reply.unwrap_or_else(|| error.into()));
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
    use crate::node::Home;
    use crate::node::config::Config;
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
    fn what_is_open_to_a_machine_is_not_to_the_pages_that_it_visits() {
        let (foreign, upgrade) = (("origin", "https://foreign.example"), ("upgrade", "websocket"));
        let closed = || Config::read("{}", "{}", |_| None).unwrap();
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/v1/docs/a/b"),
            ("POST", "/v1/docs/a"),
            ("POST", "/v1/query"),
            ("PUT", "/v1/rules"),
            ("GET", "/v1/listen"),
            ("OPTIONS", "/v1/query"),
            ("GET", "/nothing"),
        ] {
            let request = request(method, path, &[foreign, upgrade]);
            let local = request.with_url(format!("http://localhost:8787{path}"));
            for home in [Home::Files, Home::Process] {
                let mut bench = Bench::front_of(open("{}"), home);
                // By a name that leads here, and by a page of another origin.
                assert_eq!(statuses(&bench.request(1, request.clone())), [(1, 403)], "{path}");
                assert_eq!(statuses(&bench.request(2, local.clone())), [(2, 403)], "{path}");
                let mut bench = Bench::front_of(closed(), home);
                assert_ne!(statuses(&bench.request(3, local.clone())), [(3, 403)], "{path}");
            }
            let mut bench = Bench::front(open("{}"));
            assert_ne!(statuses(&bench.request(4, request.clone())), [(4, 403)], "{path}");
        }
        let mut bench = Bench::front_of(open("{}"), Home::Process);
        let effects = bench.request(5, request("GET", "/health", &[foreign]));
        assert_eq!(statuses(&effects), [(5, 200)]);
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
