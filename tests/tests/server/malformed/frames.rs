//! WebSocket messages and frames that nobody should send.

use super::{SERVER, bytes, mutate};
use blaze_tests::client::{address, fresh};
use blaze_tests::random::Random;
use blaze_tests::socket::Socket;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bad messages in good frames, or bad frames.
pub(super) fn attack(random: &mut Random) {
    let path = fresh("malformed");
    match random.below(4) {
        0..2 => messages(random, &path),
        2 => frames(random, &path),
        _ => frames(random, "/v1/listen"),
    }
}

/// Messages; the socket must answer each, or at least a ping after it.
fn messages(random: &mut Random, path: &str) {
    let mut socket = Socket::open(&SERVER.url(), path);
    socket.receive();
    let name = path.strip_prefix("/v1/docs/").unwrap_or_default();
    for _ in 0..20 {
        let mut text = message(random, name).into_bytes();
        if random.chance(60) {
            mutate(random, &mut text);
        }
        match String::from_utf8(text) {
            Ok(text) => socket.send_text(text),
            Err(error) => socket.send_binary(error.into_bytes()),
        }
        socket.settled();
    }
}

fn message(random: &mut Random, name: &str) -> String {
    let count = random.below(100_000);
    match random.below(12) {
        0 => "[".repeat(count),
        1 => "{\"a\":".repeat(count),
        2 => r#"{"write":"#.repeat(count / 10),
        3 => json!({"ping": i64::MIN}).to_string(),
        4 => r#"{"ping":1e999}"#.to_owned(),
        5 => r#"{"auth":"\ud800"}"#.to_owned(),
        6 => json!({"write": {"id": "\u{0}", "set": name, "data": {"n": {"$increment": 1}}}})
            .to_string(),
        7 => json!({"write": {"id": "w", "update": name, "data": {"a.".repeat(count / 100): 1}}})
            .to_string(),
        8 => {
            let operation = json!({"op": "copy", "from": "", "path": "/a"});
            json!({"write": {"id": "w", "patch": name, "operations": vec![operation; 40]}})
                .to_string()
        }
        9 => json!({"write": {"id": "w", "merge": "../../x", "data": {}}}).to_string(),
        10 => json!({"listen": {"target": 1, "query": {"from": name}}}).to_string(),
        _ => "\u{0}".repeat(random.below(100)),
    }
}

/// Frames that RFC 6455 forbids. The server closes the connection, or waits for more; it must survive that we go.
fn frames(random: &mut Random, path: &str) {
    let address = address(&SERVER.url());
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).expect("an upgrade");
    let mut head = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 101");
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    for _ in 0..5 {
        // Once the server has closed, the rest goes nowhere.
        drop(stream.write_all(&frame(random)));
        drop(stream.read(&mut [0; 4_096]));
    }
}

fn frame(random: &mut Random) -> Vec<u8> {
    let payload = *random.pick(&[b"{\"ping\":1}".as_slice(), b"\xff\xfe", b"\xed\xa0\x80", b""]);
    let opcode = random.below(16) as u8;
    let flags = *random.pick(&[0x80, 0x00, 0xf0, 0x40]);
    let mask = *random.pick(&[0x80, 0x00]);
    let mut frame = vec![flags | opcode];
    match random.below(5) {
        0 => frame.extend([mask | 126, 0, payload.len() as u8]),
        1 => frame
            .extend([&[mask | 127], 0x7fff_ffff_ffff_ffff_u64.to_be_bytes().as_slice()].concat()),
        2 => frame
            .extend([&[mask | 127], 0xffff_ffff_ffff_ffff_u64.to_be_bytes().as_slice()].concat()),
        3 => return bytes(random, 200),
        _ => frame.push(mask | payload.len() as u8),
    }
    if mask != 0 {
        // With a mask of zeros the payload is what it was.
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}
