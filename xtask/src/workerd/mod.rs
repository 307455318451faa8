//! Runs a Worker and its Durable Objects under a local `workerd`, with the objects on disk.
//!
//! A [`Service`] says what to serve; a [`Server`] is one running process that serves it from a data directory.
//!
//! ```no_run
//! use xtask::workerd::{Options, Server, Service};
//! let mut server = Server::start(&Service::built()?, "/tmp/blaze-data".as_ref(), Options::default())?;
//! println!("{}", server.base_url()); // http://127.0.0.1:<a free port>
//! server.kill9()?; // a crash: nothing is flushed
//! server.restart()?; // same port, same data
//! # anyhow::Ok(())
//! ```

mod binary;
mod capnp;
mod health;
mod output;
mod server;
mod service;

pub use binary::binary;
pub use output::Log;
pub use server::{Options, Server};
pub use service::{Assets, Module, ObjectClass, Service};
