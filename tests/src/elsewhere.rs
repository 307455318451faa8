//! An origin that is not the server's: an empty page at `/`, and the npm package under `/client/`.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::{env, fs, thread};

/// Serves it for as long as the process lives; gives its URL.
pub fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || answer(&connection));
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// Answers one request. A browser that has gone is nobody's concern.
fn answer(mut connection: &TcpStream) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let (kind, body) = match path.as_str() {
        "/" => ("text/html", b"<!doctype html><title>Elsewhere</title>".to_vec()),
        path => {
            let here = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../build"));
            let build = env::var_os("BLAZE_BUILD").map_or_else(here, PathBuf::from);
            let file = fs::read(build.join(path.trim_start_matches('/'))).unwrap_or_default();
            let kind = if path.ends_with(".wasm") { "application/wasm" } else { "text/javascript" };
            (kind, file)
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = connection.write_all(head.as_bytes());
    let _ = connection.write_all(&body);
}
