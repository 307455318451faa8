//! Requests that HTTP forbids, by name: each is the client's fault, and answered as such.

use super::SERVER;
use blaze_tests::client::{PATIENCE, exchange, status_of};

fn status(request: &str) -> u16 {
    let (answer, closed) = exchange(&SERVER.url(), request.as_bytes(), PATIENCE);
    assert!(closed, "the server hangs: {request}");
    status_of(&answer).unwrap_or_else(|| panic!("no answer to {request}"))
}

#[test]
fn a_host_that_is_none_is_no_fault_of_the_server() {
    for host in ["a b", ":x", "]", "*", "x\r\nhost: y"] {
        for (line, body) in [
            ("GET /v1/docs/malformed/host", ""),
            ("PUT /v1/docs/malformed/host", "{}"),
            ("POST /v1/docs/malformed", "{}"),
            ("GET /", ""),
            ("GET /health", ""),
            ("GET /v1/docs/malformed", ""),
            ("GET /v1/listen", ""),
            ("POST /v1/query", r#"{"from":"malformed"}"#),
            ("POST /v1/aggregate", r#"{"query":{"from":"malformed"},"aggregates":{"n":"count"}}"#),
        ] {
            let length = body.len();
            let status = status(&format!(
                "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            ));
            assert!(status < 500, "{line} with host {host:?}: {status}");
        }
    }
}

#[test]
fn an_asterisk_is_a_target_of_options_only() {
    let status = |method: &str| {
        status(&format!("{method} * HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"))
    };
    assert_eq!(status("OPTIONS"), 204);
    for method in ["GET", "HEAD", "DELETE"] {
        assert!((400..500).contains(&status(method)), "{method}: {}", status(method));
    }
}

#[test]
fn a_body_whose_framing_is_broken_is_refused() {
    for (line, content, fine) in [
        ("PUT /v1/docs/malformed/chunks", "{}", 201),
        ("POST /v1/docs/malformed", "{}", 201),
        ("POST /v1/query", r#"{"from":"malformed"}"#, 200),
        ("POST /v1/aggregate", r#"{"query":{"from":"malformed"},"aggregates":{"n":"count"}}"#, 200),
    ] {
        let send = |body: &str| {
            status(&format!(
                "{line} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
                 content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{body}"
            ))
        };
        let length = content.len();
        assert_eq!(send(&format!("{length:x}\r\n{content}\r\n0\r\n\r\n")), fine, "{line}");
        for body in [
            format!("{content}\r\n0\r\n\r\n"),
            format!("zz\r\n{content}\r\n0\r\n\r\n"),
            "-1\r\n\r\n".to_owned(),
            format!("{length:x}\r\n{content}x\r\n0\r\n\r\n"),
        ] {
            assert_eq!(send(&body), 400, "{line} {body:?}");
        }
    }
}
