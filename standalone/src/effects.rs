//! The effects of a step, each carried out.

use crate::delivery::{Delivery, Said};
use crate::host::{Asker, Given, Host, Peer, Waiter, Waiting};
use crate::outside::{Client, Job, Outcome, Outlet, Read, Work};
use crate::request::incoming;
use crate::rows::Rows;
use crate::shell::Shell;
use blaze_engine::actor::{Actor, Answer, Body, Call, Effect, Event, File, Object};
use blaze_engine::http::reply::Reply;
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue, UPGRADE};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The number of a listener's socket to its client.
const CLIENT: u64 = 0;

impl Shell {
    pub(crate) fn perform(&mut self, number: u64, effect: Effect) {
        match effect {
            Effect::Reply { ticket, reply } => {
                self.settle_with(number, ticket, Given::Reply(reply))
            }
            Effect::Return { ticket, answer } => {
                self.settle_with(number, ticket, Given::Answer(answer));
            }
            Effect::Abandon { ticket } => self.settle_with(number, ticket, Given::Nothing),
            Effect::Read { ticket, limit, is_gzip } => self.read(number, ticket, limit, is_gzip),
            Effect::Pass { ticket, object, url } => self.pass(number, ticket, object, url),
            Effect::Relay { ticket, object, call, reply } => {
                if let Some(Waiter::Client(asker)) = self.take_waiter(number, ticket) {
                    self.call(object, call, Waiter::Relay(asker, reply));
                }
            }
            Effect::Serve { ticket, files, otherwise } => {
                self.serve(number, ticket, files, otherwise);
            }
            Effect::Listen { ticket, protocol, credential, address } => {
                self.listen(number, ticket, protocol, credential, address);
            }
            Effect::Refuse { ticket, protocol, frame, code } => {
                let Some(waiter) = self.take_waiter(number, ticket) else { return };
                self.refuse(waiter, protocol, frame, code);
            }
            Effect::Accept { ticket, socket, protocol, .. } => {
                self.accept(number, ticket, socket, protocol);
            }
            // Sockets do not outlive the process.
            Effect::Attach { .. } => {}
            Effect::Open { socket, object, url, credential } => {
                self.open(number, socket, object, url, &credential);
            }
            Effect::Send { sockets, text } => self.send(number, sockets, text),
            Effect::Close { socket, code, reason } => self.close(number, socket, code, reason),
            Effect::Call { number: call_number, object, call } => {
                self.began(number);
                self.call(object, call, Waiter::Caller { host: number, number: call_number });
            }
            Effect::Sleep { number: wait, until } => {
                self.began(number);
                self.sleeps.insert((until.micros(), number, wait));
            }
            Effect::Hash { number: wait, hashing } => {
                self.begin_job(number, wait, Work::Hash(hashing));
            }
            Effect::Fetch { number: wait, fetch } => {
                self.begin_job(number, wait, Work::Fetch(fetch));
            }
            Effect::SetAlarm(at) => {
                let made = self.hosts.get(&number).map(|host| host.rows.made(None));
                if let Some(Ok(id)) = made {
                    self.set_alarm(id, Some(at.micros()));
                }
            }
            Effect::Erase => self.erase(number),
            Effect::Undo { reason } => self.database.fail(reason),
            Effect::Log(line) => self.said.push(Said::Log(line)),
        }
    }

    fn began(&mut self, number: u64) {
        if let Some(host) = self.hosts.get_mut(&number) {
            host.under_way += 1;
        }
    }

    fn begin_job(&mut self, host: u64, number: u64, work: Work) {
        self.began(host);
        self.said.push(Said::Job(Job { host, number, work }));
    }

    fn take_waiter(&mut self, number: u64, ticket: u64) -> Option<Waiter> {
        Some(self.hosts.get_mut(&number)?.waiting.remove(&ticket)?.waiter)
    }

    fn settle_with(&mut self, number: u64, ticket: u64, given: Given) {
        if let Some(waiter) = self.take_waiter(number, ticket) {
            self.give(waiter, given);
        }
    }

    /// Gives an outcome to its receiver.
    pub(crate) fn give(&mut self, waiter: Waiter, given: Given) {
        match (waiter, given) {
            (Waiter::Client(asker), given) => self.reply(asker, None, given),
            (Waiter::Relay(asker, reply), given) => self.reply(asker, Some(reply), given),
            (Waiter::Caller { host, number }, given) => {
                self.ended(host);
                let answer = match given {
                    Given::Answer(answer) => Some(answer),
                    _ => None,
                };
                let event = Event::Told { number, answer };
                self.queue.push_back(Delivery::Event { host, event });
            }
            // No socket came.
            (Waiter::Opener { host, socket }, _) => {
                self.ended(host);
                if let Some(opener) = self.hosts.get_mut(&host)
                    && opener.sockets.remove(&socket).is_some()
                {
                    let event = Event::Closed { socket };
                    self.queue.push_back(Delivery::Event { host, event });
                }
            }
        }
    }

