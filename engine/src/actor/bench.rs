//! One actor over a store in memory, for the tests of this crate: events in, effects out, at a time that the test sets.

use super::{Actor, Answer, Call, Class, Effect, Event, Object, Turn, Waking};
use crate::http::Headers;
use crate::http::incoming::Incoming;
use crate::node::config::Config;
use crate::node::{Home, Node};
use blaze_schema::error::Error;
use blaze_schema::timestamp::Timestamp;
use blaze_store::memory::MemoryStore;
use std::rc::Rc;

pub(crate) struct Bench {
    pub(crate) node: Node,
    pub(crate) actor: Actor,
    pub(crate) store: MemoryStore,
    pub(crate) now: i64,
    random: u128,
}

pub(crate) struct Given(pub(crate) Vec<(String, String)>);

impl Headers for Given {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(there, _)| there == name).map(|(_, value)| value.clone())
    }

    fn address(&self) -> String {
        "192.0.2.1".to_owned()
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Incoming {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let url = format!("https://db.example{path}");
    Incoming::new(method.to_owned(), url, Rc::new(Given(headers.collect())))
}

/// A configuration where everything is open, with this for its `access.json`.
pub(crate) fn open(access: &str) -> Config {
    Config::read("{}", access, |name| (name == "OPEN").then(|| "1".to_owned())).unwrap()
}

impl Bench {
    /// An object whose node has a snapshot without rules.
    pub(crate) fn of(class: Class, name: &str, config: Config) -> Self {
        Bench::made(config, Home::Cloud, |node| {
            Actor::object(
                Object::new(class, name),
                Waking { alarm: Some(None), ..Waking::default() },
                node,
            )
            .unwrap()
        })
    }

    pub(crate) fn front(config: Config) -> Self {
        Bench::front_of(config, Home::Cloud)
    }

    pub(crate) fn front_of(config: Config, home: Home) -> Self {
        Bench::made(config, home, |_| Actor::front())
    }

    fn made(config: Config, home: Home, make: impl FnOnce(&Node) -> Actor) -> Self {
        let node = Node::new(Ok(config), home);
        let actor = make(&node);
        let mut bench =
            Bench { node, actor, store: MemoryStore::default(), now: 1_000_000, random: 0 };
        bench.know(1);
        bench
    }

    /// Takes a snapshot without rules, of this version.
    pub(crate) fn know(&mut self, version: u64) {
        let text = format!(
            r#"{{"version":{version},"rules":null,"keys":[],"jwks":{{}},"own":{{"keys":[]}}}}"#
        );
        let now = self.time();
        self.node.take_snapshot(&text, now, now).unwrap();
    }

    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Takes a step with the actor.
    pub(crate) fn turn<T>(
        &mut self,
        step: impl FnOnce(&mut Actor, &mut Turn<'_, MemoryStore>) -> T,
    ) -> (T, Vec<Effect>) {
        let mut effects = Vec::new();
        let random = &mut self.random;
        let mut turn = Turn {
            node: &mut self.node,
            store: &mut self.store,
            now: Timestamp::from_micros(self.now),
            random: &mut || {
                *random += 1;
                *random
            },
            pinged: &|_| None,
            effects: &mut effects,
        };
        let result = step(&mut self.actor, &mut turn);
        (result, effects)
    }

    pub(crate) fn event(&mut self, event: Event) -> Vec<Effect> {
        self.turn(|actor, turn| actor.handle(turn, event)).1
    }

    pub(crate) fn request(&mut self, ticket: u64, request: Incoming) -> Vec<Effect> {
        self.event(Event::Request { ticket, request })
    }

    pub(crate) fn told(&mut self, number: u64, answer: Result<&str, Error>) -> Vec<Effect> {
        let answer = Some(Answer::from(answer.map(str::to_owned)));
        self.event(Event::Told { number, answer })
    }

    pub(crate) fn message(&mut self, socket: u64, text: &str) -> Vec<Effect> {
        self.event(Event::Message { socket, text: Some(text.to_owned()) })
    }
}

/// The calls among effects: number, object and call.
pub(crate) fn calls(effects: &[Effect]) -> Vec<(u64, &Object, &Call)> {
    let mut calls = Vec::new();
    for effect in effects {
        if let Effect::Call { number, object, call } = effect {
            calls.push((*number, object, call));
        }
    }
    calls
}

/// The statuses of the replies among effects, by ticket.
pub(crate) fn statuses(effects: &[Effect]) -> Vec<(u64, u16)> {
    let mut statuses = Vec::new();
    for effect in effects {
        if let Effect::Reply { ticket, reply } = effect {
            statuses.push((*ticket, reply.status));
        }
    }
    statuses
}

/// The frames among effects.
pub(crate) fn frames(effects: &[Effect]) -> Vec<&str> {
    let mut frames = Vec::new();
    for effect in effects {
        if let Effect::Send { text, .. } = effect {
            frames.push(text.as_str());
        }
    }
    frames
}
