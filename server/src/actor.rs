//! An actor of the engine, as its host (`server/host.js`) drives it.
//!
//! Between the reading of an event and the last of its effects nothing is awaited, so each step is atomic: what the engine
//! stored is one transaction, and the platform's output gate holds every answer and frame until that is on disk.

use crate::NODE;
use crate::platform::{self, Host, message, now, random, response, time_of};
use crate::request::incoming;
use crate::sqlite::SqliteStore;
use blaze_engine::actor::{
    Actor as Engine, Answer, Body, Call, Class, Effect, Event, Object, Turn, Waking,
};
use blaze_engine::http::reply::Reply;
use blaze_schema::error::Error;
use blaze_schema::timestamp::Timestamp;
use js_sys::{Array, Promise};
use std::cell::{Cell, RefCell};
use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::worker_sys::DurableObjectState;

/// An object; also the front of the Worker, and a client's socket of many targets.
#[wasm_bindgen]
pub struct Actor {
    actor: RefCell<Option<Engine>>,
    store: RefCell<SqliteStore>,
    host: Host,
    /// True if there is an object of the platform, whose rows and sockets these are.
    has_state: bool,
    wakes: Cell<Option<Timestamp>>,
}

#[wasm_bindgen]
impl Actor {
    /// Creates an object of a class, or one of the others by their names `Front` and `Listener`. Reads nothing yet.
    ///
    /// `state` is the platform's; without it the object was never written, and must not be made. `alarm` is the time at
    /// which its alarm rings in milliseconds, `null` for none, `undefined` if that is not known. `sockets` are the
    /// attachments of its sockets, whose numbers are their places, from 1.
    ///
    /// # Errors
    /// The detail of the engine's error; when the object has no SQLite.
    #[wasm_bindgen(constructor)]
    pub fn new(
        class: &str,
        name: &str,
        host: Host,
        state: Option<DurableObjectState>,
        alarm: &JsValue,
        sockets: Vec<String>,
    ) -> Result<Actor, JsValue> {
        let counts_rows = NODE.with_borrow(|node| node.counts_rows());
        let store = SqliteStore::of(state.as_ref(), counts_rows)?;
        let class = Class::ALL.into_iter().find(|known| known.name() == class);
        let actor = match class {
            Some(class) => {
                let sockets = (1..).zip(sockets).collect();
                let waking = Waking { alarm: alarm_of(alarm), sockets };
                let object = Object::new(class, name);
                let made = NODE.with_borrow(|node| Engine::object(object, waking, node));
                Some(made.map_err(|error| error.detail)?)
            }
            None => Some(Engine::front()),
        };
        let (actor, store, wakes) = (RefCell::new(actor), RefCell::new(store), Cell::new(None));
        Ok(Actor { actor, store, host, has_state: state.is_some(), wakes })
    }

    /// Becomes the listener of a client's socket, which is its socket 0.
    ///
    /// # Errors
    /// The detail of the engine's error.
    pub fn listen(&self, credential: String, address: Option<String>) -> Result<(), JsValue> {
        self.turn(|actor, turn| {
            let made = Engine::listener(credential, address, turn);
            *actor = Some(made.map_err(|error: Error| error.detail)?);
            Ok(())
        })
    }

    /// Takes a request, whose method and URL are read in the same crossing.
    pub fn request(
        &self,
        ticket: f64,
        request: Request,
        method: String,
        url: String,
    ) -> Result<(), JsValue> {
        let request = incoming(request, method, url);
        self.event(Event::Request { ticket: ticket as u64, request })
    }

    /// Takes the body of a request; `None` if it has more bytes than were asked for, with the error if it cannot be
    /// read.
    pub fn body(
        &self,
        ticket: f64,
        body: Option<Vec<u8>>,
        broken: &JsValue,
    ) -> Result<(), JsValue> {
        let body = match body {
            _ if !broken.is_undefined() => Body::Broken(message(broken)),
            Some(body) => Body::Whole(body),
            None => Body::TooLarge,
        };
        self.event(Event::Body { ticket: ticket as u64, body })
    }

    /// Takes a call of another object.
    pub fn call(&self, ticket: f64, call: &[u8]) -> Result<(), JsValue> {
        let ticket = ticket as u64;
        match Call::decode(call) {
            Ok(call) if !self.has_state && call.makes_object() => {
                self.host.settle(ticket as f64, &JsValue::NULL)
            }
            Ok(call) => self.event(Event::Call { ticket, call }),
            Err(error) => self.perform(Effect::Return { ticket, answer: error.into() }),
        }
    }

