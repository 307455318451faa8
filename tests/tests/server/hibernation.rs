//! An object with idle sockets loses its memory after ten seconds, and nobody notices.
//!
//! The evidence is SQLite's: a document in memory is written without reading its row, one that was constructed again
//! reads it first. An index in memory reads the row of the document that changed, one that was constructed again reads
//! its settings and the result of each live query too. With `COUNT_ROWS` the server says how many rows it read.

use blaze_schema::limits::UNREAD_BYTES;
use blaze_tests::client::{Client, JSON, Reply, documents, fresh, fresh_collection};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Listener, LiveResult, Session, Socket};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than the ten seconds after which the runtime hibernates an object: they begin when the alarm has rung that looks
/// after a write's way to the index, eight seconds after the write.
const IDLE: Duration = Duration::from_secs(20);
/// How often those who keep something awake do so.
const OFTEN: Duration = Duration::from_secs(2);

/// The ping that the runtime answers by itself, without waking the object.
const AUTOMATIC: &str = r#"{"ping":0}"#;

/// A document with a listener.
struct Watched {
    path: String,
    socket: Socket,
    listener: Listener,
}

impl Watched {
    fn new(server: &TestServer) -> Self {
        let path = fresh("hibernation");
        server.client().put(&path, &json!({"n": 0})).send().expect(201);
        let mut socket = Socket::open(&server.url(), &path);
        let listener = Listener::of(&mut socket);
        Watched { path, socket, listener }
    }

    /// Writes to the document, whose listener must see it; whether the object had to read its row.
    fn write(&mut self, client: &Client) -> bool {
        let update = json!({"n": {"$increment": 1}});
        let reply = client.patch(&self.path, JSON, &update).send().expect(200);
        self.listener.follow(&mut self.socket, reply.version());
        assert_eq!(self.listener.state, reply.json()["data"]);
        rows_read(&reply) > 0
    }

    fn ping(&mut self, ping: &str) {
        self.socket.send_text(ping);
        assert_eq!(self.socket.text(), ping.replace("ping", "pong"));
    }
}

fn rows_read(reply: &Reply) -> u64 {
    reply.header("blaze-rows-read").expect("a count of rows").parse().expect("a number")
}

