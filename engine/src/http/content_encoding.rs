//! `Content-Encoding` of a request (RFC 9110 section 8.4): the codings that are understood. Inflating is the shell's,
//! which stops when a body is too large.

use super::reply::Reply;
use blaze_schema::error::Error;

/// The codings that a request may have, as `Accept-Encoding` in an answer lists them (RFC 9110 section 12.5.3).
const ACCEPTED: &str = "gzip, identity";

/// True if a body with this `Content-Encoding` must be inflated; else it is plain.
///
/// # Errors
/// 415 `invalid-argument` for any other coding, and for several.
pub fn is_gzip(header: &str) -> Result<bool, Error> {
    let mut codings = header
        .split(',')
        .map(|coding| coding.trim().to_ascii_lowercase())
        .filter(|coding| !coding.is_empty() && coding != "identity");
    match (codings.next().as_deref(), codings.next()) {
        (None, _) => Ok(false),
        (Some("gzip" | "x-gzip"), None) => Ok(true),
        _ => {
            let detail =
                format!("Content-Encoding: {header:.100?} is not understood, only {ACCEPTED}");
            Err(Error::invalid(detail).with_status(415))
        }
    }
}

/// Makes the response to a request whose coding is refused (RFC 9110 section 15.5.16).
pub fn refusal(error: Error) -> Reply {
    let mut reply = Reply::from(error);
    if reply.status == 415 {
        reply.headers.push(("accept-encoding", ACCEPTED.to_owned()));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_inflated_and_no_coding_is_plain() {
        for (header, gzip) in [
            ("gzip", true),
            ("GZip", true),
            ("x-gzip", true),
            (" identity, gzip ,", true),
            ("identity", false),
            ("", false),
            (",", false),
        ] {
            assert_eq!(is_gzip(header), Ok(gzip), "{header}");
        }
    }

    #[test]
    fn another_coding_is_refused_by_name_with_those_that_are_understood() {
        for header in ["deflate", "br", "zstd", "compress", "gzip, gzip", "gzip, br", "aws-chunked"]
        {
            let error = is_gzip(header).unwrap_err();
            assert!(error.detail.contains(&format!("{header:?}")), "{error}");
            let reply = refusal(error);
            assert_eq!(reply.status, 415, "{header}");
            assert!(reply.headers.contains(&("accept-encoding", "gzip, identity".to_owned())));
        }
    }
}
