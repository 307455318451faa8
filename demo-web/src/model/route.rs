//! The meaning of a page's address: a document (`/countries/FRA`), or the table (`/table?region=Europe&sort=-population`).

use super::wish::{Column, MOST, Sort, Wish};
use blaze_client::Direction;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays readable in the address.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The table's name. It is no document's path: that has two segments or more.
const TABLE: &str = "table";

/// Collections whose documents have no address of that form, as the server has something else there: they are named by
/// the fragment (`/#v1/x`).
const TAKEN: [&str; 2] = ["v1", "client"];

/// Where the page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the beginning: no document is open.
    Home,
    /// At the document of that path.
    Document(String),
    /// At the table.
    Table {
        /// What it shows.
        wish: Wish,
        /// The path of the document that is open beside it.
        open: Option<String>,
    },
}

impl Place {
    /// The place that an address names: its path, its query with the `?`, its fragment with the `#`. What stands in the
    /// fragment counts, as in the addresses of earlier versions.
    pub(crate) fn of(path: &str, query: &str, fragment: &str) -> Self {
        let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
        let (name, parameters) = match fragment {
            "" => {
                (path.strip_prefix('/').unwrap_or(path), query.strip_prefix('?').unwrap_or(query))
            }
            // A document's path has no plain question mark: it is encoded.
            fragment => fragment.split_once('?').unwrap_or((fragment, "")),
        };
        match name {
            TABLE => Self::of_parameters(parameters),
            "" => Place::Home,
            name => Place::Document(decoded(name)),
        }
    }

    fn of_parameters(parameters: &str) -> Self {
        let (mut wish, mut open) = (Wish::default(), None);
        for parameter in parameters.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = decoded(value);
            let text = || Some(value.clone()).filter(|value| !value.is_empty());
            match name {
                "region" => wish.region = text(),
                "language" => wish.language = text(),
                "starts" => wish.prefix.clone_from(&value),
                "min" => wish.at_least = value.parse().ok(),
                "max" => wish.at_most = value.parse().ok(),
                "sort" => wish.sort = sort_of(&value).unwrap_or(wish.sort),
                "show" => {
                    wish.limit =
                        value.parse().map_or(wish.limit, |limit: u64| limit.clamp(1, MOST));
                }
                "open" => open = text(),
                _ => {}
            }
        }
        Place::Table { wish, open }
    }

    /// The address that names the place, from its path on.
    pub(crate) fn address(&self) -> String {
        match self {
            Place::Home => "/".to_owned(),
            Place::Document(path) if is_taken(path) => format!("/#{}", encoded(path)),
            Place::Document(path) => format!("/{}", encoded(path)),
            Place::Table { wish, open } => {
                let parameters = parameters(wish, open.as_deref());
                let mark = if parameters.is_empty() { "" } else { "?" };
                format!("/{TABLE}{mark}{}", parameters.join("&"))
            }
        }
    }

    /// The path of the document that is open.
    pub(crate) fn document(&self) -> Option<&str> {
        match self {
            Place::Home => None,
            Place::Document(path) => Some(path),
            Place::Table { open, .. } => open.as_deref(),
        }
    }

    /// What the table shows, if it is there.
    pub(crate) fn wish(&self) -> Option<&Wish> {
        match self {
            Place::Table { wish, .. } => Some(wish),
            _ => None,
        }
    }

    /// The place where another document is open, or none: the table stays.
    #[must_use]
    pub(crate) fn at(&self, path: Option<&str>) -> Self {
        let open = path.map(str::to_owned);
        match (self, open) {
            (Place::Table { wish, .. }, open) => Place::Table { wish: wish.clone(), open },
            (_, Some(path)) => Place::Document(path),
            (_, None) => Place::Home,
        }
    }
}

fn is_taken(path: &str) -> bool {
    let collection = path.split('/').next().unwrap_or(path);
    // One that is empty would make an address of another host.
    collection.is_empty() || TAKEN.contains(&collection) || path == TABLE
}

/// The URL's path of the document's resource.
pub(crate) fn resource_of(path: &str) -> String {
    format!("/v1/docs/{}", encoded(path))
}

