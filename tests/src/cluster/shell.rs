//! The cluster: its isolates, the steps of their actors, and their ends.

use super::delivery::{Carried, Delivery, Outcome, Place, Queue, Waiter};
use super::faults::{Fate, Faults};
use super::host::{Host, Socket, hibernates};
use super::link::{ACCEPTOR, End, Frame, Link, OPENER, other};
use super::sabotage::Sabotage;
use super::watch::patched;
use crate::random::Random;
use blaze_engine::actor::{Actor, Answer, Class, Effect, Event, Object, Turn};
use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use blaze_engine::http::reply::Reply;
use blaze_engine::node::config::Config;
use blaze_engine::node::{Home, Node};
use blaze_identity::accounts::oidc::{Fetch, Fetched};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use blaze_store::memory::MemoryStore;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The time at which a cluster begins (µs).
const BEGINNING: i64 = 1_800_000_000_000_000;
/// An idle object hibernates after this (µs).
const IDLE_MICROS: i64 = 10_000_000;
/// An alarm whose handler was interrupted rings again after this (µs).
const ALARM_RETRY_MICROS: i64 = 2_000_000;
/// The loss of a call is known after this (µs).
pub(super) const LOSS_MICROS: i64 = 3_000_000;

/// A server elsewhere.
type Elsewhere = Box<dyn FnMut(&Fetch) -> Fetched>;

/// The configuration of a cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `collections.json`.
    pub collections: String,
    /// `access.json`.
    pub access: String,
    /// Variables and secrets.
    pub variables: BTreeMap<String, String>,
    /// Number of isolates.
    pub isolates: usize,
    /// The faults.
    pub faults: Faults,
}

impl Default for Settings {
    fn default() -> Self {
        let empty = || "{}".to_owned();
        Settings {
            collections: empty(),
            access: empty(),
            variables: BTreeMap::new(),
            isolates: 1,
            faults: Faults::default(),
        }
    }
}

/// A client's request.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The isolate whose front it comes to.
    pub isolate: usize,
    /// `GET` and the like.
    pub method: String,
    /// From `/` on.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: String,
}

/// A message to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The answer to a request; `None` if the front ended before.
    Answer(u64, Option<Reply>),
    /// A request was answered by a socket.
    Opened(u64, u64),
    /// A socket delivered a frame.
    Frame(u64, String),
    /// A socket was closed with this code.
    Closed(u64, u16),
}

/// The headers of a request.
struct Lines(Vec<(String, String)>);

impl Headers for Lines {
    fn get(&self, name: &str) -> Option<String> {
        let of_name = self.0.iter().filter(|(there, _)| there == name);
        let values: Vec<&str> = of_name.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    fn address(&self) -> String {
        "192.0.2.1".to_owned()
    }
}

/// Makes a request of these headers.
pub(super) fn incoming(method: &str, url: String, headers: Vec<(String, String)>) -> Incoming {
    Incoming::new(method.to_owned(), url, Rc::new(Lines(headers)))
}

/// A request of a client that is under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) isolate: usize,
    pub(super) incoming: Incoming,
}

/// The cluster.
pub struct Cluster {
    settings: Settings,
    pub(super) now: i64,
    /// For the actors.
    random: Random,
    /// For the faults.
    pub(super) chance: Random,
    pub(super) queue: Queue,
    pub(super) nodes: Vec<Node>,
    pub(super) hosts: BTreeMap<Place, Host>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) asked: BTreeMap<u64, Asked>,
    last: u64,
    heard: VecDeque<Heard>,
    pub(super) elsewhere: Elsewhere,
    /// The lines of the log.
    pub log: Vec<String>,
    /// Counts what happened, by kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// By path, the states that each document had.
    pub history: BTreeMap<String, Vec<State>>,
    /// The last time at which a copy of rules could not be renewed.
    pub unrenewed: Option<i64>,
    /// True to print every step.
    pub is_printed: bool,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) kept: BTreeMap<Object, Answer>,
    /// With frames that change places: by link, one that waits for the next.
    pub(super) overtaken: BTreeMap<(u64, usize), Frame>,
}

