//! `PATCH`, by its three content types.

use crate::client;
use blaze_tests::client::{JSON, JSON_PATCH, MERGE_PATCH, fresh};
use serde_json::{Value, json};

/// A fresh document with this data.
fn document(data: Value) -> String {
    let path = fresh("patch");
    client().put(&path, &data).send().expect(201);
    path
}

/// The data after a patch, which must be answered and kept alike.
fn patched(content_type: &str, data: Value, patch: &Value) -> Value {
    let path = document(data);
    let reply = client().patch(&path, content_type, patch).send().expect(200);
    let resource = reply.json();
    assert_eq!(client().resource(&path), resource);
    assert_eq!(resource["version"], reply.version());
    resource["data"].clone()
}

#[test]
fn a_merge_patch_is_rfc_7396s() {
    // The examples of its appendix A whose target and patch are both objects.
    for (data, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        assert_eq!(patched(MERGE_PATCH, data, &patch), expected, "{patch}");
    }
}

#[test]
fn a_merge_patch_creates_a_missing_document() {
    let path = fresh("patch");
    let patch = json!({"a": 1, "gone": null, "b": {"c": {"$serverTimestamp": true}}});
    let reply = client().patch(&path, MERGE_PATCH, &patch).send().expect(201);
    assert_eq!((reply.version(), reply.header("location")), (1, Some(path.as_str())));
    let resource = reply.json();
    let time = json!({"$timestamp": resource["updateTime"]});
    assert_eq!(resource["data"], json!({"a": 1, "b": {"c": time}}));
}

#[test]
fn in_a_merge_patch_a_typed_value_is_a_leaf_and_transforms_work() {
    let data = json!({"t": {"$ref": "a/b"}, "m": {"x": 1}, "n": 1, "old": 1});
    let patch = json!({
        "t": {"x": 1}, "m": {"$geopoint": [1, 2]}, "n": {"$increment": 2}, "old": {"$delete": true}
    });
    let expected = json!({"t": {"x": 1}, "m": {"$geopoint": [1, 2]}, "n": 3});
    assert_eq!(patched(MERGE_PATCH, data, &patch), expected);
}

#[test]
fn a_merge_patch_that_is_no_object_is_refused() {
    let path = document(json!({"a": 1}));
    for patch in [json!(null), json!([]), json!("a"), json!(1), json!({"$ref": "a/b"})] {
        client().patch(&path, MERGE_PATCH, &patch).refused(400, "invalid-argument");
    }
}

#[test]
fn a_json_patch_is_rfc_6902s() {
    let data = || json!({"a": {"b": 1}, "list": [1, 2, 3], "m~n": {"o/p": 0}, "": {"": 5}});
    for (patch, expected) in [
        (
            json!([{"op": "add", "path": "/c", "value": 1}, {"op": "remove", "path": "/list"}]),
            json!({"a": {"b": 1}, "c": 1, "m~n": {"o/p": 0}, "": {"": 5}}),
        ),
        (
            json!([
                {"op": "add", "path": "/list/1", "value": 9},
                {"op": "add", "path": "/list/-", "value": {"x": null}},
                {"op": "replace", "path": "/list/0", "value": [0]},
                {"op": "remove", "path": "/list/3"}
            ]),
            json!({"a": {"b": 1}, "list": [[0], 9, 2, {"x": null}], "m~n": {"o/p": 0}, "": {"": 5}}),
        ),
        (
            json!([
                {"op": "move", "from": "/a/b", "path": "/moved"},
                {"op": "copy", "from": "/list", "path": "/a/list"},
                {"op": "remove", "path": "/list"},
                {"op": "remove", "path": "/m~0n"},
                {"op": "remove", "path": "/"}
            ]),
            json!({"a": {"list": [1, 2, 3]}, "moved": 1}),
        ),
        (
            json!([
                {"op": "test", "path": "/a/b", "value": 1.0},
                {"op": "test", "path": "/m~0n/o~1p", "value": 0},
                {"op": "test", "path": "//", "value": 5},
                {"op": "replace", "path": "", "value": {"all": "new"}},
                {"op": "test", "path": "", "value": {"all": "new"}}
            ]),
            json!({"all": "new"}),
        ),
        (
            json!([{"op": "replace", "path": "/a", "value": {"$bytes": "aGk"}, "comment": "extra"},
                   {"op": "remove", "path": "/list"}, {"op": "remove", "path": "/m~0n"},
                   {"op": "remove", "path": "/"}]),
            json!({"a": {"$bytes": "aGk="}}),
        ),
    ] {
        assert_eq!(patched(JSON_PATCH, data(), &patch), expected, "{patch}");
    }
}

#[test]
fn a_json_patch_that_does_not_fit_is_a_failed_precondition_and_nothing_is_applied() {
    let path = document(json!({"a": {"b": 1}, "list": [1]}));
    for failing in [
        json!({"op": "test", "path": "/a/b", "value": 2}),
        json!({"op": "test", "path": "/a/b", "value": "1"}),
        json!({"op": "test", "path": "/x", "value": null}),
        json!({"op": "remove", "path": "/x"}),
        json!({"op": "remove", "path": "/list/1"}),
        json!({"op": "replace", "path": "/x", "value": 1}),
        json!({"op": "add", "path": "/x/y", "value": 1}),
        json!({"op": "add", "path": "/a/b/c", "value": 1}),
        json!({"op": "add", "path": "/list/3", "value": 1}),
        json!({"op": "add", "path": "/list/01", "value": 1}),
        json!({"op": "add", "path": "/list/-1", "value": 1}),
        json!({"op": "move", "from": "/x", "path": "/y"}),
        json!({"op": "copy", "from": "/x", "path": "/y"}),
        json!({"op": "remove", "path": ""}),
    ] {
        let patch = json!([{"op": "add", "path": "/applied", "value": true}, failing]);
        let call = client().patch(&path, JSON_PATCH, &patch);
        let detail = call.refused(409, "failed-precondition");
        assert!(detail.contains("operations[1]"), "{detail}");
    }
}

