//! Blaze's database as state machines: an event goes in, effects come out. No async, no clock, no randomness, no I/O:
//! time and random bits are arguments, and what must be kept goes through the synchronous [`blaze_store::Store`].
//!
//! In scope: what a document does with a request ([`document`]), how it is kept ([`record`], [`idempotency`]), what an
//! HTTP request means and how an answer is written ([`http`]). Below it, in crates of their own: rules (`blaze-rules`),
//! tokens, accounts and the access object (`blaze-identity`), JSON Schema (`blaze-json-schema`). Out of scope: sockets, SQLite, routing between objects,
//! which the shells (`blaze-server`, the simulation) do.
//!
//! Nothing here panics, whatever the input: a panic takes down every document of an isolate.
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

pub mod actor;
pub mod document;
pub mod guard;
pub mod http;
pub mod idempotency;
pub mod index;
pub mod listener;
pub mod node;
pub mod rate;
pub mod record;
pub mod settings;
pub mod unread;
