//! The requests that a server answers which is open to everybody on its machine.
//!
//! A browser on the machine sends what any page in it wants. `Origin` says which page that is (Fetch standard, "`Origin`
//! header"), and `Host` the name by which the page reached the server: one that is no name of the machine was made to lead
//! here, so that the page seems to be of the server's own origin (DNS rebinding).

use super::cors;
use super::incoming::Incoming;
use blaze_schema::error::{Code, Error};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Refuses a request of a page of another origin, unless `origins` (`CORS_ORIGINS`) allows it, and one to a host that is no
/// name of this machine.
///
/// # Errors
/// `permission-denied`.
pub fn check(incoming: &Incoming, origins: &str) -> Result<(), Error> {
    let own = incoming.origin();
    let authority = own.split_once("://").map_or(own, |(_, authority)| authority);
    // The target of `OPTIONS *` is no path (RFC 9112 section 3.2.4), and the answer to it tells nothing.
    if own.is_empty() && incoming.method() == "OPTIONS" {
        return Ok(());
    }
    if !is_local(authority) {
        return Err(denied(&format!(
            "Host: {authority} is no name of this machine; use localhost or 127.0.0.1"
        )));
    }
    match incoming.header("origin") {
        Some(origin) if !is_same(&origin, own) && !cors::is_allowed(&origin, origins) => {
            Err(denied(&format!("Origin: CORS_ORIGINS does not allow pages of {origin}")))
        }
        _ => Ok(()),
    }
}

fn denied(detail: &str) -> Error {
    let detail = format!("{detail} (this server is open, and for this machine alone)");
    Error::new(Code::PermissionDenied, detail)
}

/// True if a URL's host, with or without its port, is a name of this machine (RFC 6761 section 6.3, RFC 1122 section
/// 3.2.1.3, RFC 4291 section 2.5.3).
fn is_local(authority: &str) -> bool {
    if let Some((address, port)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'))
    {
        let address = address.parse::<Ipv6Addr>();
        return is_port(port) && address.is_ok_and(|it| it.to_canonical().is_loopback());
    }
    let colon = authority.find(':').unwrap_or(authority.len());
    let Some((host, port)) = authority.split_at_checked(colon) else { return false };
    let host = host.to_ascii_lowercase();
    let is_address = || host.parse::<Ipv4Addr>().is_ok_and(|it| IpAddr::V4(it).is_loopback());
    is_port(port) && (host == "localhost" || host.ends_with(".localhost") || is_address())
}

/// True for `:` and a number, and for nothing.
fn is_port(text: &str) -> bool {
    let digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

/// True if both are one origin (RFC 6454 section 4): letters' case and a scheme's default port say nothing.
fn is_same(one: &str, other: &str) -> bool {
    let normal = |origin: &str| {
        let origin = origin.to_ascii_lowercase();
        let port = if origin.starts_with("https:") { ":443" } else { ":80" };
        origin.strip_suffix(port).map(str::to_owned).unwrap_or(origin)
    };
    normal(one) == normal(other)
}

/// True for an origin of pages that a server on this machine gave: `http` or `https`, any port.
pub(super) fn is_origin(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let names = ["localhost", "127.0.0.1", "[::1]"];
    authority.is_some_and(|authority| {
        names.iter().any(|name| authority.strip_prefix(name).is_some_and(is_port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::bench::Given;
    use std::rc::Rc;

    fn asked(host: &str, origin: Option<&str>) -> Incoming {
        let headers = origin.map(|origin| ("origin".to_owned(), origin.to_owned()));
        let headers = Given(headers.into_iter().collect());
        Incoming::new("POST".to_owned(), format!("http://{host}/v1/query"), Rc::new(headers))
    }

    #[test]
    fn an_asterisk_has_no_host_and_is_a_target_of_options_only() {
        let asked = |method: &str| {
            let url = "http://127.0.0.1*".to_owned();
            Incoming::new(method.to_owned(), url, Rc::new(Given(Vec::new())))
        };
        assert_eq!(check(&asked("OPTIONS"), ""), Ok(()));
        assert!(check(&asked("GET"), "*").is_err());
    }

    #[test]
    fn hosts_are_names_of_this_machine() {
        for host in [
            "localhost",
            "LocalHost:8787",
            "app.localhost:1",
            "127.0.0.1:8787",
            "127.8.9.10",
            "[::1]:8787",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(check(&asked(host, None), ""), Ok(()), "{host}");
        }
        for host in [
            "blaze.example:8787",
            "localhost.blaze.example",
            "127.0.0.1.blaze.example",
            "notlocalhost",
            "192.168.0.1:8787",
            "0.0.0.0:8787",
            "[::]:8787",
            "[::1].blaze.example",
            "localhost:8787:1",
            "localhost:x@blaze.example",
            "localhost@blaze.example",
            "blaze.example@localhost",
            "",
        ] {
            let error = check(&asked(host, None), "*").unwrap_err();
            assert_eq!(error.code, Code::PermissionDenied, "{host}");
            assert!(error.detail.starts_with("Host: "), "{error}");
        }
    }

    #[test]
    fn pages_are_those_of_the_server_and_those_that_are_allowed() {
        let may = |host: &str, origin: &str, origins: &str| {
            check(&asked(host, Some(origin)), origins).is_ok()
        };
        for (host, origin) in [
            ("localhost:8787", "http://localhost:8787"),
            ("LOCALHOST:8787", "http://localhost:8787"),
            ("localhost:80", "http://localhost"),
            ("localhost", "http://localhost:80"),
            ("[::1]:8787", "http://[::1]:8787"),
        ] {
            assert!(may(host, origin, ""), "{host} {origin}");
        }
        for origin in [
            "https://foreign.example",
            "http://localhost:8788",
            "http://localhost",
            "http://127.0.0.1:8787",
            "https://localhost:8787",
            "null",
            "",
        ] {
            assert!(!may("localhost:8787", origin, ""), "{origin}");
            assert!(may("localhost:8787", origin, "*"), "{origin}");
        }
        let (host, origins) = ("localhost:8787", "https://a.example loopback");
        assert!(may(host, "https://a.example", origins));
        assert!(may(host, "http://127.0.0.1:5173", origins));
        assert!(!may(host, "https://b.example", origins));
        assert!(!may(host, "null", origins));
    }

    #[test]
    fn origins_of_this_machine() {
        for origin in
            ["http://localhost", "https://localhost:1", "http://127.0.0.1:5173", "http://[::1]:80"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for origin in [
            "http://localhost.example",
            "http://localhost:",
            "http://localhost:1.example",
            "http://localhost:1@b.example",
            "http://127.0.0.10",
            "ftp://localhost",
            "localhost",
            "null",
            "",
        ] {
            assert!(!is_origin(origin), "{origin}");
        }
    }
}
