//! kill -9 and restart, for the indexes: what was answered is in the very next query, and what was seen is in the next one,
//! whether it was answered or not. And a restart with other settings over documents that are there.

use blaze_tests::client::{Client, MERGE_PATCH, Reply, documents};
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Session, Socket};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Writers, each of which writes documents of all collections.
const WRITERS: usize = 16;
/// Writes that are answered before the server is killed.
const ANSWERED: usize = 250;
/// Documents of each collection: so few that writes of one meet.
const DOCUMENTS: usize = 10;
/// Values of the field that many documents share.
const KINDS: usize = 4;
/// Elements of an array in each document that is set: as many entries.
const WORDS: usize = 20;
/// Sockets that each send writes without waiting, just before the server is killed. The writes of one socket are done one
/// after the other, so a document that is ahead of its index takes several sockets.
const SOCKETS: usize = 20;
/// Writes of one socket in such a burst.
const BURST: usize = 5;
/// The server is killed so often.
const ROUNDS: u64 = 3;
/// One index object, four of them, and two collections that have one together besides their own.
const COLLECTIONS: [&str; 4] = ["plain", "sharded", "rooms/a/grouped", "rooms/b/grouped"];

fn settings() -> Value {
    json!({"sharded": {"shards": 4}, "grouped": {"group": true}})
}

/// What can be queried.
fn sources() -> Vec<Value> {
    let collections = COLLECTIONS.iter().map(|collection| json!(collection));
    collections.chain([json!({"group": "grouped"})]).collect()
}

/// Whether a document is of a source.
fn is_of(path: &str, source: &Value) -> bool {
    let (collection, _) = path.rsplit_once('/').expect("a document's path");
    match source.as_str() {
        Some(name) => collection == name,
        None => collection.ends_with("/grouped"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Set,
    Merge,
    Delete,
}

/// A write under no condition. What it leaves in the document tells it from all others.
#[derive(Clone, Debug)]
struct Write {
    path: String,
    kind: Kind,
    mark: String,
    number: usize,
    is_keyed: bool,
}

impl Write {
    fn random(random: &mut Random, mark: String, may_repeat: bool) -> Self {
        let collection = *random.pick(&COLLECTIONS);
        Write {
            path: format!("{collection}/d{}", random.below(DOCUMENTS)),
            kind: *random.pick(&[Kind::Set, Kind::Set, Kind::Merge, Kind::Merge, Kind::Delete]),
            mark,
            number: random.below(KINDS),
            is_keyed: may_repeat && random.chance(50),
        }
    }

    fn data(&self) -> Value {
        let (mark, number) = (&self.mark, self.number);
        if self.kind == Kind::Merge {
            return json!({"last": mark, "kind": number});
        }
        let words: Vec<String> = (0..WORDS).map(|word| format!("{mark} {word}")).collect();
        json!({"words": words, "last": mark, "kind": number})
    }

    /// Sends it; an error if there is no answer.
    fn send(&self, client: &Client) -> Result<Reply, String> {
        let path = format!("/v1/docs/{}", self.path);
        let call = match self.kind {
            Kind::Set => client.put(&path, &self.data()),
            Kind::Merge => client.patch(&path, MERGE_PATCH, &self.data()),
            Kind::Delete => client.delete(&path),
        };
        let call = if self.is_keyed { call.header("idempotency-key", &self.mark) } else { call };
        call.try_send().map_err(|error| error.to_string())
    }

    /// The same as it is sent on a socket.
    fn message(&self) -> Value {
        match self.kind {
            Kind::Set => json!({"set": self.path, "data": self.data()}),
            Kind::Merge => json!({"merge": self.path, "data": self.data()}),
            Kind::Delete => json!({"delete": self.path}),
        }
    }

    /// The state that its answer tells of.
    fn state(&self, reply: &Reply) -> State {
        let context = format!("{self:?}: {}", reply.text());
        if self.kind == Kind::Delete {
            assert_eq!(reply.status, 204, "{context}");
            return State { version: reply.version(), resource: None };
        }
        assert!(matches!(reply.status, 200 | 201), "{context}");
        let resource = reply.json();
        assert_eq!(resource["data"]["last"], json!(self.mark), "{context}");
        State { version: reply.version(), resource: Some(resource) }
    }
}

/// A document at a version; no resource when it is not there.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    version: u64,
    resource: Option<Value>,
}

/// What the writers know of a document when the server is gone.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The last state that was answered.
    state: State,
    /// Writes without an answer: each was done after that, or before, or never.
    open: Vec<Write>,
}

