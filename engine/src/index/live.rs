//! Live queries (skeleton while the rest is built).

use super::row::Parsed;
use super::settings::Settings;
use crate::store::Store;
use blaze_schema::error::Error;

/// A live query.
pub struct Subscription {}

impl Subscription {
    /// The tag of a live query's sockets.
    pub fn tag_of(text: &str) -> String {
        text.len().to_string()
    }
}

/// The live queries of an index.
#[derive(Debug, Default)]
pub(crate) struct Live {}

impl Live {
    pub(crate) fn forget(&mut self) {}
    pub(crate) fn wake(&mut self, _subscriptions: &[String], _random: u128) {}
    pub(crate) fn connect(
        &mut self,
        _store: &impl Store,
        _settings: &Settings,
        _subscription: &str,
        _resume: Option<&str>,
        _random: u128,
    ) -> Result<String, Error> {
        Ok(String::new())
    }
    pub(crate) fn disconnect(&mut self, _tag: &str) {}
    pub(crate) fn affected(
        &mut self,
        _store: &impl Store,
        _settings: &Settings,
        _before: Option<&Parsed>,
        _change: &Parsed,
    ) -> Result<Vec<usize>, Error> {
        Ok(Vec::new())
    }
    pub(crate) fn update(
        &mut self,
        _store: &impl Store,
        _settings: &Settings,
        _affected: Vec<usize>,
        _before: Option<&Parsed>,
        _change: &Parsed,
    ) -> Result<Vec<(String, String)>, Error> {
        Ok(Vec::new())
    }
}
