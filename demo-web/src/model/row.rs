//! A country as a row of the table: texts.

use super::json_text::preview;
use super::numbers;
use serde_json::{Map, Value};

/// The fields that a row shows: no others are asked for.
pub(crate) const FIELDS: [&str; 6] =
    ["name", "region", "population", "area", "languages", "capital"];

/// How much is shown of a value that is not what it should be.
const ODD: usize = 24;

/// The texts of a row. The numbers are those of [`Cell`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The document's id.
    pub(crate) id: String,
    cells: [String; Cell::ALL.len()],
}

/// What stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The common name, or else the id.
    Name,
    /// The part of the world.
    Region,
    /// The number of people.
    Population,
    /// The area in km².
    Area,
    /// The languages.
    Languages,
    /// The capital.
    Capital,
}

impl Cell {
    /// All of them.
    pub(crate) const ALL: [Cell; 6] =
        [Cell::Name, Cell::Region, Cell::Population, Cell::Area, Cell::Languages, Cell::Capital];
}

impl Row {
    /// The row of a document.
    pub(crate) fn read(id: &str, data: &Map<String, Value>) -> Self {
        let name = match data.get("name") {
            Some(Value::String(name)) if !name.trim().is_empty() => name.clone(),
            _ => id.to_owned(),
        };
        Row {
            id: id.to_owned(),
            cells: [
                name,
                list(data.get("region")),
                numbers::shown(data.get("population")),
                numbers::shown(data.get("area")),
                list(data.get("languages")),
                list(data.get("capital")),
            ],
        }
    }

    /// The text of a cell.
    pub(crate) fn text(&self, cell: Cell) -> &str {
        &self.cells[cell as usize]
    }
}

/// A string, or strings with commas between them.
fn list(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            let texts: Vec<String> = values.iter().map(|value| list(Some(value))).collect();
            texts.join(", ")
        }
        Some(other) => preview(other, ODD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(data: Value) -> [String; 6] {
        let row = Row::read("FRA", data.as_object().unwrap());
        Cell::ALL.map(|cell| row.text(cell).to_owned())
    }

    #[test]
    fn a_country_becomes_texts() {
        let data = json!({
            "name": "France", "region": "Europe", "population": 66_987_244, "area": 551_695.5,
            "languages": ["French", "Breton"], "capital": ["Paris"], "more": 1,
        });
        let expected = ["France", "Europe", "66,987,244", "551,695.5", "French, Breton", "Paris"];
        assert_eq!(texts(data.clone()), expected);
        let row = Row::read("FRA", data.as_object().unwrap());
        assert_eq!(row.id, "FRA");
    }

    #[test]
    fn whatever_somebody_wrote_is_shown() {
        assert_eq!(texts(json!({})), ["FRA", "", "–", "–", "", ""]);
        let odd = json!({
            "name": 7, "region": {"a": 1}, "population": "few", "area": null, "languages": "all", "capital": [1, null],
        });
        assert_eq!(texts(odd), ["FRA", "{\"a\":1}", "few", "–", "all", "1, "]);
    }
}
