//! A write, and what may go wrong at every boundary of it: between any two effects and any two messages something dies,
//! is lost, is not heard of in time, or has a full disk. Afterwards alarms ring, and then the indexes have what the
//! document has.
//!
//! `BLAZE_CRASHES=all cargo test --release -p blaze-tests --test crash` lets every two things go wrong, not only some.

use blaze_engine::document::{Answer, Document, Effect, Event};
use blaze_engine::http::document_request;
use blaze_engine::http::query_request::{Question, event as question_event};
use blaze_engine::http::{Headers, Request};
use blaze_engine::index::settings::Collections;
use blaze_engine::index::{Effect as IndexEffect, Event as IndexEvent, Index, shard};
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::ServerMessage;
use blaze_store::memory::MemoryStore;
use blaze_tests::disk::Disk;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

const PATH: &str = "c/x";
/// The document's shard of its collection, and of its group.
const INDEXES: usize = 2;
/// How often an index is told before it is given up; the shell does it some times more.
const ATTEMPTS: usize = 3;
const COLLECTIONS: &str =
    r#"{"c":{"shards":2,"group":true,"indexes":[["a","-n"],["tags[]","a"]],"exempt":["secret"]}}"#;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// The document's object dies.
    Document,
    /// An index's object dies.
    Index(usize),
    /// All objects die.
    All,
    /// What is on its way is lost.
    Loss,
    /// Nothing is heard of it for so long that nobody waits any more, and then the document's memory is lost.
    Silence,
    /// An index's disk is full, until alarms have rung.
    Full(usize),
    /// The document's disk is full, for one step.
    DocumentFull,
}

const BLOWS: [Blow; 9] = [
    Blow::Document,
    Blow::Index(0),
    Blow::Index(1),
    Blow::All,
    Blow::Loss,
    Blow::Silence,
    Blow::Full(0),
    Blow::Full(1),
    Blow::DocumentFull,
];

/// A boundary was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    Yes,
    /// What was to pass did not.
    Lost,
    /// It may yet; nobody knows.
    Silent,
}

/// The document's object died in the middle of something.
#[derive(Debug)]
struct Died;

/// What came of telling the indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    GivenUp,
    Late,
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Keyed,
    Unkeyed,
    Socket,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    /// What was written before, method and body each.
    before: &'static [(&'static str, &'static str)],
    method: &'static str,
    body: &'static str,
    way: Way,
}

struct Sent(Option<&'static str>, &'static str);

impl Headers for Sent {
    fn get(&self, name: &str) -> Option<String> {
        match name {
            "idempotency-key" => self.0.map(str::to_owned),
            "content-type" if self.1 != "DELETE" => Some("application/json".to_owned()),
            "if-none-match" if self.1 == "CREATE" => Some("*".to_owned()),
            _ => None,
        }
    }
}

/// The event of a request; `CREATE` is a `PUT` of what must not be there.
fn request(method: &'static str, body: &str, key: Option<&'static str>) -> Event {
    let headers = Sent(key, method);
    let method = if method == "CREATE" { "PUT" } else { method };
    let request = Request { method, path: "/v1/docs/c/x", query: "", headers: &headers };
    document_request::event(&request, body.as_bytes()).unwrap()
}

impl Case {
    fn event(&self) -> Event {
        let key = (self.way == Way::Keyed).then_some("k");
        if self.way != Way::Socket {
            return request(self.method, self.body, key);
        }
        let kind = match self.method {
            "CREATE" => "create",
            "PUT" => "set",
            "PATCH" => "update",
            _ => "delete",
        };
        let mut write = json!({"id": "w", kind: PATH});
        if kind != "delete" {
            write["data"] = serde_json::from_str(self.body).unwrap();
        }
        Event::Message { text: json!({ "write": write }).to_string() }
    }
}

/// An index's object.
struct IndexSide {
    name: String,
    /// `None` without memory.
    index: Option<Index>,
    disk: Disk,
}

/// A run of a case in which some things go wrong, each at the boundary of its number.
struct Run {
    collections: Collections,
    plan: Vec<(usize, Blow)>,
    /// The boundaries that were met.
    met: Vec<&'static str>,
    counts: bool,
    now: i64,
    document: Document,
    disk: Disk,
    has_alarm: bool,
    indexes: Vec<IndexSide>,
    /// All that was ever sent to an index.
    sent: Vec<(usize, Vec<u8>)>,
    /// What the document answered, whether or not it reached anybody.
    answers: Vec<Answer>,
}

