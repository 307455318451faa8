//! HTTP/1.1: requests become commands of the engine's thread, and its outcomes responses.

use crate::body::{Whole, drain, read_body};
use crate::files::Files;
use crate::handshake::{self, Handshake};
use crate::outside::{Command, Outcome, Sent};
use crate::socket::{self, Sockets};
use blaze_engine::actor::Body;
use blaze_engine::http::reply::Reply;
use blaze_engine::http::security;
use blaze_schema::error::Error;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming as Payload};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use std::convert::Infallible;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// A body of so many bytes is read before the engine asks for it.
const READ_AHEAD_BYTES: usize = 64 * 1_024;

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) commands: Sender<Command>,
    pub(crate) files: Files,
    pub(crate) sockets: Sockets,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

/// Answers one request.
///
/// # Errors
/// Never: every request has an answer.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    address: IpAddr,
    mut request: Request<Payload>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // A body that the client would be asked for (RFC 9110 section 10.1.1) is not on its way.
    let is_coming = !request.headers().contains_key(EXPECT);
    let answer = answered(&shared, address, &mut request).await;
    let answer = answer.unwrap_or_else(|Gone| unavailable());
    if is_coming && !request.body().is_end_stream() {
        drain(request.body_mut()).await;
    }
    Ok(answer)
}

/// The engine's thread has ended, or lost the request.
struct Gone;

async fn answered(
    shared: &Shared,
    address: IpAddr,
    request: &mut Request<Payload>,
) -> Result<Response<Full<Bytes>>, Gone> {
    let url = match url_of(shared.scheme, request) {
        Ok(url) => url,
        Err(reason) => return Ok(refused(&reason)),
    };
    let handshake = match handshake::of(request) {
        Ok(handshake) => handshake,
        Err(refusal) => return Ok(unasked(refusal)),
    };
    let headers = take(request.headers_mut());
    let mut body = None;
    if is_short(&headers) {
        match read_body(request.body_mut(), READ_AHEAD_BYTES, false).await {
            Ok(Whole(bytes)) => body = bytes,
            Err(reason) => return Ok(refused(&format!("body: {reason}"))),
        }
    }
    let (method, address) = (request.method().as_str().to_owned(), Some(address));
    let sent = Sent { method, url, headers, address, body };
    let (sender, mut outcome) = oneshot::channel();
    shared.commands.send(Command::Request { request: sent, answer: sender }).map_err(|_| Gone)?;
    loop {
        match outcome.await.map_err(|_| Gone)? {
            Outcome::Reply(reply) => return Ok(response(reply)),
            Outcome::Serve { files, otherwise } => {
                return Ok(match shared.files.find(&files).await {
                    Some((headers, bytes)) => with_body(200, headers, bytes),
                    None => response(otherwise),
                });
            }
            Outcome::Read(mut read) => {
                let payload = request.body_mut();
                let body = match read_body(payload, read.limit, read.is_gzip).await {
                    Ok(Whole(Some(bytes))) => Body::Whole(bytes.into()),
                    Ok(Whole(None)) => Body::TooLarge,
                    Err(reason) => Body::Broken(reason),
                };
                let (sender, next) = oneshot::channel();
                outcome = next;
                read.end(body, sender);
            }
            Outcome::Socket { protocol, outlet } => {
                let Some(Handshake { upgrade, accept }) = handshake else { return Err(Gone) };
                shared.sockets.spawn(socket::serve(upgrade, outlet));
                return Ok(handshake::switching(accept, protocol));
            }
        }
    }
}

/// The request's whole URL: its target as it came, but for that of `OPTIONS *`.
///
/// # Errors
/// The reason why it has none: a host that is none, a target that is no path.
fn url_of<B>(scheme: &str, request: &Request<B>) -> Result<String, String> {
    let named = host_of(request)?;
    let uri = request.uri();
    let host = match uri.authority() {
        // RFC 9112 section 3.2.2.
        Some(authority) => checked(authority.clone()).ok_or("the target's host is none")?,
        None => named,
    };
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = if path == "*" && request.method() == Method::OPTIONS { "/*" } else { path };
    if !path.starts_with('/') {
        return Err("the request's target is not a path".to_owned());
    }
    Ok(format!("{scheme}://{host}{path}"))
}

