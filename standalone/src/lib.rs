//! Blaze in one process over one SQLite file.
//!
//! ```text
//!   http, socket (threads of tokio) ── outside::Command ──▶ shell (one thread): node, actors, rows ──▶ database
//!                                   ◀── outside::Outcome, Frame ──
//! ```

mod body;
mod database;
mod delivery;
mod effects;
mod fetch;
mod files;
mod handshake;
mod host;
mod http;
mod log;
mod outside;
mod random;
mod request;
mod rows;
pub mod server;
mod shell;
mod socket;
