//! The queries of a client against a model of the server, a network that loses and delays, and other writers, in any
//! order.
//!
//! The model computes each result anew from all documents, and keeps every state that a document was ever in. What
//! listeners are shown is held against that:
//!
//! 1. A row without pending writes is a state of that document in which the server had it, at that version.
//! 2. Rows are in the query's order, and `docChanges` lead from what was shown before to what is shown now.
//! 3. No increment of this client is shown twice; in a result that no document leaves, each is shown from the moment it
//!    is made.
//! 4. A row without pending writes is never older than an own write of its document that was answered, however late the
//!    frames are.
//! 5. In the end listeners see the server's result, without pending writes.

use blaze_client::core::document_changes::{ChangeKind, document_changes};
use blaze_client::core::queries::Queries;
use blaze_client::core::query_event::{QueryEffect, QueryEvent, QueryTimer};
use blaze_client::core::query_json::asked;
use blaze_client::core::row::{Row, Rows};
use blaze_client::{Map, Value, increment};
use blaze_schema::document::document_text;
use blaze_schema::patch::diff;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Limit, Matcher, Query, project};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::pong_text;
use blaze_schema::wire::query::{
    QueryMessage, added_text, changes_text, modified_text, removed_text, replaced_text, targeted,
};
use blaze_schema::write::Operation;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// A document of a result: its path, its version and what is answered of its data.
type Answered = (DocumentPath, u64, Map);

const DOCUMENTS: u8 = 5;

fn path(number: u8) -> DocumentPath {
    DocumentPath::parse(&format!("c/{}", number % DOCUMENTS)).unwrap()
}

#[derive(Default)]
struct Server {
    documents: BTreeMap<String, (u64, Option<Map>)>,
    /// Every state that there was: path, version, data.
    past: Vec<(String, u64, Map)>,
    /// Results that a client may go on from, by number.
    results: Vec<Vec<Answered>>,
    /// Resumes before this one are served by a reset.
    forgotten: usize,
}

impl Server {
    fn write(&mut self, path: &DocumentPath, operation: &Operation) -> Option<u64> {
        let (version, data) = self.documents.entry(path.to_string()).or_default();
        let new = operation.clone().apply(data.as_ref(), Timestamp::from_micros(0)).ok()?;
        if new != *data {
            *version += 1;
            *data = new;
            let past = data.iter().map(|data| (path.to_string(), *version, data.clone()));
            self.past.extend(past);
        }
        Some(*version)
    }

    fn result(&self, query: &Query) -> Vec<Answered> {
        let matcher = Matcher::new(query.clone());
        let exists = |(path, (version, data)): (&String, &(u64, Option<Map>))| {
            Some((DocumentPath::parse(path).unwrap(), *version, data.clone()?))
        };
        let mut found: Vec<Answered> = self
            .documents
            .iter()
            .filter_map(exists)
            .filter(|(path, _, data)| matcher.matches(path, data) && matcher.in_bounds(path, data))
            .collect();
        found.sort_by(|a, b| matcher.compare((&a.0, &a.2), (&b.0, &b.2)));
        match query.limit {
            Some(Limit::First(count)) => found.truncate(count as usize),
            Some(Limit::Last(count)) => {
                drop(found.drain(..found.len().saturating_sub(count as usize)))
            }
            None => {}
        }
        let select = query.select.as_deref();
        found
            .into_iter()
            .map(|(path, version, data)| (path, version, project(&data, select)))
            .collect()
    }
}

