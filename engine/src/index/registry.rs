//! The indexes of collections, by the collections' id.
//!
//! The platform does not list its objects, and a group is declared by its collections' id alone. So every index of a
//! collection is noted once, before its first document is acknowledged; when the group is declared, its index finds here
//! the indexes whose documents it lacks ([`super::joining`]). A few objects `k/<shard>` keep them, by hash of the id.
//!
//! ```text
//! a id 0 number      an index that had documents before its group was declared
//! b id 0 number      one that had none
//! A, B id 0 name     the same by their names, so that none is noted twice
//! e id               the group's index was erased when this was the last number: until then it lacks the latter too
//! ```
//!
//! The first four name a record, whose number stands in the first two keys: the index's name.

use super::shard::of_few;
use blaze_schema::error::Error;
use blaze_schema::limits::{REGISTRIES, REGISTRY_PAGE};
use blaze_store::{Change, Range, Store, number};
use serde::{Deserialize, Serialize};

/// A question to a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Question {
    /// Notes an index of a collection.
    Add {
        /// The collection's id.
        id: String,
        /// The index's name.
        index: String,
        /// True if the group's index is told of all its documents.
        in_group: bool,
        /// True if the group's index is erased.
        erased: bool,
    },
    /// Lists indexes whose documents the group's index lacks.
    List {
        /// The collections' id.
        id: String,
        /// Position after the notes already listed.
        seen: Seen,
    },
}

/// Position in the notes: the last numbers listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    apart: u64,
    joined: u64,
}

/// A page of noted indexes, in the order of their notes; empty if all are known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) indexes: Vec<String>,
    pub(crate) seen: Seen,
}

/// Returns the name of the object that keeps an id's notes.
pub(crate) fn object(id: &str) -> String {
    format!("k/{}", of_few(id, REGISTRIES))
}

/// True if an object's name is a registry's.
pub fn is_registry(name: &str) -> bool {
    name.starts_with("k/")
}

/// Answers a question.
///
/// # Errors
/// The store's; `internal` for a question that no object asks.
pub fn answer(store: &mut impl Store, question: &str) -> Result<String, Error> {
    match serde_json::from_str(question).map_err(Error::internal)? {
        Question::Add { id, index, in_group, erased } => {
            let last = store.last_record()?;
            add(store, &id, &index, in_group, last.saturating_add(1))?;
            if erased {
                store.commit(&[Change::Put(&erased_key(&id), &number(last))])?;
            }
            Ok(String::new())
        }
        Question::List { id, seen } => {
            serde_json::to_string(&list(store, &id, seen)?).map_err(Error::internal)
        }
    }
}

fn key(space: u8, id: &str, rest: &[u8]) -> Vec<u8> {
    [&[space], id.as_bytes(), &[0], rest].concat()
}

fn erased_key(id: &str) -> Vec<u8> {
    [b"e", id.as_bytes()].concat()
}

fn add(
    store: &mut impl Store,
    id: &str,
    index: &str,
    in_group: bool,
    record: u64,
) -> Result<(), Error> {
    let (numbers, names) = if in_group { (b'b', b'B') } else { (b'a', b'A') };
    let name = key(names, id, index.as_bytes());
    if store.record(&name)?.is_some() {
        return Ok(());
    }
    let (numbered, named) = (key(numbers, id, &record.to_be_bytes()), number(record));
    store.commit(&[
        Change::PutRecord(record, index.as_bytes()),
        Change::Put(&numbered, &named),
        Change::Put(&name, &named),
    ])?;
    Ok(())
}

/// Lists the indexes that had documents before their group was declared; then, if the group's index was erased, the
/// others that were noted before that.
fn list(store: &impl Store, id: &str, seen: Seen) -> Result<Page, Error> {
    let mut page = Page { indexes: Vec::new(), seen };
    page.seen.apart = page.fill(store, id, b'a', seen.apart, u64::MAX)?;
    let erased = store.get(&erased_key(id))?;
    let erased = erased.and_then(|row| std::str::from_utf8(&row).ok()?.parse().ok());
    if let (Some(last), true) = (erased, page.indexes.len() < REGISTRY_PAGE) {
        page.seen.joined = page.fill(store, id, b'b', seen.joined, last)?;
    }
    Ok(page)
}

