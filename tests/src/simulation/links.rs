//! Connections on `/v1/listen`: the engine's listener in the Worker, between a client and the objects' sockets. What
//! `server/listener.js` does, over a network that delays and cuts; within one socket nothing is lost nor overtaken.

use super::faults::Faults;
use super::sabotage::Sabotage;
use super::scene;
use super::steps::Origin;
use super::world::{Happening, World};
use blaze_engine::document::Event as ObjectEvent;
use blaze_engine::guard::Guard;
use blaze_engine::index::live::Subscription;
use blaze_engine::index::{Event as IndexEvent, shard};
use blaze_engine::listener::{Effect, Event, Listener, Upstream};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{ClientMessage, pong_text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A client finds out so late that its connection is dead when nobody tells it: it has pinged in vain.
const SILENCE: i64 = 40_000_000;

/// Whose a connection is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Watch(usize),
    Reader(usize),
}

/// A client's connection.
pub(super) struct Link {
    owner: Owner,
    /// The Worker's end; `None` before it is there.
    listener: Option<Listener>,
    /// Nothing gets through any more.
    cut: bool,
    /// The Worker's end is closed.
    ended: bool,
    /// When the last thing sent arrives: what is sent later arrives later.
    to_client: i64,
    to_worker: i64,
    /// The sockets behind it, by the listener's numbers.
    pipes: BTreeMap<u64, u64>,
}

/// A socket between the Worker and an object.
pub(super) struct Pipe {
    link: u64,
    upstream: u64,
    end: Upstream,
    /// What the live query is, if what the index says is all of it.
    query: Option<Query>,
    /// Nothing gets through any more.
    cut: bool,
    to_worker: i64,
    /// Pings for an object that has not accepted the socket so far; `None` when it has.
    unsent: Option<Vec<String>>,
}

/// What a client has to have when it has taken a frame.
pub(super) type Expected = Option<Rc<Vec<Value>>>;

/// What a connection tells the client.
pub(super) enum LinkReport {
    Opened,
    Frame(String, Expected),
    Closed,
}

/// What a socket behind it tells the Worker.
pub(super) enum PipeReport {
    Opened,
    Frame(String, Expected),
    Lost,
}

impl World {
    /// A client connects.
    pub(super) fn open_link(&mut self, owner: Owner) {
        let link = self.new_id();
        self.note(format_args!("{owner:?}: connection {link}"));
        let made = Link {
            owner,
            listener: None,
            cut: false,
            ended: false,
            to_client: 0,
            to_worker: 0,
            pipes: BTreeMap::new(),
        };
        self.links.insert(link, made);
        let (Owner::Watch(client) | Owner::Reader(client)) = owner;
        match owner {
            Owner::Watch(watch) => self.watches[watch].link = Some(link),
            Owner::Reader(reader) => self.readers[reader].link = Some(link),
        }
        let lost = Faults::strikes(&mut self.random, self.faults.lose_request);
        if lost || self.offline.contains(&client) {
            self.queue.after(SILENCE, Happening::ToLink { link, report: LinkReport::Closed });
        } else {
            let delay = self.delay();
            self.queue.after(delay, Happening::LinkOpens { link });
        }
    }

    pub(super) fn link_opens(&mut self, link: u64) {
        let collections = Rc::clone(&self.collections);
        let Some(opened) = self.links.get_mut(&link).filter(|link| !link.ended) else { return };
        opened.listener = Some(Listener::new(collections));
        self.report_to_link(link, LinkReport::Opened);
    }

    /// Sends to the client's end.
    fn report_to_link(&mut self, link: u64, report: LinkReport) {
        let time = self.queue.now() + self.delay();
        let Some(open) = self.links.get_mut(&link) else { return };
        if !open.cut {
            open.to_client = open.to_client.max(time);
            let time = open.to_client;
            self.queue.at(time, Happening::ToLink { link, report });
        }
    }

    pub(super) fn link_reports(&mut self, link: u64, report: LinkReport) {
        let Some(Link { owner, cut, .. }) = self.links.get(&link) else { return };
        let deaf = *cut && !matches!(report, LinkReport::Closed);
        match *owner {
            Owner::Watch(watch) if self.watches[watch].link == Some(link) && !deaf => {
                self.watch_hears(watch, link, report);
            }
            Owner::Reader(reader) if self.readers[reader].link == Some(link) && !deaf => {
                self.reader_hears(reader, link, report);
            }
            _ => {}
        }
    }

