//! An object with idle sockets loses its memory after ten seconds, and nobody notices.
//!
//! The evidence is SQLite's: a document in memory is written without reading its row, one that was constructed again
//! reads it first. With `COUNT_ROWS` the server says how many rows it read.

use blaze_tests::client::{Client, JSON, Reply, fresh};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Listener, Socket};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than the ten seconds after which the runtime hibernates an object: they begin when the alarm has rung that looks
/// after a write's way to the index, five seconds after the write.
const IDLE: Duration = Duration::from_millis(17_500);

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
        thread::sleep(Duration::from_millis(1_500));
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
