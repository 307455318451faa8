//! What a document's change does to the rows of an index.

use super::entries::{DOCUMENT, TOMBSTONE, entries, named};
use super::row::Parsed;
use super::settings::Settings;
use blaze_schema::error::Error;
use blaze_schema::limits::TOMBSTONE_MICROS;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::Map;
use blaze_store::{Change, Range, Row, Store, number};
use std::collections::BTreeSet;

/// What an index has of a document before a change.
pub(crate) struct Before {
    /// Its row, or what is left of a deleted one.
    pub(crate) row: Option<Parsed>,
    /// Its record's number.
    pub(crate) record: Option<u64>,
}

/// Reads what an index has of the document with this name.
///
/// # Errors
/// The store's; `internal` for a broken row.
pub(crate) fn before(store: &impl Store, name: &[u8]) -> Result<Before, Error> {
    let found = match store.record(&named(DOCUMENT, name))? {
        Some(found) => Some(found),
        None => store.record(&named(TOMBSTONE, name))?,
    };
    let Some((record, row)) = found else { return Ok(Before { row: None, record: None }) };
    Ok(Before { row: Some(Parsed::parse(&row)?), record: Some(record) })
}

impl Before {
    /// Whether the index has the change already, or a later one.
    pub(crate) fn has(&self, change: &Parsed) -> bool {
        self.row.as_ref().is_some_and(|row| !row.is_before(change))
    }

    /// The data, if the document is there.
    pub(crate) fn data(&self) -> Option<&Map> {
        self.row.as_ref().and_then(|row| row.data.as_ref())
    }
}

/// Entries by all settings that rows may follow, and by each of them.
fn all_and_each(
    data: &Map,
    name: &[u8],
    follow: &[&Settings],
) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let mut sets = follow.iter().map(|settings| entries(data, name, settings));
    let first = sets.next().unwrap_or_default();
    let (mut all, mut each) = (first.clone(), first);
    for set in sets {
        each.retain(|key| set.contains(key));
        all.extend(set);
    }
    (all, each)
}

/// What there is to write of a change.
pub(crate) struct Write<'a> {
    /// The document's name.
    pub(crate) name: &'a [u8],
    /// What the index has of it.
    pub(crate) before: &'a Before,
    /// Its row.
    pub(crate) row: &'a [u8],
    /// What the row says; `None` for a deleted document.
    pub(crate) data: Option<&'a Map>,
    /// The settings that present entries may follow, the last being those for the new ones.
    pub(crate) follow: &'a [&'a Settings],
    /// The number of its record: the one that it has, or a free one.
    pub(crate) record: u64,
}

impl Write<'_> {
    /// Writes the document's record, and the entries that are others than before; its name, if it comes or goes. A row for
    /// each; an entry that comes takes the row of one that goes. `more` is done with it.
    ///
    /// # Errors
    /// The store's; then nothing was changed.
    pub(crate) fn commit(&self, store: &mut impl Store, more: &[Change<'_>]) -> Result<(), Error> {
        let Write { name, before, row, data, follow, record } = *self;
        let (document, tombstone) = (named(DOCUMENT, name), named(TOMBSTONE, name));
        let wanted = match (data, follow.last()) {
            (Some(data), Some(settings)) => entries(data, name, settings),
            _ => BTreeSet::new(),
        };
        let (all, each) = match before.data() {
            Some(data) => all_and_each(data, name, follow),
            None => Default::default(),
        };
        let mut gone = all.difference(&wanted);
        let mut come = wanted.difference(&each);
        let number = number(record);
        let mut changes = vec![Change::PutRecord(record, row)];
        let (from, to) =
            if data.is_some() { (&tombstone, &document) } else { (&document, &tombstone) };
        match before.row {
            None => changes.push(Change::Put(to, &number)),
            Some(_) if before.data().is_some() == data.is_some() => {}
            Some(_) => changes.push(Change::Move { from, to, value: &number }),
        }
        loop {
            changes.push(match (gone.next(), come.next()) {
                (Some(from), Some(to)) => Change::Move { from, to, value: &number },
                (Some(key), None) => Change::Delete(key),
                (None, Some(key)) => Change::Put(key, &number),
                (None, None) => break,
            });
        }
        changes.extend(more);
        store.commit(&changes)?;
        Ok(())
    }
}

/// Tombstones after `from` that are so old that nothing earlier can still be on its way, of two that are looked at; and
/// where to look the next time.
///
/// # Errors
/// The store's.
pub(crate) fn expired(
    store: &impl Store,
    from: &[u8],
    now: Timestamp,
) -> Result<(Vec<Vec<u8>>, Vec<u8>), Error> {
    let rows = store.follow(&Range::from_within(TOMBSTONE, from), 2)?;
    let next = next_name(&rows, 2).unwrap_or_default();
    let is_old = |row: &[u8]| {
        let deleted =
            Parsed::parse(row).ok().and_then(|row| Timestamp::parse(&row.update_time).ok());
        deleted.is_some_and(|deleted| now.since(deleted) > TOMBSTONE_MICROS)
    };
    let old = rows.into_iter().filter(|(_, row)| is_old(row)).map(|(key, _)| key).collect();
    Ok((old, next))
}