/// A state of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its version.
    pub version: u64,
    /// Its data; `None` if it does not exist.
    pub data: Option<Value>,
    /// When it was committed (µs).
    pub at: i64,
}

impl Cluster {
    /// Starts a cluster without rows.
    pub fn new(settings: Settings, seed: u64) -> Self {
        let mut cluster = Cluster {
            nodes: Vec::new(),
            now: BEGINNING,
            random: Random::new(seed),
            chance: Random::new(!seed),
            queue: Queue::default(),
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
            asked: BTreeMap::new(),
            last: 0,
            heard: VecDeque::new(),
            elsewhere: Box::new(|fetch| Err(format!("{} is not reached", fetch.url))),
            log: Vec::new(),
            counts: BTreeMap::new(),
            history: BTreeMap::new(),
            unrenewed: None,
            is_printed: false,
            sabotage: None,
            kept: BTreeMap::new(),
            overtaken: BTreeMap::new(),
            settings,
        };
        cluster.nodes = (0..cluster.settings.isolates).map(|_| cluster.node()).collect();
        cluster
    }

    /// Answers the requests that go to servers elsewhere.
    pub fn with_elsewhere(mut self, elsewhere: Elsewhere) -> Self {
        self.elsewhere = elsewhere;
        self
    }

    /// Breaks something on purpose.
    pub fn with_sabotage(mut self, sabotage: Option<Sabotage>) -> Self {
        self.sabotage = sabotage;
        self
    }

    fn node(&self) -> Node {
        let Settings { collections, access, variables, .. } = &self.settings;
        let config = Config::read(collections, access, |name| variables.get(name).cloned());
        Node::new(config, Home::Cloud)
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// The faults from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.settings.faults = faults;
    }

    /// The faults.
    pub fn faults(&self) -> Faults {
        self.settings.faults
    }

    /// The rows of an object, if it was ever addressed.
    pub fn rows(&self, object: &Object) -> Option<&MemoryStore> {
        self.hosts.get(&Place::Object(object.clone())).map(|host| &host.store)
    }

