//! A document's object: the document, its sockets, and the telling of its indexes. Here requests, calls and messages
//! become events of the [`Document`], and its effects become those of the object.

use super::seats::{Seat, Seats};
use super::telling::{Held, Next, Telling};
use super::{Answer, Document, Effect as Done, Event as Asked, Stage, unindexed};
use crate::actor::{
    Answer as Returned, Call, Class, Count, Effect, Event, Facts, Halt, Key, Object, Tasks, Turn,
    Waking, Work, lookup, misdirected,
};
use crate::guard::Caller;
use crate::http::commit_request;
use crate::http::credential::protocol_of;
use crate::http::document_request::{self, is_upgrade};
use crate::http::incoming::Incoming;
use crate::http::reply::Reply;
use crate::http::security;
use crate::index::settings::Collections;
use crate::index::shard;
use crate::node::config::Config;
use crate::node::{log_refusal, routes};
use crate::rate::Kind;
use crate::unread::UNREAD_REASON;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{BODY_BYTES, INDEX_WAIT_MICROS, LATE_MICROS};
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{ClientMessage, close_code, error_text, written_text};
use blaze_store::Store;
use serde_json::json;
use std::rc::Rc;

/// The object.
#[derive(Debug)]
pub struct Room {
    document: Document,
    path: DocumentPath,
    collections: Rc<Collections>,
    seats: Seats,
    /// True if the document was not told yet who listens.
    is_waking: bool,
    tasks: Tasks<Task>,
    telling: Telling,
    /// The version of rules and keys by which the sockets' identities were looked at last.
    snapshot: Option<u64>,
}

/// Something that is done when its facts are there.
#[derive(Debug)]
pub(crate) enum Task {
    Request {
        ticket: u64,
        request: Incoming,
    },
    Write {
        ticket: u64,
        text: String,
        token: String,
    },
    Commit {
        ticket: u64,
        request: Incoming,
        part: String,
        stage: Stage,
    },
    /// `None` is a binary one.
    Message {
        socket: u64,
        text: Option<String>,
    },
    /// Take a socket's new token.
    Identify {
        socket: u64,
        token: String,
    },
    Alarm,
}

