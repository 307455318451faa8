//! What a refusal, and an answer to somebody who may not read, give away: nothing.

use crate::world::{Place, data, world};
use blaze_tests::client::{Call, JSON, JSON_PATCH, Reply};
use serde_json::{Value, json};

/// Two answers that differ in nothing but the paths that were asked for.
fn assert_same(replies: [(&Reply, &str); 2]) {
    let told = replies.map(|(reply, path)| {
        assert!([401, 403].contains(&reply.status), "{path}: {}", reply.text());
        (reply.status, reply.text().replace(path, "<path>"), reply.headers.len())
    });
    assert_eq!(told[0], told[1]);
}

#[test]
fn a_repetition_by_somebody_else_is_not_answered_with_the_first_answer() {
    let world = world();
    let [alice, bob, anonymous] =
        ["alice", "bob", "anonymous"].map(|name| world.client(world.person(name)));
    let [written, missing] = [Place::Notes.fresh(), Place::Notes.fresh()];
    fn keyed(call: Call<'_>) -> Reply {
        call.header("idempotency-key", "the same").send()
    }
    let put = |client, path: &str| {
        let client: &blaze_tests::client::Client = client;
        keyed(client.put(&format!("/v1/docs/{path}"), &data(1)))
    };
    let first = put(&alice, &written).expect(201);
    let again = put(&alice, &written).expect(201);
    assert_eq!(first.body, again.body);
    for client in [&bob, &anonymous] {
        let (there, nowhere) = (put(client, &written), put(client, &missing));
        assert_same([(&there, &written), (&nowhere, &missing)]);
        // Another body under that key is no mistake of theirs: nobody is told that the key is in use.
        let other = |path: &str| keyed(client.put(&format!("/v1/docs/{path}"), &data(2)));
        assert_same([(&other(&written), &written), (&other(&missing), &missing)]);
    }
    // Those who may write, and not read, have their own answers: without data.
    let dropped = Place::Drop.fresh();
    let by_bob = put(&bob, &dropped).expect(201).json();
    assert_eq!(by_bob, put(&bob, &dropped).expect(201).json());
    let by_alice = put(&alice, &dropped).expect(200).json();
    for answer in [by_bob, by_alice] {
        assert_eq!(answer.get("data"), None, "{answer}");
    }
    let elsewhere = keyed(bob.post("/v1/docs/drop", &data(1))).expect(201).json();
    let mine = keyed(alice.post("/v1/docs/drop", &data(1))).expect(201).json();
    assert_ne!(elsewhere["path"], mine["path"]);
}

#[test]
fn a_repetition_by_who_may_no_longer_read_is_answered_without_data() {
    let world = world();
    let alice = world.client(world.person("alice"));
    let url = format!("/v1/docs/{}", Place::Notes.fresh());
    let put = || alice.put(&url, &data(1)).header("idempotency-key", "k").send();
    let first = put().expect(201);
    assert_eq!(first.json()["data"], data(1));
    let taken = json!({"owner": "bob", "n": 5});
    world.admin.patch(&url, JSON, &taken).send().expect(200);
    let again = put();
    assert!(!again.text().contains("shibboleth") && !again.text().contains("\"data\""));
    assert_eq!(world.admin.data(&url)["owner"], "bob");
    // Her own, once more: what she wrote, and not what it is now.
    world.admin.patch(&url, JSON, &json!({"owner": "alice"})).send().expect(200);
    assert_eq!(put().expect(201).body, first.body);
}

#[test]
fn what_makes_a_write_fail_is_not_told_to_those_who_may_write_and_not_read() {
    let world = world();
    let bob = world.client(world.person("bob"));
    let [there, missing] = [Place::Drop.existing(&world.admin), Place::Drop.fresh()];
    let guess = |path: &str, value: Value| {
        let test = json!([{"op": "test", "path": "/marker", "value": value},
                          {"op": "replace", "path": "/marker", "value": value}]);
        bob.patch(&format!("/v1/docs/{path}"), JSON_PATCH, &test).send()
    };
    let wrong = guess(&there, json!("wrong"));
    assert_same([(&wrong, &there), (&guess(&missing, json!("wrong")), &missing)]);
    // A document that is too large only together with what is there already.
    let large = json!({"large": "x".repeat(900_000)});
    let huge = Place::Drop.fresh();
    world.admin.put(&format!("/v1/docs/{huge}"), &large).send().expect(201);
    let more = json!({"more": "x".repeat(900_000)});
    let grown = bob.patch(&format!("/v1/docs/{huge}"), JSON, &more).send();
    let alone = bob.patch(&format!("/v1/docs/{missing}"), JSON, &more).send();
    assert_same([(&grown, &huge), (&alone, &missing)]);
}

#[test]
fn a_rule_that_fails_says_nothing_of_the_document() {
    let world = world();
    let bob = world.client(world.person("bob"));
    // Without an owner, with one of another type, deleted, listened to and never written: all as missing.
    let paths = [(); 5].map(|()| Place::Notes.fresh());
    let url = |path: &str| format!("/v1/docs/{path}");
    for (path, data) in
        paths.iter().zip([json!({}), json!({"owner": 5}), json!({"owner": "alice"})])
    {
        world.admin.put(&url(path), &data).send().expect(201);
    }
    world.admin.delete(&url(&paths[2])).send().expect(204);
    world.socket(world.person("admin"), &paths[3]).receive();
    let [others @ .., missing] = &paths;
    for path in others {
        let reads = [path, missing].map(|path| bob.get(&url(path)).send());
        assert_same([(&reads[0], path), (&reads[1], missing)]);
        let writes = [path, missing].map(|path| bob.put(&url(path), &data(1)).send());
        assert_same([(&writes[0], path), (&writes[1], missing)]);
    }
}
