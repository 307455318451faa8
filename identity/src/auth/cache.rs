//! Tokens that were verified before: a look costs a thousandth of what verifying does.

use blaze_rules::auth::Auth;
use blaze_schema::limits::{AUTH_CACHE, AUTH_CACHE_BYTES};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::rc::Rc;

/// Verified tokens by their text, the latest of them.
///
/// There are two generations. What is looked at moves to the younger one; when that is full, the older one is dropped
/// and the younger becomes the older. So what was used lately stays, for the price of one more look.
#[derive(Default)]
pub(super) struct Cache {
    young: Generation,
    old: Generation,
}

/// A token is found by its end, that is by its signature's: 32 characters that differ where tokens do. The whole text
/// is compared then.
///
/// The hash has no secret. Nobody gains from choosing what collides: only tokens that were verified are ever in here,
/// whoever asks cannot choose their signatures, and there are too few of them to make a search of all expensive.
#[derive(Default)]
struct Generation {
    entries: HashMap<Tail, Entry, BuildHasherDefault<DefaultHasher>>,
    bytes: usize,
}

type Tail = [u8; 32];

struct Entry {
    text: Box<str>,
    auth: Rc<Auth>,
}

fn tail(text: &str) -> Option<&Tail> {
    text.as_bytes().last_chunk()
}

impl Cache {
    /// What a token says, if it was verified lately. It may have expired since.
    pub(super) fn get(&mut self, text: &str) -> Option<Rc<Auth>> {
        let tail = tail(text)?;
        if let Some(entry) = self.young.entries.get(tail)
            && *entry.text == *text
        {
            return Some(Rc::clone(&entry.auth));
        }
        if *self.old.entries.get(tail)?.text != *text {
            return None;
        }
        let entry = self.old.entries.remove(tail)?;
        let auth = Rc::clone(&entry.auth);
        self.insert_entry(*tail, entry);
        Some(auth)
    }

    /// Remembers what a verified token says.
    pub(super) fn insert(&mut self, text: &str, auth: Rc<Auth>) {
        if let Some(tail) = tail(text) {
            self.insert_entry(*tail, Entry { text: text.into(), auth });
        }
    }

    fn insert_entry(&mut self, tail: Tail, entry: Entry) {
        let bytes = self.young.bytes.saturating_add(entry.text.len());
        if self.young.entries.len() >= AUTH_CACHE / 2 || bytes > AUTH_CACHE_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes = self.young.bytes.saturating_add(entry.text.len());
        self.young.entries.insert(tail, entry);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Cache::default();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.entries.len() + self.old.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn auth() -> Rc<Auth> {
        let (token, roles) = (Default::default(), BTreeSet::new());
        Rc::new(Auth { uid: "ada".to_owned(), token, roles, expires: None })
    }

    fn text(number: usize, bytes: usize) -> String {
        let number = number.to_string();
        "0".repeat(bytes - number.len()) + &number
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes_at_the_limit() {
        let mut cache = Cache::default();
        let used = text(0, 40);
        cache.insert(&used, auth());
        for number in 1..AUTH_CACHE {
            cache.insert(&text(number, 40), auth());
            assert!(cache.get(&used).is_some(), "{number}");
        }
        // The used one moved once and made room once.
        assert!(cache.len() <= AUTH_CACHE && cache.len() >= AUTH_CACHE / 2, "{}", cache.len());
        for number in AUTH_CACHE..3 * AUTH_CACHE {
            cache.insert(&text(number, 40), auth());
            assert!(cache.len() <= AUTH_CACHE, "{}", cache.len());
        }
        assert!(cache.get(&used).is_none());
        assert!(cache.get(&text(3 * AUTH_CACHE - 1, 40)).is_some());
    }

    #[test]
    fn exactly_the_limit_is_kept_where_nothing_is_asked_twice() {
        let mut cache = Cache::default();
        (0..AUTH_CACHE).for_each(|number| cache.insert(&text(number, 40), auth()));
        assert_eq!(cache.len(), AUTH_CACHE);
        cache.insert(&text(AUTH_CACHE, 40), auth());
        assert_eq!(cache.len(), AUTH_CACHE / 2 + 1);
    }

    #[test]
    fn bytes_are_limited_too() {
        let half = AUTH_CACHE_BYTES / 2;
        let mut cache = Cache::default();
        cache.insert(&text(0, half - 100), auth());
        cache.insert(&text(1, 100), auth());
        assert!(cache.old.entries.is_empty());
        cache.insert(&text(2, 100), auth());
        assert_eq!((cache.old.entries.len(), cache.young.entries.len()), (2, 1));
        assert_eq!((cache.old.bytes, cache.young.bytes), (half, 100));
    }

    #[test]
    fn the_end_alone_finds_nothing() {
        let mut cache = Cache::default();
        let end = "e".repeat(32);
        cache.insert(&format!("one.{end}"), auth());
        assert!(cache.get(&format!("two.{end}")).is_none());
        assert!(cache.get(&end).is_none());
        assert!(cache.get("short").is_none());
        assert!(cache.get(&format!("one.{end}")).is_some());
        cache.clear();
        assert!(cache.get(&format!("one.{end}")).is_none());
    }
}
