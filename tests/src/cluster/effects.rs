//! The effects, each as the method of its name in `server/host.js` carries it out.

use super::blow::kind;
use super::delivery::{Carried, Delivery, Outcome, Place, Waiter};
use super::faults::{Fate, may_repeat};
use super::host::{Host, Socket};
use super::link::{ACCEPTOR, End, Frame, Link, OPENER, other};
use super::sabotage::Sabotage;
use super::shell::{Asked, Cluster, Heard, LOSS_MICROS, incoming};
use blaze_engine::actor::{Actor, Answer, Body, Call, Effect, Event, Object};
use blaze_engine::http::reply::Reply;
use serde_json::Value;
use std::rc::Rc;

impl Cluster {
    pub(super) fn perform(&mut self, place: &Place, effect: Effect) {
        match effect {
            Effect::Reply { ticket, reply } => self.give(place, ticket, Outcome::Reply(reply)),
            Effect::Return { ticket, answer } => self.give(place, ticket, Outcome::Answer(answer)),
            Effect::Abandon { ticket } => self.give(place, ticket, Outcome::Nothing),
            Effect::Read { ticket, limit, is_gzip } => self.read(place, ticket, limit, is_gzip),
            Effect::Pass { ticket, object, url } => self.pass(place, ticket, object, url),
            Effect::Relay { ticket, object, call, reply } => {
                let Some(Waiter::Client(request)) = self.take_waiter(place, ticket) else { return };
                self.call(object, call, Waiter::Relay { request, reply });
            }
            // There are no files.
            Effect::Serve { ticket, otherwise, .. } => {
                self.give(place, ticket, Outcome::Reply(otherwise));
            }
            Effect::Listen { ticket, credential, address, .. } => {
                self.listen(place, ticket, credential, address);
            }
            Effect::Refuse { ticket, frame, code, .. } => self.refuse(place, ticket, frame, code),
            Effect::Accept { ticket, socket, attachment, .. } => {
                self.accept(place, ticket, socket, attachment);
            }
            Effect::Attach { .. } if self.sabotage == Some(Sabotage::DropAttach) => {}
            Effect::Close { .. } if self.sabotage == Some(Sabotage::DropClose) => {}
            Effect::Attach { socket, attachment } => {
                let Some(host) = self.hosts.get_mut(place) else { return };
                if let Some(Socket::Open(link)) = host.sockets.get(&socket) {
                    host.attachments.insert(*link, attachment);
                }
            }
            Effect::Open { socket, object, url, credential } => {
                self.open(place, socket, object, url, &credential);
            }
            Effect::Send { sockets, text } => {
                for socket in sockets {
                    self.send_from(place, socket, text.clone());
                }
            }
            Effect::Close { socket, code, .. } => self.close_from(place, socket, code),
            Effect::Call { number, object, call } => {
                let Some(host) = self.hosts.get_mut(place) else { return };
                host.under_way += 1;
                let (place, incarnation) = (place.clone(), host.incarnation);
                self.call(object, call, Waiter::Caller { place, incarnation, number });
            }
            Effect::Hash { number, hashing } => {
                self.later(place, Event::Hashed { number, hashed: hashing.run() });
            }
            Effect::Fetch { number, fetch } => {
                let fetched = Err(format!("{} is not reached", fetch.url));
                self.later(place, Event::Fetched { number, fetched });
            }
            // Done with the commit.
            Effect::SetAlarm(_) => {}
            // Done with the commit.
            Effect::Erase => {}
            Effect::Sleep { number, until } => {
                let Some(host) = self.hosts.get_mut(place) else { return };
                host.under_way += 1;
                let (to, incarnation) = (place.clone(), host.incarnation);
                let event = Event::Told { number, answer: None };
                let at = self.now.max(until.micros() - self.clocks[host.isolate]);
                self.queue.push(at, Delivery::Event { to, incarnation, event });
            }
            Effect::Undo { reason } => panic!("no transaction is larger than a step: {reason}"),
            Effect::Log(line) => self.log.push(line),
        }
    }

    /// True if a socket is to be left out of what is sent to many.
    fn skips(&mut self, place: &Place, text: &str) -> bool {
        let skips = match (self.sabotage, kind(place)) {
            (Some(Sabotage::SkipBroadcasts), "Document") => text.contains("\"base\":"),
            (Some(Sabotage::SkipPublishing), "Index") => true,
            _ => false,
        };
        skips && self.extra.chance(10)
    }

