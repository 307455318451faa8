//! Blaze's client: documents with `get`, `set`, `update` and `on_update`, and queries, for browsers and Node.js.
//!
//! In scope: documents, read, written and listened to, and queries of them; writes that show at once, are repeated
//! until they are answered and are rolled back when they are refused; sockets that come back by themselves; a token that
//! is renewed before it ends. Out of scope: what a write does to data and what a query means ([`blaze_schema`]), and a cache that outlives the page.
//!
//! Two rings. The inner one takes every decision and does nothing, so that tests can drive it through any order of
//! events:
//!
//! ```text
//!   replica ──▶ session  the socket of one document: resume, gaps
//!          ├──▶ outbox   its writes: one at a time, repeated, in order
//!          └──▶ view     what listeners see: the server's state and the pending writes over it
//!   queries ──▶ query_view        the same for a query: the server's result and the pending writes over it
//!               document_changes  what changed between two results
//!   link    a socket's life: open, ping, give up, come back
//!   http    requests and what their answers mean
//!   identity  the token: when another one is wanted, and who waits for it
//! ```
//!
//! The outer one ([`Blaze`] and its references) does what the inner one says: sockets, `fetch`, timers, callbacks. It
//! holds no lock while it calls an application's callback, so a callback may do anything, and never calls one from
//! within a call of the application, save [`Blaze::on_connection`], which says the present state at once.

#[cfg(not(any(target_arch = "wasm32", feature = "core", test)))]
compile_error!(
    "blaze-client runs as WebAssembly, in browsers and in Node.js: compile with `--target wasm32-unknown-unknown` \
     (`trunk serve` does). There is no native client yet; a native program may use the HTTP API."
);

pub mod backoff;
pub mod change;
pub mod document_changes;
pub mod event;
pub mod http;
pub mod identity;
#[cfg(feature = "js")]
pub mod js;
#[cfg(feature = "js")]
pub mod js_query;
pub mod link;
pub mod outbox;
pub mod queries;
pub mod query_event;
pub mod query_json;
pub mod query_view;
pub mod replica;
pub mod row;
pub mod session;
pub mod state;
pub mod view;

mod aggregate;
mod audience;
mod callbacks;
mod client;
mod credentials;
mod fetch;
mod filter;
mod json;
mod live;
mod live_queries;
mod platform;
mod port;
mod query;
mod query_snapshot;
mod reference;
mod slot;
mod snapshot;
mod socket;
#[cfg(feature = "js")]
mod spelling;
mod transforms;
mod work;

pub use aggregate::{Aggregate, average, count, sum};
pub use blaze_schema::error::{Code, Error};
pub use blaze_schema::message::ServerMessage;
pub use blaze_schema::query::Direction;
pub use blaze_schema::value::{Map, Number};
pub use callbacks::Subscription;
pub use client::{Blaze, ConnectOptions};
pub use credentials::{TokenCallback, TokenSource};
pub use document_changes::ChangeKind;
pub use event::ConnectionState;
pub use filter::{Filter, and, or, where_};
pub use query::{DOCUMENT_ID, Position, Query};
pub use query_snapshot::{DocumentChange, QuerySnapshot};
pub use reference::{CollectionReference, DocumentReference, ListenOptions, WriteResult};
pub use serde_json::Value;
pub use snapshot::DocumentSnapshot;
pub use transforms::{
    array_remove, array_union, delete_field, increment, maximum, minimum, server_timestamp,
};
