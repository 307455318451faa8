//! The world: what exists, and what happens next.

use super::faults::Faults;
use super::history;
use super::indexes::IndexObject;
use super::links::{Link, LinkReport, Pipe, PipeReport};
use super::network::{Fetch, Wire};
use super::object::Object;
use super::peer::{Own, Peer, Stage, Tokens};
use super::queue::Queue;
use super::reader::{PeerWrite, Reader, Waiting};
use super::sabotage::Sabotage;
use super::scene::{self, Frame};
use super::steps::{Origin, Tell, Telling};
use super::trace::Trace;
use super::watch::Watch;
use super::writes;
use crate::random::Random;
use blaze_client::core::event::{Effect, Event};
use blaze_client::core::http::{Outgoing, Request, Response};
use blaze_client::core::query_event::{QueryEvent, QueryTimer};
use blaze_engine::document::Answer;
use blaze_engine::index::settings::Collections;
use blaze_schema::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// When every world begins: 2026-11-21T10:00:00Z.
pub(super) const START: i64 = 1_795_255_200_000_000;
/// How long a world goes on in peace, twice: longer than a client waits for an answer and then before it tries again.
const PEACE: i64 = 90_000_000;
/// What happens in a world that gets nowhere.
const MOST_HAPPENINGS: u64 = 100_000;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of all that happened.
    pub trace: u64,
    /// How much happened.
    pub lines: u64,
    /// What of each kind.
    pub stats: Stats,
}

/// How often what happened: a simulation in which nothing goes wrong proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(pub BTreeMap<&'static str, u64>);

impl Stats {
    /// One more.
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Stats) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }
}

/// What happens.
pub(super) enum Happening {
    /// The application of a client does something.
    Act { client: usize },
    /// Something may break.
    Tick,
    /// A client's network is back.
    Online { client: usize },
    /// A timer rings, unless it was started anew.
    Ring { peer: usize, started: u64 },
    /// A request reaches its object.
    Request { fetch: u64, object: usize, request: Rc<Request> },
    /// An answer reaches whoever still waits for it.
    Response { fetch: u64, response: Option<Response> },
    /// The wish for a socket reaches its object.
    Upgrade { socket: u64 },
    /// Something reaches the client's end of a socket.
    ToClient { socket: u64, report: Report },
    /// A frame reaches the object's end.
    ToObject { socket: u64, text: String },
    /// The object hears that the client closed the socket.
    Hangup { socket: u64 },
    /// An object dies, if it has not meanwhile.
    Crash { object: usize, started: u64 },
    /// A document's alarm rings, unless another one was set.
    Alarm { object: usize, number: u64 },
    /// It rings whatever was set.
    StrayAlarm { object: usize },
    /// What a document tells reaches an index.
    Tell(Tell),
    /// The document hears whether the index has it.
    Told { telling: u64, place: usize, attempt: usize, done: bool },
    /// An index is told again.
    TellAgain { telling: u64, place: usize, attempt: usize },
    /// Answers have waited for the indexes for too long.
    Late { telling: u64 },
    /// An index's alarm rings, unless another one was set.
    IndexAlarm { name: String, number: u64 },
    /// The wish for a connection reaches the Worker.
    LinkOpens { link: u64 },
    /// Something reaches the client's end of a connection.
    ToLink { link: u64, report: LinkReport },
    /// A frame reaches the Worker's end.
    ToWorker { link: u64, text: String },
    /// The Worker hears that the client has gone.
    LinkGone { link: u64 },
    /// A client connects again, if it is still to.
    Relink { watch: usize },
    /// A client listens again to what was refused.
    Relisten { watch: usize, number: u64 },
    /// A timer of a client's queries rings, unless it was started anew.
    ReaderRing { client: usize, timer: QueryTimer, started: u64 },
    /// The wish for a socket behind a connection reaches its object.
    PipeOpens { pipe: u64 },
    /// Something reaches the Worker's end of it.
    FromPipe { pipe: u64, report: PipeReport },
    /// The object hears that it was closed.
    PipeHangup { pipe: u64 },
    /// A write on a connection reaches its object.
    Remote { link: u64, object: usize, text: String },
    /// It did not, or nobody knows.
    CallFails { link: u64 },
}

