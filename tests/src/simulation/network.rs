//! The network between peers and objects, and what objects do with what arrives.

use super::faults::Faults;
use super::history::History;
use super::object::{Arrived, Upgrade};
use super::sabotage::Sabotage;
use super::world::{Happening, Report, World};
use blaze_client::event::Event;
use blaze_client::http::{Request, Response, read_answer, socket_target, write_answer};
use blaze_engine::document::{Answer, Effect, Event as ObjectEvent};
use blaze_engine::http::document_request;
use blaze_engine::http::reply::Reply;
use blaze_engine::http::route::{Route, route};
use blaze_schema::error::Code;
use blaze_schema::message::{PING, PONG, ServerMessage, base_of};
use blaze_schema::patch::apply_trusted;
use serde_json::Value;
use std::rc::Rc;

/// A client gives up a request after so long, in microseconds.
const TIMEOUT: i64 = 30_000_000;

/// A request whose answer is awaited.
pub(super) struct Fetch {
    pub(super) peer: usize,
    /// The write that it is; a read has none.
    write: Option<u64>,
}

/// A socket.
pub(super) struct Wire {
    peer: usize,
    object: usize,
    target: String,
    /// Nothing gets through any more, in either direction.
    cut: bool,
    /// The client closed it.
    gone: bool,
    /// When the last thing sent arrives: what is sent later arrives later.
    to_client: i64,
    to_object: i64,
    held: Held,
    /// Whether frames were lost or came twice.
    unsound: bool,
}

/// What somebody has who applies every frame of a socket: nothing, or a state of one epoch.
#[derive(Default)]
struct Held(Option<(String, u64, Value)>);

impl Held {
    /// Whether a snapshot replaces what was held, which was of another epoch or too long ago.
    fn is_thrown_back_by(&self, frame: &ServerMessage) -> bool {
        self.0.is_some() && matches!(frame, ServerMessage::Snapshot { .. })
    }

    /// Whether the frame follows what is held.
    fn is_followed_by(&self, frame: &ServerMessage) -> bool {
        match frame {
            ServerMessage::Patch { base, .. } | ServerMessage::Delete { base, .. } => {
                self.0.as_ref().is_some_and(|(_, version, _)| version == base)
            }
            _ => true,
        }
    }

    /// Applies a frame. What is then held is what the document was at that version.
    fn receive(&mut self, frame: &ServerMessage, history: &History) {
        match frame {
            ServerMessage::Snapshot { epoch, version, data } => {
                let data = data.clone().map_or(Value::Null, Value::Object);
                self.0 = Some((epoch.clone(), *version, data));
            }
            ServerMessage::Patch { base, version, patch } => {
                let (_, held, data) = self.0.as_mut().expect("a patch before a snapshot");
                assert_eq!((*base, *version), (*held, *held + 1), "a gap before {frame:?}");
                apply_trusted(data, patch).expect("a patch fits");
                *held = *version;
            }
            ServerMessage::Delete { base, version } => {
                let (_, held, data) = self.0.as_mut().expect("a delete before a snapshot");
                assert_eq!((*base, *version), (*held, *held + 1), "a gap before {frame:?}");
                (*held, *data) = (*version, Value::Null);
            }
            ServerMessage::Error(error) => {
                assert_eq!(error.code, Code::Internal, "only a full disk is a reason: {error}");
            }
            ServerMessage::Written { .. } | ServerMessage::Pong(_) => {}
        }
        if let Some((epoch, version, data)) = &self.0 {
            let state = history.epoch(epoch).and_then(|epoch| epoch.state(*version));
            let state = state.unwrap_or_else(|| panic!("version {version} of {epoch} never was"));
            assert_eq!(data.to_string(), state.to_string(), "held at version {version}");
        }
    }
}

impl World {
    /// How long a message takes, in microseconds.
    pub(super) fn delay(&mut self) -> i64 {
        let slow = Faults::strikes(&mut self.random, self.faults.slow);
        let most = if slow { 45_000_000 } else { *self.random.pick(&[2_000, 20_000, 200_000]) };
        1 + self.random.below(most) as i64
    }

