//! Reads settings: `collections.json` and `access.json`.
//!
//! A [`Kind`] describes a value: its type and limits, and the [`Field`]s of an object with their defaults. A [`Setting`] is
//! one value of a file with its place, read by its description. Keys without a description are refused, and every mistake
//! is one `invalid-argument` that says where, what is there, and what is allowed:
//!
//! ```text
//! access.json: accounts.accessSeconds: 5, not an integer from 60 to 86400
//! collections.json: messages.colour: unknown key; known: shards, group, indexes, exempt, schema
//! ```
//!
//! A test holds docs/configuration.md against the same descriptions.

use crate::error::Error;
use crate::value::{self, Map, Number};
use core::fmt::{self, Display, Formatter};
use serde_json::Value;
use std::borrow::Cow;

/// The values that a setting may have. [`Display`] says it in words, for errors and for the reference.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// An integer, both limits included.
    Integer(u32, u32),
    /// An integer of 0 or more, which may be written as `2.0`.
    Count,
    /// Any number.
    Number,
    /// A string, which may be empty.
    String,
    /// A string that is not empty.
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// An array of so many elements, both limits included.
    Array(usize, usize, &'static Kind),
    /// One value, or an array of at least one.
    OneOrMore(&'static Kind),
    /// An object of these keys.
    Object(&'static [Field]),
    /// An object whose keys are names, at most so many.
    Map(usize, &'static Kind),
    /// A value of another language, such as JSON Schema, in words.
    Other(&'static str),
}

/// An array or an object of names without an upper limit.
pub const ANY: usize = usize::MAX;

/// One key of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// Its values.
    pub kind: Kind,
    /// The value of a missing key.
    pub default: Default,
}

/// The value of a missing key.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// The key must be there.
    Required,
    /// No value.
    None,
    /// This value, as JSON.
    Json(&'static str),
}

impl Field {
    /// A key that must be there.
    pub const fn required(key: &'static str, kind: Kind) -> Self {
        Field { key, kind, default: Default::Required }
    }

    /// A key without a default.
    pub const fn optional(key: &'static str, kind: Kind) -> Self {
        Field { key, kind, default: Default::None }
    }

    /// A key with a default, as JSON.
    pub const fn or(key: &'static str, kind: Kind, default: &'static str) -> Self {
        Field { key, kind, default: Default::Json(default) }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Kind::Boolean => f.write_str("a boolean"),
            Kind::Integer(least, most) => write!(f, "an integer from {least} to {most}"),
            Kind::Count => f.write_str("an integer of 0 or more"),
            Kind::Number => f.write_str("a number"),
            Kind::String => f.write_str("a string"),
            Kind::Text => f.write_str("a non-empty string"),
            Kind::OneOf(names) => write!(f, "one of {}", names.join(", ")),
            Kind::Array(0, ANY, of) => write!(f, "an array, each {of}"),
            Kind::Array(0, most, of) => write!(f, "an array of at most {most}, each {of}"),
            Kind::Array(least, ANY, of) => write!(f, "an array of {least} or more, each {of}"),
            Kind::Array(least, most, of) => write!(f, "an array of {least} to {most}, each {of}"),
            Kind::OneOrMore(of) => write!(f, "{of}, or an array of 1 or more"),
            Kind::Object(_) => f.write_str("an object"),
            Kind::Map(ANY, of) => write!(f, "an object by name, each {of}"),
            Kind::Map(most, of) => write!(f, "an object of at most {most} by name, each {of}"),
            Kind::Other(words) => f.write_str(words),
        }
    }
}

/// Parses the text of a settings file.
///
/// # Errors
/// `invalid-argument` for text that is not JSON.
pub fn parse(file: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("{file}: not JSON: {error}")))
}

/// A value of a settings file, its place and its description.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    value: Cow<'a, Value>,
    place: String,
    kind: Kind,
}

