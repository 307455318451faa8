//! Blaze's client: documents with `get`, `set`, `update` and `on_update`, for browsers and Node.js.
//!
//! In scope: one document at a time, read, written and listened to; writes that show at once, are repeated until they
//! are answered and are rolled back when they are refused; sockets that come back by themselves. Out of scope: what a
//! write does to data ([`blaze_schema`]), and a cache that outlives the page.
//!
//! Two rings. The inner one takes every decision and does nothing, so that tests can drive it through any order of
//! events:
//!
//! ```text
//!   replica ──▶ session  the socket of one document: open, resume, ping, give up, come back
//!          ├──▶ outbox   its writes: one at a time, repeated, in order
//!          ├──▶ view     what listeners see: the server's state and the pending writes over it
//!          └──▶ http     requests and what their answers mean
//! ```
//!
//! The outer one ([`Blaze`] and its references) does what the inner one says: sockets, `fetch`, timers, callbacks. It
//! holds no lock while it calls an application's callback, so a callback may do anything, and never calls one from
//! within a call of the application, save [`Blaze::on_connection`], which says the present state at once.

pub mod backoff;
pub mod change;
pub mod document_changes;
pub mod event;
pub mod http;
#[cfg(feature = "js")]
pub mod js;
pub mod link;
pub mod outbox;
pub mod queries;
pub mod query_event;
pub mod query_view;
pub mod replica;
pub mod row;
pub mod session;
pub mod state;
pub mod view;

mod callbacks;
mod client;
mod fetch;
mod json;
mod live;
mod platform;
mod reference;
mod snapshot;
mod socket;
mod transforms;

pub use blaze_schema::error::{Code, Error};
pub use blaze_schema::message::ServerMessage;
pub use blaze_schema::value::Map;
pub use callbacks::Subscription;
pub use client::{Blaze, ConnectOptions};
pub use event::ConnectionState;
pub use reference::{CollectionReference, DocumentReference, WriteResult};
pub use serde_json::Value;
pub use snapshot::DocumentSnapshot;
pub use transforms::{
    array_remove, array_union, delete_field, increment, maximum, minimum, server_timestamp,
};
