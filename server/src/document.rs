//! The Durable Object of one document: its path's requests and its sockets' messages go to the engine, the engine's
//! effects to the platform.
//!
//! Between reading an event and having carried out its effects nothing is awaited, so each is atomic: what the engine
//! stored is one transaction, and the platform's output gate holds every answer and frame until that is on disk.

use crate::attachment::Attachment;
use crate::bridge::{self, Socket};
use crate::collections::collections;
use crate::entry::too_large;
use crate::guard::{Who, guard, identify, log_refusal, who};
use crate::incoming::Incoming;
use crate::readers::Readers;
use crate::respond::{allow_origin, count_rows, internal, reply_in_parts, response};
use crate::sqlite::SqliteStore;
use blaze_engine::document::{Answer, Document as Engine, Effect, Event, unindexed};
use blaze_engine::guard::Caller;
use blaze_engine::http::commit_request;
use blaze_engine::http::document_request::is_upgrade;
use blaze_engine::http::reply::Reply;
use blaze_engine::http::{Headers, document_request, security};
use blaze_engine::index::shard;
use blaze_engine::unread::UNREAD_REASON;
use blaze_rules::Lookups;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{BODY_BYTES, SUBPROTOCOL_BYTES};
use blaze_schema::message::{
    ClientMessage, PING, PONG, SUBPROTOCOL, close_code, error_text, written_text,
};
use blaze_schema::path::{DocumentPath, Path};
use blaze_schema::timestamp::Timestamp;
use js_sys::Array;
use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::Env;
use worker::worker_sys::DurableObjectState;

/// The class that the platform constructs, once per document and after every loss of memory.
#[wasm_bindgen]
pub struct Document {
    /// `None` for one that was never written: see `server/absent.js`.
    state: Option<DurableObjectState>,
    env: Env,
    /// `None` until the first event, which says which document this is.
    engine: RefCell<Option<Engine>>,
    store: RefCell<SqliteStore>,
    readers: Readers,
    /// True if a call on a document that was never written needed its object.
    needs_object: Cell<bool>,
    /// The object's alarm before the first event, if that is known.
    alarm: Cell<Option<Option<Timestamp>>>,
}

#[wasm_bindgen]
impl Document {
    /// Creates the object. Reads nothing yet. Without a `state` it is a document that was never written, whose object
    /// must not be made.
    ///
    /// # Errors
    /// When the object has no SQLite.
    #[wasm_bindgen(constructor)]
    pub fn new(state: Option<DurableObjectState>, env: Env) -> Result<Document, JsValue> {
        let store = SqliteStore::of(state.as_ref(), count_rows(&env))?;
        let (engine, store) = (RefCell::new(None), RefCell::new(store));
        let (readers, needs_object, alarm) = (Readers::new(), Cell::new(false), Cell::new(None));
        Ok(Document { state, env, engine, store, readers, needs_object, alarm })
    }

    /// Says when the object's alarm rings, in milliseconds since 1970; `undefined` for one that has none. Before the first
    /// event, and not while the alarm's handler is at work.
    pub fn waking(&self, alarm: Option<f64>) {
        self.alarm.set(Some(alarm.map(bridge::time_of)));
    }

    /// True if a call on a document that was never written needs its object: the call must then be repeated there.
    #[wasm_bindgen(js_name = needsObject)]
    pub fn needs_object(&self) -> bool {
        self.needs_object.get() || self.store.borrow().was_written()
    }

    /// Answers a request; `body` is `None` if it has more bytes than [`body_limit`]. Returns a response, or one to
    /// pass on when the indexes know (`afterIndex` in `bridge.js`), or what is needed before the call is repeated:
    /// `lookups` are then paths and data (JSON) in turn, and with `is_final` there are no fresher keys of issuers.
    /// `address` is where the request comes from, if a socket's messages are counted.
    ///
    /// # Errors
    /// When not even the answer to a failure can be built.
    pub fn fetch(
        &self,
        request: &Request,
        body: Option<Vec<u8>>,
        lookups: Vec<String>,
        is_final: bool,
        address: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let incoming = Incoming::new(request)?;
        self.answer(&incoming, body.as_deref(), &lookups, is_final, address)
            .or_else(|thrown| response(&internal(&thrown)).map(JsValue::from))
    }

