//! `cargo xtask test` and `cargo xtask fuzz`.

use std::process::Command;

use anyhow::Result;

use crate::browser;
use crate::npm::recent_node;
use crate::process::run as run_program;
use crate::setup::{self, Packages};
use crate::standalone;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// How many cases `cargo xtask fuzz` tries.
const FUZZ_CASES: &str = "1000000";

/// The test binaries that both homes must pass. Of the others, some need no server, and some are about what only
/// Cloudflare has: objects that leave memory, files of their own, rows that are paid for.
const BOTH_HOMES: [&str; 14] = [
    "access_table",
    "accounts_http",
    "browser",
    "concurrency",
    "durability",
    "frameworks",
    "http",
    "limits",
    "listen",
    "malformed",
    "npm_client",
    "readme",
    "scripts",
    "socket",
];

/// Builds everything and runs every test; with `filters`, only the tests whose names contain one of them. The lints are
/// those of `cargo xtask check`.
///
/// # Errors
/// If the build, a test or the dry run of a deployment failed. What it found has been printed.
pub(crate) fn run(workspace: &Workspace, filters: &[String]) -> Result<()> {
    let mut steps = Steps::default();
    let built = steps.run("set-up and build", || {
        setup::build(workspace, Packages::Test)?;
        standalone::build(workspace)
    });
    if built.is_some() {
        steps.run("tests", || run_program(tests(workspace)?.arg("--").args(filters)));
        steps.run("tests, standalone", || on_standalone(workspace, filters));
        if filters.is_empty() {
            steps.run("deployable", || deploy_dry_run(workspace));
        }
    }
    steps.finish()
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
fn tests(workspace: &Workspace) -> Result<Command> {
    let browser = browser::ensure()?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-fail-fast", "--features", "xtask/bench"]);
    cargo.env("BLAZE_WORKERD", xtask::workerd::binary(workspace.root())?);
    cargo.env("BLAZE_BUILD", workspace.build());
    cargo.env("CHROMIUM", browser.chromium).env("CHROMEDRIVER", browser.driver);
    Ok(cargo)
}

/// Runs the tests of the contract against the binary `blaze`; the first run was against `workerd`.
fn on_standalone(workspace: &Workspace, filters: &[String]) -> Result<()> {
    let mut cargo = tests(workspace)?;
    for suite in BOTH_HOMES {
        cargo.args(["--test", suite]);
    }
    run_program(cargo.env("BLAZE_HOME", "standalone").arg("--").args(filters))
}

/// Asks wrangler whether it takes wrangler.toml and the bundle as they are. It asks nothing of the network.
fn deploy_dry_run(workspace: &Workspace) -> Result<()> {
    let mut wrangler = Command::new(recent_node(workspace)?);
    wrangler
        .current_dir(workspace.root())
        .arg(workspace.node_modules().join("wrangler/bin/wrangler.js"));
    wrangler.args(["deploy", "--dry-run", "--outdir"]).arg(workspace.build().join("deploy"));
    wrangler.env("WRANGLER_SEND_METRICS", "false").env("WRANGLER_HIDE_BANNER", "true");
    run_program(&mut wrangler)
}
