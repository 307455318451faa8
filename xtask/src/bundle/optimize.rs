//! wasm-opt, from the npm package `binaryen`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{output, say};
use crate::workspace::Workspace;

/// What to optimise for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    Speed,
    Size,
}

/// What rustc emits for wasm32-unknown-unknown, and the exceptions of wasm-bindgen's catch wrappers. Not `--all-features`: workerd and browsers must know what comes out.
const FEATURES: [&str; 7] = [
    "--enable-mutable-globals",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-exception-handling",
];

impl Goal {
    fn level(self) -> &'static str {
        match self {
            Self::Speed => "-O3",
            Self::Size => "-Oz",
        }
    }
}

/// All that decides the result besides the wasm, for a stamp: options and version.
pub(super) fn recipe(workspace: &Workspace, goal: Goal) -> String {
    let version = version(workspace).unwrap_or_else(|| "missing".to_owned());
    format!("wasm-opt {version} {} {}", goal.level(), FEATURES.join(" "))
}

/// Optimises a wasm file in place. Without binaryen it is left as it is, and the user told.
///
/// # Errors
/// If wasm-opt fails.
pub(super) fn optimize(workspace: &Workspace, wasm: &Path, goal: Goal) -> Result<()> {
    if version(workspace).is_none() {
        say(
            "binaryen is not in node_modules: the wasm is not optimised, it only gets larger and slower",
        );
        return Ok(());
    }
    let optimised = wasm.with_extension("opt");
    let mut wasm_opt = Command::new("node");
    wasm_opt.arg(workspace.node_modules().join("binaryen/bin/wasm-opt"));
    // Names are worth their bytes on the server: a panic's stack can be read.
    let names: &[&str] =
        if matches!(goal, Goal::Speed) { &["--debuginfo"] } else { &["--strip-debug"] };
    output(
        wasm_opt.arg(wasm).arg("-o").arg(&optimised).arg(goal.level()).args(FEATURES).args(names),
    )?;
    fs::rename(&optimised, wasm).with_context(|| format!("replacing {}", wasm.display()))
}

fn version(workspace: &Workspace) -> Option<String> {
    let manifest =
        fs::read_to_string(workspace.node_modules().join("binaryen/package.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest).ok()?;
    Some(manifest.get("version")?.as_str()?.to_owned())
}
