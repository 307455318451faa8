//! Every way to read and write one document over HTTP, a commit of its own among them.

use crate::oracle::Act;
use blaze_tests::client::{Call, Client, JSON, JSON_PATCH, MERGE_PATCH};

/// A request to a document.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    method: &'static str,
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    content_type: &'static str,
    body: &'static str,
}

const DATA: &str = r#"{"owner":"alice","n":2,"marker":"shibboleth"}"#;
const CHANGE: &str = r#"{"owner":"alice","n":2}"#;
const REPLACE: &str = r#"[{"op":"replace","path":"/n","value":2}]"#;
const TESTED: &str =
    r#"[{"op":"test","path":"/n","value":1},{"op":"replace","path":"/n","value":2}]"#;
const UNTRUE: &str =
    r#"[{"op":"test","path":"/n","value":5},{"op":"replace","path":"/n","value":2}]"#;

const fn read(
    name: &'static str,
    method: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation { name, act: Act::Read, method, query: "", headers, content_type: "", body: "" }
}

const fn put(
    name: &'static str,
    act: Act,
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation { name, act, method: "PUT", query, headers, content_type: JSON, body: DATA }
}

const fn patch(
    name: &'static str,
    act: Act,
    content_type: &'static str,
    body: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation { name, act, method: "PATCH", query: "", headers, content_type, body }
}

const fn delete(
    name: &'static str,
    act: Act,
    headers: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation { name, act, method: "DELETE", query: "", headers, content_type: "", body: "" }
}

/// `writes` is a commit's, with `<path>` where the document's path is due.
const fn commit(
    name: &'static str,
    act: Act,
    writes: &'static str,
    headers: &'static [(&'static str, &'static str)],
) -> Operation {
    Operation { name, act, method: "POST", query: "", headers, content_type: JSON, body: writes }
}

const KEY: (&str, &str) = ("idempotency-key", "k");
const MINIMAL: (&str, &str) = ("prefer", "return=minimal");
const FIRST: (&str, &str) = ("if-match", "\"1\"");
const ANY: (&str, &str) = ("if-match", "*");
const OTHER: (&str, &str) = ("if-match", "\"99\"");
const NONE: (&str, &str) = ("if-none-match", "*");

