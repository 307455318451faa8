//! Groups that are declared late, over objects that lose their memory, their calls and their answers.

use super::joining::{Pull, Pulled, State};
use super::object::{JOIN, Object, Reaction};
use super::settings::Collections;
use super::{Effect, Event, registry, row, shard};
use blaze_schema::document::document_text;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{JOINING_BYTES, JOINING_DOCUMENTS, REGISTRIES};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, Source};
use blaze_schema::timestamp::Timestamp;
use blaze_store::Store;
use blaze_store::memory::MemoryStore;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One object, its rows, and whether its alarm is set.
#[derive(Default)]
struct Place {
    object: Option<Object>,
    store: MemoryStore,
    alarm: bool,
}

/// All index objects, and the documents that they were told of.
struct World {
    collections: Collections,
    places: BTreeMap<String, Place>,
    versions: BTreeMap<String, u64>,
    there: BTreeSet<String>,
    /// Number of calls that are answered before one is lost; `None` if none is lost.
    until_lost: Option<usize>,
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_795_255_200_000_000)
}

fn lost() -> Error {
    Error::new(Code::Unavailable, "the call was lost")
}

impl World {
    fn new(collections: &Value) -> Self {
        World {
            collections: Collections::parse(&collections.to_string()).unwrap(),
            places: BTreeMap::new(),
            versions: BTreeMap::new(),
            there: BTreeSet::new(),
            until_lost: None,
        }
    }

    /// Deploys other settings: everything starts anew.
    fn deploy(&mut self, collections: &Value) {
        self.collections = Collections::parse(&collections.to_string()).unwrap();
        self.forget();
    }

    fn forget(&mut self) {
        for place in self.places.values_mut() {
            place.object = None;
        }
    }

    fn place(&mut self, name: &str) -> &mut Place {
        let place = self.places.entry(name.to_owned()).or_default();
        if place.object.is_none() && !registry::is_registry(name) {
            place.object = Some(Object::new(name, &self.collections).unwrap());
        }
        place
    }

