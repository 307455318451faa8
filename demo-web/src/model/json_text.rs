//! JSON as a person reads it: on one line where it fits, else one line per entry.

use serde_json::Value;

/// The longest line that an array or an object is written on.
const LINE: usize = 60;
const INDENT: usize = 2;

/// `value` as JSON with spaces and line breaks.
pub(crate) fn readable(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// `value` as compact JSON, cut off after `limit` characters.
pub(crate) fn preview(value: &Value, limit: usize) -> String {
    let text = value.to_string();
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn write(text: &mut String, value: &Value, indent: usize) {
    let line = one_line(value);
    if indent + line.chars().count() <= LINE {
        text.push_str(&line);
        return;
    }
    match value {
        Value::Array(values) if !values.is_empty() => {
            write_entries(text, '[', ']', indent, values.iter().map(|value| (None, value)));
        }
        Value::Object(map) if !map.is_empty() => {
            let entries = map.iter().map(|(key, value)| (Some(key), value));
            write_entries(text, '{', '}', indent, entries);
        }
        _ => text.push_str(&line),
    }
}

fn write_entries<'a>(
    text: &mut String,
    open: char,
    close: char,
    indent: usize,
    entries: impl Iterator<Item = (Option<&'a String>, &'a Value)>,
) {
    let inner = indent + INDENT;
    text.push(open);
    for (number, (key, value)) in entries.enumerate() {
        text.push_str(if number > 0 { ",\n" } else { "\n" });
        text.extend(std::iter::repeat_n(' ', inner));
        if let Some(key) = key {
            text.push_str(&quoted(key));
            text.push_str(": ");
        }
        write(text, value, inner);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
    text.push(close);
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(one_line).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), one_line(value));
            let entries: Vec<String> = map.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(key: &str) -> String {
    Value::from(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_stays_on_one_line() {
        assert_eq!(readable(&json!(["Paris", 1, null])), r#"["Paris", 1, null]"#);
        assert_eq!(readable(&json!({"code": "EUR", "n": {}})), r#"{ "code": "EUR", "n": {} }"#);
        assert_eq!(readable(&json!([])), "[]");
    }

    #[test]
    fn what_does_not_fit_gets_a_line_per_entry() {
        let value = json!({"a": "x".repeat(40), "b": ["y".repeat(40), {"c": "z"}]});
        let expected = format!(
            "{{\n  \"a\": \"{}\",\n  \"b\": [\"{}\", {{ \"c\": \"z\" }}]\n}}",
            "x".repeat(40),
            "y".repeat(40)
        );
        assert_eq!(readable(&value), expected);
    }

    #[test]
    fn what_is_readable_is_the_same_json() {
        let long = "long \"text\"\n".repeat(12);
        let value =
            json!({"a": [[], {}, [long, {"k \" k": {"deep": [1.5, -2, true]}}]], "b": long});
        assert_eq!(serde_json::from_str::<Value>(&readable(&value)).unwrap(), value);
    }

    #[test]
    fn a_preview_is_cut_between_characters() {
        assert_eq!(preview(&json!(["é", 1]), 20), r#"["é",1]"#);
        assert_eq!(preview(&json!("éééééé"), 4), "\"ééé…");
    }
}
