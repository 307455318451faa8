//! Every limit of `blaze_schema::limits` that HTTP or a socket reaches: at the limit, and one past it.
//!
//! Not here, for they take long: `IDEMPOTENCY_MICROS` and `TOMBSTONE_MICROS` (tested in the engine, with a clock of its
//! own), `LIVE_DOCUMENTS`, which is as many objects (tested in `tests/tests/native/live`, with one index). `LIVE_LOG_CHANGES` is
//! tested beside what else a listener may have missed (`tests/tests/server/listen/resume.rs`).

mod listen;
mod queries;

use blaze_engine::idempotency::Idempotency;
use blaze_schema::limits::{
    BODY_BYTES, DOCUMENT_BYTES, DOCUMENT_DEPTH, FIELD_PATH_KEYS, ID_BYTES, IDEMPOTENCY_KEY_BYTES,
    LOG_MIN_BYTES, LOG_PATCHES, PATCH_COPY_BYTES, PATCH_OPERATIONS, PATH_BYTES, PATH_SEGMENTS,
    ROW_BYTES, SUBPROTOCOL_BYTES, WRITE_ID_BYTES,
};
use blaze_tests::client::{Client, JSON, JSON_PATCH, fresh};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Listener, Socket};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The server of these tests. Collections that are called `eight` have as many shards.
fn server() -> &'static TestServer {
    static SERVER: LazyLock<TestServer> = LazyLock::new(|| {
        TestServer::start_with_collections(&json!({"eight": {"shards": 8, "group": true}}))
    });
    &SERVER
}

fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| server().client());
    &CLIENT
}

fn socket(path: &str) -> Socket {
    Socket::open(&server().url(), path)
}

/// Data whose compact JSON has this many bytes.
fn sized(bytes: usize) -> Value {
    let data = json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    assert_eq!(data.to_string().len(), bytes);
    data
}

/// Maps in maps: this many levels, the outermost being the first.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({"a": inner}))
}

#[test]
fn id_bytes() {
    for character in ["x", "é", "😀"] {
        let base = format!("{}/c", fresh("limits"));
        let id = |bytes: usize| {
            character.repeat(bytes / character.len()) + &"y".repeat(bytes % character.len())
        };
        let put = |id: &str| client().put(&format!("{base}/{}", encode(id)), &json!({}));
        let resource = put(&id(ID_BYTES)).send().expect(201).json();
        assert_eq!(resource["id"], id(ID_BYTES));
        put(&id(ID_BYTES + 1)).send().problem(400, "invalid-argument");
        let collection = |id: &str| format!("/v1/docs/{}", encode(id));
        client().post(&collection(&id(ID_BYTES)), &json!({})).send().expect(201);
        let post = client().post(&collection(&id(ID_BYTES + 1)), &json!({})).send();
        post.problem(400, "invalid-argument");
    }
}

/// Percent-encodes every byte that is not an ASCII letter or digit.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[test]
fn path_bytes() {
    // Six segments; the bytes are those of the decoded path.
    let path = |bytes: usize| {
        let head = format!("{}/", "é".repeat(500)).repeat(5);
        let last = "z".repeat(bytes - head.len());
        format!("/v1/docs/{}", encode(&format!("{head}{last}")).replace("%2F", "/"))
    };
    let resource = client().put(&path(PATH_BYTES), &json!({})).send().expect(201).json();
    assert_eq!(resource["path"].as_str().map(str::len), Some(PATH_BYTES));
    assert_eq!(client().data(&path(PATH_BYTES)), json!({}));
    let whole = resource["path"].as_str().expect("a path");
    let (collection, _) = whole.rsplit_once('/').expect("a document's path");
    let found = client().query(&json!({"from": collection}));
    assert_eq!(found["documents"][0]["path"], whole, "queries know of it too");
    let refused = client().put(&path(PATH_BYTES + 1), &json!({})).send();
    refused.problem(400, "invalid-argument");
}

#[test]
fn path_segments() {
    let path = |segments: usize| format!("/v1/docs/{}", vec!["s"; segments].join("/"));
    client().put(&path(PATH_SEGMENTS), &json!({"n": 1})).send().expect(201);
    assert_eq!(client().data(&path(PATH_SEGMENTS)), json!({"n": 1}));
    client().put(&path(PATH_SEGMENTS + 2), &json!({})).send().problem(400, "invalid-argument");
    client().post(&path(PATH_SEGMENTS + 1), &json!({})).send().problem(400, "invalid-argument");
}

