//! The writes of one client against a model of the server, over a network that loses, delays and repeats, in any order.
//!
//! Every socket and every request has an end at the server that runs by itself: it executes the frames that reached
//! it, one write after the other, even after the client has given it up. Invariants:
//!
//! 1. Writes are committed in the order in which the client made them, each once.
//! 2. Each is settled once, in that order, and as done only if it was committed.
//! 3. In the end all are settled.
//! 4. Of one document only one write is under way.

use blaze_client::core::change::Change;
use blaze_client::core::http::{Answer, Outgoing};
use blaze_client::core::queries::Queries;
use blaze_client::core::query_event::{QueryEffect, QueryEvent, QueryTimer, Settled};
use blaze_schema::error::{Code, Error};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::written_text;
use blaze_schema::wire::query::QueryMessage;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// The server's end of a socket or of a request.
#[derive(Default)]
struct End {
    /// Frames that reached the end, in order.
    frames: VecDeque<Frame>,
    /// Answers that the end gives, in order.
    answers: VecDeque<Told>,
    /// True if the end executes no more writes and its socket breaks after the last answer.
    closed: bool,
}

enum Frame {
    Ping,
    Write { id: u64, key: u64 },
}

enum Told {
    Pong,
    Written { id: u64, result: Result<u64, Error> },
}

#[derive(Default)]
struct Server {
    /// The writes in the order of their commits, by their keys.
    commits: Vec<u64>,
    ends: Vec<End>,
}

impl Server {
    /// Lets an end take one frame. With `is_busy` a write is answered `unavailable`, and the end closes.
    fn take(&mut self, number: usize, is_busy: bool) {
        let Some(end) = self.ends.get_mut(number).filter(|end| !end.closed) else { return };
        match end.frames.pop_front() {
            None => {}
            Some(Frame::Ping) => end.answers.push_back(Told::Pong),
            Some(Frame::Write { id, .. }) if is_busy => {
                let result = Err(Error::new(Code::Unavailable, "not now"));
                end.answers.push_back(Told::Written { id, result });
                end.closed = true;
            }
            Some(Frame::Write { id, key }) => {
                let result = if is_refused(key) {
                    Err(Error::new(Code::PermissionDenied, "no"))
                } else {
                    if !self.commits.contains(&key) {
                        self.commits.push(key);
                    }
                    Ok(key)
                };
                end.answers.push_back(Told::Written { id, result });
            }
        }
    }
}

/// True for writes that are refused, however often they are sent.
fn is_refused(key: u64) -> bool {
    key.is_multiple_of(5)
}

struct World {
    server: Server,
    queries: Queries,
    /// The socket: its end, and whether it is open.
    socket: Option<(usize, bool)>,
    /// The request that is awaited: its number and its end.
    request: Option<(u64, usize)>,
    timers: Vec<QueryTimer>,
    made: u64,
    settled: Vec<u64>,
    /// The documents of the writes that are not settled.
    documents: BTreeMap<u64, u8>,
    targets: u64,
    clock: i64,
}

impl World {
    fn new() -> Self {
        World {
            server: Server::default(),
            queries: Queries::default(),
            socket: None,
            request: None,
            timers: Vec::new(),
            made: 0,
            settled: Vec::new(),
            documents: BTreeMap::new(),
            targets: 0,
            clock: 0,
        }
    }