impl Page {
    /// Adds indexes whose numbers are greater than `after` and at most `last`. Returns the last number added.
    fn fill(
        &mut self,
        store: &impl Store,
        id: &str,
        space: u8,
        after: u64,
        last: u64,
    ) -> Result<u64, Error> {
        let range = Range {
            start: key(space, id, &after.saturating_add(1).to_be_bytes()),
            end: [key(space, id, &last.to_be_bytes()), vec![0]].concat(),
            reverse: false,
        };
        if range.is_empty() {
            return Ok(after);
        }
        let most = REGISTRY_PAGE.saturating_sub(self.indexes.len());
        let mut seen = after;
        for (key, name) in store.follow(&range, most)? {
            let number = key.last_chunk().map_or(seen, |bytes| u64::from_be_bytes(*bytes));
            seen = seen.max(number);
            self.indexes.extend(String::from_utf8(name).ok());
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_store::memory::MemoryStore;

    fn ask(store: &mut MemoryStore, question: &Question) -> String {
        answer(store, &serde_json::to_string(question).unwrap()).unwrap()
    }

    fn add(id: &str, index: &str, in_group: bool, erased: bool) -> Question {
        Question::Add { id: id.to_owned(), index: index.to_owned(), in_group, erased }
    }

    fn page(store: &mut MemoryStore, id: &str, seen: Seen) -> Page {
        serde_json::from_str(&ask(store, &Question::List { id: id.to_owned(), seen })).unwrap()
    }

    fn all(store: &mut MemoryStore, id: &str) -> (Vec<String>, usize, Seen) {
        let (mut found, mut pages, mut seen) = (Vec::<String>::new(), 0, Seen::default());
        loop {
            let page = page(store, id, seen);
            seen = page.seen;
            if page.indexes.is_empty() {
                return (found, pages, seen);
            }
            assert!(page.indexes.len() <= REGISTRY_PAGE);
            found.extend(page.indexes);
            pages += 1;
        }
    }

    #[test]
    fn indexes_are_noted_once_and_found_by_their_id() {
        let mut store = MemoryStore::default();
        ask(&mut store, &add("m", "c/0/a/1/m", false, false));
        assert_eq!(store.rows_written(), 3);
        ask(&mut store, &add("m", "c/0/a/1/m", false, false));
        assert_eq!(store.rows_written(), 3, "a repetition writes nothing");
        ask(&mut store, &add("mm", "c/0/mm", false, false));
        ask(&mut store, &add("l", "c/0/l", false, false));
        ask(&mut store, &add("m", "c/0/b/1/m", true, false));
        let (found, _, seen) = all(&mut store, "m");
        assert_eq!(found, ["c/0/a/1/m"]);
        assert_eq!(all(&mut store, "k").0, [""; 0]);
        // Later only those that are new.
        ask(&mut store, &add("m", "c/0/0/1/m", false, false));
        assert_eq!(page(&mut store, "m", seen).indexes, ["c/0/0/1/m"]);
    }

    #[test]
    fn an_index_that_was_erased_lacks_all_documents_until_then() {
        let mut store = MemoryStore::default();
        ask(&mut store, &add("m", "c/0/b/1/m", true, false));
        ask(&mut store, &add("m", "c/0/a/1/m", false, false));
        ask(&mut store, &add("l", "c/0/l", true, false));
        ask(&mut store, &add("m", "c/0/c/1/m", false, true));
        ask(&mut store, &add("m", "c/0/d/1/m", true, false));
        assert_eq!(all(&mut store, "m").0, ["c/0/a/1/m", "c/0/c/1/m", "c/0/b/1/m"]);
        assert_eq!(all(&mut store, "l").0, [""; 0]);
    }

    #[test]
    fn a_page_has_so_many_indexes() {
        for count in [REGISTRY_PAGE - 1, REGISTRY_PAGE, 2 * REGISTRY_PAGE + 1] {
            for in_group in [false, true] {
                let mut store = MemoryStore::default();
                let names: Vec<String> = (0..count).map(|n| format!("c/0/a/{n:06}/m")).collect();
                for index in &names {
                    ask(&mut store, &add("m", index, in_group, false));
                }
                if in_group {
                    ask(&mut store, &add("m", "c/0/a/000000/m", true, true));
                }
                let (found, pages, _) = all(&mut store, "m");
                assert_eq!((found, pages), (names, count.div_ceil(REGISTRY_PAGE)), "{count}");
            }
        }
    }
}
