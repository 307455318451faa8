//! Real clients over a cluster: the replicas and the queries of `blaze_client::core`, whose requests, sockets and timers go
//! through it. The documents are [ledgers](super::ledger); what applications are shown is held against the states that
//! there were, with their own unconfirmed writes over them.

use super::Faults;
use super::ledger;
use super::peer::{Own, Peer, Stage, Tokens, is_ledger};
use super::sabotage::Sabotage;
use super::shell::{Cluster, Heard, Sent, Settings, State};
use super::workload::Outcome;
use crate::random::Random;
use blaze_client::core::event::{Effect, Event};
use blaze_client::core::http::{
    Method, Read, Reply, Request, Response, read_answer, read_request, socket_target, write_answer,
};
use blaze_client::core::queries::Queries;
use blaze_client::core::query_event::{Patience, QueryEffect, QueryEvent, QueryTimer, Settled};
use blaze_client::core::query_json::asked;
use blaze_schema::error::{Code, Error};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_schema::wire::document::{PING, ServerMessage};
use blaze_schema::wire::query::QueryMessage;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The documents, all but one being ledgers; the second collection has two shards.
const DOCUMENTS: [&str; 5] = ["one/a", "one/b", "one/free", "two/c", "two/d"];
const COLLECTIONS: &str = r#"{"two":{"shards":2}}"#;
/// Things that applications do in a history.
const ACTS: usize = 100;
/// A client gives a request up after this (µs).
const TIMEOUT_MICROS: i64 = 30_000_000;
/// Time in which all is well at the end (µs): longer than a client waits for an answer and then before it tries again.
const QUIET_MICROS: i64 = 150_000_000;

/// An end of a socket: a replica's, or that of a client's queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Peer(usize, usize),
    Queries(usize),
}

/// A request without an answer.
#[derive(Clone, Debug)]
enum Asked {
    Post { request: u64, path: Rc<DocumentPath> },
    Read { peer: usize },
    Socket(Owner),
}

/// A thing that comes at its time.
#[derive(Clone, Copy, Debug)]
enum Due {
    Peer {
        app: usize,
        peer: usize,
        started: u64,
    },
    Queries {
        app: usize,
        timer: QueryTimer,
        started: u64,
    },
    /// The client gives up waiting.
    Timeout(u64),
    Online(usize),
}

/// An action that waits for the writes before it.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Listen(usize),
    Read(usize),
}

/// A client.
struct App {
    /// Difference of its clock (µs).
    clock: i64,
    is_offline: bool,
    queries: Queries,
    socket: Option<u64>,
    /// Number of times that each timer was started or stopped.
    timers: [u64; 5],
    peers: Vec<Peer>,
    targets: BTreeMap<u64, Query>,
    waiting: BTreeMap<u64, Waiting>,
    /// When the last of its writes that is done was committed.
    committed: i64,
}

struct Apps {
    cluster: Cluster,
    random: Random,
    apps: Vec<App>,
    asked: BTreeMap<u64, (usize, Asked)>,
    sockets: BTreeMap<u64, Owner>,
    due: BTreeMap<(i64, u64), Due>,
    tokens: Tokens,
    /// Of 100 requests of clients, those that are lost, or their answers.
    lost: usize,
    last: u64,
    counts: BTreeMap<String, u64>,
}

/// Runs the history of a seed, with something broken on purpose or not.
///
/// # Panics
/// When an invariant does not hold, saying which.
pub fn run_apps(seed: u64, sabotage: Option<Sabotage>, is_printed: bool) -> Outcome {
    let mut apps = Apps::new(seed, sabotage);
    apps.cluster.is_printed = is_printed;
    for _ in 0..ACTS {
        apps.act();
        let pause = match apps.random.below(10) {
            0..6 => apps.random.between(0, 30_000),
            6..9 => apps.random.between(0, 2_000_000),
            _ => apps.random.between(0, 20_000_000),
        };
        apps.pass(pause as i64);
    }
    apps.finish();
    let mut counts = apps.counts;
    for (kind, count) in &apps.cluster.counts {
        counts.insert((*kind).to_owned(), *count);
    }
    Outcome { counts }
}