/// The changes from one result to another, one document after the other from the first place on.
fn changes(old: &[Answered], new: &[Answered], whole: bool) -> Vec<String> {
    let resource = |(path, version, data): &Answered| {
        let data = Value::Object(data.clone()).to_string();
        document_text(path, *version, "c", "u", Some(&data))
    };
    let mut texts = Vec::new();
    let mut list = old.to_vec();
    for index in (0..list.len()).rev() {
        if !new.iter().any(|(path, ..)| *path == list[index].0) {
            texts.push(removed_text(&list.remove(index).0, index));
        }
    }
    for (index, document) in new.iter().enumerate() {
        let Some(place) = list.iter().position(|(path, ..)| *path == document.0) else {
            list.insert(index, document.clone());
            texts.push(added_text(&document.0, index, &resource(document)));
            continue;
        };
        if place == index && list[place] == *document {
            continue;
        }
        let before = list.remove(place);
        list.insert(index, document.clone());
        let patch = diff(&Value::Object(before.2), &Value::Object(document.2.clone()));
        let patch = serde_json::to_string(&patch).unwrap();
        texts.push(if whole {
            replaced_text(&document.0, place, index, &resource(document))
        } else {
            modified_text(&document.0, place, index, document.1, "u", &patch)
        });
    }
    texts
}

/// A write on its way to the server or back, and those behind it.
#[derive(Default)]
struct Outbox {
    queue: VecDeque<Rc<Operation>>,
    /// The answer to the first: a version, or a refusal.
    answer: Option<Option<u64>>,
}

#[derive(Default)]
struct Socket {
    accepted: bool,
    /// The number of the target and of the result it was last told.
    listed: Option<(u64, usize)>,
    frames: VecDeque<String>,
}

struct World {
    server: Server,
    queries: Queries,
    query: Query,
    /// What the client is to ask the server for.
    text: String,
    /// What it asked.
    asked: Option<Query>,
    socket: Option<Socket>,
    timers: Vec<QueryTimer>,
    outboxes: BTreeMap<DocumentPath, Outbox>,
    increments: BTreeMap<DocumentPath, u64>,
    /// The versions of own writes that were answered.
    answered: BTreeMap<DocumentPath, u64>,
    target: Option<u64>,
    last_target: u64,
    shown: Option<Rows>,
    clock: i64,
    /// Whether every document is in every result, so that rule 3 can be held against each row.
    complete: bool,
}

impl World {
    fn new(query: Value) -> Self {
        let text = Value::Object(asked(query.as_object().unwrap())).to_string();
        let query = Query::from_json(query).unwrap();
        World {
            server: Server::default(),
            queries: Queries::default(),
            complete: query.limit.is_none() && query.filter.is_none() && query.start.is_none(),
            query,
            text,
            asked: None,
            socket: None,
            timers: Vec::new(),
            outboxes: BTreeMap::new(),
            increments: BTreeMap::new(),
            answered: BTreeMap::new(),
            target: None,
            last_target: 0,
            shown: None,
            clock: 0,
        }
    }

    fn tell(&mut self, event: QueryEvent) {
        self.clock += 1_000;
        let random = u128::from(self.clock as u64);
        let effects = self.queries.handle(Timestamp::from_micros(self.clock), random, event);
        for effect in effects {
            match effect {
                QueryEffect::OpenSocket => {
                    assert!(self.socket.is_none(), "a second socket");
                    self.socket = Some(Socket::default());
                }
                QueryEffect::CloseSocket => self.socket = None,
                QueryEffect::Send(text) => self.sent(&text),
                QueryEffect::StartTimer { timer, .. } => {
                    self.timers.retain(|other| *other != timer);
                    self.timers.push(timer);
                }
                QueryEffect::StopTimer(timer) => self.timers.retain(|other| *other != timer),
                QueryEffect::Fail { error, .. } => panic!("{error}"),
                QueryEffect::Changed | QueryEffect::Connection(_) => {}
                other => panic!("{other:?} without a write to send"),
            }
        }
        self.look();
    }

