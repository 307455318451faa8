//! An index's object: the index, and what its object and those of others tell each other about groups.
//!
//! An index of a collection is noted by the [registry](super::registry) before its first update is acknowledged: a
//! document tells its indexes until they acknowledge it, so no collection with documents is ever unknown. Should its
//! group be declared, and then not any more, the first update after that has the group's index erased.

use super::entries::DOCUMENT;
use super::joining::{Call, Joining, Next, Pull, Pulled, broken};
use super::registry::{self, Question};
use super::row::read;
use super::settings::{Collections, Settings};
use super::{Effect, Event, Index, REBUILD_PAUSE_MICROS, RETRY_MICROS, after, shard};
use crate::store::{Change, Range, Store};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{JOINING_BYTES, JOINING_DOCUMENTS};
use blaze_schema::message::error_text;
use blaze_schema::query::Source;
use blaze_schema::timestamp::Timestamp;

/// The row of a collection's index that says whether its group has been told of every document: `1` or `0`.
const IN_GROUP: &[u8] = b"i";
/// The message that has a group's index erased.
const ERASE: &str = "erase";
/// The message that asks a group's index how far it is, and sets it going.
pub const JOIN: &str = "join";

/// Documents that are read at once while bytes are counted.
const CHUNK: usize = 16;

/// What came of an event.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// Objects to be asked, each with its message. Their answers go to [`Object::told`]; then the event happens again,
    /// whose answer is void until then. An alarm does not happen again.
    pub calls: Vec<Call>,
    /// True if everything that the object keeps is to be erased, alarm and memory included.
    pub erase: bool,
}

impl Reaction {
    fn of(effects: Vec<Effect>) -> Self {
        Reaction { effects, ..Reaction::default() }
    }

    fn calls(calls: Vec<Call>) -> Self {
        Reaction { calls, ..Reaction::default() }
    }
}

/// The object of one index.
#[derive(Debug)]
pub struct Object {
    name: String,
    index: Index,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Collection {
        id: String,
        settings: Settings,
        /// The row; `None` until it is read.
        in_group: Option<Option<bool>>,
    },
    Group(Joining),
}

impl Object {
    /// The object of this name. Reads nothing yet.
    ///
    /// # Errors
    /// `internal` for what is no name of an index.
    pub fn new(name: &str, collections: &Collections) -> Result<Self, Error> {
        let (source, settings) = shard::by_name(name, collections)?;
        let kind = match &source {
            Source::Collection(path) => Kind::Collection {
                id: path.id().to_owned(),
                settings: settings.clone(),
                in_group: None,
            },
            Source::Group(id) => {
                let number = shard::number_of(name)?;
                Kind::Group(Joining::new(id.clone(), number, &settings))
            }
        };
        Ok(Object { name: name.to_owned(), index: Index::new(source, settings), kind })
    }

    /// The calls without which a query cannot be answered nor refused.
    ///
    /// # Errors
    /// The store's.
    pub fn lacks(&mut self, store: &impl Store) -> Result<Vec<Call>, Error> {
        match &mut self.kind {
            Kind::Group(joining) => Ok(joining.first_call(store)?.into_iter().collect()),
            Kind::Collection { .. } => Ok(Vec::new()),
        }
    }

