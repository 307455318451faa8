//! The table: what it is asked to show, and the rows that fit, for as long as it is looked at.

use super::atlas::Atlas;
use super::fetch::get;
use crate::model::curl;
use crate::model::form::{Entry, Form};
use crate::model::row::{FIELDS, Row};
use crate::model::rows::{Change, Rows};
use crate::model::tally::Tally;
use crate::model::wish::Wish;
use blaze_client::{DocumentChange, DocumentSnapshot, Error, Query, QuerySnapshot, Subscription};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

/// How long a row that left the result fades, in milliseconds. It is also in style.css.
const FADE: Duration = Duration::from_millis(400);

/// The table's state, which lives as long as the owner that opened it.
#[derive(Clone, Copy)]
pub(crate) struct LiveTable {
    atlas: Atlas,
    /// What is typed into the filters.
    pub(crate) form: RwSignal<Form>,
    /// The rows.
    pub(crate) rows: RwSignal<Rows>,
    /// How many there are in all.
    pub(crate) tally: RwSignal<Tally>,
    /// Whether the rows are still those of what was asked for before.
    pub(crate) is_waiting: RwSignal<bool>,
    /// Whether there were any rows yet, be it none.
    pub(crate) is_loaded: RwSignal<bool>,
    /// How the server finds the rows.
    pub(crate) explanation: RwSignal<Option<String>>,
    /// Why the server does not answer, if it does not.
    pub(crate) refused: RwSignal<Option<String>>,
    /// Goes up to ask for the same again.
    attempt: RwSignal<u32>,
    /// Goes up with every query: what an older one is answered counts no more.
    asked: StoredValue<u32>,
    listening: StoredValue<Option<Subscription>, LocalStorage>,
}

impl LiveTable {
    /// Follows what the address asks for.
    pub(crate) fn open(atlas: Atlas) -> Self {
        let table = LiveTable {
            atlas,
            form: RwSignal::default(),
            rows: RwSignal::default(),
            tally: RwSignal::default(),
            is_waiting: RwSignal::new(true),
            is_loaded: RwSignal::new(false),
            explanation: RwSignal::default(),
            refused: RwSignal::default(),
            attempt: RwSignal::default(),
            asked: StoredValue::default(),
            listening: StoredValue::new_local(None),
        };
        Effect::new(move |_| {
            let wish = atlas.wish.get();
            table.form.update(|form| form.follow(&wish));
        });
        Effect::new(move |_| {
            table.attempt.track();
            table.listen(&atlas.wish.get());
        });
        table
    }

    /// Asks for what fits. Until it comes, the rows of before stay.
    fn listen(self, wish: &Wish) {
        let number = self.asked.get_value() + 1;
        self.asked.set_value(number);
        self.is_waiting.set(true);
        let query = match self.query(wish) {
            Ok(query) => query,
            Err(error) => return self.fail(number, error),
        };
        let is_first = StoredValue::new(true);
        let all = query.clone();
        let listening = query.limit(wish.limit).select(FIELDS).on_update(
            move |snapshot| self.follow(number, &snapshot, is_first, &all),
            move |error| self.fail(number, error),
        );
        // Not before: the socket would be closed, were there a moment without a listener.
        self.listening.set_value(Some(listening));
    }

    /// The countries that fit, all of them.
    fn query(self, wish: &Wish) -> Result<Query, Error> {
        let all = self.atlas.collection()?;
        let fitting = wish.filters().fold((*all).clone(), |query, filter| query.filter(filter));
        Ok(fitting.order_by(wish.sort.column.field(), wish.sort.direction))
    }

    fn follow(
        self,
        number: u32,
        snapshot: &QuerySnapshot,
        is_first: StoredValue<bool>,
        all: &Query,
    ) {
        if self.asked.get_value() != number {
            return;
        }
        if is_first.get_value() {
            is_first.set_value(false);
            self.rows.update(|rows| rows.replace(snapshot.docs().map(|doc| row(&doc))));
            self.tally.set(Tally::default());
            self.refused.set(None);
            self.is_waiting.set(false);
            self.is_loaded.set(true);
            self.explain(number);
        } else {
            let changes: Vec<Change> = snapshot.doc_changes().into_iter().map(change).collect();
            self.rows.update(|rows| rows.apply(changes));
            if let Some(batch) = self.rows.with_untracked(Rows::newest_leaving) {
                let sweep = move || _ = self.rows.try_update(|rows| rows.sweep(batch));
                set_timeout(sweep, FADE);
            }
        }
        if self.tally.try_update(Tally::want) == Some(true) {
            self.count(number, all.clone());
        }
    }

    /// Has the server count what fits, and again if something changes meanwhile.
    fn count(self, number: u32, all: Query) {
        spawn_local(async move {
            loop {
                let count = all.count().await.ok();
                // The table may be gone, or ask for something else.
                if self.asked.try_get_value() != Some(number) {
                    return;
                }
                if self.tally.try_update(|tally| tally.answer(count)) != Some(true) {
                    return;
                }
            }
        });
    }

    /// Asks how the rows were found.
    fn explain(self, number: u32) {
        let url = self.atlas.wish.with_untracked(curl::explain_url);
        spawn_local(async move {
            let answer = get(&url).await.map(|(_, text)| text);
            if self.asked.try_get_value() == Some(number) {
                self.explanation.set(answer.and_then(|answer| curl::explanation(&answer)));
            }
        });
    }

    fn fail(self, number: u32, error: Error) {
        if self.asked.get_value() == number {
            self.is_waiting.set(false);
            self.refused.set(Some(error.detail));
        }
    }

    /// Asks for the same again.
    pub(crate) fn retry(self) {
        self.refused.set(None);
        self.attempt.update(|attempt| *attempt += 1);
    }

    /// The person typed into a filter: it is asked for after a pause.
    pub(crate) fn type_text(self, entry: Entry, text: String) {
        self.form.update(|form| form.type_text(entry, text, now()));
        self.wait();
    }

    /// Asks for what is typed when the pause is over.
    fn wait(self) {
        let wait = self.form.try_with_untracked(|form| form.wait(now())).flatten();
        match wait {
            None => {}
            Some(0) => self.settle(),
            // Whoever types on makes it longer.
            Some(wait) => set_timeout(move || self.wait(), Duration::from_millis(wait)),
        }
    }

    /// Asks for what is typed, now.
    pub(crate) fn settle(self) {
        self.change(|wish| wish);
    }

    /// Asks for something else, what is typed included.
    pub(crate) fn change(self, change: impl FnOnce(Wish) -> Wish) {
        let before = self.atlas.wish.get_untracked();
        let Some(settled) = self.form.try_update(|form| form.settle(&before)) else { return };
        self.atlas.ask(change(settled));
    }

    /// Takes all filters away.
    pub(crate) fn clear(self) {
        self.form.update(Form::clear);
        self.change(|wish| wish.cleared());
    }
}

fn row(doc: &DocumentSnapshot) -> Row {
    let nothing = serde_json::Map::new();
    Row::read(doc.id(), doc.data().unwrap_or(&nothing))
}

fn change(change: DocumentChange) -> Change {
    Change {
        kind: change.kind,
        row: row(&change.doc),
        old_index: change.old_index,
        new_index: change.new_index,
    }
}

fn now() -> u64 {
    js_sys::Date::now() as u64
}
