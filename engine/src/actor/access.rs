//! The access object: its state machine, and the calls that wait until an issuer's keys were fetched.

use super::{Answer, Call, Effect, Event, Turn, misdirected};
use crate::http::admin_request;
use crate::http::incoming::Incoming;
use crate::node::config::Config;
use blaze_identity::access::{Access as Engine, Effect as Done, Event as Asked};
use blaze_identity::accounts::oidc::{Fetch, Fetched};
use blaze_schema::error::Error;
use blaze_store::Store;
use std::collections::BTreeMap;

/// The object.
#[derive(Debug)]
pub struct Access {
    engine: Engine,
    /// The fetches that are under way.
    fetches: BTreeMap<u64, Fetching>,
    last: u64,
}

/// A fetch of an issuer's keys.
#[derive(Debug)]
struct Fetching {
    issuer: String,
    /// The calls that wait for it, and the version that each caller has.
    waiting: Vec<(u64, Option<u64>)>,
}

impl Access {
    pub(super) fn new(config: &Config) -> Self {
        let engine = Engine::new(&config.settings.issuers);
        Access { engine, fetches: BTreeMap::new(), last: 0 }
    }

    pub(super) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        match event {
            Event::Call { ticket, call } => self.call(turn, ticket, call),
            Event::Fetched { number, fetched } => self.fetched(turn, number, fetched),
            event => misdirected(turn, &event),
        }
    }

    fn call<S: Store>(&mut self, turn: &mut Turn<'_, S>, ticket: u64, call: Call) {
        let answer = match call {
            Call::Snapshot { known } => self.step(turn, Asked::Snapshot { known }),
            Call::Keys { issuer, known } => {
                let asked = self.step(turn, Asked::Refresh { issuer: issuer.clone() });
                let fetching = self.fetches.values_mut().find(|fetching| fetching.issuer == issuer);
                match (asked, fetching) {
                    (Ok(_), Some(fetching)) => return fetching.waiting.push((ticket, known)),
                    // Nothing is to be fetched, or not yet again.
                    (Ok(_), None) => self.step(turn, Asked::Snapshot { known }),
                    (Err(error), _) => Err(error),
                }
            }
            Call::Sign { claims } => serde_json::from_str(&claims)
                .map_err(|error| Error::internal(format!("claims: {error}")))
                .and_then(|claims| self.step(turn, Asked::Sign { claims })),
            Call::Audited { actor, act, what } => {
                self.step(turn, Asked::Audited { actor, act, what })
            }
            Call::Administer { request, body, actor } => {
                let incoming = Incoming::described(&request);
                admin_request::event(&incoming.request(), &body, &actor)
                    .and_then(|event| self.step(turn, event))
            }
            call => return misdirected(turn, &Event::Call { ticket, call }),
        };
        turn.answer(ticket, Answer::from(answer));
    }

    fn fetched<S: Store>(&mut self, turn: &mut Turn<'_, S>, number: u64, fetched: Fetched) {
        let Some(Fetching { issuer, waiting }) = self.fetches.remove(&number) else { return };
        let fetched = fetched.and_then(|(status, text)| match status {
            200 => Ok(text),
            _ => Err(format!("answered with {status}")),
        });
        if let Err(error) = self.step(turn, Asked::Jwks { issuer, fetched }) {
            turn.push(Effect::Log(format!("issuer: {}", error.detail)));
        }
        for (ticket, known) in waiting {
            let answer = self.step(turn, Asked::Snapshot { known });
            turn.answer(ticket, Answer::from(answer));
        }
    }

    /// Takes a step of the state machine. Callers that want the same keys share one fetch.
    fn step<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Asked) -> Result<String, Error> {
        let random = [(turn.random)(), (turn.random)()];
        let mut answer = Err(Error::internal("the access object gave no answer"));
        for done in self.engine.handle(turn.store, turn.now, random, event) {
            match done {
                Done::FetchJwks { issuer, url } => {
                    if self.fetches.values().all(|fetching| fetching.issuer != issuer) {
                        self.last = self.last.wrapping_add(1);
                        let waiting = Vec::new();
                        self.fetches.insert(self.last, Fetching { issuer, waiting });
                        let fetch = Fetch::issuer_keys(url);
                        turn.push(Effect::Fetch { number: self.last, fetch });
                    }
                }
                Done::Audit(line) => turn.push(Effect::Log(format!("audit {line}"))),
                Done::Answer(given) => answer = given,
            }
        }
        answer
    }
}
