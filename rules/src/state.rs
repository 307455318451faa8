//! A state of the document, of which no more is read than rules look at.

use super::Resource;
use super::value::Fail;
use blaze_schema::value::Map;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::cell::OnceCell;
use std::fmt;

/// A field that was looked at, and its value, if there is one.
type Field = OnceCell<(Box<str>, Option<Value>)>;

/// One state of the document, read when somebody looks at it.
pub(super) struct State<'a> {
    pub(super) resource: Option<Resource<'a>>,
    data: OnceCell<Option<Map>>,
    /// Rules mostly look at one field or two: passing over the others costs a fraction of reading them.
    fields: [Field; 2],
}

impl<'a> State<'a> {
    pub(super) fn new(resource: Option<Resource<'a>>) -> Self {
        State { resource, data: OnceCell::new(), fields: [OnceCell::new(), OnceCell::new()] }
    }

    /// All of it.
    pub(super) fn data(&self) -> Result<&Map, Fail> {
        let read = || serde_json::from_str(self.resource?.data).ok();
        self.data.get_or_init(read).as_ref().ok_or(Fail::Error)
    }

    /// A field of the outermost map.
    pub(super) fn field(&self, name: &str) -> Result<Option<&Value>, Fail> {
        if self.data.get().is_none() {
            let resource = self.resource.ok_or(Fail::Error)?;
            for field in &self.fields {
                if field.get().is_none() {
                    let value = find(resource.data, name)?;
                    let _ = field.set((name.into(), value));
                }
                if let Some((there, value)) = field.get()
                    && **there == *name
                {
                    return Ok(value.as_ref());
                }
            }
        }
        Ok(self.data()?.get(name))
    }
}

/// The value of one field of a JSON object's text.
fn find(text: &str, name: &str) -> Result<Option<Value>, Fail> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Find(name).deserialize(&mut reader).map_err(|_| Fail::Error)
}

struct Find<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(self.0))? {
            if is_it {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::timestamp::Timestamp;
    use serde_json::json;

    #[test]
    fn fields_are_those_of_the_whole() {
        let data = json!({"a": 1, "b\"": {"a": 2}, "c": [{"d": null}], "é": "x", "z": null});
        let text = data.to_string();
        let time = Timestamp::from_micros(0);
        let resource = Resource { data: &text, create_time: time, update_time: time };
        for names in [["a", "b\"", "c", "é"], ["z", "none", "z", "a"], ["d", "", "c", "d"]] {
            let state = State::new(Some(resource));
            for name in names.iter().chain(&names) {
                assert_eq!(state.field(name), Ok(data.get(name)), "{name}");
            }
            let whole = State::new(Some(resource));
            assert_eq!(whole.data(), Ok(data.as_object().unwrap()));
            assert_eq!(whole.field(names[0]), Ok(data.get(names[0])));
        }
        assert_eq!(State::new(None).field("a"), Err(Fail::Error));
        let broken = Resource { data: "{\"a\":1,", ..resource };
        assert_eq!(State::new(Some(broken)).field("a"), Err(Fail::Error));
    }
}
