//! The binary `blaze`: its build, and a process of it.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bundle;
use crate::process::{output, say};
use crate::workspace::Workspace;

/// The time that a server has to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);

/// Compiles `blaze`, and leaves it in the build directory.
///
/// # Errors
/// If it does not compile; cargo has said why.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let binary = workspace.build().join("blaze");
    if !binary.exists() {
        say("compiling blaze, which takes some minutes in a fresh clone");
    }
    let made = bundle::blaze(workspace)?;
    fs::create_dir_all(workspace.build())?;
    // Not over one that runs.
    let beside = workspace.build().join("blaze.new");
    fs::copy(&made, &beside)
        .and_then(|_| fs::rename(&beside, &binary))
        .with_context(|| format!("copying {}", made.display()))?;
    Ok(binary)
}

/// A running `blaze serve`.
pub(crate) struct Blaze {
    child: Child,
    url: String,
}

impl Blaze {
    /// Starts it, and waits until it listens. What it prints is passed on.
    ///
    /// # Errors
    /// If it ends before; it has said why.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        let stdout = child.stdout.take().context("its output is not a pipe")?;
        let mut lines = BufReader::new(stdout).lines();
        for line in lines.by_ref() {
            let line = line.context("reading what blaze prints")?;
            print(&line);
            if let Some(url) = line.strip_prefix("Blaze is listening on ") {
                let url = url.to_owned();
                thread::spawn(move || lines.map_while(Result::ok).for_each(|line| print(&line)));
                return Ok(Blaze { child, url });
            }
        }
        bail!("blaze ended while starting ({})", child.wait()?)
    }

    /// The URL for clients.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The status of the process if it has ended.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("asking about blaze's process")
    }

    /// Asks the process to end, and kills it if it does not.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus> {
        #[cfg(unix)]
        if self.exited()?.is_none() {
            let pid = rustix::process::Pid::from_child(&self.child);
            // It may have ended meanwhile.
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline && self.exited()?.is_none() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        self.child.kill().context("stopping blaze")?;
        self.child.wait().context("waiting for blaze to end")
    }
}

impl Drop for Blaze {
    fn drop(&mut self) {
        self.stop().ok();
    }
}

/// Flushed at once: scripts wait for lines.
fn print(line: &str) {
    println!("{line}");
    io::stdout().flush().ok();
}

/// The administrator's key that is kept with the data in a directory; the hash of it for a server that is told by a
/// variable. Makes it if it is not there.
///
/// # Errors
/// If the file cannot be read or written.
pub(crate) fn local_key(binary: &Path, data: &Path) -> Result<(String, String)> {
    let mut command = Command::new(binary);
    command.args(["key", "local", "--data"]).arg(data);
    let hash = output(&mut command)?;
    let file = data.join("admin-key");
    let key = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok((key.trim().to_owned(), hash.trim().to_owned()))
}
