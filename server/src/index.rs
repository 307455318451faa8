//! The Durable Object of one index: of a collection, of one shard of it, or of a collection group.
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
use blaze_engine::index::{Effect, Event, Index as Engine, shard};
use blaze_engine::unread::UNREAD_REASON;
use blaze_schema::changes::is_part_text;
use blaze_schema::error::{Code, Error};
use blaze_schema::message::{ClientMessage, PING, PONG, close_code, pong_text};
use js_sys::Array;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
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
}

#[wasm_bindgen]
impl Index {
    /// Reads nothing yet. Without a `state` it is an index that was never written, whose object is not to be made.
    ///
    /// # Errors
    /// When the object has no SQLite.
    #[wasm_bindgen(constructor)]
    pub fn new(state: Option<DurableObjectState>, env: Env) -> Result<Index, JsValue> {
        let store = SqliteStore::of(state.as_ref(), count_rows(&env))?;
        let (engine, store) = (RefCell::new(None), RefCell::new(store));
        Ok(Index { state, engine, store, readers: Readers::new() })
    }

    /// Whether what was asked of an index that was never written takes its object.
    #[wasm_bindgen(js_name = needsObject)]
    pub fn needs_object(&self) -> bool {
        self.store.borrow().was_written()
    }

    /// Takes a document's change: its row. Returns the rows read and written, where they are counted.
    ///
    /// # Errors
    /// The engine's error, as its detail.
    pub fn update(&self, name: &str, row: &str) -> Result<Option<Vec<f64>>, JsValue> {
        match self.answer(name, Event::Update { row: row.as_bytes().to_vec() }) {
            Ok(_) => {
                Ok(self.store.borrow().take_counts().map(|(read, written)| vec![read, written]))
            }
            Err(error) => Err(JsValue::from(error.detail)),
        }
    }

    /// Answers what a request asks, or one part of it: a text, or `[status, text]` for one that is not answered, or
    /// `[status, text, rows read, rows written]` where rows are counted.
    pub fn ask(&self, name: &str, question: &str) -> JsValue {
        let answer = query_request::event(question).and_then(|event| self.answer(name, event));
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

    /// Opens a socket for a live query.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn fetch(&self, request: &Request, _: Option<Vec<u8>>) -> Result<Response, JsValue> {
        let incoming = Incoming::new(request)?;
        let name = incoming.value("name").unwrap_or_default();
        self.listen(&incoming, &name)
    }

    /// A socket's frame: a ping, whose answer comes after the frames of every change that was committed before.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self, socket: &JsValue, message: &JsValue) {
        let text = message.as_string().unwrap_or_default();
        if let Ok(ClientMessage::Ping(number)) = ClientMessage::parse(&text) {
            // A socket that has gone meanwhile concerns nobody else.
            let _ = socket.unchecked_ref::<Socket>().send(&pong_text(number));
        }
    }

    /// A socket was closed.
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

    /// The alarm rings. `name` is the object's.
    pub fn alarm(&self, name: &str) {
        if let Err(thrown) = self.handle(name, Event::Alarm, None) {
            worker::console_error!("{}", bridge::message(&thrown));
        }
    }
}

impl Index {
    fn state(&self) -> Result<&DurableObjectState, JsValue> {
        self.state
            .as_ref()
            .ok_or_else(|| JsValue::from("an index that was never written has no sockets"))
    }

    fn answer(&self, name: &str, event: Event) -> Result<String, Error> {
        let answer = self.handle(name, event, None).map_err(|thrown| failed(&thrown))?;
        answer.unwrap_or_else(|| Err(Error::new(Code::Internal, "the index gave no answer")))
    }

    fn listen(&self, incoming: &Incoming, name: &str) -> Result<Response, JsValue> {
        let subscription = incoming.value("query").unwrap_or_default();
        let resume = incoming.value("resume");
        let attachment = format!("{name}\n{subscription}");
        let tag = Subscription::tag_of(&subscription);
        // Who is here already is woken first: the new socket is none of them.
        self.wake(name)?;
        let accepted: Array = bridge::accept_tagged(self.state()?, &attachment, &tag, PING, PONG)?;
        let socket: JsValue = accepted.get(1);
        self.handle(name, Event::Connect { subscription, resume }, Some(socket.unchecked_ref()))?;
        Ok(accepted.get(0).unchecked_into())
    }

    /// Makes the engine, with the live queries that the sockets left.
    fn wake(&self, name: &str) -> Result<(), JsValue> {
        if self.engine.borrow().is_some() {
            return Ok(());
        }
        let made = collections().and_then(|collections| shard::by_name(name, &collections));
        let (source, settings) = made.map_err(|error| JsValue::from(error.detail))?;
        self.engine.replace(Some(Engine::new(source, settings)));
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

    fn handle(
        &self,
        name: &str,
        event: Event,
        origin: Option<&Socket>,
    ) -> Result<Option<Result<String, Error>>, JsValue> {
        self.wake(name)?;
        self.run(event, origin)
    }

    /// One step of the engine, and its effects. `origin` is the socket that the event came from.
    fn run(
        &self,
        event: Event,
        origin: Option<&Socket>,
    ) -> Result<Option<Result<String, Error>>, JsValue> {
        let effects = {
            let mut engine = self.engine.borrow_mut();
            let Some(engine) = engine.as_mut() else { return Ok(None) };
            engine.handle(&mut *self.store.borrow_mut(), bridge::now(), bridge::random(), event)
        };
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

    /// Sends a frame to sockets; closes those that are not read.
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
