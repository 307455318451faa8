//! The index of a collection, or of one shard of it, or of a collection group: a copy of each document beside entries in
//! the order of its values, so that a query reads what it answers and little else.
//!
//! Documents tell it every change. It applies one only if it is newer than what it has, so they may come twice and in
//! any order. What the rows are is in [`entries`], how a query uses them in [`plan`].

pub mod aggregate;
mod bounds;
mod entries;
mod execute;
pub(crate) mod joining;
mod key;
pub mod live;
mod meta;
pub mod object;
#[cfg(test)]
mod object_tests;
pub mod page;
mod page_token;
mod plan;
pub mod registry;
pub(crate) mod request;
pub(crate) mod room;
pub mod row;
mod run;
pub mod settings;
pub mod shard;
mod update;

pub use entries::count as count_entries;

use aggregate::Aggregation;
use blaze_schema::error::Error;
use blaze_schema::limits::{ALARM_RETRY_MICROS, REBUILD_DOCUMENTS};
use blaze_schema::query::{Query, Source};
use blaze_schema::timestamp::Timestamp;
use blaze_store::{Change, Store};
use live::{Frame, Live, Subscription};
use meta::Meta;
use page::Page;
use row::Parsed;
use settings::Settings;

/// The index goes on rebuilding after so long, in microseconds: what waits gets its turn.
const REBUILD_PAUSE_MICROS: i64 = 10_000;

/// What happens to an index.
#[derive(Clone, Debug)]
pub enum Event {
    /// A document changed: its row, as [`row::of`] makes it.
    Update {
        /// The row.
        row: Vec<u8>,
    },
    /// A query.
    Query {
        /// The query.
        query: Query,
        /// Whether the answer is one shard's ([`Page::to_lines`]) or the whole one.
        is_shard: bool,
    },
    /// Aggregates over a query.
    Aggregate {
        /// What is asked.
        aggregation: Aggregation,
        /// Whether the answer is one shard's or the whole one.
        is_shard: bool,
    },
    /// The sockets that there are after a loss of memory: their queries, each once.
    Woken {
        /// What [`live::Subscription::parse`] reads.
        subscriptions: Vec<String>,
    },
    /// A socket opens for a live query.
    Connect {
        /// What [`live::Subscription::parse`] reads.
        subscription: String,
        /// What the client had last.
        resume: Option<String>,
    },
    /// The last socket of a live query has gone.
    Disconnect {
        /// The query's tag.
        tag: String,
    },
    /// The alarm rings.
    Alarm,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer the request.
    Answer(Result<String, Error>),
    /// Send a frame to the socket that the event came from.
    Send(String),
    /// Send a frame to every socket of a live query.
    Publish {
        /// The query's tag.
        tag: String,
        /// The frame.
        text: String,
    },
    /// Ring at this time.
    SetAlarm(Timestamp),
}

/// One index.
#[derive(Debug)]
pub struct Index {
    source: Source,
    settings: Settings,
    meta: Option<Meta>,
    live: Live,
    /// The greatest number of a record; `None` until it is asked for.
    last_record: Option<u64>,
    /// Where to look for old tombstones.
    tombstones: Vec<u8>,
}

impl Index {
    /// The index of a source, under its collections' settings. Reads nothing yet.
    pub fn new(source: Source, settings: Settings) -> Self {
        let (live, tombstones) = (Live::default(), Vec::new());
        Index { source, settings, meta: None, live, last_record: None, tombstones }
    }

    /// One step. `random` is 128 fresh random bits.
    pub fn handle(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_request =
            matches!(event, Event::Update { .. } | Event::Query { .. } | Event::Aggregate { .. });
        let is_alarm = matches!(event, Event::Alarm);
        let is_write = is_alarm || matches!(event, Event::Update { .. });
        if let Err(error) = self.step(store, now, random, event, &mut effects) {
            if is_write {
                // What was computed for a commit that failed is void.
                self.meta = None;
                self.last_record = None;
            }
            effects.retain(|effect| matches!(effect, Effect::SetAlarm(_)));
            effects.push(if is_request {
                Effect::Answer(Err(error))
            } else {
                Effect::Send(blaze_schema::wire::document::error_text(&error))
            });
            if is_alarm {
                effects.push(Effect::SetAlarm(now.after(ALARM_RETRY_MICROS)));
            }
        }
        effects
    }