impl Run {
    fn new(case: &Case, plan: &[(usize, Blow)]) -> Self {
        let collections = Collections::parse(COLLECTIONS).unwrap();
        let path = DocumentPath::parse(PATH).unwrap();
        let names = shard::of_document(&path, &collections);
        assert_eq!(names.len(), INDEXES);
        let side = |name| IndexSide { name, index: None, disk: Disk::default() };
        let mut run = Run {
            document: Document::new(path).under(collections.of("c")),
            collections,
            plan: plan.to_vec(),
            met: Vec::new(),
            counts: false,
            now: 1_795_255_200_000_000,
            disk: Disk::default(),
            has_alarm: false,
            indexes: names.into_iter().map(side).collect(),
            sent: Vec::new(),
            answers: Vec::new(),
        };
        for (method, body) in case.before {
            run.attempt(request(method, body, None)).unwrap();
        }
        run.ring().unwrap();
        assert!(!run.has_alarm && run.differences().is_empty(), "what comes before goes well");
        // What follows happens to objects that have memory.
        run.attempt(request("GET", "", None)).unwrap();
        run.answers.clear();
        run.counts = true;
        run
    }

    /// A boundary, between two things that happen. `about` is the index that they happen with.
    fn pass(&mut self, what: &'static str, about: Option<usize>) -> Result<Passed, Died> {
        if !self.counts {
            return Ok(Passed::Yes);
        }
        let number = self.met.len();
        self.met.push(what);
        let blows: Vec<Blow> =
            self.plan.iter().filter(|(at, _)| *at == number).map(|(_, blow)| *blow).collect();
        let (mut passed, mut died) = (Passed::Yes, false);
        for blow in blows {
            match blow {
                Blow::Document => died = true,
                Blow::All => {
                    self.indexes.iter_mut().for_each(|side| side.index = None);
                    died = true;
                }
                Blow::Index(number) => {
                    self.indexes[number].index = None;
                    if about == Some(number) {
                        passed = Passed::Lost;
                    }
                }
                Blow::Loss => passed = Passed::Lost,
                Blow::Silence if about.is_some() => passed = Passed::Silent,
                Blow::Silence => {}
                Blow::Full(number) => self.indexes[number].disk.full = true,
                Blow::DocumentFull => self.disk.full = true,
            }
        }
        if died {
            self.forget();
            return Err(Died);
        }
        Ok(passed)
    }

    /// The document's memory is gone.
    fn forget(&mut self) {
        let path = self.document.path().clone();
        self.document = Document::new(path).under(self.collections.of("c"));
    }

    fn time(&mut self) -> Timestamp {
        self.now += 1_000_000;
        Timestamp::from_micros(self.now)
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        let now = self.time();
        let effects = self.document.handle(&mut self.disk, now, now.micros() as u128, event);
        self.disk.full = false;
        // It is part of the commit.
        self.has_alarm |= effects.iter().any(|effect| matches!(effect, Effect::SetAlarm(_)));
        effects
    }

    /// One event of the document with all that follows. The answer that is given: none before the indexes have the state
    /// that it tells of.
    fn attempt(&mut self, event: Event) -> Result<Option<Answer>, Died> {
        self.pass("before the step", None)?;
        let effects = self.step(event);
        self.answers.extend(effects.iter().find_map(answer));
        let (mut told, mut given) = (Told::Done, None);
        for effect in effects {
            self.pass("between two effects", None)?;
            match effect {
                Effect::Index { version, row } => told = self.tell(version, row)?,
                effect => given = given.or_else(|| answer(&effect)),
            }
        }
        let passed = self.pass("the answer on its way", None)?;
        if told == Told::Late {
            self.forget();
        }
        Ok(given.filter(|_| passed == Passed::Yes && told == Told::Done))
    }

