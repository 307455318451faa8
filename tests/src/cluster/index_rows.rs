//! The rows of the indexes, held against those of an index that was never told anything but the last states.

use super::delivery::Place;
use super::shell::Cluster;
use blaze_engine::actor::{Class, Object};
use blaze_engine::index::settings::Collections;
use blaze_engine::index::{Event, Index, registry, shard};
use blaze_store::memory::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};

/// The rows of documents and entries. Which settings it follows, and that its group knows of it, is the index's own affair,
/// and a tombstone may be gone.
fn rows(store: &MemoryStore) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let rows = store.contents().into_iter();
    let is_own = |key: &[u8]| matches!(key, b"m" | b"i" | b"j");
    rows.filter(|(key, _)| !key.starts_with(b"t") && !is_own(key)).collect()
}

impl Cluster {
    /// Checks the rows of every index when nothing happens any more.
    ///
    /// # Panics
    /// If an index has a row too many, or lacks one.
    pub(super) fn check_index_rows(&self) {
        let collections = Collections::parse(&self.settings.collections).expect("collections");
        for (place, host) in &self.hosts {
            let Place::Object(object @ Object { class: Class::Index, name }) = place else {
                continue;
            };
            if registry::is_registry(name) {
                continue;
            }
            let (source, settings) = shard::by_name(name, &collections).expect("an index's name");
            let (mut index, mut store) = (Index::new(source, settings), MemoryStore::default());
            for (_, row) in self.told.get(object).into_iter().flat_map(BTreeMap::values) {
                let row = row.clone().into_bytes();
                index.handle(&mut store, self.now(), 0, Event::Update { row });
            }
            let (has, wanted) = (rows(&host.store.rows), rows(&store));
            let keys: BTreeSet<_> = has.keys().chain(wanted.keys()).collect();
            let other = keys.into_iter().filter(|key| has.get(*key) != wanted.get(*key));
            let other: Vec<String> = other.map(|key| key.escape_ascii().to_string()).collect();
            assert!(other.is_empty(), "the rows of index {name}, and those wanted: {other:#?}");
        }
    }
}