#[test]
fn a_socket_outlives_the_memory_of_its_object() {
    let server = TestServer::start_with(&[("COUNT_ROWS", "1")]);
    let client = server.client();
    let [mut idle, mut pinging, mut awake, mut resumed] = [(); 4].map(|()| Watched::new(&server));
    for watched in [&mut idle, &mut pinging, &mut awake, &mut resumed] {
        watched.write(&client);
        assert!(!watched.write(&client), "a document in memory was read from its row");
    }
    let end = Instant::now() + IDLE;
    while Instant::now() < end {
        thread::sleep(OFTEN);
        pinging.ping(AUTOMATIC);
        awake.ping(r#"{"ping":1}"#);
    }
    // The control: a message that the object answers keeps it in memory.
    assert!(!awake.write(&client), "an object that was spoken to has hibernated");
    assert!(idle.write(&client), "an idle object has not hibernated");
    assert!(pinging.write(&client), "the runtime's own answer to a ping kept the object awake");
    for watched in [&mut idle, &mut pinging] {
        assert!(!watched.write(&client));
        watched.ping(AUTOMATIC);
        watched.ping(r#"{"ping":2}"#);
    }
    // A message, too, wakes the object and finds its document.
    let name = resumed.path.strip_prefix("/v1/docs/").unwrap();
    let merge =
        json!({"write": {"id": "w", "merge": name, "data": {"woken": true}, "ifVersion": 3}});
    resumed.socket.send(&merge);
    resumed.listener.follow(&mut resumed.socket, 4);
    let answer = resumed.socket.receive();
    assert_eq!(answer, json!({"id": "w", "result": {"path": name, "version": 4}}));
    assert_eq!(resumed.listener.state, json!({"n": 2, "woken": true}));
}

/// Documents of a collection that is listened to.
const DOCUMENTS: u64 = 12;

/// A collection with a socket of `/v1/listen`, whose targets are a document of it and three queries.
struct Audience {
    collection: String,
    session: Session,
    listener: Listener,
    /// Each with what is seen of it. The first has all documents, the second the first three, the third no more than one.
    queries: Vec<(Value, LiveResult)>,
    /// Rows that a write cost its index while everything was in memory.
    warm: u64,
}

impl Audience {
    fn new(server: &TestServer, collection: String) -> Self {
        let client = server.client();
        for n in 0..DOCUMENTS {
            let path = format!("/v1/docs/{collection}/d{n:02}");
            client.put(&path, &json!({"n": n})).send().expect(201);
        }
        let mut session = Session::open(&server.url());
        let listener = session.document(0, &format!("{collection}/d00"));
        let by_n = json!([{"field": "n", "direction": "asc"}]);
        let queries = [
            json!({"from": collection, "orderBy": by_n}),
            json!({"from": collection, "orderBy": by_n, "limit": 3}),
            json!({"from": collection, "where": {"field": "n", "op": "==", "value": -1}}),
        ];
        let listen = |(query, target): (Value, u64)| {
            let result = session.query(target, &query);
            (query, result)
        };
        let queries = queries.into_iter().zip(1..).map(listen).collect();
        let mut audience = Audience { collection, session, listener, queries, warm: 0 };
        audience.write(&client, 100);
        audience.write(&client, 0);
        audience.warm = index_rows_read(&audience.write(&client, 1));
        audience
    }

    fn path(&self) -> String {
        format!("/v1/docs/{}/d00", self.collection)
    }

    /// Writes to the document that is listened to. All targets must be told what is new, and no more than that.
    fn write(&mut self, client: &Client, n: i64) -> Reply {
        let reply = client.patch(&self.path(), JSON, &json!({"n": n})).send().expect(200);
        self.listener.apply(&self.session.next(0));
        assert_eq!(self.listener.version, Some(reply.version()));
        assert_eq!(self.listener.state, json!({"n": n}));
        for ((query, result), target) in self.queries.iter_mut().zip(1..) {
            let now = documents(&client.query(query)).to_vec();
            if result.documents == now {
                continue;
            }
            let told = result.apply(&self.session.next(target));
            assert!(!told.reset, "{query}: the whole result again");
            let most = if target == 2 { 2 } else { 1 };
            assert!(told.changes.len() <= most, "{query}: {told:?}");
            assert_eq!(result.documents, now, "{query}");
        }
        reply
    }

    /// Whether a write's index read the results of its live queries again: a row for each document at least.
    fn has_slept(&self, reply: &Reply) -> bool {
        index_rows_read(reply) >= self.warm + DOCUMENTS
    }

    /// What a client is told that comes back, on a socket of its own, with what is seen here.
    fn come_back(&self, server: &TestServer) {
        let mut session = Session::open(&server.url());
        for ((query, result), target) in self.queries.iter().zip(1..) {
            let mut resumed = result.clone();
            let told = session.go_on(target, query, &mut resumed);
            assert!(!told.reset && told.changes.is_empty(), "{query}: {told:?}");
        }
        // Its answer takes the rows that this cost with it.
        server.client().query(&self.queries[2].0);
    }
}

fn index_rows_read(reply: &Reply) -> u64 {
    reply.header("blaze-index-rows-read").expect("a count of rows").parse().expect("a number")
}

#[test]
fn targets_outlive_the_memory_of_their_objects() {
    let server = TestServer::start_with_collections(&json!({"spread": {"shards": 3}}));
    let client = server.client();
    let [mut idle, mut pinging, mut awake, mut resumed] =
        [(); 4].map(|()| Audience::new(&server, fresh_collection()));
    let mut spread = Audience::new(&server, "spread".to_owned());
    let end = Instant::now() + IDLE;
    while Instant::now() < end {
        thread::sleep(OFTEN);
        pinging.session.socket.ask(&json!({"ping": 0}));
        client.query(&json!({"from": awake.collection, "limit": 1}));
        client.get(&awake.path()).send().expect(200);
    }
    // The control: objects that were asked something are still in memory.
    let reply = awake.write(&client, -1);
    assert_eq!((rows_read(&reply), awake.has_slept(&reply)), (0, false));
    // A socket that comes now wakes the index; what it has is what the index reads.
    resumed.come_back(&server);
    for (audience, sleeps) in
        [(&mut idle, true), (&mut pinging, true), (&mut spread, true), (&mut resumed, false)]
    {
        let reply = audience.write(&client, -1);
        assert!(rows_read(&reply) > 0, "{}: an idle document is in memory", audience.collection);
        assert_eq!(audience.has_slept(&reply), sleeps, "{}", audience.collection);
        // Now all of it is in memory again.
        let reply = audience.write(&client, 2);
        assert_eq!((rows_read(&reply), audience.has_slept(&reply)), (0, false));
        audience.come_back(&server);
    }
}

/// The count of bytes that a socket has not read survives a hibernation.
#[test]
fn a_deaf_socket_is_cut_off_however_often_its_object_hibernates() {
    const TEXT: usize = 500_000;
    let server = TestServer::start_with(&[("COUNT_ROWS", "1")]);
    let client = server.client();
    let path = fresh("hibernation");
    let write = |n: usize| {
        let text = char::from(b'a' + (n % 26) as u8).to_string().repeat(TEXT);
        client.put(&path, &json!({"n": n, "text": text})).send()
    };
    write(0);
    let deaf = Socket::open(&server.url(), &path);
    let half = UNREAD_BYTES / TEXT / 2 + 1;
    (1..=half).for_each(|n| drop(write(n)));
    thread::sleep(IDLE);
    assert!(rows_read(&write(half + 1)) > 0, "the object has not hibernated");
    (half + 2..=3 * half).for_each(|n| drop(write(n)));
    let (messages, code, _) = deaf.closed();
    let bytes: usize = messages.iter().map(|message| message.to_string().len()).sum();
    assert!(bytes < UNREAD_BYTES + 2 * TEXT, "{bytes}");
    assert_eq!(code, 1012);
}
