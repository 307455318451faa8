//! HTTP requests that nobody should send.

use super::{SERVER, bytes, mutate};
use blaze_tests::client::{address, status_of};
use blaze_tests::random::Random;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long the server may take for an answer, or to see that there will be no more of a request.
const PATIENCE: Duration = Duration::from_secs(20);

// CONNECT is not among them: workerd refuses it with a 500 of its own before any Worker is asked.
const METHODS: [&str; 12] =
    ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "get", "X", ""];

const TYPES: [&str; 8] = [
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/json; charset=utf-16",
    "multipart/form-data; boundary=x",
    "text/plain",
    "/",
    "",
];

/// Sends one bad request.
pub(super) fn attack(random: &mut Random) {
    let mut request = match random.below(12) {
        0 => bytes(random, 400),
        1 => b"\r\n\r\n\r\n\r\n".to_vec(),
        _ => request(random),
    };
    if random.chance(30) {
        mutate(random, &mut request);
    }
    let Exchange { answer, closed, broken_off } = exchange(&request);
    let shown = || format!("{} -> {}", show(&request), show(&answer));
    assert!(closed, "the server hangs: {}", shown());
    match status_of(&answer) {
        // Of a request that broke off, 503 says what is true, and to nobody.
        Some(status) => {
            let fine = status < 500 || status == 501 || (broken_off && status == 503);
            assert!(fine, "{}", shown());
        }
        None => assert!(answer.is_empty(), "{}", shown()),
    }
}

/// What came of a request.
struct Exchange {
    answer: Vec<u8>,
    /// Whether the server closed the connection.
    closed: bool,
    /// Whether the server did not think that it had the whole request, so that we broke it off.
    broken_off: bool,
}

/// The start of a text that need not be one.
fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(500)].escape_ascii().to_string()
}

/// Sends a request, and reads until the server closes. If nothing comes for a while, as when the request's end is
/// missing, the sending half is closed: then it must.
fn exchange(request: &[u8]) -> Exchange {
    let mut stream = TcpStream::connect(address(&SERVER.url())).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(150))).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    // A server that has refused already may have closed.
    drop(stream.write_all(request));
    let mut exchange = Exchange { answer: Vec::new(), closed: false, broken_off: false };
    let (deadline, mut chunk) = (Instant::now() + PATIENCE, [0; 16_384]);
    while Instant::now() < deadline && !exchange.closed {
        match stream.read(&mut chunk) {
            Ok(0) => exchange.closed = true,
            Ok(bytes) => exchange.answer.extend_from_slice(&chunk[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                exchange.broken_off = true;
                drop(stream.shutdown(Shutdown::Write));
            }
            Err(_) => exchange.closed = true,
        }
    }
    exchange
}