#[test]
fn a_malformed_json_patch_is_refused() {
    let path = document(json!({"a": {"b": 1}, "t": {"$ref": "a/b"}}));
    for patch in [
        json!({}),
        json!([1]),
        json!([{}]),
        json!([{"op": "add", "path": "/a"}]),
        json!([{"op": "add", "value": 1}]),
        json!([{"op": "add", "path": "a", "value": 1}]),
        json!([{"op": "add", "path": "/a~2", "value": 1}]),
        json!([{"op": "jump", "path": "/a"}]),
        json!([{"op": "move", "path": "/a"}]),
        json!([{"op": "move", "from": "/a", "path": "/a/b"}]),
        json!([{"op": "add", "path": "", "value": 1}]),
        json!([{"op": "replace", "path": "", "value": [1]}]),
        json!([{"op": "add", "path": "/a", "value": {"$increment": 1}}]),
        json!([{"op": "add", "path": "/a", "value": {"$nothing": 1}}]),
        json!([{"op": "add", "path": "/$a", "value": 1}]),
        json!([{"op": "add", "path": "/t/x", "value": 1}]),
        json!([{"op": "replace", "path": "/t/$ref", "value": "users"}]),
    ] {
        client().patch(&path, JSON_PATCH, &patch).refused(400, "invalid-argument");
    }
}

#[test]
fn a_json_patch_and_an_update_want_a_document() {
    let path = fresh("patch");
    let test = json!([{"op": "test", "path": "", "value": {}}]);
    for (content_type, patch) in
        [(JSON_PATCH, json!([])), (JSON_PATCH, test), (JSON, json!({"a": 1})), (JSON, json!({}))]
    {
        client().patch(&path, content_type, &patch).refused(404, "not-found");
    }
    client().put(&path, &json!({})).send().expect(201);
    client().delete(&path).send().expect(204);
    client().patch(&path, JSON, &json!({"a": 1})).refused(404, "not-found");
}

#[test]
fn an_update_is_firestores() {
    for (data, update, expected) in [
        (
            json!({"a": {"b": 1, "c": 2}, "n": 1}),
            json!({"a.b": 9, "n": {"$increment": 1}}),
            json!({"a": {"b": 9, "c": 2}, "n": 2}),
        ),
        (json!({"a": {"b": 1}}), json!({"a": {"z": 1}}), json!({"a": {"z": 1}})),
        (json!({"a": {"b": 1}, "a.b": 1}), json!({"`a.b`": 2}), json!({"a": {"b": 1}, "a.b": 2})),
        (
            json!({"k`ey": 1, "b\\s": 1}),
            json!({"`k\\`ey`": 2, "`b\\\\s`": 3}),
            json!({"k`ey": 2, "b\\s": 3}),
        ),
        (json!({"s": "text"}), json!({"s.t.u": 1}), json!({"s": {"t": {"u": 1}}})),
        (json!({"s": {"$ref": "a/b"}}), json!({"s.t": 1}), json!({"s": {"t": 1}})),
        (
            json!({"a": {"b": 1, "c": 2}, "d": 1}),
            json!({"a.b": {"$delete": true}, "d": {"$delete": true}, "x.y": {"$delete": true}}),
            json!({"a": {"c": 2}}),
        ),
        (
            json!({"a": null}),
            json!({"a": {"deep": {"$arrayUnion": [1]}}}),
            json!({"a": {"deep": [1]}}),
        ),
        (json!({"a": 1}), json!({"b": null}), json!({"a": 1, "b": null})),
        (
            json!({}),
            json!({"été.ü": 1, "with space": 2}),
            json!({"été": {"ü": 1}, "with space": 2}),
        ),
    ] {
        assert_eq!(patched(JSON, data, &update), expected, "{update}");
    }
}

#[test]
fn an_update_that_names_no_field_or_one_twice_is_refused() {
    let path = document(json!({"a": {"b": 1}}));
    for update in [
        json!({"": 1}),
        json!({".": 1}),
        json!({"a.": 1}),
        json!({".a": 1}),
        json!({"a..b": 1}),
        json!({"`a": 1}),
        json!({"`a`b": 1}),
        json!({"a`b": 1}),
        json!({"`a\\b`": 1}),
        json!({"a": 1, "a.b": 2}),
        json!({"a.b": 1, "a.`b`": 2}),
        json!({"$a": 1}),
        json!({"a.$b": 1}),
        json!({"a": {"b": {"$delete": true}}}),
        json!({"a": {"$nothing": 1}}),
        json!({"a": [{"$increment": 1}]}),
    ] {
        client().patch(&path, JSON, &update).refused(400, "invalid-argument");
    }
}