impl Apps {
    fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut random = Random::new(seed ^ 0xa995);
        let faults = match seed % 4 {
            0 => Faults { delay: 50_000, ..Faults::default() },
            _ => Faults {
                delay: *random.pick(&[2_000, 50_000, 500_000]),
                lost_before: random.between(0, 20),
                lost_after: random.between(0, 20),
                twice: random.between(0, 50),
                crash: random.between(0, 200),
                memory_only: random.between(0, 100),
                full: random.between(0, 60),
                cut: random.between(0, 200),
                late: *random.pick(&[0, 0, 4_000_000]),
                again: random.between(0, 30),
                skew: seed % 3 % 2 * 2_000_000,
            },
        };
        let settings = Settings {
            collections: COLLECTIONS.to_owned(),
            variables: [("OPEN".to_owned(), "1".to_owned())].into(),
            isolates: 3,
            faults,
            ..Settings::default()
        };
        let path = |path: &&str| DocumentPath::parse(path).expect("a path");
        let app = |clock| App {
            clock,
            is_offline: false,
            queries: Queries::default(),
            socket: None,
            timers: [0; 5],
            peers: DOCUMENTS.iter().map(path).map(Peer::new).collect(),
            targets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            committed: 0,
        };
        let count = random.between(1, 3);
        Apps {
            apps: (0..count).map(|_| app(random.below(4_000_000) as i64 - 2_000_000)).collect(),
            cluster: Cluster::new(settings, seed).with_sabotage(sabotage),
            asked: BTreeMap::new(),
            sockets: BTreeMap::new(),
            due: BTreeMap::new(),
            tokens: Tokens::default(),
            lost: if seed.is_multiple_of(4) { 0 } else { random.below(12) },
            random,
            last: 0,
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, kind: &str) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn clock(&self, app: usize) -> Timestamp {
        Timestamp::from_micros(self.cluster.now().micros() + self.apps[app].clock)
    }

    fn states(&self, path: &DocumentPath) -> Vec<State> {
        self.cluster.history.get(path.as_str()).cloned().unwrap_or_default()
    }

    // What applications do.

    fn act(&mut self) {
        let app = self.random.below(self.apps.len());
        let peer = self.random.below(DOCUMENTS.len());
        match self.random.below(100) {
            0..45 => self.write(app, peer),
            45..62 => self.toggle_listening(app, peer),
            62..72 => self.wait(app, Waiting::Read(peer)),
            72..87 => self.toggle_query(app),
            87..94 => self.go_offline(app),
            94..96 => self.reload(app),
            _ => {}
        }
    }

    fn write(&mut self, app: usize, peer: usize) {
        let (token, id) = (format!("w{}", self.number()), self.number());
        let seen = self.apps[app].peers[peer].seen().cloned();
        let change = match self.apps[app].peers[peer].is_ledger {
            true => ledger::write(&mut self.random, app, &token, seen.as_ref()),
            false => ledger::anything(&mut self.random, &token),
        };
        self.count("write");
        let (operation, at) = (change.operation().clone(), self.clock(app));
        let made = Rc::new(operation.clone());
        let own = Own { id, operation, at, token, stage: Stage::Open };
        self.apps[app].peers[peer].writes.push(own);
        let path = self.path(app, peer);
        self.tell_queries(app, QueryEvent::Write { path, operation: made });
        self.tell_peer(app, peer, Event::Write { id, change });
    }

    fn path(&self, app: usize, peer: usize) -> Rc<DocumentPath> {
        Rc::new(self.apps[app].peers[peer].replica.path().clone())
    }

    fn toggle_listening(&mut self, app: usize, peer: usize) {
        let one = &mut self.apps[app].peers[peer];
        (one.is_listening, one.shown) = (!one.is_listening, None);
        let event = if one.is_listening { Event::Listen } else { Event::Unlisten };
        self.tell_peer(app, peer, event);
    }

    fn toggle_query(&mut self, app: usize) {
        let numbers: Vec<u64> = self.apps[app].targets.keys().copied().collect();
        if numbers.len() >= 3 || (!numbers.is_empty() && self.random.chance(30)) {
            let target = *self.random.pick(&numbers);
            self.apps[app].targets.remove(&target);
            return self.tell_queries(app, QueryEvent::Unlisten { target });
        }
        let mut json = json!({"from": *self.random.pick(&["one", "two"])});
        match self.random.below(4) {
            0 => json["where"] = json!({"field": "count", "op": ">=", "value": 5}),
            1 => json["orderBy"] = json!([{"field": "count", "direction": "desc"}]),
            2 => {
                json["orderBy"] = json!([{"field": "count", "direction": "asc"}]);
                json["limit"] = json!(1);
            }
            _ => {}
        }
        let query = Query::from_json(json).expect("a query");
        let json = query.to_json();
        let asked = Value::Object(asked(json.as_object().expect("an object"))).to_string();
        let target = self.number();
        self.apps[app].targets.insert(target, query.clone());
        self.tell_queries(app, QueryEvent::Listen { target, query: Box::new(query), asked });
    }

