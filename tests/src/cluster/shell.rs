//! The cluster: its isolates, the steps of their actors, and their ends.

use super::blow::{Blow, Met, blow_at_call, kind};
use super::delivery::{Carried, Delivery, Outcome, Place, Queue, Waiter};
use super::faults::{Fate, Faults};
use super::host::{Host, hibernates};
use super::link::{ACCEPTOR, End, Frame, Link, OPENER, other};
use super::sabotage::Sabotage;
use crate::random::Random;
use blaze_engine::actor::{Actor, Answer, Event, Object};
use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use blaze_engine::http::reply::Reply;
use blaze_engine::node::config::Config;
use blaze_engine::node::{Home, Node};
use blaze_schema::timestamp::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The time at which a cluster begins (µs).
const BEGINNING: i64 = 1_800_000_000_000_000;
/// An idle object hibernates after this (µs).
const IDLE_MICROS: i64 = 10_000_000;
/// The loss of a call is known after this (µs).
pub(super) const LOSS_MICROS: i64 = 3_000_000;

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
    pub(super) settings: Settings,
    pub(super) now: i64,
    /// For the actors.
    pub(super) random: Random,
    /// For the faults.
    pub(super) chance: Random,
    /// For the faults that not every history has: they leave the others as they are.
    pub(super) extra: Random,
    pub(super) queue: Queue,
    pub(super) nodes: Vec<Node>,
    /// By isolate, the difference of its clock (µs).
    pub(super) clocks: Vec<i64>,
    pub(super) hosts: BTreeMap<Place, Host>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) asked: BTreeMap<u64, Asked>,
    last: u64,
    heard: VecDeque<Heard>,
    /// The lines of the log.
    pub log: Vec<String>,
    /// Counts what happened, by kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// By path, the states that each document had.
    pub history: BTreeMap<String, Vec<State>>,
    /// By index, the newest row of each document that it was told.
    pub(super) told: BTreeMap<Object, BTreeMap<String, Told>>,
    /// The last time at which a copy of rules could not be renewed.
    pub unrenewed: Option<i64>,
    /// True to print every step.
    pub is_printed: bool,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) kept: BTreeMap<Object, Answer>,
    /// With frames that change places: by link, one that waits for the next.
    pub(super) overtaken: BTreeMap<(u64, usize), Frame>,
    /// The blows to come, in place of chance.
    pub(super) plan: Vec<Blow>,
    /// The steps and the calls of the plan so far.
    pub(super) met: Met,
}

