//! The object of an account: its state machine, and the steps that wait for a signature, a provider or another object.

use super::{Answer, Call, Class, Effect, Event, Object, Turn, misdirected, silent};
use crate::node::config::Config;
use blaze_identity::accounts::{
    Action, Answer as Outcome, Effect as Done, Event as Acted, Object as Engine, Pending, Refusal,
    Secret,
};
use blaze_schema::error::Error;
use blaze_store::Store;
use std::collections::BTreeMap;

/// The outcome of an action, which [`Call::Act`] returns as JSON.
pub(crate) type Acting = Result<Outcome, Refusal>;

/// The object.
#[derive(Debug)]
pub struct Account {
    engine: Engine,
    /// The steps that wait, by the number of their call or fetch: the caller's ticket, and what goes on then.
    waiting: BTreeMap<u64, (Option<u64>, Next)>,
    last: u64,
}

#[derive(Debug)]
enum Next {
    Hashed(Pending),
    Signed(Pending),
    /// The URL is there if the answer may be kept.
    Fetched(Pending, Option<String>),
    /// Nothing goes on but the answer, which another object gives.
    Passed,
    /// The act was recorded, or not: it stands.
    Audited,
}

impl Account {
    pub(super) fn new(name: String, config: &Config) -> Self {
        // Accounts that were turned off meanwhile keep their rows, and their alarms ring.
        let settings = config.settings.accounts.clone().unwrap_or_default();
        let secret =
            |name: &str| Some((name.to_owned(), Secret(config.secrets.get(name)?.clone())));
        let secrets = settings.secrets().filter_map(secret).collect();
        Account { engine: Engine::new(name, settings, secrets), waiting: BTreeMap::new(), last: 0 }
    }

    pub(super) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        match event {
            Event::Call { ticket, call: Call::Act { action } } => {
                match serde_json::from_str::<Action>(&action) {
                    Ok(action) => self.step(turn, Some(ticket), Acted::Act(action)),
                    Err(_) => {
                        let error = Error::internal("an action that there is not");
                        answer(turn, Some(ticket), &Err(error.into()));
                    }
                }
            }
            Event::Told { number, answer: told } => self.told(turn, number, told),
            Event::Fetched { number, fetched } => {
                if let Some((ticket, Next::Fetched(pending, url))) = self.waiting.remove(&number) {
                    if let (Some(url), Ok((200, text))) = (url, &fetched) {
                        turn.node.keep(url, text.clone(), turn.now);
                    }
                    self.step(turn, ticket, Acted::Fetched(pending, fetched));
                }
            }
            Event::Hashed { number, hashed } => {
                if let Some((ticket, Next::Hashed(pending))) = self.waiting.remove(&number) {
                    self.step(turn, ticket, Acted::Hashed(pending, hashed));
                }
            }
            Event::Alarm => self.step(turn, None, Acted::Alarm),
            event => misdirected(turn, &event),
        }
    }

    fn told<S: Store>(&mut self, turn: &mut Turn<'_, S>, number: u64, told: Option<Answer>) {
        let Some((ticket, next)) = self.waiting.remove(&number) else { return };
        let told = told.map(|answer| answer.result);
        match next {
            Next::Signed(pending) => {
                let token = match told {
                    Some(Ok(token)) => Ok(Secret(token)),
                    Some(Err(error)) => Err(error.detail),
                    None => Err("not signed".to_owned()),
                };
                self.step(turn, ticket, Acted::Signed(pending, token));
            }
            Next::Passed => {
                if let Some(ticket) = ticket {
                    turn.answer(ticket, told.unwrap_or_else(|| Err(silent())));
                }
            }
            Next::Audited => {
                if !matches!(told, Some(Ok(_))) {
                    turn.push(Effect::Log("audit: an act could not be recorded".to_owned()));
                }
            }
            Next::Hashed(_) | Next::Fetched(..) => {}
        }
    }

    fn step<S: Store>(&mut self, turn: &mut Turn<'_, S>, ticket: Option<u64>, event: Acted) {
        let random = [(turn.random)(), (turn.random)()];
        for done in self.engine.handle(turn.store, turn.now, random, event) {
            match done {
                Done::SetAlarm(at) => turn.push(Effect::SetAlarm(at)),
                Done::Erase => turn.push(Effect::Erase),
                Done::Audit { uid, act, what } => {
                    let call = Call::Audited { actor: uid, act: act.to_owned(), what };
                    self.call(turn, None, Next::Audited, Object::access(), call);
                }
                Done::Sign { claims, pending } => {
                    let call = Call::Sign { claims };
                    self.call(turn, ticket, Next::Signed(pending), Object::access(), call);
                }
                Done::Hash { hashing, pending } => {
                    let number = self.wait(ticket, Next::Hashed(pending));
                    turn.push(Effect::Hash { number, hashing });
                }
                Done::Fetch { fetch, pending } => {
                    if let Some(text) = turn.node.kept(&fetch.url, fetch.max_age, turn.now) {
                        let kept = Ok((200, text.to_owned()));
                        return self.step(turn, ticket, Acted::Fetched(pending, kept));
                    }
                    let url = (fetch.method == "GET").then(|| fetch.url.clone());
                    let number = self.wait(ticket, Next::Fetched(pending, url));
                    turn.push(Effect::Fetch { number, fetch });
                }
                Done::Pass { object, action } => {
                    let action = serde_json::to_string(&action).unwrap_or_default();
                    let object = Object::new(Class::Account, object);
                    self.call(turn, ticket, Next::Passed, object, Call::Act { action });
                }
                Done::Answer(given) => answer(turn, ticket, &given),
            }
        }
    }

    fn call<S>(
        &mut self,
        turn: &mut Turn<'_, S>,
        ticket: Option<u64>,
        next: Next,
        object: Object,
        call: Call,
    ) {
        let number = self.wait(ticket, next);
        turn.push(Effect::Call { number, object, call });
    }

    fn wait(&mut self, ticket: Option<u64>, next: Next) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.waiting.insert(self.last, (ticket, next));
        self.last
    }
}

fn answer<S>(turn: &mut Turn<'_, S>, ticket: Option<u64>, given: &Acting) {
    let Some(ticket) = ticket else { return };
    let text = serde_json::to_string(given);
    turn.answer(ticket, text.map_err(Error::internal));
}
