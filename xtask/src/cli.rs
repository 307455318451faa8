//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::setup::{self, Packages, Parts};
use crate::test;
use crate::workspace::Workspace;

/// Serve, test, build and measure Blaze.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build `blaze`, the bundle for Cloudflare, the client and the demo page into build/, installing what that needs
    Build {
        /// Only the bundle for Cloudflare
        #[arg(long)]
        server_only: bool,
    },
    /// Build `blaze`, and serve on this machine; documents are kept in the data directory
    Serve(Serve),
    /// Check the format and run the lints, native and wasm
    Check,
    /// Build, then run every test; with filters, only the tests whose names contain one of them
    Test {
        /// Parts of the names of tests to run
        filters: Vec<String>,
    },
    /// Run a million cases of the randomised tests
    Fuzz,
    /// Measure against a hand-written Durable Object, and write docs/benchmarks.md
    #[cfg(feature = "bench")]
    Bench(crate::bench::Bench),
    /// Measure against a hand-written Durable Object, and write docs/benchmarks.md
    #[cfg(not(feature = "bench"))]
    #[command(disable_help_flag = true)]
    Bench {
        /// What the benchmark's own command line takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// How to serve.
#[derive(clap::Args)]
pub(crate) struct Serve {
    /// The port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8787)]
    pub(crate) port: u16,
    /// The IP address to listen on; 0.0.0.0 is every interface
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    pub(crate) host: IpAddr,
    /// The directory that holds the data
    #[arg(long, default_value = ".blaze")]
    pub(crate) data: PathBuf,
    /// Load the demo's data, the countries of the world, if they are not there yet
    #[arg(long, conflicts_with = "server_only")]
    pub(crate) demo: bool,
    /// Do not build the client and the demo page, which takes longer than the server
    #[arg(long)]
    pub(crate) server_only: bool,
    /// Serve the bundle for Cloudflare under workerd instead
    #[arg(long)]
    pub(crate) workerd: bool,
}

/// Does what the command line says.
///
/// # Errors
/// Whatever the command could not do, as a text for the user.
pub(crate) fn run() -> Result<()> {
    let cli = Cli::parse();
    let workspace = Workspace::find()?;
    match cli.command {
        Command::Build { server_only } => {
            let parts = if server_only { Parts::Server } else { Parts::All };
            setup::build_parts(&workspace, Packages::Serve, parts)?;
            if server_only { Ok(()) } else { crate::standalone::build(&workspace).map(drop) }
        }
        Command::Serve(options) => crate::serve::run(&workspace, &options),
        Command::Check => crate::check::run(&workspace),
        Command::Test { filters } => test::run(&workspace, &filters),
        Command::Fuzz => test::fuzz(&workspace),
        #[cfg(feature = "bench")]
        Command::Bench(options) => crate::bench::run(&workspace, &options),
        #[cfg(not(feature = "bench"))]
        Command::Bench { arguments } => crate::optimised::bench(&workspace, &arguments),
    }
}
