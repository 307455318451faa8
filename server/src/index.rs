//! The Durable Object of one index: of a collection, of one shard of it, or of a collection group; or of the indexes
//! that there are.
//!
//! As in a document's object, nothing is awaited between reading an event and having carried out its effects.

use crate::bridge::{self, Socket};
use crate::collections::collections;
use crate::incoming::Incoming;
use crate::readers::Readers;
use crate::respond::{count_rows, failed};
use crate::sqlite::SqliteStore;
use blaze_engine::http::query_request;
use blaze_engine::index::live::Subscription;
use blaze_engine::index::object::{Object as Engine, Reaction};
use blaze_engine::index::registry;
use blaze_engine::index::{Effect, Event};
use blaze_engine::unread::UNREAD_REASON;
use blaze_schema::changes::is_part_text;
use blaze_schema::error::{Code, Error};
use blaze_schema::message::{ClientMessage, PING, PONG, close_code, pong_text};
use js_sys::Array;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;
use worker::worker_sys::DurableObjectState;

/// The class that the platform constructs, once per index and after every loss of memory.
#[wasm_bindgen]
pub struct Index {
    /// `None` for one that was never written: see `server/absent.js`.
    state: Option<DurableObjectState>,
    /// `None` until the first event, which says which index this is.
    engine: RefCell<Option<Engine>>,
    store: RefCell<SqliteStore>,
    readers: Readers,
    counts_rows: bool,
}

#[wasm_bindgen]
impl Index {
    /// Creates the object. Reads nothing yet. Without a `state` it is an index that was never written, whose object
    /// must not be made.
    ///
    /// # Errors
    /// When the object has no SQLite.
    #[wasm_bindgen(constructor)]
    pub fn new(state: Option<DurableObjectState>, env: Env) -> Result<Index, JsValue> {
        let counts_rows = count_rows(&env);
        let store = SqliteStore::of(state.as_ref(), counts_rows)?;
        let (engine, store) = (RefCell::new(None), RefCell::new(store));
        Ok(Index { state, engine, store, readers: Readers::new(), counts_rows })
    }

    /// True if a call on an index that was never written needs its object.
    #[wasm_bindgen(js_name = needsObject)]
    pub fn needs_object(&self) -> bool {
        self.store.borrow().was_written()
    }