impl Known {
    /// Asserts that what is seen of the document is what is known, or what writes without an answer made of it.
    fn assert_kept(&self, path: &str, seen: Option<&Value>) {
        let State { version: known, resource } = &self.state;
        let context = || format!("{path}: {seen:?}\nof {self:?}");
        let Some(seen) = seen else {
            let may_be_gone = self.open.iter().any(|write| write.kind == Kind::Delete);
            assert!(resource.is_none() || may_be_gone, "lost {}", context());
            return;
        };
        let version = seen["version"].as_u64().expect("a version");
        if version == *known {
            assert_eq!(Some(seen), resource.as_ref(), "{}", context());
            return;
        }
        assert!(version > *known, "an old state {}", context());
        assert!(version <= known + self.open.len() as u64, "more than was written {}", context());
        let is_open = |write: &Write| json!(write.mark) == seen["data"]["last"];
        assert!(self.open.iter().any(is_open), "nobody's {}", context());
    }
}

/// What is known of each document, by path.
type World = BTreeMap<String, Known>;

/// Writes until there is no answer: the writes with their answers.
fn write_until_the_end(
    client: &Client,
    name: &str,
    seed: u64,
    total: &AtomicUsize,
) -> Vec<(Write, Option<Reply>)> {
    let mut random = Random::new(seed);
    let mut sent = Vec::new();
    loop {
        let write = Write::random(&mut random, format!("{name}-{}", sent.len()), true);
        let reply = write.send(client).ok();
        let is_answered = reply.is_some();
        sent.push((write, reply));
        if !is_answered {
            return sent;
        }
        total.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends writes on every socket, and waits for the first answer. Which of the others are done, nobody is told.
fn burst(sessions: &mut [Session], name: &str, random: &mut Random) -> Vec<Write> {
    let write = |number| Write::random(random, format!("{name}-{number}"), false);
    let writes: Vec<Write> = (0..sessions.len() * BURST).map(write).collect();
    for (number, write) in writes.iter().enumerate() {
        sessions[number % SOCKETS].send_write(&write.mark, write.message());
    }
    sessions[0].answer(&writes[0].mark);
    writes
}

/// Kills the server while writers are at work, and adds to what is known.
fn crash_under_load(server: &mut TestServer, world: &mut World, round: u64, random: &mut Random) {
    let (client, total) = (server.client(), AtomicUsize::new(0));
    let mut sessions: Vec<Session> = (0..SOCKETS).map(|_| Session::open(&server.url())).collect();
    let mut open = Vec::new();
    let sent: Vec<(Write, Option<Reply>)> = thread::scope(|scope| {
        let spawn = |writer| {
            let (client, total, seed) = (&client, &total, random.bits());
            let name = format!("r{round}w{writer}");
            scope.spawn(move || write_until_the_end(client, &name, seed, total))
        };
        let writers: Vec<_> = (0..WRITERS).map(spawn).collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while total.load(Ordering::Relaxed) < ANSWERED {
            assert!(Instant::now() < deadline, "{ANSWERED} writes take too long");
            thread::sleep(Duration::from_millis(1));
        }
        open = burst(&mut sessions, &format!("r{round}burst"), random);
        server.crash();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    for (write, reply) in sent {
        let known = world.get_mut(&write.path).expect("a document of the test");
        match reply {
            Some(reply) => {
                let state = write.state(&reply);
                if state.version > known.state.version {
                    known.state = state;
                }
            }
            None => open.push(write),
        }
    }
    for write in open {
        world.get_mut(&write.path).expect("a document of the test").open.push(write);
    }
}

/// The documents that a query answers, by path.
fn ask(client: &Client, source: &Value, filter: Option<Value>) -> BTreeMap<String, Value> {
    let mut query = json!({"from": source});
    if let Some(filter) = filter {
        query["where"] = filter;
    }
    let answer = client.query(&query);
    assert_eq!(answer.get("nextPageToken"), None, "one page");
    let path = |document: &Value| document["path"].as_str().expect("a path").to_owned();
    documents(&answer).iter().map(|document| (path(document), document.clone())).collect()
}

/// The document itself.
fn get(client: &Client, path: &str) -> Option<Value> {
    let reply = client.get(&format!("/v1/docs/{path}")).send();
    match reply.status {
        404 => None,
        _ => Some(reply.expect(200).json()),
    }
}

/// The state of a document when nobody writes.
fn state_of(client: &Client, path: &str, present: Option<&Value>) -> State {
    let version = match present {
        Some(resource) => resource["version"].as_u64().expect("a version"),
        // Who deletes what is not there changes nothing, and is told the version.
        None => client.delete(&format!("/v1/docs/{path}")).send().expect(204).version(),
    };
    State { version, resource: present.cloned() }
}

/// Sends writes without an answer again, as far as they may be: when that is answered, they are in the next query.
fn repeat(client: &Client, world: &World) {
    let open = world.values().flat_map(|known| &known.open);
    for write in open.filter(|write| write.is_keyed) {
        write.send(client).expect("an answer");
        let present = get(client, &write.path);
        for source in sources().iter().filter(|source| is_of(&write.path, source)) {
            let found = ask(client, source, None).remove(&write.path);
            assert_eq!(found, present, "{write:?} in {source}");
        }
    }
}

/// A document as somebody sees it, who asks for it or listens to it.
fn see(server: &TestServer, path: &str, listens: bool) -> Option<Value> {
    if !listens {
        return get(&server.client(), path);
    }
    let frame = Socket::open(&server.url(), &format!("/v1/docs/{path}")).receive();
    assert_eq!(frame["type"], "snapshot", "{frame}");
    frame["data"].is_object().then(|| json!({"version": frame["version"], "data": frame["data"]}))
}

/// Asserts that every query has what is seen of a document, at once: nobody writes.
fn assert_found(client: &Client, path: &str, seen: Option<&Value>) {
    for source in sources().iter().filter(|source| is_of(path, source)) {
        let found = ask(client, source, None).remove(path);
        let what = |document: &Value| (document["version"].clone(), document["data"].clone());
        assert_eq!(found.as_ref().map(what), seen.map(what), "{path} in {source}");
    }
}

/// Asserts that counts and the entries of fields agree with the documents.
fn assert_entries(client: &Client, present: &BTreeMap<String, Value>) {
    for source in sources() {
        let all: BTreeMap<&String, &Value> =
            present.iter().filter(|(path, _)| is_of(path, &source)).collect();
        let kind = |document: &Value| document["data"]["kind"].as_u64().expect("a number");
        let aggregation = json!({
            "query": {"from": source, "where": {"field": "kind", "op": ">=", "value": 0}},
            "aggregates": {"n": "count", "s": {"sum": "kind"}},
        });
        let counted = client.post("/v1/aggregate", &aggregation).send().expect(200).json();
        let sum: u64 = all.values().map(|document| kind(document)).sum();
        assert_eq!(counted, json!({"n": all.len(), "s": sum}), "{source}");
        for number in 0..KINDS {
            let filter = json!({"field": "kind", "op": "==", "value": number});
            let found = ask(client, &source, Some(filter));
            let wanted: Vec<&String> = all
                .iter()
                .filter(|(_, document)| kind(document) == number as u64)
                .map(|(path, _)| *path)
                .collect();
            assert_eq!(found.keys().collect::<Vec<_>>(), wanted, "kind {number} of {source}");
        }
        for (path, document) in all {
            let filter = json!({"field": "last", "op": "==", "value": document["data"]["last"]});
            let found = ask(client, &source, Some(filter));
            assert_eq!(found, BTreeMap::from([(path.clone(), document.clone())]), "{source}");
        }
    }
}

#[test]
fn every_query_has_what_was_answered_and_what_was_seen() {
    let mut server = TestServer::start_with_collections(&settings());
    let mut random = Random::new(seed());
    let paths = COLLECTIONS
        .iter()
        .flat_map(|collection| (0..DOCUMENTS).map(move |number| format!("{collection}/d{number}")));
    let mut world: World = paths.map(|path| (path, Known::default())).collect();
    for round in 0..ROUNDS {
        crash_under_load(&mut server, &mut world, round, &mut random);
        server.restart();
        let client = server.client();
        // The first that anybody asks.
        for source in sources() {
            let found = ask(&client, &source, None);
            for (path, known) in world.iter().filter(|(path, _)| is_of(path, &source)) {
                known.assert_kept(path, found.get(path));
            }
        }
        for path in world.keys() {
            let seen = see(&server, path, random.chance(50));
            assert_found(&client, path, seen.as_ref());
        }
        for (path, known) in &world {
            known.assert_kept(path, get(&client, path).as_ref());
        }
        repeat(&client, &world);
        let present: BTreeMap<String, Value> =
            world.keys().filter_map(|path| Some((path.clone(), get(&client, path)?))).collect();
        let open: usize = world.values().map(|known| known.open.len()).sum();
        println!("round {round}: {open} writes without an answer");
        assert_entries(&client, &present);
        for (path, known) in &mut world {
            let state = state_of(&client, path, present.get(path));
            *known = Known { state, open: Vec::new() };
        }
    }
}

/// More than an index brings to new settings at once (`REBUILD_DOCUMENTS`): it can be killed on the way.
const POSTS: u64 = 600;
/// In each of the shards all are brought at once.
const SPREAD: u64 = 120;
/// Longer than it takes to bring them all.
const BUILDING: Duration = Duration::from_secs(30);
/// A document's alarm rings so long after a write.
const OUTBOX: Duration = Duration::from_secs(8);
/// Index objects of the collection that has several.
const SHARDS: u64 = 4;

/// What is declared of the posts: these two, or an index for each field only, and what is exempt.
fn declared(is_indexed: bool, exempt: &[&str]) -> Value {
    let indexes =
        if is_indexed { json!([["author", "-score"], ["tags[]", "score"]]) } else { json!([]) };
    json!({
        "posts": {"indexes": indexes, "exempt": exempt},
        "spread": {"indexes": indexes, "exempt": exempt, "shards": SHARDS},
    })
}

fn post(n: u64) -> Value {
    json!({
        "author": format!("a{}", n % 7), "score": n * 37 % 101, "views": n * 7_919 % 10_007,
        "tags": [format!("t{}", n % 5), "all"],
    })
}

/// A query, and what it means.
struct Case {
    filter: Value,
    wants: fn(&Value) -> bool,
    order: &'static str,
    is_descending: bool,
    limit: Option<usize>,
    /// The index that answers it when all is built.
    index: &'static str,
}

fn cases() -> [Case; 5] {
    let filter =
        |field: &str, op: &str, value: Value| json!({"field": field, "op": op, "value": value});
    let author = |name: &str| filter("author", "==", json!(name));
    [
        Case {
            filter: author("a3"),
            wants: |post| post["author"] == "a3",
            order: "score",
            is_descending: true,
            limit: Some(10),
            index: "author, -score",
        },
        Case {
            filter: json!({"and": [author("a1"), filter("score", ">=", json!(50))]}),
            wants: |post| post["author"] == "a1" && post["score"].as_u64() >= Some(50),
            order: "score",
            is_descending: false,
            limit: None,
            index: "author, -score",
        },
        Case {
            filter: filter("tags", "array-contains", json!("t2")),
            wants: |post| post["tags"][0] == "t2",
            order: "score",
            is_descending: false,
            limit: Some(5),
            index: "tags[], score",
        },
        Case {
            filter: filter("score", "==", json!(17)),
            wants: |post| post["score"] == 17,
            order: "score",
            is_descending: false,
            limit: None,
            index: "score",
        },
        Case {
            filter: filter("views", ">=", json!(7_000)),
            wants: |post| post["views"].as_u64() >= Some(7_000),
            order: "views",
            is_descending: true,
            limit: None,
            index: "views",
        },
    ]
}

/// What `explain` said.
#[derive(Debug)]
struct Explained {
    index: String,
    scanned: u64,
    returned: u64,
}

/// A collection and what is in it.
struct Posts {
    collection: &'static str,
    /// How many index objects it has.
    shards: u64,
    data: BTreeMap<String, Value>,
    next: u64,
    random: Random,
    /// Rows that its index wrote, as far as it was said.
    rows: u64,
}

impl Posts {
    fn new(client: &Client, collection: &'static str, posts: u64, shards: u64) -> Self {
        let name = |n: u64| format!("p{n:05}");
        thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || {
                    for n in (thread..posts).step_by(8) {
                        let path = format!("/v1/docs/{collection}/{}", name(n));
                        client.put(&path, &post(n)).send().expect(201);
                    }
                });
            }
        });
        let data = (0..posts).map(|n| (name(n), post(n))).collect();
        Posts { collection, shards, data, next: posts, random: Random::new(seed()), rows: 0 }
    }

    /// A write: a document anew, another in its place, or none.
    fn write(&mut self, client: &Client) {
        self.next += 1;
        let id = match self.random.below(3) {
            0 => format!("p{:05}", self.next),
            _ => self.data.keys().nth(self.random.below(self.data.len())).expect("a post").clone(),
        };
        let path = format!("/v1/docs/{}/{id}", self.collection);
        let reply = if self.random.chance(20) {
            self.data.remove(&id);
            client.delete(&path).send().expect(204)
        } else {
            self.data.insert(id, post(self.next));
            client.put(&path, &post(self.next)).send()
        };
        assert!(reply.status < 300, "{}", reply.text());
        self.rows += rows(&reply, "blaze-index-rows-written");
    }

    /// Asks, and compares.
    fn check(&mut self, client: &Client, case: &Case) -> Explained {
        let Case { filter, wants, order, is_descending, limit, .. } = case;
        let direction = if *is_descending { "desc" } else { "asc" };
        let mut query = json!({
            "from": self.collection, "where": filter, "explain": true,
            "orderBy": [{"field": order, "direction": direction}],
        });
        let mut wanted: Vec<(&String, &Value)> =
            self.data.iter().filter(|(_, data)| wants(data)).collect();
        wanted.sort_by_key(|(id, data)| (data[order].as_u64(), *id));
        if *is_descending {
            wanted.reverse();
        }
        if let Some(limit) = limit {
            query["limit"] = json!(limit);
            wanted.truncate(*limit);
        }
        let reply = client.post("/v1/query", &query).send().expect(200);
        self.rows += rows(&reply, "blaze-rows-written");
        let answer = reply.json();
        let id = |document: &Value| document["id"].as_str().expect("an id").to_owned();
        let found: Vec<(String, &Value)> =
            documents(&answer).iter().map(|document| (id(document), &document["data"])).collect();
        let found: Vec<(&String, &Value)> = found.iter().map(|(id, data)| (id, *data)).collect();
        assert_eq!(found, wanted, "{query}: {}", answer["explain"]);
        let explain = &answer["explain"];
        Explained {
            index: explain["index"].as_str().expect("an index").to_owned(),
            scanned: explain["entriesScanned"].as_u64().expect("a number"),
            returned: wanted.len() as u64,
        }
    }

    /// Whether a query is answered as one is whose index is there.
    fn is_served(&self, case: &Case, explained: &Explained) -> bool {
        explained.index == case.index
            && explained.scanned <= self.shards * (2 * explained.returned + 10)
    }

    /// Writes and asks until all queries have their indexes.
    fn settle(&mut self, client: &Client) {
        let deadline = Instant::now() + BUILDING;
        loop {
            self.write(client);
            let mut waiting = Vec::new();
            for case in cases() {
                let explained = self.check(client, &case);
                if !self.is_served(&case, &explained) {
                    waiting.push((case.index, explained));
                }
            }
            if waiting.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "{} is not built: {waiting:?}", self.collection);
        }
    }
}

