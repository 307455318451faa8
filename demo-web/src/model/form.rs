//! What is typed into the table's filters, and when it is asked for: after a pause, not at every key.

use super::numbers;
use super::wish::{PAGE, Wish, as_written};

/// How long nothing must be typed, in milliseconds.
pub(crate) const PAUSE: u64 = 250;

/// Something to type into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// What the name begins with.
    Prefix,
    /// One of the languages.
    Language,
    /// The least population.
    AtLeast,
    /// The largest population.
    AtMost,
}

/// The texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    prefix: String,
    language: String,
    at_least: String,
    at_most: String,
    /// When something was typed that is not asked for yet: milliseconds of some clock.
    typed_at: Option<u64>,
}

impl Form {
    /// The text of an entry.
    pub(crate) fn text(&self, entry: Entry) -> &str {
        match entry {
            Entry::Prefix => &self.prefix,
            Entry::Language => &self.language,
            Entry::AtLeast => &self.at_least,
            Entry::AtMost => &self.at_most,
        }
    }

    /// What is wrong with the text of an entry.
    pub(crate) fn error(&self, entry: Entry) -> Option<String> {
        match entry {
            Entry::Prefix | Entry::Language => None,
            Entry::AtLeast | Entry::AtMost => numbers::read(self.text(entry)).err(),
        }
    }

    /// A person typed: the text of an entry is now another one.
    pub(crate) fn type_text(&mut self, entry: Entry, text: String, now: u64) {
        match entry {
            Entry::Prefix => self.prefix = text,
            Entry::Language => self.language = text,
            Entry::AtLeast => self.at_least = text,
            Entry::AtMost => self.at_most = text,
        }
        self.typed_at = Some(now);
    }

    /// How long to wait before what was typed is asked for; `None` if nothing was.
    pub(crate) fn wait(&self, now: u64) -> Option<u64> {
        self.typed_at.map(|typed_at| (typed_at + PAUSE).saturating_sub(now))
    }

    /// The wish with what was typed. A text that means nothing leaves its bound as it was.
    #[must_use]
    pub(crate) fn settle(&mut self, wish: &Wish) -> Wish {
        self.typed_at = None;
        let mut settled = Wish {
            prefix: as_written(&self.prefix),
            language: language(&self.language),
            at_least: numbers::read(&self.at_least).unwrap_or(wish.at_least),
            at_most: numbers::read(&self.at_most).unwrap_or(wish.at_most),
            ..wish.clone()
        };
        if settled != *wish {
            settled.limit = PAGE;
        }
        settled
    }

    /// Shows a wish, however it came. A text that means the same stays as it was typed.
    pub(crate) fn follow(&mut self, wish: &Wish) {
        self.typed_at = None;
        if as_written(&self.prefix) != wish.prefix {
            self.prefix.clone_from(&wish.prefix);
        }
        if language(&self.language) != wish.language {
            self.language = wish.language.clone().unwrap_or_default();
        }
        for (text, bound) in
            [(&mut self.at_least, wish.at_least), (&mut self.at_most, wish.at_most)]
        {
            match (numbers::read(text), bound) {
                // What means nothing stays, for the person to correct.
                (Err(_), None) => {}
                (Ok(typed), bound) if typed == bound => {}
                (_, bound) => *text = bound.map(numbers::short).unwrap_or_default(),
            }
        }
    }

    /// Takes back all that was typed.
    pub(crate) fn clear(&mut self) {
        *self = Form::default();
    }
}

fn language(typed: &str) -> Option<String> {
    let written = as_written(typed.trim());
    (!written.is_empty()).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(texts: &[(Entry, &str)]) -> Form {
        let mut form = Form::default();
        for (entry, text) in texts {
            form.type_text(*entry, (*text).to_owned(), 0);
        }
        form
    }

    #[test]
    fn every_key_starts_the_pause_again() {
        let mut form = Form::default();
        assert_eq!(form.wait(1_000), None);
        form.type_text(Entry::Prefix, "f".to_owned(), 1_000);
        assert_eq!(form.wait(1_000), Some(PAUSE));
        form.type_text(Entry::Prefix, "fr".to_owned(), 1_100);
        assert_eq!(form.wait(1_000 + PAUSE), Some(100));
        assert_eq!(form.wait(1_100 + PAUSE), Some(0));
        assert_eq!(form.wait(9_000), Some(0));
        assert_eq!(form.settle(&Wish::default()).prefix, "Fr");
        assert_eq!(form.wait(9_000), None);
    }

    #[test]
    fn texts_become_a_wish() {
        let mut form = typed(&[
            (Entry::Prefix, "new z"),
            (Entry::Language, " french "),
            (Entry::AtLeast, "1M"),
            (Entry::AtMost, ""),
        ]);
        let before = Wish { limit: 3 * PAGE, at_most: Some(7), ..Wish::default() };
        let wish = form.settle(&before);
        let expected = Wish {
            prefix: "New Z".to_owned(),
            language: Some("French".to_owned()),
            at_least: Some(1_000_000),
            ..Wish::default()
        };
        assert_eq!(wish, expected, "and it starts with few rows again");
        let many = Wish { limit: 3 * PAGE, ..expected };
        assert_eq!(form.settle(&many), many, "nothing new");
    }

    #[test]
    fn what_is_wrong_is_told_and_changes_nothing() {
        let mut form = typed(&[(Entry::AtLeast, "lots"), (Entry::AtMost, "2k")]);
        assert!(form.error(Entry::AtLeast).is_some_and(|error| error.contains("lots")));
        assert_eq!(form.error(Entry::AtMost), None);
        let wish = form.settle(&Wish { at_least: Some(5), ..Wish::default() });
        assert_eq!((wish.at_least, wish.at_most), (Some(5), Some(2_000)));
        form.follow(&Wish { at_least: None, ..wish.clone() });
        assert_eq!((form.text(Entry::AtLeast), form.text(Entry::AtMost)), ("lots", "2k"));
        form.follow(&wish);
        assert_eq!(form.text(Entry::AtLeast), "5");
    }

    #[test]
    fn a_wish_from_elsewhere_is_shown_and_an_own_one_leaves_the_texts() {
        let texts =
            [(Entry::Prefix, "fr"), (Entry::Language, "french"), (Entry::AtLeast, "1,000,000")];
        let mut form = typed(&texts);
        let own = form.settle(&Wish::default());
        form.follow(&own);
        for (entry, text) in texts {
            assert_eq!(form.text(entry), text);
        }
        form.follow(&Wish { at_most: Some(2_500_000), ..Wish::default() });
        assert_eq!(form.text(Entry::AtMost), "2.5M");
        for (entry, _) in texts {
            assert_eq!(form.text(entry), "");
        }
        form.type_text(Entry::AtMost, "lots".to_owned(), 0);
        form.clear();
        assert_eq!(form, Form::default());
    }
}
