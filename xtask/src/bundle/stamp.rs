//! Telling whether a step's inputs are those of the last time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

/// A file that remembers the inputs a directory was made from.
pub(super) struct Stamp {
    file: PathBuf,
    inputs: String,
}

impl Stamp {
    /// For a step that reads the file `input` (known by its time and size: cargo does not touch what is fresh) and
    /// works as `recipe` says: its settings and its tools' versions.
    ///
    /// # Errors
    /// If `input` cannot be read.
    pub(super) fn new(file: PathBuf, input: &Path, recipe: &str) -> Result<Self> {
        let meta = fs::metadata(input).with_context(|| format!("reading {}", input.display()))?;
        let modified = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let inputs =
            format!("{}\n{modified} ns\n{} bytes\n{recipe}\n", input.display(), meta.len());
        Ok(Self { file, inputs })
    }

    /// Whether the step was done with these inputs.
    pub(super) fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|inputs| inputs == self.inputs)
    }

    /// Remembers that it is done.
    ///
    /// # Errors
    /// If the stamp cannot be written.
    pub(super) fn set(&self) -> Result<()> {
        fs::write(&self.file, &self.inputs)
            .with_context(|| format!("writing {}", self.file.display()))
    }
}
