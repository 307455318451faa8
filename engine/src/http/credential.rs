//! The credential of a request.

use super::Request;
use super::document_request::is_upgrade;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::SUBPROTOCOL_BYTES;
use blaze_schema::wire::document::SUBPROTOCOL;

/// Reads the token or API key of a request: from `Authorization: Bearer …` (RFC 6750 section 2.1), or, for a
/// WebSocket, from the subprotocol `bearer.…`, because a browser can set no header there. The URL is never read for
/// it: URLs are logged and passed around.
///
/// # Errors
/// `unauthenticated` for an `Authorization` that is of another kind.
pub fn credential(request: &Request<'_>) -> Result<Option<String>, Error> {
    if let Some(header) = request.headers.get("authorization") {
        return bearer(&header).map(Some);
    }
    if !is_upgrade(request) {
        return Ok(None);
    }
    let offered = request.headers.get("sec-websocket-protocol").unwrap_or_default();
    if offered.len() > SUBPROTOCOL_BYTES {
        let detail = format!("Sec-WebSocket-Protocol: of {SUBPROTOCOL_BYTES} bytes at most");
        return Err(Error::new(Code::Unauthenticated, detail));
    }
    let token = offered.split(',').find_map(|name| name.trim().strip_prefix("bearer."));
    Ok(token.map(str::to_owned))
}

/// Returns the subprotocol that a socket speaks; empty for none.
pub fn protocol_of(request: &Request<'_>) -> &'static str {
    let offered = request.headers.get("sec-websocket-protocol").unwrap_or_default();
    let speaks = offered.len() <= SUBPROTOCOL_BYTES
        && offered.split(',').any(|name| name.trim() == SUBPROTOCOL);
    if speaks { SUBPROTOCOL } else { "" }
}

/// Reads the token of an `Authorization` header.
///
/// # Errors
/// `unauthenticated` for one of another kind.
pub fn bearer(header: &str) -> Result<String, Error> {
    let (scheme, token) = header.trim().split_once(' ').unwrap_or_default();
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        let detail = "Authorization: not \"Bearer <token or API key>\"";
        return Err(Error::new(Code::Unauthenticated, detail));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use std::collections::BTreeMap;

    struct Map(BTreeMap<&'static str, String>);

    impl Headers for Map {
        fn get(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }
    }

    fn read(pairs: &[(&'static str, &str)]) -> Result<Option<String>, u16> {
        let headers = Map(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
        let request = Request { method: "GET", path: "/", query: "token=x", headers: &headers };
        credential(&request).map_err(|error| error.status)
    }

    #[test]
    fn a_credential_comes_by_header_or_by_subprotocol_of_a_socket() {
        let token = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("authorization", "Bearer a.b.c")]), token("a.b.c"));
        assert_eq!(read(&[("authorization", "bearer  a ")]), token("a"));
        for wrong in ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c"] {
            assert_eq!(read(&[("authorization", wrong)]), Err(401), "{wrong}");
        }
        let offered = ("sec-websocket-protocol", "blaze.v1, bearer.a.b.c");
        assert_eq!(read(&[offered]), Ok(None), "no socket");
        assert_eq!(read(&[("upgrade", "websocket"), offered]), token("a.b.c"));
        let of = |bytes: usize| format!("{}bearer.x", " ".repeat(bytes - 8));
        let long = of(SUBPROTOCOL_BYTES);
        let headers = |value| [("upgrade", "websocket"), ("sec-websocket-protocol", value)];
        assert_eq!(read(&headers(long.as_str())), token("x"));
        assert_eq!(read(&headers(of(SUBPROTOCOL_BYTES + 1).as_str())), Err(401));
    }
}
