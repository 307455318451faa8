//! The Durable Object of one document: its path's requests and its sockets' messages go to the engine, the engine's
//! effects to the platform.
//!
//! Between reading an event and having carried out its effects nothing is awaited, so each is atomic: what the engine
//! stored is one transaction, and the platform's output gate holds every answer and frame until that is on disk.

use crate::bridge::{self, Socket};
use crate::collections::collections;
use crate::incoming::Incoming;
use crate::respond::{allow_origin, count_rows, internal, response};
use crate::sqlite::SqliteStore;
use blaze_engine::document::{Answer, Document as Engine, Effect, Event};
use blaze_engine::http::reply::Reply;
use blaze_engine::http::{Headers, document_request};
use blaze_engine::index::shard;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{BODY_BYTES, SUBPROTOCOL_BYTES};
use blaze_schema::message::{PING, PONG, SUBPROTOCOL, error_text};
use blaze_schema::path::{DocumentPath, Path};
use js_sys::Array;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::Env;
use worker::worker_sys::DurableObjectState;

/// The class that the platform constructs, once per document and after every loss of memory.
#[wasm_bindgen]
pub struct Document {
    state: DurableObjectState,
    env: Env,
    /// `None` until the first event, which says which document this is.
    engine: RefCell<Option<Engine>>,
    store: RefCell<SqliteStore>,
}

#[wasm_bindgen]
impl Document {
    /// Reads nothing yet.
    ///
    /// # Errors
    /// When the object has no SQLite.
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Result<Document, JsValue> {
        let store = RefCell::new(SqliteStore::new(&state, count_rows(&env))?);
        Ok(Document { state, env, engine: RefCell::new(None), store })
    }

    /// Answers a request; `body` is `None` when it has more bytes than [`body_limit`]. A response, or one that is to be
    /// passed on when the indexes know (`afterIndex` in `bridge.js`).
    ///
    /// # Errors
    /// When not even the answer to a failure can be built.
    pub fn fetch(&self, request: &Request, body: Option<Vec<u8>>) -> Result<JsValue, JsValue> {
        let incoming = Incoming::new(request)?;
        self.answer(&incoming, body.as_deref())
            .or_else(|thrown| response(&internal(&thrown)).map(JsValue::from))
    }

    /// A socket's frame. What is to be done when the indexes know, if anything.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self, socket: JsValue, message: JsValue) -> JsValue {
        let socket: &Socket = socket.unchecked_ref();
        let result = match message.as_string() {
            Some(text) => self.message(socket, text),
            None => socket
                .send(&error_text(&Error::invalid("message: binary, where JSON text is due")))
                .map(|()| JsValue::UNDEFINED),
        };
        result.unwrap_or_else(|thrown| {
            worker::console_error!("{}", bridge::message(&thrown));
            JsValue::UNDEFINED
        })
    }

    /// A client's frame that came another way than by a socket of this document: the frame that answers it, or what is to
    /// be done first.
    ///
    /// # Errors
    /// When the path is none, or the answer cannot be built.
    pub fn frame(&self, path: &str, text: String) -> Result<JsValue, JsValue> {
        let path = DocumentPath::parse(path).map_err(|error| JsValue::from(error.detail))?;
        let done = self.handle(&path, Event::Message { text }, None)?;
        let frame = done.frame.as_deref();
        let result = frame.map_or(JsValue::UNDEFINED, JsValue::from);
        self.after_index(&path, &result, done.index, frame)
    }

    /// The indexes have version `version` of the document, or would not take it.
    pub fn indexed(&self, version: f64, done: bool) {
        // Without an engine the memory was lost meanwhile, and the alarm will see to it.
        let path = self.engine.borrow().as_ref().map(|engine| engine.path().clone());
        if let Some(path) = path {
            let event = Event::Indexed { version: version as u64, done };
            self.report(self.handle(&path, event, None));
        }
    }

    /// The alarm rings. `name` is the object's, which is the document's path.
    pub fn alarm(&self, name: &str) -> JsValue {
        match DocumentPath::parse(name) {
            Ok(path) => self.report(self.handle(&path, Event::Alarm, None)),
            Err(_) => JsValue::UNDEFINED,
        }
    }
}

/// The most bytes that a request's body may have.
#[wasm_bindgen(js_name = bodyLimit)]
pub fn body_limit() -> f64 {
    BODY_BYTES as f64
}

/// What a step leaves to be done.
#[derive(Default)]
struct Done {
    answer: Option<Answer>,
    /// Names of the indexes, and what they are to be told, before the answer is given.
    index: Option<(u64, String)>,
    /// A frame that is sent after that.
    frame: Option<String>,
}

impl Document {
    fn answer(&self, incoming: &Incoming, body: Option<&[u8]>) -> Result<JsValue, JsValue> {
        let request = incoming.request();
        let path = match document_path(incoming) {
            Ok(path) => path,
            Err(error) => return self.respond(incoming, error.into()).map(JsValue::from),
        };
        if request.method == "GET" && document_request::is_upgrade(&request) {
            return match document_request::connect_event(&request) {
                Ok(event) => self.connect(incoming, &path, event).map(JsValue::from),
                Err(error) => self.respond(incoming, error.into()).map(JsValue::from),
            };
        }
        let event = match body {
            Some(body) => document_request::event(&request, body),
            None => Err(Error::new(
                Code::ResourceExhausted,
                format!("body: more than {BODY_BYTES} bytes"),
            )),
        };
        let done = match event {
            Ok(event) => self.handle(&path, event, None)?,
            Err(error) => Done { answer: Some(Answer::Refused(error)), ..Done::default() },
        };
        let answer = done.answer.unwrap_or_else(unanswered);
        let response = self.respond(incoming, Reply::of(answer, &path, &request))?;
        self.after_index(&path, &response.into(), done.index, None)
    }