/// What a socket tells the client.
pub(super) enum Report {
    Opened,
    Frame(String),
    Closed,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) queue: Queue<Happening>,
    pub(super) trace: Trace,
    pub(super) stats: Stats,
    pub(super) frame: Frame,
    pub(super) collections: Rc<Collections>,
    /// The first is the ledger. Clients have replicas of the first few.
    pub(super) objects: Vec<Object>,
    pub(super) indexes: BTreeMap<String, IndexObject>,
    /// Documents that are telling their indexes.
    pub(super) tellings: BTreeMap<u64, Telling>,
    /// The first answers to writes, by their keys.
    pub(super) first_answers: BTreeMap<String, Answer>,
    /// Which commit of all each write was, by their keys.
    pub(super) committed: BTreeMap<String, u64>,
    /// How many documents clients have replicas of.
    replicated: usize,
    /// Every client's replica of every one of these.
    pub(super) peers: Vec<Peer>,
    /// Clients without a network.
    pub(super) offline: BTreeSet<usize>,
    pub(super) wires: BTreeMap<u64, Wire>,
    /// What each client listens to beside its replicas.
    pub(super) watches: Vec<Watch>,
    /// The queries of each client.
    pub(super) readers: Vec<Reader>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) pipes: BTreeMap<u64, Pipe>,
    pub(super) fetches: BTreeMap<u64, Fetch>,
    pub(super) tokens: Tokens,
    pub(super) last_id: u64,
    /// How far each client's clock is off.
    clocks: Vec<i64>,
    /// How often applications still act.
    acts: usize,
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>, print: bool) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults::random(&mut random);
        let frame = Frame::random(&mut random);
        let collections = frame.collections(&mut random);
        let collections_text = collections.to_string();
        let collections = scene::parse(&collections);
        let (clients, replicated) = (2 + random.below(3), 1 + random.below(3));
        let documents = replicated + random.below(5);
        let peers = (0..clients)
            .flat_map(|client| (0..replicated).map(move |object| (client, object)))
            .map(|(client, object)| Peer::new(client, object, scene::path(object, replicated)));
        let object = |number| {
            let path = scene::path(number, replicated);
            let settings = collections.of(path.collection().id());
            Object::new(path, settings)
        };
        let mut world = World {
            queue: Queue::new(START),
            trace: Trace::new(print),
            stats: Stats::default(),
            objects: (0..documents).map(object).collect(),
            indexes: BTreeMap::new(),
            tellings: BTreeMap::new(),
            first_answers: BTreeMap::new(),
            committed: BTreeMap::new(),
            replicated,
            peers: peers.collect(),
            offline: BTreeSet::new(),
            wires: BTreeMap::new(),
            watches: (0..clients).map(Watch::new).collect(),
            readers: (0..clients).map(|_| Reader::default()).collect(),
            links: BTreeMap::new(),
            pipes: BTreeMap::new(),
            fetches: BTreeMap::new(),
            tokens: Tokens::default(),
            last_id: 0,
            clocks: (0..clients).map(|_| random.below(4_000_000) as i64 - 2_000_000).collect(),
            acts: 60 + random.below(120),
            random,
            faults,
            sabotage,
            frame,
            collections: Rc::new(collections),
        };
        world.note(format_args!("{collections_text}"));
        world.note(format_args!("{:?}", world.faults.clone()));
        for client in 0..clients {
            world.queue.after(0, Happening::Act { client });
        }
        world.queue.after(500_000, Happening::Tick);
        world
    }

    pub(super) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(self.queue.now(), what);
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Runs until nothing happens any more but pings, then checks that everybody agrees.
    pub(super) fn run(mut self) -> Outcome {
        self.run_until(i64::MAX - 1, |world| world.acts == 0);
        let frames_were_lost = self.faults.lose_frame > 0;
        self.write_and_die();
        self.make_peace();
        self.run_until(self.queue.now() + PEACE, |_| false);
        if !frames_were_lost {
            self.check_quiet();
        }
        // What a lost object had, its indexes have until it writes again.
        if !self.objects.iter().any(|object| object.history.is_lost()) {
            self.check_indexes();
            self.check_watches();
            self.check_readers();
        }
        self.write_last();
        self.run_until(self.queue.now() + PEACE, |_| false);
        self.check_quiet();
        self.check_indexes();
        self.check_watches();
        self.check_readers();
        Outcome { trace: self.trace.hash(), lines: self.trace.lines(), stats: self.stats }
    }

    fn run_until(&mut self, end: i64, done: impl Fn(&World) -> bool) {
        while !done(self)
            && let Some(happening) = self.queue.next_before(end)
        {
            assert!(self.trace.lines() < MOST_HAPPENINGS, "the world gets nowhere");
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Act { client } => self.act(client),
            Happening::Tick => self.tick(),
            Happening::Online { client } => self.come_online(client),
            Happening::Ring { peer, started } => {
                if self.peers[peer].timer == started {
                    self.note(format_args!("peer {peer}: timer"));
                    self.tell(peer, Event::Timer);
                }
            }
            Happening::Request { fetch, object, request } => {
                self.request_arrives(fetch, object, &request);
            }
            Happening::Response { fetch, response } => self.response_arrives(fetch, response),
            Happening::Upgrade { socket } => self.upgrade_arrives(socket),
            Happening::ToClient { socket, report } => self.report_arrives(socket, report),
            Happening::ToObject { socket, text } => self.frame_arrives(socket, text),
            Happening::Hangup { socket } => self.hangup_arrives(socket),
            happening => self.happen_to_indexes(happening),
        }
    }

    fn happen_to_indexes(&mut self, happening: Happening) {
        match happening {
            Happening::Crash { object, started } => {
                if self.objects[object].starts == started {
                    self.stats.count("crash while telling");
                    self.crash(object);
                }
            }
            Happening::Alarm { object, number } => self.alarm_rings(object, number),
            Happening::StrayAlarm { object } => self.stray_alarm_rings(object),
            Happening::Tell(tell) => self.tell_arrives(tell),
            Happening::Told { telling, place, attempt, done } => {
                self.told_arrives(telling, place, attempt, done);
            }
            Happening::TellAgain { telling, place, attempt } => {
                self.tell_index(telling, place, attempt);
            }
            Happening::Late { telling } => self.late(telling),
            Happening::IndexAlarm { name, number } => self.index_alarm_rings(&name, number),
            happening => self.happen_to_links(happening),
        }
    }

    fn happen_to_links(&mut self, happening: Happening) {
        match happening {
            Happening::LinkOpens { link } => self.link_opens(link),
            Happening::ToLink { link, report } => self.link_reports(link, report),
            Happening::ToWorker { link, text } => self.worker_hears(link, text),
            Happening::LinkGone { link } => self.end_link(link),
            Happening::CallFails { link } => self.call_fails(link),
            Happening::Relink { watch } => self.relink(watch),
            Happening::Relisten { watch, number } => self.relisten(watch, number),
            Happening::ReaderRing { client, timer, started } => {
                self.reader_rings(client, timer, started);
            }
            Happening::PipeOpens { pipe } => self.pipe_opens(pipe),
            Happening::FromPipe { pipe, report } => self.pipe_reports(pipe, report),
            Happening::PipeHangup { pipe } => self.pipe_hangs_up(pipe),
            Happening::Remote { link, object, text } => {
                self.remote_write_arrives(link, object, text);
            }
            _ => {}
        }
    }

    /// The application of `client` does something, and will again.
    fn act(&mut self, client: usize) {
        if self.acts == 0 {
            return;
        }
        self.acts -= 1;
        let object = self.random.below(self.objects.len());
        let peer = client * self.replicated + object.min(self.replicated - 1);
        match self.random.below(100) {
            0..=5 => self.toggle_watching(client),
            6..=11 => self.toggle_reading(client),
            12..=16 => self.write_on_link(client),
            _ if object >= self.replicated => self.write_plain(object),
            17..=27 => self.toggle_listening(peer),
            28..=32 => {
                self.note(format_args!("peer {peer}: reads"));
                self.wait(client, Waiting::Read(peer));
            }
            33..=39 => self.write_raw(peer),
            _ => self.write(peer),
        }
        // Often at once, sometimes after a pause in which pings and timeouts happen.
        let pause = match self.random.below(10) {
            0 => self.random.below(40_000_000),
            1..=5 => self.random.below(20_000),
            _ => self.random.below(1_000_000),
        };
        self.queue.after(pause as i64, Happening::Act { client });
    }

    fn toggle_listening(&mut self, peer: usize) {
        let listening = !self.peers[peer].listening;
        self.note(format_args!("peer {peer}: listening {listening}"));
        self.peers[peer].listening = listening;
        self.peers[peer].shown = None;
        self.tell(peer, if listening { Event::Listen } else { Event::Unlisten });
    }

    fn write(&mut self, peer: usize) {
        let token = format!("w{}", self.new_id());
        let Peer { client, object, .. } = self.peers[peer];
        let change = match object {
            0 => writes::ledger(&mut self.random, client, &token, self.peers[peer].seen()),
            _ => writes::free(&mut self.random, &token),
        };
        self.note(format_args!("peer {peer}: write {token} {:?}", change.operation()));
        self.stats.count("write");
        let at = self.clock(client);
        let id = self.new_id();
        let operation = change.operation().clone();
        let made = Rc::new(operation.clone());
        let token = (object == 0).then_some(token);
        self.peers[peer].writes.push(Own {
            id,
            operation,
            at,
            token,
            key: None,
            stage: Stage::Open,
        });
        self.tell_reader_of_write(peer, PeerWrite::Made(made));
        self.tell(peer, Event::Write { id, change });
    }

    /// A write to a document that nobody has a replica of.
    fn write_plain(&mut self, object: usize) {
        let token = format!("p{}", self.new_id());
        let change = writes::free(&mut self.random, &token);
        self.note(format_args!("plain write {token} to object {object}: {:?}", change.operation()));
        self.stats.count("plain write");
        let keyed = self.random.chance(70);
        let (_, sent) = Outgoing::new(&self.objects[object].path, change, token);
        let mut request = sent.request();
        request.headers.retain(|(name, _)| keyed || *name != "Idempotency-Key");
        self.fetch_plain(object, request);
    }

    /// A write to the ledger over the peer's socket, past its replica.
    fn write_raw(&mut self, peer: usize) {
        let Peer { client, object: 0, socket: Some(socket), .. } = self.peers[peer] else { return };
        let token = format!("r{}", self.new_id());
        self.note(format_args!("peer {peer}: raw write {token}"));
        let text = writes::raw(&token, self.objects[0].path.as_str(), client);
        self.tokens.unknown.insert(token);
        self.send_to_object(socket, text);
    }

    pub(super) fn clock(&self, client: usize) -> Timestamp {
        Timestamp::from_micros(self.queue.now() + self.clocks[client])
    }

    /// A client's replica of an object.
    pub(super) fn peer_of(&self, client: usize, object: usize) -> usize {
        client * self.replicated + object
    }

    /// Tells a replica what happened, and does what it says.
    pub(super) fn tell(&mut self, peer: usize, event: Event) {
        let (now, random) = (self.clock(self.peers[peer].client), self.random.wide());
        for effect in self.peers[peer].replica.handle(now, random, event) {
            self.perform(peer, effect);
        }
    }

    fn perform(&mut self, peer: usize, effect: Effect) {
        match effect {
            Effect::OpenSocket { since } => {
                let since = since.as_ref().map(|(version, epoch)| (*version, &**epoch));
                self.open_socket(peer, since);
            }
            Effect::CloseSocket => {
                if let Some(socket) = self.peers[peer].socket.take() {
                    let delay = self.delay();
                    self.queue.after(delay, Happening::Hangup { socket });
                }
            }
            Effect::SendPing => {
                let socket = self.peers[peer].socket.expect("a ping needs a socket");
                self.send_to_object(socket, blaze_schema::wire::document::PING.to_owned());
            }
            Effect::StartTimer { after_ms } => {
                self.peers[peer].timer += 1;
                let started = self.peers[peer].timer;
                let after = i64::from(after_ms) * 1_000;
                self.queue.after(after, Happening::Ring { peer, started });
            }
            Effect::StopTimer => self.peers[peer].timer += 1,
            Effect::Send { id, write } => {
                let own = self.peers[peer].writes.iter_mut().find(|write| write.id == id);
                own.expect("what is sent was written").key = Some(write.key().to_owned());
                let Peer { client, object, .. } = self.peers[peer];
                let path = Rc::new(self.objects[object].path.clone());
                self.tell_reader(client, QueryEvent::Send { id, path, write });
            }
            Effect::Wait => {
                let client = self.peers[peer].client;
                self.wait(client, Waiting::Listen(peer));
            }
            Effect::Settled { id, result } => {
                self.note(format_args!("peer {peer}: write {id} settled {result:?}"));
                self.stats.count(if result.is_ok() { "write done" } else { "write refused" });
                if result.is_ok() {
                    self.check_order(peer, id);
                }
                let history = &self.objects[self.peers[peer].object].history;
                self.peers[peer].settle(id, &result, history, &mut self.tokens);
                self.tell_reader_of_write(peer, PeerWrite::Settled(result.ok()));
            }
            Effect::Show(visible) => {
                self.note(format_args!("peer {peer}: shows {visible:?}"));
                self.stats.count(if visible.pending { "shown pending" } else { "shown" });
                let object = self.peers[peer].object;
                self.peers[peer].show(&visible, &self.objects[object].history, object == 0);
            }
            Effect::Fail(error) => panic!("peer {peer} stops listening: {error}"),
            Effect::Connection(state) => self.peers[peer].connection = state,
        }
    }

    /// A write is done. It was committed after those that its client made before.
    fn check_order(&mut self, peer: usize, id: u64) {
        let Peer { client, writes, .. } = &self.peers[peer];
        let write = writes.iter().find(|write| write.id == id);
        let key = write.and_then(|write| write.key.as_ref()).expect("it was sent");
        let committed = self.committed.get(key).copied();
        let committed = committed.unwrap_or_else(|| panic!("write {id} was not committed"));
        let before = std::mem::replace(&mut self.readers[*client].committed, committed);
        assert!(before < committed, "write {id} of client {client} was committed too early");
    }

    /// Some objects end with a write of which nobody will ask again.
    fn write_and_die(&mut self) {
        if self.faults.crash_in_step == 0 {
            return;
        }
        self.faults.crash_in_step = 1_000;
        for object in 0..self.objects.len() {
            if self.random.chance(30) {
                let token = format!("dying{object}");
                self.tokens.unknown.extend((object == 0).then(|| token.clone()));
                self.step(object, writes::last(&token), Some(&token), Origin::Nobody);
            }
        }
    }

    /// Nothing breaks any more, and everybody is back.
    fn make_peace(&mut self) {
        self.note(format_args!("peace"));
        self.faults = Faults::default();
        for client in self.offline.clone() {
            self.queue.after(0, Happening::Online { client });
        }
        self.wake_indexes();
    }

    /// One more write to every document: who missed a frame without knowing learns of it.
    fn write_last(&mut self) {
        for object in 0..self.objects.len() {
            let token = format!("last{object}");
            let event = writes::last(&token);
            self.tokens.unknown.extend((object == 0).then(|| token.clone()));
            self.step(object, event, Some(&token), Origin::Nobody);
        }
    }

    fn check_quiet(&mut self) {
        for (number, object) in self.objects.iter_mut().enumerate() {
            let read = history::read(&object.path, &mut object.disk.rows);
            let (version, data) = object.history.check_end(read);
            for peer in self.peers.iter().filter(|peer| peer.object == number) {
                peer.check_quiet(version, &data, &object.history);
            }
            if number == 0 && !object.history.is_rewritten() {
                let kept = writes::ledger_tokens(&data);
                self.tokens.check(&kept);
            }
        }
    }
}