/// The host that a request names; `localhost` for a request of HTTP/1.0, which need not have it.
///
/// # Errors
/// If it is missing, there twice, or no host and port (RFC 9112 section 3.2).
fn host_of<B>(request: &Request<B>) -> Result<Authority, String> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            let authority = Authority::try_from(host.as_bytes()).ok();
            authority.and_then(checked).ok_or_else(|| {
                format!("Host: {:?} is no host", String::from_utf8_lossy(host.as_bytes()))
            })
        }
        (None, _) if request.version() < Version::HTTP_11 => {
            Ok(Authority::from_static("localhost"))
        }
        (None, _) => Err("Host: missing".to_owned()),
        (Some(_), Some(_)) => Err("Host: more than one".to_owned()),
    }
}

/// An authority that is a host, perhaps with a port, and nothing else.
fn checked(authority: Authority) -> Option<Authority> {
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_port = port.is_empty() || authority.port_u16().is_some();
    (is_port && !authority.host().is_empty()).then_some(authority)
}

/// True if there is a body that is short, plain, and of known length.
fn is_short(headers: &HeaderMap) -> bool {
    let length =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let is_known =
        !headers.contains_key(TRANSFER_ENCODING) && !headers.contains_key(CONTENT_ENCODING);
    is_known && length.is_some_and(|length| length > 0 && length <= READ_AHEAD_BYTES)
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    with_body(reply.status, reply.headers, Bytes::from(reply.body))
}

fn with_body(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A reply that the engine was not asked for, with the headers of its own.
fn unasked(mut reply: Reply) -> Response<Full<Bytes>> {
    security::add(&mut reply, security::ANSWER);
    response(reply)
}

fn refused(reason: &str) -> Response<Full<Bytes>> {
    unasked(Error::invalid(reason).into())
}

fn unavailable() -> Response<Full<Bytes>> {
    let mut response = unasked(blaze_engine::actor::silent().into());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(target: &str, hosts: &[&str], version: Version) -> Result<String, String> {
        let mut request = Request::builder().uri(target).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        url_of("http", &request.body(()).unwrap())
    }

    #[test]
    fn a_url_is_of_the_one_host_that_is_named() {
        for host in ["a.example", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST:1"] {
            let expected = Ok(format!("http://{host}/v1/keys?a=b"));
            assert_eq!(url("/v1/keys?a=b", &[host], Version::HTTP_11), expected);
            let absolute = format!("http://{host}/v1/keys?a=b");
            assert_eq!(url(&absolute, &["b.example"], Version::HTTP_11), expected);
        }
        assert_eq!(url("/", &[], Version::HTTP_10).as_deref(), Ok("http://localhost/"));
        let asterisk = Request::builder().method("OPTIONS").uri("*").header(HOST, "a");
        let asterisk = url_of("http", &asterisk.body(()).unwrap());
        assert_eq!(asterisk.as_deref(), Ok("http://a/*"));
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for host in [
            "",
            "x/v1/keys?",
            "x?",
            "x#",
            "a b",
            ":1",
            ":x",
            "]",
            "localhost:x",
            "localhost:65536",
            "localhost:",
            "ann@localhost",
            "ann:secret@localhost:1",
            "\\",
        ] {
            let refused = url("/", &[host], Version::HTTP_11);
            assert!(refused.is_err(), "{host}: {refused:?}");
        }
        assert!(url("/", &["a", "a"], Version::HTTP_11).is_err(), "twice");
        assert!(url("/", &[], Version::HTTP_11).is_err(), "missing");
        assert!(url("http://a.example/", &[], Version::HTTP_11).is_err(), "missing");
        assert!(url("http://ann@a.example/", &["a"], Version::HTTP_11).is_err());
        assert!(url("*", &["a"], Version::HTTP_11).is_err(), "a target of OPTIONS only");
    }
}