    /// One step. `random` is 128 fresh random bits.
    pub fn handle(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
    ) -> Reaction {
        let is_update = matches!(event, Event::Update { .. });
        let is_alarm = matches!(event, Event::Alarm);
        let is_connect = matches!(event, Event::Connect { .. });
        let asks = is_connect || matches!(event, Event::Query { .. } | Event::Aggregate { .. });
        if let (Kind::Group(joining), true) = (&mut self.kind, asks) {
            let ready = joining.first_call(store).and_then(|call| match call {
                Some(call) => Ok(Some(call)),
                None => joining.check(store).map(|()| None),
            });
            match ready {
                Ok(None) => {}
                Ok(Some(call)) => return Reaction::calls(vec![call]),
                Err(error) => {
                    let refused = match is_connect {
                        true => Effect::Send(error_text(&error)),
                        false => Effect::Answer(Err(error)),
                    };
                    let wakes = joining.wants_alarm();
                    let wakes = wakes.then(|| Effect::SetAlarm(after(now, REBUILD_PAUSE_MICROS)));
                    return Reaction::of(wakes.into_iter().chain([refused]).collect());
                }
            }
        }
        let mut reaction = Reaction::of(self.index.handle(store, now, random, event));
        let calls = match &mut self.kind {
            Kind::Collection { .. } if is_update && is_done(&reaction.effects) => {
                self.memberships(store)
            }
            Kind::Group(joining) if is_alarm => {
                joining.rings(store).map(|call| call.into_iter().collect())
            }
            _ => Ok(Vec::new()),
        };
        match calls {
            Ok(calls) => reaction.calls = calls,
            Err(error) if is_update => {
                reaction.effects.retain(|effect| !matches!(effect, Effect::Answer(_)));
                reaction.effects.push(Effect::Answer(Err(error)));
            }
            Err(_) => reaction.effects.push(Effect::SetAlarm(after(now, RETRY_MICROS))),
        }
        reaction
    }

    /// The calls without which an update of a collection's index is not acknowledged.
    fn memberships(&mut self, store: &mut impl Store) -> Result<Vec<Call>, Error> {
        let Kind::Collection { id, settings, in_group } = &mut self.kind else {
            return Ok(Vec::new());
        };
        let before = match in_group {
            Some(known) => *known,
            None => store.get(IN_GROUP)?.map(|row| row == b"1"),
        };
        *in_group = Some(before);
        if before == Some(settings.group) {
            return Ok(Vec::new());
        }
        if before == Some(false) {
            // From now on the group's index is told of every change; what was noted of earlier ones stays noted.
            store.commit(&[Change::Put(IN_GROUP, b"1")])?;
            *in_group = Some(Some(true));
            return Ok(Vec::new());
        }
        let erased = before == Some(true);
        let (index, in_group) = (self.name.clone(), settings.group);
        let question = Question::Add { id: id.clone(), index, in_group, erased };
        let question = serde_json::to_string(&question).map_err(broken)?;
        let mut calls = vec![(registry::object(id), question)];
        if erased {
            let group = (0..settings.shards).map(|shard| format!("g/{shard}/{id}"));
            calls.extend(group.map(|name| (name, ERASE.to_owned())));
        }
        Ok(calls)
    }

    /// Takes the answers to the calls of a [`Reaction`], in their order; `None` where one was not answered.
    ///
    /// # Errors
    /// The store's.
    pub fn told(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        calls: &[Call],
        answers: Option<&[String]>,
    ) -> Result<Vec<Effect>, Error> {
        let Some(answers) = answers else {
            if let Kind::Group(joining) = &mut self.kind {
                joining.wants_alarm();
            }
            return Ok(vec![Effect::SetAlarm(after(now, RETRY_MICROS))]);
        };
        if let Kind::Collection { .. } = self.kind {
            if self.memberships(store)? == calls
                && let Kind::Collection { in_group, settings, .. } = &mut self.kind
            {
                let row: &[u8] = if settings.group { b"1" } else { b"0" };
                store.commit(&[Change::Put(IN_GROUP, row)])?;
                *in_group = Some(Some(settings.group));
            }
            return Ok(Vec::new());
        }
        let (Kind::Group(joining), Some(call), Some(answer)) =
            (&mut self.kind, calls.first(), answers.first())
        else {
            return Ok(Vec::new());
        };
        let mut effects = Vec::new();
        let next = match joining.told(store, call, answer)? {
            Next::Apply(pulled) => {
                for row in &pulled.rows {
                    let event = Event::Update { row: row.clone().into_bytes() };
                    for effect in self.index.handle(store, now, random, event) {
                        match effect {
                            Effect::Answer(answer) => drop(answer?),
                            effect => effects.push(effect),
                        }
                    }
                }
                joining.applied(store, &pulled)?
            }
            next => next,
        };
        if next == Next::GoOn && joining.wants_alarm() {
            effects.push(Effect::SetAlarm(after(now, REBUILD_PAUSE_MICROS)));
        }
        Ok(effects)
    }