    fn tell(&mut self, version: u64, row: String) -> Result<Told, Died> {
        let row = row.into_bytes();
        let mut told = Told::Done;
        for place in 0..INDEXES {
            match self.tell_one(place, &row)? {
                Told::Done => {}
                Told::GivenUp if told == Told::Late => {}
                worse => told = worse,
            }
        }
        if told != Told::Late {
            self.pass("before the document hears", None)?;
            self.step(Event::Indexed { version, done: told == Told::Done });
            self.pass("the document has heard", None)?;
        }
        Ok(told)
    }

    fn tell_one(&mut self, place: usize, row: &[u8]) -> Result<Told, Died> {
        for _ in 0..ATTEMPTS {
            self.sent.push((place, row.to_vec()));
            match self.pass("on its way to an index", Some(place))? {
                Passed::Yes => {}
                Passed::Lost => continue,
                Passed::Silent => return Ok(Told::Late),
            }
            match self.pass("at the index, not stored", Some(place))? {
                Passed::Yes => {}
                _ => continue,
            }
            let done = self.update(place, row);
            match self.pass("stored, not confirmed", Some(place))? {
                Passed::Yes if done => {}
                _ => continue,
            }
            match self.pass("on its way from an index", Some(place))? {
                Passed::Yes => return Ok(Told::Done),
                Passed::Lost => {}
                Passed::Silent => return Ok(Told::Late),
            }
        }
        Ok(Told::GivenUp)
    }

    fn index_event(&mut self, place: usize, event: IndexEvent) -> Option<String> {
        let now = self.time();
        let side = &mut self.indexes[place];
        let index = side.index.get_or_insert_with(|| {
            let (source, settings) = shard::by_name(&side.name, &self.collections).unwrap();
            Index::new(source, settings)
        });
        let effects = index.handle(&mut side.disk, now, 7, event);
        effects.into_iter().find_map(|effect| match effect {
            IndexEffect::Answer(answer) => answer.ok(),
            _ => None,
        })
    }

    fn update(&mut self, place: usize, row: &[u8]) -> bool {
        self.index_event(place, IndexEvent::Update { row: row.to_vec() }).is_some()
    }

    /// The alarm rings, if it is set, until its handler has ended.
    fn ring(&mut self) -> Result<(), Died> {
        if !self.has_alarm {
            return Ok(());
        }
        self.pass("before the alarm's step", None)?;
        // It stays until its handler has ended, and longer if that sets another one.
        self.has_alarm = false;
        let told = self.handle_alarm();
        self.has_alarm |= told.is_err();
        if told? == Told::Late {
            self.forget();
        }
        Ok(())
    }

    fn handle_alarm(&mut self) -> Result<Told, Died> {
        let mut told = Told::Done;
        for effect in self.step(Event::Alarm) {
            self.pass("between two effects of the alarm", None)?;
            if let Effect::Index { version, row } = effect {
                told = self.tell(version, row)?;
            }
        }
        self.pass("before the alarm's handler ends", None)?;
        Ok(told)
    }

    /// The client and the alarms go on until nothing is left to do. Whether the client was answered.
    fn finish(&mut self, case: &Case) -> bool {
        let mut given = self.attempt(case.event());
        let mut repeated = 0;
        self.read();
        while case.way == Way::Keyed && !matches!(given, Ok(Some(_))) && repeated < 4 {
            self.check_promise(given);
            given = self.attempt(case.event());
            repeated += 1;
        }
        let mut answered = matches!(given, Ok(Some(_)));
        self.check_promise(given);
        for rings in 0..12 {
            if rings == 2 {
                self.indexes.iter_mut().for_each(|side| side.disk.full = false);
            }
            // One that dies rings again.
            let _ = self.ring();
            self.read();
        }
        // A disk was full until now.
        while case.way == Way::Keyed && !answered && repeated < 8 {
            repeated += 1;
            let given = self.attempt(case.event());
            answered = matches!(given, Ok(Some(_)));
            self.check_promise(given);
            let _ = self.ring();
        }
        assert!(!self.has_alarm, "alarms that ring for ever");
        answered
    }

    /// Reads the document. The state that is shown is in every query.
    fn read(&mut self) {
        let counts = std::mem::replace(&mut self.counts, false);
        let answers = self.answers.len();
        let given = self.attempt(request("GET", "", None));
        self.answers.truncate(answers);
        self.check_promise(given);
        self.counts = counts;
    }

