//! The objects that keep indexes, as the platform runs them: real indexes over disks that may refuse.

use super::faults::Faults;
use super::sabotage::Sabotage;
use super::scene;
use super::steps::Promise;
use super::world::{Happening, World};
use crate::disk::Disk;
use blaze_engine::http::query_request::{Question, event};
use blaze_engine::index::settings::{Collections, Settings};
use blaze_engine::index::{Effect, Event, Index, shard};
use blaze_schema::document::Document;
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, Source};
use blaze_schema::timestamp::Timestamp;
use blaze_store::memory::MemoryStore;
use blaze_store::{Change, Store};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An index's object.
pub(super) struct IndexObject {
    source: Source,
    settings: Settings,
    /// `None` without memory.
    index: Option<Index>,
    disk: Disk,
    /// The sockets that it accepted, and the live queries attached to them.
    pub(super) sockets: BTreeMap<u64, String>,
    /// How far its clock is off.
    clock: i64,
    alarm: Option<u64>,
}

impl IndexObject {
    fn new(name: &str, collections: &Collections) -> Self {
        let (source, settings) = shard::by_name(name, collections).expect("an index's name");
        IndexObject {
            source,
            settings,
            index: None,
            disk: Disk::default(),
            sockets: BTreeMap::new(),
            clock: 0,
            alarm: None,
        }
    }

    /// What its rows say of a document.
    fn known(&self, path: &str) -> Option<Known> {
        self.rows_of_documents().find(|known| known.document.path == path)
    }

    fn rows_of_documents(&self) -> impl Iterator<Item = Known> {
        let rows = self.disk.rows.contents().into_iter();
        let rows = rows.filter(|(key, _)| matches!(key.first(), Some(b'd' | b't')));
        rows.map(|(_, row)| Known::parse(&row))
    }

    /// The documents that it holds.
    pub(super) fn documents(&self) -> Vec<Document> {
        let documents = self.rows_of_documents().map(|known| known.document);
        documents.filter(|document| document.data.is_some()).collect()
    }

    /// Everything about a document is gone, as if it had never been told.
    fn forget_document(&mut self, path: &str, now: Timestamp) {
        let (mut index, mut rows) =
            (Index::new(self.source.clone(), self.settings.clone()), MemoryStore::default());
        for known in self.rows_of_documents().filter(|known| known.document.path != path) {
            index.handle(&mut rows, now, 0, Event::Update { row: known.row });
        }
        self.disk.rows = rows;
        self.index = None;
    }

    fn forget_tombstones(&mut self) {
        let keys: Vec<Vec<u8>> =
            self.disk.rows.rows().keys().filter(|key| key.starts_with(b"t")).cloned().collect();
        let changes: Vec<_> = keys.iter().map(|key| Change::Delete(key)).collect();
        self.disk.rows.commit(&changes).expect("memory does not fail");
    }
}

/// A row of a document.
struct Known {
    epoch: String,
    document: Document,
    row: Vec<u8>,
}

impl Known {
    fn parse(row: &[u8]) -> Self {
        let text = std::str::from_utf8(row).expect("a row is text");
        let (epoch, resource) = text.split_once('\n').expect("a row has two lines");
        let document = serde_json::from_str(resource).expect("a resource is JSON");
        Known { epoch: epoch.to_owned(), document, row: row.to_vec() }
    }

    fn age(&self) -> (&str, u64) {
        (&self.epoch, self.document.version)
    }
}

impl World {
    pub(super) fn index(&mut self, name: &str) -> &mut IndexObject {
        let collections = &self.collections;
        let entry = self.indexes.entry(name.to_owned());
        entry.or_insert_with(|| IndexObject::new(name, collections))
    }

