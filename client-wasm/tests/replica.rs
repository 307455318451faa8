//! A replica against a model of the server, a network that loses and delays, and other writers, in any order.
//!
//! The model keeps every state that the document was ever in. What listeners are shown is held against that:
//!
//! 1. A state without pending writes is one that the server was in, at that version.
//! 2. Every one of this client's increments is shown from the moment it is made, and never twice.
//! 3. In the end listeners see the server's state, and every write has an answer, a version only where the server gave it.

use blaze_client::core::change::Change;
use blaze_client::core::event::{Effect, Event};
use blaze_client::core::http::Answer;
use blaze_client::core::queries::Queries;
use blaze_client::core::query_event::{Patience, QueryEffect, QueryEvent, QueryTimer, Settled};
use blaze_client::core::replica::Replica;
use blaze_client::core::view::Visible;
use blaze_client::{Map, ServerMessage, Value, increment};
use blaze_schema::error::{Code, Error};
use blaze_schema::patch::diff;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{delete_text, patch_text, snapshot_text};
use blaze_schema::write::Operation;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

fn path() -> DocumentPath {
    DocumentPath::parse("a/b").unwrap()
}

fn unavailable() -> Error {
    Error::new(Code::Unavailable, "no answer")
}

/// The document on the server.
struct Server {
    epoch: u64,
    version: u64,
    data: Option<Map>,
    /// Every state there was: version and data. Versions of several epochs may be the same.
    past: Vec<(u64, Option<Map>)>,
    /// Frames of the present epoch by the version that they start from.
    log: BTreeMap<u64, String>,
    /// The versions of what was done, by idempotency key. A refusal is not kept.
    answers: BTreeMap<String, u64>,
    /// Every version that was ever an answer.
    given: BTreeSet<u64>,
}

impl Server {
    fn new(data: Option<Map>) -> Self {
        let version = u64::from(data.is_some());
        Server {
            epoch: 1,
            version,
            past: vec![(version, data.clone())],
            data,
            log: BTreeMap::new(),
            answers: BTreeMap::new(),
            given: BTreeSet::new(),
        }
    }

    /// Applies a write; returns the version or refusal, and the frame to broadcast.
    fn write(&mut self, operation: Operation) -> (Result<u64, Error>, Option<String>) {
        let new = match operation.apply(self.data.as_ref(), Timestamp::from_micros(0)) {
            Ok(new) => new,
            Err(error) => return (Err(error), None),
        };
        if new == self.data {
            return (Ok(self.version), None);
        }
        let base = self.version;
        self.version += 1;
        let old = self.data.take().map_or(json!(null), Value::Object);
        let frame = match &new {
            None => delete_text(base, self.version),
            Some(new) => {
                let patch = diff(&old, &Value::Object(new.clone()));
                patch_text(base, self.version, &serde_json::to_string(&patch).unwrap())
            }
        };
        self.data = new;
        self.past.push((self.version, self.data.clone()));
        self.log.insert(base, frame.clone());
        (Ok(self.version), Some(frame))
    }

    /// The same, once per key.
    fn request(&mut self, key: &str, operation: Operation) -> (Result<u64, Error>, Option<String>) {
        if let Some(version) = self.answers.get(key) {
            return (Ok(*version), None);
        }
        let (answer, frame) = self.write(operation);
        if let Ok(version) = answer {
            self.answers.insert(key.to_owned(), version);
            self.given.insert(version);
        }
        (answer, frame)
    }

    /// What a socket is sent at first.
    fn greeting(&self, since: Option<(u64, &str)>) -> Vec<String> {
        let resumed = since.filter(|(version, epoch)| {
            *epoch == self.epoch.to_string()
                && (*version == self.version || self.log.contains_key(version))
        });
        match resumed {
            Some((version, _)) => {
                self.log.range(version..).map(|(_, frame)| frame.clone()).collect()
            }
            None => {
                let data = self.data.clone().map(|data| Value::Object(data).to_string());
                vec![snapshot_text(&self.epoch.to_string(), self.version, data.as_deref())]
            }
        }
    }

    /// A restore from a backup: some earlier state, in a new epoch.
    fn restore(&mut self, choice: usize) {
        let (version, data) = self.past[choice % self.past.len()].clone();
        self.epoch += 1;
        self.version = version;
        self.data = data;
        self.log.clear();
        self.answers.clear();
    }
}

/// A timer that can ring.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timer {
    Socket,
    Writes,
}

/// A request on its way, there or back.
#[derive(Clone)]
struct Flight {
    number: u64,
    id: u64,
    key: String,
    answer: Option<Answer>,
}

