//! A document's socket as a test speaks it, and a listener that follows a document by nothing but its frames.

use crate::client::{PATIENCE, address};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{ProtocolError, SubProtocolError};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

/// A socket. Frames are read with a deadline: nothing here waits for ever.
pub struct Socket {
    inner: WebSocket<TcpStream>,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
    pings: i64,
}

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// The close frame's code; 1005 for one without a code.
    Closed(u16),
}

/// Why there is no socket.
#[derive(Debug)]
pub struct Refusal {
    /// The answer's status.
    pub status: u16,
    /// The answer's body.
    pub body: String,
}

impl Socket {
    /// Opens the socket of `path` (which may have a query) at the server `base`.
    pub fn open(base: &str, path: &str) -> Self {
        Self::open_with(base, path, "").unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"))
    }

    /// Opens it, offering the subprotocols of a `Sec-WebSocket-Protocol` header, or none if that is empty.
    ///
    /// # Errors
    /// The answer, if it is not an upgrade, or is one (101) to none of the subprotocols that were offered.
    pub fn open_with(base: &str, path: &str, protocols: &str) -> Result<Self, Refusal> {
        let stream = TcpStream::connect(address(base)).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        let url = format!("{}{path}", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a URL");
        if !protocols.is_empty() {
            let value = protocols.parse().expect("a header value");
            request.headers_mut().insert("sec-websocket-protocol", value);
        }
        match tungstenite::client(request, stream) {
            Ok((inner, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok(Socket { inner, protocol, pings: 1_000 })
            }
            Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => Err(Refusal {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(&response.into_body().unwrap_or_default())
                    .into_owned(),
            }),
            Err(HandshakeError::Failure(tungstenite::Error::Protocol(
                ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::NoSubProtocol),
            ))) => Err(Refusal { status: 101, body: String::new() }),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Opens it as somebody: with the subprotocol that says who, unless it is nobody.
    pub fn open_as(base: &str, path: &str, credential: Option<&str>) -> Self {
        let protocols = credential.map(|credential| format!("blaze.v1, bearer.{credential}"));
        Self::open_with(base, path, protocols.as_deref().unwrap_or_default())
            .unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"))
    }

    /// All messages until the server closes the socket, and the code that it closes it with.
    pub fn ended(self) -> (Vec<Value>, u16) {
        let (messages, code, _) = self.closed();
        (messages, code)
    }

    /// The same, and the reason.
    pub fn closed(mut self) -> (Vec<Value>, u16, String) {
        let mut messages = Vec::new();
        self.inner.get_ref().set_read_timeout(Some(PATIENCE)).expect("a timeout");
        loop {
            match self.inner.read() {
                Ok(Message::Text(text)) => {
                    messages.push(serde_json::from_str(&text).expect("a message of JSON"));
                }
                Ok(Message::Close(frame)) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |it| {
                        (it.code.into(), it.reason.to_string())
                    });
                    return (messages, code, reason);
                }
                Ok(_) => {}
                Err(error) => panic!("no end, but {error}, after {messages:?}"),
            }
        }
    }

    /// Sends a JSON message.
    pub fn send(&mut self, message: &Value) {
        self.send_text(message.to_string());
    }

    /// Sends a text frame.
    pub fn send_text(&mut self, text: impl Into<String>) {
        self.inner.send(Message::text(text.into())).expect("the socket takes a frame");
    }

    /// Sends a binary frame.
    pub fn send_binary(&mut self, bytes: impl Into<Vec<u8>>) {
        self.inner.send(Message::binary(bytes.into())).expect("the socket takes a frame");
    }

    /// The next text frame.
    pub fn text(&mut self) -> String {
        self.text_within(PATIENCE).expect("a frame in time")
    }

    /// The next text frame, if it comes within `patience`.
    pub fn text_within(&mut self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = left.max(Duration::from_millis(1));
            self.inner.get_ref().set_read_timeout(Some(timeout)).expect("a timeout");
            match self.inner.read() {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("a frame that no server sends: {other:?}"),
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if left.is_zero() {
                        return None;
                    }
                }
                Err(error) => panic!("the socket broke: {error}"),
            }
        }
    }

    /// The next text frame; `None` when the server closes the socket instead.
    pub fn text_or_end(&mut self) -> Option<String> {
        match self.frame() {
            Frame::Text(text) => Some(text),
            Frame::Closed(_) => None,
        }
    }

    /// The next text frame, or the end.
    pub fn frame(&mut self) -> Frame {
        self.inner.get_ref().set_read_timeout(Some(PATIENCE)).expect("a timeout");
        loop {
            match self.inner.read() {
                Ok(Message::Text(text)) => return Frame::Text(text.to_string()),
                Ok(Message::Close(frame)) => {
                    return Frame::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Ok(_) => {}
                Err(error) => panic!("the socket broke: {error}"),
            }
        }
    }

    /// The next message.
    pub fn receive(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Sends a message and returns the next one.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.receive()
    }

    /// Every message that the server had sent when it read a ping that this sends: no more will come of what was done
    /// before. It proves that something was *not* sent without waiting for it.
    pub fn settled(&mut self) -> Vec<Value> {
        self.pings += 1;
        let pong = json!({"pong": self.pings});
        self.send(&json!({"ping": self.pings}));
        let mut messages = Vec::new();
        loop {
            match self.receive() {
                message if message == pong => return messages,
                message => messages.push(message),
            }
        }
    }

    /// Closes the socket as RFC 6455 section 7 has it, with a code or without; the code that the server answers with.
    pub fn close(mut self, code: Option<u16>) -> Option<u16> {
        let frame = code.map(|code| CloseFrame { code: code.into(), reason: "".into() });
        self.inner.close(frame).expect("a close frame");
        let mut answer = None;
        loop {
            match self.inner.read() {
                Ok(Message::Close(frame)) => answer = frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(tungstenite::Error::ConnectionClosed) => return answer,
                Err(error) => panic!("no clean close: {error}"),
            }
        }
    }

    /// Waits until frames that nobody has read are in the kernel's buffer, then drops the connection: the kernel then
    /// sends a reset, no close frame and no FIN, as when a machine is lost.
    pub fn reset(self) {
        let stream = self.inner.get_ref();
        let mut byte = [0];
        assert_eq!(stream.peek(&mut byte).expect("a frame"), 1, "the server closed");
        drop(self.inner);
    }
}