impl<'a> Setting<'a> {
    /// The value at a place: the name of a file, or `access.json: accounts` for a part of one.
    pub fn new(place: &str, value: &'a Value, kind: Kind) -> Self {
        Setting { value: Cow::Borrowed(value), place: place.to_owned(), kind }
    }

    /// The same value, read by another description.
    pub fn described_as(&self, kind: Kind) -> Setting<'_> {
        Setting::new(&self.place, &self.value, kind)
    }

    /// The value itself.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The place of the value, such as `access.json: issuers[0].jwks`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// An error about this value.
    pub fn wrong(&self, what: impl Display) -> Error {
        Error::invalid(format!("{}: {what}", self.place))
    }

    /// The error for a value that does not fit its description. Strings are not repeated unless one of a few was wanted:
    /// one could be a secret in the place of its name.
    pub fn misfit(&self) -> Error {
        let found = match (&*self.value, self.kind) {
            (Value::Number(number), _) => number.to_string(),
            (Value::String(text), _) if text.is_empty() => "an empty string".to_owned(),
            (Value::String(text), Kind::OneOf(_)) => format!("{text:.64?}"),
            (Value::Array(elements), Kind::Array(..) | Kind::OneOrMore(_)) => {
                format!("an array of {}", elements.len())
            }
            (Value::Object(names), Kind::Map(..)) => format!("an object of {}", names.len()),
            (other, _) => value::name(other).to_owned(),
        };
        self.wrong(format!("{found}, not {}", self.kind))
    }

    /// The value of [`Kind::Boolean`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn boolean(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.misfit())
    }

    /// The value of [`Kind::Integer`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn integer(&self) -> Result<u32, Error> {
        let Kind::Integer(least, most) = self.kind else { return Err(self.misfit()) };
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| self.misfit())
    }

    /// The value of [`Kind::Count`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn count(&self) -> Result<u64, Error> {
        let whole = |double: f64| (double.fract() == 0.0 && double >= 0.0).then_some(double as u64);
        let count = self.value.as_u64().or_else(|| self.value.as_f64().and_then(whole));
        count.ok_or_else(|| self.misfit())
    }

    /// The value of [`Kind::Number`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn number(&self) -> Result<Number, Error> {
        let number = self.value.as_number().and_then(|_| Number::of(&self.value));
        number.ok_or_else(|| self.misfit())
    }

    /// The value of [`Kind::String`], [`Kind::Text`] or [`Kind::OneOf`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn text(&self) -> Result<&str, Error> {
        let fits = |text: &&str| match self.kind {
            Kind::String => true,
            Kind::Text => !text.is_empty(),
            Kind::OneOf(names) => names.contains(text),
            _ => false,
        };
        self.value.as_str().filter(fits).ok_or_else(|| self.misfit())
    }

    /// The elements of [`Kind::Array`] or [`Kind::OneOrMore`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn elements(&self) -> Result<Vec<Setting<'_>>, Error> {
        let (least, most, of) = match self.kind {
            Kind::Array(least, most, of) => (least, most, *of),
            Kind::OneOrMore(of) if self.value.is_array() => (1, ANY, *of),
            Kind::OneOrMore(of) => return Ok(vec![self.described_as(*of)]),
            _ => return Err(self.misfit()),
        };
        let elements = self.value.as_array().filter(|all| (least..=most).contains(&all.len()));
        let elements = elements.ok_or_else(|| self.misfit())?.iter().enumerate();
        let place = |index: usize| format!("{}[{index}]", self.place);
        Ok(elements.map(|(index, value)| Setting::new(&place(index), value, of)).collect())
    }

    /// The elements, where they are strings.
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value, or of an element that is no string.
    pub fn texts(&self) -> Result<Vec<String>, Error> {
        self.elements()?.iter().map(|element| element.text().map(str::to_owned)).collect()
    }

    /// The values of [`Kind::Map`] by their names.
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value.
    pub fn entries(&self) -> Result<Vec<(&str, Setting<'_>)>, Error> {
        match (&*self.value, self.kind) {
            (Value::Object(values), Kind::Map(most, of)) if values.len() <= most => {
                let entry = |(name, value)| (name, Setting::new(&self.below(name), value, *of));
                Ok(values.iter().map(|(name, value)| entry((name.as_str(), value))).collect())
            }
            _ => Err(self.misfit()),
        }
    }

    /// The fields of [`Kind::Object`].
    ///
    /// # Errors
    /// [`Setting::misfit`] for another value; `invalid-argument` naming a key that is not described.
    pub fn object(&self) -> Result<Object<'_>, Error> {
        let (Value::Object(values), Kind::Object(fields)) = (&*self.value, self.kind) else {
            return Err(self.misfit());
        };
        let is_unknown = |key: &&String| fields.iter().all(|field| field.key != **key);
        match values.keys().find(is_unknown) {
            None => Ok(Object { setting: self, values, fields }),
            Some(key) => {
                let known: Vec<&str> = fields.iter().map(|field| field.key).collect();
                let (place, known) = (self.below(key), known.join(", "));
                Err(Error::invalid(format!("{place}: unknown key; known: {known}")))
            }
        }
    }

    /// The place of a key: `collections.json: users.schema.properties["a b"]`.
    fn below(&self, key: &str) -> String {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
        // The name of a file has no space; a place in it has one behind the name.
        let is_file = !self.place.contains(": ");
        match (is_file, !key.is_empty() && key.chars().all(is_plain)) {
            (true, true) => format!("{}: {key}", self.place),
            (true, false) => format!("{}: [{key:?}]", self.place),
            (false, true) => format!("{}.{key}", self.place),
            (false, false) => format!("{}[{key:?}]", self.place),
        }
    }
}

