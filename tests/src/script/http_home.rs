//! The built server under `workerd`, over HTTP and WebSockets.

use super::home::{Connection, Home, Received, Request, Response, Settings};
use super::token;
use crate::client::Client;
use crate::server::TestServer;
use crate::socket::{Frame, Socket};
use blaze_schema::timestamp::Timestamp;
use serde_json::{Map, Value};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A server of its own.
pub struct HttpHome {
    server: TestServer,
    client: Client,
}

impl HttpHome {
    /// Starts a server with these settings.
    pub fn start(settings: &Settings) -> Self {
        let collections = Value::Object(settings.collections.clone());
        let server = if settings.is_closed {
            let (name, secret) = token::variable();
            TestServer::start_closed_with(&token::access(), &collections, &[(&name, &secret)])
        } else {
            TestServer::start_with_collections(&collections)
        };
        let client = server.client();
        HttpHome { server, client }
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970")
}

impl Home for HttpHome {
    fn request(&mut self, request: &Request) -> Response {
        let client = self.client.bearing(request.credential.as_deref());
        let mut call = client.request(&request.method, &request.path);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        if let Some(body) = &request.body {
            call = call.body("", body.as_str());
        }
        let reply = call.send();
        let headers = reply.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Response { status: reply.status, headers: headers.collect(), body: reply.text() }
    }

    fn open(
        &mut self,
        path: &str,
        credential: Option<&str>,
    ) -> Result<Box<dyn Connection>, Response> {
        let protocols = credential.map(|credential| format!("blaze.v1, bearer.{credential}"));
        match Socket::open_with(&self.server.url(), path, &protocols.unwrap_or_default()) {
            Ok(socket) => Ok(Box::new(socket)),
            Err(refusal) => {
                Err(Response { status: refusal.status, headers: Vec::new(), body: refusal.body })
            }
        }
    }

    fn token(&mut self, claims: &Map<String, Value>) -> String {
        token::token(self.now(), claims)
    }

    /// The server is on this machine.
    fn now(&self) -> Timestamp {
        let micros = since_1970().as_micros();
        Timestamp::from_micros(i64::try_from(micros).expect("a time of this age"))
    }

    /// The server's clock counts in milliseconds.
    fn tick(&mut self) {
        let before = since_1970().as_millis();
        while since_1970().as_millis() == before {
            thread::yield_now();
        }
    }
}

impl Connection for Socket {
    fn send(&mut self, text: &str) {
        self.send_text(text);
    }

    fn receive(&mut self) -> Received {
        match self.frame() {
            Frame::Text(text) => Received::Text(text),
            Frame::Closed(code) => Received::Closed(code),
        }
    }

    fn close(self: Box<Self>) {
        Socket::close(*self, Some(1000));
    }
}
