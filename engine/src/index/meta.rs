//! Which settings the rows of an index follow, and how far it is in following new ones.
//!
//! Without a row an index follows the default settings, or, while it is empty, whatever it is given. When the settings
//! change, documents are gone through in the order of their names, some at every alarm; until the last of them a query
//! uses only what old and new settings have in common.

use super::entries::{DOCUMENT, META};
use super::settings::Settings;
use super::update;
use blaze_schema::error::Error;
use blaze_store::{Change, Range, Store};
use serde::{Deserialize, Serialize};

/// The state of an index's rows.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    /// What entries may follow; the last is what they are to follow.
    follow: Vec<Settings>,
    usable: Settings,
    /// Where a rebuilding is.
    cursor: Option<Vec<u8>>,
    /// Whether the row is to be written with the first document.
    unstored: bool,
}

#[derive(Serialize, Deserialize)]
struct Row {
    /// [`Settings::for_rows`]
    follow: Vec<String>,
    /// The name up to which the last settings are followed; `None` when they all are.
    cursor: Option<Vec<u8>>,
}

impl Meta {
    /// Reads the row, and compares it with the settings.
    ///
    /// # Errors
    /// The store's; `internal` for a broken row.
    pub(crate) fn load(store: &mut impl Store, settings: &Settings) -> Result<Self, Error> {
        let broken = || Error::internal("the index's settings row cannot be read");
        let wanted = settings.for_rows();
        let default = Settings::default();
        let row: Option<Row> = match store.get(META)? {
            Some(row) => Some(serde_json::from_slice(&row).map_err(|_| broken())?),
            None => None,
        };
        let mut row = match row {
            Some(row) => row,
            None if wanted == default.for_rows() => {
                Row { follow: vec![wanted.clone()], cursor: None }
            }
            None => {
                let documents = Range::from_within(DOCUMENT, &[]);
                if store.count(&documents, 1)? == 0 {
                    let mut meta = Meta::of(vec![settings.clone()], None);
                    meta.unstored = true;
                    return Ok(meta);
                }
                Row { follow: vec![default.for_rows()], cursor: None }
            }
        };
        if row.follow.last() != Some(&wanted) {
            row.follow.retain(|text| *text != wanted);
            row.follow.push(wanted);
            row.cursor = Some(Vec::new());
            save(store, &row)?;
        }
        let follow = row.follow.iter().map(|text| Settings::from_rows(text).map_err(|_| broken()));
        Ok(Meta::of(follow.collect::<Result<_, _>>()?, row.cursor))
    }

    fn of(follow: Vec<Settings>, cursor: Option<Vec<u8>>) -> Self {
        let mut usable = follow.last().cloned().unwrap_or_default();
        if cursor.is_some() {
            usable = follow.iter().fold(usable, |usable, other| usable.common(other));
        }
        Meta { follow, usable, cursor, unstored: false }
    }

    pub(crate) fn is_rebuilding(&self) -> bool {
        self.cursor.is_some()
    }

    /// What queries may use.
    pub(crate) fn usable(&self) -> &Settings {
        &self.usable
    }

    /// What entries may follow; the last is what new ones follow.
    pub(crate) fn follow(&self) -> Vec<&Settings> {
        self.follow.iter().collect()
    }

    /// The row that is to be written with the first document.
    pub(crate) fn unstored(&self) -> Option<String> {
        self.unstored.then(|| self.row().ok()).flatten()
    }

    pub(crate) fn is_stored(&mut self, stored: bool) {
        self.unstored &= !stored;
    }

    /// Goes on with at most `limit` documents. Whether there are more.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn rebuild(&mut self, store: &mut impl Store, limit: usize) -> Result<bool, Error> {
        let Some(cursor) = &self.cursor else { return Ok(false) };
        let next = update::rebuild(store, cursor, limit, &self.follow())?;
        let follow = match next {
            Some(_) => self.follow.clone(),
            None => self.follow.last().cloned().into_iter().collect(),
        };
        let done = Meta::of(follow, next);
        store.commit(&[Change::Put(META, done.row()?.as_bytes())])?;
        *self = done;
        Ok(self.is_rebuilding())
    }

    fn row(&self) -> Result<String, Error> {
        let follow = self.follow.iter().map(Settings::for_rows).collect();
        to_text(&Row { follow, cursor: self.cursor.clone() })
    }
}

fn to_text(row: &Row) -> Result<String, Error> {
    serde_json::to_string(row).map_err(Error::internal)
}

fn save(store: &mut impl Store, row: &Row) -> Result<(), Error> {
    store.commit(&[Change::Put(META, to_text(row)?.as_bytes())])?;
    Ok(())
}
