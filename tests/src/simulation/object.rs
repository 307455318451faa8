//! A document's object as the platform runs it: the real document over a store that may refuse.

use super::history::History;
use super::steps::InLine;
use crate::disk::Disk;
use blaze_client::core::http;
use blaze_engine::document::{Document, Effect, Event};
use blaze_engine::http::{Headers, Request};
use blaze_engine::index::settings::Settings;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_store::memory::MemoryStore;
use std::collections::{BTreeSet, VecDeque};
use std::mem;

/// The object.
pub(super) struct Object {
    pub(super) path: DocumentPath,
    pub(super) settings: Settings,
    document: Document,
    pub(super) disk: Disk,
    /// The rows before the last step: what a disk that lies about its commits would have after a crash.
    before: MemoryStore,
    pub(super) history: History,
    /// The sockets that it accepted.
    pub(super) sockets: BTreeSet<u64>,
    /// The epoch of a document that was never written, as these keep it.
    pub(super) unborn: Option<String>,
    /// How far its clock is off, in microseconds; another one after every start.
    pub(super) clock: i64,
    /// How often it has started.
    pub(super) starts: u64,
    /// Number of losses of its memory.
    starts_known: u64,
    /// Whether anything has happened since its memory was lost.
    pub(super) is_awake: bool,
    /// The alarm that is set: durable, as its rows. Its number, and when it rings.
    pub(super) alarm: Option<(u64, i64)>,
    /// The alarm that it is being told of.
    pub(super) ringing: Option<u64>,
    /// Frames for its sockets that wait until the indexes have the states that they tell of, in order.
    pub(super) line: VecDeque<InLine>,
    /// The newest version that the indexes have confirmed since it started.
    pub(super) indexed: u64,
}

impl Object {
    pub(super) fn new(path: DocumentPath, settings: Settings) -> Self {
        Object {
            document: Document::new(path.clone()).under(settings.clone()),
            path,
            settings,
            disk: Disk::default(),
            before: MemoryStore::default(),
            history: History::default(),
            sockets: BTreeSet::new(),
            unborn: None,
            clock: 0,
            starts: 0,
            starts_known: 0,
            is_awake: false,
            alarm: None,
            ringing: None,
            line: VecDeque::new(),
            indexed: 0,
        }
    }

    /// One step, judged. A write has a `key`.
    pub(super) fn step(
        &mut self,
        now: i64,
        random: u128,
        event: Event,
        key: Option<&str>,
    ) -> Vec<Effect> {
        self.before = self.disk.rows.clone();
        self.is_awake = true;
        let now = Timestamp::from_micros(now + self.clock);
        let effects = self.document.handle(&mut self.disk, now, random, event);
        self.history.observe(&self.disk.rows, key, &effects);
        for effect in &effects {
            if let Effect::Admit { unborn, .. } = effect {
                self.unborn.clone_from(unborn);
            }
        }
        effects
    }

    /// Its memory is gone, but for what its sockets keep.
    pub(super) fn forget(&mut self) {
        self.document = Document::new(self.path.clone()).under(self.settings.clone());
        self.is_awake = false;
        self.indexed = 0;
        self.starts_known += 1;
        // Now and then something happens before it is known whether an alarm is set.
        if !self.starts_known.is_multiple_of(4) && self.ringing.is_none() {
            let at = self.alarm.map(|(_, at)| Timestamp::from_micros(at + self.clock));
            let known = mem::replace(&mut self.document, Document::new(self.path.clone()));
            self.document = known.with_alarm(at);
        }
        if !self.sockets.is_empty() {
            let woken = Event::Woken { listeners: Vec::new(), unborn: self.unborn.clone() };
            self.document.handle(&mut self.disk, Timestamp::MIN, 0, woken);
        }
    }

    /// Everything it stored is gone.
    pub(super) fn wipe(&mut self) {
        self.disk.rows = MemoryStore::default();
        self.alarm = None;
        self.unborn = None;
        self.history.wipe();
        self.forget();
    }

    /// The last step was not on disk after all.
    pub(super) fn undo_last_step(&mut self) {
        self.disk.rows = self.before.clone();
        self.forget();
    }
}

/// The client's request as the server gets it.
pub(super) struct Arrived<'a> {
    pub(super) request: &'a http::Request,
    /// Whether the key is seen.
    pub(super) keyed: bool,
}

impl Headers for Arrived<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let hidden = !self.keyed && name == "idempotency-key";
        let mut headers = self.request.headers.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name) && !hidden);
        found.map(|(_, value)| value.clone())
    }
}

impl Arrived<'_> {
    /// The request in the engine's terms.
    pub(super) fn parts(&self) -> Request<'_> {
        let (path, query) = split(&self.request.target);
        let method = match self.request.method {
            http::Method::Get => "GET",
            http::Method::Post => "POST",
        };
        Request { method, path, query, headers: self }
    }
}

/// The request that opens a socket.
pub(super) struct Upgrade<'a>(pub(super) &'a str);

impl Headers for Upgrade<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (name == "upgrade").then(|| "websocket".to_owned())
    }
}

impl Upgrade<'_> {
    pub(super) fn parts(&self) -> Request<'_> {
        let (path, query) = split(self.0);
        Request { method: "GET", path, query, headers: self }
    }
}

/// Path and query.
fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}
