//! `cargo xtask test` and `cargo xtask fuzz`.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::browser;
use crate::npm::recent_node;
use crate::process::run as run_program;
use crate::rust;
use crate::setup::{self, Packages};
use crate::workspace::Workspace;

/// How many cases `cargo xtask fuzz` tries.
const FUZZ_CASES: &str = "1000000";

/// What compiles on this machine. The server and the demo page do for wasm only.
const CLIPPY_NATIVE: &str = "clippy --workspace --exclude blaze-server --exclude blaze-demo --all-targets \
                             --features xtask/bench -- --deny warnings";

/// What runs as wasm.
const CLIPPY_WASM: &str = "clippy --package blaze-server --package blaze-client --package blaze-demo --target \
                           wasm32-unknown-unknown -- --deny warnings";

/// Runs every check and every test; with `filters`, only the tests whose names contain one of them.
///
/// Every step is run, whatever came of the ones before, except for what needs a build that failed.
///
/// # Errors
/// If a step failed. What it found has been printed.
pub(crate) fn run(workspace: &Workspace, filters: &[String]) -> Result<()> {
    let mut report = Report::default();
    let everything = filters.is_empty();
    if everything {
        report.step("format", || {
            rust::ensure_lints(workspace)?;
            run_program(workspace.cargo().args(["fmt", "--all", "--check"]))
        });
    }
    let built =
        report.step("set-up and build", || setup::build(workspace, Packages::Test)).is_some();
    if everything {
        report.step("lints, native", || {
            run_program(workspace.cargo().args(CLIPPY_NATIVE.split(' ')))
        });
        report.step("lints, wasm", || run_program(workspace.cargo().args(CLIPPY_WASM.split(' '))));
    }
    if built {
        report.step("tests", || tests(workspace, filters));
        if everything {
            report.step("deployable", || deploy_dry_run(workspace));
        }
    }
    report.finish()
}

/// Runs the randomised tests for long.
///
/// # Errors
/// If one fails. The case has been printed.
pub(crate) fn fuzz(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "test",
        "--package",
        "blaze-tests",
        "--release",
        "--test",
        "fuzz",
        "--",
        "--nocapture",
    ]);
    run_program(cargo.env("BLAZE_FUZZ_CASES", FUZZ_CASES))
}

/// `cargo test`, with what the tests need to know about this checkout in the environment.
fn tests(workspace: &Workspace, filters: &[String]) -> Result<()> {
    let browser = browser::ensure()?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-fail-fast", "--features", "xtask/bench", "--"]).args(filters);
    cargo.env("BLAZE_WORKERD", xtask::workerd::binary(workspace.root())?);
    cargo.env("BLAZE_BUILD", workspace.build());
    cargo.env("CHROMIUM", browser.chromium).env("CHROMEDRIVER", browser.driver);
    run_program(&mut cargo)
}

/// Whether wrangler takes wrangler.toml and the bundle as they are. It asks nobody on the network.
fn deploy_dry_run(workspace: &Workspace) -> Result<()> {
    let mut wrangler = Command::new(recent_node(workspace)?);
    wrangler
        .current_dir(workspace.root())
        .arg(workspace.node_modules().join("wrangler/bin/wrangler.js"));
    wrangler.args(["deploy", "--dry-run", "--outdir"]).arg(workspace.build().join("deploy"));
    wrangler.env("WRANGLER_SEND_METRICS", "false").env("WRANGLER_HIDE_BANNER", "true");
    run_program(&mut wrangler)
}

/// How the steps went.
#[derive(Default)]
struct Report {
    steps: Vec<(&'static str, Duration, bool)>,
}

impl Report {
    /// Does a step; its value if it succeeded.
    fn step<T>(&mut self, name: &'static str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let result = step();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        self.steps.push((name, started.elapsed(), result.is_ok()));
        result.ok()
    }

    fn finish(self) -> Result<()> {
        eprintln!();
        for (name, duration, ok) in &self.steps {
            let verdict = if *ok { "ok" } else { "FAILED" };
            eprintln!("{name:<20} {verdict:<8} {:>6.1} s", duration.as_secs_f64());
        }
        match self.steps.iter().filter(|(_, _, ok)| !ok).count() {
            0 => Ok(()),
            failed => bail!("{failed} of {} steps failed", self.steps.len()),
        }
    }
}
