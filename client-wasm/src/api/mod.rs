//! The API for applications in Rust.

pub(crate) mod aggregate;
pub(crate) mod blaze;
pub(crate) mod filter;
pub(crate) mod listen_options;
pub(crate) mod query;
pub(crate) mod reference;
pub(crate) mod snapshot;
pub(crate) mod transforms;
