//! The handshake of a WebSocket (RFC 6455 section 4.2).

use blaze_engine::http::reply::Reply;
use blaze_schema::base64;
use blaze_schema::error::Error;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The one version that there is.
const VERSION: &str = "13";
/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// A handshake that can be answered.
pub(crate) struct Handshake {
    /// The connection, once it is answered.
    pub(crate) upgrade: OnUpgrade,
    /// The answer to its key.
    pub(crate) accept: HeaderValue,
}

/// The handshake that a request is; `None` if it is none.
///
/// # Errors
/// 426 for another version, 400 for a key that is none.
pub(crate) fn of<B>(request: &mut Request<B>) -> Result<Option<Handshake>, Reply> {
    let is_one = request.method() == Method::GET
        && request
            .headers()
            .get(UPGRADE)
            .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_one {
        return Ok(None);
    }
    let headers = request.headers();
    if only(headers, SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let detail = format!("Sec-WebSocket-Version: not {VERSION} (RFC 6455 section 4.4)");
        let mut reply = Reply::from(Error::invalid(detail).with_status(426));
        reply.headers.push(("sec-websocket-version", VERSION.to_owned()));
        reply.headers.push(("upgrade", "websocket".to_owned()));
        return Err(reply);
    }
    let key = only(headers, SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let is_key = |key: &&str| {
        let bytes = base64::decode(key).filter(|bytes| bytes.len() == KEY_BYTES);
        key.ends_with("==") && bytes.is_some()
    };
    let Some(key) = key.filter(is_key) else {
        let detail = "Sec-WebSocket-Key: not 16 bytes in base64 (RFC 6455 section 4.2.1)";
        return Err(Error::invalid(detail).into());
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let accept = accept.map_err(|error| Reply::from(Error::internal(error)))?;
    Ok(Some(Handshake { upgrade: hyper::upgrade::on(request), accept }))
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Answers a handshake.
pub(crate) fn switching(accept: HeaderValue, protocol: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if !protocol.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    /// The answer to the key, or the status of the refusal; `None` for what is no handshake.
    fn shake(method: &str, headers: &[(&str, &str)]) -> Option<Result<String, u16>> {
        let mut request = Request::builder().method(method).uri("/v1/listen");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let handshake = of(&mut request.body(()).unwrap()).transpose()?;
        let accept = |it: Handshake| it.accept.to_str().unwrap().to_owned();
        Some(handshake.map(accept).map_err(|reply| reply.status))
    }

    #[test]
    fn a_handshake_has_a_version_and_a_key() {
        let upgrade = ("upgrade", "WebSocket");
        let (version, key) = (("sec-websocket-version", "13"), ("sec-websocket-key", KEY));
        // The example of RFC 6455 section 1.3.
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned();
        assert_eq!(shake("GET", &[upgrade, version, key]), Some(Ok(accept)));
        assert_eq!(shake("POST", &[upgrade]), None);
        assert_eq!(shake("GET", &[version, key]), None);
        assert_eq!(shake("GET", &[("upgrade", "h2c"), version, key]), None);
        assert_eq!(shake("GET", &[upgrade, key]), Some(Err(426)));
        assert_eq!(shake("GET", &[upgrade, key, version, version]), Some(Err(426)));
        for other in ["8", "14", "", "13, 8"] {
            let version = ("sec-websocket-version", other);
            assert_eq!(shake("GET", &[upgrade, key, version]), Some(Err(426)), "{other}");
        }
        assert_eq!(shake("GET", &[upgrade, version]), Some(Err(400)));
        assert_eq!(shake("GET", &[upgrade, version, key, key]), Some(Err(400)));
        for other in
            ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZSE="]
        {
            let key = ("sec-websocket-key", other);
            assert_eq!(shake("GET", &[upgrade, version, key]), Some(Err(400)), "{other}");
        }
    }

    #[test]
    fn another_version_is_told_the_one_that_there_is() {
        let request = Request::builder().uri("/v1/listen").header(UPGRADE, "websocket");
        let refused = of(&mut request.body(()).unwrap());
        let Err(reply) = refused else { panic!() };
        assert!(reply.headers.contains(&("sec-websocket-version", "13".to_owned())), "{reply:?}");
    }
}
