//! What Blaze's client and server agree on, without any I/O: values and their order, paths, documents, writes,
//! patches, wire messages, error codes, limits.
//!
//! In scope: the meaning of what travels between the two, and of what a write does to a document, so that the
//! server and an optimistic client compute the same thing. Out of scope: where a document is stored, who is told of
//! a change (`blaze-engine`), and how bytes move (`blaze-server`, `blaze-client`).
//!
//! The server's crates also share, from here, the reader of settings ([`settings`]), a digest ([`hash`]) and a form of
//! times ([`micros`]); none of it is in the client's wasm, which does not call it.
//!
//! Everything is total: no input makes it panic, because on the server a panic takes down every document of an
//! isolate.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod base64;
pub mod commit;
pub mod document;
pub mod error;
pub mod field_path;
pub mod hash;
pub mod id;
pub mod limits;
pub mod micros;
pub mod patch;
pub mod path;
pub mod query;
pub mod settings;
pub mod spent;
pub mod timestamp;
pub mod transform;
pub mod value;
pub mod value_order;
pub mod wire;
pub mod write;

pub use error::{Code, Error};
/// A JSON object: field names to values, in the order of their names.
pub use value::Map;