    /// A peer sends a request: write `write`, or a read.
    pub(super) fn fetch(&mut self, peer: usize, write: Option<u64>, request: Rc<Request>) {
        let (fetch, object) = (self.new_id(), self.peers[peer].object);
        self.fetches.insert(fetch, Fetch { peer, write });
        self.note(format_args!("peer {peer}: request {fetch} {:?} {write:?}", request.method));
        let lost = Faults::strikes(&mut self.random, self.faults.lose_request);
        if self.offline.contains(&self.peers[peer].client) || (lost && self.random.chance(50)) {
            let delay = self.delay();
            self.queue.after(delay, Happening::Response { fetch, response: None });
            return;
        }
        self.queue.after(TIMEOUT, Happening::Response { fetch, response: None });
        if lost {
            return;
        }
        let repeated = Faults::strikes(&mut self.random, self.faults.repeat_request);
        for _ in 0..1 + usize::from(repeated) {
            let delay = self.delay();
            let request = Rc::clone(&request);
            self.queue.after(delay, Happening::Request { fetch, object, request });
        }
    }

    pub(super) fn request_arrives(&mut self, fetch: u64, object: usize, request: &Rc<Request>) {
        let arrived = Arrived { request, keyed: self.sabotage != Some(Sabotage::ForgetKeys) };
        let parts = arrived.parts();
        let path = self.objects[object].path.clone();
        assert_eq!(route(parts.method, parts.path), Ok(Route::Document(path.clone())));
        let body = request.body.as_deref().unwrap_or_default();
        let event = document_request::event(&parts, body.as_bytes()).expect("a client's request");
        let key = request.headers.iter().find(|(name, _)| *name == "Idempotency-Key");
        let key = key.map(|(_, key)| key.as_str());
        if key.is_some_and(|key| self.objects[object].history.fate(key).is_some()) {
            self.stats.count("request done already");
        }
        let is_read = matches!(event, ObjectEvent::Get { .. });
        let answer = self.step(object, event, key, None);
        self.note(format_args!("object {object}: request {fetch} {key:?} answers {answer:?}"));
        let reply = answer.map(|answer| Reply::of(answer, &path, &parts));
        if let (true, Some(reply)) = (is_read, &reply) {
            self.objects[object].history.check_read(reply);
        }
        self.answer(fetch, reply);
    }

    /// Sends an answer back; `None` when the object died before it had one.
    fn answer(&mut self, fetch: u64, reply: Option<Reply>) {
        let response = match reply {
            Some(reply) => Some(self.response(&reply)),
            None if self.random.chance(50) => None,
            None => Some(Response { status: 500, etag: None, body: "error code: 1101".to_owned() }),
        };
        if Faults::strikes(&mut self.random, self.faults.lose_answer) {
            self.stats.count("answer lost");
            return;
        }
        let delay = self.delay();
        self.queue.after(delay, Happening::Response { fetch, response });
    }

    fn response(&mut self, reply: &Reply) -> Response {
        let etag = reply.headers.iter().find(|(name, _)| *name == "etag");
        let mut etag = etag.map(|(_, tag)| tag.clone());
        if self.sabotage == Some(Sabotage::LieAboutVersions) {
            etag = etag.map(|_| format!("\"{}\"", self.random.below(9)));
        }
        Response { status: reply.status, etag, body: reply.body.clone() }
    }

    pub(super) fn response_arrives(&mut self, fetch: u64, response: Option<Response>) {
        let Some(Fetch { peer, write }) = self.fetches.remove(&fetch) else { return };
        let status = response.as_ref().map(|response| response.status);
        self.note(format_args!("peer {peer}: response {fetch} {status:?}"));
        match write {
            Some(id) => {
                let answer = write_answer(response);
                self.tell(peer, Event::Answered { id, answer });
            }
            None => {
                let read = read_answer(response);
                self.stats.count(if read.is_ok() { "read" } else { "read failed" });
            }
        }
    }

