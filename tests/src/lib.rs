//! What the proof of Blaze is made of: stores, generators of random input, the simulated world.
//!
//! The proofs themselves are in `tests/`, one file per subject.

pub mod browser;
pub mod client;
pub mod cluster;
pub mod damage;
pub mod described;
pub mod disk;
pub mod elsewhere;
pub mod flaky_store;
pub mod generate;
pub mod generate_queries;
pub mod identity_provider;
pub mod indexes;
pub mod line;
pub mod live_client;
pub mod npm_package;
pub mod query_oracle;
pub mod random;
pub mod readme;
pub mod script;
pub mod seed;
pub mod server;
pub mod socket;
pub mod source;
pub mod standalone;
pub mod static_files;

pub use xtask::rusqlite_store;
