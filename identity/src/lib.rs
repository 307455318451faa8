//! Blaze's identities as state machines: whose tokens and API keys are accepted ([`auth`]), the object that keeps rules,
//! keys and the audit log ([`access`]), and the built-in accounts ([`accounts`]).
//!
//! Time and random bits are arguments, what must be kept goes through a [`Store`](blaze_store::Store), and what must be
//! fetched is an effect. What a caller may do is decided elsewhere (`blaze-rules`).
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
mod url;