    /// One step of an object, and its effects. `origin` is the socket that the event came from. The answer, unless the
    /// object dies before it is given.
    pub(super) fn step(
        &mut self,
        object: usize,
        event: ObjectEvent,
        key: Option<&str>,
        origin: Option<u64>,
    ) -> Option<Answer> {
        let random = self.random.wide();
        let full = Faults::strikes(&mut self.random, self.faults.disk_full);
        self.objects[object].disk.full = full;
        let connects = matches!(event, ObjectEvent::Connect { .. });
        let effects = self.objects[object].step(self.queue.now(), random, event, key);
        if let (true, Some(Effect::Send(frame))) = (connects, effects.first())
            && base_of(frame).is_some()
        {
            self.stats.count("missed frames served");
        }
        let dies = Faults::strikes(&mut self.random, self.faults.crash_in_step);
        let carried_out = if dies { self.random.below(effects.len() + 1) } else { effects.len() };
        let mut answer = None;
        for effect in effects.into_iter().take(carried_out) {
            match effect {
                Effect::Answer(given) => answer = Some(given),
                Effect::Send(frame) => {
                    let origin = origin.expect("a frame needs a socket");
                    self.send_to_client(origin, Report::Frame(frame));
                }
                Effect::Broadcast(frame) => self.broadcast(object, &frame),
            }
        }
        if dies {
            self.stats.count("crash within a step");
            let loses = self.sabotage == Some(Sabotage::LoseCommits) && answer.is_some();
            if loses {
                self.objects[object].undo_last_step();
            }
            self.crash(object);
        }
        answer
    }

    fn broadcast(&mut self, object: usize, frame: &str) {
        for socket in self.objects[object].sockets.clone() {
            let skips = self.sabotage == Some(Sabotage::SkipBroadcasts) && self.random.chance(5);
            if !skips {
                self.send_to_client(socket, Report::Frame(frame.to_owned()));
            }
        }
    }

    /// The object dies: its sockets are cut.
    pub(super) fn crash(&mut self, object: usize) {
        self.note(format_args!("object {object}: crashes"));
        self.objects[object].forget();
        self.objects[object].clock = self.random.below(4_000_000) as i64 - 2_000_000;
        for socket in self.objects[object].sockets.clone() {
            self.cut(socket);
        }
    }

    /// A socket breaks: at once or after what is on its way, and the client hears of it or not.
    pub(super) fn cut(&mut self, socket: u64) {
        let wire = &self.wires[&socket];
        let (peer, object) = (wire.peer, wire.object);
        self.note(format_args!("socket {socket} of peer {peer} is cut"));
        self.stats.count("socket cut");
        self.objects[object].sockets.remove(&socket);
        let silent = Faults::strikes(&mut self.random, self.faults.silent_cut);
        let at_once = silent || self.random.chance(50);
        if !silent {
            self.send_to_client(socket, Report::Closed);
        }
        if at_once && let Some(wire) = self.wires.get_mut(&socket) {
            wire.cut = true;
        }
    }

    pub(super) fn open_socket(&mut self, peer: usize, since: Option<(u64, &str)>) {
        let socket = self.new_id();
        let path = self.peers[peer].replica.path();
        let wire = Wire {
            peer,
            object: self.peers[peer].object,
            target: socket_target(path, since),
            cut: false,
            gone: false,
            to_client: 0,
            to_object: 0,
            held: Held::default(),
            unsound: false,
        };
        self.note(format_args!("peer {peer}: opens socket {socket} {}", wire.target));
        self.wires.insert(socket, wire);
        self.peers[peer].socket = Some(socket);
        if self.offline.contains(&self.peers[peer].client) {
            self.send_to_client(socket, Report::Closed);
        } else if !Faults::strikes(&mut self.random, self.faults.lose_request) {
            let delay = self.delay();
            self.queue.after(delay, Happening::Upgrade { socket });
        }
    }