struct Socket {
    since: Option<(u64, String)>,
    accepted: bool,
    frames: VecDeque<String>,
}

struct World {
    server: Server,
    replica: Replica,
    /// Sends the writes, by HTTP: its socket never opens.
    queries: Queries,
    socket: Option<Socket>,
    timers: Vec<Timer>,
    /// The request whose answer the replica waits for.
    flight: Option<Flight>,
    /// Requests that the client has given up, and that may still arrive.
    strays: Vec<Flight>,
    operations: BTreeMap<u64, Operation>,
    settled: BTreeMap<u64, Result<u64, Error>>,
    listening: bool,
    shown: Option<Visible>,
    clock: i64,
    frames_were_lost: bool,
    /// Whether every own write is an increment of `own`, so that rule 2 can be checked.
    increments_only: bool,
}

impl World {
    fn new(data: Option<Value>, increments_only: bool) -> Self {
        let data = data.map(|data| data.as_object().unwrap().clone());
        World {
            server: Server::new(data),
            replica: Replica::new(path()),
            queries: Queries::default(),
            socket: None,
            timers: Vec::new(),
            flight: None,
            strays: Vec::new(),
            operations: BTreeMap::new(),
            settled: BTreeMap::new(),
            listening: false,
            shown: None,
            clock: 0,
            frames_were_lost: false,
            increments_only,
        }
    }

    fn tell(&mut self, event: Event) {
        self.clock += 1;
        let random = u128::from(self.clock as u64) << 80 | u128::from(self.clock as u64);
        let effects = self.replica.handle(Timestamp::from_micros(self.clock), random, event);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::OpenSocket { since } => {
                assert!(self.socket.is_none(), "a second socket");
                let since = since.map(|(version, epoch)| (version, epoch.to_string()));
                self.socket = Some(Socket { since, accepted: false, frames: VecDeque::new() });
            }
            Effect::CloseSocket => self.socket = None,
            Effect::SendPing => {
                let socket = self.socket.as_mut().expect("a ping needs a socket");
                assert!(socket.accepted);
                socket.frames.push_back(r#"{"pong":0}"#.to_owned());
            }
            Effect::StartTimer { .. } => self.start(Timer::Socket),
            Effect::StopTimer => self.timers.retain(|other| *other != Timer::Socket),
            Effect::Send { id, write } => {
                self.tell_queries(QueryEvent::Send { id, path: Rc::new(path()), write });
            }
            Effect::Wait => self.tell_queries(QueryEvent::Wait {
                id: 0,
                path: None,
                patience: Patience::UntilItIsHopeless,
            }),
            Effect::Settled { id, result } => {
                assert!(self.settled.insert(id, result).is_none(), "settled twice");
            }
            Effect::Show(visible) => self.show(visible),
            Effect::Fail(error) => panic!("{error}"),
            Effect::Connection(_) => {}
        }
    }

    fn start(&mut self, timer: Timer) {
        self.timers.retain(|other| *other != timer);
        self.timers.push(timer);
    }

    fn tell_queries(&mut self, event: QueryEvent) {
        let random = u128::from(self.clock as u64);
        let effects = self.queries.handle(Timestamp::from_micros(self.clock), random, event);
        for effect in effects {
            match effect {
                QueryEffect::Post { request: number, id, write, .. } => {
                    self.strays.extend(self.flight.take());
                    let key = write.key().to_owned();
                    self.flight = Some(Flight { number, id, key, answer: None });
                }
                QueryEffect::Written(Settled { id, result, .. }) => {
                    self.tell(Event::Answered { id, result });
                }
                QueryEffect::Ready { .. } => self.tell(Event::Ready),
                QueryEffect::StartTimer { timer: QueryTimer::Writes, .. } => {
                    self.start(Timer::Writes);
                }
                QueryEffect::StopTimer(QueryTimer::Writes) => {
                    self.timers.retain(|other| *other != Timer::Writes);
                }
                _ => {}
            }
        }
    }

    fn show(&mut self, visible: Visible) {
        assert!(self.listening, "nobody listens");
        assert_ne!(self.shown.as_ref(), Some(&visible), "shown again");
        let data = visible.data.as_deref();
        if !visible.pending {
            let there = |(version, past): &(u64, Option<Map>)| {
                *version == visible.version && past.as_ref() == data
            };
            assert!(self.server.past.iter().any(there), "no state of the server: {visible:?}");
        }
        if self.increments_only {
            let own = data.and_then(|data| data["own"].as_u64()).unwrap();
            assert_eq!(own, self.operations.len() as u64, "own increments in {visible:?}");
            let before = self.shown.as_ref().map_or(0, |shown| shown.version);
            assert!(before <= visible.version, "{before} before {visible:?}");
        }
        self.shown = Some(visible);
    }

