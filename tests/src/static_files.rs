//! A small HTTP server on loopback for files that a test has in memory: another origin than Blaze's.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Files by their paths: a content type, and the content.
type Files = HashMap<String, (&'static str, Vec<u8>)>;

/// The server. It answers for as long as the process lives.
#[derive(Clone)]
pub struct StaticFiles {
    files: Arc<Mutex<Files>>,
    url: String,
}

impl StaticFiles {
    /// Starts it, without any files.
    #[expect(clippy::new_without_default, reason = "it starts a server")]
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let files = Arc::new(Mutex::new(Files::new()));
        let served = Arc::clone(&files);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = Arc::clone(&served);
                // A browser that leaves is no failure of the server.
                thread::spawn(move || drop(answer(&stream, &files)));
            }
        });
        StaticFiles { files, url }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a file; the type is by the path's ending.
    pub fn add(&self, path: &str, content: impl Into<Vec<u8>>) {
        let kind = match path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js" | "mjs") => "text/javascript",
            Some("wasm") => "application/wasm",
            _ => "application/octet-stream",
        };
        self.lock().insert(path.to_owned(), (kind, content.into()));
    }

    /// Takes a file away.
    pub fn remove(&self, path: &str) {
        self.lock().remove(path);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().expect("the files")
    }
}

fn answer(stream: &TcpStream, files: &Mutex<Files>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The headers: a server that closes before it has read them breaks the connection.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split([' ', '?']).nth(1).unwrap_or_default();
    let found = files.lock().expect("the files").get(path).cloned();
    let (status, (kind, content)) = match found {
        Some(file) => ("200 OK", file),
        None => ("404 Not Found", ("text/plain", Vec::new())),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    )?;
    stream.write_all(&content)
}
