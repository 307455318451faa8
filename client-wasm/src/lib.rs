//! Blaze's client: documents with `get`, `set`, `update` and `on_update`, and queries, for browsers and Node.js.
//!
//! In scope: documents, read, written and listened to, and queries of them; writes that show at once, are repeated
//! until they are answered and are rolled back when they are refused; sockets that come back by themselves; a token that
//! is renewed before it ends. Out of scope: what a write does to data and what a query means ([`blaze_schema`]), and a cache that outlives the page.
//!
//! Rings, each in a folder that knows only those before it. The inner one takes every decision and does nothing, so that
//! tests can drive it through any order of events:
//!
//! ```text
//!   core/    decisions and data; no socket, no clock, no callback
//!   shell/   does what the core says: sockets, fetch, timers, callbacks
//!   api/     what an application in Rust calls: Blaze and its references, queries and snapshots
//!   js/      what the npm package calls
//! ```
//!
//! ```text
//!   replica ──▶ session  the socket of one document: resume, gaps
//!          ╰──▶ view     what listeners see: the server's state and the pending writes over it
//!   queries  the socket of all queries and writes
//!          ├──▶ targets ──▶ query_view  the same for a query: the server's result and the pending writes over it
//!          │                document_changes  what changed between two results
//!          ╰──▶ outbox   the client's writes: in order, repeated, by frames or by HTTP
//!   reach   whether the server is within reach: what one socket or request finds out, all are told
//!   link    a socket's life: open, ping, give up, come back
//!   http    requests and what their answers mean
//!   identity  the token: when another one is wanted, and who waits for it
//! ```
//!
//! The shell holds no lock while it calls an application's callback, so a callback may do anything, and never calls one
//! from within a call of the application, save [`Blaze::on_connection`], which says the present state at once.

#[cfg(not(any(target_arch = "wasm32", feature = "core", test)))]
compile_error!(
    "blaze-client runs as WebAssembly, in browsers and in Node.js: compile with `--target wasm32-unknown-unknown` \
     (`trunk serve` does). There is no native client yet; a native program may use the HTTP API."
);

pub mod core;
#[cfg(feature = "js")]
pub mod js;

mod api;
mod shell;

pub use crate::core::document_changes::ChangeKind;
pub use crate::core::event::ConnectionState;
pub use api::aggregate::{Aggregate, average, count, sum};
pub use api::blaze::{Blaze, ConnectOptions};
pub use api::filter::{Filter, and, or, where_};
pub use api::listen_options::ListenOptions;
pub use api::query::snapshot::{DocumentChange, QuerySnapshot};
pub use api::query::{DOCUMENT_ID, Position, Query};
pub use api::reference::{CollectionReference, DocumentReference, WriteResult};
pub use api::snapshot::DocumentSnapshot;
pub use api::transforms::{
    array_remove, array_union, delete_field, increment, maximum, minimum, server_timestamp,
};
pub use blaze_schema::error::{Code, Error};
pub use blaze_schema::query::Direction;
pub use blaze_schema::value::{Map, Number};
pub use blaze_schema::wire::document::ServerMessage;
pub use serde_json::Value;
pub use shell::callbacks::Subscription;
pub use shell::credentials::{TokenCallback, TokenSource};