    /// The server takes a frame at once: what is delayed is what it sends.
    fn sent(&mut self, text: &str) {
        let socket = self.socket.as_mut().expect("a frame needs a socket");
        assert!(socket.accepted);
        let frame: Value = serde_json::from_str(text).unwrap();
        if let Some(number) = frame["ping"].as_i64() {
            // The Worker answers 0 by itself; another number passes everything that sends frames.
            if number != 0 {
                self.server_sends(false);
            }
            let socket = self.socket.as_mut().expect("it is there");
            socket.frames.push_back(pong_text(number));
        } else if frame.get("unlisten").is_some() {
            socket.listed = None;
        } else {
            let listen = &frame["listen"];
            let target = listen["target"].as_u64().unwrap();
            let query = Query::from_json(listen["query"].clone()).unwrap();
            let result = self.server.result(&query);
            let resume =
                listen.get("resume").map(|resume| resume.as_str().unwrap().parse().unwrap());
            let number = self.server.results.len();
            let resume = resume.filter(|resume| *resume >= self.server.forgotten);
            let before = resume.map_or(&[][..], |resume: usize| &self.server.results[resume]);
            let texts = changes(before, &result, false);
            let frame = changes_text(resume.is_none(), &texts, &number.to_string());
            socket.frames.push_back(targeted(target, &frame));
            socket.listed = Some((target, number));
            self.server.results.push(result);
            self.asked = Some(query);
        }
    }

    /// The server tells what has changed since it told something last.
    fn server_sends(&mut self, whole: bool) {
        if let (Some(socket), Some(query)) = (&mut self.socket, &self.asked)
            && let Some((target, told)) = &mut socket.listed
        {
            let result = self.server.result(query);
            if self.server.results[*told] != result {
                let texts = changes(&self.server.results[*told], &result, whole);
                *told = self.server.results.len();
                let frame = changes_text(false, &texts, &told.to_string());
                socket.frames.push_back(targeted(*target, &frame));
                self.server.results.push(result);
            }
        }
    }

    fn look(&mut self) {
        let Some(target) = self.target else { return };
        let Some(rows) = self.queries.rows(target) else { return };
        let matcher = Matcher::new(self.query.clone());
        let key = |row: &Rc<Row>| (Rc::clone(&row.path), Rc::clone(&row.full));
        for (a, b) in rows.iter().map(key).zip(rows.iter().skip(1).map(key)) {
            assert!(matcher.compare((&a.0, &a.1), (&b.0, &b.1)).is_lt(), "{rows:#?}");
        }
        for row in rows.iter() {
            assert_eq!(*row.data, project(&row.full, self.query.select.as_deref()));
            let asked = self.asked.as_ref().unwrap().select.as_deref();
            let was = |(path, version, data): &(String, u64, Map)| {
                path == row.path.as_str()
                    && *version == row.version
                    && project(data, asked) == *row.full
            };
            assert!(
                row.pending || self.server.past.iter().any(was),
                "no state of the server: {row:?}"
            );
            let answered = self.answered.get(&row.path).copied().unwrap_or(0);
            assert!(row.pending || row.version >= answered, "behind {answered}: {row:?}");
            let made = self.increments.get(&row.path).copied().unwrap_or(0);
            let own = row.full.get("own").and_then(Value::as_u64).unwrap_or(0);
            assert!(own <= made, "{own} of {made}: {row:?}");
            assert!(!self.complete || own == made, "{own} of {made}: {row:?}");
        }
        self.check_changes(&rows);
        self.shown = Some(rows);
    }

    fn check_changes(&self, rows: &Rows) {
        let before = self.shown.as_ref().map_or(&[][..], |shown| shown);
        let mut list = before.to_vec();
        for change in document_changes(before, rows) {
            if let Some(index) = change.old_index {
                assert_eq!(list.remove(index).path, change.row.path);
            }
            if let Some(index) = change.new_index {
                list.insert(index, Rc::clone(&change.row));
            }
            assert_eq!(change.old_index.is_none(), change.kind == ChangeKind::Added);
        }
        let content = |rows: &[Rc<Row>]| {
            rows.iter().map(|row| (Rc::clone(&row.path), Rc::clone(&row.full))).collect::<Vec<_>>()
        };
        assert_eq!(content(&list), content(rows));
    }