    fn wait(&mut self, app: usize, waiting: Waiting) {
        let id = self.number();
        let (path, patience) = match waiting {
            Waiting::Listen(_) => (None, Patience::UntilItIsHopeless),
            Waiting::Read(peer) => (Some(self.path(app, peer)), Patience::UntilItFails),
        };
        self.apps[app].waiting.insert(id, waiting);
        self.tell_queries(app, QueryEvent::Wait { id, path, patience });
    }

    fn go_offline(&mut self, app: usize) {
        if std::mem::replace(&mut self.apps[app].is_offline, true) {
            return;
        }
        self.count("offline");
        let back = self.cluster.now().micros() + self.random.below(20_000_000) as i64;
        self.later(back, Due::Online(app));
        let owners = (0..DOCUMENTS.len()).map(|peer| Owner::Peer(app, peer));
        for owner in owners.chain([Owner::Queries(app)]) {
            if let Some(socket) = *self.socket(owner) {
                self.hang_up(socket);
                self.hear_socket(owner, Event::Closed(None), QueryEvent::Closed(None));
            }
        }
    }

    fn come_online(&mut self, app: usize) {
        if std::mem::take(&mut self.apps[app].is_offline) {
            self.tell_queries(app, QueryEvent::Online);
            for peer in 0..DOCUMENTS.len() {
                self.tell_peer(app, peer, Event::Online);
            }
        }
    }

    fn reload(&mut self, app: usize) {
        self.count("reload");
        let owners = (0..DOCUMENTS.len()).map(|peer| Owner::Peer(app, peer));
        for owner in owners.chain([Owner::Queries(app)]) {
            if let Some(socket) = self.socket(owner).take() {
                self.hang_up(socket);
            }
        }
        self.asked.retain(|_, (of, _)| *of != app);
        let (one, tokens) = (&mut self.apps[app], &mut self.tokens);
        one.peers.iter_mut().for_each(|peer| peer.reload(tokens));
        one.timers.iter_mut().for_each(|started| *started += 1);
        one.queries = Queries::default();
        (one.targets, one.waiting) = (BTreeMap::new(), BTreeMap::new());
    }

    // The clients, and what they ask for.

    fn tell_peer(&mut self, app: usize, peer: usize, event: Event) {
        let (now, random) = (self.clock(app), self.random.wide());
        for effect in self.apps[app].peers[peer].replica.handle(now, random, event) {
            self.perform(app, peer, effect);
        }
    }

    fn perform(&mut self, app: usize, peer: usize, effect: Effect) {
        match effect {
            Effect::OpenSocket { since } => {
                let since = since.as_ref().map(|(version, epoch)| (*version, &**epoch));
                let target = socket_target(&self.path(app, peer), since);
                self.open(Owner::Peer(app, peer), target);
            }
            Effect::CloseSocket => self.close(Owner::Peer(app, peer)),
            Effect::SendPing => {
                let socket = self.apps[app].peers[peer].socket.expect("a ping needs a socket");
                self.cluster.send(socket, PING);
            }
            Effect::StartTimer { after_ms } => {
                self.apps[app].peers[peer].timer += 1;
                let started = self.apps[app].peers[peer].timer;
                let at = self.cluster.now().micros() + i64::from(after_ms) * 1_000;
                self.later(at, Due::Peer { app, peer, started });
            }
            Effect::StopTimer => self.apps[app].peers[peer].timer += 1,
            Effect::Send { id, write } => {
                let path = self.path(app, peer);
                self.tell_queries(app, QueryEvent::Send { id, path, write });
            }
            Effect::Wait => self.wait(app, Waiting::Listen(peer)),
            Effect::Settled { id, result } => self.settled(app, peer, id, result),
            Effect::Show(visible) => {
                self.count(if visible.pending { "shown pending" } else { "shown" });
                let states = self.states(&self.path(app, peer));
                self.apps[app].peers[peer].show(&visible, &states);
            }
            Effect::Fail(error) => panic!("a replica of client {app} stops listening: {error}"),
            Effect::Connection(state) => self.apps[app].peers[peer].connection = state,
        }
    }

