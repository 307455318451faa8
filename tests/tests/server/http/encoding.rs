//! Bodies with a `Content-Encoding`, and `HEAD`.

use crate::{client, document};
use blaze_schema::limits::BODY_BYTES;
use blaze_tests::client::{JSON, Reply, fresh, fresh_collection};
use blaze_tests::server::TestServer;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn send(method: &str, path: &str, encoding: &str, body: Vec<u8>) -> Reply {
    let call = client().request(method, path).header("content-encoding", encoding);
    call.body(JSON, body).send()
}

#[test]
fn a_gzip_body_is_read_wherever_there_is_a_body() {
    let path = fresh("encoding");
    let collection = path.rsplit_once('/').unwrap().0;
    let data = json!({"a": 1, "text": "é".repeat(5_000)});
    let zipped = |value: &Value| gzip(value.to_string().as_bytes());
    for (encoding, status) in [("gzip", 201), ("x-gzip", 200), ("identity, GZIP", 200)] {
        send("PUT", &path, encoding, zipped(&data)).expect(status);
        assert_eq!(client().data(&path), data, "{encoding}");
    }
    send("PUT", &path, "identity", br#"{"a":2}"#.to_vec()).expect(200);
    send("PATCH", &path, "gzip", zipped(&json!({"b": 3}))).expect(200);
    assert_eq!(client().data(&path), json!({"a": 2, "b": 3}));
    send("POST", collection, "gzip", zipped(&data)).expect(201);
    let commit = json!({"writes": [{"merge": document(&path), "data": {"c": 4}}]});
    send("POST", "/v1/commit", "gzip", zipped(&commit)).expect(200);
    assert_eq!(client().data(&path), json!({"a": 2, "b": 3, "c": 4}));
    let query = json!({"from": "encoding", "where": {"field": "c", "op": "==", "value": 4}});
    let found = send("POST", "/v1/query", "gzip", zipped(&query)).expect(200).json();
    assert_eq!(found["documents"].as_array().map(Vec::len), Some(1));
    let aggregate = json!({"query": query, "aggregates": {"n": "count"}});
    let counted = send("POST", "/v1/aggregate", "gzip", zipped(&aggregate)).expect(200).json();
    assert_eq!(counted, json!({"n": 1}));
    send("POST", "/v1/keys", "gzip", zipped(&json!({"name": "zipped"}))).expect(201);
    // Nothing is nothing, however it is encoded.
    let delete = client().delete(&path).header("content-encoding", "gzip");
    delete.send().expect(204);
}

#[test]
fn another_coding_is_refused_by_name() {
    let path = fresh("encoding");
    client().put(&path, &json!({"a": 1})).send().expect(201);
    let before = client().state(&path);
    let body = br#"{"a":2}"#.to_vec();
    for encoding in ["deflate", "br", "zstd", "gzip, gzip", "gzip, br"] {
        for (method, path) in
            [("PUT", path.as_str()), ("POST", "/v1/commit"), ("POST", "/v1/query")]
        {
            let reply = send(method, path, encoding, body.clone());
            let detail = reply.problem(415, "invalid-argument");
            assert!(detail.contains(encoding), "{detail}");
            assert_eq!(reply.header("accept-encoding"), Some("gzip, identity"));
        }
    }
    assert_eq!(client().state(&path), before);
}

#[test]
fn a_body_that_is_not_what_it_says_is_refused() {
    let path = fresh("encoding");
    let zipped = gzip(br#"{"a":1}"#);
    let mut broken = zipped.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0x55;
    let mut longer = zipped.clone();
    longer.extend_from_slice(b"more");
    for body in [br#"{"a":1}"#.to_vec(), zipped[..zipped.len() - 3].to_vec(), broken, longer] {
        let detail = send("PUT", &path, "gzip", body).problem(400, "invalid-argument");
        assert!(detail.contains("Content-Encoding"), "{detail}");
    }
    // And one that does not say what it is.
    client().request("PUT", &path).body(JSON, zipped).send().problem(400, "invalid-argument");
    assert_eq!(client().get(&path).send().status, 404);
}

#[test]
fn a_body_is_limited_as_it_is_after_inflation() {
    let commit = |bytes: usize| {
        let empty = r#"{"writes":[]}"#;
        format!("{}{empty}", " ".repeat(bytes - empty.len())).into_bytes()
    };
    send("POST", "/v1/commit", "gzip", gzip(&commit(BODY_BYTES))).expect(200);
    let more = send("POST", "/v1/commit", "gzip", gzip(&commit(BODY_BYTES + 1)));
    more.problem(413, "resource-exhausted");
    // A bomb: a thousand times as large as it looks.
    let bomb = gzip(&vec![b' '; 64 << 20]);
    send("POST", "/v1/commit", "gzip", bomb).problem(413, "resource-exhausted");
    client().get("/health").send().expect(200);
}

/// A reply's headers but those that differ from one to the next.
fn headers(reply: &Reply) -> Vec<(String, String)> {
    let headers = reply.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut headers: Vec<_> = headers
        .filter(|(name, _)| {
            !["date", "content-length", "transfer-encoding"].contains(&name.as_str())
        })
        .collect();
    headers.sort();
    headers
}

#[test]
fn head_is_get_without_the_body() {
    let path = fresh("encoding");
    client().put(&path, &json!({"a": 1})).send().expect(201);
    let collection = path.rsplit_once('/').unwrap().0;
    for path in [
        path.as_str(),
        "/v1/docs/encoding/none",
        collection,
        "/v1/docs/encoding?limit=x",
        "/v1/docs/encoding?limit=1&orderBy=a",
        "/v1/accounts",
        "/v1/rules",
        "/v1/rules/versions",
        "/v1/keys",
        "/v1/audit",
        "/v1/jwks.json",
        "/v1/openapi.json",
        "/health",
        "/",
        "/style.css",
        "/none",
        "/v1/none",
    ] {
        let get = client().get(path).send();
        let head = client().request("HEAD", path).send();
        assert_eq!((head.status, headers(&head)), (get.status, headers(&get)), "{path}");
        assert!(head.body.is_empty(), "{path}");
    }
    let tag = client().resource(&path)["version"].to_string();
    let head = client().request("HEAD", &path).header("if-none-match", &format!("\"{tag}\""));
    assert_eq!(head.send().status, 304);
}

#[test]
fn head_is_allowed_to_those_who_may_get() {
    let server = TestServer::start_closed(&json!({}), &[]);
    let collection = fresh_collection();
    for path in [
        format!("/v1/docs/{collection}/a"),
        format!("/v1/docs/{collection}"),
        "/v1/keys".to_owned(),
    ] {
        let client = server.client();
        let get = client.get(&path).send();
        let head = client.request("HEAD", &path).send();
        assert!([401, 403].contains(&get.status), "{path}: {}", get.status);
        assert_eq!(head.status, get.status, "{path}");
    }
}