/// What a client knows that applies every frame: the document at each version, by RFC 6902 and the contract alone.
#[derive(Debug, Default)]
pub struct Listener {
    /// Which history the versions count in.
    pub epoch: String,
    /// The version that the state is of; `None` before the first snapshot.
    pub version: Option<u64>,
    /// The data; null when the document does not exist.
    pub state: Value,
    /// The state at every version seen.
    pub history: BTreeMap<u64, Value>,
}

impl Listener {
    /// A listener that holds the state that a socket's first frame, a snapshot, gives.
    pub fn of(socket: &mut Socket) -> Self {
        let mut listener = Listener::default();
        listener.apply(&socket.receive());
        listener
    }

    /// Applies a frame. Anything but a snapshot, or the patch or delete that follows the present version, is a failure.
    pub fn apply(&mut self, frame: &Value) {
        let version = frame["version"].as_u64().unwrap_or_else(|| panic!("no version: {frame}"));
        if frame["type"] == "snapshot" {
            self.epoch = frame["epoch"].as_str().expect("an epoch").to_owned();
            self.state = frame["data"].clone();
        } else {
            assert_eq!(frame["base"].as_u64(), self.version, "a gap: {frame}");
            assert_eq!(frame["base"].as_u64().map(|base| base + 1), Some(version), "{frame}");
            match frame["type"].as_str() {
                Some("patch") => {
                    let patch: json_patch::Patch =
                        serde_json::from_value(frame["patch"].clone()).expect("an RFC 6902 patch");
                    json_patch::patch(&mut self.state, &patch).expect("a patch that fits");
                }
                Some("delete") => self.state = Value::Null,
                _ => panic!("a frame that no listener knows: {frame}"),
            }
        }
        self.version = Some(version);
        self.history.insert(version, self.state.clone());
    }

    /// Applies the socket's frames until the state is of `version`.
    pub fn follow(&mut self, socket: &mut Socket, version: u64) {
        while self.version.is_none_or(|present| present < version) {
            self.apply(&socket.receive());
        }
        assert_eq!(self.version, Some(version));
    }