/// A row that an index is told: its document's version, and its text.
pub(super) type Told = (u64, String);

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
            clocks: vec![0; settings.isolates],
            now: BEGINNING,
            random: Random::new(seed),
            chance: Random::new(!seed),
            extra: Random::new(seed ^ 0xe87a),
            queue: Queue::default(),
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
            asked: BTreeMap::new(),
            last: 0,
            heard: VecDeque::new(),
            log: Vec::new(),
            counts: BTreeMap::new(),
            history: BTreeMap::new(),
            told: BTreeMap::new(),
            unrenewed: None,
            is_printed: false,
            sabotage: None,
            kept: BTreeMap::new(),
            overtaken: BTreeMap::new(),
            plan: Vec::new(),
            met: Met::default(),
            settings,
        };
        cluster.nodes = (0..cluster.settings.isolates).map(|_| cluster.node()).collect();
        cluster
    }

    /// Breaks something on purpose.
    pub fn with_sabotage(mut self, sabotage: Option<Sabotage>) -> Self {
        self.sabotage = sabotage;
        self
    }

    pub(super) fn node(&self) -> Node {
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

    /// Deals these blows, whose steps and calls are counted from now on.
    pub fn deal(&mut self, plan: Vec<Blow>) {
        (self.plan, self.met) = (plan, Met::default());
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
        let planned = blow_at_call(&self.plan, self.met.calls);
        self.met.calls += 1;
        let fate =
            planned.unwrap_or_else(|| self.settings.faults.fate(&mut self.chance, may_repeat));
        match fate {
            Fate::Arrives => {}
            Fate::LostBefore => self.count("call lost"),
            Fate::LostAfter => self.count("answer lost"),
            Fate::Twice => self.count("call twice"),
        }
        fate
    }

    /// The time of the next delivery (µs).
    pub(super) fn next_at(&self) -> Option<i64> {
        self.queue.next_at()
    }

    // What clients do.

    /// Sends a request; returns its number.
    pub fn request(&mut self, sent: Sent) -> u64 {
        let Sent { isolate, method, mut path, mut headers, body } = sent;
        match self.sabotage {
            Some(Sabotage::ForgetKeys) => headers.retain(|(name, _)| name != "idempotency-key"),
            Some(Sabotage::ForgetMissed) => path = self.without_missed(path),
            _ => {}
        }
        let url = format!("http://blaze.example{path}");
        let incoming = incoming(&method, url, headers.clone());
        let (number, body) = (self.number(), Rc::from(body.into_bytes()));
        self.asked.insert(number, Asked { isolate, incoming: incoming.clone() });
        let (to, at) = (Place::Front(isolate), self.now + self.delay());
        let (carried, waiter) = (Carried { incoming, headers, body }, Waiter::Client(number));
        self.queue.push(at, Delivery::Request { to, carried, waiter });
        number
    }

    /// A path that asks for what comes after the present version.
    fn without_missed(&self, path: String) -> String {
        let parts = path.split_once("?since=").and_then(|(document, since)| {
            let states = self.history.get(document.strip_prefix("/v1/docs/")?)?;
            Some((document, states.last()?.version, since.split_once('&')?.1))
        });
        match parts {
            Some((document, version, epoch)) => format!("{document}?since={version}&{epoch}"),
            None => path,
        }
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
        let is_text = matches!(frame, Frame::Text(_));
        if is_text && !there.is_cut && self.happens(self.settings.faults.cut) {
            return self.cut(link);
        }
        if self.swaps(link, side, &frame) {
            self.overtaken.insert((link, side), frame);
            return;
        }
        self.queue.push(at, Delivery::Frame { link, side, frame });
        if let Some(frame) = self.overtaken.remove(&(link, side)) {
            self.queue.push(at, Delivery::Frame { link, side, frame });
        }
    }

    /// True if something happens that happens so often in 10,000.
    pub(super) fn happens(&mut self, often: u64) -> bool {
        often > 0 && self.extra.between(0, 9_999) < often
    }

    /// A socket breaks on the way: each side hears of it by itself, some late.
    fn cut(&mut self, link: u64) {
        self.count("socket cut");
        let last = self.links.get(&link).map_or([0; 2], |there| there.last);
        for side in [OPENER, ACCEPTOR] {
            let late = if self.extra.chance(30) { 8_000_000 } else { 50_000 };
            // Nobody hears of the end before the beginning.
            let at = last[side].max(self.now + self.extra.between(0, late) as i64);
            let frame = Frame::Close(1006);
            self.queue.push(at, Delivery::Frame { link, side, frame });
        }
        if let Some(there) = self.links.get_mut(&link) {
            there.is_cut = true;
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
        match frame {
            // The other side hears of it by itself.
            Frame::Close(_) if there.is_cut => there.ends[side] = None,
            Frame::Close(_) => drop(self.links.remove(&link)),
            Frame::Text(_) if there.is_cut => return,
            Frame::Text(_) => {}
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

    /// Replaces `collections.json`: every isolate starts anew.
    pub(super) fn deploy(&mut self, collections: String) {
        self.count("deployment");
        self.settings.collections = collections;
        for isolate in 0..self.nodes.len() {
            self.end_isolate(isolate, false, &Place::Front(isolate));
        }
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
                if matches!(
                    event,
                    Event::Told { .. } | Event::Hashed { .. } | Event::Fetched { .. }
                ) {
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
            Delivery::Again(object) => {
                self.count("alarm once more");
                let place = Place::Object(object);
                self.ensure(&place, true);
                self.event(&place, Event::Alarm);
            }
            Delivery::Frame { link, side, frame } => self.deliver(link, side, frame),
            Delivery::Hibernate { object, incarnation } => self.hibernate(object, incarnation),
        }
    }

    fn ring(&mut self, object: Object, at: i64) {
        let place = Place::Object(object.clone());
        let Some(host) = self.hosts.get_mut(&place) else { return };
        if host.alarm != Some(at) {
            return;
        }
        if self.settings.faults.again > 0 && self.happens(self.settings.faults.again * 100) {
            let at = self.now + self.extra.between(0, 10_000_000) as i64;
            self.queue.push(at, Delivery::Again(object));
        }
        let Some(host) = self.hosts.get_mut(&place) else { return };
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
        let mut waking = host.wake(is_alarm);
        if self.sabotage == Some(Sabotage::ForgetSubscriptions) && kind(place) == "Index" {
            waking.sockets.clear();
        }
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
}