    /// Takes the answer to a call of this object; `None` if there is none.
    pub fn told(&self, number: f64, answer: Option<Vec<u8>>) -> Result<(), JsValue> {
        let answer = answer.map(|bytes| Answer::decode(&bytes).unwrap_or_else(Answer::from));
        self.event(Event::Told { number: number as u64, answer })
    }

    /// Takes a response from elsewhere, or with status 0 the error why there is none.
    pub fn fetched(
        &self,
        number: f64,
        status: u16,
        text: String,
        error: &JsValue,
    ) -> Result<(), JsValue> {
        let fetched = if status == 0 { Err(message(error)) } else { Ok((status, text)) };
        self.event(Event::Fetched { number: number as u64, fetched })
    }

    /// Takes a socket's opening, a message (`undefined` for a binary one), or its end.
    pub fn opened(&self, socket: f64) -> Result<(), JsValue> {
        self.event(Event::Opened { socket: socket as u64 })
    }

    /// Takes a socket's message; `None` for a binary one.
    pub fn message(&self, socket: f64, text: Option<String>) -> Result<(), JsValue> {
        self.event(Event::Message { socket: socket as u64, text })
    }

    /// Takes the end of a socket.
    pub fn closed(&self, socket: f64) -> Result<(), JsValue> {
        self.event(Event::Closed { socket: socket as u64 })
    }

    /// Takes the alarm.
    pub fn alarm(&self) -> Result<(), JsValue> {
        self.event(Event::Alarm)
    }

    /// Takes the end of the time that the host was asked to wait.
    pub fn timer(&self) -> Result<(), JsValue> {
        self.wakes.set(None);
        self.event(Event::Timer)
    }
}

impl Actor {
    fn event(&self, event: Event) -> Result<(), JsValue> {
        self.turn(|actor, turn| {
            if let Some(actor) = actor {
                actor.handle(turn, event);
            }
            Ok(())
        })
    }

