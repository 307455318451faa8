//! How many countries fit, of which the table may show only the first: counted by the server.

/// The count, and whether another one is on its way. Only one is at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    known: Option<u64>,
    is_asked: bool,
    is_stale: bool,
}

impl Tally {
    /// Something changed. Returns whether to ask the server now.
    #[must_use]
    pub(crate) fn want(&mut self) -> bool {
        self.is_stale = self.is_asked;
        !std::mem::replace(&mut self.is_asked, true)
    }

    /// The server answered; `None` if it did not. Returns whether to ask it again: something changed meanwhile.
    #[must_use]
    pub(crate) fn answer(&mut self, count: Option<u64>) -> bool {
        self.known = count;
        self.is_asked = std::mem::take(&mut self.is_stale);
        self.is_asked
    }

    /// What the table shows, in words: `shown` rows, where at most `limit` were asked for.
    pub(crate) fn summary(&self, shown: usize, limit: u64) -> String {
        let all = self.all(shown, limit);
        match all {
            Some(1) => "1 country".to_owned(),
            Some(all) if all == shown as u64 => format!("{all} countries"),
            Some(all) => format!("{shown} of {all} countries"),
            None => format!("the first {shown} countries"),
        }
    }

    /// Whether more rows would be shown if they were asked for.
    pub(crate) fn has_more(&self, shown: usize, limit: u64) -> bool {
        self.all(shown, limit).is_none_or(|all| all > shown as u64)
    }

    /// How many countries fit, if that is known. Where not all rows came that were asked for, these are all.
    fn all(&self, shown: usize, limit: u64) -> Option<u64> {
        let shown = shown as u64;
        if shown < limit { Some(shown) } else { self.known.map(|known| known.max(shown)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_count_is_on_its_way_at_a_time() {
        let mut tally = Tally::default();
        assert!(tally.want());
        assert!(!tally.want());
        assert!(!tally.want());
        assert!(tally.answer(Some(250)), "it is stale");
        assert_eq!(tally.known, Some(250));
        assert!(!tally.answer(Some(251)));
        assert!(tally.want());
        assert!(!tally.answer(None));
        assert_eq!(tally.known, None);
    }

    #[test]
    fn it_is_told_in_words() {
        let counted = |known| Tally { known, ..Tally::default() };
        for (known, shown, limit, words, more) in [
            (Some(250), 25, 25, "25 of 250 countries", true),
            (Some(25), 25, 25, "25 countries", false),
            (Some(24), 25, 25, "25 countries", false),
            (Some(250), 7, 25, "7 countries", false),
            (None, 25, 25, "the first 25 countries", true),
            (None, 1, 25, "1 country", false),
            (None, 0, 25, "0 countries", false),
        ] {
            let tally = counted(known);
            assert_eq!(
                (tally.summary(shown, limit).as_str(), tally.has_more(shown, limit)),
                (words, more)
            );
        }
    }
}