    fn is_lost(&mut self) -> bool {
        match &mut self.until_lost {
            None => false,
            Some(0) => {
                self.until_lost = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    /// Settles a step as the object does: repeats it until it lacks nothing.
    fn settle<T>(
        &mut self,
        name: &str,
        step: impl Fn(&mut Object, &mut MemoryStore) -> Result<(T, Reaction), Error>,
    ) -> Result<(T, Vec<Effect>), Error> {
        for _ in 0..8 {
            let place = self.place(name);
            let (value, Reaction { effects, calls, erase }) =
                step(place.object.as_mut().unwrap(), &mut place.store)?;
            if erase {
                *place = Place::default();
            }
            place.alarm |= effects.iter().any(|effect| matches!(effect, Effect::SetAlarm(_)));
            if calls.is_empty() {
                return Ok((value, effects));
            }
            self.call(name, &calls)?;
        }
        panic!("{name} asks for ever more");
    }

    fn call(&mut self, name: &str, calls: &[(String, String)]) -> Result<(), Error> {
        let answers = calls.iter().map(|(object, message)| self.tell(object, message));
        let answers: Vec<String> = answers.collect::<Result<_, _>>()?;
        if self.is_lost() {
            return Err(lost());
        }
        let place = self.place(name);
        let object = place.object.as_mut().unwrap();
        let effects = object.told(&mut place.store, now(), 0, calls, Some(&answers))?;
        place.alarm |= effects.iter().any(|effect| matches!(effect, Effect::SetAlarm(_)));
        Ok(())
    }

    fn tell(&mut self, name: &str, message: &str) -> Result<String, Error> {
        if self.is_lost() {
            return Err(lost());
        }
        if registry::is_registry(name) {
            return registry::answer(&mut self.place(name).store, message);
        }
        Ok(self.settle(name, |object, store| object.asked(store, now(), message))?.0)
    }

    fn step(&mut self, name: &str, event: &Event) -> Result<Vec<Effect>, Error> {
        let step = |object: &mut Object, store: &mut MemoryStore| {
            Ok(((), object.handle(store, now(), 0, event.clone())))
        };
        self.settle(name, step).map(|((), effects)| effects)
    }

    /// Writes a document, or deletes it; tells its indexes until they acknowledge the change.
    fn write(&mut self, path: &str, is_there: bool) {
        let version = self.versions.entry(path.to_owned()).or_default();
        *version += 1;
        let data = is_there.then(|| format!(r#"{{"version":{version}}}"#));
        let path = DocumentPath::parse(path).unwrap();
        let time = now().to_string();
        let text = document_text(&path, *version, &time, &time, data.as_deref());
        let event = Event::Update { row: row::of("e", &text).into_bytes() };
        for name in shard::of_document(&path, &self.collections) {
            loop {
                match self.step(&name, &event) {
                    Ok(effects) => {
                        assert!(effects.contains(&Effect::Answer(Ok(String::new()))));
                        break;
                    }
                    Err(error) => assert_eq!(error, lost()),
                }
            }
        }
        let path = path.as_str().to_owned();
        if is_there {
            self.there.insert(path)
        } else {
            self.there.remove(&path)
        };
    }

    fn group(&self, id: &str) -> Vec<String> {
        shard::of_source(&Source::Group(id.to_owned()), &self.collections).unwrap()
    }

    /// Returns the paths that a query of the group finds.
    fn query(&mut self, id: &str) -> Result<BTreeSet<String>, Error> {
        let query = Query::from_json(json!({"from": {"group": id}})).unwrap();
        let mut found = BTreeSet::new();
        for name in self.group(id) {
            let event = Event::Query { query: query.clone(), is_shard: false };
            let mut effects = self.step(&name, &event)?;
            let Some(Effect::Answer(answer)) = effects.pop() else { panic!("{effects:?}") };
            let page: Value = serde_json::from_str(&answer?).unwrap();
            assert_eq!(page.get("nextPageToken"), None);
            for document in page["documents"].as_array().unwrap() {
                let path = document["path"].as_str().unwrap();
                assert_eq!(document["data"]["version"], self.versions[path], "{path}");
                found.insert(path.to_owned());
            }
        }
        Ok(found)
    }

    /// Rings every alarm that is set, once.
    fn ring(&mut self) -> bool {
        let set = |(name, place): (&String, &Place)| place.alarm.then(|| name.clone());
        let names: Vec<String> = self.places.iter().filter_map(set).collect();
        for name in &names {
            let place = self.place(name);
            place.alarm = false;
            let object = place.object.as_mut().unwrap();
            let reaction = object.handle(&mut place.store, now(), 0, Event::Alarm);
            place.alarm |=
                reaction.effects.iter().any(|effect| matches!(effect, Effect::SetAlarm(_)));
            if !reaction.calls.is_empty() && self.call(name, &reaction.calls).is_err() {
                let place = self.place(name);
                let object = place.object.as_mut().unwrap();
                let effects =
                    object.told(&mut place.store, now(), 0, &reaction.calls, None).unwrap();
                place.alarm |= !effects.is_empty();
            }
        }
        !names.is_empty()
    }

    fn of_group(&self, id: &str) -> BTreeSet<String> {
        let is_in = |path: &&String| path.split('/').rev().nth(1) == Some(id);
        self.there.iter().filter(is_in).cloned().collect()
    }
}

fn refusal(answer: Result<BTreeSet<String>, Error>) -> String {
    let error = answer.unwrap_err();
    assert_eq!((error.code, error.status), (Code::FailedPrecondition, 409), "{error}");
    error.detail
}

/// Makes a world of 500 documents in five collections, and some in others.
fn filled() -> World {
    let mut world = World::new(&json!({}));
    for number in 0..500 {
        world.write(&format!("rooms/{}/m/{number:03}", number % 5), true);
    }
    for other in ["rooms/1", "m/x/n/y", "rooms/1/mm/x", "m/x"] {
        world.write(other, true);
    }
    world
}

#[test]
fn a_group_that_is_declared_late_answers_when_all_documents_have_joined() {
    for shards in [1, 3] {
        let mut world = filled();
        let group = json!({"m": {"group": true}, "n": {"group": true}});
        world.deploy(&group);
        if shards > 1 {
            // Only the shards of a group can be other ones: those of the collections stay as they were.
            world = World::new(&json!({"m": {"shards": shards}}));
            for number in 0..500 {
                world.write(&format!("rooms/{}/m/{number:03}", number % 5), true);
            }
            world.deploy(&json!({"m": {"shards": shards, "group": true}}));
        }
        let detail = refusal(world.query("m"));
        assert!(detail.contains("blaze group m") && detail.contains("\"m\""), "{detail}");
        // What is written meanwhile is there at once, and nothing is answered yet.
        world.write("rooms/1/m/001", true);
        world.write("rooms/2/m/002", false);
        world.write("late/1/m/new", true);
        let mut last = 0;
        while world.ring() {
            let states = world.group("m").into_iter().map(|name| {
                let state = world.tell(&name, JOIN).unwrap();
                serde_json::from_str::<State>(&state).unwrap()
            });
            let states: Vec<State> = states.collect();
            if states.iter().any(|state| !state.whole) {
                refusal(world.query("m"));
                let joined = states.iter().map(|state| state.documents).sum();
                assert!(shards > 1 || joined >= last, "{joined} after {last}");
                last = joined;
            }
            world.forget();
        }
        assert_eq!(world.query("m"), Ok(world.of_group("m")));
        assert!(world.query("m").unwrap().len() >= 500);
        world.write("rooms/1/m/001", false);
        world.write("else/1/m/1", true);
        assert_eq!(world.query("m"), Ok(world.of_group("m")));
    }
}

/// Pulls a page from a collection's index of `count` documents, each a little larger than `bytes`. Returns the number
/// of documents, and whether there are more.
fn page_of(count: usize, bytes: usize) -> (usize, bool) {
    let mut world = World::new(&json!({"m": {"group": true}}));
    for number in 0..count {
        let document = DocumentPath::parse(&format!("r/1/m/{number:06}")).unwrap();
        let (time, data) = (now().to_string(), json!({"x": "x".repeat(bytes)}).to_string());
        let text = document_text(&document, 1, &time, &time, Some(&data));
        let event = Event::Update { row: row::of("e", &text).into_bytes() };
        world.step("c/0/r/1/m", &event).unwrap();
    }
    let pull = serde_json::to_string(&Pull { shard: 0, shards: 1, after: String::new() }).unwrap();
    let pulled: Pulled = serde_json::from_str(&world.tell("c/0/r/1/m", &pull).unwrap()).unwrap();
    (pulled.rows.len(), pulled.after.is_some())
}

#[test]
fn so_many_documents_and_bytes_join_at_a_time() {
    assert_eq!(page_of(JOINING_DOCUMENTS - 1, 0), (JOINING_DOCUMENTS - 1, false));
    assert_eq!(page_of(JOINING_DOCUMENTS + 1, 0), (JOINING_DOCUMENTS, true));
    // 16 are read at once; the rest is left for the next page.
    assert_eq!(page_of(20, JOINING_BYTES / 16), (16, true));
    assert_eq!(page_of(20, JOINING_BYTES / 20), (20, false));
}

#[test]
fn a_few_registries_share_the_ids() {
    let names: BTreeSet<String> = (0..500).map(|id| registry::object(&id.to_string())).collect();
    assert_eq!(names.len(), REGISTRIES as usize);
    assert!(names.iter().all(|name| registry::is_registry(name)));
}

#[test]
fn a_group_that_was_always_declared_answers_at_once() {
    let mut world = World::new(&json!({"m": {"group": true}}));
    assert_eq!(world.query("m"), Ok(BTreeSet::new()));
    let written: u64 = world.places.values().map(|place| place.store.rows_written()).sum();
    assert_eq!(written, 0, "a read writes nothing");
    for number in 0..20 {
        world.write(&format!("rooms/{number}/m/x"), true);
        world.forget();
        assert_eq!(world.query("m"), Ok(world.of_group("m")));
    }
    assert!(!world.ring());
}

#[test]
fn a_registration_is_once_for_a_collection() {
    let mut world = World::new(&json!({}));
    let written = |world: &World, kind: &str| -> u64 {
        let of_kind = world.places.iter().filter(|(name, _)| name.starts_with(kind));
        of_kind.map(|(_, place)| place.store.rows_written()).sum()
    };
    world.write("rooms/1/m/0", true);
    assert_eq!(written(&world, "k/"), 3);
    for number in 1..50 {
        world.forget();
        world.write(&format!("rooms/1/m/{number}"), true);
    }
    assert_eq!(written(&world, "k/"), 3);
    // A record, the document's name, its field's entry; and once that the collection is noted.
    assert_eq!(written(&world, "c/"), 50 * 3 + 1);
}

#[test]
fn an_update_is_not_acknowledged_before_the_collection_is_noted() {
    let mut world = World::new(&json!({}));
    for until_lost in 0..2 {
        world.until_lost = Some(until_lost);
        let path = format!("rooms/{until_lost}/m/x");
        let document = DocumentPath::parse(&path).unwrap();
        let time = now().to_string();
        let text = document_text(&document, 1, &time, &time, Some(r#"{"version":1}"#));
        let event = Event::Update { row: row::of("e", &text).into_bytes() };
        let name = &shard::of_document(&document, &world.collections)[0];
        assert_eq!(world.step(name, &event), Err(lost()));
        world.forget();
        world.write(&path, true);
    }
    world.deploy(&json!({"m": {"group": true}}));
    refusal(world.query("m"));
    while world.ring() {}
    assert_eq!(world.query("m"), Ok(world.of_group("m")));
}

#[test]
fn a_live_query_of_a_group_in_the_making_is_refused_too() {
    let mut world = filled();
    world.deploy(&json!({"m": {"group": true}}));
    let subscription = json!({"from": {"group": "m"}}).to_string();
    let event = Event::Connect { subscription, resume: None };
    let frames = world.step("g/0/m", &event).unwrap();
    let [Effect::Send(frame)] = frames.as_slice() else { panic!("{frames:?}") };
    assert!(frame.contains("failed-precondition"), "{frame}");
    while world.ring() {}
    let frames = world.step("g/0/m", &event).unwrap();
    let [Effect::Send(frame)] = frames.as_slice() else { panic!("{frames:?}") };
    assert!(frame.contains("\"added\""), "{frame:.200}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_declared_and_lost_a_group_answers_rightly_or_not_at_all(
        steps in prop::collection::vec((0_u8..8, 0_u8..3, 0_u8..5, 0_usize..6), 1..60)
    ) {
        let mut world = World::new(&json!({}));
        let mut is_declared = false;
        for (kind, collection, document, number) in steps {
            match kind {
                0 => {
                    is_declared = !is_declared;
                    world.deploy(&json!({"m": {"group": is_declared}}));
                }
                1 => world.forget(),
                2 => {
                    world.ring();
                }
                3 => world.until_lost = Some(number),
                4 => world.write(&format!("r/{collection}/m/{document}"), false),
                _ => world.write(&format!("r/{collection}/m/{document}"), true),
            }
            if is_declared {
                let before = world.until_lost.take();
                if let Ok(found) = world.query("m") {
                    prop_assert_eq!(found, world.of_group("m"));
                }
                world.until_lost = before;
            }
        }
        world.until_lost = None;
        world.deploy(&json!({"m": {"group": true}}));
        drop(world.query("m"));
        while world.ring() {}
        prop_assert_eq!(world.query("m"), Ok(world.of_group("m")));
        // Nothing is left of what was forgotten meanwhile.
        let empty = Place::default();
        let group = world.places.get("g/0/m").unwrap_or(&empty);
        let rows = group.store.count(&blaze_store::Range::from_within(b'd', &[]), u64::MAX);
        prop_assert_eq!(rows, Ok(world.of_group("m").len() as u64));
    }
}
