//! A `workerd` to run things under: for `cargo xtask serve`, for the tests and for the benchmark.
//!
//! Without the feature `cli` this library is all there is of the crate, and it depends on little.

pub mod workerd;