#[test]
fn document_bytes() {
    let path = fresh("limits");
    let largest = client().put(&path, &sized(DOCUMENT_BYTES)).send().expect(201);
    assert_eq!(largest.json()["data"], sized(DOCUMENT_BYTES));
    assert_eq!(client().data(&path), sized(DOCUMENT_BYTES));
    client().put(&path, &sized(DOCUMENT_BYTES + 1)).refused(413, "resource-exhausted");
    let one_more = client().patch(&path, JSON, &json!({"b": 1}));
    one_more.refused(413, "resource-exhausted");
    let append = json!([{"op": "add", "path": "/b", "value": 1}]);
    client().patch(&path, JSON_PATCH, &append).refused(413, "resource-exhausted");
    // Spaces in the body are not the document's.
    let spaced = sized(DOCUMENT_BYTES).to_string().replace("\"a\":", "\"a\"    :     ");
    let reply = client().request("PUT", &path).body(JSON, spaced).send().expect(200);
    assert_eq!(reply.version(), 1);
    // Bytes, not characters.
    let wide = json!({"a": "é".repeat(DOCUMENT_BYTES / 2)});
    client().put(&path, &wide).refused(413, "resource-exhausted");
}

#[test]
fn a_document_of_the_largest_size_is_listened_to() {
    let path = fresh("limits");
    client().put(&path, &sized(DOCUMENT_BYTES)).send().expect(201);
    let mut socket = socket(&path);
    let mut listener = Listener::of(&mut socket);
    assert_eq!(listener.state, sized(DOCUMENT_BYTES));
    let other = json!({"b": "y".repeat(DOCUMENT_BYTES - r#"{"b":""}"#.len())});
    client().put(&path, &other).send().expect(200);
    listener.follow(&mut socket, 2);
    assert_eq!(listener.state, other);
}

#[test]
fn document_depth() {
    let path = fresh("limits");
    client().put(&path, &nested(DOCUMENT_DEPTH)).send().expect(201);
    assert_eq!(client().data(&path), nested(DOCUMENT_DEPTH));
    client().put(&path, &nested(DOCUMENT_DEPTH + 1)).refused(400, "invalid-argument");
    let deepest = vec!["a"; DOCUMENT_DEPTH - 1].join("/");
    for (value, at_limit) in [(json!(1), true), (json!([]), false), (json!({"b": {}}), false)] {
        let patch = json!([{"op": "add", "path": format!("/{deepest}/b"), "value": value}]);
        let call = client().patch(&path, JSON_PATCH, &patch);
        match at_limit {
            true => drop(call.send().expect(200)),
            false => drop(call.refused(400, "invalid-argument")),
        }
    }
    // Arrays are levels too; a typed value is none.
    let arrays = (1..DOCUMENT_DEPTH).fold(json!({"$geopoint": [1, 2]}), |inner, _| json!([inner]));
    client().put(&path, &json!({"a": arrays})).send().expect(200);
    assert_eq!(client().data(&path), json!({"a": arrays}));
    client().put(&path, &json!({"a": [arrays]})).refused(400, "invalid-argument");
    let mut socket = socket(&path);
    assert_eq!(Listener::of(&mut socket).state, json!({"a": arrays}));
}

#[test]
fn field_path_keys() {
    let path = fresh("limits");
    client().put(&path, &json!({})).send().expect(201);
    let update = |keys: usize| client().patch(&path, JSON, &json!({vec!["k"; keys].join("."): 1}));
    update(FIELD_PATH_KEYS + 1).refused(400, "invalid-argument");
    update(FIELD_PATH_KEYS).send().expect(200);
    let pointer = "/k".repeat(FIELD_PATH_KEYS);
    assert_eq!(client().data(&path).pointer(&pointer), Some(&json!(1)));
}

#[test]
fn body_bytes() {
    let path = fresh("limits");
    let body = |bytes: usize| {
        let spaces = " ".repeat(bytes - r#"{"n":1}"#.len());
        format!("{spaces}{}", r#"{"n":1}"#)
    };
    let put = |bytes: usize| client().request("PUT", &path).body(JSON, body(bytes));
    put(BODY_BYTES + 1).refused(413, "resource-exhausted");
    put(4 * BODY_BYTES).refused(413, "resource-exhausted");
    put(BODY_BYTES).send().expect(201);
    assert_eq!(client().data(&path), json!({"n": 1}));
}

#[test]
fn a_message_has_as_many_bytes_as_a_body() {
    let path = fresh("limits");
    let mut socket = socket(&path);
    socket.receive();
    let message = |bytes: usize| {
        let ping = r#"{"ping":7}"#;
        format!("{ping}{}", " ".repeat(bytes - ping.len()))
    };
    socket.send_text(message(BODY_BYTES));
    assert_eq!(socket.receive(), json!({"pong": 7}));
    socket.send_text(message(BODY_BYTES + 1));
    let refusal = socket.receive();
    assert_eq!(
        (&refusal["type"], &refusal["code"]),
        (&json!("error"), &json!("resource-exhausted"))
    );
    assert_eq!(socket.ask(&json!({"ping": 8})), json!({"pong": 8}));
}

#[test]
fn patch_operations() {
    let path = fresh("limits");
    client().put(&path, &json!({"n": 0})).send().expect(201);
    let patch = |operations: usize| {
        let count = (1..=operations).map(|n| json!({"op": "replace", "path": "/n", "value": n}));
        client().patch(&path, JSON_PATCH, &count.collect())
    };
    patch(PATCH_OPERATIONS + 1).refused(413, "resource-exhausted");
    let reply = patch(PATCH_OPERATIONS).send().expect(200);
    assert_eq!((reply.version(), &reply.json()["data"]), (2, &json!({"n": PATCH_OPERATIONS})));
}

#[test]
fn patch_copy_bytes() {
    let path = fresh("limits");
    // A string counts with four bytes more than it has: 8 copies are the limit.
    let text = "x".repeat(PATCH_COPY_BYTES / 8 - 4);
    client().put(&path, &json!({"a": text})).send().expect(201);
    let copies = |count: usize| {
        let copy = json!({"op": "copy", "from": "/a", "path": "/b"});
        client().patch(&path, JSON_PATCH, &Value::Array(vec![copy; count]))
    };
    copies(9).refused(413, "resource-exhausted");
    let reply = copies(8).send().expect(200);
    assert_eq!(reply.json()["data"], json!({"a": text, "b": text}));
    let double = |n: usize| json!({"op": "copy", "from": "", "path": format!("/copy{n}")});
    let bomb: Value = (0..64).map(double).collect();
    client().patch(&path, JSON_PATCH, &bomb).refused(413, "resource-exhausted");
}

#[test]
fn idempotency_key_bytes() {
    let path = fresh("limits");
    let put = |key: &str| client().put(&path, &json!({"n": 1})).header("idempotency-key", key);
    put(&"k".repeat(IDEMPOTENCY_KEY_BYTES + 1)).refused(400, "invalid-argument");
    put(&"é".repeat(IDEMPOTENCY_KEY_BYTES / 2 + 1)).refused(400, "invalid-argument");
    put("").refused(400, "invalid-argument");
    put(&"k".repeat(IDEMPOTENCY_KEY_BYTES)).send().expect(201);
    put(&"k".repeat(IDEMPOTENCY_KEY_BYTES)).send().expect(201);
    put(&"é".repeat(IDEMPOTENCY_KEY_BYTES / 2)).send().expect(200);
    let post = |bytes: usize| {
        let call = client().post("/v1/docs/limits", &json!({}));
        call.header("idempotency-key", &"p".repeat(bytes)).send()
    };
    post(IDEMPOTENCY_KEY_BYTES).expect(201);
    post(IDEMPOTENCY_KEY_BYTES + 1).problem(400, "invalid-argument");
}

#[test]
fn write_id_bytes() {
    let path = fresh("limits");
    let mut socket = socket(&path);
    socket.receive();
    let name = path.strip_prefix("/v1/docs/").unwrap();
    let write = |id: String| json!({"write": {"id": id, "set": name, "data": {"n": 1}}});
    let id = "w".repeat(WRITE_ID_BYTES);
    socket.send(&write(id.clone()));
    let (one, other) = (socket.receive(), socket.receive());
    let (answer, told) = if one.get("id").is_some() { (one, other) } else { (other, one) };
    assert_eq!(answer, json!({"id": id, "result": {"path": name, "version": 1}}));
    assert_eq!(told["type"], "patch");
    let refusal = socket.ask(&write(id + "w"));
    assert_eq!((&refusal["type"], &refusal["code"]), (&json!("error"), &json!("invalid-argument")));
    assert_eq!(socket.settled(), Vec::<Value>::new());
}

#[test]
fn subprotocol_bytes() {
    let path = fresh("limits");
    let protocol = |bytes: usize| {
        let token = "t".repeat(bytes - "blaze.v1, bearer.".len());
        let offered = format!("blaze.v1, bearer.{token}");
        match Socket::open_with(&server().url(), &path, &offered) {
            Ok(socket) => socket.protocol,
            Err(refusal) => Some(refusal.status.to_string()),
        }
    };
    assert_eq!(protocol(SUBPROTOCOL_BYTES).as_deref(), Some("blaze.v1"));
    // The socket opens, and speaks no subprotocol that was offered.
    assert_eq!(protocol(SUBPROTOCOL_BYTES + 1).as_deref(), Some("101"));
}

/// What a socket that starts after `since` is sent: the versions of patches, or `None` for a snapshot.
fn missed(path: &str, since: u64, epoch: &str) -> Option<Vec<u64>> {
    let mut socket = socket(&format!("{path}?since={since}&epoch={epoch}"));
    let frames = socket.settled();
    let versions = frames.iter().map(|frame| frame["version"].as_u64().unwrap());
    let snapshot = frames.first().is_some_and(|frame| frame["type"] == "snapshot");
    if snapshot { None } else { Some(versions.collect()) }
}

#[test]
fn log_patches() {
    let path = fresh("limits");
    // A large document: its log is limited by the number of its patches, not by their bytes.
    let filler = "x".repeat(200_000);
    client().put(&path, &json!({"n": 0, "filler": filler})).send().expect(201);
    let epoch = Listener::of(&mut socket(&path)).epoch;
    let last = LOG_PATCHES as u64 + 10;
    for n in 2..=last {
        client().patch(&path, JSON, &json!({"n": n})).send().expect(200);
    }
    let limit = LOG_PATCHES as u64;
    assert_eq!(missed(&path, last - limit, &epoch), Some((last - limit + 1..=last).collect()));
    assert_eq!(missed(&path, last - limit - 1, &epoch), None);
    assert_eq!(missed(&path, last, &epoch), Some(Vec::new()));
}

#[test]
fn log_min_bytes() {
    let path = fresh("limits");
    client().put(&path, &json!({"n": 1_000})).send().expect(201);
    let epoch = Listener::of(&mut socket(&path)).epoch;
    // Versions of four digits would be long to reach: two digits are, from 10 on, as long as each other.
    for n in 2..=99 {
        client().patch(&path, JSON, &json!({"n": 1_000 + n})).send().expect(200);
    }
    let frame = r#"{"type":"patch","base":10,"version":11,"patch":[{"op":"replace","path":"/n","value":1001}]}"#;
    let kept = (LOG_MIN_BYTES / (frame.len() + 1)) as u64;
    assert!(kept < 89, "{kept} frames");
    assert_eq!(missed(&path, 99 - kept, &epoch).map(|versions| versions.len() as u64), Some(kept));
    assert_eq!(missed(&path, 99 - kept - 1, &epoch), None);
}

/// Three keys whose records a document keeps in one row.
fn keys_of_one_row() -> [String; 3] {
    let mut rows: HashMap<[u8; 3], Vec<String>> = HashMap::new();
    for number in 0.. {
        let key = format!("key{number}");
        let row = Idempotency::new(key.clone(), &[]).row_key();
        let keys = rows.entry(row).or_default();
        keys.push(key);
        if let Ok(keys) = <[String; 3]>::try_from(keys.clone()) {
            return keys;
        }
    }
    unreachable!()
}

#[test]
fn row_bytes() {
    let path = fresh("limits");
    let [first, second, third] = keys_of_one_row();
    // Two answers of this size fit into a row, three do not.
    let put = |key: &str, letter: &str| {
        let data = json!({"a": letter.repeat(ROW_BYTES / 2 - 1_000)});
        client().put(&path, &data).header("idempotency-key", key)
    };
    put(&first, "x").send().expect(201);
    put(&second, "y").send().expect(200);
    put(&third, "z").refused(429, "resource-exhausted");
    put(&first, "x").send().expect(201);
    assert_eq!(client().get(&path).send().version(), 2);
}

#[test]
fn every_document_can_be_written_with_a_key() {
    let path = fresh("limits");
    // In JSON within JSON each of these characters has four bytes.
    let quotes = json!({"a": "\"".repeat(DOCUMENT_BYTES / 2 - 10)});
    assert!(quotes.to_string().len() <= DOCUMENT_BYTES);
    let call = client().put(&path, &quotes).header("idempotency-key", "large");
    let first = call.clone().send().expect(201);
    assert_eq!(call.send().expect(201).body, first.body);
    assert_eq!(client().data(&path), quotes);
}
