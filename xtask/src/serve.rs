//! `cargo xtask serve`.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::workerd::{Log, Options, Server, Service};

use crate::cli::Serve;
use crate::demo_data;
use crate::npm::ensure_node;
use crate::process::{run as run_program, say};
use crate::setup::{self, Packages, Parts};
use crate::standalone::{self, Blaze};
use crate::workspace::Workspace;

/// The variable that tells a server of its administrator.
const KEY_VARIABLE: &str = "ADMIN_KEY_HASH";

/// Builds and serves until a signal comes, and loads the demo's data if asked to.
///
/// # Errors
/// If the port is taken, set-up or build fails, or the server ends by itself.
pub(crate) fn run(workspace: &Workspace, options: &Serve) -> Result<()> {
    ensure_free(SocketAddr::new(options.host, options.port))?;
    let binary = standalone::build(workspace)?;
    if options.workerd {
        return workerd(workspace, options, &binary);
    }
    let mut command = command(workspace, options, &binary);
    let mut blaze = Blaze::start(&mut command)?;
    // Not before: until now, Ctrl-C may end us as it ends the build.
    let signals = signals()?;
    let files = files(workspace, options)?;
    if options.demo {
        let (key, _) = standalone::local_key(&binary, &options.data)?;
        demo_data::load(workspace, blaze.url(), &key)?;
    }
    say(who_may(options));
    if files {
        say(format!("the pages are served, too: {}", blaze.url()));
    }
    wait(&signals, || blaze.exited())?;
    say(format!("stopped: blaze ended ({})", blaze.stop()?));
    Ok(())
}

/// `blaze serve` as this checkout starts it.
fn command(workspace: &Workspace, options: &Serve, binary: &Path) -> Command {
    let mut command = Command::new(binary);
    let listen = SocketAddr::new(options.host, options.port).to_string();
    command.args(["serve", "--listen", &listen, "--data"]).arg(&options.data);
    let of_demo = |name: &str| workspace.path("demo-web").join(name);
    let (files, access) = if options.demo {
        (Service::DEMO_FILES, of_demo("access.json"))
    } else {
        (Service::FILES, workspace.path("access.json"))
    };
    let public = workspace.build().join(files);
    // It is filled while the server listens.
    fs::create_dir_all(&public).ok();
    command.arg("--public").arg(public).arg("--access").arg(access);
    command.arg("--collections").arg(workspace.path("collections.json"));
    if options.demo {
        command.arg("--rules").arg(of_demo("demo.rules"));
    }
    command
}

/// Builds the client and the pages. Returns false if they are left out.
fn files(workspace: &Workspace, options: &Serve) -> Result<bool> {
    if options.server_only {
        return Ok(false);
    }
    if let Err(error) = ensure_node() {
        if options.demo {
            return Err(error.context("the demo's page and data need Node.js"));
        }
        say(format!("the client and the pages are not built: {error:#}"));
        return Ok(false);
    }
    setup::build_parts(workspace, Packages::Serve, Parts::Pages)?;
    Ok(true)
}

/// Serves the bundle of Cloudflare under `workerd`.
fn workerd(workspace: &Workspace, options: &Serve, binary: &Path) -> Result<()> {
    let parts = if options.server_only { Parts::Server } else { Parts::All };
    let mut service = setup::build_parts(workspace, Packages::Serve, parts)?;
    let (key, hash) = standalone::local_key(binary, &options.data)?;
    service.vars.insert(KEY_VARIABLE.to_owned(), hash.into());
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
    let signals = signals()?;
    let mut server = Server::start(&service, &options.data, launch)?;
    let url = server.base_url();
    fs::write(options.data.join("address"), format!("{url}\n"))?;
    if options.demo {
        demo_data::load(workspace, &url, &key)?;
        let mut deploy = Command::new(binary);
        deploy.args(["rules", "deploy", "--url", &url, "--data"]).arg(&options.data);
        run_program(deploy.arg(workspace.path("demo-web/demo.rules")))?;
    }
    say(who_may(options));
    // Flushed at once: scripts wait for this line.
    println!("Blaze is listening on {url}");
    io::stdout().flush().context("writing to standard output")?;
    wait(&signals, || server.exited())?;
    say(format!("stopped: workerd ended ({})", server.stop()?));
    Ok(())
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
         `build/blaze rules deploy FILE` ends that"
    } else {
        "closed: nothing is allowed but what rules allow; `build/blaze rules deploy FILE` brings some"
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

/// Waits for a signal.
///
/// # Errors
/// If the server ends before one comes.
fn wait(
    signals: &Receiver<()>,
    mut exited: impl FnMut() -> Result<Option<ExitStatus>>,
) -> Result<()> {
    loop {
        match signals.recv_timeout(Duration::from_millis(200)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Some(status) = exited()? {
            // A terminal sends Ctrl-C to both of us, and the server may be the faster one.
            if signals.recv_timeout(Duration::from_millis(200)).is_ok() {
                return Ok(());
            }
            bail!("the server ended by itself ({status})");
        }
    }
}