    /// Takes a document's change: its row. Returns the rows read and written, if they are counted; or calls
    /// ([`Index::told`]), after whose answers the same call must be repeated.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn update(&self, name: &str, row: &str) -> Result<JsValue, JsValue> {
        match self.answer(name, Event::Update { row: row.as_bytes().to_vec() }) {
            Ok(Answered::Text(_)) => Ok(match self.store.borrow().take_counts() {
                Some((read, written)) => Array::of2(&read.into(), &written.into()).into(),
                None => JsValue::UNDEFINED,
            }),
            Ok(Answered::Calls(calls)) => Ok(calls),
            Err(error) => Err(JsValue::from(error.detail)),
        }
    }

    /// Answers a request's question, or one part of it: returns a text, or `[status, text]` for a refusal, or
    /// `[status, text, rows read, rows written]` if rows are counted; or calls, as [`Index::update`].
    pub fn ask(&self, name: &str, question: &str) -> JsValue {
        let answer = match query_request::event(question).and_then(|event| self.answer(name, event))
        {
            Ok(Answered::Text(text)) => Ok(text),
            Ok(Answered::Calls(calls)) => return calls,
            Err(error) => Err(error),
        };
        let counts = self.store.borrow().take_counts();
        match (answer, counts) {
            (Ok(text), None) => text.into(),
            (Ok(text), Some((read, written))) => {
                Array::of4(&200.into(), &text.into(), &read.into(), &written.into()).into()
            }
            (Err(error), _) => {
                Array::of2(&error.status.into(), &error.to_problem_json().into()).into()
            }
        }
    }

    /// Opens a socket for a live query; or calls, as [`Index::update`].
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn fetch(&self, request: &Request) -> Result<JsValue, JsValue> {
        let incoming = Incoming::new(request)?;
        let name = incoming.value("name").unwrap_or_default();
        self.listen(&incoming, &name)
    }

    /// Handles a socket's frame: answers a ping, after the frames of every change that was committed before.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self, socket: &JsValue, message: &JsValue) {
        let text = message.as_string().unwrap_or_default();
        if let Ok(ClientMessage::Ping(number)) = ClientMessage::parse(&text) {
            // A socket that has gone meanwhile concerns nobody else.
            let _ = socket.unchecked_ref::<Socket>().send(&pong_text(number));
        }
    }

    /// Answers a message of another object, or of an administrator: returns a text; or calls, as [`Index::update`];
    /// or `{ erase: true }` if everything must be erased at once.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn tell(&self, name: &str, message: &str) -> Result<JsValue, JsValue> {
        let failed = |error: Error| JsValue::from(error.detail);
        if registry::is_registry(name) {
            let answer = registry::answer(&mut *self.store.borrow_mut(), message);
            return answer.map(JsValue::from).map_err(failed);
        }
        self.wake(name)?;
        let asked = {
            let mut engine = self.engine.borrow_mut();
            let Some(engine) = engine.as_mut() else { return Ok(JsValue::UNDEFINED) };
            engine.asked(&mut *self.store.borrow_mut(), bridge::now(), message)
        };
        let (text, Reaction { effects, calls, erase }) = asked.map_err(failed)?;
        self.carry_out(effects, None)?;
        if erase {
            // The tables go too: nothing that is known of them holds any more.
            let store = SqliteStore::of(self.state.as_ref(), self.counts_rows)?;
            self.store.replace(store);
            self.engine.replace(None);
            return bridge::erase();
        }
        if calls.is_empty() { Ok(text.into()) } else { flat(&calls) }
    }

    /// Takes the answers to calls: objects of this class, and the message to each, in turn. `answers` is `None` if
    /// one gave none.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn told(
        &self,
        name: &str,
        calls: Vec<String>,
        answers: Option<Vec<String>>,
    ) -> Result<(), JsValue> {
        self.wake(name)?;
        let calls: Vec<_> = calls
            .chunks_exact(2)
            .filter_map(|pair| <&[String; 2]>::try_from(pair).ok())
            .map(|[object, message]| (object.clone(), message.clone()))
            .collect();
        let told = {
            let mut engine = self.engine.borrow_mut();
            let Some(engine) = engine.as_mut() else { return Ok(()) };
            let (now, random) = (bridge::now(), bridge::random());
            engine.told(&mut *self.store.borrow_mut(), now, random, &calls, answers.as_deref())
        };
        self.carry_out(told.map_err(|error| JsValue::from(error.detail))?, None).map(|_| ())
    }

    /// Handles the end of a socket.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn web_socket_close(&self, socket: &JsValue) {
        let closed = || -> Result<(), JsValue> {
            self.readers.forget(socket);
            let text = bridge::attachment_of(socket)?;
            let (name, subscription) = text.split_once('\n').unwrap_or_default();
            let tag = Subscription::tag_of(subscription);
            if !bridge::is_listened_to(self.state()?, &tag, socket)? {
                self.handle(name, Event::Disconnect { tag }, None)?;
            }
            Ok(())
        };
        if let Err(thrown) = closed() {
            worker::console_error!("{}", bridge::message(&thrown));
        }
    }

    /// Handles the alarm. `name` is the object's. Returns calls, if there are any, whose answers go to
    /// [`Index::told`].
    pub fn alarm(&self, name: &str) -> JsValue {
        match self.handle(name, Event::Alarm, None) {
            Ok((_, calls)) => calls.unwrap_or(JsValue::UNDEFINED),
            Err(thrown) => {
                worker::console_error!("{}", bridge::message(&thrown));
                JsValue::UNDEFINED
            }
        }
    }
}

impl Index {
    fn state(&self) -> Result<&DurableObjectState, JsValue> {
        self.state
            .as_ref()
            .ok_or_else(|| JsValue::from("an index that was never written has no sockets"))
    }

    fn answer(&self, name: &str, event: Event) -> Result<Answered, Error> {
        let (answer, calls) = self.handle(name, event, None).map_err(|thrown| failed(&thrown))?;
        match (calls, answer) {
            (Some(calls), _) => Ok(Answered::Calls(calls)),
            (None, Some(answer)) => answer.map(Answered::Text),
            (None, None) => Err(Error::new(Code::Internal, "the index gave no answer")),
        }
    }

    fn listen(&self, incoming: &Incoming, name: &str) -> Result<JsValue, JsValue> {
        let subscription = incoming.value("query").unwrap_or_default();
        let resume = incoming.value("resume");
        let attachment = format!("{name}\n{subscription}");
        let tag = Subscription::tag_of(&subscription);
        // The present sockets are woken first: the new one is none of them.
        self.wake(name)?;
        if let Some(engine) = self.engine.borrow_mut().as_mut() {
            // A socket cannot be accepted twice.
            let lacks = engine.lacks(&*self.store.borrow());
            let lacks = lacks.map_err(|error| JsValue::from(error.detail))?;
            if !lacks.is_empty() {
                return flat(&lacks);
            }
        }
        let accepted: Array = bridge::accept_tagged(self.state()?, &attachment, &tag, PING, PONG)?;
        let socket: JsValue = accepted.get(1);
        self.handle(name, Event::Connect { subscription, resume }, Some(socket.unchecked_ref()))?;
        Ok(accepted.get(0))
    }