    /// Takes a step, and carries its effects out.
    fn turn(
        &self,
        step: impl FnOnce(&mut Option<Engine>, &mut Turn<'_, SqliteStore>) -> Result<(), JsValue>,
    ) -> Result<(), JsValue> {
        let mut effects = Vec::new();
        let wakes = NODE.with_borrow_mut(|node| {
            let mut actor = self.actor.borrow_mut();
            let pinged = |socket: u64| self.host.pinged(socket as f64).ok().flatten().map(time_of);
            let mut turn = Turn {
                node,
                store: &mut *self.store.borrow_mut(),
                now: now(),
                random: &mut random,
                pinged: &pinged,
                effects: &mut effects,
            };
            step(&mut actor, &mut turn)?;
            Ok::<_, JsValue>(actor.as_ref().and_then(Engine::wakes))
        })?;
        for effect in effects {
            let ticket = effect.ticket();
            // What fails ends its request alone: the effects after it are carried out.
            if let Err(thrown) = self.perform(effect)
                && let Some(ticket) = ticket
            {
                self.fail(ticket, &thrown)?;
            }
        }
        if self.wakes.replace(wakes) != wakes {
            self.host.wake(wakes.map(platform::milliseconds))?;
        }
        Ok(())
    }

    /// Ends a request or a call with an error.
    fn fail(&self, ticket: u64, error: &JsValue) -> Result<(), JsValue> {
        self.host.settle(ticket as f64, &Promise::reject(error))
    }

    /// True if only the object itself can do this, which was never written.
    fn needs_object(&self, effect: &Effect) -> bool {
        let is_answer = matches!(effect, Effect::Reply { .. } | Effect::Return { .. });
        matches!(effect, Effect::Accept { .. }) && !self.has_state
            || is_answer && self.store.borrow().was_written()
    }

    /// Carries out an effect that concerns a request or a call; passes on any other.
    fn perform(&self, effect: Effect) -> Result<(), JsValue> {
        let host = &self.host;
        if let (true, Some(ticket)) = (self.needs_object(&effect), effect.ticket()) {
            return host.settle(ticket as f64, &JsValue::NULL);
        }
        match effect {
            Effect::Reply { ticket, mut reply } => {
                self.count(&mut reply);
                host.settle(ticket as f64, &response(&reply)?.into())
            }
            Effect::Return { ticket, mut answer } => {
                answer.rows = answer.rows.or_else(|| self.counts());
                host.settle(ticket as f64, &platform::bytes(&answer.encode()))
            }
            Effect::Abandon { ticket } => {
                self.fail(ticket, &"an answer that nobody waits for".into())
            }
            Effect::Read { ticket, limit, is_gzip } => {
                host.read(ticket as f64, limit as f64, is_gzip)
            }
            Effect::Pass { ticket, object, url } => {
                host.pass(ticket as f64, object.class.name(), &object.name, url)
            }
            Effect::Relay { ticket, object, call, reply } => {
                let lines = platform::lines(&reply.headers);
                let (class, call) = (object.class.name(), call.encode());
                host.relay(ticket as f64, class, &object.name, call, reply.status, &lines)
            }
            Effect::Serve { ticket, files, otherwise } => {
                let list = Array::new();
                for file in files {
                    list.push(&Array::of2(
                        &file.path.into(),
                        &platform::lines(&file.headers).into(),
                    ));
                }
                host.serve(ticket as f64, &list, &response(&otherwise)?)
            }
            Effect::Listen { ticket, protocol, credential, address } => {
                host.listen(ticket as f64, protocol, &credential, address)
            }
            Effect::Refuse { ticket, protocol, frame, code } => {
                host.refuse(ticket as f64, protocol, &frame, code)
            }
            effect => self.act(effect),
        }
        .inspect_err(|thrown| worker::console_error!("{}", message(thrown)))
    }

    /// Carries out an effect that concerns sockets, other objects, or the object itself.
    fn act(&self, effect: Effect) -> Result<(), JsValue> {
        let host = &self.host;
        match effect {
            Effect::Accept { ticket, socket, protocol, attachment } => {
                host.accept(ticket as f64, socket as f64, protocol, attachment.into_bytes())
            }
            Effect::Attach { socket, attachment } => {
                host.attach(socket as f64, attachment.into_bytes())
            }
            Effect::Open { socket, object, url, credential } => {
                host.open(socket as f64, object.class.name(), &object.name, &url, &credential)
            }
            Effect::Send { sockets, text } => {
                let sockets: Vec<f64> = sockets.into_iter().map(|socket| socket as f64).collect();
                host.send(&sockets, &text)
            }
            Effect::Close { socket, code, reason } => host.close(socket as f64, code, reason),
            Effect::Call { number, object, call } => {
                host.call(number as f64, object.class.name(), &object.name, call.encode())
            }
            Effect::Sleep { number, until } => {
                host.sleep(number as f64, platform::milliseconds(until))
            }
            // There is one thread: its objects wait.
            Effect::Hash { number, hashing } => {
                self.event(Event::Hashed { number, hashed: hashing.run() })
            }
            Effect::Fetch { number, fetch } => {
                let lines = platform::lines(&fetch.headers);
                let (limit, within) = (fetch.limit as f64, f64::from(fetch.within_ms));
                host.fetch(
                    number as f64,
                    fetch.method,
                    &fetch.url,
                    &lines,
                    fetch.body,
                    limit,
                    within,
                )
            }
            Effect::SetAlarm(at) => {
                self.store.borrow().count_alarm();
                host.set_alarm(platform::milliseconds(at))
            }
            Effect::Erase => {
                self.store.borrow_mut().forget();
                host.erase()
            }
            Effect::Log(line) => {
                worker::console_log!("{line}");
                Ok(())
            }
            // The effects of `perform`, and one that only another home is asked for.
            _ => Ok(()),
        }
    }

    /// Takes the rows that were read and written, if they are counted.
    fn counts(&self) -> Option<(u32, u32)> {
        let (read, written) = self.store.borrow().take_counts()?;
        Some((read as u32, written as u32))
    }

    /// Adds the rows that a step cost, if they are counted and the reply has no others.
    fn count(&self, reply: &mut Reply) {
        if !self.has_state || reply.headers.iter().any(|(name, _)| *name == "blaze-rows-read") {
            return;
        }
        if let Some((read, written)) = self.counts() {
            reply.headers.push(("blaze-rows-read", read.to_string()));
            reply.headers.push(("blaze-rows-written", written.to_string()));
        }
    }
}

/// Reads an alarm: `undefined` is not known.
fn alarm_of(alarm: &JsValue) -> Option<Option<Timestamp>> {
    if alarm.is_undefined() { None } else { Some(alarm.as_f64().map(time_of)) }
}
