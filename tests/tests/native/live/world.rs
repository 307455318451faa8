//! A random collection, those who listen to it, and what may happen to both.

use blaze_engine::index::live::Subscription;
use blaze_engine::index::settings::{Collections, Settings};
use blaze_engine::index::{Effect, Event, Index, row, shard};
use blaze_schema::document::document_text;
use blaze_schema::error::Error;
use blaze_schema::limits::LIVE_QUERY_BYTES;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, Source};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_store::memory::MemoryStore;
use blaze_tests::flaky_store::FlakyStore;
use blaze_tests::generate_queries::World as Collection;
use blaze_tests::live_client::{LiveClient, Received};
use blaze_tests::random::Random;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A state of a document.
#[derive(Clone, Debug)]
struct State {
    path: DocumentPath,
    epoch: u64,
    version: u64,
    create_time: String,
    data: Option<Map>,
    row: Vec<u8>,
}

/// Somebody with a socket, or without one just now.
#[derive(Debug)]
struct Listener {
    query: Query,
    text: String,
    tag: String,
    client: LiveClient,
    connected: bool,
    /// The memory that the last frame came from.
    memory: u64,
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) steps: u64,
    pub(crate) checks: u64,
    pub(crate) queries: u64,
    pub(crate) documents: u64,
    pub(crate) frames: u64,
    pub(crate) resumed: u64,
    pub(crate) unchanged: u64,
    pub(crate) resets: u64,
    pub(crate) live_resets: u64,
    pub(crate) ended: u64,
    pub(crate) losses: u64,
    pub(crate) failures: u64,
}

impl Seen {
    /// Adds what another world has seen.
    pub(crate) fn add(&mut self, other: &Seen) {
        let Seen { steps, checks, documents, frames, resumed, .. } = other;
        self.steps += steps;
        self.checks += checks;
        self.documents += documents;
        self.frames += frames;
        self.queries += other.queries;
        self.resumed += resumed;
        self.unchanged += other.unchanged;
        self.resets += other.resets;
        self.live_resets += other.live_resets;
        self.ended += other.ended;
        self.losses += other.losses;
        self.failures += other.failures;
    }
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    random: Random,
    collection: Collection,
    source: Source,
    settings: Settings,
    index: Index,
    store: FlakyStore<MemoryStore>,
    /// Every state that ever was.
    states: Vec<State>,
    /// The last state of each document, and the last one that the index was told.
    documents: BTreeMap<String, usize>,
    indexed: BTreeMap<String, usize>,
    /// What queries answered when a document that concerns them changed last, by their tags.
    answers: BTreeMap<String, String>,
    now: i64,
    listeners: Vec<Listener>,
    /// How many memories the index has lost.
    losses: u64,
    has_faults: bool,
    pub(crate) seen: Seen,
}

fn is_long(collection: &Collection) -> bool {
    let is_long = |data: &Map| serde_json::to_string(data).is_ok_and(|text| text.len() > 1_500);
    collection.documents.iter().any(|(_, data)| is_long(data))
}

fn settings_of(collection: &Collection) -> (Source, Settings) {
    let collections = Collections::parse(&collection.collections.to_string()).unwrap();
    let source = Query::from_json(json!({ "from": collection.from })).unwrap().from;
    let names = shard::of_source(&source, &collections).unwrap();
    shard::by_name(&names[0], &collections).unwrap()
}

impl World {
    /// The world of `seed`; with a store that fails now and then, or not.
    pub(crate) fn new(seed: u64, has_faults: bool) -> Self {
        let mut random = Random::new(seed);
        let mut collection = Collection::new(&mut random);
        // Long values take time, and are of no interest here.
        while is_long(&collection) && random.chance(80) {
            collection = Collection::new(&mut random);
        }
        collection.documents.truncate(8);
        let (source, settings) = settings_of(&collection);
        let documents = std::mem::take(&mut collection.documents);
        let mut world = World {
            index: Index::new(source.clone(), settings.clone()),
            store: FlakyStore::default(),
            states: Vec::new(),
            documents: BTreeMap::new(),
            indexed: BTreeMap::new(),
            answers: BTreeMap::new(),
            now: 1_000_000,
            listeners: Vec::new(),
            losses: 0,
            has_faults,
            seen: Seen::default(),
            random,
            collection,
            source,
            settings,
        };
        for (path, data) in documents {
            let state = world.write(&path, Some(data));
            world.deliver(state).unwrap();
        }
        for _ in 0..*world.random.pick(&[1, 1, 2, 2, 3, 4, 6, 12]) {
            world.listen();
        }
        world
    }

