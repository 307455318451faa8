//! A server that nobody has opened, and that has no rules.

use crate::operations::OPERATIONS;
use crate::world::{LONG, PLACES, Place, SECRETS, access, data, new_key, put_rules, token};
use blaze_identity::auth::ApiKey;
use blaze_schema::timestamp::Timestamp;
use blaze_tests::client::Reply;
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Session, Socket};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How the rules come into being, which a refusal says.
const WAY_OUT: &str = "blaze rules deploy";

fn assert_closed(reply: &Reply, case: &str) {
    assert_eq!(reply.status, 403, "{case}: {}", reply.text());
    if !case.contains("head") {
        let detail = reply.problem(403, "permission-denied");
        assert!(detail.contains(WAY_OUT), "{case}: {detail}");
    }
}

fn assert_closed_frame(error: &Value) {
    assert_eq!(error["code"], "permission-denied", "{error}");
    assert!(error["detail"].as_str().unwrap().contains(WAY_OUT), "{error}");
}

#[test]
fn nobody_may_do_anything_before_there_are_rules() {
    let server = TestServer::start_closed(&access(), SECRETS);
    let root = token("root", &["admin"], LONG);
    let admin = server.client().bearing(Some(&root));
    let key = new_key(&admin, "none", &["editor"]).0;
    let people = [None, Some(token("alice", &["editor"], LONG)), Some(key)];
    for credential in &people {
        let credential = credential.as_deref();
        let client = server.client().bearing(credential);
        for place in PLACES {
            let paths = [place.existing(&admin), place.fresh()];
            for operation in OPERATIONS {
                // The same words, whatever it fails for besides.
                let told = paths.each_ref().map(|path| {
                    let reply = operation.call(&client, path).send();
                    assert_closed(&reply, operation.name);
                    reply.text()
                });
                assert_eq!(told[0], told[1], "{}", operation.name);
            }
            assert_eq!(admin.data(&format!("/v1/docs/{}", paths[0])), data(1));
            let collection = place.collection();
            let query = json!({"from": collection});
            let aggregate = json!({"query": query, "aggregates": {"n": "count"}});
            for call in [
                client.post(&format!("/v1/docs/{collection}"), &data(2)),
                client.get(&format!("/v1/docs/{collection}")),
                client.get(&format!("/v1/docs/{collection}?where=n==1")),
                client.post("/v1/query", &query),
                client.post("/v1/aggregate", &aggregate),
                client.post(
                    "/v1/commit",
                    &json!({"writes": paths.each_ref().map(|path| json!({"delete": path}))}),
                ),
            ] {
                assert_closed(&call.send(), collection);
            }
            for path in &paths {
                let url = format!("/v1/docs/{path}");
                let (messages, code) = Socket::open_as(&server.url(), &url, credential).ended();
                assert_eq!((messages.len(), code), (1, 4403), "{messages:?}");
                assert_closed_frame(&messages[0]);
                let mut session = Session::open_as(&server.url(), credential);
                session.listen(1, json!({"document": path}));
                session.listen(2, json!({"query": query}));
                assert_closed_frame(&session.next(1));
                assert_closed_frame(&session.next(2));
                let answer = session.write("w", json!({"set": path, "data": {}}));
                assert_closed_frame(&answer["error"]);
            }
        }
        let status = if credential.is_none() { 401 } else { 403 };
        assert_eq!(client.get("/v1/rules").send().status, status);
        let mine = json!({"name": "mine", "roles": ["admin"]});
        assert_eq!(client.post("/v1/keys", &mine).send().status, status);
        let rules = "match /{path=**} { allow read, write: if true; }";
        let put = client.request("PUT", "/v1/rules").body("text/plain", rules).send();
        assert_eq!(put.status, status);
    }
    // And then there are some.
    let path = Place::Public.existing(&admin);
    put_rules(&admin, "match /public/{id} { allow read: if true; }");
    let url = format!("/v1/docs/{path}");
    assert_eq!(server.client().data(&url), data(1));
    server.client().put(&url, &data(2)).send().problem(401, "unauthenticated");
    server.client().get("/v1/docs/other/x").send().problem(401, "unauthenticated");
}

#[test]
fn the_key_of_the_configuration_is_the_first() {
    let roles = BTreeSet::from(["admin".to_owned()]);
    let (_, key) = ApiKey::mint([5, 6], "first".to_owned(), roles, Timestamp::from_micros(0), None);
    let other =
        ApiKey::mint([7, 8], String::new(), BTreeSet::new(), Timestamp::from_micros(0), None).1;
    let hash = ApiKey::configuration(&key).unwrap();
    let server = TestServer::start_closed(&json!({}), &[("ADMIN_KEY_HASH", &hash)]);
    let admin = server.client().bearing(Some(&key));
    admin.put("/v1/docs/a/b", &json!({"n": 1})).send().expect(201);
    server.client().get("/v1/docs/a/b").send().problem(403, "permission-denied");
    for wrong in [&other, &hash, &key.replace(&key[4..6], "00")] {
        let refused = server.client().bearing(Some(wrong)).get("/v1/docs/a/b").send();
        refused.problem(401, "unauthenticated");
    }
    let (second, id) = new_key(&admin, "second", &["admin"]);
    let second = server.client().bearing(Some(&second));
    put_rules(&second, "match /a/{b} { allow read: if true; }");
    assert_eq!(server.client().data("/v1/docs/a/b"), json!({"n": 1}));
    admin.delete(&format!("/v1/keys/{id}")).send().expect(204);
    second.get("/v1/keys").send().problem(401, "unauthenticated");
    assert!(!server.log().contains(&key) && !server.log().contains(&hash));
}
