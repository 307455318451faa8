//! The network between peers and objects, and what objects do with what arrives.

use super::faults::Faults;
use super::history::History;
use super::links::PipeReport;
use super::object::{Arrived, Upgrade};
use super::sabotage::Sabotage;
use super::steps::Origin;
use super::world::{Happening, Report, World};
use blaze_client::core::event::Event;
use blaze_client::core::http::{
    Answer, Request, Response, read_answer, read_request, socket_target, write_answer,
};
use blaze_client::core::query_event::QueryEvent;
use blaze_engine::document::Event as ObjectEvent;
use blaze_engine::http::reply::Reply;
use blaze_engine::http::route::{Route, route};
use blaze_engine::http::{commit_request, document_request};
use blaze_schema::error::{Code, Error};
use blaze_schema::patch::apply_trusted;
use blaze_schema::wire::document::{PING, PONG, ServerMessage};
use serde_json::Value;
use std::rc::Rc;

/// A client gives up a request after so long, in microseconds.
const TIMEOUT: i64 = 30_000_000;
const KEY: &str = "Idempotency-Key";

/// A request whose answer is awaited.
pub(super) struct Fetch {
    sender: Sender,
    object: usize,
    request: Rc<Request>,
}

/// Who sent it.
#[derive(Clone, Copy, Debug)]
enum Sender {
    /// A replica's read.
    Peer { peer: usize },
    /// A client's write: the number of the request.
    Writer { client: usize, request: u64 },
    /// Nobody who remembers anything: how often it is sent again when no answer comes.
    Plain { again: u8 },
}

impl Fetch {
    fn is_of_peer(&self, number: usize) -> bool {
        matches!(self.sender, Sender::Peer { peer } if peer == number)
    }