    /// Something happens; then everybody who listens has what a query answers.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        self.seen.steps += 1;
        self.now += 1 + self.random.below(1_000) as i64;
        if self.has_faults && self.random.chance(15) {
            let operations = self.random.below(8);
            self.store.fail_after(Some(operations));
        }
        match self.random.below(100) {
            0..66 => self.change()?,
            66..69 if !self.states.is_empty() => {
                // Twice, or too late.
                let state = self.random.below(self.states.len());
                self.deliver(state)?;
            }
            69..80 => self.disconnect()?,
            80..92 => self.come_back()?,
            92..95 => self.lose_memory()?,
            95..97 => self.listen(),
            _ => self.disturb()?,
        }
        self.store.fail_after(None);
        self.check()
    }

    /// Everybody has what a query answers.
    fn check(&mut self) -> Result<(), String> {
        for listener in self.listeners.iter().filter(|listener| listener.connected) {
            if self.random.chance(1) {
                self.answers.remove(&listener.tag);
            }
            let answer = self.answers.entry(listener.tag.clone()).or_insert_with(|| {
                self.seen.queries += 1;
                let event = Event::Query { query: listener.query.clone(), is_shard: false };
                let now = Timestamp::from_micros(self.now);
                match self.index.handle(&mut self.store, now, 0, event).pop() {
                    Some(Effect::Answer(Ok(answer))) => answer,
                    other => panic!("{other:?}"),
                }
            });
            self.seen.checks += 1;
            self.seen.documents += listener.client.documents().count() as u64;
            let held = listener.client.text();
            if !answer.strip_prefix(&held).is_some_and(|rest| rest.starts_with(",\"readTime\"")) {
                let query = &listener.text;
                return Err(format!("{query}\nis answered   {answer}\nand listeners {held}"));
            }
        }
        Ok(())
    }

    /// A state of which nobody is told yet.
    fn write(&mut self, path: &DocumentPath, data: Option<Map>) -> usize {
        let now = Timestamp::from_micros(self.now).to_string();
        let before = self.documents.get(path.as_str()).map(|number| &self.states[*number]);
        let (mut epoch, mut version) = before.map_or((1, 0), |state| (state.epoch, state.version));
        if self.random.chance(1) {
            // Its history is another, in which versions come again.
            epoch += 1;
            version = version.saturating_sub(self.random.between(0, 3));
        }
        version += 1;
        let create_time = match before.filter(|state| state.data.is_some()) {
            Some(state) => state.create_time.clone(),
            None => now.clone(),
        };
        self.collection.documents.retain(|(other, _)| other != path);
        if let Some(data) = &data {
            self.collection.documents.push((path.clone(), data.clone()));
        }
        let text = data.as_ref().map(|data| serde_json::to_string(data).unwrap());
        let resource = document_text(path, version, &create_time, &now, text.as_deref());
        let row = row::of(&format!("{epoch:026}"), &resource).into_bytes();
        let number = self.states.len();
        self.states.push(State { path: path.clone(), epoch, version, create_time, data, row });
        self.documents.insert(path.to_string(), number);
        number
    }

    /// Tells the index a state.
    fn deliver(&mut self, number: usize) -> Result<(), String> {
        let event = Event::Update { row: self.states[number].row.clone() };
        match self.handle(event)? {
            (Some(Ok(_)), _) => self.note(number),
            (Some(Err(_)), _) if self.has_faults => self.seen.failures += 1,
            other => return Err(format!("{other:?}")),
        }
        Ok(())
    }

    /// Notes which answers a state that the index was told may have changed.
    fn note(&mut self, number: usize) {
        let state = &self.states[number];
        let before = self.indexed.get(state.path.as_str()).map(|number| &self.states[*number]);
        if before.is_some_and(|old| (old.epoch, old.version) >= (state.epoch, state.version)) {
            return;
        }
        let data: Vec<&Map> =
            before.into_iter().chain([state]).filter_map(|s| s.data.as_ref()).collect();
        for listener in &self.listeners {
            if data.iter().any(|data| listener.query.matches(&state.path, data)) {
                self.answers.remove(&listener.tag);
            }
        }
        self.indexed.insert(state.path.to_string(), number);
    }

    fn change(&mut self) -> Result<(), String> {
        let there: Vec<usize> = self.documents.values().copied().collect();
        let old = match there.len() {
            0 => None,
            count if count > 10 || self.random.chance(75) => Some(*self.random.pick(&there)),
            _ => None,
        };
        let old = old.map(|number| self.states[number].clone());
        let new = self.collection.data(&mut self.random);
        let path = match &old {
            Some(old) => old.path.clone(),
            None => self.collection.path(&mut self.random),
        };
        let data = match old.and_then(|old| old.data) {
            Some(_) if self.random.chance(20) => None,
            Some(mut old) if self.random.chance(60) => {
                // One field only.
                let field = (*self.random.pick(&["a", "b", "c", "m", "tags"])).to_owned();
                match new.get(&field) {
                    Some(value) => drop(old.insert(field, value.clone())),
                    None => drop(old.remove(&field)),
                }
                Some(old)
            }
            _ => Some(new),
        };
        let number = self.write(&path, data);
        if self.random.chance(90) {
            self.deliver(number)?;
        }
        if self.random.chance(8) {
            self.deliver(number)?;
        }
        Ok(())
    }

    /// A new query, and somebody who listens to it.
    fn listen(&mut self) {
        let mut json = self.collection.query(&mut self.random);
        json["explain"] = json!(false);
        let query = Query::from_json(json).unwrap();
        let text = query.to_json().to_string();
        if text.len() > LIVE_QUERY_BYTES || self.listeners.len() >= 12 {
            return;
        }
        let tag = Subscription::tag_of(&text);
        for _ in 0..=usize::from(self.random.chance(30)) {
            let client = LiveClient::default();
            self.listeners.push(Listener {
                query: query.clone(),
                text: text.clone(),
                tag: tag.clone(),
                client,
                connected: false,
                memory: 0,
            });
            self.connect(self.listeners.len() - 1).unwrap();
        }
    }

    fn disconnect(&mut self) -> Result<(), String> {
        if self.listeners.is_empty() {
            return Ok(());
        }
        let number = self.random.below(self.listeners.len());
        let was_connected = std::mem::take(&mut self.listeners[number].connected);
        let tag = self.listeners[number].tag.clone();
        if was_connected && !self.is_listened_to(&tag) {
            self.handle(Event::Disconnect { tag })?;
        }
        Ok(())
    }

    fn is_listened_to(&self, tag: &str) -> bool {
        self.listeners.iter().any(|listener| listener.connected && listener.tag == tag)
    }

    fn come_back(&mut self) -> Result<(), String> {
        let away = self.listeners.iter().enumerate().filter(|(_, listener)| !listener.connected);
        let away: Vec<usize> = away.map(|(number, _)| number).collect();
        if away.is_empty() {
            return Ok(());
        }
        let number = *self.random.pick(&away);
        if self.random.chance(10) {
            self.listeners[number].client = LiveClient::default();
        }
        self.connect(number)
    }

    fn connect(&mut self, number: usize) -> Result<(), String> {
        let Listener { text, client, memory, .. } = &self.listeners[number];
        let (before, memory) = (client.clone(), *memory);
        let resume = client.resume().map(str::to_owned);
        let event = Event::Connect { subscription: text.clone(), resume: resume.clone() };
        let (_, sent) = self.handle(event)?;
        let losses = self.losses();
        let listener = &mut self.listeners[number];
        let frame = sent.ok_or("a socket got nothing")?;
        let (reset, told) = match listener.client.receive(&frame)? {
            Received::Changes { reset, told } => (reset, told),
            Received::Ended(error) if self.has_faults => {
                self.seen.failures += 1;
                return is_fault(&error);
            }
            Received::Ended(error) => return Err(error.to_string()),
            Received::Part => return Err("a small result in several frames".to_owned()),
        };
        listener.connected = true;
        listener.memory = losses;
        let differences = listener.client.differences(&before);
        let may_be_reset = resume.is_none() || (losses > memory && differences > 0);
        // A reset where memory and a fault came together may be one too many or too few.
        if (reset || !self.has_faults) && reset != may_be_reset {
            return Err(format!("reset is {reset}: {}\n{frame}", listener.text));
        }
        if !reset && told != differences {
            return Err(format!("{told} are told, {differences} changed: {frame}"));
        }
        if resume.is_some() {
            self.seen.resumed += 1;
            self.seen.resets += u64::from(reset);
            self.seen.unchanged += u64::from(told == 0);
        }
        Ok(())
    }

    /// How often the index has lost its memory, or what it knew of its rows.
    fn losses(&self) -> u64 {
        self.losses + self.store.failed_commits()
    }

    /// The index's object is evicted; the sockets stay. Perhaps its settings are others when it is back.
    fn lose_memory(&mut self) -> Result<(), String> {
        self.losses += 1;
        self.seen.losses += 1;
        if self.random.chance(20) {
            self.collection.collections = self.collection.settings(&mut self.random, 1);
            self.settings = settings_of(&self.collection).1;
        }
        self.index = Index::new(self.source.clone(), self.settings.clone());
        let connected = self.listeners.iter().filter(|listener| listener.connected);
        let subscriptions: BTreeSet<String> =
            connected.map(|listener| listener.text.clone()).collect();
        if subscriptions.is_empty() {
            return Ok(());
        }
        self.handle(Event::Woken { subscriptions: subscriptions.into_iter().collect() }).map(drop)
    }

    /// What concerns no listener.
    fn disturb(&mut self) -> Result<(), String> {
        match self.random.below(4) {
            0 => {
                let event = Event::Connect { subscription: "{}".to_owned(), resume: None };
                let (_, sent) = self.handle(event)?;
                let refused = LiveClient::default().receive(&sent.ok_or("nothing is sent")?)?;
                assert!(matches!(refused, Received::Ended(_)));
            }
            1 => {
                let mut query = Query::all(self.source.clone());
                query.page_token = Some("none".to_owned());
                let (answer, _) = self.handle(Event::Query { query, is_shard: false })?;
                assert!(matches!(answer, Some(Err(_))));
            }
            2 => drop(self.handle(Event::Disconnect { tag: "none".to_owned() })?),
            _ => drop(self.handle(Event::Alarm)?),
        }
        Ok(())
    }

    /// One step of the index: the answer, and what is sent to the socket that the event came from. Frames reach those who
    /// listen.
    #[allow(clippy::type_complexity)]
    fn handle(
        &mut self,
        event: Event,
    ) -> Result<(Option<Result<String, Error>>, Option<String>), String> {
        let (now, random) = (Timestamp::from_micros(self.now), self.random.wide());
        let (mut answer, mut sent) = (None, None);
        for effect in self.index.handle(&mut self.store, now, random, event) {
            match effect {
                Effect::Answer(given) => answer = Some(given),
                Effect::Send(text) => sent = Some(text),
                Effect::Publish { tag, text } => self.publish(&tag, &text)?,
                Effect::SetAlarm(_) => {}
            }
        }
        Ok((answer, sent))
    }

    fn publish(&mut self, tag: &str, frame: &str) -> Result<(), String> {
        let losses = self.losses();
        self.seen.frames += 1;
        let mut is_heard = false;
        for listener in self.listeners.iter_mut().filter(|one| one.connected && one.tag == tag) {
            is_heard = true;
            match listener.client.receive(frame)? {
                Received::Changes { reset, told } => {
                    if (reset && !self.has_faults) || (told == 0 && !reset) {
                        return Err(format!("not to be sent: {frame}"));
                    }
                    listener.memory = losses;
                    self.seen.live_resets += u64::from(reset);
                }
                Received::Part => return Err(format!("a part: {frame}")),
                Received::Ended(error) => {
                    is_fault(&error)?;
                    listener.connected = false;
                    self.seen.ended += 1;
                }
            }
        }
        if is_heard { Ok(()) } else { Err(format!("nobody listens to {frame}")) }
    }
}

/// Only a store that fails is a reason.
fn is_fault(error: &Error) -> Result<(), String> {
    if error.detail.contains("told to fail") { Ok(()) } else { Err(error.to_string()) }
}

/// Where a value is long, its repetitions cut.
pub(crate) fn shortened(text: &str) -> String {
    ["x", "l", "AAAA", "a"].iter().fold(text.to_owned(), |text, part| {
        text.replace(&part.repeat(90), "").replace(&part.repeat(9), "…")
    })
}
