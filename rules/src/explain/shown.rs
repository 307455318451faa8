//! Values in words.

use super::super::value::{Type, Val};
use super::{Values, cut};
use blaze_schema::limits::RULE_SHOWN;

/// Number of elements of a list, or keys of a map, that are shown.
const PARTS: usize = 8;

/// Writes the value, or its type alone.
pub(super) fn shown(value: &Val<'_>, values: Values) -> String {
    match (value, values) {
        (Val::Null, _) => "null".to_owned(),
        (Val::Part(_) | Val::Any, _) => "what a query does not tell".to_owned(),
        (_, Values::Hidden) => typed(value),
        _ => cut(&written(value), RULE_SHOWN),
    }
}

/// Names the type with its article.
pub(super) fn typed(value: &Val<'_>) -> String {
    let name = match value.kind() {
        Some(Type::Null) => return "null".to_owned(),
        Some(Type::Int) => return "an int".to_owned(),
        Some(Type::Bytes) => return "bytes".to_owned(),
        Some(Type::Bool) => "bool",
        Some(Type::Duration) => "duration",
        Some(Type::Float) => "float",
        Some(Type::LatLng) => "latlng",
        Some(Type::List) => "list",
        Some(Type::Map) => "map",
        Some(Type::Number) => "number",
        Some(Type::Path) => "path",
        Some(Type::Set) => "set",
        Some(Type::String) => "string",
        Some(Type::Timestamp) => "timestamp",
        Some(Type::Kind) => "type",
        None => return "what a query does not tell".to_owned(),
    };
    format!("a {name}")
}

fn written(value: &Val<'_>) -> String {
    match value {
        Val::Bool(boolean) => boolean.to_string(),
        Val::Int(integer) => integer.to_string(),
        Val::Float(float) => format!("{float:?}"),
        Val::Text(text) => format!("{:?}", cut(text, RULE_SHOWN)),
        Val::Path(path) => format!("/{}", &**path),
        Val::Time(time) => time.to_string(),
        Val::Duration(micros) => super::super::times::duration_text(*micros),
        Val::LatLng(latitude, longitude) => format!("({latitude}, {longitude})"),
        Val::Array(_) | Val::List(_) | Val::Set(_) => {
            let count = value.elements().unwrap_or_default();
            let first = (0..count.min(PARTS)).filter_map(|number| value.element(number));
            let first: Vec<String> = first.map(|element| flat(&element)).collect();
            format!("[{}{}]", first.join(", "), if count > PARTS { ", …" } else { "" })
        }
        Val::Object(_) | Val::Map(_) => {
            let keys = value.keys().unwrap_or_default();
            let first: Vec<String> = keys.iter().take(PARTS).map(flat).collect();
            let more = if keys.len() > PARTS { ", …" } else { "" };
            format!(
                "a map of {}{more}",
                if first.is_empty() { "nothing".into() } else { first.join(", ") }
            )
        }
        _ => typed(value),
    }
}

/// Writes an element; lists and maps inside it are not shown.
fn flat(value: &Val<'_>) -> String {
    match value {
        Val::Null => "null".to_owned(),
        Val::Array(_) | Val::List(_) | Val::Set(_) | Val::Object(_) | Val::Map(_) => typed(value),
        _ => written(value),
    }
}