    fn own_write(&mut self, change: Change) {
        let id = self.operations.len() as u64 + 1;
        self.operations.insert(id, change.operation().clone());
        self.tell(Event::Write { id, change });
    }

    fn broadcast(&mut self, frame: Option<String>) {
        if let (Some(frame), Some(socket)) = (frame, &mut self.socket)
            && socket.accepted
        {
            socket.frames.push_back(frame);
        }
    }

    fn other_write(&mut self, change: Change) {
        let (_, frame) = self.server.write(change.operation().clone());
        self.broadcast(frame);
    }

    fn listen(&mut self, listening: bool) {
        if self.listening != listening {
            self.listening = listening;
            self.shown = None;
            self.tell(if listening { Event::Listen } else { Event::Unlisten });
        }
    }

    /// The server takes the request, unless it did already.
    fn arrive(&mut self, flight: &mut Flight) {
        if flight.answer.is_none() {
            let operation = self.operations[&flight.id].clone();
            let (result, frame) = self.server.request(&flight.key, operation);
            self.broadcast(frame);
            flight.answer = Some(match result {
                Ok(version) => Answer::Done { version },
                Err(error) => Answer::Refused(error),
            });
        }
    }

    fn server_takes_request(&mut self) {
        if let Some(mut flight) = self.flight.take() {
            self.arrive(&mut flight);
            self.flight = Some(flight);
        }
    }

    fn server_takes_stray(&mut self, choice: usize) {
        if !self.strays.is_empty() {
            let mut stray = self.strays.swap_remove(choice % self.strays.len());
            self.arrive(&mut stray);
        }
    }

    fn answer_arrives(&mut self) {
        if let Some(Flight { number, answer: Some(answer), .. }) = self.flight.clone() {
            self.flight = None;
            self.tell_queries(QueryEvent::Answered { request: number, answer });
        }
    }

    /// The client hears nothing; the request may still arrive.
    fn request_fails(&mut self) {
        if let Some(flight) = self.flight.take() {
            let request = flight.number;
            self.strays.push(flight);
            let answer = Answer::Lost(unavailable());
            self.tell_queries(QueryEvent::Answered { request, answer });
        }
    }

    fn socket_opens(&mut self) {
        if let Some(socket) = &mut self.socket
            && !socket.accepted
        {
            socket.accepted = true;
            let since = socket.since.as_ref().map(|(version, epoch)| (*version, epoch.as_str()));
            socket.frames.extend(self.server.greeting(since));
            self.tell(Event::Opened);
        }
    }

    fn frame_arrives(&mut self) {
        let frame = self.socket.as_mut().and_then(|socket| socket.frames.pop_front());
        if let Some(frame) = frame {
            self.tell(Event::Received(ServerMessage::parse(&frame)));
        }
    }

    /// The socket breaks. `CloseSocket` is what clears it.
    fn socket_breaks(&mut self) {
        if self.socket.is_some() {
            self.tell(Event::Closed(None));
            assert!(self.socket.is_none());
        }
    }

    fn timer_runs_out(&mut self, choice: usize) {
        if let Some(timer) = self.timers.get(choice % 2).copied() {
            self.timer(timer);
        }
    }

    fn timer(&mut self, timer: Timer) {
        self.timers.retain(|other| *other != timer);
        match timer {
            Timer::Socket => self.tell(Event::Timer),
            Timer::Writes => self.tell_queries(QueryEvent::Timer(QueryTimer::Writes)),
        }
    }

    /// A frame is lost within a socket: what no socket does, and a client must survive.
    fn frame_is_lost(&mut self) {
        if let Some(socket) = &mut self.socket {
            self.frames_were_lost |= socket.frames.pop_front().is_some();
        }
    }

    /// The server is restored from a backup. That ends the sockets and the requests that have not arrived; an answer
    /// may be on its way back.
    fn restore(&mut self, choice: usize) {
        let answered = self.flight.as_ref().is_none_or(|flight| flight.answer.is_some());
        if self.shown.is_some() && answered {
            self.strays.clear();
            self.socket_breaks();
            self.server.restore(choice);
        }
    }