    /// Handles a socket's frame. Returns what must be done when the indexes know, or before the call is repeated, if
    /// anything.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub fn web_socket_message(
        &self,
        socket: JsValue,
        message: &JsValue,
        lookups: Vec<String>,
        is_final: bool,
    ) -> JsValue {
        let socket: &Socket = socket.unchecked_ref();
        let result = self.readers.heard(socket).and_then(|()| match message.as_string() {
            Some(text) => self.message(socket, text, &lookups, is_final),
            None => socket
                .send(&error_text(&Error::invalid("message: binary, where JSON text is due")))
                .map(|()| JsValue::UNDEFINED),
        });
        result.unwrap_or_else(|thrown| {
            worker::console_error!("{}", bridge::message(&thrown));
            JsValue::UNDEFINED
        })
    }

    /// Returns the subjects for which a socket's messages are counted: its address and its `uid`, a line each, empty
    /// for none.
    pub fn counted(&self, socket: JsValue) -> Result<String, JsValue> {
        let attachment = attachment_of(&socket)?;
        let of = |Attachment { address, auth, .. }: Attachment| {
            let uid = auth.map_or_else(String::new, |auth| auth.uid.replace('\n', " "));
            format!("{address}\n{uid}")
        };
        Ok(attachment.map(of).unwrap_or_default())
    }

    /// Ends a socket that sends more than it may.
    pub fn quiet(&self, socket: JsValue, frame: &str) -> Result<(), JsValue> {
        let Some(attachment) = attachment_of(&socket)? else { return Ok(()) };
        self.end(&socket, &attachment, Some(frame), close_code(Code::ResourceExhausted), "")
    }

    /// Handles the end of a socket that was closed, or broke.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub fn web_socket_close(&self, socket: JsValue) {
        let closed = || -> Result<(), JsValue> {
            self.readers.forget(&socket);
            let Some(attachment) = attachment_of(&socket)? else { return Ok(()) };
            bridge::attach(&socket, "gone")?;
            if let Some(listener) = attachment.listener {
                self.handle(&attachment.path, Event::Disconnect { listener }, Asking::nobody())?;
            }
            Ok(())
        };
        if let Err(thrown) = closed() {
            worker::console_error!("{}", bridge::message(&thrown));
        }
    }

    /// Handles a client's frame that came another way than by a socket of this document, with its credential. Returns
    /// the frame that answers it, or what must be done first.
    ///
    /// # Errors
    /// When the path is not valid, or the answer cannot be built.
    pub fn frame(
        &self,
        path: &str,
        text: String,
        credential: &str,
        lookups: Vec<String>,
        is_final: bool,
    ) -> Result<JsValue, JsValue> {
        let path = DocumentPath::parse(path).map_err(|error| JsValue::from(error.detail))?;
        let auth = match identify(Some(credential), is_final) {
            Who::Known(auth) => auth,
            Who::Refresh(issuer) => return bridge::refresh(&issuer),
            Who::Refused(error) => {
                // The refusal has the write's id: the client waits for this write.
                let refused = match ClientMessage::parse(&text) {
                    Ok(ClientMessage::Write { id, .. }) => {
                        written_text(&id, path.as_str(), &Err(error))
                    }
                    _ => error_text(&error),
                };
                return Ok(refused.into());
            }
        };
        let asking = Asking::by(auth, &lookups, None)?;
        let mut done = self.handle(&path, Event::Message { text }, asking)?;
        if let Some(paths) = done.lookup {
            return bridge::lookup(&paths);
        }
        let frame = done.frames.drain(..).next();
        self.after_index(&path, &frame.map_or(JsValue::UNDEFINED, JsValue::from), done, None)
    }

    /// Answers a commit's part, whose request is described as `describe` in `bridge.js` does it. Returns
    /// `[status, headers, body]`, the headers names and values in turn, a line each; or what must be done first.
    /// `lookups` and `is_final` are as for [`Document::fetch`].
    ///
    /// # Errors
    /// When the path is not valid, or the answer cannot be built.
    pub fn commit(
        &self,
        path: &str,
        description: String,
        part: &str,
        is_part: bool,
        lookups: Vec<String>,
        is_final: bool,
    ) -> Result<JsValue, JsValue> {
        let path = DocumentPath::parse(path).map_err(|error| JsValue::from(error.detail))?;
        let incoming = Incoming::described(description);
        let request = incoming.request();
        let auth = match who(&incoming, is_final) {
            Who::Known(auth) => auth,
            Who::Refresh(issuer) => return bridge::refresh(&issuer),
            Who::Refused(error) => return Ok(self.in_parts(error.into()).into()),
        };
        let mut done = match commit_request::event(&request, part, is_part) {
            Ok(event) => self.handle(&path, event, Asking::by(auth, &lookups, None)?)?,
            Err(error) => Done { answer: Some(Answer::Refused(error)), ..Done::default() },
        };
        if let Some(paths) = done.lookup {
            return bridge::lookup(&paths);
        }
        let answer = done.answer.take().unwrap_or_else(unanswered);
        let answer = self.in_parts(Reply::of(answer, &path, &request));
        self.after_index(&path, &answer.into(), done, None)
    }

    /// Sends the frames that waited for the indexes: `frames` to `socket`, and `broadcast`, a text of so many `bytes`, to
    /// `sockets`. If the indexes were not `told`, the sockets are
    /// closed instead.
    pub fn release(
        &self,
        told: bool,
        socket: Option<JsValue>,
        frames: Vec<String>,
        broadcast: &JsValue,
        bytes: f64,
        sockets: &Array,
    ) -> Result<(), JsValue> {
        if told {
            self.broadcast(broadcast, bytes as usize, sockets)?;
            return socket.map_or(Ok(()), |socket| self.deliver(socket.unchecked_ref(), &frames));
        }
        for socket in sockets.iter().chain(socket) {
            if let Some(attachment) = attachment_of(&socket)? {
                let error = unindexed();
                self.end(&socket, &attachment, None, close_code(error.code), "")?;
            }
        }
        Ok(())
    }

    /// Returns the data that rules of other documents look up: JSON, `null` if there is none.
    ///
    /// # Errors
    /// When the path is not valid, or the document cannot be read.
    pub fn peek(&self, path: &str) -> Result<String, JsValue> {
        let path = DocumentPath::parse(path).map_err(|error| JsValue::from(error.detail))?;
        let mut engine = self.engine_at(&path)?;
        let Some(engine) = engine.as_mut() else { return Ok("null".to_owned()) };
        let data = engine.data(&*self.store.borrow()).map_err(|error| error.detail)?;
        Ok(data.unwrap_or_else(|| "null".to_owned()))
    }

    /// Notes that the indexes have version `version` of the document, or would not take it.
    pub fn indexed(&self, version: f64, done: bool) {
        // Without an engine the memory was lost meanwhile, and the alarm tells the indexes.
        let path = self.engine.borrow().as_ref().map(|engine| engine.path().clone());
        if let Some(path) = path {
            let event = Event::Indexed { version: version as u64, done };
            self.report(self.handle(&path, event, Asking::nobody()));
        }
    }

    /// Handles the alarm. `name` is the object's, which is the document's path.
    pub fn alarm(&self, name: &str) -> JsValue {
        // Every change sets an alarm, which rings before the object hibernates.
        let kept = self
            .listeners()
            .and_then(|sockets| sockets.iter().try_for_each(|socket| self.readers.keep(&socket)));
        if let Err(thrown) = kept {
            worker::console_error!("{}", bridge::message(&thrown));
        }
        match DocumentPath::parse(name) {
            Ok(path) => self.report(self.handle(&path, Event::Alarm, Asking::nobody())),
            Err(_) => JsValue::UNDEFINED,
        }
    }
}

