//! `cargo xtask check`: what is found without running or bundling anything.

use anyhow::Result;

use crate::process::run as run_program;
use crate::rust;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// The crates that compile on this machine. The server does for wasm only.
const CLIPPY_NATIVE: &str = "clippy --workspace --exclude blaze-server --all-targets --features xtask/bench -- \
                             --deny warnings";

/// The crates that run as wasm.
const CLIPPY_WASM: &str = "clippy --package blaze-server --package blaze-client --package blaze-demo --target \
                           wasm32-unknown-unknown -- --deny warnings";

/// Checks the format and runs the lints, native and wasm.
///
/// # Errors
/// If anything was found; it has been printed.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    rust::ensure_lints(workspace)?;
    rust::ensure_wasm_target()?;
    let cargo = |arguments: &str| run_program(workspace.cargo().args(arguments.split(' ')));
    let mut steps = Steps::default();
    steps.run("format", || cargo("fmt --all --check"));
    steps.run("lints, native", || cargo(CLIPPY_NATIVE));
    steps.run("lints, wasm", || cargo(CLIPPY_WASM));
    steps.finish()
}
