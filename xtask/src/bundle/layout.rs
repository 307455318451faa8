//! Which files make up the Worker, the client's npm package and the demo page.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use blaze_engine::http::security;

use super::minify::{Short, shorten};
use super::tree::Tree;
use crate::workspace::Workspace;

/// The Worker: the glue, the hand-written entry over it, and the settings of the collections.
///
/// # Errors
/// If a file cannot be copied.
pub(super) fn server(workspace: &Workspace, glue: &Path) -> Result<()> {
    let mut tree = Tree::of(glue)?;
    tree.add("index.js", workspace.path("server/shim.js"));
    for script in
        ["access.js", "account.js", "limiter.js", "listener.js", "remote.js", "snapshot.js"]
    {
        tree.add(script, workspace.path(format!("server/{script}")));
    }
    tree.add("access.json", workspace.path("access.json"));
    tree.add("collections.json", workspace.path("collections.json"));
    tree.sync_to(&workspace.build().join("server")).context("laying out the server")
}

/// The client's npm package: the glue, and the hand-written files around it. Gives its files for the demo page.
///
/// # Errors
/// If a file cannot be copied.
pub(super) fn client(workspace: &Workspace, glue: &Path) -> Result<Tree> {
    let mut tree = Tree::of(glue)?;
    tree.add_tree("", Tree::of(&workspace.path("client-wasm/npm"))?);
    for (module, of) in
        [("index.js", Short::Names), ("auth.js", Short::Names), ("load.js", Short::Comments)]
    {
        tree.add(module, shorter(workspace, module, of)?);
    }
    tree.sync_to(&workspace.build().join("client")).context("laying out the client")?;
    Ok(tree)
}

/// A hand-written module of the npm package, for browsers to load.
fn shorter(workspace: &Workspace, module: &str, short: Short) -> Result<PathBuf> {
    let copy = workspace.build().join("glue").join(module);
    let source = workspace.path("client-wasm/npm").join(module);
    fs::copy(&source, &copy).with_context(|| format!("copying {}", source.display()))?;
    shorten(workspace, &copy, short)?;
    Ok(copy)
}

/// The static files that the Worker serves: the demo page, and the client for pages that import it.
///
/// # Errors
/// If a file cannot be copied.
pub(super) fn demo(workspace: &Workspace, glue: &Path, client: Tree) -> Result<()> {
    let mut tree = Tree::of(glue)?;
    tree.add_tree("", Tree::of(&workspace.path("demo-web/static"))?);
    tree.add_tree("client", client);
    // Cloudflare serves these files without asking the Worker, which gives the same headers under workerd.
    let headers = workspace.build().join("glue").join("_headers");
    fs::write(&headers, security::headers_file()).context("writing the pages' headers")?;
    tree.add("_headers", headers);
    tree.sync_to(&workspace.build().join("demo")).context("laying out the demo page")
}
