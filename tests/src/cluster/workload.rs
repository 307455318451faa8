//! Clients that do all that clients may, at random, and hold what they hear against the [oracle](super::oracle).

use super::Faults;
use super::accounts::{Account, Act};
use super::oracle::{Oracle, check_found, state_at};
use super::rules::{Variant, Who};
use super::sabotage::Sabotage;
use super::shell::{Cluster, Heard, Sent, Settings};
use super::socket::{Kind, Socket};
use super::watch::{Filter, Shown, shown};
use crate::random::Random;
use crate::script::token;
use blaze_engine::http::reply::Reply;
use blaze_schema::timestamp::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Isolates of a cluster.
const ISOLATES: usize = 3;
/// Things that clients do in a history.
const ACTS: usize = 90;
/// The account has its turn after so many of them.
const ACCOUNT_ACTS: usize = 8;
/// Every request is answered within this (µs), unless its front ended.
pub(super) const ANSWER_MICROS: i64 = 60_000_000;
/// A request without an answer is under way no longer than this (µs).
const UNDER_WAY_MICROS: i64 = 10_000_000;
/// Lifetime of a token in seconds.
const TOKEN_SECONDS: i64 = 60;

/// The documents that clients write.
const DOCUMENTS: [&str; 8] = [
    "open/d0",
    "open/d1",
    "open/d2",
    "notes/n0",
    "notes/n1",
    "notes/n2",
    "rooms/r/messages/m0",
    "rooms/r/messages/m1",
];
/// Their collections.
const COLLECTIONS: [&str; 3] = ["open", "notes", "rooms/r/messages"];
const USERS: [&str; 2] = ["alice", "bob"];

/// The outcome of a history: what happened, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Counts by kind.
    pub counts: BTreeMap<String, u64>,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Pending {
    at: i64,
    who: Who,
    asked: Asked,
}

#[derive(Clone, Debug)]
pub(super) enum Asked {
    Rules,
    Account(Act),
    Member,
    KeyMade,
    KeyRevoked(usize),
    Read {
        path: &'static str,
        floor: u64,
    },
    Write {
        sent: Sent,
        path: &'static str,
        marker: Option<String>,
        repeats: u32,
    },
    /// A write that was answered is sent once more.
    Again {
        first: Reply,
    },
    Commit {
        path: &'static str,
        marker: String,
    },
    Query {
        filter: Filter,
        floors: BTreeMap<String, u64>,
    },
    Open(Box<Socket>),
}

/// An API key.
#[derive(Debug)]
struct Key {
    id: String,
    text: String,
    is_good: bool,
}

pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) random: Random,
    pub(super) oracle: Oracle,
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) sockets: BTreeMap<u64, Socket>,
    keys: Vec<Key>,
    pub(super) account: Option<Account>,
    /// For histories in which some sockets authenticate by their first message.
    late: Option<Random>,
    /// For histories in which more happens: it leaves the others as they are.
    more: Option<Random>,
    /// The markers of writes that were refused.
    pub(super) refused: BTreeMap<String, String>,
    /// True while rules are on their way.
    is_deploying: bool,
    /// Rules that were sent without an answer may yet come into force until then (µs): no others are sent before.
    deploys_from: i64,
    last: u64,
    counts: BTreeMap<String, u64>,
}

/// `collections.json`, with other indexes each time if `random` is given.
fn collections(random: Option<&mut Random>) -> Value {
    let mut notes = json!({"shards": 2});
    let mut messages = json!({"group": true});
    let mut open = json!({});
    if let Some(random) = random {
        for settings in [&mut notes, &mut messages, &mut open] {
            let composites = [json!(["owner", "-n"]), json!(["n", "owner"])];
            let composites: Vec<Value> =
                composites.into_iter().filter(|_| random.chance(50)).collect();
            settings["indexes"] = json!(composites);
            if random.chance(30) {
                settings["exempt"] = json!(["last"]);
            }
        }
    }
    json!({"notes": notes, "messages": messages, "open": open})
}

