//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout that this command works on. Every path is absolute.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that `cargo` was started in, or else the one that xtask was compiled in.
    ///
    /// # Errors
    /// If it is gone.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest
            .join("..")
            .canonicalize()
            .with_context(|| format!("looking for {}", manifest.display()))?;
        Ok(Self { root })
    }

    /// The root of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A file or directory of the checkout.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Where the built server, client and demo page go.
    pub(crate) fn build(&self) -> PathBuf {
        self.path("build")
    }

    /// Where npm's packages are.
    pub(crate) fn node_modules(&self) -> PathBuf {
        self.path("node_modules")
    }

    /// The `cargo` that runs us, so that one toolchain builds everything.
    pub(crate) fn cargo(&self) -> std::process::Command {
        let mut cargo =
            std::process::Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        cargo
    }
}
