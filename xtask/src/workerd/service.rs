//! What to serve: the Worker's modules, its Durable Object classes, variables and static files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A Worker with its bindings. Every path is absolute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The Worker's modules; the first is the entry, the others are found by their names relative to it.
    pub modules: Vec<Module>,
    /// The Durable Object classes that the entry exports.
    pub objects: Vec<ObjectClass>,
    /// Variables by their names in `env`: a string as it is, anything else as JSON.
    pub vars: BTreeMap<String, serde_json::Value>,
    /// A directory of files that the Worker can fetch.
    pub assets: Option<Assets>,
    /// The date that fixes the runtime's behaviour, as `YYYY-MM-DD`.
    pub compatibility_date: String,
    /// Runtime features to turn on or off beyond that date.
    pub compatibility_flags: Vec<String>,
}

/// One file of a Worker: JavaScript (`.js`) or WebAssembly (`.wasm`), by its name's ending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// What other modules import it by, relative to the entry: `glue.js`, `snippets/a/inline0.js`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// A Durable Object class with SQLite storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectClass {
    /// The binding's name in `env`; wrangler.toml calls it `name`.
    #[serde(alias = "name")]
    pub binding: String,
    /// The exported class. It also names the objects' directory on disk, so renaming it loses them.
    pub class_name: String,
}

/// A directory of static files, behind a binding with `fetch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assets {
    /// The binding's name in `env`.
    pub binding: String,
    /// The directory.
    pub directory: PathBuf,
}

impl Service {
    /// The file in the build directory that holds the built server's description.
    pub const FILE_NAME: &str = "service.json";
    /// The directory in the build directory with the files that are served.
    pub const FILES: &str = "files";
    /// The same with the demo page: see [`Self::with_demo`].
    pub const DEMO_FILES: &str = "demo";

    /// The Blaze server as `cargo xtask build` left it in `$BLAZE_BUILD`, or else in this workspace's `build/`.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn built() -> Result<Self> {
        let build = env::var_os("BLAZE_BUILD")
            .map_or_else(|| workspace_root().join("build"), PathBuf::from);
        Self::load(&build.join(Self::FILE_NAME))
    }

    /// Serves the demo page too.
    #[must_use]
    pub fn with_demo(mut self) -> Self {
        if let Some(assets) = &mut self.assets {
            assets.directory.set_file_name(Self::DEMO_FILES);
        }
        self
    }

    /// Reads a description that [`Service::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read or is not a description.
    pub fn load(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| {
            format!("reading {} (`cargo xtask build` makes it)", file.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a service", file.display()))
    }

    /// Writes the description as JSON.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        fs::write(file, serde_json::to_string_pretty(self)?)
            .with_context(|| format!("writing {}", file.display()))
    }
}

/// The workspace that this crate was compiled in.
pub(super) fn workspace_root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir).to_path_buf()
}
