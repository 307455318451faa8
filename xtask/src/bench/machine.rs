//! Where and when it was measured.

use std::fs;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use time::{Date, OffsetDateTime};

use super::stats::percentile;
use crate::process;

/// How often a file is forced to disk to see how long that takes.
const SYNCS: usize = 200;

/// What a reader needs to know to judge absolute numbers.
pub(crate) struct Machine {
    /// The day, in UTC.
    pub(crate) date: Date,
    /// The operating system and its processor architecture.
    pub(crate) platform: String,
    /// Logical processors that this process may use.
    pub(crate) cores: usize,
    /// The processor's name, where the system tells it.
    pub(crate) processor: Option<String>,
    /// The median time to force a small write to disk, which bounds writes per second.
    pub(crate) sync: Duration,
    /// As workerd names itself: `workerd 2026-11-17`.
    pub(crate) workerd: String,
}

impl Machine {
    /// Looks around.
    ///
    /// # Errors
    /// If `workerd` does not tell its version, or a temporary file cannot be written.
    pub(crate) fn look(workerd: &Path) -> Result<Self> {
        let version = process::output(Command::new(workerd).arg("--version"))
            .context("asking workerd for its version")?;
        Ok(Self {
            date: OffsetDateTime::now_utc().date(),
            platform: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            processor: processor(),
            sync: sync().context("timing the disk")?,
            workerd: version.trim().to_owned(),
        })
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Where the data is while measuring: in the directory for temporary files.
fn sync() -> io::Result<Duration> {
    let mut file = tempfile::tempfile()?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(percentile(&times, 0.5))
}
