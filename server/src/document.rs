//! The Durable Object of one document: its path's requests and its sockets' messages go to the engine, the engine's
//! effects to the platform.
//!
//! Between reading an event and having carried out its effects nothing is awaited, so each is atomic: what the engine
//! stored is one transaction, and the platform's output gate holds every answer and frame until that is on disk.

use crate::bridge::{self, Socket, Sql};
use crate::incoming::Incoming;
use crate::respond::{allow_origin, internal, response};
use crate::sqlite::SqliteStore;
use blaze_engine::document::{Answer, Document as Engine, Effect, Event};
use blaze_engine::http::reply::Reply;
use blaze_engine::http::{Headers, document_request};
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
        let sql: Sql = state.storage()?.sql().unchecked_into();
        let count_rows = env.var("COUNT_ROWS").is_ok_and(|value| value.to_string() == "1");
        let store = RefCell::new(SqliteStore::new(sql, count_rows));
        Ok(Document { state, env, engine: RefCell::new(None), store })
    }

    /// Answers a request; `body` is `None` when it has more bytes than [`body_limit`].
    ///
    /// # Errors
    /// When not even the answer to a failure can be built.
    pub fn fetch(&self, request: &Request, body: Option<Vec<u8>>) -> Result<Response, JsValue> {
        self.answer(&Incoming::new(request)?, body.as_deref())
    }

    /// A socket's frame.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(&self, socket: JsValue, message: JsValue) {
        let socket: &Socket = socket.unchecked_ref();
        let result = match message.as_string() {
            Some(text) => self.message(socket, text),
            None => {
                socket.send(&error_text(&Error::invalid("message: binary, where JSON text is due")))
            }
        };
        if let Err(thrown) = result {
            worker::console_error!("{}", bridge::message(&thrown));
        }
    }
}

/// The most bytes that a request's body may have.
#[wasm_bindgen(js_name = bodyLimit)]
pub fn body_limit() -> f64 {
    BODY_BYTES as f64
}

impl Document {
    fn answer(&self, incoming: &Incoming, body: Option<&[u8]>) -> Result<Response, JsValue> {
        let request = incoming.request();
        let path = match document_path(incoming) {
            Ok(path) => path,
            Err(error) => return self.respond(incoming, error.into()),
        };
        if request.method == "GET" && document_request::is_upgrade(&request) {
            return match document_request::connect_event(&request) {
                Ok(event) => self.connect(incoming, &path, event),
                Err(error) => self.respond(incoming, error.into()),
            };
        }
        let event = match body {
            Some(body) => document_request::event(&request, body),
            None => Err(Error::new(
                Code::ResourceExhausted,
                format!("body: more than {BODY_BYTES} bytes"),
            )),
        };
        let answer = match event {
            Ok(event) => self.handle(&path, event, None)?.unwrap_or_else(unanswered),
            Err(error) => Answer::Refused(error),
        };
        self.respond(incoming, Reply::of(answer, &path, &request))
    }

    fn respond(&self, incoming: &Incoming, mut reply: Reply) -> Result<Response, JsValue> {
        allow_origin(&mut reply, incoming, &self.env);
        if let Some((read, written)) = self.store.borrow().take_counts() {
            reply.headers.push(("blaze-rows-read", read.to_string()));
            reply.headers.push(("blaze-rows-written", written.to_string()));
        }
        response(&reply).or_else(|thrown| response(&internal(&thrown)))
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

    fn message(&self, socket: &Socket, text: String) -> Result<(), JsValue> {
        let path = socket.attachment()?.as_string().unwrap_or_default();
        match DocumentPath::parse(&path) {
            Ok(path) => self.handle(&path, Event::Message { text }, Some(socket)).map(|_| ()),
            Err(error) => socket.send(&error_text(&error)),
        }
    }

    /// One step of the engine, and its effects. `origin` is the socket that the event came from.
    fn handle(
        &self,
        path: &DocumentPath,
        event: Event,
        origin: Option<&Socket>,
    ) -> Result<Option<Answer>, JsValue> {
        let effects = {
            let mut engine = self.engine.borrow_mut();
            let engine = engine.get_or_insert_with(|| Engine::new(path.clone()));
            engine.handle(&mut *self.store.borrow_mut(), bridge::now(), bridge::random(), event)
        };
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Answer(given) => answer = Some(given),
                Effect::Send(text) => {
                    if let Some(socket) = origin {
                        // A socket that has gone meanwhile concerns nobody else.
                        let _ = socket.send(&text);
                    }
                }
                Effect::Broadcast(text) => bridge::broadcast(&self.state, &text)?,
            }
        }
        Ok(answer)
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
