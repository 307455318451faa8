//! The files that are served: those of one directory.

use blaze_engine::actor::File;
use bytes::Bytes;
use percent_encoding::percent_decode_str;
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

/// The file of a URL's path, percent-decoded; `None` for one that leads out of the directory, or has bytes that mean
/// something else to one system or another.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok()?;
    if path.contains(['\0', '\\']) {
        return None;
    }
    let path = Path::new(path.as_ref());
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| root.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_percent_decoded_once() {
        let root = Path::new("/pages");
        for (path, file) in [
            ("/a/b.js", "/pages/a/b.js"),
            ("//etc/passwd", "/pages/etc/passwd"),
            ("/a%20b.js", "/pages/a b.js"),
            ("/%C3%A9.js", "/pages/é.js"),
            ("/a+b.js", "/pages/a+b.js"),
            ("/a%2Fb.js", "/pages/a/b.js"),
            ("/%252e%252e/a.js", "/pages/%2e%2e/a.js"),
        ] {
            assert_eq!(inside(root, path), Some(PathBuf::from(file)), "{path}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_directory() {
        let root = Path::new("/pages");
        for path in [
            "/../etc/passwd",
            "/a/../../etc",
            "/./x/../..",
            "/%2e%2e/etc/passwd",
            "/a/%2E%2E%2f..%2Fetc/passwd",
            "/%2Fetc/passwd",
            "/..%5Cetc",
            "/..\\etc",
            "/a.js%00.png",
            "/%ff.js",
        ] {
            assert_eq!(inside(root, path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn the_first_file_that_there_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a b.js"), "1").unwrap();
        let files = Files::of(folder.path().to_owned());
        let named = |path: &str| File { path: path.to_owned(), headers: Vec::new() };
        let found = files.find(&[named("/none.js"), named("/a%20b.js")]).await;
        assert_eq!(found.map(|(_, bytes)| bytes), Some(Bytes::from("1")));
        assert_eq!(files.find(&[named("/a%20b.js%00")]).await, None);
    }
}