    fn listen(&mut self, listening: bool) {
        if listening == self.target.is_some() {
            return;
        }
        self.shown = None;
        if let Some(target) = self.target.take() {
            self.tell(QueryEvent::Unlisten { target });
            assert!(self.socket.is_none() && self.timers.is_empty(), "{:?}", self.timers);
        } else {
            self.last_target += 1;
            self.target = Some(self.last_target);
            let (query, asked) = (Box::new(self.query.clone()), self.text.clone());
            self.tell(QueryEvent::Listen { target: self.last_target, query, asked });
        }
    }

    fn own_write(&mut self, number: u8, operation: Operation) {
        let (path, operation) = (path(number), Rc::new(operation));
        self.outboxes.entry(path.clone()).or_default().queue.push_back(Rc::clone(&operation));
        self.tell(QueryEvent::Write { path: Rc::new(path), operation });
    }

    fn own_increment(&mut self, number: u8, n: u8) {
        *self.increments.entry(path(number)).or_default() += 1;
        let operation = Operation::update(json!({"own": increment(1), "n": n % 4})).unwrap();
        self.own_write(number, operation);
    }

    fn server_takes(&mut self, number: u8) {
        let path = path(number);
        if let Some(outbox) = self.outboxes.get_mut(&path)
            && let (Some(operation), None) = (outbox.queue.front(), &outbox.answer)
        {
            outbox.answer = Some(self.server.write(&path, operation));
        }
    }

    fn answer_arrives(&mut self, number: u8) {
        let path = path(number);
        if let Some(outbox) = self.outboxes.get_mut(&path)
            && let Some(version) = outbox.answer.take()
        {
            outbox.queue.pop_front();
            if let Some(version) = version {
                self.answered.insert(path.clone(), version);
            }
            self.tell(QueryEvent::Settled { path: Rc::new(path), version });
        }
    }

    fn socket_opens(&mut self) {
        if let Some(socket) = &mut self.socket
            && !socket.accepted
        {
            socket.accepted = true;
            self.tell(QueryEvent::Opened);
        }
    }

    fn frame_arrives(&mut self) {
        let frame = self.socket.as_mut().and_then(|socket| socket.frames.pop_front());
        if let Some(frame) = frame {
            let frame = serde_json::from_str(&frame).unwrap();
            self.tell(QueryEvent::Received(QueryMessage::from_json(frame)));
        }
    }

    fn socket_breaks(&mut self) {
        if self.socket.is_some() {
            self.tell(QueryEvent::Closed(None));
            assert!(self.socket.is_none());
        }
    }

    fn timer_runs_out(&mut self, choice: u8) {
        let Some(timer) = self.timers.get(usize::from(choice) % 2).copied() else { return };
        self.timers.retain(|other| *other != timer);
        self.tell(QueryEvent::Timer(timer));
    }

    fn everything_arrives(&mut self) {
        self.server_sends(false);
        while self.socket.as_ref().is_some_and(|socket| !socket.frames.is_empty()) {
            self.frame_arrives();
        }
    }

    fn step(&mut self, step: u8, choice: u8) {
        match step {
            0 | 1 => self.socket_opens(),
            2..=6 => self.frame_arrives(),
            7..=10 => self.server_sends(choice.is_multiple_of(2)),
            11..=13 => self.server_takes(choice),
            14..=16 => self.answer_arrives(choice),
            17 if choice < 128 => self.socket_breaks(),
            18 | 19 => self.timer_runs_out(choice),
            20 if choice < 64 => self.server.forgotten = self.server.results.len(),
            21 => self.tell(QueryEvent::Online),
            _ => {}
        }
    }

