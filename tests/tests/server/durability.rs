//! kill -9 and restart: what was answered is there, and nothing is done twice.

use blaze_tests::client::{Client, JSON, Reply, documents, fresh};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Listener, LiveResult, Session, Socket};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Writers of one document, each of which sends numbered writes under a key of their own.
const WRITERS: usize = 6;
const DOCUMENTS: usize = 3;

/// A write by its writer and number: it appends its name to the document's list, and counts.
fn write(client: &Client, path: &str, name: &str) -> Result<Reply, String> {
    let update = json!({"names": {"$arrayUnion": [name]}, "count": {"$increment": 1}});
    let call = client.patch(path, JSON, &update).header("idempotency-key", name);
    call.try_send().map_err(|error| error.to_string())
}

/// What a writer knows when the server is gone.
#[derive(Default)]
struct Sent {
    /// Names and answers of the writes that were answered.
    answered: Vec<(String, Reply)>,
    /// The name of the write that got no answer.
    open: Option<String>,
}

/// Writes until there is no answer.
fn write_until_the_end(client: &Client, path: &str, writer: &str, total: &AtomicUsize) -> Sent {
    let mut sent = Sent::default();
    for number in 0.. {
        let name = format!("{writer}-{number}");
        match write(client, path, &name) {
            Ok(reply) => {
                sent.answered.push((name, reply.expect(200)));
                total.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                sent.open = Some(name);
                break;
            }
        }
    }
    sent
}

