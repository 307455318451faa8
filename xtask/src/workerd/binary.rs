//! Where the `workerd` executable is.

use std::env;
use std::env::consts::{ARCH, OS};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The native `workerd` executable: `$BLAZE_WORKERD`, or the one that npm installed under `root/node_modules`.
///
/// It is never npm's JavaScript wrapper, so that the process we start is the one that serves (and dies when killed).
///
/// # Errors
/// If there is none for this platform, or npm has not installed it yet; the text says what to do.
pub fn binary(root: &Path) -> Result<PathBuf> {
    if let Some(path) = env::var_os("BLAZE_WORKERD").map(PathBuf::from) {
        if !path.is_file() {
            bail!("BLAZE_WORKERD is {}, and there is no such file", path.display());
        }
        return Ok(path);
    }
    let Some(package) = platform_package(OS, ARCH) else {
        bail!(
            "workerd, the runtime that Blaze needs, is not published for {OS} on {ARCH}. \
             It is for Linux and macOS on x86-64 and ARM64 (on Windows, use WSL). \
             If you built one yourself, name it in the environment variable BLAZE_WORKERD."
        );
    };
    let path = root.join("node_modules/@cloudflare").join(package).join("bin/workerd");
    if !path.is_file() {
        bail!(
            "workerd is missing: {} does not exist. `cargo xtask build` installs it; if npm was told to leave out \
             optional packages (`npm config get omit`), tell it not to, delete node_modules and try again.",
            path.display()
        );
    }
    Ok(path)
}

/// The npm package that holds the executable for a platform, by Rust's names for the platform.
fn platform_package(os: &str, arch: &str) -> Option<&'static str> {
    match (os, arch) {
        ("linux", "x86_64") => Some("workerd-linux-64"),
        ("linux", "aarch64") => Some("workerd-linux-arm64"),
        ("macos", "x86_64") => Some("workerd-darwin-64"),
        ("macos", "aarch64") => Some("workerd-darwin-arm64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::platform_package;

    #[test]
    fn a_platform_without_a_package_is_none() {
        assert_eq!(platform_package("linux", "x86_64"), Some("workerd-linux-64"));
        assert_eq!(platform_package("freebsd", "x86_64"), None);
    }
}