    fn check_end(mut self) {
        self.listen(true);
        // Nobody can see that the last frame is missing.
        self.socket_breaks();
        for _ in 0..100 {
            for number in 0..DOCUMENTS {
                self.server_takes(number);
                self.answer_arrives(number);
            }
            self.socket_opens();
            self.everything_arrives();
            if self.socket.is_none() {
                self.timers.retain(|other| *other != QueryTimer::Socket);
                self.tell(QueryEvent::Timer(QueryTimer::Socket));
            }
        }
        while self.timers.contains(&QueryTimer::Ping) {
            self.timers.retain(|other| *other != QueryTimer::Ping);
            self.tell(QueryEvent::Timer(QueryTimer::Ping));
            self.everything_arrives();
        }
        let shown = self.shown.as_ref().expect("listeners saw something");
        assert!(shown.iter().all(|row| !row.pending), "{shown:#?}");
        let answered = |row: &Rc<Row>| ((*row.path).clone(), row.version, (*row.full).clone());
        let shown: Vec<Answered> = shown.iter().map(answered).collect();
        assert_eq!(shown, self.server.result(self.asked.as_ref().unwrap()));
    }
}

fn queries() -> impl Strategy<Value = Value> {
    let by_n = json!([{"field": "n"}]);
    let filter = json!({"field": "n", "op": ">=", "value": 2});
    prop::sample::select(vec![
        json!({"from": "c"}),
        json!({"from": {"group": "c"}, "orderBy": [{"field": "n", "direction": "desc"}]}),
        json!({"from": "c", "where": filter, "limit": 2}),
        json!({"from": "c", "orderBy": by_n, "limitToLast": 2}),
        json!({"from": "c", "where": filter, "select": ["own"]}),
        json!({"from": "c", "orderBy": by_n, "startAfter": [0], "endAt": [2]}),
    ])
}

fn operation(choice: u8) -> Operation {
    let n = choice / 8 % 4;
    let operation = match choice % 8 {
        0 => Operation::set(json!({"n": n, "set": choice})),
        1 => Operation::merge(json!({"n": n, "merged": {"$increment": 1}})),
        2 => Operation::create(json!({"n": n, "created": choice})),
        3 => Ok(Operation::Delete),
        4 => Operation::set(json!({"no": n})),
        5 => Operation::patch(json!([{"op": "replace", "path": "/n", "value": n}])),
        _ => Operation::update(json!({"n": n, "updated": {"$increment": 1}})),
    };
    operation.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn own_increments_are_shown_at_once_and_never_twice(
        query in queries(),
        steps in prop::collection::vec((0_u8..32, any::<u8>(), any::<u8>()), 0..200),
    ) {
        let mut world = World::new(query);
        for number in 0..DOCUMENTS {
            let operation = Operation::set(json!({"own": 0, "others": 0, "n": number})).unwrap();
            world.server.write(&path(number), &operation);
        }
        world.listen(true);
        world.socket_opens();
        world.everything_arrives();
        for (step, choice, n) in steps {
            match step {
                24..=27 => world.own_increment(choice, n),
                28..=31 => {
                    let others = json!({"others": increment(1), "n": n % 4});
                    world.server.write(&path(choice), &Operation::update(others).unwrap());
                }
                step => world.step(step, choice),
            }
        }
        world.check_end();
    }

    #[test]
    fn what_is_shown_without_pending_writes_was_a_state_of_the_server(
        query in queries(),
        steps in prop::collection::vec((0_u8..32, any::<u8>(), any::<u8>()), 0..200),
    ) {
        let mut world = World::new(query);
        world.complete = false;
        for (step, choice, number) in steps {
            match step {
                23 => world.listen(!choice.is_multiple_of(4)),
                24..=27 => world.own_write(number, operation(choice)),
                28..=31 => {
                    world.server.write(&path(number), &operation(choice));
                }
                step => world.step(step, choice),
            }
        }
        world.check_end();
    }
}