    /// Asserts that every query has the state that was answered.
    fn check_promise(&mut self, given: Result<Option<Answer>, Died>) {
        let Ok(Some(
            Answer::Written { version, .. }
            | Answer::Deleted { version }
            | Answer::Found { version, .. }
            | Answer::Missing { version },
        )) = given
        else {
            return;
        };
        let row = self.row().map(|row| row.split_once('\n').unwrap().1.to_owned());
        let row: Value = row.map_or(Value::Null, |row| serde_json::from_str(&row).unwrap());
        let there = row.get("data").is_some();
        for from in [json!("c"), json!({"group": "c"})] {
            let documents = self.ask(&json!({ "from": from }));
            assert_eq!(documents.len(), usize::from(there), "version {version}: {documents:?}");
            assert!(documents.iter().all(|document| *document == row), "{documents:?}");
        }
    }

    fn ask(&mut self, query: &Value) -> Vec<Value> {
        let question = Question::query(query.to_string().as_bytes()).unwrap();
        let ask = question.ask(&self.collections).unwrap();
        let parts: Vec<String> = ask
            .objects
            .iter()
            .map(|name| {
                let event = question_event(&ask.body).unwrap();
                match self.indexes.iter().position(|side| side.name == *name) {
                    Some(place) => self.index_event(place, event).unwrap(),
                    // The other shard is empty.
                    None => empty(name, &self.collections, event),
                }
            })
            .collect();
        let answer = question.answer(&parts, Timestamp::from_micros(0)).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()["documents"].as_array().unwrap().clone()
    }

    /// What the indexes are to have, asked of an object without memory.
    fn row(&self) -> Option<String> {
        let mut rows = self.disk.rows.clone();
        let mut document = Document::new(self.document.path().clone());
        let effects = document.handle(&mut rows, Timestamp::MIN, 0, Event::Alarm);
        effects.into_iter().find_map(|effect| match effect {
            Effect::Index { row, .. } => Some(row),
            _ => None,
        })
    }

    /// Where the indexes' rows are not those of a new index that is told what the document is.
    fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        for side in &self.indexes {
            let (source, settings) = shard::by_name(&side.name, &self.collections).unwrap();
            let (mut fresh, mut rows) = (Index::new(source, settings), MemoryStore::default());
            if let Some(row) = self.row() {
                let event = IndexEvent::Update { row: row.into_bytes() };
                fresh.handle(&mut rows, Timestamp::from_micros(self.now), 0, event);
            }
            let (there, wanted) = (side.disk.rows.contents(), rows.contents());
            let keys: BTreeSet<_> = there.keys().chain(wanted.keys()).collect();
            let other = keys.into_iter().filter(|key| there.get(*key) != wanted.get(*key));
            differences.extend(other.map(|key| format!("{}: {}", side.name, key.escape_ascii())));
        }
        differences
    }
}

fn empty(name: &str, collections: &Collections, event: IndexEvent) -> String {
    let (source, settings) = shard::by_name(name, collections).unwrap();
    let mut index = Index::new(source, settings);
    match index.handle(&mut MemoryStore::default(), Timestamp::MIN, 0, event).pop() {
        Some(IndexEffect::Answer(Ok(answer))) => answer,
        effect => panic!("{effect:?}"),
    }
}

/// What an effect answers.
fn answer(effect: &Effect) -> Option<Answer> {
    match effect {
        Effect::Answer(answer) => Some(answer.clone()),
        Effect::Send(text) => match ServerMessage::parse(text).unwrap() {
            ServerMessage::Written { result: Ok(version), .. } => {
                Some(Answer::Written { created: false, version, body: String::new() })
            }
            ServerMessage::Written { result: Err(error), .. } => Some(Answer::Refused(error)),
            other => panic!("{other:?}"),
        },
        _ => None,
    }
}

/// Runs a case with these blows; how many boundaries it met.
fn check(case: &Case, plan: &[(usize, Blow)]) -> Vec<&'static str> {
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let mut run = Run::new(case, plan);
        let before = run.version();
        let answered = run.finish(case);
        assert_eq!(run.differences(), Vec::<String>::new(), "when all is quiet");
        // Whatever is still on its way changes nothing any more.
        for (place, row) in run.sent.clone().into_iter().rev() {
            assert!(run.update(place, &row));
        }
        assert_eq!(run.differences(), Vec::<String>::new(), "after what came late");
        run.check_outcome(case, before, answered);
        run.met
    }));
    checked.unwrap_or_else(|panic| {
        eprintln!("\n{case:?}\n{plan:?}\n");
        resume_unwind(panic)
    })
}