/// Kills the server while writers are at work on its documents; what each writer of each document knows.
fn crash_under_load(server: &mut TestServer, paths: &[String], round: usize) -> Vec<Vec<Sent>> {
    let (client, total) = (server.client(), AtomicUsize::new(0));
    thread::scope(|scope| {
        let writers: Vec<Vec<_>> = paths
            .iter()
            .map(|path| {
                let spawn = |writer| {
                    let (client, total) = (&client, &total);
                    let name = format!("r{round}w{writer}");
                    scope.spawn(move || write_until_the_end(client, path, &name, total))
                };
                (0..WRITERS).map(spawn).collect()
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while total.load(Ordering::Relaxed) < 300 {
            assert!(Instant::now() < deadline, "300 writes take too long");
            thread::sleep(Duration::from_millis(2));
        }
        server.crash();
        let join = |writers: Vec<_>| {
            writers
                .into_iter()
                .map(|writer: thread::ScopedJoinHandle<'_, Sent>| writer.join().unwrap())
        };
        writers.into_iter().map(|writers| join(writers).collect()).collect()
    })
}

/// The names in a document's list.
fn names(data: &Value) -> Vec<&str> {
    data["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

/// The document after a crash holds every answered write, and of the open ones each at most once.
fn assert_nothing_is_lost(client: &Client, path: &str, sent: &[Sent]) {
    let resource = client.resource(path);
    let (version, data) = (resource["version"].as_u64().unwrap(), &resource["data"]);
    let kept = names(data);
    assert_eq!(data["count"], kept.len());
    assert_eq!(version, kept.len() as u64 + 1, "one version for each write");
    for (name, reply) in sent.iter().flat_map(|sent| &sent.answered) {
        assert!(reply.version() <= version, "{name}: {} of {version}", reply.version());
        // The list at the answer's version is how the list of now begins.
        let then = reply.json();
        assert!(kept.starts_with(&names(&then["data"])), "{name}");
        assert_eq!(names(&then["data"]).last(), Some(&name.as_str()));
    }
}

/// Sends again what got no answer, and some of what did: each is in the document once, and answered as before.
fn assert_repeats_are_done_once(client: &Client, path: &str, sent: &[Sent]) {
    for writer in sent {
        let open = writer.open.as_ref().expect("a write that got no answer");
        let first = write(client, path, open).unwrap().expect(200);
        let again = write(client, path, open).unwrap().expect(200);
        assert_eq!(first.body, again.body);
        for (name, reply) in writer.answered.iter().rev().take(3) {
            assert_eq!(write(client, path, name).unwrap().expect(200).body, reply.body, "{name}");
        }
        let data = client.data(path);
        assert_eq!(names(&data).iter().filter(|name| *name == open).count(), 1);
        assert_eq!(data["count"], names(&data).len());
    }
}

#[test]
fn no_answered_write_is_lost_and_none_is_done_twice() {
    let mut server = TestServer::start();
    let paths: Vec<String> = (0..DOCUMENTS).map(|_| fresh("durability")).collect();
    for path in &paths {
        server.client().put(path, &json!({"names": [], "count": 0})).send().expect(201);
    }
    for round in 0..3 {
        let sent = crash_under_load(&mut server, &paths, round);
        server.restart();
        let client = server.client();
        for (path, sent) in paths.iter().zip(&sent) {
            assert_nothing_is_lost(&client, path, sent);
            assert_repeats_are_done_once(&client, path, sent);
        }
    }
}

#[test]
fn a_listener_goes_on_without_a_gap_after_a_crash() {
    let mut server = TestServer::start();
    let path = fresh("durability");
    let client = server.client();
    client.put(&path, &json!({"n": 0, "filler": "x".repeat(20_000)})).send().expect(201);
    let mut socket = Socket::open(&server.url(), &path);
    let mut listener = Listener::of(&mut socket);
    let update = |client: &Client| {
        client.patch(&path, JSON, &json!({"n": {"$increment": 1}})).send().expect(200);
    };
    (0..5).for_each(|_| update(&client));
    listener.follow(&mut socket, 3);
    server.crash();
    drop(socket);
    server.restart();
    let client = server.client();
    (0..5).for_each(|_| update(&client));
    let mut resumed = Socket::open(&server.url(), &format!("{path}{}", listener.resume()));
    let missed = resumed.settled();
    assert_eq!(missed.len(), 8, "{missed:?}");
    missed.iter().for_each(|frame| listener.apply(frame));
    update(&client);
    listener.follow(&mut resumed, 12);
    assert_eq!(listener.state, client.data(&path));
    assert_eq!(listener.state["n"], 11);
    let epoch = Listener::of(&mut Socket::open(&server.url(), &path)).epoch;
    assert_eq!(epoch, listener.epoch);
}

#[test]
fn what_a_document_was_survives_it() {
    let mut server = TestServer::start();
    let client = server.client();
    let [deleted, listened, kept] = [(); 3].map(|()| fresh("durability"));
    client.put(&deleted, &json!({"n": 1})).send().expect(201);
    client.delete(&deleted).send().expect(204);
    let epoch = Listener::of(&mut Socket::open(&server.url(), &listened)).epoch;
    let large =
        json!({"text": "é".repeat(200_000), "n": i64::MAX, "at": {"$serverTimestamp": true}});
    client.put(&kept, &large).send().expect(201);
    let before = client.state(&kept);
    server.crash();
    server.restart();
    let client = server.client();
    client.get(&deleted).send().problem(404, "not-found");
    assert_eq!(client.put(&deleted, &json!({"n": 2})).send().expect(201).version(), 3);
    assert_eq!(client.state(&kept), before);
    // A document that was only listened to wrote nothing, and has another epoch.
    client.put(&listened, &json!({"n": 1})).send().expect(201);
    let mut socket = Socket::open(&server.url(), &format!("{listened}?since=0&epoch={epoch}"));
    let frames = socket.settled();
    assert_eq!(
        (frames.len(), &frames[0]["type"], &frames[0]["version"]),
        (1, &json!("snapshot"), &json!(1))
    );
    assert_ne!(frames[0]["epoch"], json!(epoch));
}

/// What a client of `/v1/listen` has of a collection: its target 0 is a document, the others are queries.
struct Targets {
    collection: &'static str,
    listener: Listener,
    queries: Vec<(Value, LiveResult)>,
}

impl Targets {
    fn open(session: &mut Session, client: &Client, collection: &'static str) -> Self {
        for n in 0..12 {
            let path = format!("/v1/docs/{collection}/d{n:02}");
            client.put(&path, &json!({"n": n, "is_even": n % 2 == 0})).send().expect(201);
        }
        let listener = session.document(0, &format!("{collection}/d00"));
        let by_n = json!([{"field": "n", "direction": "asc"}]);
        let even = |even: bool| json!({"field": "is_even", "op": "==", "value": even});
        let queries = [
            json!({"from": collection, "orderBy": by_n}),
            json!({"from": collection, "orderBy": by_n, "limit": 3}),
            json!({"from": collection, "where": even(true)}),
            json!({"from": collection, "where": even(false)}),
        ];
        let listen = |(query, target)| {
            let result = session.query(target, &query);
            (query, result)
        };
        let queries = queries.into_iter().zip(1..).map(listen).collect();
        Targets { collection, listener, queries }
    }

    fn write(&self, client: &Client, id: &str, change: Value) {
        let path = format!("/v1/docs/{}/{id}", self.collection);
        client.patch(&path, JSON, &change).send().expect(200);
    }

    /// Comes back on another socket, with what is here. For each query, whether it was sent the whole result, and how
    /// many changes it was told.
    fn resume(&mut self, session: &mut Session, client: &Client) -> Vec<(bool, usize)> {
        let Listener { version, epoch, .. } = &self.listener;
        let document = format!("{}/d00", self.collection);
        session.listen(0, json!({"document": document, "since": version, "epoch": epoch}));
        let mut all = Vec::new();
        for ((query, result), target) in self.queries.iter_mut().zip(1..) {
            let told = session.go_on(target, query, result);
            assert_eq!(result.documents, documents(&client.query(query)), "{query}");
            all.push((told.reset, told.changes.len()));
        }
        all
    }

    /// Writes the document that is the first of three queries: one change for each of them, and nothing but that.
    fn assert_live(&mut self, session: &mut Session, client: &Client) {
        self.write(client, "d00", json!({"n": {"$increment": -1}}));
        let data = client.data(&format!("/v1/docs/{}/d00", self.collection));
        while self.listener.state != data {
            let frame = session.next(0);
            assert_ne!(frame["type"], "snapshot", "{frame}");
            self.listener.apply(&frame);
        }
        for ((query, result), target) in self.queries.iter_mut().zip(1..).take(3) {
            let told = result.apply(&session.next(target));
            assert_eq!((told.reset, told.changes), (false, vec!["modified d00".to_owned()]));
            assert_eq!(result.documents, documents(&client.query(query)), "{query}");
        }
    }
}

#[test]
fn targets_go_on_after_a_crash_and_are_sent_no_document_again_that_has_not_changed() {
    let mut server = TestServer::start_with_collections(&json!({"spread": {"shards": 4}}));
    let client = server.client();
    let mut sockets = ["whole", "spread"].map(|collection| {
        let mut session = Session::open(&server.url());
        let targets = Targets::open(&mut session, &client, collection);
        (session, targets)
    });
    let live = |server: &TestServer, sockets: &mut [(Session, Targets); 2]| {
        let client = server.client();
        for (session, targets) in sockets {
            targets.assert_live(session, &client);
            targets.assert_live(session, &client);
        }
    };
    live(&server, &mut sockets);
    server.crash();
    server.restart();
    let client = server.client();
    for (session, targets) in &mut sockets {
        *session = Session::open(&server.url());
        assert_eq!(targets.resume(session, &client), [(false, 0); 4], "{}", targets.collection);
    }
    live(&server, &mut sockets);
    // Now something has changed when they come back; but not for those who listen to the odd ones.
    server.crash();
    server.restart();
    let client = server.client();
    for (session, targets) in &mut sockets {
        targets.write(&client, "d00", json!({"n": 1.5}));
        targets.write(&client, "d00", json!({"n": 2.5}));
        targets.write(&client, "d02", json!({"n": 100}));
        let gone = format!("/v1/docs/{}/d04", targets.collection);
        client.delete(&gone).send().expect(204);
        *session = Session::open(&server.url());
        let told = targets.resume(session, &client);
        let all = [(true, 11), (true, 3), (true, 5), (false, 0)];
        assert_eq!(told, all, "{}", targets.collection);
    }
    live(&server, &mut sockets);
}