    /// Everything arrives, until nothing happens any more.
    fn settle(&mut self) {
        self.listen(true);
        if self.frames_were_lost {
            // Nobody can see that the last frame is missing.
            self.socket_breaks();
        }
        for _ in 0..10_000 {
            self.socket_opens();
            self.server_takes_request();
            self.answer_arrives();
            self.frame_arrives();
            let is_quiet = |socket: &Socket| socket.accepted && socket.frames.is_empty();
            let quiet = self.socket.as_ref().is_some_and(is_quiet);
            if !self.replica.is_settled() && self.flight.is_none() {
                self.timer(Timer::Writes);
            } else if self.socket.is_none() {
                self.timer(Timer::Socket);
            } else if quiet && self.replica.is_settled() {
                return;
            }
        }
        panic!("it never ends");
    }

    fn check_end(mut self) {
        self.settle();
        let shown = self.shown.as_ref().expect("listeners saw something");
        assert!(!shown.pending, "{shown:?}");
        assert_eq!(shown.data.as_deref(), self.server.data.as_ref());
        assert_eq!(shown.version, self.server.version);
        let done: BTreeSet<u64> = self.settled.values().flatten().copied().collect();
        assert!(done.is_subset(&self.server.given));
        assert_eq!(self.settled.len(), self.operations.len());
    }
}

fn network_step(world: &mut World, step: u8, choice: usize) {
    match step {
        0..=2 => world.socket_opens(),
        3..=7 => world.frame_arrives(),
        8..=10 => world.server_takes_request(),
        11..=13 => world.answer_arrives(),
        14 => world.request_fails(),
        15 => world.server_takes_stray(choice),
        16 => world.socket_breaks(),
        17..=19 => world.timer_runs_out(choice),
        20 => {
            world.tell(Event::Online);
            world.tell_queries(QueryEvent::Online);
        }
        21 => world.server.log.clear(),
        22 => world.listen(!choice.is_multiple_of(4)),
        _ => {}
    }
}

fn change(choice: u8) -> Change {
    let change = match choice % 8 {
        0 | 1 => Change::update(json!({"own": increment(1)})),
        2 => Change::set(json!({"set": choice})),
        3 => Change::merge(
            json!({"merged": {"$serverTimestamp": true}, "list": {"$arrayUnion": [choice]}}),
        ),
        4 => Change::create(json!({"created": choice})),
        5 => Change::patch(json!([{"op": "add", "path": "/patched", "value": choice}])),
        6 => Change::patch(json!([{"op": "test", "path": "/set", "value": choice}])),
        _ => Ok(Change::delete()),
    };
    change.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn own_increments_show_at_once_and_never_twice(
        steps in prop::collection::vec((0_u8..32, any::<u8>()), 0..200)
    ) {
        let mut world = World::new(Some(json!({"own": 0, "others": 0})), true);
        world.listen(true);
        for (step, choice) in steps {
            match step {
                24..=26 => world.own_write(Change::update(json!({"own": increment(1)})).unwrap()),
                27..=30 => world.other_write(Change::update(json!({"others": increment(1)})).unwrap()),
                31 => world.frame_is_lost(),
                step => network_step(&mut world, step, usize::from(choice)),
            }
        }
        let made = world.operations.len();
        world.settle();
        prop_assert_eq!(world.server.data.as_ref().unwrap()["own"].as_u64(), Some(made as u64));
        world.check_end();
    }

    #[test]
    fn what_is_shown_without_pending_writes_was_a_state_of_the_server(
        steps in prop::collection::vec((0_u8..32, any::<u8>()), 0..200),
        exists in any::<bool>(),
    ) {
        let mut world = World::new(exists.then(|| json!({"set": 1})), false);
        for (step, choice) in steps {
            match step {
                24..=26 => world.own_write(change(choice)),
                27..=30 => world.other_write(change(choice)),
                31 => world.frame_is_lost(),
                step => network_step(&mut world, step, usize::from(choice)),
            }
        }
        world.check_end();
    }

    #[test]
    fn a_restored_backup_is_what_listeners_see_in_the_end(
        steps in prop::collection::vec((0_u8..32, any::<u8>()), 0..120),
    ) {
        let mut world = World::new(Some(json!({"set": 1})), false);
        world.listen(true);
        for (step, choice) in steps {
            match step {
                24..=26 => world.own_write(change(choice)),
                27..=29 => world.other_write(change(choice)),
                30 if choice < 64 => world.restore(usize::from(choice)),
                22 | 30 | 31 => {}
                step => network_step(&mut world, step, usize::from(choice)),
            }
        }
        world.check_end();
    }
}
