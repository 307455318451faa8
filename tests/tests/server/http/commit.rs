//! `POST /v1/commit`: writes that are done together.

use crate::{client, document};
use blaze_schema::limits::{BODY_BYTES, COMMIT_WRITES};
use blaze_tests::client::{Call, JSON, fresh};
use blaze_tests::server::{is_standalone, shared};
use blaze_tests::socket::Socket;
use serde_json::{Value, json};
use std::thread;

fn commit(writes: Value) -> Call<'static> {
    client().post("/v1/commit", &json!({"writes": writes}))
}

#[test]
fn several_writes_of_a_document_make_one_version() {
    let url = fresh("commit");
    let path = document(&url);
    let mut socket = Socket::open(&shared().url(), &url);
    assert_eq!(socket.receive()["version"], 0);
    let reply = commit(json!([
        {"create": path, "data": {"n": 1}},
        {"update": path, "data": {"n": {"$increment": 1}, "at": {"$serverTimestamp": true}}},
        {"merge": path, "data": {"m": {"a": null}}},
    ]))
    .send()
    .expect(200);
    let resource = client().resource(&url);
    let result = json!({"path": path, "version": 1});
    let answer = json!({"commitTime": resource["updateTime"], "results": [result, result, result]});
    assert_eq!(reply.json(), answer);
    assert_eq!(reply.header("etag"), None);
    let at = json!({"$timestamp": resource["updateTime"]});
    assert_eq!(resource["data"], json!({"n": 2, "at": at, "m": {"a": null}}));
    let told = socket.receive();
    assert_eq!((&told["base"], &told["version"]), (&json!(0), &json!(1)));
    let deleted = commit(json!([{"delete": path, "ifVersion": 1}])).send().expect(200).json();
    assert_eq!(deleted["results"], json!([{"path": path, "version": 2}]));
    client().get(&url).send().problem(404, "not-found");
    assert_eq!(socket.receive(), json!({"type": "delete", "base": 1, "version": 2}));
}

#[test]
fn a_query_after_a_commit_finds_it() {
    let url = fresh("committed");
    commit(json!([{"set": document(&url), "data": {"here": url}}])).send().expect(200);
    let query = json!({
        "from": document(&url).split('/').next(), "where": {"field": "here", "op": "==", "value": url},
    });
    let found = client().post("/v1/query", &query).send().expect(200).json();
    assert_eq!(found["documents"][0]["path"], document(&url));
}

#[test]
fn one_write_that_cannot_be_done_leaves_all_undone() {
    let url = fresh("commit");
    let path = document(&url);
    client().put(&url, &json!({"n": 1})).send().expect(201);
    let before = client().state(&url);
    let set = json!({"set": path, "data": {"n": 2}});
    for (last, status, code) in [
        (json!({"verify": path, "ifVersion": 7}), 409, "failed-precondition"),
        (json!({"create": path, "data": {}}), 409, "already-exists"),
        (
            json!({"patch": path, "operations": [{"op": "remove", "path": "/x"}]}),
            409,
            "failed-precondition",
        ),
    ] {
        let detail = commit(json!([set, last])).send().problem(status, code);
        assert!(detail.starts_with(&format!("{path}: write 2 of 2: ")), "{detail}");
        assert_eq!(client().state(&url), before);
    }
    let missing = fresh("commit");
    let update = json!([{"update": document(&missing), "data": {"n": 1}}]);
    commit(update).send().problem(404, "not-found");
}

