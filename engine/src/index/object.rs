//! An index's object: the index, and the messages about groups between its object and others.
//!
//! The [registry](super::registry) notes an index of a collection before the index acknowledges its first update. A
//! document tells its indexes until they acknowledge it, so no collection with documents is ever unknown. If the
//! collection's group was declared and no longer is, the first update after that erases the group's index.

use super::entries::DOCUMENT;
use super::joining::{Call, Joining, Next, Pull, Pulled, broken};
use super::registry::{self, Question};
use super::row::read;
use super::settings::{Collections, Settings};
use super::{Effect, Event, Index, REBUILD_PAUSE_MICROS, shard};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{ALARM_RETRY_MICROS, JOINING_BYTES, JOINING_DOCUMENTS};
use blaze_schema::query::Source;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::error_text;
use blaze_store::{Change, Range, Store};

/// The row of a collection's index: `1` if its group has been told of every document, else `0`.
const IN_GROUP: &[u8] = b"i";
/// The message that erases a group's index.
const ERASE: &str = "erase";
/// The message that asks a group's index for its progress, and starts the joining.
pub const JOIN: &str = "join";

/// Documents that are read at once while bytes are counted.
const CHUNK: usize = 16;

/// The result of an event.
#[derive(Debug, Default, PartialEq)]
pub struct Reaction {
    /// Effects to carry out.
    pub effects: Vec<Effect>,
    /// Objects to ask, each with its message. Their answers go to [`Object::told`]; then the event is repeated, and
    /// only its last answer counts. An alarm is not repeated.
    pub calls: Vec<Call>,
    /// True if everything that the object keeps must be erased, alarm and memory included.
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
        /// The value of the row [`IN_GROUP`]: the outer `None` until it is read, the inner one if there is no row.
        in_group: Option<Option<bool>>,
    },
    Group(Joining),
}

impl Object {
    /// Creates the object of this name. Reads nothing yet.
    ///
    /// # Errors
    /// `internal` if the name is not an index's.
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

    /// True if no event lacks an answer of another object: the registry has noted the index.
    pub fn is_settled(&self) -> bool {
        matches!(&self.kind, Kind::Collection { settings, in_group: Some(Some(known)), .. } if *known == settings.group)
    }

    /// Returns the calls without which a query can neither be answered nor refused.
    ///
    /// # Errors
    /// The store's.
    pub fn lacks(&mut self, store: &impl Store) -> Result<Vec<Call>, Error> {
        match &mut self.kind {
            Kind::Group(joining) => Ok(joining.first_call(store)?.into_iter().collect()),
            Kind::Collection { .. } => Ok(Vec::new()),
        }
    }

    /// Handles one event. `random` is 128 fresh random bits.
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
                    let wakes = wakes.then(|| Effect::SetAlarm(now.after(REBUILD_PAUSE_MICROS)));
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
            Err(_) => reaction.effects.push(Effect::SetAlarm(now.after(ALARM_RETRY_MICROS))),
        }
        reaction
    }

    /// Returns the calls that must be answered before an update of a collection's index is acknowledged.
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
            // From now on the group's index is told of every change; the note about earlier ones stays.
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

    /// Takes the answers to the calls of a [`Reaction`], in their order; `None` if one was not answered.
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
            return Ok(vec![Effect::SetAlarm(now.after(ALARM_RETRY_MICROS))]);
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
            effects.push(Effect::SetAlarm(now.after(REBUILD_PAUSE_MICROS)));
        }
        Ok(effects)
    }

    /// Answers a message of another object, or of an administrator.
    ///
    /// # Errors
    /// The store's; `internal` for a message that no object sends.
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
                    .then(|| Effect::SetAlarm(now.after(REBUILD_PAUSE_MICROS)));
                let text = serde_json::to_string(&state).map_err(broken)?;
                Ok((text, Reaction::of(wakes.into_iter().collect())))
            }
            Kind::Group(_) => Err(Error::internal("a message that nobody sends")),
        }
    }
}

/// True if an update was applied.
fn is_done(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Answer(Ok(_))))
}

/// Reads documents of a collection's index that belong to one shard of its group's index, in the order of their
/// names.
fn pulled(store: &impl Store, pull: &Pull) -> Result<Pulled, Error> {
    let after =
        from_hex(&pull.after).ok_or_else(|| Error::internal("a place in an index that is none"))?;
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
            let broken = |_| Error::internal("a row of the index is no text");
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
