//! The rows of the access object, as memory has them, and changes of them.
//!
//! | key | value |
//! |---|---|
//! | `h` | [`Head`] |
//! | `v` | the versions of the rules that are kept |
//! | `t` and a version | the text of the rules at that version |
//! | `o` | Blaze's own keys |
//! | `k` and an id | names a record: an API key |
//! | `j` and an issuer | names a record: an issuer's keys |
//! | `a` and a number | an entry of the audit log |

use super::issuer_keys::IssuerKeys;
use super::own_keys::OwnKeys;
use super::versions::RulesVersion;
use crate::auth::api_key::ApiKey;
use blaze_schema::error::Error;
use blaze_schema::limits::API_KEYS;
use blaze_schema::timestamp::Timestamp;
use blaze_store::{Change, Range, Store, number};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const HEAD: &[u8] = b"h";
pub(super) const VERSIONS: &[u8] = b"v";
pub(super) const OWN_KEYS_ROW: &[u8] = b"o";
const API_KEY: u8 = b'k';
const ISSUER: u8 = b'j';

/// Which state this is, and how many acts there were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of what a snapshot shows; 0 before anything changed.
    pub(super) version: u64,
    /// The number of the next entry of the audit log, from 1.
    pub(super) next_entry: u64,
}

/// What the rows say, but for the texts of rules and the audit log.
#[derive(Debug)]
pub(super) struct State {
    pub(super) head: Head,
    /// The head that is stored.
    stored_head: Head,
    /// The oldest first.
    pub(super) versions: Vec<RulesVersion>,
    pub(super) own_keys: Option<OwnKeys>,
    /// By id.
    pub(super) keys: BTreeMap<String, ApiKey>,
    /// By issuer.
    pub(super) issuers: BTreeMap<String, IssuerKeys>,
    last_record: u64,
}

impl State {
    /// Reads the rows.
    ///
    /// # Errors
    /// The store's; `internal` for a broken row.
    pub(super) fn load(store: &impl Store) -> Result<Self, Error> {
        let head = read(store, HEAD)?.unwrap_or(Head { version: 0, next_entry: 1 });
        let keys = records::<ApiKey>(store, API_KEY)?.into_iter();
        let issuers = records::<IssuerKeys>(store, ISSUER)?.into_iter();
        Ok(State {
            head,
            stored_head: head,
            versions: read(store, VERSIONS)?.unwrap_or_default(),
            own_keys: read(store, OWN_KEYS_ROW)?,
            keys: keys.map(|key| (key.id.clone(), key)).collect(),
            issuers: issuers.map(|keys| (keys.issuer.clone(), keys)).collect(),
            last_record: store.last_record()?,
        })
    }

    /// What a snapshot shows is another than before. The version is a time where that makes it greater: so it names no two
    /// states, not even when the rows are those of a backup.
    pub(super) fn changed(&mut self, now: Timestamp) {
        let time = u64::try_from(now.micros()).unwrap_or(0);
        self.head.version = self.head.version.saturating_add(1).max(time);
    }

    /// Writes the head if it is another than the one that is stored.
    pub(super) fn save_head(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if self.head != self.stored_head {
            batch.put(HEAD.to_vec(), &self.head)?;
            self.stored_head = self.head;
        }
        Ok(())
    }

    /// The number of a new record.
    pub(super) fn new_record(&mut self) -> u64 {
        self.last_record = self.last_record.saturating_add(1);
        self.last_record
    }
}

/// The key of an API key's row.
pub(super) fn api_key_row(id: &str) -> Vec<u8> {
    [&[API_KEY], id.as_bytes()].concat()
}

/// The key of the row of an issuer's keys.
pub(super) fn issuer_row(issuer: &str) -> Vec<u8> {
    [&[ISSUER], issuer.as_bytes()].concat()
}

/// The key of the row with the text of a version of the rules.
pub(super) fn text_row(version: u64) -> Vec<u8> {
    [b"t".as_slice(), &version.to_be_bytes()].concat()
}

/// The key of the row with an entry of the audit log.
pub(super) fn entry_row(entry: u64) -> Vec<u8> {
    [b"a".as_slice(), &entry.to_be_bytes()].concat()
}

/// Changes that are made together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changes: Vec<Write>,
}

#[derive(Debug)]
enum Write {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Move(Vec<u8>, Vec<u8>, Vec<u8>),
    PutRecord(u64, Vec<u8>),
    DeleteRecord(u64),
}

impl Write {
    fn as_change(&self) -> Change<'_> {
        match self {
            Write::Put(key, value) => Change::Put(key, value),
            Write::Delete(key) => Change::Delete(key),
            Write::Move(from, to, value) => Change::Move { from, to, value },
            Write::PutRecord(record, value) => Change::PutRecord(*record, value),
            Write::DeleteRecord(record) => Change::DeleteRecord(*record),
        }
    }
}

impl Batch {
    /// Sets a row to a value's JSON.
    pub(super) fn put(&mut self, key: Vec<u8>, value: &impl Serialize) -> Result<(), Error> {
        self.changes.push(Write::Put(key, json(value)?));
        Ok(())
    }

    pub(super) fn put_text(&mut self, key: Vec<u8>, text: String) {
        self.changes.push(Write::Put(key, text.into_bytes()));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.changes.push(Write::Delete(key));
    }

    /// Sets a row in the place of another, which may be missing.
    pub(super) fn replace(&mut self, from: Vec<u8>, to: Vec<u8>, text: String) {
        self.changes.push(Write::Move(from, to, text.into_bytes()));
    }

    /// Sets a record, and the row that names it.
    pub(super) fn put_record(
        &mut self,
        key: Vec<u8>,
        record: u64,
        value: &impl Serialize,
    ) -> Result<(), Error> {
        self.changes.push(Write::PutRecord(record, json(value)?));
        self.changes.push(Write::Put(key, number(record)));
        Ok(())
    }

    /// Sets a record that a row names already.
    pub(super) fn change_record(
        &mut self,
        record: u64,
        value: &impl Serialize,
    ) -> Result<(), Error> {
        self.changes.push(Write::PutRecord(record, json(value)?));
        Ok(())
    }

    /// Removes a row and the record that it names.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn delete_record(&mut self, store: &impl Store, key: Vec<u8>) -> Result<(), Error> {
        if let Some((record, _)) = store.record(&key)? {
            self.changes.push(Write::DeleteRecord(record));
        }
        self.changes.push(Write::Delete(key));
        Ok(())
    }

    /// Makes the changes, all or none of them.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn commit(&self, store: &mut impl Store) -> Result<(), Error> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change<'_>> = self.changes.iter().map(Write::as_change).collect();
        Ok(store.commit(&changes)?)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(Error::internal)
}

fn parse<T: DeserializeOwned>(value: &[u8], key: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|error| {
        let key = String::from_utf8_lossy(key);
        Error::internal(format!("access: the row {key:?} cannot be read: {error}"))
    })
}

fn read<T: DeserializeOwned>(store: &impl Store, key: &[u8]) -> Result<Option<T>, Error> {
    store.get(key)?.map(|value| parse(&value, key)).transpose()
}

/// The records that rows with this first byte name.
fn records<T: DeserializeOwned>(store: &impl Store, first: u8) -> Result<Vec<T>, Error> {
    // There are no more rows of one kind than API keys, but for issuers, which a file lists.
    let rows = store.follow(&Range::from_within(first, &[]), API_KEYS.saturating_mul(2))?;
    rows.iter().map(|(key, value)| parse(value, key)).collect()
}