/// The number of rows in a header; 0 without it.
fn rows(reply: &Reply, header: &str) -> u64 {
    reply.header(header).map_or(0, |value| value.parse().expect("a number"))
}

/// Declares indexes, and kills the server while that of the posts is being built. Whether that came soon enough.
fn crash_while_building(server: &mut TestServer, posts: &mut Posts) -> bool {
    server.restart_with_collections(&declared(true, &[]));
    let client = server.client();
    let [composite, ..] = cases();
    // The answers bring the rows with them that alarms wrote meanwhile: three for each post, two of them for its tags.
    let (before, deadline) = (posts.rows, Instant::now() + BUILDING);
    while posts.rows < before + 100 {
        assert!(Instant::now() < deadline, "nothing is built");
        if posts.check(&client, &composite).index == composite.index {
            return false;
        }
    }
    let is_amid = posts.rows < before + 2 * POSTS;
    server.crash();
    server.restart();
    is_amid
}

#[test]
fn settings_change_under_documents_and_every_query_is_right_all_the_while() {
    let mut server = TestServer::start_with_collections(&declared(false, &[]));
    let client = server.client();
    let mut posts = Posts::new(&client, "posts", POSTS, 1);
    let mut spread = Posts::new(&client, "rooms/a/spread", SPREAD, SHARDS);

    let mut attempts = 1;
    while !crash_while_building(&mut server, &mut posts) {
        assert!(attempts < 8, "the index is built too fast to be interrupted");
        attempts += 1;
        server.restart_with_collections(&declared(false, &[]));
        posts.check(&server.client(), &cases()[0]);
    }
    let client = server.client();
    posts.settle(&client);
    spread.settle(&client);

    // A document that has lost its memory tells the index again at its next alarm, which sets another one. After the
    // restart both would be told the rows that are counted below.
    thread::sleep(2 * OUTBOX + Duration::from_secs(2));
    server.restart_with_collections(&declared(true, &["views"]));
    let client = server.client();
    let [.., exempt] = cases();
    let before = posts.rows;
    let deadline = Instant::now() + BUILDING;
    // An entry of each document goes, one row each.
    while posts.rows < before + POSTS / 2 {
        assert!(Instant::now() < deadline, "no entry goes");
        for collection in [&mut posts, &mut spread] {
            for case in cases() {
                let explained = collection.check(&client, &case);
                if case.index == exempt.index {
                    assert_eq!(explained.index, "__name__ (sorted)");
                    assert_eq!(explained.scanned, collection.data.len() as u64);
                } else {
                    assert!(collection.is_served(&case, &explained), "{explained:?}");
                }
            }
        }
    }
    // These leave no entry, and what they replace had one.
    for _ in 0..40 {
        posts.write(&client);
        spread.write(&client);
    }

    server.restart_with_collections(&declared(true, &[]));
    let client = server.client();
    posts.settle(&client);
    spread.settle(&client);
}
