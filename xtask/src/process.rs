//! Running other programs.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{env, iter};

use anyhow::{Context, Result, bail};

/// Tells the user, on standard error, what a step that takes long is doing.
pub(crate) fn say(step: impl AsRef<str>) {
    eprintln!("blaze: {}", step.as_ref());
}

/// Runs a program that talks to the user itself.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("starting {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a program silently and gives its standard output.
///
/// # Errors
/// If it cannot be started or fails; the text has all it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", shown(command)))?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if !status.success() {
        bail!(
            "{} failed ({status}):\n{stdout}{}",
            shown(command),
            String::from_utf8_lossy(&stderr)
        );
    }
    Ok(stdout)
}

/// Whether a program can be started and succeeds, whatever it prints. `None` if there is no such program.
pub(crate) fn succeeds(command: &mut Command) -> Option<bool> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output.status.success()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => Some(false),
    }
}

/// The first of some programs that is on the `PATH`.
pub(crate) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let directories: Vec<PathBuf> = env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
        .find(|file| file.is_file())
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    format!("`{}`", words.join(" "))
}