    fn settled(&mut self, app: usize, peer: usize, id: u64, result: Result<u64, Error>) {
        self.count(if result.is_ok() { "write done" } else { "write refused" });
        let path = self.path(app, peer);
        let states = self.states(&path);
        let one = &mut self.apps[app];
        let committed = one.peers[peer].settle(id, &result, &states, &mut self.tokens);
        if let Some(committed) = committed {
            let before = std::mem::replace(&mut one.committed, committed);
            assert!(before <= committed, "write {id} of client {app} was committed too early");
        }
        self.tell_queries(app, QueryEvent::Settled { path, version: result.ok() });
    }

    fn tell_queries(&mut self, app: usize, event: QueryEvent) {
        let (now, random) = (self.clock(app), self.random.wide());
        for effect in self.apps[app].queries.handle(now, random, event) {
            self.perform_queries(app, effect);
        }
    }

    fn perform_queries(&mut self, app: usize, effect: QueryEffect) {
        match effect {
            QueryEffect::OpenSocket => self.open(Owner::Queries(app), "/v1/listen".to_owned()),
            QueryEffect::CloseSocket => self.close(Owner::Queries(app)),
            QueryEffect::Send(text) => {
                let socket = self.apps[app].socket.expect("what is sent needs a socket");
                self.cluster.send(socket, &text);
            }
            QueryEffect::StartTimer { timer, after_ms } => {
                let started = self.restart_timer(app, timer);
                let at = self.cluster.now().micros() + i64::from(after_ms) * 1_000;
                self.later(at, Due::Queries { app, timer, started });
            }
            QueryEffect::StopTimer(timer) => drop(self.restart_timer(app, timer)),
            QueryEffect::Changed => self.look(app),
            QueryEffect::Fail { target, error } => {
                panic!("client {app} stops listening to {target}: {error}")
            }
            QueryEffect::Connection(_) | QueryEffect::Writing(_) => {}
            QueryEffect::Post { request, path, write, .. } => {
                self.count("write by HTTP");
                self.ask(app, write.request(), Asked::Post { request, path });
            }
            QueryEffect::Written(Settled { id, path, result }) => {
                let peers = &self.apps[app].peers;
                let peer = peers.iter().position(|peer| *peer.replica.path() == *path);
                let peer = peer.expect("a write of a replica");
                self.tell_peer(app, peer, Event::Answered { id, result });
            }
            QueryEffect::Ready { id } => match self.apps[app].waiting.remove(&id) {
                Some(Waiting::Listen(peer)) => self.tell_peer(app, peer, Event::Ready),
                Some(Waiting::Read(peer)) => {
                    let request = read_request(&self.path(app, peer));
                    self.ask(app, request, Asked::Read { peer });
                }
                None => panic!("nobody waits as {id}"),
            },
        }
    }

    fn restart_timer(&mut self, app: usize, timer: QueryTimer) -> u64 {
        let started = &mut self.apps[app].timers[timer as usize];
        *started += 1;
        *started
    }

    fn later(&mut self, at: i64, due: Due) {
        let number = self.number();
        self.due.insert((at, number), due);
    }

    // Requests and sockets.

    fn sent(&mut self, request: Request) -> Sent {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let lower = |(name, value): (&str, String)| (name.to_ascii_lowercase(), value);
        Sent {
            isolate: self.random.below(3),
            method: method.to_owned(),
            path: request.target,
            headers: request.headers.into_iter().map(lower).collect(),
            body: request.body.unwrap_or_default(),
        }
    }

    /// Sends a request. Returns its number.
    fn ask(&mut self, app: usize, request: Request, asked: Asked) -> u64 {
        let mut sent = self.sent(request);
        if matches!(asked, Asked::Socket(_)) {
            sent.headers.push(("upgrade".to_owned(), "websocket".to_owned()));
        }
        let (is_offline, now) = (self.apps[app].is_offline, self.cluster.now().micros());
        let is_lost = is_offline || self.random.chance(self.lost);
        let number = match is_lost {
            true => self.cluster.number(),
            false => self.cluster.request(sent),
        };
        self.asked.insert(number, (app, asked));
        let patience = if is_offline { 1_000 } else { TIMEOUT_MICROS };
        self.later(now + patience, Due::Timeout(number));
        number
    }

