//! The frames of sockets: JSON texts.

pub mod document;
pub mod query;