fn request(random: &mut Random) -> Vec<u8> {
    let (method, body) = (random.pick(&METHODS), body(random));
    let mut request = format!("{method} ").into_bytes();
    request.extend(target(random));
    request.extend(b" HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    request.extend(format!("content-type: {}\r\n", random.pick(&TYPES)).bytes());
    for _ in 0..random.below(3) {
        request.extend(header(random));
        request.extend(b"\r\n");
    }
    match random.below(10) {
        0 => request.extend(b"transfer-encoding: chunked\r\n"),
        1 => request.extend(b"transfer-encoding: chunked, chunked\r\ncontent-length: 3\r\n"),
        2 => request.extend(format!("content-length: {}\r\n", body.len() + 1).bytes()),
        3 => request.extend(b"content-length: -1\r\n"),
        _ => request.extend(format!("content-length: {}\r\n", body.len()).bytes()),
    }
    request.extend(b"\r\n");
    request.extend(body);
    request
}

fn target(random: &mut Random) -> Vec<u8> {
    let mut target = match random.below(8) {
        0 => b"/v1/docs".to_vec(),
        1 => b"/".to_vec(),
        2 => {
            return random
                .pick(&[
                    "*",
                    "",
                    "/v1/query",
                    "/v1/commit",
                    "/v1/listen",
                    "http://",
                    "//",
                    "/v1/openapi.json?x",
                ])
                .as_bytes()
                .to_vec();
        }
        _ => b"/v1/docs/malformed".to_vec(),
    };
    for _ in 0..random.below(6) {
        target.push(b'/');
        let part: &[u8] = match random.below(16) {
            0 => b"..",
            1 => b"%2e%2e",
            2 => b"%2F",
            3 => b"%",
            4 => b"%zz%",
            5 => b"%00",
            6 => b"%ff%fe",
            7 => b"__x__",
            8 => "é😀".as_bytes(),
            9 => b"\\",
            10 => b"%ED%A0%80",
            11 => &bytes(random, 12),
            12 => &b"x".repeat(random.below(9_000)),
            13 => &b"%41".repeat(random.below(3_000)),
            _ => b"doc",
        };
        target.extend(part);
    }
    let query: &[u8] = match random.below(8) {
        0 => b"?merge=true",
        1 => b"?merge",
        2 => b"?since=99999999999999999999&epoch=%ff",
        3 => &[b"?".as_slice(), &bytes(random, 20)].concat(),
        4 => b"#fragment",
        _ => b"",
    };
    target.extend(query);
    target
}

fn header(random: &mut Random) -> Vec<u8> {
    let name = random.pick(&[
        "if-match",
        "if-none-match",
        "idempotency-key",
        "prefer",
        "origin",
        "authorization",
        "expect",
        "content-encoding",
        "accept-encoding",
        "range",
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "host",
        "cookie",
        "x",
    ]);
    let value: &[u8] = match random.below(12) {
        0 => b"*",
        1 => b"\"1\"",
        2 => b"W/\"1\", \"99999999999999999999999\"",
        3 => b"\"",
        4 => b"websocket",
        5 => b"100-continue",
        6 => b"gzip",
        7 => b"return=minimal; x=\"",
        8 => &bytes(random, 30),
        9 => &b"k".repeat(random.below(20_000)),
        10 => "\"é😀\",".as_bytes(),
        _ => b"",
    };
    [name.as_bytes(), b": ", value].concat()
}

/// A JSON text, almost.
fn body(random: &mut Random) -> Vec<u8> {
    let count = random.below(100_000);
    match random.below(20) {
        0 => b"[".repeat(count),
        1 => b"{\"a\":".repeat(count),
        2 => [b"[".repeat(count), b"]".repeat(count)].concat(),
        3 => format!("{{\"n\":1{}}}", "0".repeat(random.below(5_000))).into_bytes(),
        4 => b"{\"n\":1e999999999}".to_vec(),
        5 => b"{\"n\":-0.00000000000000000000000001e-999999}".to_vec(),
        6 => br#"{"s":"\ud800"}"#.to_vec(),
        7 => br#"{"\udc00\ud800":1}"#.to_vec(),
        8 => b"{\"s\":\"\0\"}".to_vec(),
        9 => b"{\"s\":\"\xff\xfe\xed\xa0\x80\"}".to_vec(),
        10 => format!("{{\"{}\":1}}", ".".repeat(random.below(2_000))).into_bytes(),
        11 => format!("{{\"{}\":1}}", "a.".repeat(random.below(2_000))).into_bytes(),
        12 => format!(r#"[{{"op":"add","path":"{}","value":1}}]"#, "/a".repeat(count)).into_bytes(),
        13 => {
            format!("[{}{{}}]", r#"{"op":"copy","from":"","path":"/a"},"#.repeat(200)).into_bytes()
        }
        14 => br#"{"__proto__":{"a":{"$increment":1}},"a":{"$arrayUnion":[{"$increment":1}]}}"#
            .to_vec(),
        15 => br#"{"t":{"$timestamp":"99999-01-01T00:00:00Z"},"g":{"$geopoint":[1e308,-1e308]}}"#
            .to_vec(),
        16 => {
            br#"{"n":{"$increment":9223372036854775807},"m":{"$min":{"$number":"NaN"}}}"#.to_vec()
        }
        17 => br#"{"a":1,"b":{"c":[null,{"$ref":"a/b"}]}}"#.to_vec(),
        18 => bytes(random, 300),
        _ => Vec::new(),
    }
}
