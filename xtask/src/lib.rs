//! What `cargo xtask serve`, the tests and the benchmark share: a `workerd` to run things under, and, with the feature
//! `store`, Blaze's store over SQLite as a library.
//!
//! Without the feature `cli` this library is all there is of the crate, and it depends on little.

#[cfg(feature = "store")]
pub mod rusqlite_store;
pub mod workerd;