    fn socket(&mut self, owner: Owner) -> &mut Option<u64> {
        match owner {
            Owner::Peer(app, peer) => &mut self.apps[app].peers[peer].socket,
            Owner::Queries(app) => &mut self.apps[app].socket,
        }
    }

    fn open(&mut self, owner: Owner, target: String) {
        let app = match owner {
            Owner::Peer(app, _) | Owner::Queries(app) => app,
        };
        let request = Request { method: Method::Get, target, headers: Vec::new(), body: None };
        let number = self.ask(app, request, Asked::Socket(owner));
        *self.socket(owner) = Some(number);
    }

    fn close(&mut self, owner: Owner) {
        if let Some(socket) = self.socket(owner).take() {
            self.hang_up(socket);
        }
    }

    fn hang_up(&mut self, socket: u64) {
        // One that is being opened is closed when it is.
        self.asked.remove(&socket);
        if self.sockets.remove(&socket).is_some() {
            self.cluster.close(socket);
        }
    }

    /// Tells the owner of a socket of it.
    fn hear_socket(&mut self, owner: Owner, event: Event, query_event: QueryEvent) {
        let is_over = matches!(event, Event::Closed(_));
        if is_over {
            *self.socket(owner) = None;
        }
        match owner {
            Owner::Peer(app, peer) => self.tell_peer(app, peer, event),
            Owner::Queries(app) => self.tell_queries(app, query_event),
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Answer(number, reply) => {
                if self.random.chance(self.lost) {
                    return self.count("answer lost on its way to a client");
                }
                let none = Error::new(Code::Unavailable, "no answer");
                let response = |reply: blaze_engine::http::reply::Reply| Response {
                    status: reply.status,
                    body: reply.body,
                    ..Response::default()
                };
                self.answered(number, reply.map(response).ok_or(none));
            }
            Heard::Opened(number, link) => {
                let Some((_, Asked::Socket(owner))) = self.asked.remove(&number) else {
                    return self.cluster.close(link);
                };
                self.sockets.insert(link, owner);
                *self.socket(owner) = Some(link);
                self.hear_socket(owner, Event::Opened, QueryEvent::Opened);
            }
            Heard::Frame(link, text) => {
                let Some(owner) = self.sockets.get(&link).copied() else { return };
                self.count("frame");
                let json = serde_json::from_str(&text).expect("a frame is JSON");
                match owner {
                    Owner::Peer(app, peer) => {
                        self.tell_peer(app, peer, Event::Received(ServerMessage::parse(&text)));
                    }
                    Owner::Queries(app) => {
                        let received = QueryEvent::Received(QueryMessage::from_json(json));
                        self.tell_queries(app, received);
                    }
                }
            }
            Heard::Closed(link, _) => {
                if let Some(owner) = self.sockets.remove(&link) {
                    self.hear_socket(owner, Event::Closed(None), QueryEvent::Closed(None));
                }
            }
        }
    }

    fn answered(&mut self, number: u64, reply: Reply) {
        let Some((app, asked)) = self.asked.remove(&number) else { return };
        match asked {
            Asked::Post { request, path } => {
                let answer = write_answer(&path, reply);
                self.tell_queries(app, QueryEvent::Answered { request, answer });
            }
            Asked::Read { peer } => {
                let path = self.path(app, peer);
                let Ok(Read::Found(found)) = read_answer(&path, reply) else { return };
                self.count("read");
                check_state(&self.states(&path), found.version, &found.data);
            }
            Asked::Socket(owner) => {
                self.hear_socket(owner, Event::Closed(None), QueryEvent::Closed(None));
            }
        }
    }

    // Time.

