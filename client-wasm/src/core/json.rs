//! JSON texts and values (RFC 8259), with the browser's own conversion of numbers.
//!
//! `serde_json` reads and writes numbers exactly too, with tables and big integers that are a quarter of the client's
//! size; every JavaScript engine has the same inside it already. What is read and written here is the same, text for
//! text: the tests hold the two against each other.

use blaze_schema::Map;
use blaze_schema::error::Error;
use serde_json::{Number, Value};

/// Levels that a text may nest: a document has 100, and a message and its patch some around it.
const DEPTH: usize = 128;

/// Reads a JSON text.
///
/// # Errors
/// `invalid-argument` naming the byte at which it is none.
pub(crate) fn parse(text: &str) -> Result<Value, Error> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.space();
    if parser.at < text.len() { Err(parser.wrong()) } else { Ok(value) }
}

/// Reads a JSON text that is an object.
///
/// # Errors
/// `invalid-argument`.
#[cfg(feature = "js")]
pub(crate) fn parse_object(text: &str) -> Result<Map, Error> {
    match parse(text)? {
        Value::Object(map) => Ok(map),
        _ => Err(Error::invalid("not an object")),
    }
}

/// The value as compact JSON, the keys of every map in order.
pub(crate) fn print(value: &Value) -> String {
    let mut text = String::new();
    print_value(value, &mut text);
    text
}

/// The same of a value that is an object.
pub(crate) fn print_object(map: &Map) -> String {
    let mut text = String::new();
    print_map(map, &mut text);
    text
}

struct Parser<'a> {
    text: &'a str,
    /// The byte that is read next.
    at: usize,
}

impl Parser<'_> {
    fn wrong(&self) -> Error {
        Error::invalid(format!("not JSON at byte {}", self.at))
    }

    fn peek(&self) -> u8 {
        // NUL stands for the end; where it is meant, the text is no JSON.
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The next byte after white space, if it is this one.
    fn next_is(&mut self, byte: u8) -> bool {
        self.space();
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.next_is(byte) { Ok(()) } else { Err(self.wrong()) }
    }

    fn value(&mut self, level: usize) -> Result<Value, Error> {
        self.space();
        match self.peek() {
            b'{' | b'[' if level == DEPTH => Err(self.wrong()),
            b'{' => self.object(level + 1),
            b'[' => self.array(level + 1),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, level: usize) -> Result<Value, Error> {
        let mut map = Map::new();
        self.expect(b'{')?;
        if self.next_is(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.expect(b':')?;
            let value = self.value(level)?;
            map.insert(key, value);
            if !self.next_is(b',') {
                self.expect(b'}')?;
                return Ok(Value::Object(map));
            }
        }
    }

    fn array(&mut self, level: usize) -> Result<Value, Error> {
        let mut values = Vec::new();
        self.expect(b'[')?;
        if self.next_is(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            values.push(self.value(level)?);
            if !self.next_is(b',') {
                self.expect(b']')?;
                return Ok(Value::Array(values));
            }
        }
    }

    fn word(&mut self) -> Result<Value, Error> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong())
    }

    fn string(&mut self) -> Result<String, Error> {
        self.expect(b'"')?;
        let mut string = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            string.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(string);
                }
                b'\\' => {
                    self.at += 1;
                    string.push(self.escape()?);
                }
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escape = self.peek();
        self.at += 1;
        match escape {
            b'"' | b'\\' | b'/' => Ok(char::from(escape)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.code_point(),
            _ => Err(self.wrong()),
        }
    }

    fn code_point(&mut self) -> Result<char, Error> {
        let mut point = self.hex()?;
        if (0xd800..0xdc00).contains(&point)
            && self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u")
        {
            self.at += 2;
            let low = self.hex()?.wrapping_sub(0xdc00);
            if low >= 0x400 {
                return Err(self.wrong());
            }
            point = 0x10000 + ((point - 0xd800) << 10) + low;
        }
        // Half of a pair is no character.
        char::from_u32(point).ok_or_else(|| self.wrong())
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let digits = self.text.get(self.at..self.at + 4).ok_or_else(|| self.wrong())?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex);
        self.at += 4;
        value.ok_or_else(|| self.wrong())
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong()) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        self.at += usize::from(self.peek() == b'-');
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == b'.' {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        // The integer 0 has no sign.
        if whole && text != "-0" {
            if let Ok(integer) = text.parse::<i64>() {
                return Ok(Value::from(integer));
            }
            if let Ok(integer) = text.parse::<u64>() {
                return Ok(Value::from(integer));
            }
        }
        let number = Number::from_f64(double(text));
        number.map(Value::Number).ok_or_else(|| self.wrong())
    }
}

