//! The contract's document socket, against the built server under workerd.

mod crowd;
mod frames;
mod open;
mod replay;
mod resume;
mod unread;
mod write;

use blaze_tests::client::Client;
use blaze_tests::server::shared;
use blaze_tests::socket::Socket;
use serde_json::Value;
use std::sync::LazyLock;

/// The client that the tests share.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| shared().client());
    &CLIENT
}

/// Opens a socket of the shared server.
fn open(path: &str) -> Socket {
    Socket::open(&shared().url(), path)
}

/// The document path in a URL path such as `/v1/docs/users/alice`.
fn document(url: &str) -> &str {
    url.strip_prefix("/v1/docs/").expect("a document's URL")
}

/// The answer to a write, and the frames that come before it: a listener is told of a write at once, its answer waits for
/// the index.
fn answer(socket: &mut Socket) -> (Value, Vec<Value>) {
    let mut before = Vec::new();
    loop {
        match socket.receive() {
            message if message.get("id").is_some() => return (message, before),
            message => before.push(message),
        }
    }
}

/// Asserts that a message is `{"type":"error"}` with this code and a detail.
fn assert_error(message: &Value, code: &str) {
    let keys: Vec<&String> = message.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["code", "detail", "type"], "{message}");
    assert_eq!((&message["type"], &message["code"]), (&"error".into(), &code.into()), "{message}");
    assert!(message["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{message}");
}
