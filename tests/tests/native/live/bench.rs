//! The index of the collection `c` on a bench: documents are written, sockets opened, frames looked at.

use blaze_engine::index::live::Subscription;
use blaze_engine::index::settings::Settings;
use blaze_engine::index::{Effect, Event, Index, row};
use blaze_schema::document::document_text;
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_store::memory::MemoryStore;
use blaze_tests::flaky_store::FlakyStore;
use blaze_tests::live_client::{LiveClient, Received};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The index, and who is connected.
pub(crate) struct Bench {
    index: Index,
    pub(crate) store: FlakyStore<MemoryStore>,
    now: i64,
    random: u128,
    /// Versions and times of creation.
    documents: BTreeMap<String, (u64, Option<String>)>,
}

/// A frame for everybody with a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) tag: String,
    pub(crate) text: String,
}

/// The query of `c` with these keys besides, as text.
pub(crate) fn query(mut keys: Value) -> String {
    keys["from"] = json!("c");
    keys.to_string()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench {
            index: index(),
            store: FlakyStore::default(),
            now: 1_000_000,
            random: 1,
            documents: BTreeMap::new(),
        }
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.now += 1;
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let now = Timestamp::from_micros(self.now);
        self.index.handle(&mut self.store, now, self.random, event)
    }

    /// A new version of `c/id`, or its end. Its row.
    pub(crate) fn version(&mut self, id: &str, data: Option<&Value>) -> Vec<u8> {
        self.now += 1;
        let now = Timestamp::from_micros(self.now).to_string();
        let path = DocumentPath::parse(&format!("c/{id}")).unwrap();
        let (version, created) = self.documents.entry(id.to_owned()).or_default();
        *version += 1;
        let create_time = created.take().unwrap_or_else(|| now.clone());
        *created = data.map(|_| create_time.clone());
        let data = data.map(Value::to_string);
        let resource = document_text(&path, *version, &create_time, &now, data.as_deref());
        row::of(&"0".repeat(26), &resource).into_bytes()
    }

    /// The index is told: the frames, or why it failed.
    pub(crate) fn update(&mut self, row: Vec<u8>) -> Result<Vec<Frame>, Error> {
        let mut frames = Vec::new();
        for effect in self.handle(Event::Update { row }) {
            match effect {
                Effect::Publish { tag, text } => frames.push(Frame { tag, text }),
                Effect::Answer(Err(error)) => return Err(error),
                _ => {}
            }
        }
        Ok(frames)
    }

    pub(crate) fn set(&mut self, id: &str, data: Value) -> Vec<Frame> {
        let row = self.version(id, Some(&data));
        self.update(row).unwrap()
    }

    pub(crate) fn delete(&mut self, id: &str) -> Vec<Frame> {
        let row = self.version(id, None);
        self.update(row).unwrap()
    }

    /// Opens a socket for the query; returns its first frames, a line each.
    pub(crate) fn connect(&mut self, query: &str, resume: Option<&str>) -> String {
        let resume = resume.map(str::to_owned);
        let event = Event::Connect { subscription: query.to_owned(), resume };
        let text = |effect| match effect {
            Effect::Send(text) => text,
            other => panic!("{other:?}"),
        };
        self.handle(event).into_iter().map(text).collect::<Vec<_>>().join("\n")
    }

    /// A client of the query, for the first time.
    pub(crate) fn listen(&mut self, query: &str) -> Result<LiveClient, Error> {
        let (mut client, frame) = (LiveClient::default(), self.connect(query, None));
        match client.receive_all(&frame).unwrap() {
            Received::Changes { reset: true, .. } => Ok(client),
            Received::Changes { .. } | Received::Part => panic!("{frame}"),
            Received::Ended(error) => Err(error),
        }
    }

    /// The client has another socket: what it got, and whether it has what it should.
    pub(crate) fn resume(&mut self, query: &str, client: &mut LiveClient) -> (bool, usize) {
        let frame = self.connect(query, client.resume().map(str::to_owned).as_deref());
        match client.receive_all(&frame).unwrap() {
            Received::Changes { reset, told } => {
                self.check(query, client);
                (reset, told)
            }
            Received::Part => panic!("{frame}"),
            Received::Ended(error) => panic!("{error}"),
        }
    }

    /// Nobody listens to the query any more.
    pub(crate) fn leave(&mut self, query: &str) {
        self.handle(Event::Disconnect { tag: Subscription::tag_of(query) });
    }

    /// All memory is lost; these queries have sockets still.
    pub(crate) fn lose_memory(&mut self, subscriptions: &[&str]) {
        self.index = index();
        let subscriptions = subscriptions.iter().map(|text| (*text).to_owned()).collect();
        self.handle(Event::Woken { subscriptions });
    }

    /// What a query answers.
    pub(crate) fn ask(&mut self, query: Query) -> Result<String, Error> {
        match self.handle(Event::Query { query, is_shard: false }).pop() {
            Some(Effect::Answer(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// The client has what the query answers.
    pub(crate) fn check(&mut self, query: &str, client: &LiveClient) {
        let query = Query::from_json(serde_json::from_str(query).unwrap()).unwrap();
        let answer = self.ask(query).unwrap();
        assert!(answer.starts_with(&client.text()), "{answer}\n{}", client.text());
    }
}

fn index() -> Index {
    let query = Query::from_json(json!({"from": "c"})).unwrap();
    Index::new(query.from, Settings::default())
}

/// What the client is told, which is for it alone.
pub(crate) fn receive(client: &mut LiveClient, frames: &[Frame]) -> Received {
    assert_eq!(frames.len(), 1, "{frames:?}");
    client.receive(&frames[0].text).unwrap()
}