fn print_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => print_number(number, text),
        Value::String(string) => print_string(string, text),
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                text.push(if number == 0 { '[' } else { ',' });
                print_value(value, text);
            }
            text.push_str(if values.is_empty() { "[]" } else { "]" });
        }
        Value::Object(map) => print_map(map, text),
    }
}

fn print_map(map: &Map, text: &mut String) {
    for (number, (key, value)) in map.iter().enumerate() {
        text.push(if number == 0 { '{' } else { ',' });
        print_string(key, text);
        text.push(':');
        print_value(value, text);
    }
    text.push_str(if map.is_empty() { "{}" } else { "}" });
}

fn print_number(number: &Number, text: &mut String) {
    if let Some(integer) = number.as_i64() {
        text.push_str(&integer.to_string());
    } else if let Some(integer) = number.as_u64() {
        text.push_str(&integer.to_string());
    } else if let Some(double) = number.as_f64() {
        let printed = double_text(double);
        text.push_str(&printed);
        // A double stays one: `1` would be read as an integer.
        if !printed.contains(['.', 'e']) {
            text.push_str(".0");
        }
    }
}

fn print_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\0'..='\u{1f}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => text.push(character),
        }
    }
    text.push('"');
}

#[cfg(target_arch = "wasm32")]
mod engine {
    use wasm_bindgen::prelude::*;

    #[wasm_bindgen]
    extern "C" {
        /// The double that is nearest to a decimal text.
        #[wasm_bindgen(js_name = Number)]
        pub(super) fn double(text: &str) -> f64;

        /// The shortest decimal text that is nearest to this double.
        #[wasm_bindgen(js_name = String)]
        fn string(double: f64) -> String;
    }

    pub(super) fn double_text(double: f64) -> String {
        // JavaScript prints -0 as 0.
        if double == 0.0 && double.is_sign_negative() { "-0".to_owned() } else { string(double) }
    }
}

/// The same where there is no JavaScript: in native tests.
#[cfg(not(target_arch = "wasm32"))]
mod engine {
    pub(super) fn double(text: &str) -> f64 {
        text.parse().unwrap_or(f64::NAN)
    }

    pub(super) fn double_text(double: f64) -> String {
        let magnitude = double.abs();
        // Where JavaScript takes to exponents.
        if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
            format!("{double:e}")
        } else {
            format!("{double}")
        }
    }
}

use engine::{double, double_text};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_read_as_serde_json_reads_them() {
        for text in [
            "null",
            " [ 1 , -2.5e3 , true , false , null ] ",
            r#"{"a":{},"b":[],"a":2,"":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t"}"#,
            "[0,-0,-0.0,9223372036854775807,-9223372036854775808,9223372036854775808,1e400]",
            "[0.1,0.30000000000000004,1e21,5e-324,1.7976931348623157e308]",
            "\"\u{7f}é\"",
        ] {
            let expected = serde_json::from_str::<Value>(text).ok();
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "1e",
            "-",
            "+1",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "1 2",
            "\"\\",
            "\u{feff}1",
        ] {
            assert!(serde_json::from_str::<Value>(text).is_err() && parse(text).is_err(), "{text}");
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(&nested(DEPTH)).is_ok() && parse(&nested(DEPTH + 1)).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-1e6..1e6_f64).prop_map(|double| Value::from(double.round())),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_survive_print_and_parse(value in any_value()) {
            let text = print(&value);
            prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
            prop_assert_eq!(&parse(&text).unwrap(), &value);
            prop_assert_eq!(&parse(&value.to_string()).unwrap(), &value);
        }

        #[test]
        fn any_text_is_read_or_refused_as_serde_json_does(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalse \u{0}-\u{1f}]{0,24}") {
            prop_assert_eq!(parse(&text).ok(), serde_json::from_str::<Value>(&text).ok());
        }
    }
}
