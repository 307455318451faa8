//! HTTP/1.1: requests become commands of the engine's thread, and its outcomes responses.

use crate::body::{Whole, read_body};
use crate::files::Files;
use crate::outside::{Command, Outcome, Sent};
use crate::socket::{self, Sockets};
use blaze_engine::actor::Body;
use blaze_engine::http::reply::Reply;
use blaze_schema::error::Error;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming as Payload;
use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A body of so many bytes is read before the engine asks for it.
const READ_AHEAD_BYTES: usize = 64 * 1_024;

/// What all connections share.
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
    request: Request<Payload>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match answered(&shared, address, request).await {
        Ok(response) => response,
        Err(Gone) => unavailable(),
    })
}

/// The engine's thread has ended, or lost the request.
struct Gone;

async fn answered(
    shared: &Shared,
    address: IpAddr,
    mut request: Request<Payload>,
) -> Result<Response<Full<Bytes>>, Gone> {
    let upgrade = request.headers().contains_key(UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (parts, mut payload) = request.into_parts();
    let Some(url) = url_of(shared.scheme, &parts) else {
        return Ok(refused("the request's target is not a path"));
    };
    let key = parts.headers.get(SEC_WEBSOCKET_KEY).cloned();
    let mut body = None;
    if is_short(&parts.headers) {
        match read_body(&mut payload, READ_AHEAD_BYTES, false).await {
            Ok(Whole(bytes)) => body = bytes,
            Err(reason) => return Ok(refused(&format!("body: {reason}"))),
        }
    }
    let sent = Sent {
        method: parts.method.as_str().to_owned(),
        url,
        headers: parts.headers,
        address: Some(address),
        body,
    };
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
                let body = match read_body(&mut payload, read.limit, read.is_gzip).await {
                    Ok(Whole(Some(bytes))) => Body::Whole(bytes.into()),
                    Ok(Whole(None)) => Body::TooLarge,
                    Err(reason) => Body::Broken(reason),
                };
                let (sender, next) = oneshot::channel();
                outcome = next;
                read.end(body, sender);
            }
            Outcome::Socket { protocol, outlet } => {
                let (Some(upgrade), Some(key)) = (upgrade, key) else {
                    return Ok(refused(
                        "a WebSocket handshake without Sec-WebSocket-Key (RFC 6455 section 4.1)",
                    ));
                };
                shared.sockets.spawn(socket::serve(upgrade, outlet));
                return Ok(switching(&key, protocol));
            }
        }
    }
}

/// The request's whole URL: its target as it came, but for that of `OPTIONS *`. `None` if it is no path.
fn url_of(scheme: &str, parts: &Parts) -> Option<String> {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(Authority::as_str).or(host).unwrap_or("localhost");
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = if path == "*" && parts.method == Method::OPTIONS { "/*" } else { path };
    path.starts_with('/').then(|| format!("{scheme}://{host}{path}"))
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

fn refused(reason: &str) -> Response<Full<Bytes>> {
    response(Error::invalid(reason).into())
}

fn unavailable() -> Response<Full<Bytes>> {
    let mut response = response(blaze_engine::actor::silent().into());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Answers a handshake (RFC 6455 section 4.2.2).
fn switching(key: &HeaderValue, protocol: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if !protocol.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}
