//! esbuild, from the npm package of that name: shorter JavaScript for browsers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{output, say};
use crate::workspace::Workspace;

/// Shortens a module in place. Without esbuild it is left as it is, and the user told.
///
/// # Errors
/// If esbuild fails.
pub(super) fn minify(workspace: &Workspace, script: &Path) -> Result<()> {
    esbuild(workspace, script, &["--minify"])
}

/// Shortens a hand-written module in place, but for the names, which consoles show.
///
/// # Errors
/// If esbuild fails.
pub(super) fn shorten(workspace: &Workspace, script: &Path) -> Result<()> {
    esbuild(workspace, script, &["--minify-syntax", "--minify-whitespace"])
}

fn esbuild(workspace: &Workspace, script: &Path, options: &[&str]) -> Result<()> {
    let esbuild = workspace.node_modules().join("esbuild/bin/esbuild");
    if !esbuild.exists() {
        say("esbuild is not in node_modules: the JavaScript is not shortened, it only gets larger");
        return Ok(());
    }
    let shorter = script.with_extension("min");
    let mut command = Command::new("node");
    command.arg(esbuild).arg(script).args(options).args(["--format=esm", "--log-level=warning"]);
    // The types that TypeScript finds for a module are named in its first line.
    let types = script.with_extension("d.ts");
    // Those that only other modules of the package import have none.
    let types = types.file_name().and_then(|name| name.to_str());
    if let Some(types) = types.filter(|types| *types == "index.d.ts") {
        command.arg(format!("--banner:js=/* @ts-self-types=\"./{types}\" */"));
    }
    let mut outfile = std::ffi::OsString::from("--outfile=");
    outfile.push(&shorter);
    output(command.arg(outfile))?;
    fs::rename(&shorter, script).with_context(|| format!("replacing {}", script.display()))
}