    /// `?since=…&epoch=…`: where a socket has to start for this listener to go on.
    pub fn resume(&self) -> String {
        format!("?since={}&epoch={}", self.version.unwrap_or(0), self.epoch)
    }
}

/// What a client of a live query knows that applies every frame, by RFC 6902 and the contract alone.
#[derive(Clone, Debug, Default)]
pub struct LiveResult {
    /// The documents' resources, in the query's order.
    pub documents: Vec<Value>,
    /// What the last frame said of where to go on; `None` before the first.
    pub resume: Option<String>,
    /// True if the result is not whole: more frames of it follow.
    pub is_partial: bool,
}

/// What a frame of a live query told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whether what the client had was void.
    pub reset: bool,
    /// Type and id of each change, such as `added d1`.
    pub changes: Vec<String>,
}

impl LiveResult {
    /// Applies a frame. One that does not lead on from what is here is a failure.
    pub fn apply(&mut self, frame: &Value) -> Told {
        assert_eq!(frame["type"], "changes", "{frame}");
        let reset = frame.get("reset") == Some(&json!(true));
        let goes_on = self.resume.is_some() || self.is_partial;
        assert!(reset || goes_on, "the first frame is no reset: {frame}");
        if reset {
            self.documents.clear();
        }
        let list = frame["changes"].as_array().unwrap_or_else(|| panic!("no changes: {frame}"));
        let mut changes = Vec::new();
        for change in list {
            self.change(change);
            let path = change["path"].as_str().unwrap_or_default();
            let id = path.rsplit('/').next().unwrap_or_default();
            changes.push(format!("{} {id}", change["type"].as_str().unwrap_or_default()));
        }
        self.is_partial = frame.get("resume").is_none();
        if let Some(resume) = frame.get("resume") {
            self.resume = Some(resume.as_str().expect("a resume token").to_owned());
        }
        Told { reset, changes }
    }

    fn change(&mut self, change: &Value) {
        let path = change["path"].as_str().unwrap_or_else(|| panic!("no path: {change}"));
        let index =
            |key: &str| change[key].as_i64().unwrap_or_else(|| panic!("no {key}: {change}"));
        let (old, new) = (index("oldIndex"), index("newIndex"));
        let before = usize::try_from(old).ok().map(|old| {
            assert!(old < self.documents.len(), "of {}: {change}", self.documents.len());
            let document = self.documents.remove(old);
            assert_eq!(document["path"], path, "another is there: {change}");
            document
        });
        let after = match (change["type"].as_str(), before) {
            (Some("removed"), Some(_)) => None,
            (Some("added"), None) => Some(change["document"].clone()),
            (Some("modified"), Some(before)) => Some(modified(before, change)),
            _ => panic!("a change that no listener knows: {change}"),
        };
        match (after, usize::try_from(new).ok()) {
            (Some(document), Some(new)) => {
                assert_eq!(document["path"], path, "{change}");
                let is_new = self.documents.iter().all(|other| other["path"] != path);
                assert!(is_new, "is here already: {change}");
                assert!(new <= self.documents.len(), "of {}: {change}", self.documents.len());
                self.documents.insert(new, document);
            }
            (None, None) => {}
            _ => panic!("no such place: {change}"),
        }
    }

    /// The documents' ids.
    pub fn ids(&self) -> Vec<&str> {
        self.documents.iter().map(|document| document["id"].as_str().expect("an id")).collect()
    }
}

/// A document after a change that has a patch or the whole of it.
fn modified(mut before: Value, change: &Value) -> Value {
    if let Some(document) = change.get("document") {
        return document.clone();
    }
    let patch: json_patch::Patch =
        serde_json::from_value(change["patch"].clone()).expect("an RFC 6902 patch");
    json_patch::patch(&mut before["data"], &patch).expect("a patch that fits");
    assert!(change["version"].as_u64() > before["version"].as_u64(), "{change}");
    before["version"] = change["version"].clone();
    before["updateTime"] = change["updateTime"].clone();
    before
}

/// A socket of `/v1/listen`, whose frames are sorted by what they are about.
pub struct Session {
    /// The socket.
    pub socket: Socket,
    targets: BTreeMap<u64, VecDeque<Value>>,
    answers: BTreeMap<String, Value>,
    others: VecDeque<Value>,
}

impl Session {
    /// Opens it at the server `base`.
    pub fn open(base: &str) -> Self {
        Self::open_as(base, None)
    }