    /// Makes the engine, with the live queries that the sockets' attachments name.
    fn wake(&self, name: &str) -> Result<(), JsValue> {
        if self.engine.borrow().is_some() {
            return Ok(());
        }
        let made = collections().and_then(|collections| Engine::new(name, &collections));
        self.engine.replace(Some(made.map_err(|error| JsValue::from(error.detail))?));
        let Some(state) = &self.state else { return Ok(()) };
        let attachments = bridge::attachments(state)?;
        let subscription = |attachment: JsValue| {
            let text = attachment.as_string()?;
            text.split_once('\n').map(|(_, subscription)| subscription.to_owned())
        };
        let subscriptions: Vec<String> = attachments.iter().filter_map(subscription).collect();
        if !subscriptions.is_empty() {
            self.run(Event::Woken { subscriptions }, None)?;
        }
        Ok(())
    }

    /// Handles an event, and carries out its effects. Returns the answer and the calls. `origin` is the socket that
    /// the event came from.
    fn handle(
        &self,
        name: &str,
        event: Event,
        origin: Option<&Socket>,
    ) -> Result<Handled, JsValue> {
        self.wake(name)?;
        self.run(event, origin)
    }

    fn run(&self, event: Event, origin: Option<&Socket>) -> Result<Handled, JsValue> {
        let Reaction { effects, calls, .. } = {
            let mut engine = self.engine.borrow_mut();
            let Some(engine) = engine.as_mut() else { return Ok((None, None)) };
            engine.handle(&mut *self.store.borrow_mut(), bridge::now(), bridge::random(), event)
        };
        let answer = self.carry_out(effects, origin)?;
        let calls = if calls.is_empty() { None } else { Some(flat(&calls)?) };
        Ok((answer, calls))
    }

    /// Carries effects out; returns the answer, if there is one.
    fn carry_out(
        &self,
        effects: Vec<Effect>,
        origin: Option<&Socket>,
    ) -> Result<Option<Result<String, Error>>, JsValue> {
        let mut answer = None;
        let mut is_continued = false;
        for effect in effects {
            match effect {
                Effect::Answer(given) => answer = Some(given),
                Effect::Send(text) => {
                    if let Some(socket) = origin {
                        self.send(&Array::of1(socket), &text, is_continued)?;
                    }
                    is_continued = is_part_text(&text);
                }
                Effect::Publish { tag, text } => {
                    self.send(&bridge::tagged(self.state()?, &tag)?, &text, is_continued)?;
                    is_continued = is_part_text(&text);
                }
                Effect::SetAlarm(at) => {
                    if let Some(state) = &self.state {
                        self.store.borrow().count_alarm();
                        bridge::set_alarm(state, (at.micros() / 1_000) as f64)?;
                    }
                }
            }
        }
        Ok(answer)
    }

    /// Sends a frame to sockets; closes those whose peers do not read.
    fn send(&self, sockets: &Array, frame: &str, is_continued: bool) -> Result<(), JsValue> {
        let (now, text) = (bridge::now(), JsValue::from(frame));
        for socket in sockets.iter() {
            let socket: &Socket = socket.unchecked_ref();
            let message = (&text, frame.len());
            if self.readers.send(self.state()?, socket, now, message, is_continued)? {
                self.readers.closed(socket)?;
                bridge::close(socket, close_code(Code::Unavailable), UNREAD_REASON)?;
            }
        }
        Ok(())
    }
}

/// The answer to an event, if there is one; the calls to make before the event is repeated, if there are any.
type Handled = (Option<Result<String, Error>>, Option<JsValue>);

/// The outcome of an event that is answered.
enum Answered {
    Text(String),
    /// The calls to make before the event is repeated.
    Calls(JsValue),
}

/// Lists objects and messages in turn, as `shim.js` takes them.
fn flat(calls: &[(String, String)]) -> Result<JsValue, JsValue> {
    let list = Array::new();
    for (object, message) in calls {
        list.push(&object.into());
        list.push(&message.into());
    }
    bridge::calls(&list)
}