    /// Answers a client. `begun` is the reply that an object's text completes.
    fn reply(&mut self, asker: Asker, begun: Option<Reply>, given: Given) {
        let reply = match (given, begun) {
            (Given::Reply(reply), _) => reply,
            (Given::Answer(Answer { result: Ok(body), rows: None }), Some(begun)) => {
                Reply { body, ..begun }
            }
            (Given::Answer(answer), _) => self.node.relayed(&asker.incoming, Some(answer)),
            (Given::Nothing, _) => self.node.relayed(&asker.incoming, None),
        };
        self.said.push(Said::Outcome(asker, Outcome::Reply(reply)));
    }

    /// Brings the body of a request: at once if it is here.
    fn read(&mut self, number: u64, ticket: u64, limit: usize, is_gzip: bool) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let Some(waiting) = host.waiting.get_mut(&ticket) else { return };
        let here = waiting.request.as_mut().and_then(|(_, body)| body.take());
        if let Some(body) = here.filter(|_| !is_gzip) {
            let body = if body.len() > limit { Body::TooLarge } else { Body::Whole(body.into()) };
            let event = Event::Body { ticket, body };
            return self.queue.push_back(Delivery::Event { host: number, event });
        }
        let Waiter::Client(asker) = &mut waiting.waiter else { return };
        let Some(answer) = asker.answer.take() else { return };
        let asker = Asker { incoming: asker.incoming.clone(), answer: Some(answer) };
        let read = Read::new((number, ticket), limit, is_gzip, &self.commands);
        self.said.push(Said::Outcome(asker, Outcome::Read(read)));
    }

    fn pass(&mut self, number: u64, ticket: u64, object: Object, url: Option<String>) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let Some(mut waiting) = host.waiting.remove(&ticket) else { return };
        if let (Some(url), Some((incoming, _))) = (url, &mut waiting.request) {
            *incoming = incoming.with_url(url);
        }
        self.queue.push_back(Delivery::Request { to: object, waiting });
    }

    fn call(&mut self, to: Object, call: Call, waiter: Waiter) {
        self.queue.push_back(Delivery::Call { to, call, waiter });
    }

    fn serve(&mut self, number: u64, ticket: u64, files: Vec<File>, otherwise: Reply) {
        if let Some(Waiter::Client(asker)) = self.take_waiter(number, ticket) {
            self.said.push(Said::Outcome(asker, Outcome::Serve { files, otherwise }));
        }
    }

    /// Makes a client's socket, which is this one of an actor's.
    fn client(&mut self, number: u64, socket: u64) -> Outlet {
        let id = self.number();
        self.clients.insert(id, (number, socket));
        let host = self.hosts.get_mut(&number);
        let is_object = host.as_ref().is_some_and(|host| host.object.is_some());
        let (client, outlet) = Client::pair(Some(id), is_object, &self.commands);
        if let Some(host) = host {
            host.sockets.insert(socket, Peer::Client(id, client));
        }
        outlet
    }

    fn listen(
        &mut self,
        number: u64,
        ticket: u64,
        protocol: &'static str,
        credential: String,
        address: Option<String>,
    ) {
        let Some(Waiter::Client(asker)) = self.take_waiter(number, ticket) else { return };
        let listener = self.number();
        self.hosts.insert(listener, Host::new(None, Rows::none(&self.database)));
        let outlet = self.client(listener, CLIENT);
        self.said.push(Said::Outcome(asker, Outcome::Socket { protocol, outlet }));
        self.turn(listener, |actor, turn| {
            *actor = Actor::listener(credential, address, turn).ok();
        });
    }

    fn refuse(&mut self, waiter: Waiter, protocol: &'static str, frame: String, code: u16) {
        match waiter {
            Waiter::Client(asker) => {
                let (client, outlet) = Client::pair(None, true, &self.commands);
                self.said.push(Said::Outcome(asker, Outcome::Socket { protocol, outlet }));
                self.said.push(Said::Text(client.clone(), Utf8Bytes::from(frame)));
                self.said.push(Said::Close(client, code, ""));
            }
            Waiter::Opener { host, socket } => {
                self.opened(host, socket, None);
                let message = Event::Message { socket, text: Some(frame) };
                self.queue.push_back(Delivery::Event { host, event: message });
                let event = Event::Closed { socket };
                self.queue.push_back(Delivery::Event { host, event });
            }
            other => self.give(other, Given::Nothing),
        }
    }

    fn accept(&mut self, number: u64, ticket: u64, socket: u64, protocol: &'static str) {
        match self.take_waiter(number, ticket) {
            Some(Waiter::Client(asker)) => {
                let outlet = self.client(number, socket);
                self.said.push(Said::Outcome(asker, Outcome::Socket { protocol, outlet }));
            }
            Some(Waiter::Opener { host, socket: other }) => {
                let Some(acceptor) = self.hosts.get_mut(&number) else { return };
                acceptor.sockets.insert(socket, Peer::Actor { host, socket: other });
                self.opened(host, other, Some((number, socket)));
            }
            _ => {}
        }
    }

    /// Opens a socket to an object, for a listener.
    fn open(&mut self, number: u64, socket: u64, object: Object, url: String, credential: &str) {
        self.began(number);
        let Some(host) = self.hosts.get_mut(&number) else { return };
        host.sockets.insert(socket, Peer::Opening(Vec::new()));
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(value) = HeaderValue::try_from(format!("Bearer {credential}"))
            && !credential.is_empty()
        {
            headers.insert(AUTHORIZATION, value);
        }
        let request = incoming("GET".to_owned(), url, headers, None);
        let waiter = Waiter::Opener { host: number, socket };
        let waiting = Waiting { waiter, request: Some((request, Some(Bytes::new()))) };
        self.queue.push_back(Delivery::Request { to: object, waiting });
    }

    /// A listener's socket has another end, or one that only says why it closes.
    fn opened(&mut self, number: u64, socket: u64, peer: Option<(u64, u64)>) {
        self.ended(number);
        let there = self.hosts.get_mut(&number);
        let Some(Peer::Opening(unsent)) = there.and_then(|host| host.sockets.remove(&socket))
        else {
            // Closed meanwhile.
            if let Some((host, socket)) = peer
                && let Some(acceptor) = self.hosts.get_mut(&host)
            {
                acceptor.sockets.remove(&socket);
                let event = Event::Closed { socket };
                self.queue.push_back(Delivery::Event { host, event });
            }
            return;
        };
        if let (Some((peer, at)), Some(host)) = (peer, self.hosts.get_mut(&number)) {
            host.sockets.insert(socket, Peer::Actor { host: peer, socket: at });
            for text in unsent {
                let event = Event::Message { socket: at, text: Some(text) };
                self.queue.push_back(Delivery::Event { host: peer, event });
            }
        }
        let event = Event::Opened { socket };
        self.queue.push_back(Delivery::Event { host: number, event });
    }

    fn send(&mut self, number: u64, sockets: Vec<u64>, text: String) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        // One text for all clients.
        let mut shared: Option<Utf8Bytes> = None;
        for socket in sockets {
            match host.sockets.get_mut(&socket) {
                Some(Peer::Client(_, client)) => {
                    let text = shared.get_or_insert_with(|| Utf8Bytes::from(text.as_str()));
                    self.said.push(Said::Text(client.clone(), text.clone()));
                }
                Some(Peer::Actor { host, socket }) => {
                    let event = Event::Message { socket: *socket, text: Some(text.clone()) };
                    self.queue.push_back(Delivery::Event { host: *host, event });
                }
                Some(Peer::Opening(unsent)) => unsent.push(text.clone()),
                None => {}
            }
        }
    }

    fn close(&mut self, number: u64, socket: u64, code: u16, reason: &'static str) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        match host.sockets.remove(&socket) {
            Some(Peer::Client(_, client)) => self.said.push(Said::Close(client, code, reason)),
            Some(Peer::Actor { host, socket }) => {
                if let Some(peer) = self.hosts.get_mut(&host)
                    && peer.sockets.remove(&socket).is_some()
                {
                    let event = Event::Closed { socket };
                    self.queue.push_back(Delivery::Event { host, event });
                }
            }
            Some(Peer::Opening(_)) | None => {}
        }
        self.leave(number, socket);
    }

    /// A listener ends with its client's socket.
    pub(crate) fn leave(&mut self, number: u64, socket: u64) {
        let is_listener = self
            .hosts
            .get(&number)
            .is_some_and(|host| matches!(host.actor, Some(Actor::Listener(_))));
        if is_listener && socket == CLIENT {
            self.forget(number);
        }
    }

    fn erase(&mut self, number: u64) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        let Ok(Some(id)) = host.rows.id() else { return };
        self.set_alarm(id, None);
        if let Some(host) = self.hosts.get_mut(&number) {
            // `notice` has seen why, and the group fails.
            host.rows.erase().ok();
        }
    }
}