    /// Answers a message of another object, or of an administrator.
    ///
    /// # Errors
    /// The store's; `internal` for what nobody asks.
    pub fn asked(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        message: &str,
    ) -> Result<(String, Reaction), Error> {
        let lacks = self.lacks(store)?;
        match &mut self.kind {
            Kind::Collection { settings, in_group, .. } => {
                let pull = serde_json::from_str(message).map_err(broken)?;
                if !settings.group {
                    let detail = "the collection is in no group here, or not yet";
                    return Err(Error::new(Code::Unavailable, detail));
                }
                if store.get(IN_GROUP)?.is_none_or(|row| row != b"1") {
                    // From now on the group's index has its documents.
                    store.commit(&[Change::Put(IN_GROUP, b"1")])?;
                    *in_group = Some(Some(true));
                }
                let pulled = serde_json::to_string(&pulled(store, &pull)?).map_err(broken)?;
                Ok((pulled, Reaction::default()))
            }
            Kind::Group(_) if message == ERASE => {
                Ok((String::new(), Reaction { erase: true, ..Reaction::default() }))
            }
            Kind::Group(joining) if message == JOIN => {
                if !lacks.is_empty() {
                    return Ok((String::new(), Reaction::calls(lacks)));
                }
                let state = joining.state(store)?;
                let wakes = joining
                    .wants_alarm()
                    .then(|| Effect::SetAlarm(after(now, REBUILD_PAUSE_MICROS)));
                let text = serde_json::to_string(&state).map_err(broken)?;
                Ok((text, Reaction::of(wakes.into_iter().collect())))
            }
            Kind::Group(_) => Err(Error::new(Code::Internal, "a message that nobody sends")),
        }
    }
}

/// True if an update was applied.
fn is_done(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Answer(Ok(_))))
}

/// Documents of a collection's index that belong to one shard of its group's, in the order of their names.
fn pulled(store: &impl Store, pull: &Pull) -> Result<Pulled, Error> {
    let after = from_hex(&pull.after)
        .ok_or_else(|| Error::new(Code::Internal, "a place in an index that is none"))?;
    let mut range = Range::from_within(DOCUMENT, &[]);
    if !after.is_empty() {
        range.skip_to_after(&after);
    }
    let (mut rows, mut seen, mut bytes) = (Vec::new(), 0_usize, 0_usize);
    loop {
        let chunk = store.follow(&range, CHUNK)?;
        let Some((last, _)) = chunk.last() else { return Ok(Pulled { rows, after: None }) };
        range.skip_to_after(last);
        let last = to_hex(last);
        let is_end = chunk.len() < CHUNK;
        for (_, row) in chunk {
            let broken = |_| Error::new(Code::Internal, "a row of the index is no text");
            let row = String::from_utf8(row).map_err(broken)?;
            let (_, resource) = row.split_once('\n').unwrap_or_default();
            let (path, _) = read(resource)?;
            if shard::of_few(path.as_str(), pull.shards) == pull.shard {
                bytes = bytes.saturating_add(row.len());
                rows.push(row);
            }
            seen = seen.saturating_add(1);
        }
        if is_end {
            return Ok(Pulled { rows, after: None });
        }
        if seen >= JOINING_DOCUMENTS || bytes >= JOINING_BYTES {
            return Ok(Pulled { rows, after: Some(last) });
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = more;
    }
    Some(bytes)
}