    /// The objects that were ever addressed.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.hosts.keys().filter_map(|place| match place {
            Place::Object(object) => Some(object),
            _ => None,
        })
    }

    /// Prints a line with the seconds since the beginning.
    pub(super) fn print(&self, line: std::fmt::Arguments<'_>) {
        println!("{:.6} {line}", (self.now - BEGINNING) as f64 / 1e6);
    }

    pub(super) fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_default() += 1;
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn delay(&mut self) -> i64 {
        self.settings.faults.delay(&mut self.chance)
    }

    pub(super) fn fate(&mut self, may_repeat: bool) -> Fate {
        let fate = self.settings.faults.fate(&mut self.chance, may_repeat);
        match fate {
            Fate::Arrives => {}
            Fate::LostBefore => self.count("call lost"),
            Fate::LostAfter => self.count("answer lost"),
            Fate::Twice => self.count("call twice"),
        }
        fate
    }

    // What clients do.

    /// Sends a request; returns its number.
    pub fn request(&mut self, sent: Sent) -> u64 {
        let Sent { isolate, method, path, headers, body } = sent;
        let url = format!("http://blaze.example{path}");
        let incoming = incoming(&method, url, headers.clone());
        let (number, body) = (self.number(), Rc::from(body.into_bytes()));
        self.asked.insert(number, Asked { isolate, incoming: incoming.clone() });
        let (to, at) = (Place::Front(isolate), self.now + self.delay());
        let (carried, waiter) = (Carried { incoming, headers, body }, Waiter::Client(number));
        self.queue.push(at, Delivery::Request { to, carried, waiter });
        number
    }

    /// Sends a frame on a client's socket.
    pub fn send(&mut self, socket: u64, text: &str) {
        if self.is_printed {
            self.print(format_args!("client ▶ {socket} {text}"));
        }
        self.transmit(socket, ACCEPTOR, Frame::Text(text.to_owned()));
    }

    /// Closes a client's socket.
    pub fn close(&mut self, socket: u64) {
        self.close_end(socket, OPENER, 1000);
    }

    /// Takes the next of what clients heard.
    pub fn hear(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    pub(super) fn tell_client(&mut self, heard: Heard) {
        if self.is_printed {
            self.print(format_args!("client ◀ {heard:?}"));
        }
        self.heard.push_back(heard);
    }

    // Sockets.

    /// Sends a frame to one side of a link, after all that was sent there before.
    pub(super) fn transmit(&mut self, link: u64, side: usize, frame: Frame) {
        let delay = self.delay();
        let Some(there) = self.links.get_mut(&link) else { return };
        let at = (self.now + delay).max(there.last[side]);
        there.last[side] = at;
        if self.swaps(link, side, &frame) {
            self.overtaken.insert((link, side), frame);
            return;
        }
        self.queue.push(at, Delivery::Frame { link, side, frame });
        if let Some(frame) = self.overtaken.remove(&(link, side)) {
            self.queue.push(at, Delivery::Frame { link, side, frame });
        }
    }

    /// True if a frame is to change places with the next.
    fn swaps(&mut self, link: u64, side: usize, frame: &Frame) -> bool {
        self.sabotage == Some(Sabotage::SwapFrames)
            && side == OPENER
            && matches!(frame, Frame::Text(_))
            && !self.overtaken.contains_key(&(link, side))
            && self.chance.chance(10)
    }

    /// Closes one end of a link: the other one will hear of it.
    pub(super) fn close_end(&mut self, link: u64, side: usize, code: u16) {
        let Some(there) = self.links.get_mut(&link) else { return };
        there.ends[side] = None;
        self.transmit(link, other(side), Frame::Close(code));
    }

    fn deliver(&mut self, link: u64, side: usize, frame: Frame) {
        let Some(there) = self.links.get_mut(&link) else { return };
        let Some(end) = there.ends[side].clone() else { return };
        if matches!(frame, Frame::Close(_)) {
            self.links.remove(&link);
        }
        let place = match end {
            End::Client => {
                let heard = match frame {
                    Frame::Text(text) => Heard::Frame(link, text),
                    Frame::Close(code) => Heard::Closed(link, code),
                };
                return self.tell_client(heard);
            }
            End::Actor(place) => place,
        };
        self.ensure(&place, false);
        let Some(host) = self.hosts.get_mut(&place) else { return };
        let Some(socket) = host.number(link) else { return };
        let event = match frame {
            Frame::Text(text) if text == r#"{"ping":0}"# && hibernates(&place) => {
                host.pinged.insert(socket, self.now);
                return self.transmit(link, other(side), Frame::Text(r#"{"pong":0}"#.to_owned()));
            }
            Frame::Text(text) => Event::Message { socket, text: Some(text) },
            Frame::Close(_) => {
                host.sockets.remove(&socket);
                host.attachments.remove(&link);
                Event::Closed { socket }
            }
        };
        self.event(&place, event);
    }

    // Time.

    /// Carries out what comes next, if that is not after `until`. Returns false if nothing does.
    pub fn step(&mut self, until: Timestamp) -> bool {
        if self.queue.next_at().is_none_or(|at| at > until.micros()) {
            return false;
        }
        if let Some((at, delivery)) = self.queue.pop() {
            self.now = self.now.max(at);
            self.arrive(delivery);
        }
        true
    }

    /// Carries out all that comes until a time, which then is the present one.
    pub fn run_until(&mut self, until: Timestamp) {
        while self.step(until) {}
        self.now = self.now.max(until.micros());
    }

    fn arrive(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Request { to, carried, waiter } => {
                self.ensure(&to, false);
                let Some(host) = self.hosts.get_mut(&to) else { return };
                let request = carried.incoming.clone();
                let ticket = host.ticket(waiter, Some(carried));
                self.event(&to, Event::Request { ticket, request });
            }
            Delivery::Call { to, call, waiter } => {
                let to = Place::Object(to);
                self.ensure(&to, false);
                let Some(host) = self.hosts.get_mut(&to) else { return };
                let ticket = host.ticket(waiter, None);
                self.event(&to, Event::Call { ticket, call });
            }
            Delivery::Answer { waiter, outcome } => self.answered(waiter, outcome),
            Delivery::Event { to, incarnation, event } => {
                let Some(host) = self.hosts.get_mut(&to) else { return };
                if host.incarnation != incarnation || host.actor.is_none() {
                    return;
                }
                if matches!(event, Event::Told { .. } | Event::Fetched { .. }) {
                    host.under_way = host.under_way.saturating_sub(1);
                }
                self.event(&to, event);
            }
            Delivery::Timer { to, incarnation, at } => {
                let Some(host) = self.hosts.get_mut(&to) else { return };
                if host.incarnation == incarnation && host.timer == Some(at) {
                    host.timer = None;
                    self.event(&to, Event::Timer);
                }
            }
            Delivery::Alarm { object, at } => self.ring(object, at),
            Delivery::Frame { link, side, frame } => self.deliver(link, side, frame),
            Delivery::Hibernate { object, incarnation } => self.hibernate(object, incarnation),
        }
    }

    fn ring(&mut self, object: Object, at: i64) {
        let place = Place::Object(object);
        let Some(host) = self.hosts.get_mut(&place) else { return };
        if host.alarm != Some(at) {
            return;
        }
        if self.sabotage == Some(Sabotage::NoAlarm) {
            return;
        }
        (host.alarm, host.is_ringing) = (None, true);
        self.count("alarm");
        self.ensure(&place, true);
        self.event(&place, Event::Alarm);
    }

    fn hibernate(&mut self, object: Object, incarnation: u64) {
        let place = Place::Object(object.clone());
        let Some(host) = self.hosts.get_mut(&place) else { return };
        if host.incarnation != incarnation || host.actor.is_none() {
            return;
        }
        let due = host.last_active + IDLE_MICROS;
        if host.is_idle() && due <= self.now {
            host.forget();
            self.count("hibernation");
        } else {
            let at = due.max(self.now + 1_000_000);
            self.queue.push(at, Delivery::Hibernate { object, incarnation });
        }
    }

    // Actors.

    /// Has an actor in memory. A listener that has gone does not come back.
    pub(super) fn ensure(&mut self, place: &Place, is_alarm: bool) {
        if matches!(place, Place::Listener(_)) {
            return;
        }
        let count = self.nodes.len();
        let isolate = match place {
            Place::Front(isolate) => *isolate,
            _ => self.chance.below(count),
        };
        let host = self.hosts.entry(place.clone()).or_default();
        if host.actor.is_some() {
            return;
        }
        // An object that was erased left those who waited for it.
        let waiters = host.forget();
        let waking = host.wake(is_alarm);
        (host.isolate, host.last_active) = (isolate, self.now);
        let actor = match place {
            Place::Object(object) => {
                let (object, incarnation) = (object.clone(), host.incarnation);
                let at = self.now + IDLE_MICROS;
                self.queue.push(at, Delivery::Hibernate { object: object.clone(), incarnation });
                Actor::object(object, waking, &self.nodes[isolate])
            }
            _ => Ok(Actor::front()),
        };
        let actor = actor.unwrap_or_else(|error| panic!("{place:?}: {}", error.detail));
        host.actor = Some(actor);
        for waiter in waiters {
            self.settle(waiter, Outcome::Nothing);
        }
    }

    /// Hands an event to an actor in memory.
    pub(super) fn event(&mut self, place: &Place, event: Event) {
        if self.is_printed {
            self.print(format_args!("{place:?} ◀ {event:?}"));
        }
        self.turn(place, |actor, turn| {
            if let Some(actor) = actor {
                actor.handle(turn, event);
            }
        });
    }

    /// Takes a step of an actor, and carries its effects out.
    pub(super) fn turn(
        &mut self,
        place: &Place,
        step: impl FnOnce(&mut Option<Actor>, &mut Turn<'_, MemoryStore>),
    ) {
        let Some(mut host) = self.hosts.remove(place) else { return };
        let isolate = host.isolate;
        let is_last = self.settings.faults.crashes(&mut self.chance);
        let before = is_last.then(|| host.store.clone());
        let mut effects = Vec::new();
        let (random, pinged) = (&mut self.random, std::mem::take(&mut host.pinged));
        let mut turn = Turn {
            node: &mut self.nodes[isolate],
            store: &mut host.store,
            now: Timestamp::from_micros(self.now),
            random: &mut || random.wide(),
            pinged: &|socket| pinged.get(&socket).copied().map(Timestamp::from_micros),
            effects: &mut effects,
        };
        step(&mut host.actor, &mut turn);
        (host.pinged, host.last_active) = (pinged, self.now);
        if self.is_printed {
            for effect in &effects {
                self.print(format_args!("{place:?} ▶ {effect:?}"));
            }
        }
        if let Some(before) = before {
            if self.chance.chance(50) {
                self.count("crash before the commit");
                host.store = before;
                self.hosts.insert(place.clone(), host);
                if self.sabotage == Some(Sabotage::AnswerWithoutCommit) {
                    for effect in effects {
                        self.perform(place, effect);
                    }
                }
            } else {
                self.count("crash after the commit");
                let done = self.chance.below(effects.len() + 1);
                self.hosts.insert(place.clone(), host);
                self.commit(place, &effects);
                for effect in effects.drain(..done) {
                    self.perform(place, effect);
                }
            }
            let percent = self.settings.faults.memory_only as usize;
            let is_memory_only = self.chance.chance(percent);
            return self.end_isolate(isolate, is_memory_only, place);
        }
        self.hosts.insert(place.clone(), host);
        self.commit(place, &effects);
        for effect in effects {
            self.perform(place, effect);
        }
        self.settle_host(place);
    }

    /// Does what is part of a step's commit besides its rows.
    fn commit(&mut self, place: &Place, effects: &[Effect]) {
        self.record(place);
        let Some(host) = self.hosts.get_mut(place) else { return };
        for effect in effects {
            match (effect, place) {
                (Effect::SetAlarm(at), Place::Object(object)) => {
                    let at = at.micros().max(self.now);
                    host.alarm = Some(at);
                    self.queue.push(at, Delivery::Alarm { object: object.clone(), at });
                }
                (Effect::Erase, _) => (host.store, host.alarm) = (MemoryStore::default(), None),
                _ => {}
            }
        }
    }

    /// Notes a document's new state.
    ///
    /// # Panics
    /// If its versions do not go up by one.
    fn record(&mut self, place: &Place) {
        let Place::Object(Object { class: Class::Document, name }) = place else { return };
        let Some(host) = self.hosts.get_mut(place) else { return };
        if host.store.rows_written() == host.written {
            return;
        }
        host.written = host.store.rows_written();
        let Ok(Some(row)) = host.store.get(b"d") else { return };
        let states = self.history.entry(name.clone()).or_default();
        for state in states_of(&row, states.last(), self.now) {
            let last = states.last().map_or(0, |state| state.version);
            assert_eq!(state.version, last + 1, "the row of {name} is not of the next version");
            states.push(state);
        }
    }

    /// Sets the timer of an actor, and notes the end of its alarm's handler.
    fn settle_host(&mut self, place: &Place) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        if host.under_way == 0 {
            host.is_ringing = false;
        }
        let wakes = host.actor.as_ref().and_then(Actor::wakes);
        let wakes = wakes.map(|at| at.micros().max(self.now));
        if host.timer != wakes {
            host.timer = wakes;
            if let Some(at) = wakes {
                let (to, incarnation) = (place.clone(), host.incarnation);
                self.queue.push(at, Delivery::Timer { to, incarnation, at });
            }
        }
    }

    /// Ends an isolate: all that it had in memory is lost. Its sockets break, unless only memory is lost: then those of
    /// idle objects stay, but for those of the actor at whose step it was.
    fn end_isolate(&mut self, isolate: usize, is_memory_only: bool, place_of_step: &Place) {
        self.count(if is_memory_only { "memory lost" } else { "crash" });
        if self.is_printed {
            self.print(format_args!("isolate {isolate} ends, memory only: {is_memory_only}"));
        }
        self.nodes[isolate] = self.node();
        let here = self.hosts.iter().filter(|(_, host)| host.isolate == isolate);
        let here = here.filter(|(_, host)| host.actor.is_some());
        let places: Vec<Place> = here.map(|(place, _)| place.clone()).collect();
        for place in places {
            let Some(host) = self.hosts.get_mut(&place) else { continue };
            let open = |socket: &Socket| match socket {
                Socket::Open(link) => Some(*link),
                Socket::Opening(_) => None,
            };
            let links: Vec<u64> = host.sockets.values().filter_map(open).collect();
            // What waits in memory for a socket would be missed on it.
            let keeps_sockets =
                is_memory_only && hibernates(&place) && host.is_idle() && place != *place_of_step;
            let waiters = host.forget();
            if let (true, Place::Object(object)) = (std::mem::take(&mut host.is_ringing), &place)
                && host.alarm.is_none()
            {
                let at = self.now + ALARM_RETRY_MICROS;
                host.alarm = Some(at);
                self.queue.push(at, Delivery::Alarm { object: object.clone(), at });
            }
            if !keeps_sockets {
                host.attachments.clear();
                for link in links {
                    self.break_end(link, &place);
                }
            }
            if matches!(place, Place::Listener(_)) {
                self.hosts.remove(&place);
            }
            for waiter in waiters {
                self.settle(waiter, Outcome::Nothing);
            }
        }
        let broken = self.asked.iter().filter(|(_, asked)| asked.isolate == isolate);
        let broken: Vec<u64> = broken.map(|(request, _)| *request).collect();
        for request in broken {
            self.asked.remove(&request);
            self.tell_client(Heard::Answer(request, None));
        }
    }

    fn break_end(&mut self, link: u64, place: &Place) {
        if let Some(side) = self.links.get(&link).and_then(|link| link.side_of(place)) {
            self.close_end(link, side, 1006);
        }
    }
}

