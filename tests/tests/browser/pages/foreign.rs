//! Servers that are not Blaze: login pages of networks, fallback pages of applications, WebSocket echoes. The client
//! believes nothing that they say.

use crate::npm::client_at;
use blaze_tests::browser::Browser;
use blaze_tests::server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;

/// Headers that let pages of another origin read an answer, and send any request.
const CORS: &str = "access-control-allow-origin: *\r\naccess-control-allow-headers: *, authorization, content-type, \
                    idempotency-key, prefer\r\naccess-control-allow-methods: *\r\n";

/// Serves connections, each on a thread of its own; returns the URL.
fn serve(handle: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, handle) = (stream.unwrap(), handle.clone());
            thread::spawn(move || handle(stream));
        }
    });
    url
}

/// Starts a server that answers every request alike; returns its URL.
fn answering(status: &'static str, headers: &'static str, body: &'static str) -> String {
    serve(move |stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut first, mut length) = (String::new(), 0);
        while reader.read_line(&mut first).is_ok_and(|bytes| bytes > 0) {
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok() && line.trim() != "" {
                if let Some((_, value)) = line.to_lowercase().split_once("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let _ = reader.read_exact(&mut vec![0; length]);
            let status = if first.starts_with("OPTIONS") { "200 OK" } else { status };
            let body = if status.starts_with("204") { "" } else { body };
            let bytes = body.len();
            let head = format!("HTTP/1.1 {status}\r\n{CORS}{headers}content-length: {bytes}\r\n");
            let mut stream = &stream;
            let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
            (first, length) = (String::new(), 0);
        }
    })
}

/// Starts a WebSocket server that repeats every message.
#[expect(clippy::result_large_err, reason = "the error is of tungstenite's making")]
fn echo() -> String {
    serve(|stream| {
        let choose = |request: &Request, mut response: Response| {
            let offered = request.headers().get("sec-websocket-protocol");
            let offered = offered.and_then(|list| list.to_str().ok()).unwrap_or_default();
            let first = offered.split(',').next().unwrap_or_default();
            let chosen = HeaderValue::from_str(first).unwrap();
            response.headers_mut().insert("sec-websocket-protocol", chosen);
            Ok(response)
        };
        let Ok(mut socket) = tungstenite::accept_hdr(stream, choose) else { return };
        while let Ok(message) = socket.read() {
            if !message.is_text() || socket.send(message).is_err() {
                break;
            }
        }
    })
}

fn page() -> Browser {
    let page = client_at(&server::shared().url());
    page.run("window.timely = (promise) => Promise.race([outcome(promise), new Promise((done) => setTimeout(done, 700, 'pending'))]);");
    page
}

/// Connects to `url`, and records the states of the connection.
fn connect(page: &Browser, url: &str) {
    page.run(&format!(
        "window.other = await connect('{url}'); window.states = []; other.onConnection((state) => states.push(state));"
    ));
}

#[test]
fn no_answer_of_another_server_is_believed() {
    const HTML: &str = "content-type: text/html\r\n";
    const JSON: &str = "content-type: application/json\r\n";
    let page = page();
    for (status, headers, body) in [
        ("200 OK", HTML, "<html>log in to this network</html>"),
        ("204 No Content", "", ""),
        ("200 OK", JSON, "{}"),
        ("201 Created", JSON, r#"{"version":1}"#),
        ("404 Not Found", HTML, "<html>Not Found</html>"),
        ("404 Not Found", JSON, r#"{"code":"not-found","detail":"no such thing"}"#),
        ("403 Forbidden", HTML, "<html>blocked</html>"),
    ] {
        let url = answering(status, headers, body);
        connect(&page, &url);
        let seen = page.run(
            r#"const doc = other.doc("a/b"), all = other.collection("a");
            const writes = [doc.set({ paid: true }), other.doc("a/c").delete(), other.doc("a/d").update({ n: 1 })];
            const user = { ...(await outcome(other.auth.signUp("a@example.com", "long enough"))) };
            const reads = [doc.get(), all.get(), all.count(), all.aggregate({ s: sum("n") })];
            const told = [await Promise.all(writes.map(timely)), await Promise.all(reads.map(outcome)), user];
            window.heard = [listen(doc), follow(all)];
            return told;"#,
        );
        let all = json!(["pending", "pending", "pending"]);
        assert_eq!(seen[0], all, "{status} {body}: writes wait");
        for outcome in seen[1].as_array().unwrap().iter().chain([&seen[2]]) {
            assert_eq!(outcome["code"], "unavailable", "{status} {body}: {outcome}");
            let message = outcome["message"].as_str().unwrap();
            assert!(message.contains(&url), "{message}");
        }
        page.see("states.some(({ state, error }) => state === 'offline' && error?.code === 'unavailable')");
        let last = page.value("states.findLast(({ error }) => error).error.message");
        assert!(last.as_str().unwrap().contains(&url), "{last}");
        let silent = page
            .value("heard.map(({ length, results, error }) => [length ?? results.length, error])");
        assert_eq!(silent, json!([[0, null], [0, null]]), "{status} {body}: listeners wait");
        assert_eq!(page.value("states.some(({ state }) => state === 'connected')"), false);
        page.run("other.close();");
    }
}

#[test]
fn a_wrong_base_path_is_an_error_that_names_it() {
    let page = page();
    let url = format!("{}/v1", server::shared().url());
    connect(&page, &url);
    let seen = page.run(
        r#"const doc = other.doc("a/b"), all = other.collection("a");
        window.heard = [listen(doc), follow(all)];
        const calls = [doc.get(), doc.set({ n: 1 }), all.get(), all.count(), other.auth.signUp("a@example.com", "long enough")];
        return Promise.all(calls.map(outcome));"#,
    );
    for outcome in seen.as_array().unwrap() {
        assert_eq!(outcome["code"], "not-found", "{outcome}");
        assert!(outcome["message"].as_str().unwrap().contains(&url), "{outcome}");
    }
    page.see("heard.every(({ error }) => error)");
    for error in page
        .value("heard.map(({ error: { code, message } }) => [code, message])")
        .as_array()
        .unwrap()
    {
        assert_eq!(error[0], "not-found");
        assert!(error[1].as_str().unwrap().contains(&url), "{error}");
    }
}

#[test]
fn a_socket_that_says_what_it_is_told_is_no_connection() {
    let page = page();
    let url = echo();
    connect(&page, &url);
    page.run("window.heard = [listen(other.doc('a/b')), follow(other.collection('a'))];");
    page.see("states.some(({ state, error }) => state === 'offline' && error)");
    assert_eq!(page.value("states.some(({ state }) => state === 'connected')"), false);
    let silent =
        page.value("heard.map(({ length, results, error }) => [length ?? results.length, error])");
    assert_eq!(silent, json!([[0, Value::Null], [0, Value::Null]]));
}