/// The receiver of what a step says.
enum To<'a> {
    Reply(u64, &'a Incoming),
    Frame(u64),
    Committed(u64),
    /// The request for a socket, with the version and epoch that it came with.
    Socket(u64, &'a Incoming, Option<Rc<Auth>>),
    Seat(u64),
    Nobody,
}

/// The results of a step of the document.
#[derive(Default)]
struct Results {
    answer: Option<Answer>,
    index: Option<(u64, Option<String>)>,
    broadcast: Option<String>,
    admitted: Option<(String, Option<String>)>,
    frames: Vec<String>,
    close: Option<u16>,
}

impl Room {
    /// Creates the object. Reads nothing yet.
    ///
    /// # Errors
    /// `invalid-argument` for a name that is no path of a document.
    pub fn new(
        name: &str,
        config: &Config,
        waking: Waking,
        is_atomic: bool,
    ) -> Result<Self, Error> {
        let path = DocumentPath::parse(name)?;
        let settings = config.collections.of(path.collection().id());
        let mut document = Document::new(path.clone()).under(settings);
        if let Some(alarm) = waking.alarm {
            document = document.with_alarm(alarm);
        }
        if is_atomic {
            document = document.atomic();
        }
        let (seats, collections) = (Seats::woken(waking.sockets), Rc::clone(&config.collections));
        let (tasks, telling) = (Tasks::default(), Telling::default());
        Ok(Room {
            document,
            path,
            collections,
            seats,
            is_waking: true,
            tasks,
            telling,
            snapshot: None,
        })
    }

    pub(crate) fn secure(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.document.secure(now)
    }

    pub(crate) fn wakes(&self) -> Option<Timestamp> {
        let wakes = [self.telling.wakes(), self.seats.wakes()];
        wakes.into_iter().flatten().min()
    }

    pub(crate) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        self.wake(turn);
        match event {
            Event::Request { ticket, request } => {
                self.start(turn, Key::Ticket(ticket), Task::Request { ticket, request });
            }
            Event::Body { ticket, body } => self.read(turn, ticket, body),
            Event::Call { ticket, call } => self.call(turn, ticket, call),
            Event::Told { number, answer } => {
                if let Err(answer) = self.told(turn, number, answer) {
                    let next = self.telling.told(number, answer, turn.now);
                    self.tell(turn, next.unwrap_or_default());
                }
            }
            Event::Message { socket, text } => self.hear(turn, socket, text),
            Event::Closed { socket } => self.closed(turn, socket),
            Event::Alarm => {
                // Every change sets an alarm, which rings before the object hibernates.
                let sockets: Vec<u64> = self.seats.iter().map(|(socket, _)| socket).collect();
                for socket in sockets {
                    turn.effects.extend(self.seats.keep(socket));
                }
                self.start(turn, Key::Own, Task::Alarm);
            }
            Event::Timer => self.tick(turn),
            event @ (Event::Hashed { .. } | Event::Fetched { .. } | Event::Opened { .. }) => {
                misdirected(turn, &event)
            }
        }
    }

    /// Tells the document who listens, before any other event. A loss of memory took the time of those who wait.
    fn wake<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        if !std::mem::take(&mut self.is_waking) {
            return;
        }
        let (mut listeners, mut unborn, mut late) = (Vec::new(), None, Vec::new());
        for (socket, seat) in self.seats.iter() {
            if seat.listener.is_some() {
                listeners.push(seat.auth.clone());
                let since = seat.since.as_ref();
                unborn = unborn.or_else(|| since.map(|(_, epoch)| epoch.clone()));
            } else {
                late.push(socket);
            }
        }
        for socket in late {
            self.seats.admit_until(socket, turn.now.after(LATE_MICROS));
        }
        if !listeners.is_empty() {
            self.step(turn, Asked::Woken { listeners, unborn }, &Caller::default(), &To::Nobody)
                .ok();
        }
    }

    fn call<S: Store>(&mut self, turn: &mut Turn<'_, S>, ticket: u64, call: Call) {
        let task = match call {
            Call::Peek => {
                let data = self.document.data(turn.store);
                return turn
                    .answer(ticket, data.map(|data| data.unwrap_or_else(|| "null".to_owned())));
            }
            Call::Write { text, token } => Task::Write { ticket, text, token },
            Call::Commit { request, part, stage } => {
                let request = Incoming::described(&request);
                Task::Commit { ticket, request, part, stage }
            }
            call => return misdirected(turn, &Event::Call { ticket, call }),
        };
        self.start(turn, Key::Ticket(ticket), task);
    }

    /// Handles a socket's message: one after the other, though several may wait for the indexes.
    fn hear<S: Store>(&mut self, turn: &mut Turn<'_, S>, socket: u64, text: Option<String>) {
        turn.effects.extend(self.seats.heard(socket));
        if self.seats.get(socket).is_some() {
            let bytes = text.as_ref().map_or(0, String::len);
            self.queue(turn, Key::Socket(socket), Task::Message { socket, text }, bytes);
        }
    }

    fn closed<S: Store>(&mut self, turn: &mut Turn<'_, S>, socket: u64) {
        self.tasks.forget(Key::Socket(socket));
        if let Some(listener) = self.seats.remove(socket).and_then(|seat| seat.listener) {
            let event = Asked::Disconnect { listener };
            self.step(turn, event, &Caller::default(), &To::Nobody).ok();
        }
    }

    fn tick<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        let next = self.telling.tick(turn.now);
        self.tell(turn, next);
        while let Some(socket) = self.seats.too_late(turn.now) {
            let refusal = self.seats.get(socket).map(|seat| std::mem::take(&mut seat.refusal));
            let late = || error_text(&Error::new(Code::Unauthenticated, "no token came in time"));
            let frame = refusal.filter(|frame| !frame.is_empty()).unwrap_or_else(late);
            self.end(turn, socket, Some(frame), close_code(Code::Unauthenticated), "");
        }
    }

    /// Ends the sockets whose API keys were revoked, before they are sent anything more.
    fn end_revoked<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        let snapshot = turn.node.snapshot_version();
        if std::mem::replace(&mut self.snapshot, snapshot) == snapshot {
            return;
        }
        let revoked = |(socket, seat): (u64, &Seat)| {
            Some((socket, turn.node.check_key(seat.auth.as_deref()).err()?))
        };
        let revoked: Vec<(u64, Error)> = self.seats.iter().filter_map(revoked).collect();
        for (socket, error) in revoked {
            self.end(turn, socket, Some(error_text(&error)), close_code(error.code), "");
        }
    }

    fn request<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        ticket: u64,
        incoming: &Incoming,
        facts: &mut Facts,
    ) -> Result<(), Halt> {
        let request = incoming.request();
        let who = turn.node.authenticate(incoming, turn.now, facts)?;
        if is_upgrade(&request) {
            let auth = match who {
                Ok(auth) => auth,
                Err(error) => {
                    let (frame, code) = (error_text(&error), close_code(error.code));
                    let protocol = protocol_of(&request);
                    turn.push(Effect::Refuse { ticket, protocol, frame, code });
                    return Ok(());
                }
            };
            let event = document_request::connect_event(&request)?;
            let caller = Caller { auth: auth.clone(), lookups: facts.lookups()? };
            return self.step(turn, event, &caller, &To::Socket(ticket, incoming, auth));
        }
        let auth = who?;
        let body = routes::body(incoming, facts, BODY_BYTES)?;
        let event = match document_request::event(&request, body) {
            Ok(event) => event,
            Err(error) => {
                let answer = Reply::of(Answer::Refused(error), &self.path, &request);
                self.reply(turn, ticket, incoming, answer);
                return Ok(());
            }
        };
        let caller = Caller { auth, lookups: facts.lookups()? };
        self.step(turn, event, &caller, &To::Reply(ticket, incoming))
    }

    fn message<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        socket: u64,
        text: Option<&str>,
        facts: &mut Facts,
    ) -> Result<(), Halt> {
        let Some(seat) = self.seats.get(socket) else { return Ok(()) };
        let (auth, address) = (seat.auth.clone(), seat.address.clone());
        if turn.node.rates().are_limited() {
            let uid = auth.as_ref().map_or("", |auth| &auth.uid);
            for (kind, who) in [(Kind::Address, address.as_str()), (Kind::Identity, uid)] {
                if who.is_empty() {
                    continue;
                }
                if let Err(seconds) = turn.node.count(kind, who, turn.now, facts)? {
                    return Err(turn.node.rates().error(kind, seconds).into());
                }
            }
        }
        let Some(text) = text else {
            let text = error_text(&Error::invalid("message: binary, where JSON text is due"));
            turn.push(Effect::Send { sockets: vec![socket], text });
            return Ok(());
        };
        let caller = Caller { auth, lookups: facts.lookups()? };
        self.step(turn, Asked::Message { text: text.to_owned() }, &caller, &To::Seat(socket))
    }

    /// Takes a step of the document, and carries its results out.
    fn step<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        event: Asked,
        caller: &Caller,
        to: &To<'_>,
    ) -> Result<(), Halt> {
        let (guard, random) = (turn.node.guard(turn.now), (turn.random)());
        let done = self.document.handle_as(turn.store, turn.now, random, event, &guard, caller);
        let mut results = Results::default();
        for effect in done {
            match effect {
                Done::Lookup(paths) => return Err(lookup(&paths)),
                Done::SetAlarm(at) => turn.push(Effect::SetAlarm(at)),
                Done::Index { version, row } => results.index = Some((version, Some(row))),
                Done::Await { version } => results.index = Some((version, None)),
                Done::Answer(answer) => results.answer = Some(answer),
                Done::Admit { listener, unborn } => results.admitted = Some((listener, unborn)),
                Done::Identify { token } => {
                    if let To::Seat(socket) = *to {
                        self.tasks.put_next(Key::Socket(socket), Task::Identify { socket, token });
                    }
                }
                Done::Send(text) => results.frames.push(text),
                Done::Close { code } => results.close = Some(code),
                Done::End { listener, frame, code } => {
                    for socket in self.seats.of(&listener) {
                        self.drop_seat(turn, socket, frame.clone(), code, "");
                    }
                }
                Done::Broadcast(text) => results.broadcast = Some(text),
                Done::Audit { actor, act } => {
                    let line = json!({"actor": actor, "act": act, "what": self.path.as_str()});
                    turn.push(Effect::Log(format!("audit {line}")));
                }
                Done::Log(line) => log_refusal(turn, &line),
            }
        }
        self.carry_out(turn, results, caller, to);
        Ok(())
    }

    fn carry_out<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        mut results: Results,
        caller: &Caller,
        to: &To<'_>,
    ) {
        let socket = match to {
            To::Socket(ticket, request, auth) => {
                self.accept(turn, *ticket, request, auth.clone(), &mut results)
            }
            To::Seat(socket) => {
                if let Some((listener, unborn)) = results.admitted.take()
                    && let Some(seat) = self.seats.get(*socket)
                {
                    seat.listener = Some(listener);
                    seat.since = unborn.map(|epoch| (0, epoch));
                    seat.auth = caller.auth.clone();
                    turn.effects.extend(self.seats.attach(*socket));
                }
                Some(*socket)
            }
            _ => None,
        };
        let answer = self.answer(turn, &mut results, to);
        let frames = socket.map(|socket| (socket, results.frames));
        let broadcast = results.broadcast.map(|text| (self.seats.listening(), text));
        let held = Held { answer, frames, broadcast };
        match results.index {
            None => self.release(turn, held, None),
            Some((version, row)) => {
                let mut next = Vec::new();
                if let Some(row) = row {
                    let indexes = shard::of_document(&self.path, &self.collections);
                    next = self.telling.begin(version, row, indexes);
                }
                next.extend(self.telling.hold(version, held, turn.now));
                self.tell(turn, next);
            }
        }
        if let (Some(socket), Some(code)) = (socket, results.close) {
            self.end(turn, socket, None, code, "");
        }
    }

    /// Makes the answer of the step's results.
    fn answer<S>(&self, turn: &Turn<'_, S>, results: &mut Results, to: &To<'_>) -> Option<Effect> {
        let unanswered = || Answer::Refused(Error::internal("the document gave no answer"));
        Some(match to {
            To::Reply(ticket, incoming) => {
                let answer = results.answer.take().unwrap_or_else(unanswered);
                let reply = Reply::of(answer, &self.path, &incoming.request());
                let reply = turn.node.finish(reply, incoming, security::DOCUMENT);
                Effect::Reply { ticket: *ticket, reply }
            }
            To::Frame(ticket) => {
                let frame = results.frames.drain(..).next();
                let none = || Err(Error::internal("the document gave no answer"));
                Effect::Return { ticket: *ticket, answer: frame.map_or_else(none, Ok).into() }
            }
            To::Committed(ticket) => {
                let answer = results.answer.take().unwrap_or_else(unanswered);
                let text = serde_json::to_string(&answer).map_err(Error::internal);
                Effect::Return { ticket: *ticket, answer: text.into() }
            }
            To::Socket(..) | To::Seat(_) | To::Nobody => return None,
        })
    }

    /// Answers the request for a socket; returns the socket's number if it stays.
    fn accept<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        ticket: u64,
        incoming: &Incoming,
        auth: Option<Rc<Auth>>,
        results: &mut Results,
    ) -> Option<u64> {
        let request = incoming.request();
        let protocol = protocol_of(&request);
        let is_limited = turn.node.rates().are_limited();
        let address = if is_limited { turn.node.address_of(incoming) } else { String::new() };
        if let Some((listener, unborn)) = results.admitted.take() {
            let (listener, since) = (Some(listener), unborn.map(|epoch| (0, epoch)));
            let seat = Seat { listener, since, auth, address, ..Seat::default() };
            let (socket, attachment) = self.seats.add(seat);
            turn.push(Effect::Accept { ticket, socket, protocol, attachment });
            return Some(socket);
        }
        let code = results.close.take().unwrap_or(1011);
        let frame = std::mem::take(&mut results.frames).into_iter().next().unwrap_or_default();
        if code != close_code(Code::Unauthenticated) || incoming.value("wait").is_some() {
            turn.push(Effect::Refuse { ticket, protocol, frame, code });
            return None;
        }
        // The socket's first message may authenticate it.
        let since = match document_request::connect_event(&request) {
            Ok(Asked::Connect { since }) => since,
            _ => None,
        };
        let seat = Seat { since, address, refusal: frame, ..Seat::default() };
        let (socket, attachment) = self.seats.add(seat);
        self.seats.admit_until(socket, turn.now.after(LATE_MICROS));
        turn.push(Effect::Accept { ticket, socket, protocol, attachment });
        None
    }

    fn reply<S>(&self, turn: &mut Turn<'_, S>, ticket: u64, incoming: &Incoming, reply: Reply) {
        let reply = turn.node.finish(reply, incoming, security::DOCUMENT);
        turn.push(Effect::Reply { ticket, reply });
    }

    /// Carries out what is to be done about the indexes.
    fn tell<S: Store>(&mut self, turn: &mut Turn<'_, S>, next: Vec<Next>) {
        for next in next {
            match next {
                Next::Tell { index, row, version } => {
                    let number = self.tasks.number();
                    self.telling.called(number, version, index.clone());
                    let object = Object::new(Class::Index, index);
                    turn.push(Effect::Call { number, object, call: Call::Update { row } });
                }
                Next::Told { version, done } => {
                    let event = Asked::Indexed { version, done };
                    self.step(turn, event, &Caller::default(), &To::Nobody).ok();
                }
                Next::Release(held, rows) => self.release(turn, held, rows),
                Next::Refuse(held) => self.withhold(turn, held),
            }
        }
    }

    /// Lets out what a step says. `rows` are what the indexes read and wrote.
    fn release<S: Store>(&mut self, turn: &mut Turn<'_, S>, held: Held, rows: Option<(u32, u32)>) {
        let Held { mut answer, frames, broadcast } = held;
        if let (Some(Effect::Reply { reply, .. }), Some((read, written))) = (&mut answer, rows) {
            reply.headers.push(("blaze-index-rows-read", read.to_string()));
            reply.headers.push(("blaze-index-rows-written", written.to_string()));
        }
        turn.effects.extend(answer);
        if let Some((sockets, text)) = broadcast {
            self.send(turn, sockets, text, false);
        }
        if let Some((socket, frames)) = frames {
            for text in frames {
                self.send(turn, vec![socket], text, true);
            }
            turn.effects.extend(self.seats.keep(socket));
        }
    }

    /// Refuses what a step says: the indexes did not confirm its state in time. Sockets resume, and miss nothing.
    fn withhold<S: Store>(&mut self, turn: &mut Turn<'_, S>, held: Held) {
        let error = unindexed();
        match held.answer {
            Some(Effect::Reply { ticket, reply }) => {
                let kept = |name: &str| !matches!(name, "content-type" | "etag" | "location");
                let mut refused = Reply::from(error.clone());
                refused.headers.push(("retry-after", "1".to_owned()));
                let headers = reply.headers.into_iter().filter(|(name, _)| kept(name));
                refused.headers.extend(headers);
                turn.push(Effect::Reply { ticket, reply: refused });
            }
            Some(Effect::Return { ticket, .. }) => {
                turn.answer(ticket, Returned::from(error.clone()));
            }
            _ => {}
        }
        let frames = held.frames.filter(|(_, frames)| !frames.is_empty());
        let broadcast = held.broadcast.into_iter().flat_map(|(sockets, _)| sockets);
        for socket in broadcast.chain(frames.map(|(socket, _)| socket)) {
            self.end(turn, socket, None, close_code(error.code), "");
        }
    }

    /// Sends a frame to sockets; closes those whose peers do not read.
    fn send<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        sockets: Vec<u64>,
        text: String,
        is_continued: bool,
    ) {
        let count = |socket, count: &Count<'_>| Some(count(&mut self.seats.get(socket)?.unread));
        for socket in turn.send(sockets, text, is_continued, count) {
            self.end(turn, socket, None, close_code(Code::Unavailable), UNREAD_REASON);
        }
    }

    /// Ends a socket.
    fn end<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        socket: u64,
        frame: Option<String>,
        code: u16,
        reason: &'static str,
    ) {
        if let Some(listener) = self.drop_seat(turn, socket, frame, code, reason) {
            let event = Asked::Disconnect { listener };
            self.step(turn, event, &Caller::default(), &To::Nobody).ok();
        }
    }

    /// Closes a socket; returns the listener that it was.
    fn drop_seat<S>(
        &mut self,
        turn: &mut Turn<'_, S>,
        socket: u64,
        frame: Option<String>,
        code: u16,
        reason: &'static str,
    ) -> Option<String> {
        let seat = self.seats.remove(socket)?;
        self.tasks.forget(Key::Socket(socket));
        if let Some(text) = frame {
            turn.push(Effect::Send { sockets: vec![socket], text });
        }
        // Should it outlive the object's memory, it is to be forgotten.
        turn.push(Effect::Attach { socket, attachment: String::new() });
        turn.push(Effect::Close { socket, code, reason });
        seat.listener
    }
}