/// The states of a document's row that are newer than the last one: its messages may have been handled in one step.
fn states_of(row: &[u8], last: Option<&State>, at: i64) -> Vec<State> {
    let text = std::str::from_utf8(row).expect("a document's row is text");
    let json = |line: &str| -> Value { serde_json::from_str(line).expect("JSON") };
    let mut lines = text.lines();
    let header = json(lines.next().expect("a header"));
    let newest = header["version"].as_u64().expect("a version");
    let data = json(lines.next().expect("data"));
    let (mut version, mut before) =
        last.map_or((0, None), |last| (last.version, last.data.clone()));
    let mut states = Vec::new();
    let known = Some(version);
    for frame in lines.map(json).filter(|frame| frame["base"].as_u64() >= known) {
        version = frame["version"].as_u64().expect("a version");
        before = (frame["type"] == "patch")
            .then(|| patched(before.unwrap_or_default(), &frame["patch"]));
        states.push(State { version, data: before.clone(), at });
    }
    let data = Some(data).filter(|data| !data.is_null());
    match states.last() {
        Some(state) => assert_eq!((state.version, &state.data), (newest, &data), "a row's log"),
        // The log was too short for the change.
        None if newest != version => states.push(State { version: newest, data, at }),
        None => assert!(newest == 0 || last.is_some_and(|last| last.data == data), "a row's data"),
    }
    states
}