/// An object whose keys are all known.
#[derive(Debug)]
pub struct Object<'a> {
    setting: &'a Setting<'a>,
    values: &'a Map,
    fields: &'static [Field],
}

impl Object<'_> {
    /// True if the file has the key.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The value of a key or its default; `None` if there is neither.
    ///
    /// # Errors
    /// `internal` for a key that the description has not; `invalid-argument` for a required key that is missing.
    pub fn find(&self, key: &str) -> Result<Option<Setting<'_>>, Error> {
        let internal = |what: String| Error::internal(what);
        let place = self.setting.below(key);
        let field = self.fields.iter().find(|field| field.key == key);
        let Field { kind, default, .. } =
            *field.ok_or_else(|| internal(format!("{place}: no description")))?;
        let value = match (self.values.get(key), default) {
            (Some(value), _) => Cow::Borrowed(value),
            (None, Default::Json(text)) => {
                let default = serde_json::from_str(text);
                Cow::Owned(default.map_err(|error| internal(format!("{place}: {error}")))?)
            }
            (None, Default::Required) => {
                return Err(Error::invalid(format!("{place}: missing; it must be {kind}")));
            }
            (None, Default::None) => return Ok(None),
        };
        Ok(Some(Setting { value, place, kind }))
    }

    /// The value of a key that is required or has a default.
    ///
    /// # Errors
    /// As [`Object::find`], and `invalid-argument` for a missing key.
    pub fn get(&self, key: &str) -> Result<Setting<'_>, Error> {
        let missing = || Error::invalid(format!("{}: missing", self.setting.below(key)));
        self.find(key)?.ok_or_else(missing)
    }

    /// The string of an optional key.
    ///
    /// # Errors
    /// As [`Object::find`], and [`Setting::misfit`] for another value.
    pub fn text(&self, key: &str) -> Result<Option<String>, Error> {
        self.find(key)?.map(|setting| setting.text().map(str::to_owned)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use serde_json::json;

    const PERSON: Kind = Kind::Object(&[
        Field::required("name", Kind::Text),
        Field::or("age", Kind::Integer(1, 150), "18"),
        Field::optional("likes", Kind::OneOrMore(&Kind::OneOf(&["tea", "milk"]))),
        Field::or("friends", Kind::Map(1, &Kind::Array(1, 2, &Kind::Boolean)), "{}"),
    ]);

    /// Everything that a person's settings say, in words.
    fn read(value: &Value) -> Result<String, Error> {
        let person = Setting::new("a.json", value, PERSON);
        let person = person.object()?;
        let mut said = format!("{} {}", person.get("name")?.text()?, person.get("age")?.integer()?);
        if let Some(likes) = person.find("likes")? {
            said.push_str(&format!(" {}", likes.texts()?.join("+")));
        }
        for (name, friend) in person.get("friends")?.entries()? {
            for is_old in friend.elements()? {
                said.push_str(&format!(" {name}={}", is_old.boolean()?));
            }
        }
        Ok(said)
    }

    #[test]
    fn values_and_defaults_are_read() {
        for (value, said) in [
            (json!({"name": "A"}), "A 18"),
            (json!({"name": "A", "age": 150, "likes": "tea"}), "A 150 tea"),
            (json!({"name": "A", "likes": ["tea", "milk"]}), "A 18 tea+milk"),
            (json!({"name": "A", "friends": {"b": [true, false]}}), "A 18 b=true b=false"),
        ] {
            assert_eq!(read(&value).unwrap(), said);
        }
    }

    #[test]
    fn an_error_says_where_what_is_there_and_what_is_allowed() {
        for (value, detail) in [
            (json!(1), "a.json: 1, not an object"),
            (json!({}), "a.json: name: missing; it must be a non-empty string"),
            (json!({"name": ""}), "a.json: name: an empty string, not a non-empty string"),
            (json!({"name": null}), "a.json: name: null, not a non-empty string"),
            (json!({"nam": "A"}), "a.json: nam: unknown key; known: name, age, likes, friends"),
            (json!({"name": "A", "age": 0}), "a.json: age: 0, not an integer from 1 to 150"),
            (json!({"name": "A", "age": 151}), "a.json: age: 151, not an integer from 1 to 150"),
            (json!({"name": "A", "age": 1.5}), "a.json: age: 1.5, not an integer from 1 to 150"),
            (
                json!({"name": "A", "age": "secret"}),
                "a.json: age: a string, not an integer from 1 to 150",
            ),
            (
                json!({"name": "A", "likes": []}),
                "a.json: likes: an array of 0, not one of tea, milk, or an array of 1 or more",
            ),
            (json!({"name": "A", "likes": "ale"}), "a.json: likes: \"ale\", not one of tea, milk"),
            (
                json!({"name": "A", "likes": ["tea", 1]}),
                "a.json: likes[1]: 1, not one of tea, milk",
            ),
            (
                json!({"name": "A", "friends": {"b c": []}}),
                "a.json: friends[\"b c\"]: an array of 0, not an array of 1 to 2, each a boolean",
            ),
            (json!({"name": "A", "friends": {"b": [1]}}), "a.json: friends.b[0]: 1, not a boolean"),
            (
                json!({"name": "A", "friends": {"b": [true], "c": [true]}}),
                "a.json: friends: an object of 2, not an object of at most 1 by name, each an array of 1 to 2, each a boolean",
            ),
        ] {
            let error = read(&value).unwrap_err();
            assert_eq!((error.code, error.detail.as_str()), (Code::InvalidArgument, detail));
        }
        assert!(parse("a.json", "{").unwrap_err().detail.starts_with("a.json: not JSON: "));
    }

    #[test]
    fn code_that_reads_a_key_without_a_description_fails() {
        let value = json!({"name": "A"});
        let person = Setting::new("a.json", &value, PERSON);
        let error = person.object().unwrap().find("height").unwrap_err();
        assert_eq!(
            (error.code, error.detail.as_str()),
            (Code::Internal, "a.json: height: no description")
        );
    }
}
