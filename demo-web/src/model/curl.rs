//! The table's query as a URL, how the server answers it, and a change that the table shows, for a terminal.

use super::route::{encoded, resource_of, text_of};
use super::wish::Wish;
use serde_json::Value;

/// The URL's path of the countries.
const LIST: &str = "/v1/docs/countries";

/// The command that asks the database at `origin` for what the table shows.
pub(crate) fn query(origin: &str, wish: &Wish) -> String {
    let mut command = format!("curl -G '{origin}{LIST}'");
    for condition in conditions(wish) {
        let condition = quoted(&format!("where={condition}"));
        command += &format!(" \\\n  --data-urlencode {condition}");
    }
    command += &format!(" \\\n  -d orderBy={} -d limit={}", text_of(wish.sort), wish.limit);
    command + " -d explain=true"
}

/// The URL that has the server explain how it finds what the table shows.
pub(crate) fn explain_url(wish: &Wish) -> String {
    let conditions: String =
        conditions(wish).map(|condition| format!("where={}&", encoded(&condition))).collect();
    let sort = text_of(wish.sort);
    // No more than the ids: the rows come by themselves.
    format!("{LIST}?{conditions}orderBy={sort}&limit={}&select=&explain=true", wish.limit)
}

/// The answer to [`explain_url`], in words.
pub(crate) fn explanation(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let explain = answer.get("explain")?;
    let number = |key: &str| explain.get(key).and_then(Value::as_u64);
    let (scanned, returned) = (number("entriesScanned")?, number("documentsReturned")?);
    let index = explain.get("index")?.as_str()?;
    Some(format!("index {index}: {scanned} entries read for {returned} rows"))
}

/// `population>=1000000` and so on.
fn conditions(wish: &Wish) -> impl Iterator<Item = String> + use<> {
    wish.conditions().into_iter().map(|(field, op, value)| {
        let space = if op.starts_with(char::is_alphabetic) { " " } else { "" };
        let value = match value {
            Value::String(text) if serde_json::from_str::<Value>(text.trim()).is_err() => text,
            // What would be read as JSON is written as JSON.
            other => other.to_string(),
        };
        format!("{field}{space}{op}{space}{value}")
    })
}

/// Who asks where not everybody may: the administrator, whose key `cargo xtask serve` keeps with its data.
const ADMINISTRATOR: &str = "Authorization: Bearer $(cat .blaze/admin-key)";

/// The command that adds a million people to a country, which everybody may or an administrator.
pub(crate) fn growth(origin: &str, id: &str, for_everybody: bool) -> String {
    let header = "Content-Type: application/json";
    let data = r#"{"population": {"$increment": 1000000}}"#;
    let resource = resource_of(&format!("countries/{id}"));
    let name = match for_everybody {
        true => String::new(),
        false => format!("  -H \"{ADMINISTRATOR}\" \\\n"),
    };
    format!("curl -X PATCH '{origin}{resource}' \\\n{name}  -H '{header}' \\\n  -d '{data}'")
}

/// One word of a shell's command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_a_list_request() {
        assert_eq!(
            query("http://h", &Wish::default()),
            "curl -G 'http://h/v1/docs/countries' \\\n  -d orderBy=name -d limit=25 -d explain=true"
        );
        let wish = Wish {
            region: Some("12".to_owned()),
            at_most: Some(5),
            prefix: "Cote d'I".to_owned(),
            language: Some("French".to_owned()),
            ..Wish::default()
        };
        let expected = [
            "curl -G 'http://h/v1/docs/countries' \\",
            "  --data-urlencode 'where=region==\"12\"' \\",
            "  --data-urlencode 'where=languages array-contains French' \\",
            "  --data-urlencode 'where=population<=5' \\",
            r"  --data-urlencode 'where=name>=Cote d'\''I' \",
            "  --data-urlencode 'where=name<Cote d'\\''I\u{f8ff}' \\",
            "  -d orderBy=name -d limit=25 -d explain=true",
        ];
        assert_eq!(query("http://h", &wish).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_server_explains_itself() {
        let wish = Wish { language: Some("French".to_owned()), ..Wish::default() };
        let url = "/v1/docs/countries?where=languages%20array-contains%20French&orderBy=name&limit=25&select=&explain=true";
        assert_eq!(explain_url(&wish), url);
        let answer = r#"{"documents":[],"explain":{"index":"region, name","entriesScanned":26,"documentsReturned":25}}"#;
        let words = "index region, name: 26 entries read for 25 rows";
        assert_eq!(explanation(answer).as_deref(), Some(words));
        assert_eq!(explanation("{}"), None);
        assert_eq!(explanation("unavailable"), None);
    }

    #[test]
    fn a_change_is_a_patch() {
        let command = growth("http://h", "FRA", true);
        assert!(command.starts_with("curl -X PATCH 'http://h/v1/docs/countries/FRA' \\\n"));
        assert!(command.ends_with(r#"-d '{"population": {"$increment": 1000000}}'"#));
        assert_eq!(command.lines().count(), 3);
        let named = growth("http://h", "FRA", false);
        let name = r#"  -H "Authorization: Bearer $(cat .blaze/admin-key)" \"#;
        assert_eq!(named.lines().nth(1), Some(name));
        assert_eq!(named.lines().count(), 4);
    }
}
