//! Which countries the table is to show, and in what order: a query.

use blaze_client::{Direction, Filter, Value, where_};

/// How many rows are asked for at first, and how many more each time.
pub(crate) const PAGE: u64 = 25;
/// The most rows that are asked for.
pub(crate) const MOST: u64 = 500;
/// The last character that a name may go on with: what begins with a prefix comes before the prefix and this.
const LAST: char = '\u{f8ff}';
/// Words that names write small.
const SMALL: [&str; 5] = ["of", "and", "the", "da", "de"];

/// What the table is asked to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The part of the world; all of it for `None`.
    pub(crate) region: Option<String>,
    /// The least population.
    pub(crate) at_least: Option<u64>,
    /// The largest population.
    pub(crate) at_most: Option<u64>,
    /// What the name begins with.
    pub(crate) prefix: String,
    /// One of the languages.
    pub(crate) language: Option<String>,
    /// The order.
    pub(crate) sort: Sort,
    /// The most rows.
    pub(crate) limit: u64,
}

/// An order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    /// By what.
    pub(crate) column: Column,
    /// Which way.
    pub(crate) direction: Direction,
}

/// A column that rows can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// The common name.
    Name,
    /// The number of people.
    Population,
    /// The area in km².
    Area,
}

/// A condition: a field, an operator, a value.
pub(crate) type Condition = (&'static str, &'static str, Value);

impl Column {
    /// The field of the documents, and the column's name in the address.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::Population => "population",
            Column::Area => "area",
        }
    }

    /// The column of that field.
    pub(crate) fn of(field: &str) -> Option<Self> {
        let columns = [Column::Name, Column::Population, Column::Area];
        columns.into_iter().find(|column| column.field() == field)
    }

    /// The direction that is wanted first: from A to Z, from large to small.
    fn natural(self) -> Direction {
        if self == Column::Name { Direction::Ascending } else { Direction::Descending }
    }
}

impl Sort {
    /// The order after a press on the head of `column`.
    #[must_use]
    pub(crate) fn pressed(self, column: Column) -> Self {
        let direction = match self.direction {
            _ if column != self.column => column.natural(),
            Direction::Ascending => Direction::Descending,
            Direction::Descending => Direction::Ascending,
        };
        Sort { column, direction }
    }
}

impl Default for Wish {
    fn default() -> Self {
        Wish {
            region: None,
            at_least: None,
            at_most: None,
            prefix: String::new(),
            language: None,
            sort: Sort { column: Column::Name, direction: Direction::Ascending },
            limit: PAGE,
        }
    }
}

impl Wish {
    /// The conditions, all of which must hold.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let mut all: Vec<Condition> = Vec::new();
        if let Some(region) = &self.region {
            all.push(("region", "==", Value::from(region.as_str())));
        }
        if let Some(language) = &self.language {
            all.push(("languages", "array-contains", Value::from(language.as_str())));
        }
        if let Some(least) = self.at_least {
            all.push(("population", ">=", Value::from(least)));
        }
        if let Some(most) = self.at_most {
            all.push(("population", "<=", Value::from(most)));
        }
        if !self.prefix.is_empty() {
            all.push(("name", ">=", Value::from(self.prefix.as_str())));
            all.push(("name", "<", Value::from(format!("{}{LAST}", self.prefix))));
        }
        all
    }

    /// The conditions as the client takes them.
    pub(crate) fn filters(&self) -> impl Iterator<Item = Filter> + use<> {
        self.conditions().into_iter().map(|(field, op, value)| where_(field, op, value))
    }

    /// Whether there are any conditions.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.conditions().is_empty()
    }

    /// The same order of all countries.
    #[must_use]
    pub(crate) fn cleared(&self) -> Self {
        Wish { sort: self.sort, ..Wish::default() }
    }

    /// The same with more rows.
    #[must_use]
    pub(crate) fn with_more(&self) -> Self {
        Wish { limit: (self.limit + PAGE).min(MOST), ..self.clone() }
    }
}

