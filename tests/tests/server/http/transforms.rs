//! Every transform, in every write that takes one.

use crate::client;
use blaze_tests::client::{Call, JSON, JSON_PATCH, MERGE_PATCH, Reply, fresh};
use serde_json::{Value, json};

/// The ways to apply `{"f": transform}` to a document that exists.
fn writes<'a>(path: &str, transform: &Value) -> Vec<Call<'a>> {
    let client = client();
    vec![
        client.patch(path, JSON, &json!({"f": transform})),
        client.patch(path, MERGE_PATCH, &json!({"f": transform})),
        client.put(&format!("{path}?merge=true"), &json!({"f": transform})),
    ]
}

#[test]
fn transforms_compute_from_the_present_value() {
    let nan = || json!({"$number": "NaN"});
    let missing = || Value::String("<missing>".to_owned());
    for (transform, present, expected) in [
        (json!({"$increment": 2}), json!(40), json!(42)),
        (json!({"$increment": -2.5}), json!(1), json!(-1.5)),
        (json!({"$increment": 1}), json!(0.5), json!(1.5)),
        (json!({"$increment": 2}), missing(), json!(2)),
        (json!({"$increment": 2}), json!("40"), json!(2)),
        (json!({"$increment": 2}), json!(null), json!(2)),
        (json!({"$increment": 1}), json!(i64::MAX), json!(i64::MAX)),
        (json!({"$increment": -1}), json!(i64::MIN), json!(i64::MIN)),
        (json!({"$increment": 1}), json!(i64::MAX - 1), json!(i64::MAX)),
        (json!({"$increment": nan()}), json!(1), nan()),
        (
            json!({"$increment": 1}),
            json!({"$number": "-Infinity"}),
            json!({"$number": "-Infinity"}),
        ),
        (json!({"$increment": 1.5e308}), json!(1.5e308), json!({"$number": "Infinity"})),
        (json!({"$min": 2}), json!(3), json!(2)),
        (json!({"$min": 3}), json!(2), json!(2)),
        (json!({"$min": 2}), missing(), json!(2)),
        (json!({"$min": 2}), json!([1]), json!(2)),
        (json!({"$max": 3}), json!(2.5), json!(3)),
        (json!({"$max": 2}), json!(3), json!(3)),
        (json!({"$max": 3.0}), json!(3), json!(3)),
        (json!({"$max": 2}), json!("z"), json!(2)),
        (json!({"$arrayUnion": [2, 3, 3, 1.0]}), json!([1, 2]), json!([1, 2, 3])),
        (json!({"$arrayUnion": [{"a": 1}, null]}), json!([{"a": 1}]), json!([{"a": 1}, null])),
        (json!({"$arrayUnion": [1, 1]}), missing(), json!([1])),
        (json!({"$arrayUnion": [1]}), json!("x"), json!([1])),
        (json!({"$arrayUnion": []}), json!("x"), json!([])),
        (json!({"$arrayRemove": [1, "x"]}), json!([1, 2, 1.0, "x", 1]), json!([2])),
        (json!({"$arrayRemove": [1]}), missing(), json!([])),
        (json!({"$arrayRemove": [1]}), json!({"a": 1}), json!([])),
        (json!({"$delete": true}), json!(1), missing()),
    ] {
        let data = if present == missing() {
            json!({"keep": 0})
        } else {
            json!({"keep": 0, "f": present})
        };
        let path = fresh("transforms");
        for call in writes(&path, &transform) {
            client().put(&path, &data).send();
            let after = call.send().expect(200).json()["data"].take();
            let field = after.get("f").cloned().unwrap_or_else(missing);
            assert_eq!(field, expected, "{transform} on {present}");
            assert_eq!(after["keep"], 0);
        }
    }
}

#[test]
fn the_servers_time_is_the_commits() {
    let path = fresh("transforms");
    let now =
        || json!({"at": {"$serverTimestamp": true}, "in": {"ner": {"$serverTimestamp": true}}});
    let check = |reply: Reply| {
        let resource = reply.json();
        let time = json!({"$timestamp": resource["updateTime"]});
        assert_eq!(resource["data"], json!({"at": time, "in": {"ner": time}}));
    };
    check(client().put(&path, &now()).send().expect(201));
    check(client().patch(&path, MERGE_PATCH, &now()).send().expect(200));
    check(client().put(&format!("{path}?merge=true"), &now()).send().expect(200));
    let update = json!({"at": {"$serverTimestamp": true}, "in.ner": {"$serverTimestamp": true}});
    check(client().patch(&path, JSON, &update).send().expect(200));
    check(client().post("/v1/docs/transforms", &now()).send().expect(201));
}

#[test]
fn a_set_and_a_create_find_nothing_to_transform() {
    let path = fresh("transforms");
    client().put(&path, &json!({"n": 5, "list": [1], "low": 3})).send().expect(201);
    let transforms = json!({
        "n": {"$increment": 2}, "list": {"$arrayUnion": [2, 2]}, "low": {"$max": 1},
        "gone": {"$arrayRemove": [1]}, "in": {"ner": {"$min": 1.5}}
    });
    let expected = json!({"n": 2, "list": [2], "low": 1, "gone": [], "in": {"ner": 1.5}});
    assert_eq!(client().put(&path, &transforms).send().expect(200).json()["data"], expected);
    let created = client().post("/v1/docs/transforms", &transforms).send().expect(201);
    assert_eq!(created.json()["data"], expected);
}

#[test]
fn a_transform_where_none_may_stand_is_refused() {
    let path = fresh("transforms");
    client().put(&path, &json!({"n": 5})).send().expect(201);
    for data in [
        json!({"n": {"$delete": true}}),
        json!({"n": [{"$increment": 1}]}),
        json!({"n": {"$arrayUnion": [{"$serverTimestamp": true}]}}),
        json!({"n": {"$increment": 1, "other": 2}}),
        json!({"n": {"$increment": "1"}}),
        json!({"n": {"$increment": null}}),
        json!({"n": {"$min": [1]}}),
        json!({"n": {"$max": "z"}}),
        json!({"n": {"$arrayUnion": 1}}),
        json!({"n": {"$arrayRemove": {"a": 1}}}),
        json!({"n": {"$serverTimestamp": 1}}),
        json!({"n": {"$serverTimestamp": false}}),
        json!({"n": {"$multiply": 2}}),
    ] {
        client().put(&path, &data).refused(400, "invalid-argument");
        if data["n"].get("$delete").is_none() {
            client().patch(&path, JSON, &data).refused(400, "invalid-argument");
            client().patch(&path, MERGE_PATCH, &data).refused(400, "invalid-argument");
        }
    }
    let patch = json!([{"op": "add", "path": "/n", "value": {"$serverTimestamp": true}}]);
    client().patch(&path, JSON_PATCH, &patch).refused(400, "invalid-argument");
}