/// The least name after those of rows by name, if there may be more than these; `limit` were asked for.
fn next_name(rows: &[Row], limit: usize) -> Option<Vec<u8>> {
    let (key, _) = rows.last().filter(|_| rows.len() == limit)?;
    Some([key.get(1..).unwrap_or_default(), &[0]].concat())
}

/// Brings the entries of the documents from `cursor` on to the last of the settings: at most `limit` documents. Where to
/// go on, or `None` at the end.
///
/// # Errors
/// The store's.
pub(crate) fn rebuild(
    store: &mut impl Store,
    cursor: &[u8],
    limit: usize,
    follow: &[&Settings],
) -> Result<Option<Vec<u8>>, Error> {
    let rows = store.follow(&Range::from_within(DOCUMENT, cursor), limit)?;
    for (document, row) in &rows {
        let name = document.get(1..).unwrap_or_default();
        let Some(data) = Parsed::parse(row)?.data else { continue };
        let (all, each) = all_and_each(&data, name, follow);
        let wanted =
            follow.last().map(|settings| entries(&data, name, settings)).unwrap_or_default();
        let number = store.get(document)?.unwrap_or_default();
        let gone = all.difference(&wanted).map(|key| Change::Delete(key));
        let come = wanted.difference(&each).map(|key| Change::Put(key, &number));
        let changes: Vec<Change<'_>> = gone.chain(come).collect();
        store.commit(&changes)?;
    }
    Ok(next_name(&rows, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::row;
    use blaze_schema::document::document_text;
    use blaze_schema::limits::REBUILD_DOCUMENTS;
    use blaze_schema::path::DocumentPath;
    use blaze_store::memory::MemoryStore;
    use serde_json::json;

    fn row_of(id: &str, time: Timestamp, data: Option<&str>) -> String {
        let path = DocumentPath::parse(&format!("a/{id}")).unwrap();
        let time = time.to_string();
        row::of("e", &document_text(&path, 1, &time, &time, data))
    }

    fn put(store: &mut MemoryStore, id: &str, time: Timestamp, data: Option<&str>) {
        let row = row_of(id, time, data);
        let parsed = Parsed::parse(row.as_bytes()).unwrap();
        let name = id.as_bytes();
        let before = before(store, name).unwrap();
        let (row, data, follow) = (row.as_bytes(), parsed.data.as_ref(), &[&Settings::default()]);
        let record = before.record.unwrap_or_else(|| store.last_record().unwrap() + 1);
        Write { name, before: &before, row, data, follow, record }.commit(store, &[]).unwrap();
    }

    #[test]
    fn tombstones_are_kept_for_their_time_and_looked_at_in_turn() {
        let mut store = MemoryStore::default();
        let start = Timestamp::from_micros(0);
        for id in ["a", "b", "c"] {
            put(&mut store, id, start, None);
        }
        let looked = |from: &[u8], micros: i64| {
            let (old, next) = expired(&store, from, Timestamp::from_micros(micros)).unwrap();
            (old.len(), next)
        };
        assert_eq!(looked(b"", TOMBSTONE_MICROS), (0, b"b\0".to_vec()));
        assert_eq!(looked(b"", TOMBSTONE_MICROS + 1), (2, b"b\0".to_vec()));
        assert_eq!(looked(b"b\0", TOMBSTONE_MICROS + 1), (1, Vec::new()));
    }

    #[test]
    fn rebuilding_takes_so_many_documents_at_a_time() {
        let mut store = MemoryStore::default();
        for number in 0..=REBUILD_DOCUMENTS {
            put(
                &mut store,
                &format!("{number:04}"),
                Timestamp::from_micros(0),
                Some(r#"{"x":1,"y":2}"#),
            );
        }
        let old = Settings::default();
        let new = Settings::for_tests(json!({"indexes": [["x", "y"]], "exempt": ["y"]}));
        let before = store.rows().len();
        let next = rebuild(&mut store, b"", REBUILD_DOCUMENTS, &[&old, &new]).unwrap();
        // Where an entry went another one came.
        assert_eq!(store.rows().len(), before);
        let composites = |store: &MemoryStore| {
            store.rows().keys().filter(|key| key.first() == Some(&b'c')).count()
        };
        assert_eq!(composites(&store), REBUILD_DOCUMENTS);
        let next = next.unwrap();
        assert_eq!(rebuild(&mut store, &next, REBUILD_DOCUMENTS, &[&old, &new]), Ok(None));
        assert_eq!(composites(&store), REBUILD_DOCUMENTS + 1);
        let again = rebuild(&mut store, b"", usize::MAX, &[&old, &new]);
        assert_eq!((again, composites(&store)), (Ok(None), REBUILD_DOCUMENTS + 1));
    }
}
