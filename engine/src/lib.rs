//! Blaze's database as state machines: an event goes in, effects come out. No async, no clock, no randomness, no I/O:
//! time and random bits are arguments, and what must be kept goes through the synchronous [`store::Store`].
//!
//! In scope: what a document does with a request ([`document`]), how it is kept ([`record`], [`idempotency`]), what an
//! HTTP request means and how an answer is written ([`http`]). Out of scope: sockets, SQLite, routing between objects,
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

pub mod access;
pub mod accounts;
pub mod auth;
pub mod document;
pub mod guard;
pub mod http;
pub mod idempotency;
pub mod index;
pub mod listener;
pub mod rate;
pub mod record;
pub mod rules;
pub mod schemas;
pub mod settings;
pub mod store;
pub mod unread;
pub(crate) mod url;

/// A SHA-256 of the parts, each with its length, so that no two lists of parts are hashed as the same bytes.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
