//! The result of a live query, as its listeners have it.

use super::steps::{Entry, Step};
use crate::index::request::Request;
use crate::index::row::Parsed;
use blaze_schema::error::{Code, Error};
use blaze_schema::hash::hash;
use blaze_schema::limits::{ANSWER_BYTES, LIVE_DOCUMENTS};

/// The documents of a result in the order in which they are found: with those that an offset leaves out, and, for a
/// query for the last documents, the last one first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Window {
    items: Vec<Item>,
    /// The bytes of their resources.
    bytes: usize,
}

/// A document of a window.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) sort_key: Vec<u8>,
    pub(crate) path: String,
    /// What tells this state of the document from others.
    pub(crate) state: u64,
    /// The bytes of its resource.
    pub(crate) bytes: usize,
}

/// What tells states of a document apart.
pub(crate) fn state_of(path: &str, version: u64, update_time: &str) -> u64 {
    // A version alone may come again, with another history.
    let parts = [path.as_bytes(), &version.to_be_bytes(), update_time.as_bytes()];
    hash(&parts).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Item {
    /// A document as a query's window has it, if the query wants it. `state` is [`state_of`] the document.
    pub(crate) fn of(request: &Request<'_>, document: &Parsed, state: u64) -> Option<Self> {
        let data = document.data.as_ref()?;
        request.wants(&document.path, data).then(|| Item {
            sort_key: request.sort_key(&document.path, data),
            path: document.path.as_str().to_owned(),
            state,
            bytes: document.resource.len(),
        })
    }
}

/// Whether a listener can have a result of this size.
///
/// # Errors
/// `resource-exhausted` for one that is too large.
pub(crate) fn check_size(documents: usize, bytes: usize) -> Result<(), Error> {
    if documents <= LIVE_DOCUMENTS && bytes <= ANSWER_BYTES {
        return Ok(());
    }
    let detail = format!(
        "query: its result has more than {LIVE_DOCUMENTS} documents or {ANSWER_BYTES} bytes; listen with a limit"
    );
    Err(Error::new(Code::ResourceExhausted, detail))
}

/// What a change does to a window.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Applied {
    pub(crate) steps: Vec<Step>,
    /// What went, for each step that removes.
    pub(crate) gone: Vec<Item>,
}

