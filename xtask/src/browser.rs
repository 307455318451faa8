//! The browser for the tests of the pages: Chromium, and the driver to steer it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{on_path, output, say};

/// The two executables.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

/// Finds Chromium and chromedriver: in `$CHROMIUM` and `$CHROMEDRIVER`, or on the `PATH`. If they are missing and
/// this is root on Debian or Ubuntu, installs them.
///
/// # Errors
/// If they are missing and cannot be installed; the text says how to get them.
pub(crate) fn ensure() -> Result<Browser> {
    if let Some(browser) = find()? {
        return Ok(browser);
    }
    if on_path(&["apt-get"]).is_some() && is_root() {
        say("installing chromium and chromium-driver");
        apt_get(&["update"])?;
        apt_get(&["install", "--yes", "--no-install-recommends", "chromium", "chromium-driver"])?;
    }
    find()?.context(
        "Chromium or chromedriver is missing; the tests of the pages need both, in the same version. On Debian: \
         `sudo apt-get install chromium chromium-driver`. Elsewhere, install them and put them on the PATH, or name \
         them in the environment variables CHROMIUM and CHROMEDRIVER.",
    )
}

fn find() -> Result<Option<Browser>> {
    let chromium = program("CHROMIUM", &["chromium", "chromium-browser", "google-chrome"])?;
    let driver = program("CHROMEDRIVER", &["chromedriver"])?;
    Ok(chromium.zip(driver).map(|(chromium, driver)| Browser { chromium, driver }))
}

fn program(variable: &str, names: &[&str]) -> Result<Option<PathBuf>> {
    match env::var_os(variable).map(PathBuf::from) {
        Some(path) if path.is_file() => Ok(Some(path)),
        Some(path) => bail!("{variable} is {}, and there is no such file", path.display()),
        None => Ok(on_path(names)),
    }
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut apt_get = Command::new("apt-get");
    output(apt_get.args(arguments).env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}
