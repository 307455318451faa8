//! The contract's `/v1/listen`: many targets on one socket, against the built server under workerd.

mod crowd;
mod documents;
mod open;
mod queries;
mod random;
mod resume;
mod unread;
mod write;

use blaze_tests::client::{Client, documents as documents_of, fresh_collection};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{LiveResult, Session, Told};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The server that the tests share. It counts rows. A collection is in one index, unless it is called `eight`, which is
/// how many shards it has.
fn server() -> &'static TestServer {
    static SERVER: LazyLock<TestServer> = LazyLock::new(|| {
        TestServer::start_with_collections(&json!({
            "eight": {"shards": 8, "group": true},
            "cast": {"group": true},
        }))
    });
    &SERVER
}

/// A client of it.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| server().client());
    &CLIENT
}

/// A socket of it.
fn session() -> Session {
    Session::open(&server().url())
}

/// Two collections that no other test uses: with one index, and with eight shards.
fn places() -> [String; 2] {
    [fresh_collection(), format!("{}/x/eight", fresh_collection())]
}

/// Writes a document.
fn put(collection: &str, id: &str, data: Value) {
    let reply = client().put(&format!("/v1/docs/{collection}/{id}"), &data).send();
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
}

/// Deletes a document.
fn delete(collection: &str, id: &str) {
    client().delete(&format!("/v1/docs/{collection}/{id}")).send().expect(204);
}

/// What a query answers now.
fn now(query: &Value) -> Vec<Value> {
    documents_of(&client().query(query)).to_vec()
}

/// A live query, and the socket that it is on.
struct Live {
    session: Session,
    query: Value,
    result: LiveResult,
}

impl Live {
    fn new(query: Value) -> Self {
        let mut session = session();
        let result = session.query(1, &query);
        assert_eq!(result.documents, now(&query), "{query}");
        Live { session, query, result }
    }

    /// Takes the next frame, after which the result must be what the query answers. What it told, as words.
    fn told(&mut self) -> Vec<String> {
        let Told { reset, changes } = self.result.apply(&self.session.next(1));
        assert!(!reset, "the whole result again: {}", self.query);
        assert_eq!(self.result.documents, now(&self.query), "{}", self.query);
        changes
    }
}

/// Asserts that a frame is an error with this code, and a detail that has these words.
fn assert_error(frame: &Value, code: &str, words: &str) {
    let keys: Vec<&String> = frame.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["code", "detail", "type"], "{frame}");
    assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!(code)), "{frame}");
    assert!(frame["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{frame}");
}
