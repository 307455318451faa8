//! A server: the thread of the engine, and the threads that talk to clients.

use crate::database::Database;
use crate::fetch::fetch;
use crate::files::Files;
use crate::http::{Shared, answer};
use crate::log::Log;
use crate::outside::{Command, Job, Outcome, Sent, Work};
use crate::shell::Shell;
use crate::socket::Sockets;
use anyhow::{Context, Result, anyhow, bail};
use blaze_engine::node::config::Config;
use blaze_identity::accounts::password::Hashing;
use blaze_schema::error::{Code, Error};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// The time that requests have to end when the server stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// The time that a client has to send a request's header.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// The time that sockets have to be closed when the server stops.
const FAREWELL_TIME: Duration = Duration::from_secs(2);
/// Servers elsewhere that are asked at once at most.
const FETCHES: usize = 16;
/// Passwords that wait to be hashed at most.
const HASHINGS: usize = 64;
/// Bytes of the stack of the engine's thread: the deepest documents and rules fit.
const STACK_BYTES: usize = 16 * 1_024 * 1_024;

/// The options of a server.
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
    /// Rules to deploy; `None` leaves those in force that were deployed last.
    pub rules: Option<Rules>,
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
    let Options { address, data, collections, access, variables, public, rules } = options;
    raise_limit();
    let database = Database::open(&data)?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let config = move || Config::read(&collections, &access, |name| variables.get(name).cloned());
    let (ended, engine_ended) = oneshot::channel();
    let (commands, engine) = start(database, config, runtime.handle().clone(), ended)?;
    let files = public.map_or_else(Files::default, Files::of);
    let sockets = Sockets::default();
    let shared = Shared { commands: commands.clone(), files, sockets, scheme: "http" };
    let shared = Arc::new(shared);
    let served = runtime.block_on(async {
        if let Some(rules) = rules {
            deploy(&commands, rules).await?;
        }
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        listening(listener.local_addr()?)?;
        tokio::select! {
            () = serve(listener, Arc::clone(&shared), stop) => Ok(()),
            _ = engine_ended => bail!("the engine has ended; why is above"),
        }
    });
    commands.send(Command::Stop).ok();
    engine.join().ok();
    // Clients are told to come again.
    runtime.block_on(async { timeout(FAREWELL_TIME, shared.sockets.ended()).await.ok() });
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

/// Lets the process have as many files and sockets open as the system allows it.
fn raise_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).ok();
    }
}

/// Starts the engine's thread.
fn start(
    database: Database,
    config: impl FnOnce() -> Result<Config, Error> + Send + 'static,
    runtime: Handle,
    ended: oneshot::Sender<()>,
) -> Result<(Sender<Command>, thread::JoinHandle<()>)> {
    let (commands, receiver) = mpsc::channel();
    let sender = commands.clone();
    let jobs = jobs(sender.clone(), runtime)?;
    let log = Log::start()?;
    let (told, ready) = mpsc::channel();
    let thread = thread::Builder::new().name("engine".to_owned()).stack_size(STACK_BYTES);
    let engine = thread.spawn(move || {
        // Dropped with the thread, however it ends.
        let _ended = ended;
        let shell = config().map_err(|error| anyhow!(error.detail)).and_then(|config| {
            Shell::new(database, config, jobs, sender, log).context("reading the database")
        });
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
    let (hashings, waiting) = mpsc::sync_channel::<(u64, u64, Hashing)>(HASHINGS);
    let hashed = commands.clone();
    thread::Builder::new().name("passwords".to_owned()).spawn(move || {
        for (host, number, hashing) in waiting {
            let outcome = catch_unwind(AssertUnwindSafe(|| hashing.run()))
                .unwrap_or_else(|_| Err(Error::internal("hashing a password failed")));
            hashed.send(Command::Hashed { host, number, hashed: outcome }).ok();
        }
    })?;
    let turns = Arc::new(Semaphore::new(FETCHES));
    Ok(Box::new(move |Job { host, number, work }| match work {
        Work::Hash(hashing) => {
            if hashings.try_send((host, number, hashing)).is_err() {
                let detail = "too many passwords wait to be hashed; repeat the request";
                let hashed = Err(Error::new(Code::Unavailable, detail));
                commands.send(Command::Hashed { host, number, hashed }).ok();
            }
        }
        Work::Fetch(asked) => {
            let (commands, turns) = (commands.clone(), Arc::clone(&turns));
            runtime.spawn(async move {
                let _turn = turns.acquire_owned().await;
                let fetched = spawn_blocking(move || fetch(asked)).await;
                let fetched = fetched.unwrap_or_else(|error| Err(error.to_string()));
                commands.send(Command::Fetched { host, number, fetched }).ok();
            });
        }
    }))
}

/// Rules that are deployed before anybody is served.
#[derive(Debug)]
pub struct Rules {
    /// Their text.
    pub text: String,
    /// An administrator's API key.
    pub key: String,
}

async fn deploy(commands: &Sender<Command>, Rules { text, key }: Rules) -> Result<()> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    let (answer, outcome) = oneshot::channel();
    let (method, url) = ("PUT".to_owned(), "http://localhost/v1/rules".to_owned());
    let body = Some(text.into());
    let request = Sent { method, url, headers, address: None, body };
    commands.send(Command::Request { request, answer }).ok();
    match outcome.await {
        Ok(Outcome::Reply(reply)) if reply.status < 300 => Ok(()),
        Ok(Outcome::Reply(reply)) => bail!("the rules were not deployed: {}", reply.body),
        _ => bail!("the rules were not deployed"),
    }
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
                    // Nobody may be reading it.
                    writeln!(io::stderr(), "blaze: accepting a connection: {error}").ok();
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