impl Window {
    /// Whether this is all that a listener can have: at most `beyond` documents more than are allowed.
    ///
    /// # Errors
    /// `resource-exhausted` for a result that is too large.
    pub(crate) fn check(&self, beyond: usize) -> Result<(), Error> {
        check_size(self.items.len().saturating_sub(beyond), self.bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there may be documents of the query beyond the window.
    pub(crate) fn is_full(&self, request: &Request<'_>) -> bool {
        self.items.len() >= wanted(request)
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.insert(self.items.len(), item);
    }

    fn insert(&mut self, place: usize, item: Item) {
        self.bytes = self.bytes.saturating_add(item.bytes);
        self.items.insert(place.min(self.items.len()), item);
    }

    fn remove(&mut self, place: usize) -> Option<Item> {
        let item = (place < self.items.len()).then(|| self.items.remove(place))?;
        self.bytes = self.bytes.saturating_sub(item.bytes);
        Some(item)
    }

    /// Puts other documents in the place of those that `leaves` names, and leaves out what is then beyond the window.
    pub(crate) fn exchange(
        &mut self,
        request: &Request<'_>,
        leaves: impl Fn(&str) -> bool,
        comes: impl Iterator<Item = Item>,
    ) {
        self.items.retain(|item| !leaves(&item.path));
        self.items.extend(comes);
        self.items.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
        self.items.truncate(wanted(request));
        self.bytes = self.items.iter().fold(0, |bytes, item| bytes.saturating_add(item.bytes));
    }

    /// The places of what listeners have, in their order.
    pub(crate) fn visible(&self, request: &Request<'_>) -> Vec<usize> {
        let offset = usize::try_from(request.query.offset).unwrap_or(usize::MAX);
        let places = offset.min(self.items.len())..self.items.len();
        if request.is_turned { places.rev().collect() } else { places.collect() }
    }

    /// The same as entries.
    pub(crate) fn entries(&self, request: &Request<'_>) -> Vec<Entry<'_>> {
        let item = |place: usize| self.items.get(place);
        let places = self.visible(request);
        places.into_iter().filter_map(item).map(|item| (item.path.as_str(), item.state)).collect()
    }

    /// What tells this result from others: the order says nothing that the documents do not.
    pub(crate) fn digest(&self, request: &Request<'_>) -> u64 {
        self.entries(request).iter().fold(0, |digest, (_, state)| digest.wrapping_add(*state))
    }

    fn place_of(&self, sort_key: &[u8]) -> Result<usize, usize> {
        self.items.binary_search_by(|item| item.sort_key.as_slice().cmp(sort_key))
    }

    /// Brings a change in, if that can be done without reading. `None` when documents may come in that nobody knows
    /// here: then nothing was done, and the result is to be read again.
    pub(crate) fn apply(
        &mut self,
        request: &Request<'_>,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Option<Applied> {
        if request.query.offset > 0 {
            return None;
        }
        let (length, is_full) = (self.items.len(), self.is_full(request));
        let present = old.and_then(|old| self.place_of(&old.sort_key).ok());
        let target = new.map(|new| {
            let place = self.place_of(&new.sort_key).unwrap_or_else(|place| place);
            // Where it was does not count.
            let is_behind = present.is_some_and(|present| present < place);
            place.saturating_sub(usize::from(is_behind))
        });
        let last = length.saturating_sub(1);
        if present.is_some() && is_full && target.is_none_or(|target| target >= last) {
            return None;
        }
        let seen = |place: usize, length: usize| {
            if request.is_turned { length.saturating_sub(place).saturating_sub(1) } else { place }
        };
        let mut applied = Applied::default();
        let mut leave = |window: &mut Window, place: usize| {
            let index = seen(place, length);
            applied.steps.push(Step::Removed { old: index, index });
            applied.gone.extend(window.remove(place));
        };
        match (present, target.zip(new)) {
            (Some(place), Some((target, new))) => {
                self.remove(place);
                self.insert(target, new.clone());
                let (old_index, new_index) = (seen(place, length), seen(target, length));
                applied.steps.push(Step::Modified { new: new_index, old_index, new_index });
            }
            (Some(place), None) => leave(self, place),
            (None, Some((target, new))) if target < wanted(request) => {
                if is_full {
                    leave(self, last);
                }
                self.insert(target, new.clone());
                let index = seen(target, self.items.len());
                applied.steps.push(Step::Added { new: index, index });
            }
            (None, _) => {}
        }
        Some(applied)
    }
}

/// How many documents a window holds at most.
fn wanted(request: &Request<'_>) -> usize {
    request.wanted.map_or(usize::MAX, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::steps::steps;
    use super::*;
    use blaze_schema::query::Query;
    use serde_json::json;

    /// The query `orderBy n` with these keys besides.
    fn request(mut keys: serde_json::Value) -> Request<'static> {
        keys["from"] = json!("c");
        keys["orderBy"] = json!([{"field": "n"}]);
        Request::owned(Query::from_json(keys).unwrap()).unwrap()
    }

    /// The document `c/id` of which `n` is a number: the item, as the query has it.
    fn item(request: &Request<'_>, id: char, n: i64, version: u64) -> Item {
        let resource = format!(
            "{{\"path\":\"c/{id}\",\"id\":\"{id}\",\"version\":{version},\"createTime\":\"\",\"updateTime\":\"\",\"data\":{{\"n\":{n}}}}}"
        );
        let document = Parsed::of("", &resource).unwrap();
        Item::of(request, &document, state_of(&format!("c/{id}"), version, "")).unwrap()
    }

    /// Documents by their ids, `a` of 10, `b` of 20 and so on.
    fn window(request: &Request<'_>, ids: &str) -> Window {
        let mut window = Window::default();
        let comes = ids.chars().map(|id| item(request, id, place(id), 1));
        window.exchange(request, |_| false, comes);
        window
    }

    fn place(id: char) -> i64 {
        (i64::from(u32::from(id)) - 96) * 10
    }

    /// As listeners see it.
    fn seen(window: &Window, request: &Request<'_>) -> String {
        let entries = window.entries(request);
        entries.iter().map(|(path, _)| path.trim_start_matches("c/")).collect()
    }

    fn shown(steps: &[Step]) -> String {
        let text = |step: &Step| match step {
            Step::Added { new, index } => format!("+{new}@{index}"),
            Step::Modified { old_index, new_index, .. } => format!("{old_index}>{new_index}"),
            Step::Removed { old, index } => format!("-{old}@{index}"),
        };
        steps.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    /// What a change does: the document, its number before and after. `None`: the result must be read again.
    type Row = (&'static str, char, Option<i64>, Option<i64>, Option<(&'static str, &'static str)>);

    fn check(request: &Request<'_>, rows: &[Row]) {
        for (number, (ids, id, old, new, wanted)) in rows.iter().enumerate() {
            let mut window = window(request, ids);
            let before = window.clone();
            let old = old.map(|n| item(request, *id, n, 1));
            let new = new.map(|n| item(request, *id, n, 2));
            let applied = window.apply(request, old.as_ref(), new.as_ref());
            let result = applied.map(|applied| {
                let bytes: usize = window.items.iter().map(|item| item.bytes).sum();
                assert_eq!(window.bytes, bytes, "row {number}");
                let removed = applied.steps.iter().filter(|s| matches!(s, Step::Removed { .. }));
                assert_eq!(removed.count(), applied.gone.len(), "row {number}");
                // The general way comes to the same.
                let (from, to) = (before.entries(request), window.entries(request));
                assert_eq!(applied.steps, steps(&from, &to), "row {number}");
                (shown(&applied.steps), seen(&window, request))
            });
            let result = result.as_ref().map(|(steps, seen)| (steps.as_str(), seen.as_str()));
            assert_eq!(result, *wanted, "row {number}");
            if wanted.is_none() {
                assert_eq!(window, before, "row {number}");
            }
        }
    }

    #[test]
    fn a_result_without_a_limit_is_brought_on_without_reading() {
        check(
            &request(json!({})),
            &[
                ("", 'a', None, None, Some(("", ""))),
                ("", 'a', None, Some(10), Some(("+0@0", "a"))),
                ("ac", 'b', None, Some(20), Some(("+1@1", "abc"))),
                ("ab", 'c', None, Some(30), Some(("+2@2", "abc"))),
                ("abc", 'a', Some(10), None, Some(("-0@0", "bc"))),
                ("abc", 'c', Some(30), None, Some(("-2@2", "ab"))),
                ("a", 'a', Some(10), None, Some(("-0@0", ""))),
                ("abc", 'b', Some(20), Some(20), Some(("1>1", "abc"))),
                ("abc", 'b', Some(20), Some(21), Some(("1>1", "abc"))),
                ("abc", 'b', Some(20), Some(5), Some(("1>0", "bac"))),
                ("abc", 'b', Some(20), Some(35), Some(("1>2", "acb"))),
                ("abc", 'a', Some(10), Some(35), Some(("0>2", "bca"))),
                ("a", 'a', Some(10), Some(35), Some(("0>0", "a"))),
            ],
        );
    }

    #[test]
    fn a_full_window_is_read_again_only_where_somebody_unknown_may_come_in() {
        check(
            &request(json!({"limit": 3})),
            &[
                // Not full: all there are.
                ("", 'a', None, Some(10), Some(("+0@0", "a"))),
                ("ab", 'c', None, Some(30), Some(("+2@2", "abc"))),
                ("ab", 'b', Some(20), None, Some(("-1@1", "a"))),
                ("ab", 'a', Some(10), Some(30), Some(("0>1", "ba"))),
                // Full: who comes in puts the last one out.
                ("bcd", 'a', None, Some(10), Some(("-2@2 +0@0", "abc"))),
                ("abd", 'c', None, Some(30), Some(("-2@2 +2@2", "abc"))),
                ("abc", 'd', None, Some(40), Some(("", "abc"))),
                // Who was beyond the window.
                ("abc", 'e', Some(50), Some(15), Some(("-2@2 +1@1", "aeb"))),
                ("abc", 'e', Some(50), Some(60), Some(("", "abc"))),
                ("abc", 'e', Some(50), None, Some(("", "abc"))),
                // Who leaves lets somebody in.
                ("abc", 'a', Some(10), None, None),
                ("abc", 'c', Some(30), None, None),
                // Who moves stays in before the last one, whoever that is.
                ("abc", 'a', Some(10), Some(25), Some(("0>1", "bac"))),
                ("abc", 'c', Some(30), Some(5), Some(("2>0", "cab"))),
                ("abc", 'b', Some(20), Some(20), Some(("1>1", "abc"))),
                // And nobody knows whether the last one is still among the first.
                ("abc", 'a', Some(10), Some(35), None),
                ("abc", 'c', Some(30), Some(30), None),
                ("abc", 'c', Some(30), Some(99), None),
            ],
        );
    }

    #[test]
    fn the_last_documents_are_seen_the_other_way_round() {
        check(
            &request(json!({"limitToLast": 3})),
            &[
                ("", 'a', None, Some(10), Some(("+0@0", "a"))),
                ("bc", 'a', None, Some(10), Some(("+0@0", "abc"))),
                ("ab", 'b', Some(20), None, Some(("-1@1", "a"))),
                ("ab", 'a', Some(10), Some(30), Some(("0>1", "ba"))),
                ("abc", 'd', None, Some(40), Some(("-0@0 +2@2", "bcd"))),
                ("bcd", 'a', None, Some(10), Some(("", "bcd"))),
                ("acd", 'b', None, Some(20), Some(("-0@0 +0@0", "bcd"))),
                ("abc", 'b', Some(20), Some(35), Some(("1>2", "acb"))),
                ("abc", 'c', Some(30), Some(15), Some(("2>1", "acb"))),
                ("abc", 'c', Some(30), None, None),
                ("abc", 'a', Some(10), Some(11), None),
                ("abc", 'c', Some(30), Some(5), None),
            ],
        );
    }

    #[test]
    fn a_window_of_one_document() {
        check(
            &request(json!({"limit": 1})),
            &[
                ("", 'a', None, Some(10), Some(("+0@0", "a"))),
                ("b", 'a', None, Some(10), Some(("-0@0 +0@0", "a"))),
                ("a", 'b', None, Some(20), Some(("", "a"))),
                ("a", 'a', Some(10), Some(5), None),
                ("a", 'a', Some(10), None, None),
            ],
        );
    }

    #[test]
    fn with_an_offset_the_result_is_read_again() {
        for keys in [json!({"offset": 1}), json!({"offset": 1, "limit": 1})] {
            check(&request(keys), &[("ab", 'c', None, Some(30), None)]);
        }
        let request = request(json!({"offset": 1, "limit": 2}));
        assert_eq!(seen(&window(&request, "abcd"), &request), "bc", "two, and the one left out");
        assert_eq!(seen(&window(&request, "a"), &request), "");
    }

    #[test]
    fn equal_results_have_equal_digests_and_others_have_not() {
        let request = request(json!({}));
        let digest = |ids: &str| window(&request, ids).digest(&request);
        assert_eq!(digest("abc"), digest("cba"));
        assert_ne!(digest("abc"), digest("ab"));
        assert_ne!(digest("ab"), digest("ac"));
        assert_eq!(digest(""), 0);
        let mut changed = window(&request, "ab");
        let (old, new) = (item(&request, 'b', 20, 1), item(&request, 'b', 20, 2));
        changed.apply(&request, Some(&old), Some(&new)).unwrap();
        assert_ne!(changed.digest(&request), digest("ab"));
    }
}
