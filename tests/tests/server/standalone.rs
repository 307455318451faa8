//! The binary `blaze` from outside: an application's folder, what it refuses to start with, how it ends.

use blaze_tests::client::Client;
use blaze_tests::socket::Socket;
use blaze_tests::standalone::{Running, binary};
use rusqlite::Connection;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Runs `blaze` in a directory to its end; gives all that it printed, and whether it succeeded.
fn blaze(directory: &Path, arguments: &[&str]) -> (String, bool) {
    let output = Command::new(binary())
        .args(arguments)
        .current_dir(directory)
        .env_remove("BLAZE_KEY")
        .output()
        .expect("blaze runs");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

/// The error of a server that does not start.
fn refused(directory: &Path) -> String {
    let (text, started) = blaze(directory, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!started, "{text}");
    text
}

#[test]
fn an_application_begins_with_its_folder() {
    let folder = tempfile::tempdir().expect("a directory");
    let (text, done) = blaze(folder.path(), &["init"]);
    assert!(done && text.contains("blaze.rules"), "{text}");
    let (text, done) = blaze(folder.path(), &["rules", "test"]);
    assert!(done && text.contains("6 cases are as they say"), "{text}");
    let server = Running::start(folder.path(), &[]);
    let client = Client::new(&server.url());
    assert!(client.get("/").send().expect(200).text().contains("Hello from Blaze"));
    let script = client.get("/index.js").send().expect(200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    // What the page does, and what its rules refuse.
    let greet = json!({"text": "Hello", "count": {"$increment": 1}});
    client.put("/v1/docs/greetings/hello?merge=true", &greet).send().expect(201);
    client.put("/v1/docs/greetings/hello?merge=true", &greet).send().expect(200);
    assert_eq!(client.data("/v1/docs/greetings/hello"), json!({"text": "Hello", "count": 2}));
    client.get("/v1/docs/notes/1").send().expect(401);
    let credentials = json!({"email": "ann@example.com", "password": "long enough"});
    let session = client.post("/v1/accounts/signUp", &credentials).send().expect(200).json();
    let ann = client.bearing(session["accessToken"].as_str());
    let note = json!({"author": session["uid"]});
    ann.put("/v1/docs/notes/1", &note).send().expect(201);
    client.get("/v1/docs/notes/1").send().expect(401);
    // Whoever is refused hears of it, though most of the body is still on its way.
    let long = json!({"text": "x".repeat(3 << 20)});
    client.bearing(Some("blz_0000000000_x")).put("/v1/docs/notes/2", &long).send().expect(401);
    // The data is its owner's alone.
    for (name, mode) in [("", 0o700), ("blaze.sqlite", 0o600), ("admin-key", 0o600)] {
        let file = folder.path().join(".blaze").join(name);
        let found = std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", file.display());
    }
    // The administrator's key is with the data, and finds the server.
    let create = ["key", "create", "--name", "ci", "--role", "admin", "--url", &server.url()];
    let (text, done) = blaze(folder.path(), &create);
    assert!(done, "{text}");
    let key = text.lines().find(|line| line.starts_with("blz_")).expect("a key");
    let admin = client.bearing(Some(key));
    assert_eq!(admin.data("/v1/docs/notes/1"), note);
    // A commit is refused as a whole, if the rules refuse one of its documents.
    let of_bob = json!({"set": "notes/6", "data": {"author": "bob"}});
    let both = json!({"writes": [{"set": "notes/5", "data": note}, of_bob]});
    ann.post("/v1/commit", &both).send().expect(403);
    for path in ["/v1/docs/notes/5", "/v1/docs/notes/6"] {
        admin.get(path).send().expect(404);
    }
    // Rules that are wrong do not start; those that were deployed stay.
    drop(server);
    std::fs::write(folder.path().join("blaze.rules"), "match /notes/{id} { allow }")
        .expect("rules");
    let text = refused(folder.path());
    assert!(text.contains("blaze.rules:1:"), "{text}");
}

#[test]
fn two_servers_do_not_share_a_directory() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = Running::start(folder.path(), &[]);
    let text = refused(folder.path());
    assert!(text.contains("another server is using the data directory"), "{text}");
    drop(server);
    drop(Running::start(folder.path(), &[]));
}

#[test]
fn a_file_of_a_later_version_or_of_another_program_is_refused_with_words() {
    let folder = tempfile::tempdir().expect("a directory");
    drop(Running::start(folder.path(), &[]));
    let file = folder.path().join(".blaze/blaze.sqlite");
    let open = || Connection::open(&file).expect("SQLite");
    open().execute_batch("PRAGMA user_version = 999").expect("a newer format");
    let text = refused(folder.path());
    assert!(text.contains("later version of Blaze (format 999"), "{text}");
    std::fs::remove_file(&file).expect("a file");
    open().execute_batch("CREATE TABLE other (a)").expect("a table");
    let text = refused(folder.path());
    assert!(text.contains("of another program"), "{text}");
    std::fs::write(&file, vec![b'x'; 10_000]).expect("no database");
    let text = refused(folder.path());
    assert!(text.contains("blaze.sqlite") && text.contains("not a database"), "{text}");
}

#[test]
fn a_server_that_is_told_to_end_answers_what_is_under_way_and_has_clients_come_again() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut server = Running::start(folder.path(), &[]);
    let client = Client::new(&server.url());
    client.put("/v1/docs/a/b", &json!({"n": 1})).send().expect(201);
    let mut document = Socket::open(&server.url(), "/v1/docs/a/b");
    let mut listener = Socket::open(&server.url(), "/v1/listen");
    document.receive();
    listener.ask(&json!({"listen": {"target": 1, "document": "a/b"}}));
    let writes = thread::spawn(move || {
        let write = |n| client.put("/v1/docs/a/c", &json!({"n": n})).try_send();
        (0..10_000)
            .map_while(|n| write(n).ok().filter(|reply| reply.status < 300).map(|_| n))
            .last()
    });
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    assert!(server.terminate().success());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!((document.ended().1, listener.ended().1), (1012, 1012));
    let last = writes.join().expect("the writer").expect("a write");
    let left: Vec<_> = std::fs::read_dir(folder.path().join(".blaze")).expect("files").collect();
    let names: Vec<_> = left.into_iter().map(|file| file.expect("a file").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with("-wal")), "{names:?}");
    let server = Running::start(folder.path(), &[]);
    let found = Client::new(&server.url()).data("/v1/docs/a/c")["n"].as_i64().expect("a number");
    // The last write may have been committed without its answer being read.
    assert!(found == last || found == last + 1, "{found} after {last}");
}