/// The answer to a request whose document's indexes did not confirm in time the state that it tells of: in parts, as
/// [`Document::commit`] gives them.
#[wasm_bindgen(js_name = unindexed)]
pub fn unindexed_in_parts() -> Array {
    let mut reply = Reply::from(unindexed());
    reply.headers.push(("retry-after", "1".to_owned()));
    reply_in_parts(reply)
}

/// The most bytes that a request's body may have.
#[wasm_bindgen(js_name = bodyLimit)]
pub fn body_limit() -> f64 {
    BODY_BYTES as f64
}

/// Time for a socket to authenticate, in milliseconds.
const LATE_MILLISECONDS: f64 = 2_000.0;

/// The work that a step leaves to be done.
#[derive(Default)]
struct Done {
    answer: Option<Answer>,
    /// The version that the indexes must have before the answer is given and frames are sent; the row that they are to be
    /// told, unless they are being told.
    index: Option<(u64, Option<String>)>,
    /// A frame for all who listen.
    broadcast: Option<String>,
    /// What is to be looked up before the same event happens again.
    lookup: Option<String>,
    /// The listener that the socket is from now on; for a document that was never written, also version 0 of its
    /// epoch.
    admitted: Option<(String, Option<(u64, String)>)>,
    /// Frames for the socket that the event came from, which is not there yet or is to wait.
    frames: Vec<String>,
    /// The code that the socket is closed with.
    close: Option<u16>,
    /// A token that the socket sent.
    token: Option<String>,
}

