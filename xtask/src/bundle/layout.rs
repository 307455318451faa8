//! The files of the Worker, the client's npm package and the demo page.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blaze_engine::http::security;
use xtask::workerd::Service;

use super::minify::shorten;
use super::tree::Tree;
use crate::workspace::Workspace;

/// The Worker: the glue, the hand-written entry over it, and the settings of the collections.
///
/// # Errors
/// If a file cannot be copied.
pub(super) fn server(workspace: &Workspace, glue: &Path) -> Result<()> {
    let mut tree = Tree::of(glue)?;
    tree.add("index.js", workspace.path("server/entry.js"));
    for script in ["absent.js", "body.js", "host.js", "platform.js"] {
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
    for module in ["index.js", "auth.js", "errors.js", "load.js", "values.js"] {
        tree.add(module, shorter(workspace, module)?);
    }
    tree.add("wasm.js", wasm_module(workspace, &glue.join("blaze_client_bg.wasm"))?);
    tree.sync_to(&workspace.build().join("client")).context("laying out the client")?;
    Ok(tree)
}

/// A module that has the bytes of `wasm` inside.
fn wasm_module(workspace: &Workspace, wasm: &Path) -> Result<PathBuf> {
    let bytes = fs::read(wasm).with_context(|| format!("reading {}", wasm.display()))?;
    let module = workspace.build().join("glue").join("wasm.js");
    let text = format!(
        "// The bytes of blaze_client_bg.wasm, for where there are only modules.\n\
         let decoded;\n\
         export const bytes = () =>\n  \
         (decoded ??= Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));\n\
         const base64 =\n  \"{}\";\n",
        STANDARD.encode(bytes)
    );
    fs::write(&module, text).with_context(|| format!("writing {}", module.display()))?;
    Ok(module)
}

/// A hand-written module of the npm package, for browsers to load.
fn shorter(workspace: &Workspace, module: &str) -> Result<PathBuf> {
    let copy = workspace.build().join("glue").join(module);
    let source = workspace.path("client-wasm/npm").join(module);
    fs::copy(&source, &copy).with_context(|| format!("copying {}", source.display()))?;
    shorten(workspace, &copy)?;
    Ok(copy)
}

/// The static files that the Worker serves: the client for pages that import it, and in the demo the atlas too.
///
/// # Errors
/// If a file cannot be copied.
pub(super) fn files(workspace: &Workspace, demo: &Path, client: Tree) -> Result<()> {
    let mut files = Tree::default();
    files.add_tree("client", client);
    files.add("favicon.svg", workspace.path("demo-web/static/favicon.svg"));
    // Cloudflare serves these files without asking the Worker, which gives the same headers under workerd.
    let headers = workspace.build().join("glue").join("_headers");
    fs::write(&headers, security::headers_file()).context("writing the files' headers")?;
    files.add("_headers", headers);
    files.sync_to(&workspace.build().join(Service::FILES)).context("laying out the files")?;

    files.add_tree("", Tree::of(demo)?);
    files.add_tree("", Tree::of(&workspace.path("demo-web/static"))?);
    files.add_tree("flags", flags(workspace)?);
    files.sync_to(&workspace.build().join(Service::DEMO_FILES)).context("laying out the demo")
}

/// The flags of the countries, as the npm package `world-countries` has them.
fn flags(workspace: &Workspace) -> Result<Tree> {
    let data = workspace.node_modules().join("world-countries/data");
    let mut flags = Tree::default();
    for path in Tree::of(&data)?.paths().filter(|path| path.extension().is_some_and(|e| e == "svg"))
    {
        flags.add(path, data.join(path));
    }
    Ok(flags)
}
