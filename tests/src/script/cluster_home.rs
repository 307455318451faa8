//! Blaze in this process: the same actors as in the built server, under a shell of the tests and virtual time.

use super::home::{Connection, Home, Received, Request, Response, Settings};
use super::token;
use crate::cluster::{self, Cluster, Heard, Sent};
use blaze_engine::http::reply::Reply;
use blaze_schema::timestamp::Timestamp;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// An answer or a frame comes within this (µs), or not at all.
const PATIENCE_MICROS: i64 = 30_000_000;

/// A cluster of its own.
pub struct ClusterHome(Rc<RefCell<Blaze>>);

struct Blaze {
    cluster: Cluster,
    /// By socket, what its client has not taken yet.
    received: BTreeMap<u64, VecDeque<Received>>,
}

/// An end of a socket.
struct End {
    blaze: Rc<RefCell<Blaze>>,
    socket: u64,
}

/// The answer to a request.
enum Answered {
    Reply(Reply),
    Socket(u64),
}

impl ClusterHome {
    /// Starts a cluster with these settings.
    pub fn start(settings: &Settings) -> Self {
        let mut own = cluster::Settings {
            collections: Value::Object(settings.collections.clone()).to_string(),
            ..cluster::Settings::default()
        };
        if settings.is_closed {
            own.access = token::access().to_string();
            own.variables = [token::variable()].into();
        } else {
            own.variables = [("OPEN".to_owned(), "1".to_owned())].into();
        }
        let blaze = Blaze { cluster: Cluster::new(own, 1), received: BTreeMap::new() };
        ClusterHome(Rc::new(RefCell::new(blaze)))
    }
}

impl Blaze {
    /// Sends a request, and waits for its answer.
    fn ask(&mut self, sent: Sent) -> Answered {
        let method = sent.method.clone();
        let path = sent.path.clone();
        let request = self.cluster.request(sent);
        self.wait(|heard| match heard {
            Heard::Answer(of, Some(reply)) if *of == request => {
                Some(Answered::Reply(reply.clone()))
            }
            Heard::Opened(of, socket) if *of == request => Some(Answered::Socket(*socket)),
            _ => None,
        })
        .unwrap_or_else(|| panic!("{method} {path} was not answered"))
    }

    /// Goes on until something is heard, keeping what else is.
    fn wait<T>(&mut self, is_it: impl Fn(&Heard) -> Option<T>) -> Option<T> {
        let until = self.cluster.now().micros() + PATIENCE_MICROS;
        loop {
            while let Some(heard) = self.cluster.hear() {
                let found = is_it(&heard);
                self.keep(heard);
                if found.is_some() {
                    return found;
                }
            }
            if !self.cluster.step(Timestamp::from_micros(until)) {
                return None;
            }
        }
    }

    fn keep(&mut self, heard: Heard) {
        let (socket, received) = match heard {
            Heard::Frame(socket, text) => (socket, Received::Text(text)),
            Heard::Closed(socket, code) => (socket, Received::Closed(code)),
            Heard::Answer(..) | Heard::Opened(..) => return,
        };
        self.received.entry(socket).or_default().push_back(received);
    }
}

fn sent(method: &str, path: &str, headers: &[(String, String)]) -> Sent {
    let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    Sent {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.iter().map(lower).collect(),
        ..Sent::default()
    }
}

fn response(reply: Reply) -> Response {
    let headers = reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value));
    Response { status: reply.status, headers: headers.collect(), body: reply.body }
}

impl Home for ClusterHome {
    fn request(&mut self, request: &Request) -> Response {
        let mut sent = sent(&request.method, &request.path, &request.headers);
        if let Some(credential) = &request.credential {
            sent.headers.push(("authorization".to_owned(), format!("Bearer {credential}")));
        }
        sent.body = request.body.clone().unwrap_or_default();
        match self.0.borrow_mut().ask(sent) {
            Answered::Reply(reply) => response(reply),
            Answered::Socket(_) => panic!("{}: a socket nobody asked for", request.path),
        }
    }

    fn open(
        &mut self,
        path: &str,
        credential: Option<&str>,
    ) -> Result<Box<dyn Connection>, Response> {
        let mut headers = vec![("upgrade".to_owned(), "websocket".to_owned())];
        if let Some(credential) = credential {
            let protocols = format!("blaze.v1, bearer.{credential}");
            headers.push(("sec-websocket-protocol".to_owned(), protocols));
        }
        match self.0.borrow_mut().ask(sent("GET", path, &headers)) {
            Answered::Reply(reply) => Err(response(reply)),
            Answered::Socket(socket) => Ok(Box::new(End { blaze: Rc::clone(&self.0), socket })),
        }
    }

    fn token(&mut self, claims: &Map<String, Value>) -> String {
        token::token(self.now(), claims)
    }

    fn now(&self) -> Timestamp {
        self.0.borrow().cluster.now()
    }

    fn tick(&mut self) {
        let mut blaze = self.0.borrow_mut();
        let next = Timestamp::from_micros(blaze.cluster.now().micros() + 1_000);
        blaze.cluster.run_until(next);
    }
}

impl Connection for End {
    fn send(&mut self, text: &str) {
        self.blaze.borrow_mut().cluster.send(self.socket, text);
    }

    fn receive(&mut self) -> Received {
        let (mut blaze, socket) = (self.blaze.borrow_mut(), self.socket);
        let kept = |blaze: &mut Blaze| blaze.received.get_mut(&socket)?.pop_front();
        if let Some(received) = kept(&mut blaze) {
            return received;
        }
        blaze.wait(|heard| match heard {
            Heard::Frame(of, _) | Heard::Closed(of, _) if *of == socket => Some(()),
            _ => None,
        });
        kept(&mut blaze).expect("a frame, or the end of the socket")
    }

    fn close(self: Box<Self>) {
        let mut blaze = self.blaze.borrow_mut();
        blaze.cluster.close(self.socket);
        let now = blaze.cluster.now();
        blaze.cluster.run_until(now);
    }
}
