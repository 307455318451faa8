//! Where and when it was measured.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use time::{Date, OffsetDateTime};

use crate::process;

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
    /// As workerd names itself: `workerd 2026-11-17`.
    pub(crate) workerd: String,
}

impl Machine {
    /// Looks around.
    ///
    /// # Errors
    /// If `workerd` does not tell its version.
    pub(crate) fn look(workerd: &Path) -> Result<Self> {
        let version = process::output(Command::new(workerd).arg("--version"))
            .context("asking workerd for its version")?;
        Ok(Self {
            date: OffsetDateTime::now_utc().date(),
            platform: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            processor: processor(),
            workerd: version.trim().to_owned(),
        })
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
