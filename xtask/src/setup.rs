//! From a clean checkout to everything built.

use std::thread;

use anyhow::{Result, anyhow};

pub(crate) use crate::bundle::Parts;
pub(crate) use crate::npm::Packages;
use crate::workspace::Workspace;
use crate::{bundle, npm, rust};
use xtask::workerd::Service;

/// Installs what is missing and builds all that has changed; gives what to serve.
///
/// # Errors
/// If something is missing that cannot be installed from here, or a build fails.
pub(crate) fn build(workspace: &Workspace, packages: Packages) -> Result<Service> {
    build_parts(workspace, packages, Parts::All)
}

/// As [`build`], for some parts only.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_parts(
    workspace: &Workspace,
    packages: Packages,
    parts: Parts,
) -> Result<Service> {
    // What we cannot install ourselves comes first: better to hear of it before a long build than after.
    npm::ensure_node()?;
    rust::ensure_wasm_target()?;
    // npm downloads while cargo compiles; nothing but the steps after cargo needs its packages.
    thread::scope(|scope| {
        let npm = scope.spawn(|| npm::ensure(workspace, packages));
        bundle::build(workspace, parts, || {
            npm.join().map_err(|_| anyhow!("installing npm packages crashed"))?
        })
    })
}