/// The caller, and the socket that the event came from.
struct Asking<'a> {
    caller: Caller,
    origin: Option<&'a Socket>,
}

impl<'a> Asking<'a> {
    /// The object itself, as no caller.
    fn nobody() -> Self {
        Asking { caller: Caller::default(), origin: None }
    }

    fn by(
        auth: Option<Rc<Auth>>,
        lookups: &[String],
        origin: Option<&'a Socket>,
    ) -> Result<Self, JsValue> {
        let lookups = read_lookups(lookups).map_err(|error| JsValue::from(error.detail))?;
        Ok(Asking { caller: Caller { auth, lookups }, origin })
    }
}

impl Document {
    fn answer(
        &self,
        incoming: &Incoming,
        body: Option<&[u8]>,
        lookups: &[String],
        is_final: bool,
        address: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let request = incoming.request();
        let refuse = |error: Error| self.respond(incoming, error.into()).map(JsValue::from);
        let path = match document_path(incoming) {
            Ok(path) => path,
            Err(error) => return refuse(error),
        };
        let is_upgrade = is_upgrade(&request);
        let auth = match who(incoming, is_final) {
            Who::Known(auth) => auth,
            Who::Refresh(issuer) => return bridge::refresh(&issuer),
            Who::Refused(error) if is_upgrade => {
                let frame = error_text(&error);
                let code = close_code(error.code);
                return bridge::refuse_socket(&frame, code, protocol_of(incoming))
                    .map(JsValue::from);
            }
            Who::Refused(error) => return refuse(error),
        };
        let asking = Asking::by(auth, lookups, None)?;
        if is_upgrade {
            return match document_request::connect_event(&request) {
                Ok(event) => self.connect(incoming, &path, event, asking, address),
                Err(error) => refuse(error),
            };
        }
        let event = match body {
            Some(body) => document_request::event(&request, body),
            None => Err(too_large()),
        };
        let mut done = match event {
            Ok(event) => self.handle(&path, event, asking)?,
            Err(error) => Done { answer: Some(Answer::Refused(error)), ..Done::default() },
        };
        if let Some(paths) = done.lookup {
            return bridge::lookup(&paths);
        }
        let answer = done.answer.take().unwrap_or_else(unanswered);
        let response = self.respond(incoming, Reply::of(answer, &path, &request))?;
        self.after_index(&path, &response.into(), done, None)
    }

    /// `result`, or what makes the entry tell the indexes before it passes that on, and before frames are sent to `socket`
    /// and to all who listen now.
    fn after_index(
        &self,
        path: &DocumentPath,
        result: &JsValue,
        done: Done,
        socket: Option<&JsValue>,
    ) -> Result<JsValue, JsValue> {
        let Some((version, row)) = done.index else { return Ok(result.clone()) };
        let collections = collections().map_err(|error| JsValue::from(error.detail))?;
        let names = shard::of_document(path, &collections);
        let sockets = match done.broadcast {
            Some(_) => self.listeners()?,
            None => Array::new(),
        };
        let broadcast = done.broadcast.as_deref().filter(|_| sockets.length() > 0);
        bridge::after_index(
            result,
            version as f64,
            &names.iter().map(JsValue::from).collect(),
            row.as_deref(),
            socket.unwrap_or(&JsValue::UNDEFINED),
            &done.frames.iter().map(JsValue::from).collect(),
            broadcast,
            broadcast.map_or(0, str::len) as f64,
            &sockets,
        )
    }