impl Work for Room {
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
        let now = turn.now;
        turn.node.ready(now, facts)?;
        self.end_revoked(turn);
        match task {
            Task::Request { ticket, request } => self.request(turn, *ticket, request, facts),
            Task::Write { ticket, text, token } => {
                let auth = turn.node.identify(Some(token), now, facts)??;
                let caller = Caller { auth, lookups: facts.lookups()? };
                self.step(turn, Asked::Message { text: text.clone() }, &caller, &To::Frame(*ticket))
            }
            Task::Commit { ticket, request, part, stage } => {
                let auth = turn.node.authenticate(request, now, facts)??;
                let caller = Caller { auth, lookups: facts.lookups()? };
                let event = commit_request::event(&request.request(), part, *stage)?;
                self.step(turn, event, &caller, &To::Committed(*ticket))
            }
            Task::Message { socket, text } => self.message(turn, *socket, text.as_deref(), facts),
            Task::Identify { socket, token } => {
                let auth = turn.node.identify(Some(token), now, facts)??;
                let caller = Caller { auth, lookups: facts.lookups()? };
                let Some(seat) = self.seats.get(*socket) else { return Ok(()) };
                let event = match &seat.listener {
                    Some(listener) => Asked::Renew { listener: listener.clone() },
                    None => Asked::Connect { since: seat.since.clone() },
                };
                self.step(turn, event, &caller, &To::Seat(*socket))
            }
            Task::Alarm => self.step(turn, Asked::Alarm, &Caller::default(), &To::Nobody),
        }
    }

    fn refuse<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: Task,
        error: Error,
        reply: Option<Reply>,
    ) {
        match task {
            Task::Request { ticket, request } => {
                let reply = reply.unwrap_or_else(|| error.into());
                self.reply(turn, ticket, &request, reply);
            }
            Task::Write { ticket, text, .. } => {
                turn.answer(ticket, Ok(refusal(&text, &self.path, error)))
            }
            Task::Commit { ticket, .. } => turn.answer(ticket, error),
            Task::Message { socket, .. } | Task::Identify { socket, .. } => {
                let code = close_code(error.code);
                self.end(turn, socket, Some(error_text(&error)), code, "");
            }
            Task::Alarm => {
                turn.push(Effect::Log(format!("alarm: {}", error.detail)));
                turn.push(Effect::SetAlarm(turn.now.after(INDEX_WAIT_MICROS)));
            }
        }
    }
}

/// The frame that refuses a client's write: it has the write's id, which the client waits for.
fn refusal(text: &str, path: &DocumentPath, error: Error) -> String {
    match ClientMessage::parse(text) {
        Ok(ClientMessage::Write { id, .. }) => written_text(&id, path.as_str(), &Err(error)),
        _ => error_text(&error),
    }
}
