//! A collection group that is declared when there are documents already.

use blaze_tests::client::{Client, documents};
use blaze_tests::server::TestServer;
use blaze_tests::socket::Session;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn group() -> Value {
    json!({"from": {"group": "messages"}, "limit": 2_000})
}

fn put(client: &Client, path: &str, n: usize) {
    let reply = client.put(&format!("/v1/docs/{path}"), &json!({"n": n})).send();
    assert!([200, 201].contains(&reply.status), "{path}: {}", reply.text());
}

/// 500 documents in five collections of the group, and others.
fn fill(client: &Client) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    // In commits of one document each way that there is, and most by many threads.
    std::thread::scope(|scope| {
        for room in 0..5 {
            let client = client.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    put(&client, &format!("rooms/{room}/messages/{n:03}"), n);
                }
            });
        }
    });
    for room in 0..5 {
        paths.extend((0..100).map(|n| format!("rooms/{room}/messages/{n:03}")));
    }
    put(client, "rooms/1/other/x", 1);
    paths
}

fn paths(answer: &Value) -> BTreeSet<String> {
    documents(answer).iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect()
}

/// The group's answer, asked for until it is complete; how often it was refused.
fn complete(client: &Client) -> (Value, usize) {
    let (start, mut refused) = (Instant::now(), 0);
    loop {
        let reply = client.post("/v1/query", &group()).send();
        if reply.status == 200 {
            return (reply.json(), refused);
        }
        let detail = reply.problem(409, "failed-precondition");
        assert!(detail.contains("\"messages\"") && detail.contains("blaze group"), "{detail}");
        refused += 1;
        assert!(start.elapsed() < PATIENCE, "{detail}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_late_group_is_refused_until_all_documents_have_joined_also_after_a_crash() {
    let mut server = TestServer::start_with_collections(&json!({}));
    let client = server.client();
    let mut expected = fill(&client);
    client.post("/v1/query", &group()).send().problem(409, "failed-precondition");
    client.get("/v1/groups/messages").send().problem(409, "failed-precondition");

    let declared = json!({"messages": {"group": true}});
    server.restart_with_collections(&declared);
    let client = server.client();
    let aggregate = json!({"query": {"from": {"group": "messages"}}, "aggregates": {"n": "count"}});
    // Whoever asks first sets it going; nobody is told half of it.
    client.post("/v1/aggregate", &aggregate).send().problem(409, "failed-precondition");
    let mut session = Session::open(&server.url());
    session.listen(1, json!({"query": group()}));
    let frame = session.next(1);
    assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!("failed-precondition")));
    put(&client, "rooms/9/messages/new", 9);
    expected.insert("rooms/9/messages/new".to_owned());
    let state = client.get("/v1/groups/messages").send().expect(200).json();
    assert_eq!((&state["group"], &state["complete"]), (&json!("messages"), &json!(false)));
    // In the middle of it, several times.
    for _ in 0..3 {
        sleep(Duration::from_millis(60));
        server.crash();
        server.restart();
    }
    let client = server.client();
    let (answer, _) = complete(&client);
    assert_eq!(paths(&answer), expected);
    assert_eq!(client.post("/v1/aggregate", &aggregate).send().json(), json!({"n": 501}));
    let state = client.get("/v1/groups/messages").send().expect(200).json();
    assert_eq!(state, json!({"group": "messages", "complete": true}));
    let mut session = Session::open(&server.url());
    session.listen(1, json!({"query": group()}));
    assert_eq!(session.next(1)["changes"].as_array().map(Vec::len), Some(501));

    // A restart asks nothing of it again, and what is written and deleted is there and gone.
    server.restart_with_collections(&declared);
    let client = server.client();
    client.delete("/v1/docs/rooms/0/messages/000").send().expect(204);
    expected.remove("rooms/0/messages/000");
    let (answer, refused) = complete(&client);
    assert_eq!((paths(&answer), refused), (expected.clone(), 0));

    // While it is no group collections change without it.
    server.restart_with_collections(&json!({}));
    let client = server.client();
    client.delete("/v1/docs/rooms/1/messages/001").send().expect(204);
    put(&client, "rooms/7/messages/x", 7);
    expected.remove("rooms/1/messages/001");
    expected.insert("rooms/7/messages/x".to_owned());
    server.restart_with_collections(&declared);
    let (answer, refused) = complete(&server.client());
    assert!(refused > 0);
    assert_eq!(paths(&answer), expected);
}

#[test]
fn a_group_that_is_declared_at_first_answers_at_once() {
    let server =
        TestServer::start_with_collections(&json!({"messages": {"group": true, "shards": 3}}));
    let client = server.client();
    assert_eq!(paths(&client.query(&group())), BTreeSet::new());
    let expected = fill(&client);
    assert_eq!(paths(&client.query(&group())), expected);
    let state = client.get("/v1/groups/messages").send().expect(200).json();
    assert_eq!(state["complete"], true);
}

#[test]
fn how_far_a_group_is_only_administrators_ask() {
    let collections = json!({"messages": {"group": true}});
    let server = TestServer::start_closed_with(&json!({}), &collections, &[]);
    server.client().get("/v1/groups/messages").send().problem(401, "unauthenticated");
}
