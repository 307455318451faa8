//! HTTP as a test speaks it: a request in one expression, an answer to assert on.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use ureq::http;

/// How long an answer may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of an answer that are read.
const ANSWER_BYTES: u64 = 64 << 20;

/// The content type of an RFC 7396 patch.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// The content type of an RFC 6902 patch.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// The content type of a document, and of Firestore's update.
pub const JSON: &str = "application/json";

/// A client of one server. Clones and threads share its connections.
#[derive(Clone)]
pub struct Client {
    base: String,
    agent: ureq::Agent,
    /// What every request says of who sends it.
    authorization: Option<String>,
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8787`.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_idle_connections_per_host(64)
            .max_response_header_size(1 << 20)
            .timeout_global(Some(PATIENCE));
        Client { base: base.to_owned(), agent: config.build().into(), authorization: None }
    }

    /// A client over the same connections, that sends this token or API key with every request; or none.
    pub fn bearing(&self, credential: Option<&str>) -> Client {
        let authorization = credential.map(|credential| format!("Bearer {credential}"));
        Client { authorization, ..self.clone() }
    }

    /// The server's address: `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request; `path` begins with `/`.
    pub fn request(&self, method: &str, path: &str) -> Call<'_> {
        let authorization = &self.authorization;
        let authorization =
            authorization.as_ref().map(|value| ("authorization".to_owned(), value.clone()));
        Call {
            client: self,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: authorization.into_iter().collect(),
            body: None,
        }
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Call<'_> {
        self.request("GET", path)
    }

    /// `PUT` of JSON.
    pub fn put(&self, path: &str, data: &Value) -> Call<'_> {
        self.request("PUT", path).body(JSON, data.to_string())
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, data: &Value) -> Call<'_> {
        self.request("POST", path).body(JSON, data.to_string())
    }

    /// `PATCH` with one of the three patch types.
    pub fn patch(&self, path: &str, content_type: &str, patch: &Value) -> Call<'_> {
        self.request("PATCH", path).body(content_type, patch.to_string())
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Call<'_> {
        self.request("DELETE", path)
    }

    /// The document resource at `path`.
    pub fn resource(&self, path: &str) -> Value {
        self.get(path).send().expect(200).json()
    }

    /// The data of the document at `path`.
    pub fn data(&self, path: &str) -> Value {
        self.resource(path)["data"].take()
    }

    /// The answer to a query, which must not be refused.
    pub fn query(&self, query: &Value) -> Value {
        self.post("/v1/query", query).send().expect(200).json()
    }

    /// The ids of the documents that a query answers, in its order.
    pub fn ids(&self, query: &Value) -> Vec<String> {
        ids(&self.query(query))
    }

    /// Everything that a read tells: status, entity tag, body. Two states that a reader can tell apart differ in it.
    pub fn state(&self, path: &str) -> (u16, Option<String>, String) {
        let reply = self.get(path).send();
        (reply.status, reply.header("etag").map(str::to_owned), reply.text())
    }
}

/// The path of a document that no other test uses, in the collection `collection`.
pub fn fresh(collection: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("/v1/docs/{collection}/doc{number}")
}

/// The path of a collection that no other test uses.
pub fn fresh_collection() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("collection{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The resources in the answer to a query.
pub fn documents(answer: &Value) -> &[Value] {
    answer["documents"].as_array().unwrap_or_else(|| panic!("no documents: {answer}"))
}

/// The ids of the documents in the answer to a query, in its order.
pub fn ids(answer: &Value) -> Vec<String> {
    let id = |document: &Value| document["id"].as_str().expect("an id").to_owned();
    documents(answer).iter().map(id).collect()
}

/// A request in the making.
#[derive(Clone)]
#[must_use]
pub struct Call<'a> {
    client: &'a Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Call<'_> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body and its content type; no content type if that is empty.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        if !content_type.is_empty() {
            self.headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        self.body = Some(body.into());
        self
    }

    /// Sends it.
    pub fn send(self) -> Reply {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Sends it; an error if there is no answer, such as from a server that was killed.
    ///
    /// # Errors
    /// What went wrong with the connection.
    pub fn try_send(self) -> Result<Reply, ureq::Error> {
        let mut request = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("{}{}", self.client.base, self.path));
        for (name, value) in &self.headers {
            // From bytes, so that a value may hold UTF-8.
            let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            request = request.header(name, value);
        }
        let mut response = match self.body {
            Some(body) => self.client.agent.run(request.body(body)?)?,
            None => self.client.agent.run(request.body(())?)?,
        };
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Reply { request: format!("{} {}", self.method, self.path), status, headers, body })
    }

    /// Sends it, and asserts that it is refused as it should be and that the document at its path stays as it was.
    /// Returns the problem's detail.
    pub fn refused(self, status: u16, code: &str) -> String {
        let document = self.path.split('?').next().unwrap_or_default().to_owned();
        let client = self.client;
        let before = client.state(&document);
        let detail = self.send().problem(status, code);
        assert_eq!(client.state(&document), before, "a refused request changed {document}");
        detail
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Method and path, for messages.
    request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer in UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error} in {}", self.request, self.text()))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The version that the entity tag names.
    pub fn version(&self) -> u64 {
        let tag = self.header("etag").unwrap_or_else(|| panic!("{}: no ETag", self.request));
        let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        version.and_then(|version| version.parse().ok()).unwrap_or_else(|| panic!("ETag: {tag}"))
    }

    /// Asserts the status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        self
    }

    /// Asserts that this is an RFC 9457 problem with all that the contract says of one; returns its detail.
    pub fn problem(&self, status: u16, code: &str) -> String {
        let context = format!("{}: {}", self.request, self.text());
        assert_eq!(self.status, status, "{context}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{context}");
        let problem = self.json();
        let mut keys: Vec<&String> = problem.as_object().expect("an object").keys().collect();
        if status == 404 {
            // Of a document that a read found missing.
            keys.retain(|key| *key != "path" && *key != "version");
        }
        assert_eq!(keys, ["code", "detail", "status", "title", "type"], "{context}");
        assert_eq!(problem["status"], status, "{context}");
        assert_eq!(problem["code"], code, "{context}");
        assert_eq!(problem["type"], format!("urn:blaze:{code}"), "{context}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{context}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "{context}");
        detail.to_owned()
    }
}

/// A server's host and port.
pub fn address(base: &str) -> SocketAddr {
    let host = base.strip_prefix("http://").unwrap_or(base);
    host.parse().unwrap_or_else(|error| panic!("{base}: {error}"))
}

/// Sends bytes that need not be HTTP, and returns what comes back until the server closes the connection, or until it
/// says nothing more for `patience`: then the second value is false.
pub fn exchange(base: &str, request: &[u8], patience: Duration) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address(base)).expect("a connection");
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    stream.set_write_timeout(Some(patience)).expect("a timeout");
    // A server that has refused already may have closed: its answer counts.
    drop(stream.write_all(request));
    let mut answer = Vec::new();
    let mut chunk = [0; 16_384];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return (answer, true),
            Ok(bytes) => answer.extend_from_slice(&chunk[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (answer, false);
            }
            Err(_) => return (answer, true),
        }
    }
}

/// The status in an HTTP answer's first line, if it has one.
pub fn status_of(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}
