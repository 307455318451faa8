//! The files that are served: those of one directory.

use blaze_engine::actor::File;
use bytes::Bytes;
use std::path::{Component, Path, PathBuf};

/// A directory of files; without one there are none.
#[derive(Debug, Default)]
pub(crate) struct Files {
    root: Option<PathBuf>,
}

impl Files {
    /// The files of a directory.
    pub(crate) fn of(root: PathBuf) -> Self {
        Files { root: Some(root) }
    }

    /// The first of these files that there is: its headers and its bytes.
    pub(crate) async fn find(
        &self,
        files: &[File],
    ) -> Option<(Vec<(&'static str, String)>, Bytes)> {
        let root = self.root.as_ref()?;
        for File { path, headers } in files {
            let Some(path) = inside(root, path) else { continue };
            if let Ok(bytes) = tokio::fs::read(&path).await {
                return Some((headers.clone(), bytes.into()));
            }
        }
        None
    }
}

/// The file of a URL's path; `None` for one that leads out of the directory.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.trim_start_matches('/'));
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| root.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let root = Path::new("/pages");
        assert_eq!(inside(root, "/a/b.js"), Some(PathBuf::from("/pages/a/b.js")));
        for path in ["/../etc/passwd", "/a/../../etc", "/./x/../.."] {
            assert_eq!(inside(root, path), None, "{path}");
        }
        assert_eq!(inside(root, "//etc/passwd"), Some(PathBuf::from("/pages/etc/passwd")));
    }
}