pub(crate) const OPERATIONS: &[Operation] = &[
    read("get", "GET", &[]),
    read("head", "HEAD", &[]),
    read("get unless the first", "GET", &[("if-none-match", "\"1\"")]),
    read("get unless another", "GET", &[("if-none-match", "\"99\"")]),
    read("get unless there is one", "GET", &[NONE]),
    read("get if another", "GET", &[OTHER]),
    read("head if there is one", "HEAD", &[ANY]),
    put("put", Act::Set, "", &[]),
    put("put with a key", Act::Set, "", &[KEY]),
    put("put for little", Act::Set, "", &[MINIMAL]),
    put("put merge", Act::Set, "?merge=true", &[]),
    put("put merge with a key", Act::Set, "?merge=true", &[KEY, MINIMAL]),
    put("put if the first", Act::Change, "", &[FIRST]),
    put("put if there is one, with a key", Act::Change, "", &[ANY, KEY]),
    put("put if another", Act::Fail, "", &[OTHER]),
    put("put if another, with a key", Act::Fail, "", &[OTHER, KEY]),
    put("put if there is none", Act::Create, "", &[NONE]),
    put("put unless the first", Act::Create, "", &[("if-none-match", "\"1\"")]),
    patch("merge patch", Act::Set, MERGE_PATCH, CHANGE, &[]),
    patch("merge patch with a key", Act::Set, MERGE_PATCH, CHANGE, &[KEY]),
    patch("merge patch if another", Act::Fail, MERGE_PATCH, CHANGE, &[OTHER]),
    patch("json patch", Act::Change, JSON_PATCH, REPLACE, &[]),
    patch("json patch that tests", Act::Change, JSON_PATCH, TESTED, &[KEY]),
    patch("json patch that tests in vain", Act::Fail, JSON_PATCH, UNTRUE, &[]),
    patch("json patch that tests in vain, with a key", Act::Fail, JSON_PATCH, UNTRUE, &[KEY]),
    patch("update", Act::Change, JSON, CHANGE, &[]),
    patch("update with a key", Act::Change, JSON, CHANGE, &[KEY]),
    patch("update if another", Act::Fail, JSON, CHANGE, &[OTHER]),
    delete("delete", Act::Delete, &[]),
    delete("delete with a key", Act::Delete, &[KEY]),
    delete("delete if the first", Act::Remove, &[FIRST]),
    delete("delete if another", Act::Fail, &[OTHER]),
    commit("commit of a create", Act::Create, r#"[{"create":"<path>","data":<data>}]"#, &[]),
    commit("commit of a set", Act::Set, r#"[{"set":"<path>","data":<data>}]"#, &[]),
    commit("commit of a set with a key", Act::Set, r#"[{"set":"<path>","data":<data>}]"#, &[KEY]),
    commit("commit of a merge", Act::Set, r#"[{"merge":"<path>","data":<data>}]"#, &[]),
    commit("commit of an update", Act::Change, r#"[{"update":"<path>","data":{"n":2}}]"#, &[]),
    commit("commit of a patch", Act::Change, r#"[{"patch":"<path>","operations":<tested>}]"#, &[]),
    commit(
        "commit of a patch in vain",
        Act::Fail,
        r#"[{"patch":"<path>","operations":<untrue>}]"#,
        &[KEY],
    ),
    commit("commit of a delete", Act::Delete, r#"[{"delete":"<path>"}]"#, &[]),
    commit("commit of a delete if", Act::Remove, r#"[{"delete":"<path>","ifVersion":1}]"#, &[]),
    commit("commit of a delete in vain", Act::Fail, r#"[{"delete":"<path>","ifVersion":99}]"#, &[]),
    commit(
        "commit of a set if",
        Act::Create,
        r#"[{"set":"<path>","data":<data>,"ifVersion":0}]"#,
        &[],
    ),
    commit("commit that verifies nothing", Act::Read, r#"[{"verify":"<path>"}]"#, &[]),
    commit("commit that verifies", Act::Verify, r#"[{"verify":"<path>","ifVersion":1}]"#, &[]),
    commit(
        "commit that verifies in vain",
        Act::Missed,
        r#"[{"verify":"<path>","ifVersion":99}]"#,
        &[],
    ),
    commit(
        "commit that verifies and sets",
        Act::Verified,
        r#"[{"verify":"<path>","ifVersion":1},{"set":"<path>","data":<data>}]"#,
        &[],
    ),
    commit(
        "commit that sets and verifies",
        Act::Verified,
        r#"[{"set":"<path>","data":<data>},{"verify":"<path>","ifVersion":1}]"#,
        &[KEY],
    ),
    commit(
        "commit of a delete and a create",
        Act::Set,
        r#"[{"delete":"<path>"},{"create":"<path>","data":<data>}]"#,
        &[],
    ),
    commit(
        "commit of a create and an update",
        Act::Create,
        r#"[{"create":"<path>","data":{}},{"update":"<path>","data":<data>}]"#,
        &[],
    ),
];

impl Operation {
    /// The request to the document at `path`.
    pub(crate) fn call<'a>(&self, client: &'a Client, path: &str) -> Call<'a> {
        let url = match self.method {
            "POST" => "/v1/commit".to_owned(),
            _ => format!("/v1/docs/{path}{}", self.query),
        };
        let mut call = client.request(self.method, &url);
        for (name, value) in self.headers {
            call = call.header(name, value);
        }
        match (self.method, self.body) {
            (_, "") => call,
            ("POST", writes) => {
                call.body(JSON, format!(r#"{{"writes":{}}}"#, filled(writes, path)))
            }
            (_, body) => call.body(self.content_type, body),
        }
    }
}

/// A commit's writes of the document at `path`.
fn filled(writes: &str, path: &str) -> String {
    let named = writes.replace("<path>", path).replace("<data>", DATA);
    named.replace("<tested>", TESTED).replace("<untrue>", UNTRUE)
}
