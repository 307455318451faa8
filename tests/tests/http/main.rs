//! The contract's HTTP, row by row, against the built server under workerd.

mod cors;
mod create;
mod idempotency;
mod openapi;
mod patch;
mod paths;
mod preconditions;
mod problems;
mod read;
mod transforms;
mod values;
mod write;

use blaze_tests::client::Client;
use blaze_tests::server::shared;
use std::sync::LazyLock;

/// The client that the tests share.
fn client() -> &'static Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| shared().client());
    &CLIENT
}

/// The document path in a URL path such as `/v1/docs/users/alice`.
fn document(url: &str) -> &str {
    url.strip_prefix("/v1/docs/").expect("a document's URL")
}
