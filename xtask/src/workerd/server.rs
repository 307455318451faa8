//! One running `workerd`.

use std::fs::{self, File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::output::{self, Log, Tail};
use super::service::{Service, workspace_root};
use super::{binary, capnp, health};

/// How to serve. The default is what a test wants: a free port on the loopback interface, and no output.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interface to listen on.
    pub host: IpAddr,
    /// The port to listen on; 0 is a free one.
    pub port: u16,
    /// The path that answers 200 once the Worker is ready; without one, a server that listens is ready.
    pub health_path: Option<String>,
    /// Where its output goes.
    pub log: Log,
    /// The `workerd` executable; without one, what [`binary()`] finds for this workspace.
    pub workerd: Option<PathBuf>,
    /// How long to wait until it is ready.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            health_path: Some("/health".to_owned()),
            log: Log::default(),
            workerd: None,
            patience: Duration::from_secs(30),
        }
    }
}

/// A running server. Dropping it kills its process.
#[derive(Debug)]
pub struct Server {
    service: Service,
    options: Options,
    workerd: PathBuf,
    data: PathBuf,
    address: SocketAddr,
    child: Child,
    tail: Tail,
    /// Held as long as the data directory is ours: two processes on the same SQLite files would corrupt them.
    _lock: File,
}

impl Server {
    /// Starts serving `service` with the objects in `data` (created if missing) and waits until it is ready.
    ///
    /// # Errors
    /// If another server uses `data`, the port is taken, or the server is not ready in time; the text ends with what
    /// workerd printed.
    pub fn start(service: &Service, data: &Path, options: Options) -> Result<Self> {
        let workerd = match &options.workerd {
            Some(path) => path.clone(),
            None => binary(&workspace_root())?,
        };
        let data = create(data)?;
        let lock = lock(&data)?;
        let address = SocketAddr::new(options.host, options.port);
        let tail = Tail::default();
        let (child, listening) = spawn(&workerd, service, &data, address, &options.log, &tail)?;
        // From here on, an error drops the value, and that ends the process.
        let mut server = Self {
            service: service.clone(),
            options,
            workerd,
            data,
            address,
            child,
            tail,
            _lock: lock,
        };
        server.wait_ready(&listening)?;
        Ok(server)
    }

    /// Where clients reach it: `http://127.0.0.1:8787`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", reachable(self.address))
    }

    /// The port it listens on. A restart keeps it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// workerd's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data directory, absolute. The objects' SQLite files are under `objects/<class>/`.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// How the process ended, or `None` while it runs.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("asking about workerd's process")
    }

    /// Kills the process as a power cut would: no handler runs, nothing is flushed.
    ///
    /// # Errors
    /// If the process cannot be killed. One that has ended already is fine.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill().context("killing workerd")?;
        self.child.wait().context("waiting for workerd to end")?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM), and kills it if it has not after three seconds.
    ///
    /// # Errors
    /// If the process cannot be signalled.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        #[cfg(unix)]
        if self.exited()?.is_none() {
            let pid = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .context("stopping workerd")?;
            let deadline = Instant::now() + Duration::from_secs(3);
            while Instant::now() < deadline && self.exited()?.is_none() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        self.child.kill().context("killing workerd")?;
        self.child.wait().context("waiting for workerd to end")
    }

    /// Starts it again on the same port and data, stopping it first if it runs.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let (child, listening) = spawn(
            &self.workerd,
            &self.service,
            &self.data,
            self.address,
            &self.options.log,
            &self.tail,
        )?;
        self.child = child;
        self.wait_ready(&listening)
    }

    fn wait_ready(&mut self, listening: &Receiver<u16>) -> Result<()> {
        let deadline = Instant::now() + self.options.patience;
        match listening.recv_timeout(self.options.patience) {
            Ok(port) => self.address.set_port(port),
            Err(RecvTimeoutError::Timeout) => {
                bail!("workerd did not listen in time.{}", self.printed())
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().context("waiting for workerd to end")?;
                bail!("workerd ended while starting ({status}).{}", self.printed());
            }
        }
        let Some(path) = self.options.health_path.clone() else { return Ok(()) };
        loop {
            match health::status(reachable(self.address), &path) {
                Ok(200) => return Ok(()),
                // Its settings are wrong: that does not pass.
                Ok(500) => bail!("{}{path} answered 500.{}", self.base_url(), self.printed()),
                _ => {}
            }
            if let Some(status) = self.exited()? {
                bail!("workerd ended while starting ({status}).{}", self.printed());
            }
            if Instant::now() > deadline {
                bail!("{}{path} did not answer 200 in time.{}", self.base_url(), self.printed());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn printed(&self) -> String {
        let text = self.tail.text();
        if text.is_empty() { String::new() } else { format!(" It printed:\n{text}") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By the process we hold, never by name: another server on this machine is none of our business.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn create(data: &Path) -> Result<PathBuf> {
    let create = || {
        fs::create_dir_all(data.join("objects"))?;
        fs::canonicalize(data)
    };
    create().with_context(|| format!("creating the data directory {}", data.display()))
}

fn lock(data: &Path) -> Result<File> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another server is using the data directory {}: stop it, or choose another directory",
                data.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

fn spawn(
    workerd: &Path,
    service: &Service,
    data: &Path,
    address: SocketAddr,
    log: &Log,
    tail: &Tail,
) -> Result<(Child, Receiver<u16>)> {
    let config = data.join("workerd.capnp");
    fs::write(&config, capnp::config(service, address, &data.join("objects"))?)
        .with_context(|| format!("writing {}", config.display()))?;
    // Opened first: an error after the start would leave the process behind.
    let sinks = [output::open(log)?, output::open(log)?];
    let mut child = Command::new(workerd)
        .args(["serve", "--control-fd=1", "--import-path=/"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", workerd.display()))?;
    let outputs = child.stdout.take().zip(child.stderr.take());
    let (stdout, stderr) = outputs.context("workerd's output is not a pipe")?;
    Ok((child, output::read(stdout, stderr, sinks, tail)))
}

/// An address to connect to: a server on "every interface" is reached by the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
