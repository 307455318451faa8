//! npm's packages: the runtime, the wasm optimiser, the demo's data and the tools for the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::process::{on_path, output, say};
use crate::workspace::Workspace;

/// Which packages of package.json to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packages {
    /// What serving needs.
    Serve,
    /// And what the tests need.
    Test,
}

/// Makes sure that `packages` are installed as package-lock.json says. Does nothing if they are.
///
/// # Errors
/// If npm is missing or fails.
pub(crate) fn ensure(workspace: &Workspace, packages: Packages) -> Result<()> {
    let lock = fs::read_to_string(workspace.path("package-lock.json"))
        .context("reading package-lock.json")?;
    let stamp = workspace.node_modules().join(".blaze-packages");
    let wanted = |packages: Packages| format!("{packages:?}\n{lock}");
    let installed = fs::read_to_string(&stamp).unwrap_or_default();
    if installed == wanted(packages) || installed == wanted(Packages::Test) {
        return Ok(());
    }
    // A change of the lock must not take the tests' packages away from someone who has them.
    let packages = if installed.starts_with("Test\n") { Packages::Test } else { packages };
    install(workspace.root(), packages)?;
    fs::write(&stamp, wanted(packages)).with_context(|| format!("writing {}", stamp.display()))
}

fn install(root: &Path, packages: Packages) -> Result<()> {
    say("installing npm packages (some 150 MB, once)");
    let started = Instant::now();
    let mut npm = Command::new(npm_program()?);
    // Not `npm ci`: it refuses a lock without the packages of other platforms, and npm can only lock those that the
    // registry had at that moment. `--no-save` still installs what the lock says, and leaves the lock alone.
    npm.current_dir(root).args([
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
    ]);
    if packages == Packages::Serve {
        npm.arg("--omit=dev");
    }
    output(&mut npm).context("installing npm packages")?;
    say(format!("npm packages installed in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

fn npm_program() -> Result<PathBuf> {
    on_path(&["npm"])
        .context("npm is missing: it comes with Node.js (https://nodejs.org), or as the package `npm` of your system")
}

/// Makes sure that there is a Node.js: it runs npm and the wasm optimiser.
///
/// # Errors
/// If it is missing or too old.
pub(crate) fn ensure_node() -> Result<()> {
    let help = "Blaze's tools need Node.js 18 or newer: get it from https://nodejs.org or your system's packages.";
    let Some(node) = on_path(&["node"]) else { bail!("`node` is not on the PATH. {help}") };
    match version(&node)? {
        (18.., _) => Ok(()),
        (major, _) => bail!("{} is Node.js {major}. {help}", node.display()),
    }
}

/// A Node.js that wrangler accepts: the one on the `PATH` if it is new enough, or the one that npm installed.
///
/// # Errors
/// If there is neither; [`Packages::Test`] brings one.
pub(crate) fn recent_node(workspace: &Workspace) -> Result<PathBuf> {
    let installed = workspace.node_modules().join("node/bin/node");
    on_path(&["node"])
        .into_iter()
        .chain([installed])
        .find(|node| version(node).is_ok_and(|version| version >= (22, 12)))
        .context("wrangler needs Node.js 22.12 or newer, and the npm package `node` did not bring one: install one")
}

/// Major and minor version.
fn version(node: &Path) -> Result<(u32, u32)> {
    let text = output(Command::new(node).arg("--version"))?;
    parse_version(&text).with_context(|| format!("{} has no version: {text}", node.display()))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_of_node_are_compared_as_numbers() {
        assert_eq!(parse_version("v22.12.0\n"), Some((22, 12)));
        assert!(parse_version("v22.9.0") < Some((22, 12)));
        assert_eq!(parse_version("22"), None);
    }
}