    /// Opens it as somebody.
    pub fn open_as(base: &str, credential: Option<&str>) -> Self {
        Session {
            socket: Socket::open_as(base, "/v1/listen", credential),
            targets: BTreeMap::new(),
            answers: BTreeMap::new(),
            others: VecDeque::new(),
        }
    }

    /// Begins to listen. `what` is what belongs beside the target: a document or a query.
    pub fn listen(&mut self, target: u64, what: Value) {
        let Value::Object(mut listen) = what else { panic!("{what} is nothing to listen to") };
        listen.insert("target".to_owned(), json!(target));
        self.socket.send(&json!({"listen": listen}));
    }

    /// Listens to a document, from its first frame on.
    pub fn document(&mut self, target: u64, path: &str) -> Listener {
        self.listen(target, json!({"document": path}));
        let mut listener = Listener::default();
        listener.apply(&self.next(target));
        listener
    }

    /// Listens to a query, from its first frame on.
    pub fn query(&mut self, target: u64, query: &Value) -> LiveResult {
        let mut result = LiveResult::default();
        self.go_on(target, query, &mut result);
        result
    }

    /// Listens to a query with what is here already. What the first frame told.
    pub fn go_on(&mut self, target: u64, query: &Value, result: &mut LiveResult) -> Told {
        let mut what = json!({"query": query});
        if let Some(resume) = &result.resume {
            what["resume"] = json!(resume);
        }
        self.listen(target, what);
        let mut told = result.apply(&self.next(target));
        while result.is_partial {
            told.changes.extend(result.apply(&self.next(target)).changes);
        }
        told
    }

    /// Sends a write; its answer.
    pub fn write(&mut self, id: &str, write: Value) -> Value {
        self.send_write(id, write);
        self.answer(id)
    }

    /// Sends a write.
    pub fn send_write(&mut self, id: &str, write: Value) {
        let Value::Object(mut write) = write else { panic!("{write} is no write") };
        write.insert("id".to_owned(), json!(id));
        self.socket.send(&json!({"write": write}));
    }

    /// The answer to the write of this id, without the id.
    pub fn answer(&mut self, id: &str) -> Value {
        loop {
            match self.answers.remove(id) {
                Some(answer) => return answer,
                None => assert!(self.sort_one(PATIENCE), "nothing comes"),
            }
        }
    }

    /// The next frame about a target, without the target.
    pub fn next(&mut self, target: u64) -> Value {
        self.next_within(target, PATIENCE).unwrap_or_else(|| panic!("nothing about {target}"))
    }

    /// The next frame about a target, if it comes within `patience`.
    pub fn next_within(&mut self, target: u64, patience: Duration) -> Option<Value> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.targets.entry(target).or_default().pop_front() {
                return Some(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.sort_one(left);
        }
    }

    /// The next frame that is about no target, and answers no write.
    pub fn other(&mut self) -> Value {
        loop {
            match self.others.pop_front() {
                Some(frame) => return frame,
                None => assert!(self.sort_one(PATIENCE), "nothing comes"),
            }
        }
    }

    /// Applies frames about a target until the result is this one.
    pub fn follow(&mut self, target: u64, result: &mut LiveResult, documents: &[Value]) {
        let deadline = Instant::now() + PATIENCE;
        while result.documents != documents {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_within(target, left) {
                Some(frame) => drop(result.apply(&frame)),
                None => panic!("{:?}\ninstead of {documents:?}", result.documents),
            }
        }
    }

    /// Whether a frame came in time.
    fn sort_one(&mut self, patience: Duration) -> bool {
        let Some(text) = self.socket.text_within(patience) else { return false };
        let mut frame: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        let fields = frame.as_object_mut().expect("an object");
        match (fields.remove("target"), fields.remove("id")) {
            (Some(target), None) => {
                let target = target.as_u64().expect("a target's number");
                self.targets.entry(target).or_default().push_back(frame);
            }
            (None, Some(id)) => {
                let id = id.as_str().expect("a write's id").to_owned();
                assert_eq!(self.answers.insert(id, frame), None, "answered twice: {text}");
            }
            (None, None) => self.others.push_back(frame),
            _ => panic!("a frame that is about two things: {text}"),
        }
        true
    }
}
