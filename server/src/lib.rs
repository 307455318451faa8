//! Blaze on Cloudflare Workers. A shell: it moves bytes between the platform and `blaze-engine`, which decides.
//!
//! In scope: the Worker's routes, the Durable Object classes, SQLite behind the engine's store. Out of scope: what any
//! of it means. Everything that JavaScript may throw is caught here ([`bridge`]): an uncaught exception, like a panic,
//! would take down every object of the isolate.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice
)]
// What `wasm_bindgen` exports is reached from JavaScript, which the lint does not see.
#![allow(unreachable_pub)]

mod access;
mod account;
mod attachment;
mod bridge;
mod collections;
mod commit;
mod document;
mod entry;
mod guard;
mod incoming;
mod index;
mod limiter;
mod listener;
mod readers;
mod respond;
mod sqlite;
