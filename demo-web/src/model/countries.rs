//! The atlas's list of countries, and finding one in it.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A country as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Country {
    /// ISO 3166-1 alpha-3, and the document's id.
    pub(crate) id: String,
    /// Its common name.
    pub(crate) name: String,
    /// The part of the world.
    pub(crate) region: String,
}

impl Country {
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Country {
            id: text("id")?,
            name: text("name")?,
            region: text("region").unwrap_or_default(),
        })
    }

    /// The path of its document.
    pub(crate) fn path(&self) -> String {
        format!("countries/{}", self.id)
    }

    /// How well it fits what was typed; a smaller number is better, `None` is not at all.
    fn rank(&self, needle: &str) -> Option<u8> {
        let name = folded(&self.name);
        let starts = |text: &str| text.starts_with(needle);
        if name == needle || folded(&self.id) == needle {
            Some(0)
        } else if starts(&name) {
            Some(1)
        } else if name.split([' ', '-', '(']).any(starts) {
            Some(2)
        } else if name.contains(needle) {
            Some(3)
        } else {
            starts(&folded(&self.region)).then_some(4)
        }
    }
}

/// The address of the picture of a country's flag. `None` for what has no path as countries have it.
pub(crate) fn flag(path: &str) -> Option<String> {
    let code = path.strip_prefix("countries/")?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then(|| format!("/flags/{}.svg", code.to_lowercase()))
}

/// The countries of the document `atlas/index`. An entry that is none is left out.
pub(crate) fn read(index: &Map<String, Value>) -> Vec<Country> {
    let entries = index.get("countries").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(Country::read).collect()
}

/// The languages that the document `atlas/index` knows of.
pub(crate) fn languages(index: &Map<String, Value>) -> Vec<String> {
    let languages = index.get("languages").and_then(Value::as_array);
    languages.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The parts of the world, from A to Z, `wanted` among them even if no country is known there.
pub(crate) fn regions(countries: &[Country], wanted: Option<&str>) -> Vec<String> {
    let known = countries.iter().map(|country| country.region.as_str()).chain(wanted);
    let sorted: BTreeSet<&str> = known.filter(|region| !region.is_empty()).collect();
    sorted.into_iter().map(str::to_owned).collect()
}

/// The countries that fit what was typed, the best first; all of them for nothing typed.
pub(crate) fn search(countries: &[Country], typed: &str) -> Vec<Country> {
    let needle = folded(typed.trim());
    let mut found: Vec<(u8, &Country)> =
        countries.iter().filter_map(|country| Some((country.rank(&needle)?, country))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, country)| country.clone()).collect()
}

/// The countries that the ids in `borders` name.
pub(crate) fn neighbours(countries: &[Country], borders: Option<&Value>) -> Vec<Country> {
    let ids = borders.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    ids.filter_map(|id| countries.iter().find(|country| country.id == id)).cloned().collect()
}

/// Lower case without the accents that country names have, so that "aland" finds Åland.
fn folded(text: &str) -> String {
    let plain = |character: char| match character {
        'à'..='å' | 'ā' | 'ă' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        '’' => '\'',
        other => other,
    };
    text.chars().flat_map(char::to_lowercase).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn atlas() -> Vec<Country> {
        let country =
            |id: &str, name: &str, region: &str| json!({"id": id, "name": name, "region": region});
        let index = json!({"countries": [
            country("ALA", "Åland Islands", "Europe"),
            country("FRA", "France", "Europe"),
            country("PYF", "French Polynesia", "Oceania"),
            country("NZL", "New Zealand", "Oceania"),
            country("ZAF", "South Africa", "Africa"),
            {"id": "???"}, 7
        ]});
        read(index.as_object().unwrap())
    }

    fn found(typed: &str) -> Vec<String> {
        search(&atlas(), typed).into_iter().map(|country| country.id).collect()
    }

    #[test]
    fn the_best_come_first() {
        assert_eq!(found("fr"), ["FRA", "PYF", "ZAF"]);
        assert_eq!(found(" ZE"), ["NZL"]);
        assert_eq!(found("aland"), ["ALA", "NZL"]);
        assert_eq!(found("nzl"), ["NZL"]);
        assert_eq!(found("oce"), ["PYF", "NZL"]);
        assert_eq!(found("").len(), 5);
        assert!(found("xyz").is_empty());
    }

    #[test]
    fn flags_are_those_of_countries() {
        assert_eq!(flag("countries/FRA").as_deref(), Some("/flags/fra.svg"));
        for other in
            ["countries/FR", "countries/fra", "countries/FRA/x/1", "users/FRA", "countries/ÄÖ"]
        {
            assert_eq!(flag(other), None, "{other}");
        }
    }

    #[test]
    fn neighbours_are_the_known_ones_in_order() {
        let ids = |borders: Value| -> Vec<String> {
            neighbours(&atlas(), Some(&borders)).into_iter().map(|country| country.id).collect()
        };
        assert_eq!(ids(json!(["ZAF", "XXX", "FRA", 1])), ["ZAF", "FRA"]);
        assert!(ids(json!("FRA")).is_empty());
        assert!(neighbours(&atlas(), None).is_empty());
    }

    #[test]
    fn regions_are_told_once() {
        assert_eq!(regions(&atlas(), None), ["Africa", "Europe", "Oceania"]);
        assert_eq!(regions(&atlas(), Some("Europe")), ["Africa", "Europe", "Oceania"]);
        assert_eq!(regions(&[], Some("Atlantis")), ["Atlantis"]);
    }

    #[test]
    fn an_index_of_another_form_is_empty() {
        assert!(read(&Map::new()).is_empty());
        assert!(read(json!({"countries": 1}).as_object().unwrap()).is_empty());
        let index = json!({"languages": ["French", 1]});
        assert_eq!(languages(index.as_object().unwrap()), ["French"]);
        assert!(languages(&Map::new()).is_empty());
    }
}