/// What was typed, as names are written: "new z" is "New Z". No letter is made small, for "DR Congo".
pub(crate) fn as_written(typed: &str) -> String {
    // A space at the end goes on with another word; it is wanted where a word is before it.
    let typed = typed.trim_start();
    let mut written = String::with_capacity(typed.len());
    for part in typed.split_inclusive([' ', '-', '(']) {
        let word = part.trim_end_matches([' ', '-', '(']);
        let is_small = SMALL.contains(&word) && !written.is_empty();
        let mut letters = part.chars();
        match letters.next() {
            Some(first) if !is_small => written.extend(first.to_uppercase()),
            Some(first) => written.push(first),
            None => {}
        }
        written.push_str(letters.as_str());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn full() -> Wish {
        Wish {
            region: Some("Europe".to_owned()),
            at_least: Some(1_000_000),
            at_most: Some(90_000_000),
            prefix: "Fr".to_owned(),
            language: Some("French".to_owned()),
            ..Wish::default()
        }
    }

    #[test]
    fn every_filter_is_a_condition() {
        let expected = [
            ("region", "==", json!("Europe")),
            ("languages", "array-contains", json!("French")),
            ("population", ">=", json!(1_000_000)),
            ("population", "<=", json!(90_000_000)),
            ("name", ">=", json!("Fr")),
            ("name", "<", json!("Fr\u{f8ff}")),
        ];
        assert_eq!(full().conditions(), expected);
        let filters: Vec<Filter> = full().filters().collect();
        assert_eq!(filters, expected.map(|(field, op, value)| where_(field, op, value)));
        assert!(full().is_filtered());
        assert!(!Wish::default().is_filtered());
    }

    #[test]
    fn a_prefix_holds_for_what_begins_with_it() {
        let wish = Wish { prefix: "Fr".to_owned(), ..Wish::default() };
        let [(_, _, least), (_, _, beyond)] = &wish.conditions()[..] else { panic!() };
        let within = |name: &str| least.as_str() <= Some(name) && Some(name) < beyond.as_str();
        assert_eq!(
            ["Fr", "France", "Français", "Fa", "Fs", "fr"].map(within),
            [true, true, true, false, false, false]
        );
    }

    #[test]
    fn a_head_is_pressed_twice_to_turn_the_order() {
        let name = Wish::default().sort;
        let large = name.pressed(Column::Population);
        assert_eq!((large.column, large.direction), (Column::Population, Direction::Descending));
        let small = large.pressed(Column::Population);
        assert_eq!((small.column, small.direction), (Column::Population, Direction::Ascending));
        assert_eq!(small.pressed(Column::Population), large);
        assert_eq!(small.pressed(Column::Name), name);
        assert_eq!(small.pressed(Column::Area).direction, Direction::Descending);
        for column in [Column::Name, Column::Population, Column::Area] {
            assert_eq!(Column::of(column.field()), Some(column));
        }
    }

    #[test]
    fn what_is_cleared_keeps_its_order() {
        let sort = Wish::default().sort.pressed(Column::Area);
        let wish = Wish { sort, ..full() }.with_more();
        assert_eq!(wish.limit, 2 * PAGE);
        assert_eq!(wish.cleared(), Wish { sort, ..Wish::default() });
        let most = Wish { limit: MOST, ..Wish::default() };
        assert_eq!(most.with_more().limit, MOST);
    }

    #[test]
    fn typed_names_are_written_as_names_are() {
        for (typed, written) in [
            ("fr", "Fr"),
            ("new z", "New Z"),
            ("guinea-b", "Guinea-B"),
            ("isle of m", "Isle of M"),
            ("cocos (k", "Cocos (K"),
            (" the", "The"),
            ("DR c", "DR C"),
            ("åland", "Åland"),
            ("united ", "United "),
            ("", ""),
            ("  ", ""),
        ] {
            assert_eq!(as_written(typed), written, "{typed:?}");
        }
    }
}
