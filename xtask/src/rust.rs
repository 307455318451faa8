//! The parts of the Rust toolchain that are needed: the wasm target, and for `check` rustfmt and clippy.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{on_path, output, run, say, succeeds};
use crate::workspace::Workspace;

/// The target that the server, the client and the demo page are compiled for.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// Makes sure that the wasm target is installed.
///
/// # Errors
/// If it is not, and rustup is missing or cannot add it.
pub(crate) fn ensure_wasm_target() -> Result<()> {
    let directory =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM]))
            .context("asking rustc for its wasm target")?;
    if Path::new(directory.trim()).is_dir() {
        return Ok(());
    }
    say(format!("adding Rust's target {WASM}"));
    rustup(&["target", "add", WASM], &format!("Rust's target {WASM}"))
}

/// Makes sure that `cargo fmt` and `cargo clippy` are installed.
///
/// # Errors
/// If they are not, and rustup is missing or cannot add them.
pub(crate) fn ensure_lints(workspace: &Workspace) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if succeeds(workspace.cargo().args([subcommand, "--version"])) != Some(true) {
            say(format!("adding Rust's component {component}"));
            rustup(&["component", "add", component], &format!("Rust's component {component}"))?;
        }
    }
    Ok(())
}

fn rustup(arguments: &[&str], what: &str) -> Result<()> {
    if on_path(&["rustup"]).is_none() {
        bail!(
            "{what} is missing, and so is rustup, which would install it. Get rustup from https://rustup.rs, or, if \
             your Rust comes from a package manager, install {what} with that."
        );
    }
    run(Command::new("rustup").args(arguments)).with_context(|| format!("installing {what}"))
}
