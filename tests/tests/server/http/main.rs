//! The contract's HTTP, row by row, against the built server under workerd.

mod aggregate;
mod commit;
mod cors;
mod create;
mod declared;
mod encoding;
mod firestore;
mod groups;
mod idempotency;
mod list;
mod openapi;
mod pages;
mod patch;
mod paths;
mod playground;
mod preconditions;
mod problems;
mod query;
mod random;
mod read;
mod strict;
mod transforms;
mod values;
mod write;

use blaze_tests::client::Client;
use blaze_tests::server::{TestServer, shared};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The client that the tests share.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| shared().client());
    &CLIENT
}

/// A client of a server whose collections have settings: `one` and `eight` differ in their shards.
fn declared() -> &'static Client {
    static DECLARED: LazyLock<(TestServer, Client)> = LazyLock::new(|| {
        let server = TestServer::start_with_collections(&json!({
            "one": {},
            "eight": {"shards": 8, "group": true},
            "cast": {"group": true},
            "posts": {"indexes": [["author", "-sent"], ["tags[]", "sent"]], "exempt": ["body"]},
        }));
        let client = server.client();
        (server, client)
    });
    &DECLARED.1
}

/// The document path in a URL path such as `/v1/docs/users/alice`.
fn document(url: &str) -> &str {
    url.strip_prefix("/v1/docs/").expect("a document's URL")
}

/// The detail of the problem that a `POST` of something wrong is answered with.
fn refusal(path: &str, body: &Value) -> String {
    client().post(path, body).send().problem(400, "invalid-argument")
}

/// Percent-encodes every byte that is not an ASCII letter or digit.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
