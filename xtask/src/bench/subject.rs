//! The two contestants, and running them under the same `workerd` with the same options.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use xtask::workerd::{Log, Module, ObjectClass, Options, Server, Service};

use super::stats::Pair;
use crate::workspace::Workspace;

/// Something that can be measured.
pub(crate) struct Contestant {
    name: &'static str,
    service: Service,
    workerd: PathBuf,
}

/// How a contestant is started otherwise than it is deployed. Only Blaze knows these settings.
#[derive(Default)]
pub(crate) struct Variant {
    /// Whether it tells each request's rows in headers.
    pub(crate) counts_rows: bool,
    /// What `collections.json` says, instead of the file in the checkout.
    pub(crate) collections: Option<Value>,
    /// What `access.json` says, instead of the file in the checkout.
    pub(crate) access: Option<Value>,
    /// Variables besides those that it is deployed with.
    pub(crate) vars: Vec<(&'static str, String)>,
}

/// The module with the settings of the collections.
const COLLECTIONS: &str = "collections.json";
/// The module with those of who is known, and how.
const ACCESS: &str = "access.json";

/// A contestant, running on an empty data directory. Dropping it ends the process and removes the data.
pub(crate) struct Subject {
    name: &'static str,
    address: SocketAddr,
    // Before the directory: it must not write there any more when that goes.
    server: Server,
    _data: TempDir,
}

/// The baseline, and Blaze as `blaze` describes it.
///
/// # Errors
/// If `workerd` is missing.
pub(crate) fn contestants(workspace: &Workspace, blaze: Service) -> Result<Pair<Contestant>> {
    let workerd = xtask::workerd::binary(workspace.root())?;
    let baseline = Service {
        modules: vec![Module {
            name: "baseline.js".to_owned(),
            path: workspace.path("bench/baseline.js"),
        }],
        objects: vec![object("DOCUMENT", "Document"), object("INDEX", "Index")],
        vars: BTreeMap::new(),
        assets: None,
        compatibility_date: blaze.compatibility_date.clone(),
        compatibility_flags: blaze.compatibility_flags.clone(),
    };
    Ok(Pair {
        baseline: Contestant { name: "baseline", service: baseline, workerd: workerd.clone() },
        blaze: Contestant { name: "Blaze", service: blaze, workerd },
    })
}

fn object(binding: &str, class_name: &str) -> ObjectClass {
    ObjectClass { binding: binding.to_owned(), class_name: class_name.to_owned() }
}

/// Starts both, on empty directories.
///
/// # Errors
/// If one does not get ready.
pub(crate) fn start(contestants: &Pair<Contestant>) -> Result<Pair<Subject>> {
    Ok(Pair { baseline: contestants.baseline.start()?, blaze: contestants.blaze.start()? })
}

impl Contestant {
    /// Starts it.
    ///
    /// # Errors
    /// If it does not get ready; the text has what it printed.
    pub(crate) fn start(&self) -> Result<Subject> {
        self.start_as(&Variant::default())
    }

    /// Starts it otherwise than it is deployed.
    ///
    /// # Errors
    /// As [`Contestant::start`].
    pub(crate) fn start_as(&self, variant: &Variant) -> Result<Subject> {
        let data = tempfile::tempdir().context("creating a directory for the data")?;
        let mut service = self.service.clone();
        if variant.counts_rows {
            service.vars.insert("COUNT_ROWS".to_owned(), "1".into());
        }
        // As `cargo xtask serve` does: without rules everything is allowed. The baseline does not look at it.
        service.vars.insert("OPEN".to_owned(), "1".into());
        let vars =
            variant.vars.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
        service.vars.extend(vars);
        for (name, settings) in [(COLLECTIONS, &variant.collections), (ACCESS, &variant.access)] {
            let Some(settings) = settings else { continue };
            let file = data.path().join(name);
            fs::write(&file, settings.to_string()).context("writing the settings")?;
            let module = service.modules.iter_mut().find(|module| module.name == name);
            module.with_context(|| format!("{} has no {name}", self.name))?.path = file;
        }
        let options = Options {
            // The baseline has no health check; one that listens is ready.
            health_path: None,
            // A healthy server says nothing.
            log: Log::Inherit,
            workerd: Some(self.workerd.clone()),
            ..Options::default()
        };
        let host = options.host;
        let server = Server::start(&service, data.path(), options)?;
        let address = SocketAddr::new(host, server.port());
        Ok(Subject { name: self.name, address, server, _data: data })
    }
}

impl Subject {
    /// For error messages.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the process and starts it again on the same port and data.
    ///
    /// # Errors
    /// If it does not get ready again.
    pub(crate) fn restart(&mut self) -> Result<()> {
        // Killed, because it would not end of itself as long as a connection is open.
        self.server.kill9()?;
        self.server.restart()
    }

    /// The memory that its process keeps resident, in MiB.
    ///
    /// # Errors
    /// On another system than Linux.
    pub(crate) fn resident_mebibytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid()))
            .context("memory is measured on Linux only")?;
        let kibibytes: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
            .context("no VmRSS in the process status")?
            .trim()
            .parse()?;
        Ok(kibibytes / 1024.0)
    }
}