    /// Sends to the Worker's end.
    pub(super) fn send_to_worker(&mut self, link: u64, text: String) {
        let time = self.queue.now() + self.delay();
        let Some(open) = self.links.get_mut(&link) else { return };
        if !open.cut {
            open.to_worker = open.to_worker.max(time);
            let time = open.to_worker;
            self.queue.at(time, Happening::ToWorker { link, text });
        }
    }

    pub(super) fn worker_hears(&mut self, link: u64, text: String) {
        if self.links.get(&link).is_some_and(|link| !link.cut) {
            self.note(format_args!("connection {link}: {text}"));
            self.tell_listener(link, Event::Message { text }, None);
        }
    }

    fn tell_listener(&mut self, link: u64, event: Event, expected: Expected) {
        let now = Timestamp::from_micros(self.queue.now());
        let Some(open) = self.links.get_mut(&link).filter(|link| !link.ended) else { return };
        let Some(listener) = &mut open.listener else { return };
        for effect in listener.handle(now, &Guard::Open, event) {
            match effect {
                Effect::Send(text) => {
                    self.report_to_link(link, LinkReport::Frame(text, expected.clone()));
                }
                Effect::Open { upstream, object } => self.open_pipe(link, upstream, object),
                Effect::Close { upstream } => self.close_pipe(link, upstream),
                Effect::Write { path, text, .. } => self.write_remotely(link, &path, text),
                Effect::End { .. } => self.end_link(link),
                Effect::Forward { upstream, text } => self.forward(link, upstream, text),
                effect @ (Effect::Identify { .. } | Effect::Lookup { .. } | Effect::Log(_)) => {
                    panic!("{effect:?} where everything is open")
                }
            }
        }
    }

    /// The Worker closes a connection, and everything behind it.
    pub(super) fn end_link(&mut self, link: u64) {
        let Some(open) = self.links.get_mut(&link).filter(|link| !link.ended) else { return };
        open.ended = true;
        let upstreams: Vec<u64> = open.pipes.keys().copied().collect();
        self.note(format_args!("connection {link}: the Worker ends it"));
        for upstream in upstreams {
            self.close_pipe(link, upstream);
        }
        self.report_to_link(link, LinkReport::Closed);
    }

    /// A connection breaks, and each end hears of it at its own time.
    pub(super) fn cut_link(&mut self, link: u64) {
        self.stats.count("connection cut");
        self.note(format_args!("connection {link} is cut"));
        let silent = Faults::strikes(&mut self.random, self.faults.silent_cut);
        if silent {
            self.queue.after(SILENCE, Happening::ToLink { link, report: LinkReport::Closed });
        } else {
            self.report_to_link(link, LinkReport::Closed);
        }
        if let Some(open) = self.links.get_mut(&link) {
            open.cut = true;
        }
        self.hang_up(link);
    }

    /// The Worker hears that the client has gone.
    pub(super) fn hang_up(&mut self, link: u64) {
        let delay = self.delay();
        self.queue.after(delay, Happening::LinkGone { link });
    }

    fn open_pipe(&mut self, link: u64, upstream: u64, end: Upstream) {
        let query = match &end {
            Upstream::Index { name, subscription, .. } => {
                let query = serde_json::from_str(subscription).expect("a live query is JSON");
                let query = Query::from_json(query).expect("a live query");
                let (source, _) = shard::by_name(name, &self.collections).expect("an index's name");
                let names = shard::of_source(&source, &self.collections).expect("a source");
                (names.len() == 1).then_some(query)
            }
            Upstream::Document { .. } => None,
        };
        let pipe = self.new_id();
        self.note(format_args!("connection {link}: opens socket {pipe} {end:?}"));
        let made =
            Pipe { link, upstream, end, query, cut: false, to_worker: 0, unsent: Some(Vec::new()) };
        self.pipes.insert(pipe, made);
        if let Some(open) = self.links.get_mut(&link) {
            open.pipes.insert(upstream, pipe);
        }
        let delay = self.delay();
        if Faults::strikes(&mut self.random, self.faults.lose_request) {
            self.queue.after(delay, Happening::FromPipe { pipe, report: PipeReport::Lost });
        } else {
            self.queue.after(delay, Happening::PipeOpens { pipe });
        }
    }