    pub(super) fn upgrade_arrives(&mut self, socket: u64) {
        let wire = &self.wires[&socket];
        if wire.gone || wire.cut {
            return;
        }
        let (object, target) = (wire.object, wire.target.clone());
        let upgrade = Upgrade(&target);
        assert!(document_request::is_upgrade(&upgrade.parts()));
        let mut event = document_request::connect_event(&upgrade.parts()).expect("a client's wish");
        let history = &self.objects[object].history;
        let ObjectEvent::Connect { since } = &mut event else { panic!("{event:?} for a socket") };
        let present = history.present().map_or(0, |epoch| epoch.version());
        let resumed = since.clone();
        if self.sabotage == Some(Sabotage::ForgetMissed) {
            *since = since.take().map(|(_, epoch)| (present, epoch));
        }
        let held = resumed.as_ref().and_then(|(version, epoch)| {
            let state = history.epoch(epoch)?.state(*version)?.clone();
            Some((epoch.clone(), *version, state))
        });
        self.stats.count(match &resumed {
            None => "socket from nothing",
            Some((version, _)) if *version == present => "socket resumed, nothing missed",
            Some(_) => "socket resumed, something missed",
        });
        self.note(format_args!("object {object}: accepts socket {socket} {resumed:?}"));
        if let Some(wire) = self.wires.get_mut(&socket) {
            wire.held = Held(held);
        }
        self.objects[object].sockets.insert(socket);
        self.send_to_client(socket, Report::Opened);
        self.step(object, event, None, Some(socket));
    }

    /// Sends to the client's end: it arrives after what was sent before.
    fn send_to_client(&mut self, socket: u64, report: Report) {
        let is_frame = matches!(report, Report::Frame(_));
        let lost = is_frame && Faults::strikes(&mut self.random, self.faults.lose_frame);
        let twice = is_frame && Faults::strikes(&mut self.random, self.faults.repeat_frame);
        let delay = self.delay();
        let mut time = self.queue.now() + delay;
        let swaps = self.sabotage == Some(Sabotage::SwapFrames) && self.random.chance(10);
        let Some(wire) = self.wires.get_mut(&socket) else { return };
        if !swaps {
            time = time.max(wire.to_client);
            wire.to_client = time;
        }
        wire.unsound |= lost || twice;
        if lost {
            self.stats.count("frame lost");
            return;
        }
        if let (true, Report::Frame(text)) = (twice, &report) {
            self.stats.count("frame twice");
            let report = Report::Frame(text.clone());
            self.queue.at(time, Happening::ToClient { socket, report });
        }
        self.queue.at(time, Happening::ToClient { socket, report });
    }

    pub(super) fn report_arrives(&mut self, socket: u64, report: Report) {
        let Some(wire) = self.wires.get_mut(&socket) else { return };
        let (peer, object) = (wire.peer, wire.object);
        let deaf = wire.cut && !matches!(report, Report::Closed);
        if self.peers[peer].socket != Some(socket) || deaf {
            return;
        }
        let event = match report {
            Report::Opened => Event::Opened,
            Report::Closed => Event::Closed,
            Report::Frame(text) => {
                let message = ServerMessage::parse(&text);
                let frame = message.as_ref().expect("a server's frame");
                if wire.held.is_thrown_back_by(frame) {
                    self.stats.count("snapshot for who comes back");
                }
                if !wire.unsound || wire.held.is_followed_by(frame) {
                    wire.held.receive(frame, &self.objects[object].history);
                }
                if let ServerMessage::Written { id, result } = frame {
                    self.tokens.raw_answered(id, result.is_ok());
                }
                self.stats.count("frame");
                self.note(format_args!("peer {peer}: socket {socket} {text}"));
                Event::Received(message)
            }
        };
        self.note(format_args!("peer {peer}: socket {socket} {}", name(&event)));
        self.tell(peer, event);
    }