#[test]
fn what_is_wrong_with_a_commit_is_named() {
    let delete = || json!({"delete": "commit/x"});
    for (writes, named) in [
        (json!({}), "writes"),
        (json!([delete(), 1]), "writes[1]"),
        (json!([delete(), {"delete": "commit"}]), "writes[1]"),
        (json!([{"set": "commit/x"}]), "writes[0]: set needs \"data\""),
        (json!([{"set": "commit/x", "data": {"$a": 1}}]), "writes[0]: data"),
        (json!([{"delete": "commit/x", "ifVersion": -1}]), "writes[0]: ifVersion"),
        (json!([{"delete": "commit/x", "data": {}}]), "writes[0]: the key \"data\""),
        (json!([{"delete": "commit/x", "set": "commit/x"}]), "writes[0]: exactly one"),
    ] {
        let detail = commit(writes).send().problem(400, "invalid-argument");
        assert!(detail.contains(named), "{detail}");
    }
    let headed = commit(json!([delete()])).header("if-match", "*").send();
    assert!(headed.problem(400, "invalid-argument").contains("ifVersion"));
    let typed = client().request("POST", "/v1/commit").body("text/plain", r#"{"writes":[]}"#);
    typed.send().problem(415, "invalid-argument");
}

#[test]
fn a_commit_without_writes_is_done_at_once() {
    let answer = commit(json!([])).send().expect(200).json();
    assert_eq!(answer["results"], json!([]));
    assert!(answer["commitTime"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_commit_repeated_under_its_key_is_done_once() {
    let url = fresh("commit");
    let writes = json!([{"merge": document(&url), "data": {"n": {"$increment": 1}}}]);
    let call = commit(writes).header("idempotency-key", "k");
    let first = call.clone().send().expect(200).json();
    assert_eq!(call.send().expect(200).json(), first);
    assert_eq!(client().data(&url), json!({"n": 1}));
    let other = commit(json!([{"delete": document(&url)}])).header("idempotency-key", "k");
    other.send().problem(422, "invalid-argument");
}

#[test]
fn a_commit_of_several_documents_is_done_or_says_that_it_is_not_built() {
    let urls = [fresh("commit"), fresh("commit")];
    let [first, second] = urls.each_ref().map(|url| document(url));
    // What it would be refused for, it is.
    let writes = json!([{"set": first, "data": {}}, {"verify": second, "ifVersion": 3}]);
    commit(writes).send().problem(409, "failed-precondition");
    for url in &urls {
        client().get(url).send().problem(404, "not-found");
    }
    let writes = json!([
        {"set": first, "data": {"n": 1}},
        {"set": second, "data": {"n": 2}},
        {"update": first, "data": {"n": {"$increment": 1}}, "ifVersion": 0},
    ]);
    let call = commit(writes).header("idempotency-key", "several");
    if !is_standalone() {
        call.send().problem(501, "unimplemented");
        client().get(&urls[0]).send().problem(404, "not-found");
        return;
    }
    let answer = call.clone().send().expect(200).json();
    let result = |path: &str| json!({"path": path, "version": 1});
    assert_eq!(answer["results"], json!([result(first), result(second), result(first)]));
    let resources = urls.each_ref().map(|url| client().resource(url));
    assert_eq!(resources.each_ref().map(|it| &it["data"]["n"]), [&json!(2), &json!(2)]);
    assert!(resources.iter().all(|it| it["updateTime"] == answer["commitTime"]), "{resources:?}");
    // Repeated under its key it is done once; for another commit of one of its documents the key is refused.
    assert_eq!(call.send().expect(200).json(), answer);
    assert_eq!(client().resource(&urls[0])["version"], json!(1));
    let third = fresh("commit");
    let writes = json!([{"set": second, "data": {"n": 2}}, {"set": document(&third), "data": {}}]);
    let again = commit(writes).header("idempotency-key", "several").send();
    again.problem(422, "invalid-argument");
    client().get(&third).send().problem(404, "not-found");
}

#[test]
fn money_is_neither_made_nor_lost_by_commits_that_race() {
    if !is_standalone() {
        return;
    }
    let urls: Vec<String> = (0..4).map(|_| fresh("accounts")).collect();
    for url in &urls {
        client().put(url, &json!({"balance": 100})).send().expect(201);
    }
    let transfer = |from: &str, to: &str, version: u64| {
        let update = |url: &str, by: i64| json!({"update": document(url), "data": {"balance": {"$increment": by}}});
        let mut out = update(from, -1);
        out["ifVersion"] = version.into();
        commit(json!([out, update(to, 1)])).send().status
    };
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (urls, transfer) = (&urls, &transfer);
            scope.spawn(move || {
                let (from, to) = (&urls[worker], &urls[(worker + 1) % 4]);
                let mut done = 0;
                while done < 25 {
                    let version = client().resource(from)["version"].as_u64().expect("a version");
                    match transfer(from, to, version) {
                        200 => done += 1,
                        status => assert_eq!(status, 409),
                    }
                }
            });
        }
    });
    let balance = |url: &String| client().data(url)["balance"].as_i64().expect("a balance");
    assert_eq!(urls.iter().map(balance).collect::<Vec<_>>(), [100; 4]);
}

#[test]
fn a_commit_has_so_many_writes_and_bytes() {
    let url = fresh("commit");
    let add = json!({"merge": document(&url), "data": {"n": {"$increment": 1}}});
    let answer = commit(json!(vec![add.clone(); COMMIT_WRITES])).send().expect(200).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), COMMIT_WRITES);
    let full = json!({"n": COMMIT_WRITES});
    assert_eq!(
        (client().data(&url), client().resource(&url)["version"].clone()),
        (full.clone(), json!(1))
    );
    commit(json!(vec![add; COMMIT_WRITES + 1])).send().problem(413, "resource-exhausted");
    let text = json!({"writes": [{"update": document(&url), "data": {"n": 1}}]}).to_string();
    let padded = |bytes: usize| {
        let body = format!("{text}{}", " ".repeat(bytes - text.len()));
        client().request("POST", "/v1/commit").body(JSON, body).send()
    };
    padded(BODY_BYTES + 1).problem(413, "resource-exhausted");
    assert_eq!(client().data(&url), full);
    padded(BODY_BYTES).expect(200);
    assert_eq!(client().data(&url), json!({"n": 1}));
}