    pub(super) fn pipe_opens(&mut self, pipe: u64) {
        let Pipe { end, cut, .. } = &self.pipes[&pipe];
        // One that was closed before it was open is accepted, and then hung up.
        let (closed, end) = (*cut, end.clone());
        self.report_to_listener(pipe, PipeReport::Opened);
        match end {
            Upstream::Index { name, subscription, resume } => {
                self.wake(&name);
                self.index(&name).sockets.insert(pipe, subscription.clone());
                let event = IndexEvent::Connect { subscription, resume };
                self.index_event(&name, event, Some(pipe));
                if Faults::strikes(&mut self.random, self.faults.crash_index_in_step) {
                    self.crash_index(&name);
                }
            }
            Upstream::Document { path, since } => {
                let object = self.object_at(&path);
                self.objects[object].sockets.insert(pipe);
                let event = ObjectEvent::Connect { since };
                self.step(object, event, None, Origin::Socket(pipe));
            }
        }
        let unsent = self.pipes.get_mut(&pipe).and_then(|open| open.unsent.take());
        for ping in unsent.into_iter().flatten() {
            self.answer_ping(pipe, &ping);
        }
        if closed {
            let delay = self.delay();
            self.queue.after(delay, Happening::PipeHangup { pipe });
        }
    }

    /// The Worker passes a ping on.
    fn forward(&mut self, link: u64, upstream: u64, ping: String) {
        let Some(pipe) = self.links.get(&link).and_then(|link| link.pipes.get(&upstream)).copied()
        else {
            return;
        };
        match self.pipes.get_mut(&pipe).and_then(|open| open.unsent.as_mut()) {
            Some(unsent) => unsent.push(ping),
            None => self.answer_ping(pipe, &ping),
        }
    }

    /// An object answers a ping, after all frames that it has sent. One whose socket broke does not.
    fn answer_ping(&mut self, pipe: u64, ping: &str) {
        let is_there = match self.pipes[&pipe].end.clone() {
            Upstream::Index { name, .. } => self.index(&name).sockets.contains_key(&pipe),
            Upstream::Document { path, .. } => {
                let object = self.object_at(&path);
                self.objects[object].sockets.contains(&pipe)
            }
        };
        let Ok(ClientMessage::Ping(number)) = ClientMessage::parse(ping) else { panic!("{ping}") };
        if is_there {
            self.stats.count("ping through a connection");
            self.report_to_listener(pipe, PipeReport::Frame(pong_text(number), None));
        }
    }

    pub(super) fn object_at(&self, path: &DocumentPath) -> usize {
        let found = self.objects.iter().position(|object| object.path == *path);
        found.expect("a document of this world")
    }

    fn close_pipe(&mut self, link: u64, upstream: u64) {
        let Some(open) = self.links.get_mut(&link) else { return };
        let Some(pipe) = open.pipes.remove(&upstream) else { return };
        if let Some(open) = self.pipes.get_mut(&pipe) {
            open.cut = true;
        }
        let delay = self.delay();
        self.queue.after(delay, Happening::PipeHangup { pipe });
    }

    /// The object hears that a socket was closed.
    pub(super) fn pipe_hangs_up(&mut self, pipe: u64) {
        match self.pipes[&pipe].end.clone() {
            Upstream::Index { name, subscription, .. } => {
                let sockets = &mut self.index(&name).sockets;
                let was_there = sockets.remove(&pipe).is_some();
                if was_there && !sockets.values().any(|other| *other == subscription) {
                    let tag = Subscription::tag_of(&subscription);
                    self.index_event(&name, IndexEvent::Disconnect { tag }, None);
                }
            }
            Upstream::Document { path, .. } => {
                let object = self.object_at(&path);
                self.objects[object].sockets.remove(&pipe);
            }
        }
    }

    /// An object's end of a socket is gone: the Worker hears of it at once or after what is on its way.
    pub(super) fn lose_pipe(&mut self, pipe: u64) {
        self.stats.count("socket behind a connection lost");
        self.report_to_listener(pipe, PipeReport::Lost);
        if self.random.chance(50)
            && let Some(open) = self.pipes.get_mut(&pipe)
        {
            open.cut = true;
        }
    }

    /// The network between the Worker and an object fails.
    pub(super) fn cut_pipe(&mut self, pipe: u64) {
        self.note(format_args!("socket {pipe} behind a connection is cut"));
        self.lose_pipe(pipe);
        let delay = self.delay();
        self.queue.after(delay, Happening::PipeHangup { pipe });
    }

