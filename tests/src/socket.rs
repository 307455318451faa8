//! A document's socket as a test speaks it, and a listener that follows a document by nothing but its frames.

use crate::client::{PATIENCE, address};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