/// Runs the history of a seed, with something broken on purpose or not.
///
/// # Panics
/// When an invariant does not hold, saying which.
pub fn run(seed: u64, sabotage: Option<Sabotage>, is_printed: bool) -> Outcome {
    let mut world = World::new(seed, sabotage);
    world.cluster.is_printed = is_printed;
    world.begin();
    let faults = world.faults(seed, sabotage);
    let faults = world.more_faults(faults);
    if faults == (Faults { delay: faults.delay, ..Faults::default() }) {
        world.oracle.delays(faults.delay as i64);
    }
    world.cluster.set_faults(faults);
    for number in 0..ACTS {
        world.act();
        if number % ACCOUNT_ACTS == 0 {
            world.act_on_account();
        }
        if world.more.as_mut().is_some_and(|random| random.chance(1)) {
            let collections = collections(world.more.as_mut());
            world.cluster.deploy(collections.to_string());
        }
        let pause = match world.random.below(10) {
            0..6 => world.random.between(0, 30_000),
            6..9 => world.random.between(0, 2_000_000),
            _ => world.random.between(0, 15_000_000),
        };
        world.pass(pause as i64);
    }
    world.finish();
    let mut counts = world.counts;
    for (kind, count) in &world.cluster.counts {
        counts.insert((*kind).to_owned(), *count);
    }
    Outcome { counts }
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut access = token::access();
        if seed % 2 == 1 {
            access["rates"] = json!({"identity": {"requests": 100, "seconds": 60}});
        }
        if Account::of(seed).is_some() {
            access["accounts"] = json!({"passwords": true, "signUp": true});
        }
        let settings = Settings {
            collections: collections(None).to_string(),
            access: access.to_string(),
            variables: [token::variable()].into(),
            isolates: ISOLATES,
            faults: Faults::default(),
        };
        World {
            cluster: Cluster::new(settings, seed).with_sabotage(sabotage),
            random: Random::new(seed ^ 0x5eed),
            oracle: Oracle::new(),
            pending: BTreeMap::new(),
            sockets: BTreeMap::new(),
            keys: Vec::new(),
            account: Account::of(seed),
            late: matches!(seed % 8, 1 | 2).then(|| Random::new(seed)),
            more: matches!(seed % 8, 3 | 5 | 6).then(|| Random::new(seed ^ 0x303e)),
            refused: BTreeMap::new(),
            is_deploying: false,
            deploys_from: 0,
            last: 0,
            counts: BTreeMap::new(),
        }
    }

    /// The faults of a history: of every fourth none but delays.
    fn faults(&mut self, seed: u64, sabotage: Option<Sabotage>) -> Faults {
        let random = &mut self.random;
        let delay = *random.pick(&[2_000, 50_000, 500_000]);
        if seed.is_multiple_of(4) && sabotage.is_none() {
            return Faults { delay, ..Faults::default() };
        }
        Faults {
            delay,
            lost_before: random.between(0, 20),
            lost_after: random.between(0, 20),
            twice: random.between(0, 50),
            // What is broken then happens at crashes alone.
            crash: match (random.between(0, 200), sabotage) {
                (_, Some(Sabotage::AnswerWithoutCommit)) => 200,
                (crash, _) => crash,
            },
            memory_only: random.between(0, 100),
            ..Faults::default()
        }
    }

    /// More faults, in some histories.
    fn more_faults(&mut self, faults: Faults) -> Faults {
        let Some(random) = &mut self.more else { return faults };
        let faults = Faults {
            full: random.between(0, 400),
            cut: random.between(0, 200),
            late: *random.pick(&[0, 0, 4_000_000]),
            again: random.between(0, 30),
            ..faults
        };
        Faults { skew: faults.again % 3 * 1_000_000, ..faults }
    }

    pub(super) fn now(&self) -> i64 {
        self.cluster.now().micros()
    }

    pub(super) fn count(&mut self, kind: &str) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
    }

    /// True if a disk was ever full.
    pub(super) fn has_full_disks(&self) -> bool {
        self.cluster.counts.contains_key("disk full")
    }

    pub(super) fn counted(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or_default()
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Rules, members, and a few documents, before anything goes wrong.
    fn begin(&mut self) {
        self.deploy(Variant::Wide);
        self.pass(1_000_000);
        for user in USERS {
            self.member(user, true);
        }
        for path in DOCUMENTS {
            self.write(Who::Root, path);
        }
        self.pass(1_000_000);
        assert!(self.pending.is_empty(), "without faults all is answered at once");
    }

    // Time.

    pub(super) fn pass(&mut self, micros: i64) {
        let until = Timestamp::from_micros(self.now() + micros);
        while self.cluster.step(until) {
            self.listen();
        }
        self.cluster.run_until(until);
        self.listen();
        let now = self.now();
        if let Some(late) = self.pending.values().find(|one| now - one.at > ANSWER_MICROS) {
            panic!("not answered: {late:?}");
        }
        let mut sockets = std::mem::take(&mut self.sockets);
        for (link, socket) in &mut sockets {
            self.tend(*link, socket);
        }
        self.sockets = sockets;
    }

    /// Pings a socket, and renews its token.
    fn tend(&mut self, link: u64, socket: &mut Socket) {
        let now = self.now();
        socket.check_time(now);
        if socket.wants_token(now)
            && let Who::User(uid) = socket.who
        {
            let (token, expires) = self.token(uid);
            self.cluster.send(link, &json!({"auth": token}).to_string());
            socket.tokens.push((now, expires));
            self.count("token renewed");
        }
        if socket.ping.is_none() && self.random.chance(30) {
            let is_of_document = matches!(socket.kind, Kind::Document(_));
            let is_plain = self.more.as_mut().is_some_and(|random| random.chance(50));
            // The shell answers such a one by itself.
            let number = if is_plain && is_of_document { 0 } else { self.number() };
            socket.ping = Some((number, now));
            self.cluster.send(link, &json!({"ping": number}).to_string());
        }
    }

    fn listen(&mut self) {
        while let Some(heard) = self.cluster.hear() {
            match heard {
                Heard::Answer(request, reply) => {
                    let Some(pending) = self.pending.remove(&request) else { continue };
                    match reply {
                        Some(reply) => self.answered(pending, &reply),
                        None => self.unanswered(pending),
                    }
                }
                Heard::Opened(request, link) => {
                    let Some(Pending { asked: Asked::Open(mut socket), .. }) =
                        self.pending.remove(&request)
                    else {
                        continue;
                    };
                    self.count("socket");
                    if let Some(token) = socket.late.take() {
                        self.count("socket authenticated late");
                        self.cluster.send(link, &json!({"auth": token}).to_string());
                    }
                    if let Kind::Targets(_) = socket.kind {
                        for listen in socket.listens() {
                            self.cluster.send(link, &listen.to_string());
                        }
                    }
                    socket.opened = self.now();
                    self.sockets.insert(link, *socket);
                }
                Heard::Frame(link, text) => {
                    let Some(mut socket) = self.sockets.remove(&link) else { continue };
                    self.frame(&mut socket, &text);
                    self.sockets.insert(link, socket);
                }
                Heard::Closed(link, _) => {
                    let Some(socket) = self.sockets.remove(&link) else { continue };
                    self.count("socket closed");
                    if self.random.chance(70) {
                        self.reopen(socket);
                    }
                }
            }
        }
    }

    fn frame(&mut self, socket: &mut Socket, text: &str) {
        let frame: Value = serde_json::from_str(text).expect("JSON");
        let now = self.now();
        let mut kinds = Vec::new();
        let mut count = |kind: &str| kinds.push(kind.to_owned());
        let all = socket.apply(&frame, now, &self.cluster.history, &mut count);
        for kind in kinds.iter().filter(|kind| !kind.is_empty()) {
            self.count(kind);
        }
        for shown in all {
            self.count("shown by a frame");
            self.oracle.see(&self.cluster, &socket.who, &shown);
        }
        if let Some(result) = frame.get("result") {
            let path = result["path"].as_str().expect("a path").to_owned();
            let version = result["version"].as_u64().expect("a version");
            let marker = socket.writes.remove(frame["id"].as_str().expect("an id"));
            self.count("write by a socket");
            self.written(&path, version, marker.flatten().as_deref());
        }
    }

    /// A write was answered.
    fn written(&mut self, path: &str, version: u64, marker: Option<&str>) {
        let state = state_at(&self.cluster.history, path, version);
        let state = state.unwrap_or_else(|| {
            panic!("a write was answered, and {path} never had its version {version}")
        });
        if let Some(marker) = marker {
            let last = state.data.as_ref().and_then(|data| data["last"].as_str());
            assert_eq!(last, Some(marker), "{path}: version {version} is not that of the write");
        }
        let newest = self.oracle.shown.entry(path.to_owned()).or_default();
        *newest = (*newest).max(version);
    }

    // Requests.

    fn token(&self, uid: &str) -> (String, i64) {
        let expires = self.now() / 1_000_000 + TOKEN_SECONDS;
        let claims = json!({"sub": uid, "exp": expires});
        let token = token::token(self.cluster.now(), claims.as_object().expect("an object"));
        (token, expires * 1_000_000)
    }

    /// The credential of somebody, and when it ends.
    fn credential(&self, who: &Who) -> Option<(String, i64)> {
        match who {
            Who::Nobody => None,
            Who::User(uid) => Some(self.token(uid)),
            Who::Root => {
                let claims = json!({"sub": "root", "roles": ["admin"]});
                let claims = claims.as_object().expect("an object");
                Some((token::token(self.cluster.now(), claims), i64::MAX))
            }
            Who::Key(place) => Some((self.keys[*place].text.clone(), i64::MAX)),
        }
    }

    pub(super) fn sent(&mut self, who: &Who, method: &str, path: &str, body: &Value) -> Sent {
        let mut headers = Vec::new();
        if let Some((credential, _)) = self.credential(who) {
            headers.push(("authorization".to_owned(), format!("Bearer {credential}")));
        }
        let body = match body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            body => {
                let json = "application/json".to_owned();
                headers.push(("content-type".to_owned(), json));
                body.to_string()
            }
        };
        let isolate = self.random.below(ISOLATES);
        Sent { isolate, method: method.to_owned(), path: path.to_owned(), headers, body }
    }

    pub(super) fn ask(&mut self, who: Who, sent: Sent, asked: Asked) {
        let request = self.cluster.request(sent);
        self.pending.insert(request, Pending { at: self.now(), who, asked });
    }

    pub(super) fn deploy(&mut self, variant: Variant) {
        self.is_deploying = true;
        self.oracle.rules_sent(variant);
        let sent = self.sent(&Who::Root, "PUT", "/v1/rules", &Value::String(variant.text()));
        self.ask(Who::Root, sent, Asked::Rules);
    }

    pub(super) fn member(&mut self, user: &str, is_member: bool) {
        let path = format!("/v1/docs/rooms/r/members/{user}");
        let (method, body) = if is_member { ("PUT", json!({})) } else { ("DELETE", Value::Null) };
        let sent = self.sent(&Who::Root, method, &path, &body);
        self.ask(Who::Root, sent, Asked::Member);
    }

    fn write(&mut self, who: Who, path: &'static str) {
        let marker = format!("w{}", self.number());
        let owner = match &who {
            Who::User(uid) => *uid,
            _ => *self.random.pick(&USERS),
        };
        let (n, url) = (self.random.below(10), format!("/v1/docs/{path}"));
        let (method, media, body) = match self.random.below(8) {
            0 => ("DELETE", "", Value::Null),
            1 | 2 => {
                let body = json!({"n": {"$increment": 1}, "last": marker});
                ("PATCH", "application/json", body)
            }
            3 => ("PATCH", "application/merge-patch+json", json!({"n": n, "last": marker})),
            _ => ("PUT", "application/json", json!({"n": n, "owner": owner, "last": marker})),
        };
        let mut sent = self.sent(&who, method, &url, &body);
        let typed = sent.headers.iter_mut().find(|(name, _)| name == "content-type");
        if let Some((_, value)) = typed {
            media.clone_into(value);
        }
        let repeats = if self.random.chance(50) { 2 } else { 0 };
        if repeats > 0 {
            sent.headers.push(("idempotency-key".to_owned(), marker.clone()));
        }
        let marker = (method != "DELETE").then_some(marker);
        let asked = Asked::Write { sent: sent.clone(), path, marker, repeats };
        self.ask(who, sent, asked);
    }

    pub(super) fn read_document(&mut self, who: Who, path: &'static str) {
        let floor = self.oracle.shown.get(path).copied().unwrap_or_default();
        let sent = self.sent(&who, "GET", &format!("/v1/docs/{path}"), &Value::Null);
        self.ask(who, sent, Asked::Read { path, floor });
    }

    pub(super) fn query(&mut self, who: Who, collection: &'static str, filter: Filter) {
        let floors = self.oracle.floors(collection);
        let query = filter.query(collection);
        let sent = self.sent(&who, "POST", "/v1/query", &query);
        self.ask(who, sent, Asked::Query { filter, floors });
    }

    pub(super) fn make_key(&mut self) {
        let body = json!({"name": "k", "roles": []});
        let sent = self.sent(&Who::Root, "POST", "/v1/keys", &body);
        self.ask(Who::Root, sent, Asked::KeyMade);
    }

    pub(super) fn revoke_key(&mut self) {
        let Some(place) = self.keys.iter().position(|key| key.is_good) else { return };
        let url = format!("/v1/keys/{}", self.keys[place].id);
        let sent = self.sent(&Who::Root, "DELETE", &url, &Value::Null);
        self.ask(Who::Root, sent, Asked::KeyRevoked(place));
    }

    fn somebody(&mut self) -> Who {
        let good: Vec<usize> = (0..self.keys.len()).filter(|key| self.keys[*key].is_good).collect();
        match self.random.below(10) {
            0 | 1 => Who::Nobody,
            2 => Who::Root,
            3 if !good.is_empty() => Who::Key(*self.random.pick(&good)),
            _ => {
                let user = *self.random.pick(&USERS);
                Who::User(user)
            }
        }
    }

    /// A query that this client may ask, if the rules are wide.
    fn question(&mut self, who: &Who) -> (&'static str, Filter) {
        let collection = *self.random.pick(&COLLECTIONS);
        let is_window = self.more.as_mut().is_some_and(|random| random.chance(40));
        let filter = match (collection, who) {
            ("notes", Who::User(uid)) if is_window => Filter::Top(Some(uid)),
            _ if is_window => Filter::Top(None),
            ("notes", Who::User(uid)) => Filter::Owner(uid),
            _ if self.random.chance(50) => Filter::AtLeast(5),
            _ => Filter::All,
        };
        (collection, filter)
    }

    fn act(&mut self) {
        let (who, path) = (self.somebody(), *self.random.pick(&DOCUMENTS));
        match self.random.below(24) {
            0..8 => self.write(who, path),
            8 | 9 => self.read_document(who, path),
            10..13 => {
                let (collection, filter) = self.question(&who);
                self.query(who, collection, filter);
            }
            13 => {
                let marker = format!("w{}", self.number());
                let write = json!({"merge": path, "data": {"last": marker}});
                let sent = self.sent(&who, "POST", "/v1/commit", &json!({"writes": [write]}));
                self.ask(who, sent, Asked::Commit { path, marker });
            }
            14 | 15 => self.open(Socket::of_document(who, path)),
            16 | 17 => {
                let targets = self.random.between(1, 3);
                let socket = self.targets(who, targets);
                self.open(socket);
            }
            18 | 19 => self.say(),
            20 => {
                let (user, is_member) = (*self.random.pick(&USERS), self.random.chance(60));
                self.member(user, is_member);
            }
            21 if !self.is_deploying && self.deploys_from <= self.now() => {
                let variant = *self.random.pick(&Variant::ALL);
                self.deploy(variant);
            }
            22 => self.make_key(),
            23 => self.revoke_key(),
            _ => {}
        }
    }

    // Sockets.

    fn targets(&mut self, who: Who, count: u64) -> Socket {
        let mut socket = Socket::of_targets(who.clone());
        for _ in 0..count {
            if self.random.chance(50) {
                let path = *self.random.pick(&DOCUMENTS);
                socket.add_document(path);
            } else {
                let (collection, filter) = self.question(&who);
                socket.add_query(collection, filter, BTreeMap::new());
            }
        }
        socket
    }

    pub(super) fn open(&mut self, mut socket: Socket) {
        let who = socket.who.clone();
        let mut sent = self.sent(&Who::Nobody, "GET", &socket.url(), &Value::Null);
        sent.headers.push(("upgrade".to_owned(), "websocket".to_owned()));
        if let Some((credential, expires)) = self.credential(&who) {
            if self.late.as_mut().is_some_and(|random| random.chance(50)) {
                socket.late = Some(credential);
            } else {
                let protocols = format!("blaze.v1, bearer.{credential}");
                sent.headers.push(("sec-websocket-protocol".to_owned(), protocols));
            }
            socket.tokens = vec![(self.now(), expires)];
        }
        socket.asked = self.now();
        socket.begin(|collection| self.oracle.floors(collection));
        self.ask(who, sent, Asked::Open(Box::new(socket)));
    }

    /// Comes back with what a socket had.
    fn reopen(&mut self, socket: Socket) {
        if matches!(socket.who, Who::Key(place) if !self.keys[place].is_good) {
            return;
        }
        self.count("socket opened again");
        self.open(socket.again());
    }

    /// Sends something on a socket: a write, or the end.
    pub(super) fn say(&mut self) {
        let links: Vec<u64> = self.sockets.keys().copied().collect();
        if links.is_empty() {
            return;
        }
        let link = *self.random.pick(&links);
        if self.random.chance(20) {
            self.sockets.remove(&link);
            return self.cluster.close(link);
        }
        let (number, path) = (self.number(), *self.random.pick(&DOCUMENTS));
        let Some(socket) = self.sockets.get_mut(&link) else { return };
        let (id, marker) = (format!("i{number}"), format!("w{number}"));
        let path = match &socket.kind {
            Kind::Document(watch) => watch.path.clone(),
            Kind::Targets(_) => path.to_owned(),
        };
        let data = json!({"n": {"$increment": 1}, "last": marker});
        socket.writes.insert(id.clone(), Some(marker));
        let write = json!({"write": {"id": id, "merge": path, "data": data}});
        self.cluster.send(link, &write.to_string());
    }

    // Answers.

    fn unanswered(&mut self, pending: Pending) {
        self.count("request without an answer");
        match pending.asked {
            Asked::Rules => self.rules_unanswered(),
            Asked::Account(act) => self.account_answered(act, None),
            Asked::Write { sent, path, marker, repeats } if repeats > 0 => {
                self.count("write repeated");
                let repeats = repeats - 1;
                let asked = Asked::Write { sent: sent.clone(), path, marker, repeats };
                self.ask(pending.who, sent, asked);
            }
            _ => {}
        }
    }

    fn rules_unanswered(&mut self) {
        self.is_deploying = false;
        self.deploys_from = self.now() + UNDER_WAY_MICROS;
    }

    fn answered(&mut self, pending: Pending, reply: &Reply) {
        let Pending { who, asked, at } = pending;
        assert!(reply.status != 500 || self.has_full_disks(), "{asked:?}: {}", reply.body);
        let is_good = (200..300).contains(&reply.status);
        let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        if reply.status == 503 {
            self.count("unavailable");
        }
        match asked {
            Asked::Account(act) => self.account_answered(act, Some(reply)),
            Asked::Rules if is_good => {
                self.is_deploying = false;
                self.count("rules");
                self.oracle.rules_done(self.now());
            }
            Asked::Rules => self.rules_unanswered(),
            Asked::KeyMade if is_good => {
                let text = |name: &str| body[name].as_str().expect("a text").to_owned();
                self.keys.push(Key { id: text("id"), text: text("key"), is_good: true });
            }
            Asked::KeyRevoked(place) => {
                self.keys[place].is_good = false;
                if is_good {
                    self.count("key revoked");
                    self.oracle.revoked.insert(place, self.now());
                }
            }
            Asked::Read { path, floor } => self.read(&who, path, floor, reply, &body),
            Asked::Again { first } => self.answered_again(&first, reply, body),
            Asked::Write { sent, path, marker, .. } if is_good => {
                self.repeat(&who, sent, reply);
                let version = version(reply).expect("a version");
                self.count("write");
                if version > 0 {
                    self.written(path, version, marker.as_deref());
                }
                self.see(&who, &body);
            }
            asked @ Asked::Write { .. } if matches!(reply.status, 500 | 503) => {
                self.unanswered(Pending { at, who, asked });
            }
            // Who is forbidden to repeat it may have done it before: that answer is not kept.
            Asked::Write { path, marker: Some(marker), .. }
                if matches!(reply.status, 400 | 404 | 409 | 412) =>
            {
                self.count("write refused");
                self.refused.insert(marker, path.to_owned());
            }
            Asked::Commit { path, marker } if is_good => {
                self.count("commit");
                let version = body["results"][0]["version"].as_u64().expect("a version");
                self.written(path, version, Some(&marker));
            }
            Asked::Query { filter, floors } if is_good => {
                self.count("query");
                let documents = body["documents"].as_array().expect("documents");
                let found: Vec<Shown> = documents.iter().filter_map(shown).collect();
                check_found(&self.cluster.history, &filter, &floors, &found);
                for document in documents {
                    self.see(&who, document);
                }
            }
            _ => {}
        }
    }

    /// Sends a write that was answered once more, now and then.
    fn repeat(&mut self, who: &Who, sent: Sent, reply: &Reply) {
        let is_keyed = sent.headers.iter().any(|(name, _)| name == "idempotency-key");
        if is_keyed && self.more.as_mut().is_some_and(|random| random.chance(30)) {
            self.ask(who.clone(), sent, Asked::Again { first: reply.clone() });
        }
    }

    /// A write that was sent once more was answered.
    fn answered_again(&mut self, first: &Reply, reply: &Reply, body: Value) {
        let is_good = (200..300).contains(&reply.status);
        assert!(!is_good || reply.status == first.status, "first {first:?}, and then {reply:?}");
        if !is_good {
            return;
        }
        self.count("first answer given again");
        // Data are for whoever may read them by then.
        let without_data = |mut body: Value| {
            body.as_object_mut().map(|body| body.remove("data"));
            body
        };
        let first = without_data(serde_json::from_str(&first.body).unwrap_or_default());
        assert_eq!(first, without_data(body), "the first answer to a write, and another one");
    }

    fn read(&mut self, who: &Who, path: &str, floor: u64, reply: &Reply, body: &Value) {
        let found = match reply.status {
            200 => shown(body),
            404 => {
                let version = body["version"].as_u64();
                version.map(|version| Shown { path: path.to_owned(), version, data: None })
            }
            _ => None,
        };
        let Some(found) = found else { return };
        self.count("read");
        let version = found.version;
        assert!(version >= floor, "{path} is read at version {version}, after {floor} was shown");
        self.oracle.see(&self.cluster, who, &found);
    }

    /// A resource was in an answer, perhaps without its data.
    fn see(&mut self, who: &Who, resource: &Value) {
        if let Some(shown) = shown(resource) {
            self.count("shown by an answer");
            self.oracle.see(&self.cluster, who, &shown);
        }
    }
}

fn version(reply: &Reply) -> Option<u64> {
    let (_, tag) = reply.headers.iter().find(|(name, _)| *name == "etag")?;
    tag.trim_matches('"').parse().ok()
}