    /// `result`, or what makes the entry tell the indexes first.
    fn after_index(
        &self,
        path: &DocumentPath,
        result: &JsValue,
        index: Option<(u64, String)>,
        frame: Option<&str>,
    ) -> Result<JsValue, JsValue> {
        let Some((version, row)) = index else { return Ok(result.clone()) };
        let collections = collections().map_err(|error| JsValue::from(error.detail))?;
        let names = shard::of_document(path, &collections).join("\n");
        bridge::after_index(result, &names, &row, version as f64, frame)
    }

    fn respond(&self, incoming: &Incoming, mut reply: Reply) -> Result<Response, JsValue> {
        allow_origin(&mut reply, incoming, &self.env);
        if let Some((read, written)) = self.store.borrow().take_counts() {
            reply.headers.push(("blaze-rows-read", read.to_string()));
            reply.headers.push(("blaze-rows-written", written.to_string()));
        }
        response(&reply).or_else(|thrown| response(&internal(&thrown)))
    }

    /// What remains of a step that nobody waits for.
    fn report(&self, done: Result<Done, JsValue>) -> JsValue {
        let after = done.and_then(|done| {
            let path = self.engine.borrow().as_ref().map(|engine| engine.path().clone());
            match path {
                Some(path) => self.after_index(&path, &JsValue::UNDEFINED, done.index, None),
                None => Ok(JsValue::UNDEFINED),
            }
        });
        after.unwrap_or_else(|thrown| {
            worker::console_error!("{}", bridge::message(&thrown));
            JsValue::UNDEFINED
        })
    }

    fn connect(
        &self,
        incoming: &Incoming,
        path: &DocumentPath,
        event: Event,
    ) -> Result<Response, JsValue> {
        let offered = incoming.get("sec-websocket-protocol").unwrap_or_default();
        let speaks = offered.len() <= SUBPROTOCOL_BYTES
            && offered.split(',').any(|name| name.trim() == SUBPROTOCOL);
        let protocol = if speaks { SUBPROTOCOL } else { "" };
        let accepted: Array =
            bridge::accept_socket(&self.state, path.as_str(), protocol, PING, PONG)?;
        self.handle(path, event, Some(accepted.get(1).unchecked_ref()))?;
        Ok(accepted.get(0).unchecked_into())
    }

    fn message(&self, socket: &Socket, text: String) -> Result<JsValue, JsValue> {
        let path = socket.attachment()?.as_string().unwrap_or_default();
        match DocumentPath::parse(&path) {
            Ok(path) => {
                let done = self.handle(&path, Event::Message { text }, Some(socket))?;
                let frame = done.frame.as_deref();
                self.after_index(&path, &JsValue::UNDEFINED, done.index, frame)
            }
            Err(error) => socket.send(&error_text(&error)).map(|()| JsValue::UNDEFINED),
        }
    }

    /// One step of the engine, and its effects. `origin` is the socket that the event came from.
    fn handle(
        &self,
        path: &DocumentPath,
        event: Event,
        origin: Option<&Socket>,
    ) -> Result<Done, JsValue> {
        let effects = {
            let mut engine = self.engine.borrow_mut();
            if engine.is_none() {
                let collections = collections().map_err(|error| JsValue::from(error.detail))?;
                let settings = collections.of(path.collection().id());
                *engine = Some(Engine::new(path.clone()).under(settings));
            }
            let Some(engine) = engine.as_mut() else { return Ok(Done::default()) };
            engine.handle(&mut *self.store.borrow_mut(), bridge::now(), bridge::random(), event)
        };
        let mut done = Done::default();
        for effect in effects {
            match effect {
                Effect::SetAlarm(at) => {
                    self.store.borrow().count_alarm();
                    bridge::set_alarm(&self.state, (at.micros() / 1_000) as f64)?;
                }
                Effect::Index { version, row } => done.index = Some((version, row)),
                Effect::Answer(given) => done.answer = Some(given),
                Effect::Send(text) => match origin {
                    Some(socket) if done.index.is_none() => {
                        // A socket that has gone meanwhile concerns nobody else.
                        let _ = socket.send(&text);
                    }
                    _ => done.frame = Some(text),
                },
                Effect::Broadcast(text) => bridge::broadcast(&self.state, &text)?,
            }
        }
        Ok(done)
    }
}

fn document_path(incoming: &Incoming) -> Result<DocumentPath, Error> {
    let resource = incoming.path().strip_prefix("/v1/docs/").unwrap_or_default();
    match Path::parse_url(resource)? {
        Path::Document(path) => Ok(path),
        Path::Collection(path) => Err(Error::invalid(format!("path: {path} names a collection"))),
    }
}

fn unanswered() -> Answer {
    Answer::Refused(Error::new(Code::Internal, "the document gave no answer"))
}
