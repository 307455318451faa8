//! `cargo xtask serve`.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::workerd::{Log, Options, Server, Service};

use crate::cli::Serve;
use crate::process::say;
use crate::setup::{self, Packages, Parts};
use crate::workspace::Workspace;
use crate::{admin, admin_key, demo_data, rules};

/// Sets up, builds, serves until a signal comes, and loads the demo's data if asked to.
///
/// # Errors
/// If the port is taken, set-up or build fails, or the server ends by itself.
pub(crate) fn run(workspace: &Workspace, options: &Serve) -> Result<()> {
    ensure_free(SocketAddr::new(options.host, options.port))?;
    let mut service =
        setup::build_parts(workspace, Packages::Serve, Parts::only_server(options.server_only))?;
    let key = admin_key::ensure(&options.data)?;
    let hash = admin_key::configuration(&key)?;
    service.vars.insert(admin_key::VARIABLE.to_owned(), hash.into());
    if options.host.is_loopback() {
        service.vars.insert("OPEN".to_owned(), "1".into());
    }
    if options.demo {
        service = service.with_demo();
        take_settings(&mut service, workspace.path("demo-web/access.json"))?;
    }
    let launch = Options {
        host: options.host,
        port: options.port,
        log: Log::Inherit,
        workerd: Some(xtask::workerd::binary(workspace.root())?),
        ..Options::default()
    };
    // Not before: until now, Ctrl-C may end us as it ends the build.
    let signals = signals()?;
    let mut server = Server::start(&service, &options.data, launch)?;
    admin_key::remember(&options.data, &server.base_url())?;
    if options.demo {
        demo_data::load(workspace, &server.base_url(), &key)?;
        let asked = admin::Server::local(server.base_url(), &options.data);
        rules::deploy(&workspace.path("demo-web/demo.rules"), &asked)?;
    }
    say(who_may(options));
    // Flushed at once: scripts wait for this line.
    println!("Blaze is listening on {}", server.base_url());
    io::stdout().flush().context("writing to standard output")?;
    say(format!(
        "data in {}; workerd is process {}; Ctrl-C ends it",
        server.data().display(),
        server.pid()
    ));
    wait(&mut server, &signals)
}

/// Serves with another `access.json`.
fn take_settings(service: &mut Service, file: PathBuf) -> Result<()> {
    let module = service.modules.iter_mut().find(|module| module.name == "access.json");
    module.context("the server reads its settings from a module")?.path = file;
    Ok(())
}

/// What is said about who may do what.
fn who_may(options: &Serve) -> &'static str {
    if options.demo {
        "demo: a country is changed by its owner only, everything else by everybody (demo-web/demo.rules)"
    } else if options.host.is_loopback() {
        "open: as long as there are no rules, everybody on this machine may do everything; \
         `cargo xtask rules deploy FILE` ends that"
    } else {
        "closed: nothing is allowed but what rules allow; `cargo xtask rules deploy FILE` brings some"
    }
}

/// Before anything is built: that would be a long wait for "port taken".
fn ensure_free(address: SocketAddr) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "port {} is taken by another program: stop it, or choose another port (`--port 0` picks a free one)",
            address.port()
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// One message for each Ctrl-C, SIGTERM or SIGHUP.
fn signals() -> Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    ctrlc::set_handler(move || _ = sender.send(())).context("handling signals")?;
    Ok(receiver)
}

fn wait(server: &mut Server, signals: &Receiver<()>) -> Result<()> {
    loop {
        match signals.recv_timeout(Duration::from_millis(200)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                say(format!("stopped: workerd ended ({})", server.stop()?));
                return Ok(());
            }
        }
        if let Some(status) = server.exited()? {
            // A terminal sends Ctrl-C to both of us, and workerd may be the faster one.
            if signals.recv_timeout(Duration::from_millis(200)).is_ok() {
                say(format!("stopped: workerd ended ({status})"));
                return Ok(());
            }
            bail!("workerd ended by itself ({status})");
        }
    }
}
