//! Decisions and data of the client, without I/O: state machines that are told events and return effects.

pub mod backoff;
pub mod change;
pub mod document_changes;
pub mod error;
pub mod event;
pub mod http;
pub mod identity;
pub mod link;
pub mod outbox;
pub mod queries;
pub mod query_event;
pub mod query_json;
pub mod query_view;
pub mod reach;
pub mod replica;
pub mod row;
pub mod session;
pub mod state;
pub mod targets;
pub mod view;

pub(crate) mod json;