impl Run {
    fn version(&self) -> u64 {
        let row = self.row().map_or(Value::Null, |row| {
            serde_json::from_str(row.split_once('\n').unwrap().1).unwrap()
        });
        row["version"].as_u64().unwrap_or(0)
    }

    /// The write was done once, or not at all where nobody was told that it was.
    fn check_outcome(&self, case: &Case, before: u64, answered: bool) {
        let is_fault =
            |answer: &Answer| matches!(answer, Answer::Refused(error) if error.status == 500);
        let answers: Vec<&Answer> = self.answers.iter().filter(|one| !is_fault(one)).collect();
        if case.way == Way::Keyed {
            assert!(answered, "a request that is repeated is answered");
            assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
        }
        assert!(answers.len() <= 1 || case.way == Way::Keyed);
        let made = self.version() - before;
        let version = answers.first().and_then(|answer| match answer {
            Answer::Written { version, .. } | Answer::Deleted { version } => Some(*version),
            _ => None,
        });
        assert!(made <= 1, "{made} versions made by one write");
        assert_eq!(version.unwrap_or(before), self.version(), "{answers:?}");
    }
}

const THERE: &[(&str, &str)] = &[("PUT", r#"{"a":1,"n":2,"tags":["x","y"],"secret":0}"#)];
const GONE: &[(&str, &str)] =
    &[("PUT", r#"{"a":1,"n":2,"tags":["x","y"],"secret":0}"#), ("DELETE", "")];

/// Every write, in every way.
fn cases() -> Vec<Case> {
    let new = r#"{"a":1,"n":3,"tags":["y","z"]}"#;
    /// What was done before, and the write: its method and its body.
    type Write<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let writes: [Write<'_>; 8] = [
        (&[], "CREATE", new),
        (&[], "DELETE", ""),
        (THERE, "PATCH", r#"{"a":2,"tags":[]}"#),
        (THERE, "DELETE", ""),
        (GONE, "PUT", new),
        (GONE, "DELETE", ""),
        // Nothing changes, and nothing is done.
        (THERE, "PATCH", r#"{"a":1}"#),
        (THERE, "CREATE", new),
    ];
    let ways = [Way::Keyed, Way::Unkeyed, Way::Socket];
    let every = writes.iter().flat_map(|write| ways.map(|way| (write, way)));
    every.map(|(&(before, method, body), way)| Case { before, method, body, way }).collect()
}

#[test]
fn whatever_goes_wrong_at_any_boundary_the_indexes_come_to_have_what_the_document_has() {
    let (mut runs, mut met) = (0, BTreeSet::new());
    for case in cases() {
        let boundaries = check(&case, &[]);
        met.extend(boundaries.iter().copied());
        for at in 0..boundaries.len() {
            for blow in BLOWS {
                met.extend(check(&case, &[(at, blow)]));
                runs += 1;
            }
        }
    }
    println!("{runs} runs over {met:#?}");
    assert_eq!(met.len(), 12);
    assert!(runs > 2_000, "{runs}");
}

#[test]
fn two_things_that_go_wrong_do_no_more() {
    let all = std::env::var("BLAZE_CRASHES").is_ok_and(|crashes| crashes == "all");
    let second = [Blow::Document, Blow::Loss, Blow::Silence];
    let (mut runs, mut number) = (0, 0_usize);
    for case in cases() {
        let boundaries = check(&case, &[]).len();
        for at in 0..boundaries {
            for blow in BLOWS {
                let met = check(&case, &[(at, blow)]).len();
                for (later, then) in
                    (at + 1..met).flat_map(|later| second.map(|then| (later, then)))
                {
                    number += 1;
                    // A prime, so that every kind of boundary and blow comes up.
                    if all || number % STRIDE == 0 {
                        check(&case, &[(at, blow), (later, then)]);
                        runs += 1;
                    }
                }
            }
        }
    }
    println!("{runs} runs");
}

/// One in so many pairs is tried.
const STRIDE: usize = 13;