    /// Sends to the object's end.
    pub(super) fn send_to_object(&mut self, socket: u64, text: String) {
        let delay = self.delay();
        let now = self.queue.now();
        if let Some(wire) = self.wires.get_mut(&socket) {
            wire.to_object = wire.to_object.max(now + delay);
            self.queue.at(wire.to_object, Happening::ToObject { socket, text });
        }
    }

    pub(super) fn frame_arrives(&mut self, socket: u64, text: String) {
        let object = self.wires[&socket].object;
        if self.wires[&socket].cut || !self.objects[object].sockets.contains(&socket) {
            return;
        }
        if text == PING {
            // The platform answers by itself, and wakes nobody.
            return self.send_to_client(socket, Report::Frame(PONG.to_owned()));
        }
        let key = serde_json::from_str::<Value>(&text).ok();
        let key = key.as_ref().and_then(|message| message["write"]["id"].as_str());
        self.note(format_args!("object {object}: raw write {key:?}"));
        self.step(object, ObjectEvent::Message { text: text.clone() }, key, Some(socket));
    }

    pub(super) fn hangup_arrives(&mut self, socket: u64) {
        if let Some(wire) = self.wires.get_mut(&socket) {
            wire.gone = true;
            self.objects[wire.object].sockets.remove(&socket);
        }
    }

    /// Something may break, now and later.
    pub(super) fn tick(&mut self) {
        let object = self.random.below(self.objects.len());
        let peer = self.random.below(self.peers.len());
        let client = self.peers[peer].client;
        let faults = self.faults.clone();
        let random = &mut self.random;
        let strikes = [
            faults.crash,
            faults.hibernate,
            faults.wipe,
            faults.cut_socket,
            faults.offline,
            faults.reload,
        ]
        .map(|thousandths| Faults::strikes(random, thousandths));
        let [crash, hibernate, wipe, cut, offline, reload] = strikes;
        if crash {
            self.stats.count("crash");
            self.crash(object);
        }
        if hibernate {
            self.stats.count("hibernation");
            self.note(format_args!("object {object}: loses its memory"));
            self.objects[object].forget();
        }
        if wipe {
            self.stats.count("wipe");
            self.note(format_args!("object {object}: loses everything"));
            self.objects[object].wipe();
            self.crash(object);
        }
        if let (true, Some(socket)) = (cut, self.peers[peer].socket) {
            self.cut(socket);
        }
        if offline {
            self.go_offline(client);
        }
        if reload {
            self.reload(client);
        }
        self.queue.after(500_000, Happening::Tick);
    }

    fn go_offline(&mut self, client: usize) {
        if !self.offline.insert(client) {
            return;
        }
        self.stats.count("offline");
        self.note(format_args!("client {client}: offline"));
        for peer in 0..self.peers.len() {
            if let (true, Some(socket)) =
                (self.peers[peer].client == client, self.peers[peer].socket)
            {
                self.cut(socket);
            }
        }
        let pause = self.random.below(20_000_000) as i64;
        self.queue.after(pause, Happening::Online { client });
    }

    pub(super) fn come_online(&mut self, client: usize) {
        if !self.offline.remove(&client) {
            return;
        }
        self.note(format_args!("client {client}: online"));
        for peer in 0..self.peers.len() {
            if self.peers[peer].client == client {
                self.tell(peer, Event::Online);
            }
        }
    }

    fn reload(&mut self, client: usize) {
        self.stats.count("reload");
        self.note(format_args!("client {client}: loads its page anew"));
        for number in 0..self.peers.len() {
            if self.peers[number].client != client {
                continue;
            }
            self.fetches.retain(|_, fetch| fetch.peer != number);
            if let Some(socket) = self.peers[number].socket {
                let delay = self.delay();
                self.queue.after(delay, Happening::Hangup { socket });
            }
            self.peers[number].reload(&mut self.tokens);
        }
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened => "opened",
        Event::Closed => "closed",
        _ => "received",
    }
}
