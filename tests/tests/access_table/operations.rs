//! Every way to read and write one document over HTTP.

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
];

impl Operation {
    /// The request to the document at `path`.
    pub(crate) fn call<'a>(&self, client: &'a Client, path: &str) -> Call<'a> {
        let mut call = client.request(self.method, &format!("/v1/docs/{path}{}", self.query));
        for (name, value) in self.headers {
            call = call.header(name, value);
        }
        if self.body.is_empty() { call } else { call.body(self.content_type, self.body) }
    }
}
