//! Running `cargo xtask bench` as another program: this one has no load generator in it, and is not optimised.

use std::ffi::OsString;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Compiles xtask with its load generator for speed (the generator shares the machine's cores with what it measures),
/// and runs the benchmark there.
///
/// # Errors
/// If that fails; it has said how.
pub(crate) fn bench(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "xtask",
        "--features",
        "bench",
        "--",
        "bench",
    ]);
    process::run(cargo.args(arguments))
}
