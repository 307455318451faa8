//! What of a URL matters here: that what is sent to it stays between the two ends.

use blaze_schema::error::Error;
use blaze_schema::limits::URL_BYTES;

/// The scheme of a URL without spaces, controls and other characters that a URL has not, and what follows `://`.
fn split(url: &str) -> Result<(&str, &str), Error> {
    if url.len() > URL_BYTES {
        return Err(Error::invalid(format!("more than {URL_BYTES} bytes")));
    }
    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '\\' | '"' | '<' | '>' | '#');
    if url.contains(is_odd) {
        return Err(Error::invalid("has a fragment, or a character that is to be percent-encoded"));
    }
    url.split_once("://")
        .filter(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
        .ok_or_else(|| Error::invalid("not an absolute URL"))
}

/// The host of what follows `://`; `None` where there is none, or a user before it.
fn host(rest: &str) -> Option<&str> {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return None;
    }
    let host = match authority.strip_prefix('[') {
        // An IPv6 address keeps its brackets.
        Some(address) => {
            let (_, port) = address.split_once(']')?;
            if !port.is_empty() && !port.starts_with(':') {
                return None;
            }
            authority.strip_suffix(port)?
        }
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Whether a URL is one of this machine, where nobody listens on the way.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(("http", rest)) = split(url) else { return false };
    matches!(host(rest), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Whether what is sent to a URL can be read by its host alone: `https`, or `http` to this machine.
///
/// # Errors
/// `invalid-argument` saying what is wrong with it.
pub(crate) fn check_secure(url: &str) -> Result<(), Error> {
    match split(url)? {
        ("https", rest) if host(rest).is_some() => Ok(()),
        _ if is_loopback(url) => Ok(()),
        _ => Err(Error::invalid("not an https URL (http is for localhost alone)")),
    }
}

/// Whether a browser may be sent to a URL with a code: as [`check_secure`], or an application's own scheme, which has a
/// dot (RFC 8252, section 7.1).
///
/// # Errors
/// `invalid-argument` saying what is wrong with it.
pub(crate) fn check_redirect(url: &str) -> Result<(), Error> {
    if let Some((scheme, _)) = url.split_once(':')
        && scheme.contains('.')
        && url.len() <= URL_BYTES
        && !url.contains(|c: char| !c.is_ascii_graphic() || c == '#')
    {
        return Ok(());
    }
    check_secure(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_secure() {
        for url in [
            "https://accounts.google.com",
            "https://a.example/b?c=d",
            "http://localhost:8787/",
            "http://127.0.0.1",
            "http://[::1]:1234/x",
        ] {
            assert_eq!(check_secure(url), Ok(()), "{url}");
        }
        for url in [
            "",
            "https://",
            "https:///x",
            "http://a.example/",
            "http://localhost@a.example/",
            "https://user@a.example/",
            "http://localhost\\@a.example/",
            "http://localhost.a.example/",
            "http://127.0.0.1.a.example/",
            "http://[::1]a.example/",
            "https://a.example/#fragment",
            "https://a.example/ b",
            "https://\u{e4}.example/",
            "ftp://localhost/",
            "com.example.app:/back",
        ] {
            assert!(check_secure(url).is_err(), "{url}");
        }
        let of = |bytes: usize| format!("https://a/{}", "b".repeat(bytes - 10));
        assert_eq!(check_secure(&of(URL_BYTES)), Ok(()));
        assert!(check_secure(&of(URL_BYTES + 1)).is_err());
    }

    #[test]
    fn an_application_has_a_scheme_of_its_own() {
        assert_eq!(check_redirect("com.example.app:/back"), Ok(()));
        assert_eq!(check_redirect("http://localhost:8787/"), Ok(()));
        for url in ["javascript:alert(1)", "app:/back", "com.example.app:/#x", "http://a.example/"]
        {
            assert!(check_redirect(url).is_err(), "{url}");
        }
    }
}
