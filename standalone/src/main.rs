//! The binary `blaze`.

use anyhow::{Context, Result};
use blaze_standalone::server::{self, Options};
use clap::{Parser, Subcommand};
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// What a step needs is asked for and given back at once, some hundred times: measured, see docs/benchmarks.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A realtime document database: one binary, one file.
#[derive(Parser)]
#[command(name = "blaze", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve on this machine
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    /// The port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// The IP address to listen on; 0.0.0.0 is every interface
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: IpAddr,
    /// The directory that holds the data
    #[arg(long, default_value = ".blaze")]
    data: PathBuf,
    /// What is declared of collections; nothing if the file is missing
    #[arg(long, default_value = "collections.json")]
    collections: PathBuf,
    /// Issuers of tokens, accounts and rates; none if the file is missing
    #[arg(long, default_value = "access.json")]
    access: PathBuf,
    /// The directory whose files are served beside the database
    #[arg(long)]
    public: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(options) => match serve(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn serve(options: Serve) -> Result<()> {
    let Serve { port, host, data, collections, access, public } = options;
    let read = |file: &PathBuf| match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("{}".to_owned()),
        read => read.with_context(|| format!("reading {}", file.display())),
    };
    let (collections, access) = (read(&collections)?, read(&access)?);
    let variables = std::env::vars().collect();
    let address = SocketAddr::new(host, port);
    let options = Options { address, data, collections, access, variables, public };
    let listening = |address: SocketAddr| {
        // Flushed at once: scripts wait for this line.
        println!("Blaze is listening on http://{address}");
        io::stdout().flush().context("writing to standard output")
    };
    server::run(options, listening, async {
        tokio::signal::ctrl_c().await.ok();
    })
}