    fn pass(&mut self, micros: i64) {
        let until = self.cluster.now().micros() + micros;
        loop {
            let next = self.due.keys().next().map_or(i64::MAX, |(at, _)| *at);
            let at = Timestamp::from_micros(next.min(until));
            while self.cluster.step(at) {
                while let Some(heard) = self.cluster.hear() {
                    self.hear(heard);
                }
                if self.due.keys().next().is_some_and(|(earlier, _)| *earlier < next) {
                    break;
                }
            }
            let next = self.due.keys().next().map_or(i64::MAX, |(at, _)| *at);
            if self.cluster.next_at().is_some_and(|at| at <= next.min(until)) {
                continue;
            }
            self.cluster.run_until(Timestamp::from_micros(next.min(until)));
            if next > until {
                return;
            }
            if let Some((_, due)) = self.due.pop_first() {
                self.come(due);
            }
        }
    }

    fn come(&mut self, due: Due) {
        match due {
            Due::Peer { app, peer, started } => {
                if self.apps[app].peers[peer].timer == started {
                    self.tell_peer(app, peer, Event::Timer);
                }
            }
            Due::Queries { app, timer, started } => {
                if self.apps[app].timers[timer as usize] == started {
                    self.tell_queries(app, QueryEvent::Timer(timer));
                }
            }
            Due::Timeout(number) => {
                self.answered(number, Err(Error::new(Code::Unavailable, "no answer")));
            }
            Due::Online(app) => self.come_online(app),
        }
    }

    // What applications are shown of queries.

    fn look(&mut self, app: usize) {
        let targets: Vec<u64> = self.apps[app].targets.keys().copied().collect();
        for target in targets {
            let Some(rows) = self.apps[app].queries.rows(target) else { continue };
            for row in rows.iter() {
                self.count(if row.pending { "row shown pending" } else { "row shown" });
                if is_ledger(&row.path) {
                    ledger::tokens(&Value::Object((*row.data).clone()));
                }
                if !row.pending {
                    check_state(&self.states(&row.path), row.version, &row.data);
                }
            }
        }
    }

    fn check_queries(&mut self) {
        for app in 0..self.apps.len() {
            for (target, query) in self.apps[app].targets.clone() {
                let rows = self.apps[app].queries.rows(target);
                let rows = rows.unwrap_or_else(|| panic!("client {app} was shown no {target}"));
                let shown: Vec<(String, u64, bool)> = rows
                    .iter()
                    .map(|row| (row.path.as_str().to_owned(), row.version, row.pending))
                    .collect();
                let wanted = self.wanted(&query);
                assert_eq!(shown, wanted, "client {app}: the rows of {}", query.to_json());
            }
        }
    }

    /// The rows that a query has when nothing happens any more.
    fn wanted(&self, query: &Query) -> Vec<(String, u64, bool)> {
        let matcher = Matcher::new(query.clone());
        let mut found = Vec::new();
        for path in DOCUMENTS {
            let path = DocumentPath::parse(path).expect("a path");
            let Some(State { version, data: Some(data), .. }) = self.states(&path).pop() else {
                continue;
            };
            let data = data.as_object().expect("an object").clone();
            if matcher.matches(&path, &data) {
                found.push((path, data, version));
            }
        }
        found.sort_by(|a, b| matcher.compare((&a.0, &a.1), (&b.0, &b.1)));
        if let Some(Limit::First(limit)) = query.limit {
            found.truncate(limit as usize);
        }
        found
            .into_iter()
            .map(|(path, _, version)| (path.as_str().to_owned(), version, false))
            .collect()
    }

    /// Ends the faults, and checks what must hold when nothing happens any more.
    fn finish(&mut self) {
        self.cluster.set_faults(Faults::default());
        self.lost = 0;
        for app in 0..self.apps.len() {
            self.come_online(app);
        }
        self.pass(QUIET_MICROS);
        for app in &self.apps {
            for peer in &app.peers {
                peer.check_quiet(&self.states(peer.replica.path()));
            }
        }
        self.check_queries();
        self.cluster.check_index_rows();
        let ledgers = self.apps[0].peers.iter().filter(|peer| peer.is_ledger);
        let lasts = ledgers.filter_map(|peer| self.states(peer.replica.path()).pop()?.data);
        let kept: BTreeSet<String> = lasts.flat_map(|data| ledger::tokens(&data)).collect();
        self.tokens.check(&kept);
    }
}

/// # Panics
/// If there was no such state.
fn check_state(states: &[State], version: u64, data: &Map) {
    let state = states.iter().find(|state| state.version == version);
    let was = state.and_then(|state| state.data.clone());
    assert_eq!(was, Some(Value::Object(data.clone())), "a state of version {version} is shown");
}