    fn is_of_client(&self, number: usize) -> bool {
        matches!(self.sender, Sender::Writer { client, .. } if client == number)
    }
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
pub(super) struct Held(pub(super) Option<(String, u64, Value)>);

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
    pub(super) fn receive(&mut self, frame: &ServerMessage, history: &History) {
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

    /// A peer reads.
    pub(super) fn fetch(&mut self, peer: usize) {
        let request = read_request(self.peers[peer].replica.path());
        let object = self.peers[peer].object;
        let is_offline = self.offline.contains(&self.peers[peer].client);
        self.send_request(Sender::Peer { peer }, object, Rc::new(request), is_offline);
    }

    /// A client sends a write.
    pub(super) fn fetch_write(&mut self, client: usize, object: usize, number: u64, sent: Request) {
        let is_offline = self.offline.contains(&client);
        let sender = Sender::Writer { client, request: number };
        self.send_request(sender, object, Rc::new(sent), is_offline);
    }

    /// A write by hand, which is sent again some times if it may be.
    pub(super) fn fetch_plain(&mut self, object: usize, request: Request) {
        let again = if request.headers.iter().any(|(name, _)| *name == KEY) { 3 } else { 0 };
        self.send_request(Sender::Plain { again }, object, Rc::new(request), false);
    }

    fn send_request(
        &mut self,
        sender: Sender,
        object: usize,
        request: Rc<Request>,
        is_offline: bool,
    ) {
        let fetch = self.new_id();
        self.note(format_args!("{sender:?}: request {fetch} {:?}", request.method));
        let sent = Fetch { sender, object, request: Rc::clone(&request) };
        self.fetches.insert(fetch, sent);
        let lost = Faults::strikes(&mut self.random, self.faults.lose_request);
        if is_offline || (lost && self.random.chance(50)) {
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
        let body = request.body.as_deref().unwrap_or_default();
        let event = match route(parts.method, parts.path) {
            Ok(Route::Commit) => {
                let commit = commit_request::parts(&parts, body.as_bytes()).expect("a commit");
                let [part] = commit.as_slice() else { panic!("a commit of {body}") };
                assert_eq!(part.path, path);
                commit_request::event(&parts, &part.body, false)
            }
            route => {
                assert_eq!(route, Ok(Route::Document(path)));
                document_request::event(&parts, body.as_bytes())
            }
        };
        let event = event.expect("a client's request");
        let key = request.headers.iter().find(|(name, _)| *name == KEY);
        let key = match &event {
            ObjectEvent::Get { .. } => None,
            // Without a key it is another write each time it arrives.
            _ => {
                Some(key.map_or_else(|| format!("once {}", self.new_id()), |(_, key)| key.clone()))
            }
        };
        if key.as_ref().is_some_and(|key| self.objects[object].history.fate(key).is_some()) {
            self.stats.count("request done already");
        }
        self.note(format_args!("object {object}: request {fetch} {key:?}"));
        let origin = Origin::Request { fetch, request: Rc::clone(request) };
        self.step(object, event, key.as_deref(), origin);
    }

    /// Sends an answer back; `None` when the object died before it had one.
    pub(super) fn answer(&mut self, fetch: u64, reply: Option<Reply>) {
        let response = match reply {
            Some(reply) => Some(self.response(&reply)),
            None if self.random.chance(50) => None,
            None => Some(Response {
                status: 500,
                body: "error code: 1101".to_owned(),
                ..Response::default()
            }),
        };
        if Faults::strikes(&mut self.random, self.faults.lose_answer) {
            self.stats.count("answer lost");
            return;
        }
        let delay = self.delay();
        self.queue.after(delay, Happening::Response { fetch, response });
    }

    fn response(&mut self, reply: &Reply) -> Response {
        let mut body = reply.body.clone();
        if self.sabotage == Some(Sabotage::LieAboutVersions) {
            let lie = self.random.below(9);
            if let Ok(Value::Object(mut commit)) = serde_json::from_str(&body)
                && let Some(Value::Array(results)) = commit.get_mut("results")
            {
                results.iter_mut().for_each(|result| result["version"] = Value::from(lie));
                body = Value::Object(commit).to_string();
            }
        }
        Response { status: reply.status, body, ..Response::default() }
    }

    pub(super) fn response_arrives(&mut self, fetch: u64, response: Option<Response>) {
        let Some(Fetch { sender, object, request }) = self.fetches.remove(&fetch) else { return };
        let status = response.as_ref().map(|response| response.status);
        self.note(format_args!("{sender:?}: response {fetch} {status:?}"));
        let path = self.objects[object].path.clone();
        let answered = response.ok_or_else(|| Error::new(Code::Unavailable, "no answer"));
        match sender {
            Sender::Writer { client, request } => {
                let answer = write_answer(&path, answered);
                self.tell_reader(client, QueryEvent::Answered { request, answer });
            }
            Sender::Peer { .. } => {
                let read = read_answer(&path, answered);
                self.stats.count(if read.is_ok() { "read" } else { "read failed" });
            }
            Sender::Plain { again } => {
                if let (Answer::Again(_) | Answer::Lost(_), Some(again)) =
                    (write_answer(&path, answered), again.checked_sub(1))
                {
                    self.send_request(Sender::Plain { again }, object, request, false);
                }
            }
        }
    }

    /// A socket breaks: at once or after what is on its way, and the client hears of it or not.
    pub(super) fn cut(&mut self, socket: u64) {
        let Some(wire) = self.wires.get(&socket) else { return self.cut_pipe(socket) };
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
        self.step(object, event, None, Origin::Socket(socket));
    }

    /// Sends to the client's end: it arrives after what was sent before.
    pub(super) fn send_to_client(&mut self, socket: u64, report: Report) {
        if let (false, Report::Frame(text)) = (self.wires.contains_key(&socket), &report) {
            let report = PipeReport::Frame(text.clone(), None);
            return self.report_to_listener(socket, report);
        }
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
            Report::Closed => Event::Closed(None),
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
        let event = ObjectEvent::Message { text: text.clone() };
        self.step(object, event, key, Origin::Socket(socket));
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
            // Its next history is a later one.
            self.objects[object].clock = 2_000_000;
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
        self.tick_indexes();
        self.tick_links();
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
        for link in [self.watches[client].link, self.readers[client].link].into_iter().flatten() {
            self.cut_link(link);
        }
        let pause = self.random.below(20_000_000) as i64;
        self.queue.after(pause, Happening::Online { client });
    }

    pub(super) fn come_online(&mut self, client: usize) {
        if !self.offline.remove(&client) {
            return;
        }
        self.note(format_args!("client {client}: online"));
        self.relink(client);
        self.tell_reader(client, QueryEvent::Online);
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
            self.fetches.retain(|_, fetch| !fetch.is_of_peer(number));
            if let Some(socket) = self.peers[number].socket {
                let delay = self.delay();
                self.queue.after(delay, Happening::Hangup { socket });
            }
            self.peers[number].reload(&mut self.tokens);
        }
        self.fetches.retain(|_, fetch| !fetch.is_of_client(client));
        let links = [self.watches[client].reload(), self.readers[client].reload()];
        for link in links.into_iter().flatten() {
            self.hang_up(link);
        }
    }
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened => "opened",
        Event::Closed(_) => "closed",
        _ => "received",
    }
}
