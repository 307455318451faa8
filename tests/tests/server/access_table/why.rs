//! Reasons of refusals: told by a server on one's own machine, logged by every other.

use crate::world::{LONG, SECRETS, access, put_rules, token};
use blaze_schema::limits::EXPLANATIONS;
use blaze_tests::client::Client;
use blaze_tests::server::TestServer;
use blaze_tests::socket::Session;
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};

const RULES: &str = "match /notes/{id} {
  allow read, write: if resource.data.owner == request.auth.uid;
}
";

/// Starts a server with these rules and a note of alice's.
fn serve(vars: &[(&str, &str)]) -> (TestServer, Client) {
    let server = TestServer::start_closed(&access(), &[SECRETS, vars].concat());
    let root = token("root", &["admin"], LONG);
    let admin = server.client().bearing(Some(&root));
    put_rules(&admin, RULES);
    admin.put("/v1/docs/notes/a", &json!({"owner": "alice-of-notes"})).send().expect(201);
    let bob = server.client().bearing(Some(&token("bob", &[], LONG)));
    (server, bob)
}

/// Collects bob's refusals: of reading the note, of asking for all notes, and of both on a socket.
fn refusals(server: &TestServer, bob: &Client) -> Vec<String> {
    let query = json!({"from": "notes"});
    let mut told = vec![
        bob.get("/v1/docs/notes/a").send().problem(403, "permission-denied"),
        bob.post("/v1/query", &query).send().problem(403, "permission-denied"),
    ];
    let bearer = token("bob", &[], LONG);
    let mut session = Session::open_as(&server.url(), Some(&bearer));
    session.listen(1, json!({"document": "notes/a"}));
    session.listen(2, json!({"query": query}));
    for target in [1, 2] {
        let frame = session.next(target);
        assert_eq!(frame["code"], "permission-denied", "{frame}");
        told.push(frame["detail"].as_str().unwrap().to_owned());
    }
    told
}

/// Returns the log's lines about refusals, once there are `wanted`: they may come a little later.
fn logged(server: &TestServer, wanted: usize) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let log = server.log();
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains("refused ")).map(str::to_owned).collect();
        if lines.len() >= wanted || Instant::now() > until {
            return lines;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_of_this_machine_tells_which_condition_decided() {
    let (server, bob) = serve(&[("OPEN", "1")]);
    for detail in refusals(&server, &bob) {
        assert!(
            detail.contains("refused by 2:3 `allow read, write: if resource.data.owner"),
            "{detail}"
        );
        let said = ["`resource.data.owner` is \"alice-of-notes\"", "a filter of \"owner\" would"];
        assert!(said.iter().any(|said| detail.contains(said)), "{detail}");
    }
    let missing = bob.put("/v1/docs/notes/b", &json!({})).send().problem(403, "permission-denied");
    assert!(missing.contains("`resource` is null, for the document does not exist"), "{missing}");
    assert!(logged(&server, 5).len() >= 5, "{}", server.log());
}

#[test]
fn a_closed_server_logs_it_and_tells_nobody() {
    let (server, bob) = serve(&[]);
    for detail in refusals(&server, &bob) {
        assert!(detail.ends_with("is not allowed by the rules"), "{detail}");
    }
    let lines = logged(&server, 4);
    assert!(
        lines.iter().any(|line| line.contains("get of notes/a by bob: refused by 2:3")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("list of notes by bob: refused by 2:3")),
        "{lines:?}"
    );
    assert!(!server.log().contains("alice-of-notes"), "{}", server.log());
}

#[test]
fn refusals_that_are_many_are_not_all_explained() {
    let (server, bob) = serve(&[]);
    let started = Instant::now();
    for _ in 0..6 * EXPLANATIONS {
        bob.get("/v1/docs/notes/a").send().problem(403, "permission-denied");
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).unwrap();
    let lines = logged(&server, EXPLANATIONS);
    assert!(lines.len() >= EXPLANATIONS, "{lines:?}");
    assert!(lines.len() <= EXPLANATIONS * (seconds + 2), "{} in {seconds} s", lines.len());
}