    /// Makes the engine, with the live queries that the sockets left.
    pub(super) fn wake(&mut self, name: &str) {
        if self.index(name).index.is_some() {
            return;
        }
        let collections = std::rc::Rc::clone(&self.collections);
        let (source, settings) = shard::by_name(name, &collections).expect("an index's name");
        let object = self.index(name);
        object.settings = settings.clone();
        object.index = Some(Index::new(source, settings));
        let attached: BTreeSet<String> = object.sockets.values().cloned().collect();
        if !attached.is_empty() && self.sabotage != Some(Sabotage::ForgetSubscriptions) {
            let subscriptions = attached.into_iter().collect();
            self.run_index(name, Event::Woken { subscriptions }, None);
        }
    }

    /// An event of an index. Its answer, if it gives one and does not die before.
    pub(super) fn index_event(
        &mut self,
        name: &str,
        event: Event,
        origin: Option<u64>,
    ) -> Option<Result<String, Error>> {
        self.wake(name);
        self.run_index(name, event, origin)
    }

    fn run_index(
        &mut self,
        name: &str,
        event: Event,
        origin: Option<u64>,
    ) -> Option<Result<String, Error>> {
        let (now, random) = (self.queue.now(), self.random.wide());
        let full = Faults::strikes(&mut self.random, self.faults.index_full);
        let object = self.index(name);
        object.disk.full = full;
        let now = Timestamp::from_micros(now + object.clock);
        let index = object.index.as_mut()?;
        let effects = index.handle(&mut object.disk, now, random, event);
        if self.sabotage == Some(Sabotage::ForgetTombstones) {
            self.index(name).forget_tombstones();
        }
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Answer(given) => answer = Some(given),
                Effect::Send(text) => {
                    if let Some(pipe) = origin {
                        self.send_from_index(name, pipe, text);
                    }
                }
                Effect::Publish { tag, text } => self.publish(name, &tag, &text),
                Effect::SetAlarm(at) => self.set_index_alarm(name, at),
            }
        }
        answer
    }

    /// An index is told a document's row. Whether it says that it has it.
    pub(super) fn update_index(&mut self, name: &str, row: &[u8]) -> bool {
        let told = Known::parse(row);
        let dies = Faults::strikes(&mut self.random, self.faults.crash_index_in_step);
        if dies && self.random.chance(50) {
            self.crash_index(name);
            return false;
        }
        let now = Timestamp::from_micros(self.queue.now());
        let path = told.document.path.clone();
        let before = self.index(name).known(&path);
        if let Some(before) = &before
            && before.age() > told.age()
        {
            self.stats.count("index told what is old");
            if self.sabotage == Some(Sabotage::ApplyOlder) {
                self.index(name).forget_document(&path, now);
            }
        }
        let answer = self.index_event(name, Event::Update { row: row.to_vec() }, None);
        let answer = answer.expect("an update is answered");
        if answer.is_err() {
            self.stats.count("index full");
        }
        self.check_update(name, &told, before.as_ref(), answer.is_ok());
        if dies {
            self.crash_index(name);
        }
        answer.is_ok() && !dies
    }

    /// What an index knows of a document after it was told: the newest that it was ever told.
    fn check_update(&mut self, name: &str, told: &Known, before: Option<&Known>, done: bool) {
        if matches!(self.sabotage, Some(Sabotage::ForgetTombstones | Sabotage::ApplyOlder)) {
            // Others are to notice it.
            return;
        }
        let after = self.index(name).known(&told.document.path);
        let newest = before.into_iter().chain(done.then_some(told));
        let newest = newest.max_by(|a, b| a.age().cmp(&b.age()));
        let row = |known: Option<&Known>| known.map(|known| known.row.clone());
        assert_eq!(row(after.as_ref()), row(newest), "what {name} knows of {}", told.document.path);
    }

    pub(super) fn crash_index(&mut self, name: &str) {
        self.stats.count("index crash");
        self.note(format_args!("index {name}: crashes"));
        let clock = self.random.below(4_000_000) as i64 - 2_000_000;
        let object = self.index(name);
        object.index = None;
        object.clock = clock;
        let sockets: Vec<u64> = object.sockets.keys().copied().collect();
        object.sockets.clear();
        for pipe in sockets {
            self.lose_pipe(pipe);
        }
    }

    pub(super) fn tick_indexes(&mut self) {
        let names: Vec<String> = self.indexes.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = self.random.pick(&names).clone();
        if Faults::strikes(&mut self.random, self.faults.crash_index) {
            self.crash_index(&name);
        }
        if Faults::strikes(&mut self.random, self.faults.hibernate_index) {
            self.stats.count("index hibernation");
            self.note(format_args!("index {name}: loses its memory"));
            self.index(&name).index = None;
        }
        if Faults::strikes(&mut self.random, self.faults.deploy) {
            self.deploy(&names);
        }
    }

    /// Other settings: everything starts anew.
    fn deploy(&mut self, names: &[String]) {
        self.stats.count("deployment");
        let collections = self.frame.collections(&mut self.random);
        self.note(format_args!("deployment of {collections}"));
        self.collections = scene::parse(&collections).into();
        for name in names {
            self.crash_index(name);
        }
        for object in 0..self.objects.len() {
            let id = self.objects[object].path.collection().id().to_owned();
            self.objects[object].settings = self.collections.of(&id);
            self.crash(object);
        }
    }

    fn set_index_alarm(&mut self, name: &str, at: Timestamp) {
        let number = self.new_id();
        let object = self.index(name);
        object.alarm = Some(number);
        let at = at.micros() - object.clock;
        let late = Faults::strikes(&mut self.random, self.faults.late_alarm);
        let late = self.random.below(if late { 30_000_000 } else { 20_000 }) as i64;
        let name = name.to_owned();
        self.queue.at(at + late, Happening::IndexAlarm { name, number });
    }

    pub(super) fn index_alarm_rings(&mut self, name: &str, number: u64) {
        if self.index(name).alarm != Some(number) {
            return;
        }
        self.stats.count("index's alarm");
        self.note(format_args!("index {name}: its alarm rings"));
        self.index(name).alarm = None;
        self.index_event(name, Event::Alarm, None);
    }

    /// What the indexes answer to a query, all asked at once.
    fn ask(&mut self, question: &Question) -> Option<Value> {
        let ask = question.ask(&self.collections).expect("a question that may be asked");
        let mut parts = Vec::new();
        for name in &ask.objects {
            let part = self.index_event(name, event(&ask.body).expect("a question"), None);
            // A full disk may keep an index from taking note of new settings.
            parts.push(part.expect("a question is answered").ok()?);
        }
        let now = Timestamp::from_micros(self.queue.now());
        let answer = match parts.as_slice() {
            [whole] => whole.clone(),
            _ => question.answer(&parts, now).expect("parts fit"),
        };
        Some(serde_json::from_str(&answer).expect("an answer is JSON"))
    }

    /// Asks, and holds the answer against the documents that the indexes have.
    fn ask_and_check(&mut self, query: &Query) -> Option<Value> {
        let question = Question::Query(query.clone());
        let answer = self.ask(&question)?;
        let names = question.ask(&self.collections).expect("a question that may be asked").objects;
        let there: Vec<Document> = names
            .iter()
            .filter_map(|name| self.indexes.get(name))
            .flat_map(IndexObject::documents)
            .collect();
        let expected = Value::Array(scene::answer(query, &there));
        assert_eq!(
            answer["documents"].to_string(),
            expected.to_string(),
            "the answer to {}",
            query.to_json()
        );
        Some(answer)
    }

    /// A write was answered: a query that is asked from now on sees it.
    pub(super) fn check_promise(&mut self, object: usize, promise: &Promise) {
        let path = self.objects[object].path.clone();
        if self.objects[object].history.is_rewritten() {
            return;
        }
        self.stats.count("promise");
        for name in shard::of_document(&path, &self.collections) {
            let (source, _) = shard::by_name(&name, &self.collections).expect("an index's name");
            self.check_sees(object, &path, source, promise);
        }
    }

    fn check_sees(
        &mut self,
        object: usize,
        path: &DocumentPath,
        source: Source,
        promise: &Promise,
    ) {
        let mut query = Query::all(source).to_json();
        query["where"] = json!({"field": "__name__", "op": "==", "value": {"$ref": path.as_str()}});
        let query = Query::from_json(query).expect("a query");
        let Some(answer) = self.ask_and_check(&query) else { return };
        let history = &self.objects[object].history;
        let epoch = history.epoch(&promise.epoch).expect("the history that it was written in");
        let found = &answer["documents"][0];
        let (version, what) = (found["version"].as_u64(), &found["data"]);
        let mut since = promise.version..=epoch.version();
        let sees = since.any(|number| {
            version.is_none_or(|version| version == number)
                && epoch.state(number).is_some_and(|state| state == what)
        });
        assert!(
            sees,
            "{path} was answered at version {}, and a query finds {found}",
            promise.version
        );
        if self.random.chance(30) {
            let query = scene::query(&mut self.random, &self.frame.sources());
            self.ask_and_check(&query);
        }
    }

    /// Every index has what the documents have, and nothing else.
    pub(super) fn check_indexes(&mut self) {
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in &self.objects {
            let Some(row) = super::history::row(&object.path, &object.disk.rows) else { continue };
            for name in shard::of_document(&object.path, &self.collections) {
                wanted.entry(name).or_default().push(row.clone());
            }
        }
        let names: BTreeSet<String> = wanted.keys().chain(self.indexes.keys()).cloned().collect();
        for name in names {
            let rows = wanted.remove(&name).unwrap_or_default();
            self.check_index(&name, rows);
        }
        for _ in 0..QUERIES {
            let query = scene::query(&mut self.random, &self.frame.sources());
            self.check_query(&query);
        }
    }

    fn check_index(&mut self, name: &str, rows: Vec<String>) {
        let mut fresh = IndexObject::new(name, &self.collections);
        let mut index = Index::new(fresh.source.clone(), fresh.settings.clone());
        let now = Timestamp::from_micros(self.queue.now());
        for row in rows {
            index.handle(&mut fresh.disk, now, 0, Event::Update { row: row.into_bytes() });
        }
        let shown = |object: &IndexObject| -> Vec<String> {
            let rows = object.disk.rows.contents().into_iter();
            // Which settings were followed when is the index's own affair.
            let rows = rows.filter(|(key, _)| key.as_slice() != b"m");
            let rows = rows.map(|(key, value)| {
                format!("{} {}", key.escape_ascii(), String::from_utf8_lossy(&value))
            });
            rows.collect()
        };
        let (has, wanted) = (shown(self.index(name)), shown(&fresh));
        let strange: Vec<_> = has.iter().filter(|row| !wanted.contains(row)).collect();
        // A tombstone may be missed by nobody; what it is against is looked for.
        let missing = wanted.iter().filter(|row| !row.starts_with('t') && !has.contains(row));
        let missing: Vec<_> = missing.collect();
        assert!(
            strange.is_empty() && missing.is_empty(),
            "the index {name} has {strange:#?}, and lacks {missing:#?}"
        );
    }

    /// What a query answers over all documents, read from their objects.
    pub(super) fn expected(&self, query: &Query) -> Vec<Value> {
        let documents: Vec<Document> = self
            .objects
            .iter()
            .filter_map(|object| super::history::row(&object.path, &object.disk.rows))
            .map(|row| Known::parse(row.as_bytes()).document)
            .collect();
        scene::answer(query, &documents)
    }

    fn check_query(&mut self, query: &Query) {
        let answer = self.ask(&Question::Query(query.clone())).expect("no disk is full in peace");
        let expected = Value::Array(self.expected(query));
        let found = answer["documents"].to_string();
        assert_eq!(found, expected.to_string(), "the answer to {}", query.to_json());
    }

    /// Every index hears of something, so that it follows the settings.
    pub(super) fn wake_indexes(&mut self) {
        for name in self.indexes.keys().cloned().collect::<Vec<_>>() {
            let (source, _) = shard::by_name(&name, &self.collections).expect("an index's name");
            let event = Event::Query { query: Query::all(source), is_shard: false };
            self.index_event(&name, event, None);
        }
    }
}

/// How many queries are asked at the end.
const QUERIES: usize = 10;