/// Whatever differs from what the table shows at first.
fn parameters(wish: &Wish, open: Option<&str>) -> Vec<String> {
    let usual = Wish::default();
    let number = |bound: Option<u64>| bound.map(|bound| bound.to_string());
    let named = [
        ("region", wish.region.clone()),
        ("language", wish.language.clone()),
        ("starts", Some(wish.prefix.clone()).filter(|prefix| !prefix.is_empty())),
        ("min", number(wish.at_least)),
        ("max", number(wish.at_most)),
        ("sort", (wish.sort != usual.sort).then(|| text_of(wish.sort))),
        ("show", number((wish.limit != usual.limit).then_some(wish.limit))),
        ("open", open.map(str::to_owned)),
    ];
    let present = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    present.map(|(name, value)| format!("{name}={}", encoded(&value))).collect()
}

/// `population`, or `-population` from large to small.
pub(crate) fn text_of(sort: Sort) -> String {
    let sign = if sort.direction == Direction::Descending { "-" } else { "" };
    format!("{sign}{}", sort.column.field())
}

fn sort_of(text: &str) -> Option<Sort> {
    let (direction, field) = match text.strip_prefix('-') {
        Some(field) => (Direction::Descending, field),
        None => (Direction::Ascending, text),
    };
    Some(Sort { column: Column::of(field)?, direction })
}

/// Text as it may stand in a URL.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place at an address.
    fn at(address: &str) -> Place {
        let (rest, fragment) = address.split_once('#').unwrap_or((address, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Place::of(path, query, fragment)
    }

    fn table(address: &str) -> Wish {
        at(address).wish().unwrap().clone()
    }

    #[test]
    fn paths_survive_the_address() {
        for path in [
            "countries/FRA",
            "a b/ü#?%2F",
            "x/y/z/1",
            "table?region/Asia",
            "table/x",
            "v1/docs",
            "client/x/y/z",
        ] {
            let place = Place::Document(path.to_owned());
            assert_eq!(at(&place.address()), place);
            assert_eq!(place.document(), Some(path));
        }
        let address = |path: &str| Place::Document(path.to_owned()).address();
        assert_eq!(address("countries/FRA"), "/countries/FRA");
        assert_eq!(address("v1/docs"), "/#v1/docs");
        assert_eq!(address("clients/a"), "/clients/a");
        assert!(!address("/evil.example/x").starts_with("//"));
        assert_eq!(resource_of("a b/c"), "/v1/docs/a%20b/c");
    }

    #[test]
    fn earlier_addresses_are_understood() {
        assert_eq!(at("/#countries/FRA"), Place::Document("countries/FRA".to_owned()));
        assert_eq!(at("/countries/DEU#countries/FRA"), at("/countries/FRA"));
        assert_eq!(at("/#table?region=Asia").address(), "/table?region=Asia");
    }

    #[test]
    fn an_empty_address_names_nothing() {
        for address in ["", "/", "/#", "/?x=1"] {
            assert_eq!(at(address), Place::Home);
        }
        assert_eq!(Place::Home.address(), "/");
    }

    #[test]
    fn the_table_survives_the_address() {
        let wish = Wish {
            region: Some("Asia & more".to_owned()),
            at_least: Some(0),
            at_most: Some(1_000_000),
            prefix: "Åland ".to_owned(),
            language: Some("Haitian Creole".to_owned()),
            sort: Sort { column: Column::Area, direction: Direction::Descending },
            limit: 75,
        };
        for open in [None, Some("countries/FRA".to_owned())] {
            for wish in [Wish::default(), wish.clone()] {
                let place = Place::Table { wish, open: open.clone() };
                assert_eq!(at(&place.address()), place);
            }
        }
        assert_eq!(at("/table").address(), "/table");
        let address = "/table?region=Europe&sort=-population&open=countries/FRA";
        assert_eq!(at(address).address(), address);
    }

    #[test]
    fn what_an_address_says_wrongly_is_left_out() {
        let odd = "/table?min=many&max=&sort=flag&show=0&region=&starts&x=1&&=";
        assert_eq!(table(odd), Wish { limit: 1, ..Wish::default() });
        assert_eq!(table("/table?show=999999").limit, MOST);
        assert_eq!(table("/table?"), Wish::default());
    }

    #[test]
    fn the_table_stays_when_a_document_is_opened() {
        let table = at("/table?region=Asia");
        let beside = table.at(Some("countries/JPN"));
        assert_eq!(beside.address(), "/table?region=Asia&open=countries/JPN");
        assert_eq!(beside.document(), Some("countries/JPN"));
        assert_eq!(beside.at(None), table);
        let alone = Place::Home.at(Some("countries/JPN"));
        assert_eq!(alone, Place::Document("countries/JPN".to_owned()));
        assert_eq!(alone.at(None), Place::Home);
    }
}