    fn tell(&mut self, event: QueryEvent) {
        self.clock += 1_000;
        let now = Timestamp::from_micros(self.clock);
        for effect in self.queries.handle(now, self.clock as u128, event) {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: QueryEffect) {
        match effect {
            QueryEffect::OpenSocket => {
                assert!(self.socket.is_none(), "a second socket");
                self.server.ends.push(End::default());
                self.socket = Some((self.server.ends.len() - 1, false));
            }
            QueryEffect::CloseSocket => self.socket = None,
            QueryEffect::Send(text) => self.send(&text),
            QueryEffect::StartTimer { timer, .. } => {
                self.timers.retain(|other| *other != timer);
                self.timers.push(timer);
            }
            QueryEffect::StopTimer(timer) => self.timers.retain(|other| *other != timer),
            QueryEffect::Post { request, id, write, .. } => {
                self.check_under_way(id);
                let key = write.key().parse().unwrap();
                let frames = VecDeque::from([Frame::Write { id, key }]);
                self.server.ends.push(End { frames, ..End::default() });
                self.request = Some((request, self.server.ends.len() - 1));
            }
            QueryEffect::Written(Settled { id, result, .. }) => {
                assert_eq!(self.settled.len() as u64 + 1, id, "settled out of turn");
                assert_eq!(result.is_ok(), self.server.commits.contains(&id));
                assert_eq!(result.is_err(), is_refused(id));
                self.settled.push(id);
                self.documents.remove(&id);
            }
            QueryEffect::Fail { error, .. } => panic!("{error}"),
            QueryEffect::Ready { .. }
            | QueryEffect::Changed
            | QueryEffect::Writing(_)
            | QueryEffect::Connection(_) => {}
        }
    }

    /// Checks that no earlier write of the same document is unsettled.
    fn check_under_way(&self, id: u64) {
        let document = self.documents[&id];
        let earlier = self.documents.range(..id).any(|(_, other)| *other == document);
        assert!(!earlier, "write {id} is sent before one of the same document is settled");
    }

    fn send(&mut self, text: &str) {
        let (end, is_open) = self.socket.expect("a frame needs a socket");
        assert!(is_open);
        let frame: Value = serde_json::from_str(text).unwrap();
        let frame = if let Some(write) = frame.get("write") {
            let id = write["id"].as_str().unwrap().parse().unwrap();
            self.check_under_way(id);
            assert!(self.request.is_none(), "two ways at a time");
            let key = write["idempotencyKey"].as_str().unwrap().parse().unwrap();
            Frame::Write { id, key }
        } else if frame.get("ping").is_some() {
            Frame::Ping
        } else {
            return;
        };
        self.server.ends[end].frames.push_back(frame);
    }

    fn write(&mut self, document: u8) {
        self.made += 1;
        let id = self.made;
        self.documents.insert(id, document);
        let path = DocumentPath::parse(&format!("c/{document}")).unwrap();
        let change = Change::set(json!({"n": id})).unwrap();
        let (_, write) = Outgoing::new(&path, change, id.to_string());
        self.tell(QueryEvent::Send { id, path: Rc::new(path), write: Rc::new(write) });
    }

    fn socket_opens(&mut self) {
        if let Some((_, is_open @ false)) = &mut self.socket {
            *is_open = true;
            self.tell(QueryEvent::Opened);
        }
    }

    fn frame_arrives(&mut self) {
        let Some((number, true)) = self.socket else { return };
        let end = &mut self.server.ends[number];
        match end.answers.pop_front() {
            Some(Told::Pong) => self.tell(QueryEvent::Received(Ok(QueryMessage::Pong(0)))),
            Some(Told::Written { id, result }) => {
                let text = written_text(&id.to_string(), "c/d", &result);
                let frame = serde_json::from_str(&text).unwrap();
                self.tell(QueryEvent::Received(QueryMessage::from_json(frame)));
            }
            None if end.closed => self.socket_breaks(),
            None => {}
        }
    }

    /// Tells the client that its socket is lost; the server's end may go on.
    fn socket_breaks(&mut self) {
        if self.socket.is_some() {
            self.tell(QueryEvent::Closed(None));
            assert!(self.socket.is_none());
        }
    }

    fn answer_arrives(&mut self) {
        let Some((request, number)) = self.request else { return };
        if let Some(Told::Written { result, .. }) = self.server.ends[number].answers.pop_front() {
            self.request = None;
            let answer = match result {
                Ok(version) => Answer::Done { version },
                Err(error) if error.code == Code::Unavailable => Answer::Again(error),
                Err(error) => Answer::Refused(error),
            };
            self.tell(QueryEvent::Answered { request, answer });
        }
    }

    /// Lets the client give a request up; the request may still arrive.
    fn request_fails(&mut self) {
        if let Some((request, _)) = self.request.take() {
            let answer = Answer::Lost(Error::new(Code::Unavailable, "no answer"));
            self.tell(QueryEvent::Answered { request, answer });
        }
    }

    fn timer(&mut self, choice: usize) {
        if !self.timers.is_empty() {
            let timer = self.timers.remove(choice % self.timers.len());
            self.tell(QueryEvent::Timer(timer));
        }
    }

    fn toggle_listening(&mut self, choice: usize) {
        if self.targets > 0 && choice.is_multiple_of(2) {
            return self.tell(QueryEvent::Unlisten { target: self.targets });
        }
        self.targets += 1;
        let json = json!({"from": "other"});
        let (asked, query) = (json.to_string(), Box::new(Query::from_json(json).unwrap()));
        self.tell(QueryEvent::Listen { target: self.targets, query, asked });
    }

    fn step(&mut self, step: u8, choice: usize) {
        let ends = self.server.ends.len().max(1);
        // Often one of the last ones.
        let end =
            if choice.is_multiple_of(3) { choice % ends } else { ends - 1 - choice % ends.min(3) };
        match step {
            0..=8 => self.write((choice % 6) as u8),
            9..=18 => self.server.take(end, false),
            19 => self.server.take(end, true),
            20..=22 => self.socket_opens(),
            23..=28 => self.frame_arrives(),
            29..=32 => self.answer_arrives(),
            33 => self.request_fails(),
            34 => self.socket_breaks(),
            35..=37 => self.timer(choice),
            38 => self.toggle_listening(choice),
            39 => self.tell(QueryEvent::Online),
            40 => self.tell(QueryEvent::Reached),
            41 => self.tell(QueryEvent::Doubt),
            42 => self.tell(QueryEvent::Renewed),
            _ => {}
        }
    }

    /// Delivers everything until all writes are settled.
    fn settle(&mut self) {
        for round in 0..100_000 {
            if self.settled.len() as u64 == self.made {
                break;
            }
            self.socket_opens();
            for number in 0..self.server.ends.len() {
                self.server.take(number, false);
            }
            self.frame_arrives();
            self.answer_arrives();
            if round % 7 == 0 {
                self.timer(round / 7);
            }
        }
        assert_eq!(self.settled.len() as u64, self.made, "it never ends");
        let expected: Vec<u64> = (1..=self.made).filter(|id| !is_refused(*id)).collect();
        assert_eq!(self.server.commits, expected, "in the order of their making");
        // Late frames of earlier sockets and requests change nothing.
        for number in 0..self.server.ends.len() {
            while !self.server.ends[number].closed && !self.server.ends[number].frames.is_empty() {
                self.server.take(number, false);
            }
        }
        assert_eq!(self.server.commits, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn writes_are_committed_in_the_order_of_their_making(
        steps in prop::collection::vec((0_u8..43, any::<u8>()), 0..300)
    ) {
        let mut world = World::new();
        for (step, choice) in steps {
            world.step(step, usize::from(choice));
        }
        world.settle();
    }
}

#[test]
fn a_query_is_asked_after_the_writes_that_were_made_before_it() {
    let mut world = World::new();
    world.toggle_listening(1);
    world.socket_opens();
    let asked = |world: &mut World, listens: u64| {
        let json = json!({"from": "c"});
        let (asked, query) = (json.to_string(), Box::new(Query::from_json(json).unwrap()));
        let listen = QueryEvent::Listen { target: listens, query, asked };
        let effects = world.queries.handle(Timestamp::MIN, 0, listen);
        let is_listen = |effect: &QueryEffect| matches!(effect, QueryEffect::Send(text) if text.contains("listen"));
        let listens = effects.iter().filter(|effect| is_listen(effect)).count();
        effects.into_iter().for_each(|effect| world.perform(effect));
        listens
    };
    assert_eq!(asked(&mut world, 8), 1, "there is nothing to wait for");
    world.write(1);
    assert_eq!(asked(&mut world, 9), 0);
    world.server.take(0, false);
    world.server.take(0, false);
    let answer = written_text("1", "c/1", &Ok(1));
    let frame = QueryMessage::from_json(serde_json::from_str(&answer).unwrap());
    let effects = world.queries.handle(Timestamp::MIN, 0, QueryEvent::Received(frame));
    let listens = |text: &str| text.starts_with("{\"listen\":{\"target\":9");
    assert!(
        effects.iter().any(|effect| matches!(effect, QueryEffect::Send(text) if listens(text)))
    );
}

#[test]
fn a_socket_is_opened_for_many_writes_and_closed_after_them() {
    let mut world = World::new();
    world.write(1);
    assert!(world.socket.is_none(), "one write alone goes by HTTP");
    world.write(2);
    assert_eq!(world.socket, Some((1, false)));
    world.settle();
    assert!(world.timers.contains(&QueryTimer::Linger));
    world.timers.retain(|timer| *timer != QueryTimer::Linger);
    world.tell(QueryEvent::Timer(QueryTimer::Linger));
    assert_eq!((world.socket, world.timers.as_slice()), (None, &[][..]));
}
