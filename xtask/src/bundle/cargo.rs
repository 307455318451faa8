//! Compiling: to wasm, and the binary for this machine.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::rust::WASM;
use crate::workspace::Workspace;

/// A program that cargo made.
#[derive(Debug)]
pub(super) struct Artifact {
    pub(super) path: PathBuf,
}

/// A line of cargo's JSON output; other lines have other fields.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<MessageTarget>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
}

/// The wasm of the server.
///
/// # Errors
/// If it does not compile; cargo has said why.
pub(super) fn server(workspace: &Workspace) -> Result<Artifact> {
    let mut cargo = cargo(workspace, "build", "server", "blaze-server");
    // As worker-build does: `async` exports use js_sys's futures, which survive a reset of the wasm instance.
    cargo.env("WASM_BINDGEN_USE_JS_SYS", "1");
    artifact(&mut cargo, "blaze_server")
}

/// The wasm of the client.
///
/// # Errors
/// If it does not compile; cargo has said why.
pub(super) fn client(workspace: &Workspace) -> Result<Artifact> {
    // The crate is an `rlib`. Were its manifest to say `cdylib` too, cargo would leave out link-time optimisation, which
    // halves the wasm.
    let mut cargo = cargo(workspace, "rustc", "browser", "blaze-client");
    artifact(cargo.args(["--crate-type", "cdylib"]), "blaze_client")
}

/// The wasm of the demo page. Not in one call with the client, whose features it does without.
///
/// # Errors
/// If it does not compile; cargo has said why.
pub(super) fn demo(workspace: &Workspace) -> Result<Artifact> {
    artifact(&mut cargo(workspace, "build", "browser", "blaze-demo"), "blaze-demo")
}

/// The binary `blaze`, for this machine.
///
/// # Errors
/// If it does not compile; cargo has said why.
pub(crate) fn blaze(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--message-format=json-render-diagnostics", "--profile", "standalone"]);
    artifact(cargo.args(["--package", "blaze-standalone"]), "blaze").map(|made| made.path)
}

fn cargo(workspace: &Workspace, command: &str, profile: &str, package: &str) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args([command, "--message-format=json-render-diagnostics", "--target", WASM]);
    cargo.args(["--profile", profile, "--package", package]);
    cargo
}

/// Runs cargo and gives the program of the named target.
fn artifact(cargo: &mut Command, name: &str) -> Result<Artifact> {
    let mut child =
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let stdout = child.stdout.take().context("cargo's output is not a pipe")?;
    let mut found = None;
    for line in BufReader::new(stdout).lines() {
        let message: Message = serde_json::from_str(&line?).context("reading cargo's output")?;
        let made = message.reason == "compiler-artifact";
        if made && message.target.is_some_and(|target| target.name == name) {
            let is_program = |file: &PathBuf| {
                file.extension().is_none_or(|ending| ending == "wasm" || ending == "exe")
            };
            found = message.filenames.into_iter().find(is_program).or(found);
        }
    }
    let status = child.wait().context("waiting for cargo")?;
    if !status.success() {
        bail!("compiling {name} failed");
    }
    found.map(|path| Artifact { path }).with_context(|| format!("cargo made no program of {name}"))
}