    fn respond(&self, incoming: &Incoming, mut reply: Reply) -> Result<Response, JsValue> {
        security::add(&mut reply, security::DOCUMENT);
        allow_origin(&mut reply, incoming, &self.env);
        self.count(&mut reply);
        response(&reply).or_else(|thrown| response(&internal(&thrown)))
    }

    /// Splits a reply, of which the Worker makes the response.
    fn in_parts(&self, mut reply: Reply) -> Array {
        self.count(&mut reply);
        reply_in_parts(reply)
    }

    /// Adds the number of rows that the step cost, if they are counted.
    fn count(&self, reply: &mut Reply) {
        if let Some((read, written)) = self.store.borrow().take_counts() {
            reply.headers.push(("blaze-rows-read", read.to_string()));
            reply.headers.push(("blaze-rows-written", written.to_string()));
        }
    }

    /// Passes on what remains of a step that nobody waits for.
    fn report(&self, done: Result<Done, JsValue>) -> JsValue {
        let after = done.and_then(|done| {
            let path = self.engine.borrow().as_ref().map(|engine| engine.path().clone());
            match path {
                Some(path) => self.after_index(&path, &JsValue::UNDEFINED, done, None),
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
        asking: Asking<'_>,
        address: Option<String>,
    ) -> Result<JsValue, JsValue> {
        let protocol = protocol_of(incoming);
        let auth = asking.caller.auth.clone();
        let since = match &event {
            Event::Connect { since } => since.clone(),
            _ => None,
        };
        let mut done = self.handle(path, event, asking)?;
        if let Some(paths) = done.lookup {
            return bridge::lookup(&paths);
        }
        let accept = |state, listener: Option<String>, since, auth| {
            let (path, address) = (path.clone(), address.clone().unwrap_or_default());
            let attachment = Attachment { path, listener, since, auth, address };
            bridge::accept_socket(state, &attachment.to_text(), protocol, PING, PONG)
        };
        if let Some((listener, unborn)) = done.admitted.take() {
            let Some(state) = &self.state else { return self.needs_its_object() };
            let accepted = accept(state, Some(listener), unborn, auth)?;
            return self.start(path, &accepted.get(0), &accepted.get(1), done);
        }
        let frame = done.frames.first().map_or("", String::as_str);
        let code = done.close.unwrap_or(1011);
        if code != close_code(Code::Unauthenticated) || incoming.value("wait").is_some() {
            return bridge::refuse_socket(frame, code, protocol).map(JsValue::from);
        }
        // The socket's first message may authenticate it.
        let Some(state) = &self.state else { return self.needs_its_object() };
        let accepted = accept(state, None, since, None)?;
        bridge::end_late(&accepted.get(1), frame, code, LATE_MILLISECONDS)?;
        Ok(accepted.get(0))
    }

    fn message(
        &self,
        socket: &Socket,
        text: String,
        lookups: &[String],
        is_final: bool,
    ) -> Result<JsValue, JsValue> {
        let Some(attachment) = attachment_of(socket)? else { return Ok(JsValue::UNDEFINED) };
        let path = attachment.path.clone();
        let asking = Asking::by(attachment.auth.clone(), lookups, Some(socket))?;
        let mut done = self.handle(&path, Event::Message { text }, asking)?;
        if let Some(token) = done.token.take() {
            let auth = match identify(Some(&token), is_final) {
                Who::Known(auth) => auth,
                Who::Refresh(issuer) => return bridge::refresh(&issuer),
                Who::Refused(error) => {
                    let (frame, code) = (error_text(&error), close_code(error.code));
                    self.end(socket, &attachment, Some(&frame), code, "")?;
                    return Ok(JsValue::UNDEFINED);
                }
            };
            let event = match &attachment.listener {
                Some(listener) => Event::Renew { listener: listener.clone() },
                None => Event::Connect { since: attachment.since.clone() },
            };
            let asking = Asking::by(auth.clone(), lookups, Some(socket))?;
            done = self.handle(&path, event, asking)?;
            if let Some((listener, since)) = done.admitted.take() {
                let listener = Some(listener);
                let admitted = Attachment { listener, since, auth, ..attachment.clone() };
                bridge::attach(socket, &admitted.to_text())?;
            }
        }
        if let Some(paths) = done.lookup {
            return bridge::lookup(&paths);
        }
        let close = done.close;
        let outcome = self.start(&path, &JsValue::UNDEFINED, socket, done)?;
        if let Some(code) = close {
            bridge::dismiss(socket, None, code, "")?;
        }
        Ok(outcome)
    }

    /// Sends a socket the frames that are for it, now or after the indexes; `result` as in [`Document::after_index`].
    fn start(
        &self,
        path: &DocumentPath,
        result: &JsValue,
        socket: &JsValue,
        done: Done,
    ) -> Result<JsValue, JsValue> {
        if done.index.is_none() {
            self.deliver(socket.unchecked_ref(), &done.frames)?;
        }
        self.after_index(path, result, done, Some(socket))
    }

    /// Sends a socket the frames that it starts from.
    fn deliver(&self, socket: &Socket, frames: &[String]) -> Result<(), JsValue> {
        let (Some(state), now) = (&self.state, bridge::now()) else { return Ok(()) };
        for frame in frames {
            let text = JsValue::from(frame.as_str());
            self.readers.send(state, socket, now, (&text, frame.len()), true)?;
        }
        if frames.is_empty() { Ok(()) } else { self.readers.keep(socket) }
    }

    /// Returns the sockets that listen.
    fn listeners(&self) -> Result<Array, JsValue> {
        self.state.as_ref().map_or_else(|| Ok(Array::new()), bridge::listeners)
    }

    fn needs_its_object(&self) -> Result<JsValue, JsValue> {
        self.needs_object.set(true);
        Ok(JsValue::UNDEFINED)
    }

    /// Sends a frame to sockets; closes those of peers that do not read.
    fn broadcast(&self, text: &JsValue, bytes: usize, sockets: &Array) -> Result<(), JsValue> {
        let Some(state) = self.state.as_ref().filter(|_| sockets.length() > 0) else {
            return Ok(());
        };
        let now = bridge::now();
        for socket in sockets.iter() {
            let message = (text, bytes);
            let socket: &Socket = socket.unchecked_ref();
            if self.readers.send(state, socket, now, message, false)?
                && let Some(attachment) = attachment_of(socket)?
            {
                self.end(socket, &attachment, None, close_code(Code::Unavailable), UNREAD_REASON)?;
            }
        }
        Ok(())
    }

    /// Ends a socket.
    fn end(
        &self,
        socket: &JsValue,
        attachment: &Attachment,
        frame: Option<&str>,
        code: u16,
        reason: &str,
    ) -> Result<(), JsValue> {
        self.readers.closed(socket)?;
        bridge::dismiss(socket, frame, code, reason)?;
        if let Some(listener) = attachment.listener.clone() {
            self.handle(&attachment.path, Event::Disconnect { listener }, Asking::nobody())?;
        }
        Ok(())
    }

    /// Returns the engine, with its listeners: after a loss of memory the sockets' attachments name them.
    fn engine_at(&self, path: &DocumentPath) -> Result<RefMut<'_, Option<Engine>>, JsValue> {
        let mut engine = self.engine.borrow_mut();
        if engine.is_none() {
            let collections = collections().map_err(|error| JsValue::from(error.detail))?;
            let settings = collections.of(path.collection().id());
            let mut made = Engine::new(path.clone()).under(settings);
            if let Some(alarm) = self.alarm.take() {
                made = made.with_alarm(alarm);
            }
            let (mut listeners, mut unborn) = (Vec::new(), None);
            for socket in self.listeners()? {
                if let Some(attachment) = attachment_of(&socket)? {
                    listeners.push(attachment.auth);
                    unborn = unborn.or(attachment.since.map(|(_, epoch)| epoch));
                }
            }
            if !listeners.is_empty() {
                let store = &mut *self.store.borrow_mut();
                let woken = Event::Woken { listeners, unborn };
                made.handle(store, bridge::now(), bridge::random(), woken);
            }
            *engine = Some(made);
        }
        Ok(engine)
    }

    /// Handles an event, and carries out its effects.
    fn handle(
        &self,
        path: &DocumentPath,
        event: Event,
        asking: Asking<'_>,
    ) -> Result<Done, JsValue> {
        let Asking { caller, origin } = asking;
        let effects = {
            let mut engine = self.engine_at(path)?;
            let Some(engine) = engine.as_mut() else { return Ok(Done::default()) };
            let store = &mut *self.store.borrow_mut();
            let (now, random) = (bridge::now(), bridge::random());
            engine.handle_as(store, now, random, event, &guard(), &caller)
        };
        let mut done = Done::default();
        for effect in effects {
            match effect {
                Effect::SetAlarm(at) => {
                    if let Some(state) = &self.state {
                        self.store.borrow().count_alarm();
                        bridge::set_alarm(state, (at.micros() / 1_000) as f64)?;
                    }
                }
                Effect::Index { version, row } => done.index = Some((version, Some(row))),
                Effect::Await { version } => done.index = Some((version, None)),
                Effect::Answer(given) => done.answer = Some(given),
                Effect::Lookup(paths) => {
                    let paths: Vec<&str> = paths.iter().map(DocumentPath::as_str).collect();
                    done.lookup = Some(paths.join("//"));
                }
                Effect::Admit { listener, unborn } => {
                    done.admitted = Some((listener, unborn.map(|epoch| (0, epoch))));
                }
                Effect::Identify { token } => done.token = Some(token),
                Effect::Send(text) => match origin {
                    Some(socket) if done.admitted.is_none() && done.index.is_none() => {
                        // A socket that has gone meanwhile concerns nobody else.
                        let _ = socket.send(&text);
                    }
                    _ => done.frames.push(text),
                },
                Effect::Close { code } => done.close = Some(code),
                Effect::End { listener, frame, code } => {
                    if let Some(state) = &self.state {
                        bridge::end_listener(state, &listener, frame.as_deref(), code)?;
                    }
                }
                Effect::Broadcast(text) => match done.index {
                    Some(_) => done.broadcast = Some(text),
                    None => {
                        let (bytes, text) = (text.len(), JsValue::from(text));
                        self.broadcast(&text, bytes, &self.listeners()?)?;
                    }
                },
                Effect::Audit { actor, act } => {
                    worker::console_log!("audit {}", audit_line(&actor, act, path));
                }
                Effect::Log(line) => log_refusal(&line),
            }
        }
        Ok(done)
    }
}

/// Writes an administrator's act as a line of JSON.
fn audit_line(actor: &str, act: &str, path: &DocumentPath) -> String {
    serde_json::json!({"actor": actor, "act": act, "what": path.as_str()}).to_string()
}

fn attachment_of(socket: &JsValue) -> Result<Option<Attachment>, JsValue> {
    Attachment::parse(&bridge::attachment_of(socket)?).map_err(|error| JsValue::from(error.detail))
}

/// Reads paths and data in turn.
pub(crate) fn read_lookups(flat: &[String]) -> Result<Lookups, Error> {
    let mut lookups = Lookups::new();
    for pair in flat.chunks_exact(2) {
        if let [path, data] = pair {
            let data = serde_json::from_str(data)
                .map_err(|error| Error::new(Code::Internal, format!("lookup: {error}")))?;
            lookups.insert(DocumentPath::parse(path)?, data);
        }
    }
    Ok(lookups)
}

/// Returns the subprotocol that a socket speaks; empty for none.
pub(crate) fn protocol_of(incoming: &Incoming) -> &'static str {
    let offered = incoming.get("sec-websocket-protocol").unwrap_or_default();
    let speaks = offered.len() <= SUBPROTOCOL_BYTES
        && offered.split(',').any(|name| name.trim() == SUBPROTOCOL);
    if speaks { SUBPROTOCOL } else { "" }
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