/// An answered write is there after every kill, and in every query; a commit of two documents is never there in half.
#[test]
fn what_was_answered_survives_kills_under_load() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut server = Running::start(folder.path(), &[]);
    let mut answered = [0_i64; 4];
    for round in 0..20 {
        let url = server.url();
        let write = |(writer, last): (usize, &i64)| {
            let (client, from) = (Client::new(&url), last + 1);
            thread::spawn(move || {
                let write = |n: i64| {
                    let set = |name: &str| json!({"set": format!("kills/{name}{writer}"), "data": {"n": n}});
                    let body = json!({"writes": [set("one"), set("other")]});
                    client.post("/v1/commit", &body).try_send().ok()
                };
                let done = |n: &i64| write(*n).is_some_and(|reply| reply.status < 300);
                (from..).take_while(done).last()
            })
        };
        let writers: Vec<_> = answered.iter().enumerate().map(write).collect();
        thread::sleep(Duration::from_millis(40 + 10 * (round % 7)));
        server.kill();
        for (writer, last) in writers.into_iter().zip(&mut answered) {
            *last = writer.join().expect("a writer").unwrap_or(*last);
        }
        server = Running::start(folder.path(), &[]);
        let client = Client::new(&server.url());
        for (writer, last) in answered.iter_mut().enumerate() {
            let of = |name: &str| {
                let reply = client.get(&format!("/v1/docs/kills/{name}{writer}")).send();
                let data = (reply.status == 200).then(|| reply.json()["data"]["n"].as_i64());
                data.flatten().unwrap_or(0)
            };
            let there = of("one");
            assert!(there == *last || there == *last + 1, "{there} after {last}, round {round}");
            assert_eq!(of("other"), there, "half a commit, round {round}");
            *last = there;
            let filter = json!({"field": "n", "op": "==", "value": there});
            let found = client.ids(&json!({"from": "kills", "where": filter}));
            let both = ["one", "other"].map(|name| format!("{name}{writer}"));
            assert!(there == 0 || both.iter().all(|id| found.contains(id)), "{found:?}");
        }
    }
    assert!(answered.iter().sum::<i64>() > 100, "{answered:?}");
}

#[test]
fn a_proxy_is_believed_only_where_it_is_trusted() {
    let folder = tempfile::tempdir().expect("a directory");
    let access = json!({"rates": {"address": {"requests": 2, "seconds": 60}}});
    std::fs::write(folder.path().join("access.json"), access.to_string()).expect("settings");
    // Behind a proxy nothing is open because it comes from this machine.
    let rules = "match /none/{id} { allow list: if true; }\n";
    std::fs::write(folder.path().join("blaze.rules"), rules).expect("rules");
    for (arguments, counted) in [(&[][..], 429), (&["--trust-proxy"][..], 200)] {
        let server = Running::start(folder.path(), arguments);
        let client = Client::new(&server.url());
        let ask = |n: u16| {
            let from = format!("203.0.113.{n}");
            client.get("/v1/docs/none").header("x-forwarded-for", &from).send().status
        };
        let statuses = [0, 1, 2, 3].map(ask);
        assert_eq!(statuses[3], counted, "{arguments:?}: {statuses:?}");
    }
}