    fn step(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        // Who listens is known whatever becomes of the store.
        match &event {
            Event::Woken { subscriptions } => {
                self.live.wake(subscriptions, random);
                return Ok(());
            }
            Event::Disconnect { tag } => {
                self.live.disconnect(tag);
                return Ok(());
            }
            _ => {}
        }
        let mut meta = match self.meta.take() {
            Some(meta) => meta,
            None => {
                let meta = Meta::load(store, &self.settings)?;
                if meta.is_rebuilding() {
                    effects.push(Effect::SetAlarm(now.after(REBUILD_PAUSE_MICROS)));
                }
                meta
            }
        };
        let result = self.act(store, now, random, event, &mut meta, effects);
        self.meta = Some(meta);
        result
    }

    fn act(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        event: Event,
        meta: &mut Meta,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        match event {
            Event::Update { row } => {
                self.update(store, now, random, &row, meta, effects)?;
                effects.push(Effect::Answer(Ok(String::new())));
            }
            Event::Query { query, is_shard } => {
                self.check_source(&query.from)?;
                let page = Page::read(store, &query, meta.usable(), is_shard)?;
                let answer = if is_shard { page.to_lines() } else { page.render(&query, now) };
                effects.push(Effect::Answer(answer));
            }
            Event::Aggregate { aggregation, is_shard } => {
                self.check_source(&aggregation.query.from)?;
                let partial = aggregation.read(store, meta.usable())?;
                let answer = if is_shard {
                    serde_json::to_string(&partial).map_err(Error::internal)
                } else {
                    Ok(aggregation.render(&[partial]))
                };
                effects.push(Effect::Answer(answer));
            }
            Event::Connect { subscription, resume } => {
                let subscription = Subscription::parse(&subscription)?;
                self.check_source(subscription.source())?;
                let resume = resume.as_deref();
                let texts =
                    self.live.connect(store, meta.usable(), subscription, resume, random)?;
                effects.extend(texts.into_iter().map(Effect::Send));
            }
            // These have nothing to do with the rows.
            Event::Woken { .. } | Event::Disconnect { .. } => {}
            Event::Alarm => {
                if meta.rebuild(store, REBUILD_DOCUMENTS)? {
                    effects.push(Effect::SetAlarm(now.after(REBUILD_PAUSE_MICROS)));
                }
            }
        }
        Ok(())
    }

    fn check_source(&self, from: &Source) -> Result<(), Error> {
        if *from == self.source {
            Ok(())
        } else {
            Err(Error::internal("the query is of another collection"))
        }
    }

    fn name_of(&self, path: &blaze_schema::path::DocumentPath) -> Result<Vec<u8>, Error> {
        let name = match &self.source {
            Source::Collection(collection) if path.collection() == *collection => path.id(),
            Source::Group(id) if path.collection().id() == id => path.as_str(),
            _ => return Err(Error::internal("the document is of another collection")),
        };
        Ok(key::name_key(name))
    }

    fn update(
        &mut self,
        store: &mut impl Store,
        now: Timestamp,
        random: u128,
        row: &[u8],
        meta: &mut Meta,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let change = Parsed::parse(row)?;
        let name = self.name_of(&change.path)?;
        let before = update::before(store, &name)?;
        if before.has(&change) {
            return Ok(());
        }
        let mut expired = None;
        let mut tombstones = None;
        if change.data.is_none() && before.data().is_some_and(|data| !data.is_empty()) {
            let (old, next) = update::expired(store, &self.tombstones, now)?;
            // A document has an entry at least, whose row and its name's pay for the two that are cleared away here.
            if let Some(key) = old.into_iter().next() {
                expired = store.record(&key)?.map(|(record, _)| (key, record));
            }
            tombstones = Some(next);
        }
        let affected = self.live.affected(store, meta.usable(), before.row.as_ref(), &change);
        let stored = meta.unstored();
        let mut more: Vec<Change<'_>> = Vec::new();
        if let Some((key, record)) = &expired {
            more.extend([Change::Delete(key), Change::DeleteRecord(*record)]);
        }
        more.extend(stored.as_ref().map(|text| Change::Put(entries::META, text.as_bytes())));
        let record = match (before.record, self.last_record) {
            (Some(record), _) => record,
            (None, Some(last)) => last.saturating_add(1),
            (None, None) => store.last_record()?.saturating_add(1),
        };
        let (data, follow) = (change.data.as_ref(), &meta.follow());
        let write = update::Write { name: &name, before: &before, row, data, follow, record };
        // Live queries know no more what the rows are.
        write.commit(store, &more).inspect_err(|_| self.live.forget(random))?;
        if before.record.is_none() {
            self.last_record = Some(record);
        }
        meta.is_stored(stored.is_some());
        if let Some(next) = tombstones {
            self.tombstones = next;
        }
        let frames = self.live.update(store, meta.usable(), affected, before.row.as_ref(), &change);
        effects.extend(frames.into_iter().map(|Frame { tag, text }| Effect::Publish { tag, text }));
        Ok(())
    }
}
