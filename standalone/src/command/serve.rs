//! `blaze serve`.

use super::administrator::Server;
use super::{admin_key, rules, say};
use anyhow::{Context, Result};
use blaze_standalone::server::{self, Options};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs, thread};

/// How to serve. Every file is optional.
#[derive(clap::Args)]
pub(super) struct Serve {
    /// The address to listen on; port 0 picks a free one, 0.0.0.0 is every interface
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The directory that holds the data
    #[arg(long, default_value = ".blaze")]
    data: PathBuf,
    /// The rules, which are deployed when the server starts; without the file those that were deployed last stay in force
    #[arg(long, default_value = rules::FILE)]
    rules: PathBuf,
    /// What is declared of collections
    #[arg(long, default_value = "collections.json")]
    collections: PathBuf,
    /// Issuers of tokens, accounts and rates
    #[arg(long, default_value = "access.json")]
    access: PathBuf,
    /// The directory whose files are served beside the database
    #[arg(long, default_value = "public")]
    public: PathBuf,
    /// Believe the last address in X-Forwarded-For: only behind a proxy that sets it
    #[arg(long)]
    trust_proxy: bool,
}

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// If a file is wrong, or the address or the data directory cannot be used.
pub(super) fn run(options: Serve) -> Result<()> {
    let Serve { listen, data, rules, collections, access, public, trust_proxy } = options;
    let (collections, access) = (settings(&collections)?, settings(&access)?);
    let rules = rules.is_file().then_some(rules);
    if let Some(rules) = &rules {
        rules::check(rules)?;
    }
    let mut variables: BTreeMap<String, String> = env::vars().collect();
    if !variables.contains_key(admin_key::VARIABLE) {
        let hash = admin_key::configuration(&admin_key::ensure(&data)?)?;
        variables.insert(admin_key::VARIABLE.to_owned(), hash);
    }
    if listen.ip().is_loopback() {
        variables.entry("OPEN".to_owned()).or_insert_with(|| "1".to_owned());
    }
    // A credential is never sent by itself: pages of any origin may ask, as their users.
    variables.entry("CORS_ORIGINS".to_owned()).or_insert_with(|| "*".to_owned());
    if trust_proxy {
        variables.insert("ADDRESS_HEADER".to_owned(), "X-Forwarded-For".to_owned());
    }
    let public = public.is_dir().then_some(public);
    let folder = data.clone();
    let options = Options { address: listen, data, collections, access, variables, public };
    server::run(options, move |address| listening(address, &folder, rules), stopped())
}

/// Says that the server listens, once its rules are those of the file.
fn listening(address: SocketAddr, data: &Path, rules: Option<PathBuf>) -> Result<()> {
    let url = format!("http://{address}");
    admin_key::remember(data, &url)?;
    let data = data.to_owned();
    // The server answers only when this has returned.
    thread::spawn(move || {
        let deployed = rules.map(|file| rules::deploy(&file, &Server::local(url.clone(), &data)));
        if let Some(Err(error)) = deployed {
            say(format!("the rules were not deployed: {error:#}"));
        }
        // Flushed at once: scripts wait for this line.
        println!("Blaze is listening on {url}");
        io::stdout().flush().ok();
    });
    Ok(())
}

/// The text of a file of settings; none are declared without it.
fn settings(file: &Path) -> Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("{}".to_owned()),
        read => read.with_context(|| format!("reading {}", file.display())),
    }
}

/// Done when a signal says that the server is to stop.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    tokio::signal::ctrl_c().await.ok();
}
