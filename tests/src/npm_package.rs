//! The built npm package in a project of its own, for Node.js and for TypeScript's compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};
use tempfile::TempDir;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// A directory where Node.js finds the built package under its name.
pub fn project() -> TempDir {
    let build = env::var_os("BLAZE_BUILD").map_or_else(|| root().join("build"), PathBuf::from);
    let package = build.join("client");
    let manifest = fs::read_to_string(package.join("package.json")).unwrap_or_default();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
    assert_eq!(manifest["name"], "blaze-client", "no npm package in {}", package.display());
    let project = tempfile::tempdir().expect("a directory");
    let modules = project.path().join("node_modules/blaze-client");
    fs::create_dir_all(&modules).expect("node_modules");
    for entry in fs::read_dir(&package).expect("the package").flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), modules.join(entry.file_name())).expect("a copy");
        }
    }
    project
}

/// A Node of at least version 22, which has a WebSocket of its own: `$BLAZE_NODE`, the one on the path, or the one that
/// npm installed for the tests.
pub fn node() -> PathBuf {
    let candidates = env::var_os("BLAZE_NODE").map(PathBuf::from).into_iter();
    let others = [PathBuf::from("node"), root().join("node_modules/node/bin/node")];
    candidates
        .chain(others)
        .find(|node| major_version(node).is_some_and(|major| major >= 22))
        .expect("Node 22 or newer: set BLAZE_NODE, or `cargo xtask test`, which installs one")
}

fn major_version(node: &Path) -> Option<u32> {
    let output = Command::new(node).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Runs a command to its end; its output, or a failure that shows it.
pub fn run(command: &mut Command, place: &str) -> String {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(status.success(), "{place}: {status}\n{stdout}\n{stderr}");
    stdout
}
