//! Compiling to wasm.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::rust::WASM;
use crate::workspace::Workspace;

/// A wasm file that cargo made.
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
    let mut cargo = cargo(workspace, "server", &["blaze-server"]);
    // As worker-build does: `async` exports use js_sys's futures, which survive a reset of the wasm instance.
    cargo.env("WASM_BINDGEN_USE_JS_SYS", "1");
    artifacts(&mut cargo, ["blaze_server"]).map(|[server]| server)
}

/// The wasm of the client and of the demo page.
///
/// # Errors
/// If one does not compile; cargo has said why.
pub(super) fn browser(workspace: &Workspace) -> Result<[Artifact; 2]> {
    let mut cargo = cargo(workspace, "browser", &["blaze-client", "blaze-demo"]);
    artifacts(&mut cargo, ["blaze_client", "blaze-demo"])
}

fn cargo(workspace: &Workspace, profile: &str, packages: &[&str]) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--message-format=json-render-diagnostics",
        "--target",
        WASM,
        "--profile",
        profile,
    ]);
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    cargo
}

/// Runs cargo and gives the wasm files of the named targets.
fn artifacts<const N: usize>(cargo: &mut Command, targets: [&str; N]) -> Result<[Artifact; N]> {
    let mut child =
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let stdout = child.stdout.take().context("cargo's output is not a pipe")?;
    let mut found = targets.map(|_| None);
    for line in BufReader::new(stdout).lines() {
        let message: Message = serde_json::from_str(&line?).context("reading cargo's output")?;
        let (Some(target), "compiler-artifact") = (message.target, message.reason.as_str()) else {
            continue;
        };
        let wasm = message
            .filenames
            .into_iter()
            .find(|file| file.extension().is_some_and(|ending| ending == "wasm"));
        let slot = targets
            .iter()
            .position(|name| *name == target.name)
            .and_then(|index| found.get_mut(index));
        if let (Some(slot), Some(path)) = (slot, wasm) {
            *slot = Some(Artifact { path });
        }
    }
    let status = child.wait().context("waiting for cargo")?;
    if !status.success() {
        bail!("compiling {} failed", targets.join(" and "));
    }
    let found: Option<Vec<Artifact>> = found.into_iter().collect();
    let found =
        found.with_context(|| format!("cargo made no wasm for one of {}", targets.join(", ")))?;
    found.try_into().map_err(|_| anyhow::anyhow!("one artifact for each target"))
}