    /// Has the outcome of work that others do come to an actor.
    fn later(&mut self, place: &Place, event: Event) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        host.under_way += 1;
        let (to, incarnation) = (place.clone(), host.incarnation);
        let at = self.now + self.delay();
        self.queue.push(at, Delivery::Event { to, incarnation, event });
    }

    fn take_waiter(&mut self, place: &Place, ticket: u64) -> Option<Waiter> {
        let waiting = self.hosts.get_mut(place)?.waiting.remove(&ticket)?;
        Some(waiting.waiter)
    }

    fn give(&mut self, place: &Place, ticket: u64, outcome: Outcome) {
        if let Some(waiter) = self.take_waiter(place, ticket) {
            self.settle(waiter, outcome);
        }
    }

    /// Lets an answer go to its receiver.
    pub(super) fn settle(&mut self, waiter: Waiter, outcome: Outcome) {
        let at = self.now + self.delay();
        self.queue.push(at, Delivery::Answer { waiter, outcome });
    }

    /// An answer has arrived.
    pub(super) fn answered(&mut self, waiter: Waiter, outcome: Outcome) {
        match (waiter, outcome) {
            (Waiter::Nobody, _) => {}
            (Waiter::Keeper { object, waiter }, outcome) => {
                if let Outcome::Answer(answer) = &outcome {
                    self.kept.insert(object, answer.clone());
                }
                self.answered(*waiter, outcome);
            }
            (Waiter::Renewer(waiter), outcome) => {
                if !matches!(&outcome, Outcome::Answer(answer) if answer.result.is_ok()) {
                    self.unrenewed = Some(self.now);
                }
                self.answered(*waiter, outcome);
            }
            (Waiter::Caller { place, incarnation, number }, outcome) => {
                let answer = match outcome {
                    Outcome::Answer(answer) => Some(answer),
                    _ => None,
                };
                self.hand_in(place, incarnation, Event::Told { number, answer });
            }
            (Waiter::Opener { place, incarnation, socket }, outcome) => {
                self.opened(&place, incarnation, socket, outcome);
            }
            (Waiter::Client(request), Outcome::Link(link)) => {
                if self.asked.remove(&request).is_some() {
                    self.tell_client(Heard::Opened(request, link));
                } else {
                    self.close_end(link, OPENER, 1006);
                }
            }
            (Waiter::Client(request), outcome) => self.reply(request, None, outcome),
            (Waiter::Relay { request, reply }, outcome) => {
                self.reply(request, Some(reply), outcome);
            }
        }
    }

    /// Answers a client. `begun` is the reply that an object's text completes.
    fn reply(&mut self, request: u64, begun: Option<Reply>, outcome: Outcome) {
        let Some(Asked { isolate, incoming }) = self.asked.remove(&request) else { return };
        let mut reply = match (outcome, begun) {
            (Outcome::Reply(reply), _) => reply,
            (Outcome::Answer(Answer { result: Ok(body), rows: None }), Some(begun)) => {
                Reply { body, ..begun }
            }
            (Outcome::Answer(answer), _) => self.nodes[isolate].relayed(&incoming, Some(answer)),
            _ => self.nodes[isolate].relayed(&incoming, None),
        };
        if self.sabotage == Some(Sabotage::LieAboutVersions) {
            reply.body = lie(&reply.body);
        }
        if incoming.method() == "HEAD" {
            reply.body.clear();
        }
        self.tell_client(Heard::Answer(request, Some(reply)));
    }

    fn hand_in(&mut self, to: Place, incarnation: u64, event: Event) {
        self.queue.push(self.now, Delivery::Event { to, incarnation, event });
    }

    fn read(&mut self, place: &Place, ticket: u64, limit: usize, is_gzip: bool) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        let carried = host.waiting.get(&ticket).and_then(|waiting| waiting.carried.as_ref());
        let body = match carried {
            _ if is_gzip => Body::Broken("gzip is not inflated here".to_owned()),
            Some(carried) if carried.body.len() > limit => Body::TooLarge,
            Some(carried) => Body::Whole(carried.body.to_vec()),
            None => return,
        };
        let incarnation = host.incarnation;
        self.hand_in(place.clone(), incarnation, Event::Body { ticket, body });
    }

    fn pass(&mut self, place: &Place, ticket: u64, object: Object, url: Option<String>) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        let Some(waiting) = host.waiting.remove(&ticket) else { return };
        let Some(mut carried) = waiting.carried else { return };
        if let Some(url) = url {
            let method = carried.incoming.method().to_owned();
            carried.incoming = incoming(&method, url, carried.headers.clone());
        }
        let to = Place::Object(object);
        self.carry(false, waiting.waiter, |waiter| Delivery::Request {
            to: to.clone(),
            carried: carried.clone(),
            waiter,
        });
    }

    /// Calls an object.
    fn call(&mut self, to: Object, call: Call, waiter: Waiter) {
        if let Call::Update { row } = &call {
            self.note_told(&to, row);
        }
        let Some(waiter) = self.sabotaged(&to, &call, waiter) else { return };
        let is_renewal = matches!(call, Call::Snapshot { .. } | Call::Keys { .. });
        let waiter = if is_renewal { Waiter::Renewer(Box::new(waiter)) } else { waiter };
        let may_repeat = may_repeat(&call);
        self.carry(may_repeat, waiter, |waiter| Delivery::Call {
            to: to.clone(),
            call: call.clone(),
            waiter,
        });
    }

    /// Notes the newest row of a document that an index is told.
    fn note_told(&mut self, to: &Object, row: &str) {
        let (_, resource) = row.split_once('\n').expect("a row has two lines");
        let resource: Value = serde_json::from_str(resource).expect("a resource is JSON");
        let path = resource["path"].as_str().expect("a path").to_owned();
        let version = resource["version"].as_u64().expect("a version");
        let told = self.told.entry(to.clone()).or_default();
        let newest = told.entry(path).or_insert_with(|| (version, row.to_owned()));
        if newest.0 < version {
            *newest = (version, row.to_owned());
        }
    }

    /// Does a call otherwise than it should be, if something is broken on purpose.
    fn sabotaged(&mut self, to: &Object, call: &Call, waiter: Waiter) -> Option<Waiter> {
        let done = |text: &str| Outcome::Answer(Answer::from(Ok(text.to_owned())));
        match (self.sabotage, call) {
            (Some(Sabotage::AnswerAhead), Call::Update { .. }) => {
                let (to, call, waiter_of_none) = (to.clone(), call.clone(), Waiter::Nobody);
                let late = Delivery::Call { to, call, waiter: waiter_of_none };
                self.queue.push(self.now + LOSS_MICROS, late);
                self.settle(waiter, done(""));
                None
            }
            (Some(Sabotage::SnapshotForEver), Call::Snapshot { known: Some(known) }) => {
                self.settle(waiter, done(&format!(r#"{{"version":{known}}}"#)));
                None
            }
            (Some(Sabotage::LookupForEver), Call::Peek) => match self.kept.get(to).cloned() {
                Some(answer) => {
                    self.settle(waiter, Outcome::Answer(answer));
                    None
                }
                None => Some(Waiter::Keeper { object: to.clone(), waiter: Box::new(waiter) }),
            },
            (Some(Sabotage::DoubleWrite), Call::Write { .. }) => {
                let (to, call) = (to.clone(), call.clone());
                self.queue.push(self.now, Delivery::Call { to, call, waiter: Waiter::Nobody });
                Some(waiter)
            }
            _ => Some(waiter),
        }
    }

    /// Sends something that is answered, or has it lost.
    fn carry(&mut self, may_repeat: bool, waiter: Waiter, of: impl Fn(Waiter) -> Delivery) {
        let fate = self.fate(may_repeat);
        let at = self.now + self.delay();
        if fate == Fate::Twice {
            let later = at + self.delay();
            self.queue.push(later, of(Waiter::Nobody));
        }
        match fate {
            Fate::Arrives | Fate::Twice => return self.queue.push(at, of(waiter)),
            Fate::LostAfter => self.queue.push(at, of(Waiter::Nobody)),
            Fate::LostBefore => {}
        }
        if self.sabotage == Some(Sabotage::LoseTold) {
            return;
        }
        let lost = Delivery::Answer { waiter, outcome: Outcome::Nothing };
        self.queue.push(at + LOSS_MICROS, lost);
    }

    fn listen(&mut self, place: &Place, ticket: u64, credential: String, address: Option<String>) {
        let Some(waiter) = self.take_waiter(place, ticket) else { return };
        let isolate = self.hosts.get(place).map_or(0, |host| host.isolate);
        let (link, listener) = (self.number(), Place::Listener(self.number()));
        let end = End::Actor(listener.clone());
        self.links.insert(link, Link::new(End::Client, Some(end)));
        let mut host = Host { isolate, incarnation: 1, ..Host::default() };
        host.sockets.insert(0, Socket::Open(link));
        self.hosts.insert(listener.clone(), host);
        self.settle_link(waiter, link);
        self.turn(&listener, |actor, turn| {
            *actor = Actor::listener(credential, address, turn).ok();
        });
    }

    /// The opener's end of a socket that is given to a waiter.
    fn opener(waiter: &Waiter) -> Option<End> {
        match waiter {
            Waiter::Client(_) => Some(End::Client),
            Waiter::Opener { place, .. } => Some(End::Actor(place.clone())),
            _ => None,
        }
    }

    fn refuse(&mut self, place: &Place, ticket: u64, frame: String, code: u16) {
        let Some(waiter) = self.take_waiter(place, ticket) else { return };
        let Some(opener) = Self::opener(&waiter) else { return };
        let link = self.number();
        self.links.insert(link, Link::new(opener, None));
        self.settle_link(waiter, link);
        self.transmit(link, OPENER, Frame::Text(frame));
        self.transmit(link, OPENER, Frame::Close(code));
    }

    fn accept(&mut self, place: &Place, ticket: u64, socket: u64, attachment: String) {
        let Some(waiter) = self.take_waiter(place, ticket) else { return };
        let link = self.number();
        // The answer was lost on its way: nobody has the other end.
        let opener = Self::opener(&waiter);
        let is_lost = opener.is_none();
        let end = End::Actor(place.clone());
        self.links.insert(link, Link::new(opener.unwrap_or(End::Client), Some(end)));
        let Some(host) = self.hosts.get_mut(place) else { return };
        host.sockets.insert(socket, Socket::Open(link));
        host.attachments.insert(link, attachment);
        if is_lost {
            return self.close_end(link, OPENER, 1006);
        }
        self.settle_link(waiter, link);
    }

    /// Gives a socket to its opener, before all that is sent on it.
    fn settle_link(&mut self, waiter: Waiter, link: u64) {
        let at = self.now + self.delay();
        if let Some(there) = self.links.get_mut(&link) {
            there.last[OPENER] = at;
        }
        self.queue.push(at, Delivery::Answer { waiter, outcome: Outcome::Link(link) });
    }

    fn open(&mut self, place: &Place, socket: u64, object: Object, url: String, credential: &str) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        host.sockets.insert(socket, Socket::Opening(Vec::new()));
        host.under_way += 1;
        let (place, incarnation) = (place.clone(), host.incarnation);
        let mut headers = vec![("upgrade".to_owned(), "websocket".to_owned())];
        if !credential.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {credential}")));
        }
        let incoming = incoming("GET", url, headers.clone());
        let carried = Carried { incoming, headers, body: Rc::from(Vec::new()) };
        let (to, waiter) = (Place::Object(object), Waiter::Opener { place, incarnation, socket });
        self.carry(false, waiter, |waiter| Delivery::Request {
            to: to.clone(),
            carried: carried.clone(),
            waiter,
        });
    }

    fn opened(&mut self, place: &Place, incarnation: u64, socket: u64, outcome: Outcome) {
        let host = self.hosts.get_mut(place).filter(|host| host.incarnation == incarnation);
        let Some(host) = host else {
            if let Outcome::Link(link) = outcome {
                self.close_end(link, OPENER, 1006);
            }
            return;
        };
        host.under_way = host.under_way.saturating_sub(1);
        let Outcome::Link(link) = outcome else {
            if host.sockets.remove(&socket).is_some() {
                self.event(place, Event::Closed { socket });
            }
            return;
        };
        // It may have been closed meanwhile.
        let Some(Socket::Opening(unsent)) = host.sockets.remove(&socket) else {
            return self.close_end(link, OPENER, 1000);
        };
        host.sockets.insert(socket, Socket::Open(link));
        for text in unsent {
            self.transmit(link, ACCEPTOR, Frame::Text(text));
        }
        self.event(place, Event::Opened { socket });
    }

    fn send_from(&mut self, place: &Place, socket: u64, text: String) {
        if self.skips(place, &text) {
            return;
        }
        let Some(host) = self.hosts.get_mut(place) else { return };
        match host.sockets.get_mut(&socket) {
            Some(Socket::Opening(unsent)) => unsent.push(text),
            Some(Socket::Open(link)) => {
                let link = *link;
                if let Some(side) = self.links.get(&link).and_then(|link| link.side_of(place)) {
                    self.transmit(link, other(side), Frame::Text(text));
                }
            }
            None => {}
        }
    }

    fn close_from(&mut self, place: &Place, socket: u64, code: u16) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        if let Some(Socket::Open(link)) = host.sockets.remove(&socket) {
            host.attachments.remove(&link);
            if let Some(side) = self.links.get(&link).and_then(|link| link.side_of(place)) {
                self.close_end(link, side, code);
            }
        }
        if socket == 0 && matches!(place, Place::Listener(_)) {
            self.hosts.remove(place);
        }
    }
}

/// The answer to a commit, with the next version for each; anything else as it is.
fn lie(body: &str) -> String {
    let Ok(mut commit) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    for result in commit["results"].as_array_mut().into_iter().flatten() {
        result["version"] = Value::from(result["version"].as_u64().unwrap_or_default() + 1);
    }
    commit.to_string()
}
