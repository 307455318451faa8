//! A set of files to be laid out in a directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Files by their paths relative to a directory, each with the file it is a copy of. A later one replaces an earlier
/// one of the same path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    files: BTreeMap<PathBuf, PathBuf>,
}

impl Tree {
    /// Every file under `directory`; none if there is no such directory.
    ///
    /// # Errors
    /// If a directory cannot be listed.
    pub(crate) fn of(directory: &Path) -> Result<Self> {
        let mut tree = Self::default();
        if directory.is_dir() {
            tree.walk(directory, Path::new(""))?;
        }
        Ok(tree)
    }

    /// Adds a copy of `source` at `path`.
    pub(crate) fn add(&mut self, path: impl Into<PathBuf>, source: impl Into<PathBuf>) {
        self.files.insert(path.into(), source.into());
    }

    /// Adds all of another tree under the directory `at`.
    pub(crate) fn add_tree(&mut self, at: impl AsRef<Path>, tree: Self) {
        self.files
            .extend(tree.files.into_iter().map(|(path, source)| (at.as_ref().join(path), source)));
    }

    /// The paths of the files, sorted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Makes `directory` hold these files and no others.
    ///
    /// Files that are as they should be are not touched, and others are replaced in one step, because a server may
    /// be serving from the directory.
    ///
    /// # Errors
    /// If a file cannot be read, written or removed.
    pub(crate) fn sync_to(&self, directory: &Path) -> Result<()> {
        for stale in Self::of(directory)?.paths().filter(|path| !self.files.contains_key(*path)) {
            let file = directory.join(stale);
            fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        }
        for (path, source) in &self.files {
            let contents =
                fs::read(source).with_context(|| format!("reading {}", source.display()))?;
            replace(&directory.join(path), &contents)?;
        }
        Ok(())
    }

    fn walk(&mut self, root: &Path, below: &Path) -> Result<()> {
        let directory = root.join(below);
        let listing = || format!("listing {}", directory.display());
        for entry in fs::read_dir(&directory).with_context(listing)? {
            let entry = entry.with_context(listing)?;
            let path = below.join(entry.file_name());
            if entry.path().is_dir() {
                self.walk(root, &path)?;
            } else {
                self.add(path, entry.path());
            }
        }
        Ok(())
    }
}

fn replace(file: &Path, contents: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let write = || {
        fs::create_dir_all(file.parent().unwrap_or(file))?;
        let new = file.with_added_extension("new");
        fs::write(&new, contents)?;
        fs::rename(&new, file)
    };
    write().with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs, process};

    use super::Tree;

    #[test]
    fn a_directory_is_made_to_hold_exactly_the_files() {
        let root = env::temp_dir().join(format!("blaze-tree-{}", process::id()));
        let (from, to) = (root.join("from"), root.join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(from.join("sub/a"), "a").unwrap();
        fs::write(from.join("b"), "b").unwrap();
        fs::write(to.join("stale"), "old").unwrap();

        let mut tree = Tree::of(&from).unwrap();
        tree.add("b", from.join("sub/a"));
        tree.add_tree("below", Tree::of(&from.join("sub")).unwrap());
        tree.sync_to(&to).unwrap();

        let laid_out = Tree::of(&to).unwrap();
        let paths: Vec<&Path> = laid_out.paths().collect();
        assert_eq!(paths, ["b", "below/a", "sub/a"].map(Path::new));
        assert_eq!(fs::read_to_string(to.join("b")).unwrap(), "a");
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_files() {
        assert_eq!(Tree::of(Path::new("/no/such/directory")).unwrap().paths().count(), 0);
    }
}
