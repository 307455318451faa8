//! Compiles the server, the client and the demo page, and lays out `build/`:
//!
//! | directory | is |
//! |---|---|
//! | `server/` | the Worker, as workerd and `wrangler deploy` take it |
//! | `client/` | the client's npm package |
//! | `files/` | the static files that the Worker serves: the client under `client/` |
//! | `demo/` | the same, with the demo page |
//! | `glue/` | what wasm-bindgen and wasm-opt made of each wasm, kept to be used again |
//! | `service.json` | the server's description for [`Service::built`] |

mod cargo;
mod glue;
mod layout;
mod minify;
mod optimize;
mod stamp;
mod tree;

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

pub(crate) use self::cargo::blaze;
pub(crate) use self::tree::Tree;
use anyhow::{Context, Result, anyhow};
use xtask::workerd::Service;

use crate::process::say;
use crate::workspace::Workspace;
use crate::wrangler;
use cargo::Artifact;
use glue::Target;
use optimize::Goal;

/// What to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// The bundle for Cloudflare, the client and the demo page.
    All,
    /// The bundle for Cloudflare. The files that it serves stay as they are, or are none.
    Server,
    /// The client and the demo page.
    Pages,
}

/// Builds what has changed; gives what to serve. `tools_ready` is called before the first use of npm's packages.
///
/// # Errors
/// If a compilation fails, or `tools_ready` does.
pub(crate) fn build(
    workspace: &Workspace,
    parts: Parts,
    tools_ready: impl FnOnce() -> Result<()>,
) -> Result<Service> {
    let build = workspace.build();
    // The directories of files are there in any case: wrangler.toml names one, and workerd wants to open it.
    for files in [Service::FILES, Service::DEMO_FILES] {
        fs::create_dir_all(build.join(files))
            .with_context(|| format!("creating {}", build.display()))?;
    }
    let _lock = lock(&build)?;

    let server = (parts != Parts::Pages).then(|| cargo::server(workspace));
    // Before anything can end this: npm is at work in another thread.
    tools_ready()?;
    let server = server.transpose()?;
    // wasm-opt takes long on one core: cargo uses the others.
    thread::scope(|scope| {
        let server = server.as_ref().map(|server| scope.spawn(|| server_files(workspace, server)));
        if parts != Parts::Server {
            let client = cargo::client(workspace)?;
            let client = scope.spawn(move || client_files(workspace, &client));
            let demo = cargo::demo(workspace)?;
            let demo = glue::generate(workspace, &demo, "demo", Target::Web, Goal::Size)?;
            layout::files(workspace, &demo, join(client)?)?;
        }
        server.map_or(Ok(()), join)
    })?;
    let service = wrangler::service(workspace)?;
    service.save(&build.join(Service::FILE_NAME))?;
    Ok(service)
}

fn server_files(workspace: &Workspace, wasm: &Artifact) -> Result<()> {
    let glue = glue::generate(workspace, wasm, "blaze_server", Target::Worker, Goal::Speed)?;
    layout::server(workspace, &glue)
}

fn client_files(workspace: &Workspace, wasm: &Artifact) -> Result<Tree> {
    let glue = glue::generate(workspace, wasm, "blaze_client", Target::Web, Goal::Size)?;
    layout::client(workspace, &glue)
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a build step crashed"))?
}

/// Two builds at once (a test and a server, say) would overwrite each other's files.
fn lock(build: &Path) -> Result<File> {
    let path = build.join("lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say("waiting for another build to finish");
            file.lock().with_context(|| format!("locking {}", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    Ok(file)
}
