//! One keep-alive HTTP/1.1 connection. No pool and no URL handling: the load generator shares the machine's cores with
//! the server that it measures, so it must cost little.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::documents;

/// RFC 7396, the write that both contestants understand.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

/// A connection that carries one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Connections of a load that send at the same time.
pub(crate) const CONNECTIONS: usize = 32;

/// Opens [`CONNECTIONS`] connections.
///
/// # Errors
/// If the server does not listen.
pub(crate) async fn connect(address: SocketAddr) -> Result<Vec<Connection>> {
    try_join_all((0..CONNECTIONS).map(|_| Connection::open(address))).await
}

impl Connection {
    /// Connects; the connection closes when this is dropped.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).await.context("cannot connect to the server under test")?;
        // Else Nagle's algorithm would hold small requests back for tens of milliseconds.
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its error, if any, reaches the request that it broke.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a request with these headers and reads the whole answer, whatever its status.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body.into()))?).await?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// Reads a document.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], Bytes::new()).await?.success("GET", path)
    }

    /// Creates or replaces a document.
    pub(crate) async fn put(&mut self, path: &str, data: impl Into<Bytes>) -> Result<Answer> {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        self.send(Method::PUT, path, &headers, data).await?.success("PUT", path)
    }

    /// Asks a query.
    pub(crate) async fn query(&mut self, query: impl Into<Bytes>) -> Result<Answer> {
        let (path, headers) = ("/v1/query", [(CONTENT_TYPE.as_str(), "application/json")]);
        self.send(Method::POST, path, &headers, query).await?.success("POST", path)
    }

    /// Merges top-level fields into a document.
    pub(crate) async fn merge(&mut self, path: &str, change: impl Into<Bytes>) -> Result<Answer> {
        let headers = [(CONTENT_TYPE.as_str(), MERGE_PATCH)];
        self.send(Method::PATCH, path, &headers, change).await?.success("PATCH", path)
    }
}

impl Answer {
    /// The version of the document that this answer holds.
    pub(crate) fn version(&self) -> Result<u64> {
        documents::version(&self.body)
    }

    /// A refused request must end the benchmark, because refusing is faster than doing.
    fn success(self, method: &str, path: &str) -> Result<Self> {
        if !self.status.is_success() {
            bail!(
                "{method} {path} was answered {}: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            );
        }
        Ok(self)
    }
}
