//! The command line.

mod admin_key;
mod administrator;
mod group;
mod init;
mod key;
mod rules;
mod serve;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// A realtime document database: one binary, one file.
#[derive(Parser)]
#[command(name = "blaze", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Begin an application here: rules and their cases, settings, and a page
    Init(init::Init),
    /// Serve the documents that are kept in the data directory
    Serve(serve::Serve),
    /// Check, test and deploy the rules of who may do what
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Make, list and revoke the API keys of a running server
    #[command(subcommand)]
    Key(key::Key),
    /// Wait until the documents of a collection group have joined its index, after it was declared late
    Group(group::Group),
}

/// Does what the command line says.
///
/// # Errors
/// Whatever the command could not do, as a text for the user.
pub(crate) fn run() -> Result<()> {
    match Cli::parse().command {
        Command::Init(options) => init::run(&options),
        Command::Serve(options) => serve::run(options),
        Command::Rules(command) => rules::run(&command),
        Command::Key(command) => key::run(&command),
        Command::Group(command) => group::run(&command),
    }
}

/// Tells the user something on standard error, where it is in no other program's way.
fn say(text: impl AsRef<str>) {
    eprintln!("blaze: {}", text.as_ref());
}
