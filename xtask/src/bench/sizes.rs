//! What has to be downloaded: by Cloudflare for the server, by a browser for the client.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::bundle::Tree;
use crate::workspace::Workspace;

/// The client that does the same for Firestore, as a browser downloads it.
pub(crate) const FIRESTORE_CLIENT: Size = Size {
    name: "For context: Firestore's JavaScript SDK with `onSnapshot` (firebase 12.19.0, bundled and minified by \
           esbuild 0.28.2)",
    bytes: None,
    gzipped: 145_000,
};

/// The size of one thing in bytes.
pub(crate) struct Size {
    /// For a table's first column.
    pub(crate) name: &'static str,
    /// As it is; `None` where only the compressed size is known.
    pub(crate) bytes: Option<u64>,
    /// Compressed by gzip, level 9.
    pub(crate) gzipped: u64,
}

/// The sizes of what was built.
///
/// # Errors
/// If it was not built.
pub(crate) fn measure(workspace: &Workspace) -> Result<Vec<Size>> {
    let server = workspace.build().join("server");
    let client = workspace.build().join("client");
    Ok(vec![
        size("Server, WebAssembly", &server, &["wasm"])?,
        size("Client, WebAssembly", &client, &["wasm"])?,
        size("Client, JavaScript around it", &client, &["js"])?,
        size("Client, all that a page loads", &client, &["wasm", "js"])?,
    ])
}

/// The sum over the files under a directory whose names end so. Each is compressed for itself, as it is served.
fn size(name: &'static str, directory: &Path, endings: &[&str]) -> Result<Size> {
    let (mut bytes, mut gzipped) = (0, 0);
    for path in Tree::of(directory)?.paths() {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if endings.contains(&ending) {
            let file = directory.join(path);
            let contents =
                fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            bytes += contents.len() as u64;
            gzipped += gzip(&contents).context("compressing")?;
        }
    }
    ensure!(bytes > 0, "nothing is built in {}", directory.display());
    Ok(Size { name, bytes: Some(bytes), gzipped })
}

fn gzip(contents: &[u8]) -> io::Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(contents)?;
    Ok(encoder.finish()?.len() as u64)
}