    /// A frame of an index: what a client has that took all before it is noted.
    pub(super) fn send_from_index(&mut self, name: &str, pipe: u64, text: String) {
        let Some(open) = self.pipes.get(&pipe) else { return };
        let query = open.query.clone().filter(|_| !text.starts_with("{\"type\":\"error\""));
        let expected = query.map(|query| {
            let documents = self.index(name).documents();
            Rc::new(scene::answer(&query, &documents))
        });
        self.report_to_listener(pipe, PipeReport::Frame(text, expected));
    }

    pub(super) fn publish(&mut self, name: &str, tag: &str, text: &str) {
        let sockets = self.index(name).sockets.clone();
        for (pipe, subscription) in sockets {
            if Subscription::tag_of(&subscription) != tag {
                continue;
            }
            if self.sabotage == Some(Sabotage::SkipPublishing) && self.random.chance(10) {
                continue;
            }
            self.send_from_index(name, pipe, text.to_owned());
        }
    }

    pub(super) fn report_to_listener(&mut self, pipe: u64, report: PipeReport) {
        let time = self.queue.now() + self.delay();
        let Some(open) = self.pipes.get_mut(&pipe) else { return };
        open.to_worker = open.to_worker.max(time);
        let time = open.to_worker;
        self.queue.at(time, Happening::FromPipe { pipe, report });
    }

    pub(super) fn pipe_reports(&mut self, pipe: u64, report: PipeReport) {
        let Pipe { link, upstream, cut, .. } = self.pipes[&pipe];
        match report {
            PipeReport::Frame(text, expected) if !cut => {
                self.tell_listener(link, Event::Frame { upstream, text }, expected);
            }
            PipeReport::Opened if !cut => {
                self.tell_listener(link, Event::Opened { upstream }, None);
            }
            PipeReport::Frame(..) | PipeReport::Opened => {}
            PipeReport::Lost => {
                let known = self.links.get(&link).and_then(|link| link.pipes.get(&upstream));
                if known == Some(&pipe) {
                    self.tell_listener(link, Event::Lost { upstream }, None);
                }
            }
        }
    }

    /// A client's write goes to the document's object.
    fn write_remotely(&mut self, link: u64, path: &DocumentPath, text: String) {
        let object = self.object_at(path);
        let delay = self.delay();
        if Faults::strikes(&mut self.random, self.faults.lose_request) {
            // The call fails, and nobody knows how far it got.
            self.queue.after(delay, Happening::CallFails { link });
        } else {
            self.queue.after(delay, Happening::Remote { link, object, text });
        }
    }

    pub(super) fn remote_write_arrives(&mut self, link: u64, object: usize, text: String) {
        let message: Value = serde_json::from_str(&text).expect("a client's message is JSON");
        let write = &message["write"];
        let key = write["idempotencyKey"].as_str().or(write["id"].as_str());
        let key = key.expect("a write has an id").to_owned();
        self.stats.count("write on a connection");
        self.note(format_args!("object {object}: write {key} of connection {link}"));
        let text = match self.sabotage {
            Some(Sabotage::ForgetKeys) => text.replace("\"idempotencyKey\":", "\"id\":"),
            _ => text,
        };
        let event = ObjectEvent::Message { text };
        self.step(object, event, Some(&key), Origin::Link(link));
    }

    /// A call's answer, which is sent on to the client.
    pub(super) fn answer_remotely(&mut self, link: u64, text: String) {
        let lost = Faults::strikes(&mut self.random, self.faults.lose_answer);
        let answer = Some(text).filter(|_| !lost);
        self.tell_listener(link, Event::Written { answer }, None);
    }

    /// A call has no answer.
    pub(super) fn call_fails(&mut self, link: u64) {
        self.tell_listener(link, Event::Written { answer: None }, None);
    }

    pub(super) fn tick_links(&mut self) {
        let links = self.watches.iter().map(|watch| watch.link);
        let links = links.chain(self.readers.iter().map(|reader| reader.link));
        let links: Vec<u64> = links.flatten().collect();
        if !links.is_empty() && Faults::strikes(&mut self.random, self.faults.cut_link) {
            let link = *self.random.pick(&links);
            self.cut_link(link);
        }
        let pipes = links.iter().filter_map(|link| self.links.get(link));
        let pipes: Vec<u64> = pipes.flat_map(|link| link.pipes.values().copied()).collect();
        if !pipes.is_empty() && Faults::strikes(&mut self.random, self.faults.cut_link) {
            let pipe = *self.random.pick(&pipes);
            self.cut_pipe(pipe);
        }
    }
}
