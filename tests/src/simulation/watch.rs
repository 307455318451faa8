//! A client on `/v1/listen` that only applies what it is told, and holds it against what was.

use super::history::History;
use super::links::{Expected, LinkReport, Owner};
use super::network::Held;
use super::scene;
use super::world::{Happening, World};
use blaze_schema::document::Document;
use blaze_schema::error::Code;
use blaze_schema::patch::apply_trusted;
use blaze_schema::query::Query;
use blaze_schema::wire::document::ServerMessage;
use blaze_schema::wire::query::{
    Change, Changes, Content, QueryMessage, listen_text, unlisten_text,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What one client listens to on its connection.
pub(super) struct Watch {
    client: usize,
    pub(super) link: Option<u64>,
    is_open: bool,
    targets: BTreeMap<u64, Target>,
}

struct Target {
    what: What,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server refused it, for the moment.
    Refused,
    /// The server was told of it on this connection, or will be.
    Listed,
    /// And answered.
    Live,
}

enum What {
    Query {
        query: Box<Query>,
        resume: Option<String>,
        result: Vec<Document>,
        /// The newest version of each document that was seen.
        seen: BTreeMap<String, u64>,
    },
    Document {
        object: usize,
        held: Held,
    },
}

impl Watch {
    pub(super) fn new(client: usize) -> Self {
        Watch { client, link: None, is_open: false, targets: BTreeMap::new() }
    }

    /// The page is loaded anew.
    pub(super) fn reload(&mut self) -> Option<u64> {
        self.targets.clear();
        self.is_open = false;
        self.link.take()
    }
}

impl World {
    /// The application listens to something else.
    pub(super) fn toggle_watching(&mut self, watch: usize) {
        let numbers: Vec<u64> = self.watches[watch].targets.keys().copied().collect();
        if numbers.len() >= 3 || (!numbers.is_empty() && self.random.chance(30)) {
            let number = *self.random.pick(&numbers);
            self.note(format_args!("watch {watch}: not {number} any more"));
            self.watches[watch].targets.remove(&number);
            self.say(watch, unlisten_text(number));
            return;
        }
        let number = self.new_id();
        let what = if self.random.chance(20) {
            What::Document { object: self.random.below(self.objects.len()), held: Held::default() }
        } else {
            let query = scene::query(&mut self.random, &self.frame.sources());
            self.note(format_args!("watch {watch}: {number} is {}", query.to_json()));
            let (resume, result, seen) = (None, Vec::new(), BTreeMap::new());
            What::Query { query: Box::new(query), resume, result, seen }
        };
        self.watches[watch].targets.insert(number, Target { what, stage: Stage::Listed });
        if self.watches[watch].link.is_none() {
            self.open_link(Owner::Watch(watch));
        }
        self.listen(watch, number);
    }

    /// Says something, if the connection is open.
    fn say(&mut self, watch: usize, text: String) {
        if let (Some(link), true) = (self.watches[watch].link, self.watches[watch].is_open) {
            self.send_to_worker(link, text);
        }
    }

    fn listen(&mut self, watch: usize, number: u64) {
        let Some(target) = self.watches[watch].targets.get_mut(&number) else { return };
        target.stage = Stage::Listed;
        let text = match &target.what {
            What::Query { query, resume, .. } => {
                listen_text(number, &query.to_json().to_string(), resume.as_deref())
            }
            What::Document { object, held } => {
                let path = self.objects[*object].path.as_str();
                let mut listen = json!({"target": number, "document": path});
                if let Some((epoch, version, _)) = &held.0 {
                    (listen["since"], listen["epoch"]) = (json!(version), json!(epoch));
                }
                json!({ "listen": listen }).to_string()
            }
        };
        self.say(watch, text);
    }

    /// A write to any document, over the connection.
    pub(super) fn write_on_link(&mut self, watch: usize) {
        if !self.watches[watch].is_open {
            return;
        }
        let token = format!("l{}", self.new_id());
        let object = self.random.below(self.objects.len());
        let path = self.objects[object].path.as_str();
        let text = if object == 0 {
            self.tokens.unknown.insert(token.clone());
            super::writes::raw(&token, path, self.watches[watch].client)
        } else {
            super::writes::raw_free(&mut self.random, &token, path)
        };
        self.say(watch, text);
    }

    pub(super) fn watch_hears(&mut self, watch: usize, link: u64, report: LinkReport) {
        match report {
            LinkReport::Opened => {
                self.note(format_args!("watch {watch}: connection {link} is open"));
                self.watches[watch].is_open = true;
                for number in self.watches[watch].targets.keys().copied().collect::<Vec<_>>() {
                    self.listen(watch, number);
                }
            }
            LinkReport::Closed => {
                self.note(format_args!("watch {watch}: connection {link} is lost"));
                self.watches[watch].is_open = false;
                self.watches[watch].link = None;
                self.hang_up(link);
                let pause = 100_000 + self.random.below(5_000_000) as i64;
                self.queue.after(pause, Happening::Relink { watch });
            }
            LinkReport::Frame(text, expected) => {
                self.note(format_args!("watch {watch}: {text}"));
                self.frame(watch, &text, &expected);
            }
        }
    }

    pub(super) fn relink(&mut self, watch: usize) {
        if self.watches[watch].link.is_none() && !self.watches[watch].targets.is_empty() {
            self.open_link(Owner::Watch(watch));
        }
    }

    pub(super) fn relisten(&mut self, watch: usize, number: u64) {
        let target = self.watches[watch].targets.get(&number);
        if target.is_some_and(|target| target.stage == Stage::Refused) {
            self.listen(watch, number);
        }
    }

    fn frame(&mut self, watch: usize, text: &str, expected: &Expected) {
        let frame: Value = serde_json::from_str(text).expect("a frame is JSON");
        if let Ok(ServerMessage::Written { id, result }) = ServerMessage::from_json(frame.clone()) {
            return self.tokens.raw_answered(&id, result.is_ok());
        }
        let number =
            frame["target"].as_u64().unwrap_or_else(|| panic!("a frame for nobody: {text}"));
        let Some(target) = self.watches[watch].targets.get_mut(&number) else { return };
        if frame["type"] == "error" {
            target.stage = Stage::Refused;
            let code = frame["code"].as_str().and_then(Code::parse);
            assert_eq!(code, Some(Code::Internal), "only a full disk is a reason: {text}");
            let pause = 1_000_000 + self.random.below(5_000_000) as i64;
            self.queue.after(pause, Happening::Relisten { watch, number });
            return;
        }
        let first = target.stage != Stage::Live;
        target.stage = Stage::Live;
        match &mut target.what {
            What::Document { object, held } => {
                let message = ServerMessage::from_json(frame).expect("a document's frame");
                held.receive(&message, &self.objects[*object].history);
            }
            What::Query { query, resume, result, seen } => {
                let Ok(QueryMessage::Changes { changes, .. }) = QueryMessage::from_json(frame)
                else {
                    panic!("a query's frame is {text}")
                };
                self.stats.count(match (first, changes.reset, resume.is_some()) {
                    (true, false, _) => "query resumed",
                    (true, true, true) => "query resumed in vain",
                    (true, true, false) => "query begun",
                    (false, true, _) => "query begun anew",
                    (false, false, _) => "changes of a query",
                });
                *resume = Some(changes.resume.clone());
                apply(result, changes);
                check_result(query, result, expected);
                let target = number;
                for document in result.iter() {
                    let object = self
                        .objects
                        .iter()
                        .find(|object| object.path.as_str() == document.path)
                        .expect("a document of this world");
                    check_document(query, document, &object.history, seen, target);
                }
            }
        }
    }

    /// Nothing is under way any more: who listens has what a query answers.
    pub(super) fn check_watches(&self) {
        for (number, watch) in self.watches.iter().enumerate() {
            for (name, target) in &watch.targets {
                match &target.what {
                    What::Query { query, result, .. } => {
                        assert_eq!(target.stage, Stage::Live, "watch {number}: {name}");
                        let expected = Value::from(self.expected(query));
                        let shown = serde_json::to_value(result).expect("documents are JSON");
                        assert_eq!(
                            shown.to_string(),
                            expected.to_string(),
                            "watch {number}: {name}, {}",
                            query.to_json()
                        );
                    }
                    What::Document { object, held } => {
                        let object = &self.objects[*object];
                        let present = object.history.present();
                        let (epoch, version, _) = held.0.as_ref().expect("a document has a state");
                        let there = present.map(|present| (&present.name, present.version()));
                        assert_eq!(there, Some((epoch, *version)), "watch {number}: {name}");
                    }
                }
            }
        }
    }
}

/// Applies a frame, whose indexes are those of Firestore's `docChanges`.
fn apply(result: &mut Vec<Document>, changes: Changes) {
    if changes.reset {
        result.clear();
    }
    for change in changes.changes {
        match change {
            Change::Added { path, new_index, document } => {
                assert!(result.iter().all(|other| other.path != path.as_str()), "{path} twice");
                assert_eq!(document.path, path.as_str());
                assert!(new_index <= result.len(), "{path} at {new_index}");
                result.insert(new_index, document);
            }
            Change::Modified { path, old_index, new_index, content } => {
                let mut document = take(result, old_index, path.as_str());
                match content {
                    Content::Document(whole) => document = whole,
                    Content::Patch { patch, version, update_time } => {
                        let mut data = Value::Object(document.data.take().expect("data"));
                        apply_trusted(&mut data, &patch).expect("a patch fits");
                        let Value::Object(data) = data else { panic!("{path} is {data}") };
                        document = Document { data: Some(data), version, update_time, ..document };
                    }
                }
                assert!(new_index <= result.len(), "{path} at {new_index}");
                result.insert(new_index, document);
            }
            Change::Removed { path, old_index } => drop(take(result, old_index, path.as_str())),
        }
    }
}

fn take(result: &mut Vec<Document>, index: usize, path: &str) -> Document {
    let there = result.get(index).map(|document| document.path.as_str());
    assert_eq!(there, Some(path), "what is at {index}");
    result.remove(index)
}

/// What a client has is what the query could answer, and, where that is known, what it did answer then.
fn check_result(query: &Query, result: &[Document], expected: &Expected) {
    let shown = Value::from(result.iter().map(|one| json!(one)).collect::<Vec<_>>()).to_string();
    if let Some(expected) = expected {
        let expected = Value::from(expected.as_ref().clone()).to_string();
        assert_eq!(shown, expected, "after a frame of {}", query.to_json());
    }
    if query.select.is_none() {
        let all = Query { offset: 0, ..query.clone() };
        let again = Value::from(scene::answer(&all, result)).to_string();
        assert_eq!(shown, again, "not in order, or not wanted by {}", query.to_json());
    }
}

fn check_document(
    query: &Query,
    document: &Document,
    history: &History,
    seen: &mut BTreeMap<String, u64>,
    target: u64,
) {
    let data = document.data.clone().map_or(Value::Null, Value::Object);
    if query.select.is_none() {
        let was = history.had(document.version, &data);
        assert!(was, "{} never was {data} at version {}", document.path, document.version);
    }
    let before = seen.entry(document.path.clone()).or_default();
    assert!(
        document.version >= *before || history.is_rewritten(),
        "{target}: version {} of {} after {before}",
        document.version,
        document.path
    );
    *before = document.version;
}
