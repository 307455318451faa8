//! `blaze serve`.

use super::{admin_key, rules, say};
use anyhow::{Context, Error, Result, bail};
use blaze_standalone::server::{self, Options, Rules};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The options of a server.
#[derive(clap::Args)]
pub(super) struct Serve {
    /// The address to listen on; port 0 picks a free one, 0.0.0.0 is every interface
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The directory that holds the data
    #[arg(long, default_value = ".blaze")]
    data: PathBuf,
    /// The rules, which are deployed when the server starts; by default blaze.rules if it is there, else those stay in force that
    /// were deployed last
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Settings of collections; by default collections.json if it is there
    #[arg(long)]
    collections: Option<PathBuf>,
    /// Issuers of tokens, accounts and rates; by default access.json if it is there
    #[arg(long)]
    access: Option<PathBuf>,
    /// The directory whose files are served beside the database; by default public if it is there
    #[arg(long)]
    public: Option<PathBuf>,
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
    let settings =
        |given, name| Ok::<_, Error>(read(given, name)?.unwrap_or_else(|| "{}".to_owned()));
    let collections = settings(collections, "collections.json")?;
    let access = settings(access, "access.json")?;
    let file = rules.clone().unwrap_or_else(|| rules::FILE.into());
    let rules = read(rules, rules::FILE)?;
    if let Some(text) = &rules {
        rules::check(&file, text)?;
    }
    let mut variables = variables();
    if !variables.contains_key(admin_key::VARIABLE) {
        let hash = admin_key::configuration(&admin_key::ensure(&data)?)?;
        variables.insert(admin_key::VARIABLE.to_owned(), hash);
    }
    let rules = rules.map(|text| Ok::<_, Error>(Rules { text, key: admin_key::kept(&data)? }));
    let rules =
        rules.transpose().context("rules are deployed with the key that is kept with the data")?;
    // A proxy in front is not this machine, though it is on it.
    if listen.ip().is_loopback() && !trust_proxy {
        variables.entry("OPEN".to_owned()).or_insert_with(|| "1".to_owned());
    }
    let is_open = variables.get("OPEN").is_some_and(|open| open == "1");
    // A credential is never sent by itself, so that pages of any origin may ask, as their users; but being on this machine
    // is a credential of its own while everything is open.
    let origins = if is_open { "loopback" } else { "*" };
    variables.entry("CORS_ORIGINS".to_owned()).or_insert_with(|| origins.to_owned());
    if trust_proxy {
        variables.insert("ADDRESS_HEADER".to_owned(), "X-Forwarded-For".to_owned());
    }
    if is_open && rules.is_none() {
        say("open: as long as there are no rules, everybody on this machine may do everything");
    }
    let public = match public {
        Some(public) if !public.is_dir() => bail!("{} is no directory", public.display()),
        Some(public) => Some(public),
        None => Some(PathBuf::from("public")).filter(|public| public.is_dir()),
    };
    let folder = data.clone();
    let options = Options { address: listen, data, collections, access, variables, public, rules };
    server::run(options, move |address| listening(address, &folder), stopped())
}

/// Says that the server listens. Flushed at once: scripts wait for this line.
fn listening(address: SocketAddr, data: &Path) -> Result<()> {
    let url = format!("http://{address}");
    admin_key::remember(data, &url)?;
    println!("Blaze is listening on {url}");
    io::stdout().flush().context("writing to standard output")
}

/// The text of a file that was named, or else of the usual one, which may be missing.
fn read(given: Option<PathBuf>, usual: &str) -> Result<Option<String>> {
    let is_given = given.is_some();
    let file = given.unwrap_or_else(|| usual.into());
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_given => Ok(None),
        read => read.map(Some).with_context(|| format!("reading {}", file.display())),
    }
}

/// The environment, but for what is no text.
fn variables() -> BTreeMap<String, String> {
    let text = |text: std::ffi::OsString| text.into_string().ok();
    env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
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
