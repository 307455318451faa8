//! A server: the thread of the engine, and the threads that talk to clients.

use crate::database::Database;
use crate::fetch::fetch;
use crate::files::Files;
use crate::http::{Shared, answer};
use crate::outside::{Command, Job, Work};
use crate::shell::Shell;
use anyhow::{Context, Result, anyhow};
use blaze_engine::node::config::Config;
use blaze_identity::accounts::password::Hashing;
use blaze_schema::error::{Code, Error};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The time that requests have to end when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// The time that a client has to send a request's header.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// Passwords that wait to be hashed at most.
const HASHINGS: usize = 64;
/// Bytes of the stack of the engine's thread: the deepest documents and rules fit.
const STACK_BYTES: usize = 16 * 1_024 * 1_024;

/// What is served, and where.
#[derive(Debug)]
pub struct Options {
    /// The address; port 0 picks a free one.
    pub address: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// `collections.json`.
    pub collections: String,
    /// `access.json`.
    pub access: String,
    /// Variables and secrets.
    pub variables: BTreeMap<String, String>,
    /// The directory of files that are served; `None` for none.
    pub public: Option<PathBuf>,
}

/// Serves until `stop` is done. Calls `listening` with the address when it listens.
///
/// # Errors
/// If the configuration is wrong, or the data directory or the address cannot be used.
pub fn run(
    options: Options,
    listening: impl FnOnce(SocketAddr) -> Result<()>,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let Options { address, data, collections, access, variables, public } = options;
    let database = Database::open(&data)?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let config = move || Config::read(&collections, &access, |name| variables.get(name).cloned());
    let (commands, engine) = start(database, config, runtime.handle().clone())?;
    let files = public.map_or_else(Files::default, Files::of);
    let shared = Arc::new(Shared { commands: commands.clone(), files, scheme: "http" });
    let served = runtime.block_on(async {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        listening(listener.local_addr()?)?;
        serve(listener, shared, stop).await;
        anyhow::Ok(())
    });
    commands.send(Command::Stop).ok();
    engine.join().ok();
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Starts the engine's thread.
fn start(
    database: Database,
    config: impl FnOnce() -> Result<Config, Error> + Send + 'static,
    runtime: Handle,
) -> Result<(Sender<Command>, thread::JoinHandle<()>)> {
    let (commands, receiver) = mpsc::channel();
    let sender = commands.clone();
    let jobs = jobs(sender, runtime)?;
    let (told, ready) = mpsc::channel();
    let thread = thread::Builder::new().name("engine".to_owned()).stack_size(STACK_BYTES);
    let engine = thread.spawn(move || {
        let shell = config()
            .map_err(|error| anyhow!(error.detail))
            .and_then(|config| Shell::new(database, config, jobs).context("reading the database"));
        match shell {
            Ok(shell) => {
                told.send(Ok(())).ok();
                shell.run(&receiver);
            }
            Err(error) => {
                told.send(Err(error)).ok();
            }
        }
    })?;
    ready.recv().context("the engine's thread ended")??;
    Ok((commands, engine))
}

/// Takes work from the engine's thread to others: passwords are hashed by one thread, which leaves a processor for
/// everything else; servers elsewhere are asked by threads that mostly wait.
fn jobs(commands: Sender<Command>, runtime: Handle) -> Result<Box<dyn Fn(Job) + Send>> {
    let (hashings, waiting) = mpsc::sync_channel(HASHINGS);
    let hashed = commands.clone();
    thread::Builder::new().name("passwords".to_owned()).spawn(move || {
        for (host, number, hashing) in waiting {
            let hashing: Hashing = hashing;
            hashed.send(Command::Hashed { host, number, hashed: hashing.run() }).ok();
        }
    })?;
    Ok(Box::new(move |Job { host, number, work }| match work {
        Work::Hash(hashing) => {
            if hashings.try_send((host, number, hashing)).is_err() {
                let detail = "too many passwords wait to be hashed; repeat the request";
                let hashed = Err(Error::new(Code::Unavailable, detail));
                commands.send(Command::Hashed { host, number, hashed }).ok();
            }
        }
        Work::Fetch(asked) => {
            let commands = commands.clone();
            runtime.spawn_blocking(move || {
                commands.send(Command::Fetched { host, number, fetched: fetch(asked) }).ok();
            });
        }
    }))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = watch::channel(());
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(connect(stream, peer, Arc::clone(&shared), stopped.clone()));
                }
                // Too many open files, for one: those that are served go on.
                Err(error) => {
                    eprintln!("blaze: accepting a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            () = &mut stop => break,
        }
    }
    drop((listener, stopped));
    stopping.send(()).ok();
    timeout(DRAIN_TIME, stopping.closed()).await.ok();
}

/// Serves a connection. When the server stops, the request that is under way is the last one.
async fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<()>,
) {
    stream.set_nodelay(true).ok();
    let address = peer.ip().to_canonical();
    let service = service_fn(move |request| answer(Arc::clone(&shared), address, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        // A connection that breaks is its client's matter.
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}
