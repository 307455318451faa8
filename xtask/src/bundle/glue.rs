//! wasm-bindgen: from cargo's wasm to a wasm with JavaScript around it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use super::cargo::Artifact;
use super::minify::minify;
use super::optimize::{self, Goal};
use super::stamp::Stamp;
use crate::process::say;
use crate::workspace::Workspace;

/// Who loads the JavaScript.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// A Worker: the wasm is imported as a module, and can be instantiated again after a trap.
    Worker,
    /// A browser: the wasm is fetched by an `init` function.
    Web,
}

/// To be raised when this file changes what comes out for the same wasm. (Another wasm-bindgen makes another wasm.)
const GENERATION: u32 = 2;

/// Makes `name.js`, `name_bg.wasm` and what they need in a directory of their own, and gives the directory.
/// What was made before from the same wasm by the same tools is used again.
///
/// # Errors
/// If the wasm was built with another version of wasm-bindgen, or a file cannot be written.
pub(super) fn generate(
    workspace: &Workspace,
    artifact: &Artifact,
    name: &str,
    target: Target,
    goal: Goal,
) -> Result<PathBuf> {
    // The stamp is beside the files and goes with them: what is half done is never taken for fresh.
    let whole = workspace.build().join("glue").join(name);
    let directory = whole.join("files");
    let recipe = format!("{target:?} {GENERATION} {}", optimize::recipe(workspace, goal));
    let stamp = Stamp::new(whole.join("stamp"), &artifact.path, &recipe)?;
    if stamp.is_fresh() {
        return Ok(directory);
    }
    say(format!("optimising {name}"));
    let started = Instant::now();
    if whole.exists() {
        fs::remove_dir_all(&whole).with_context(|| format!("removing {}", whole.display()))?;
    }
    bindgen(&artifact.path, name, target)?
        .generate(&directory)
        .with_context(|| format!("wasm-bindgen on {}", artifact.path.display()))?;
    let script = directory.join(name).with_extension("js");
    match target {
        Target::Worker => import_plainly(&script)?,
        Target::Web => minify(workspace, &script)?,
    }
    optimize::optimize(workspace, &directory.join(format!("{name}_bg.wasm")), goal)?;
    stamp.set()?;
    report(name, &artifact.path, &directory, started)?;
    Ok(directory)
}

fn bindgen(wasm: &Path, name: &str, target: Target) -> Result<Bindgen> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name(name);
    match target {
        Target::Worker => bindgen
            .module(true)?
            .typescript(false)
            .reset_state_function(true)
            .force_enable_abort_handler(true),
        Target::Web => bindgen.web(true)?.typescript(true).remove_name_section(true),
    };
    Ok(bindgen)
}

/// `import source`, the coming standard for what workerd and wrangler do with a plain `import` of a wasm file.
fn import_plainly(script: &Path) -> Result<()> {
    let text =
        fs::read_to_string(script).with_context(|| format!("reading {}", script.display()))?;
    fs::write(script, text.replace("import source ", "import "))
        .with_context(|| format!("writing {}", script.display()))
}

fn report(name: &str, before: &Path, directory: &Path, started: Instant) -> Result<()> {
    let kib = |file: &Path| Ok::<_, std::io::Error>(fs::metadata(file)?.len() / 1024);
    let after = kib(&directory.join(format!("{name}_bg.wasm")))?;
    let (before, seconds) = (kib(before)?, started.elapsed().as_secs_f64());
    say(format!("{name}: {before} KiB to {after} KiB in {seconds:.1} s"));
    Ok(())
}
