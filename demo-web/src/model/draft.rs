//! A field while it is being edited: what was typed, over which value.

use super::field::Shape;
use serde_json::Value;

/// What a person has typed and not saved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    /// How the value is edited; it stays, even when the server's value takes another shape.
    pub(crate) shape: Shape,
    /// What was typed.
    pub(crate) text: String,
    /// The value that the typing started from.
    base: Value,
}

impl Draft {
    /// `text` typed over `base`, which is shown as `shape`.
    pub(crate) fn new(shape: Shape, text: String, base: Value) -> Self {
        Draft { shape, text, base }
    }

    /// `base` to be edited as JSON, whatever its type: the way to another type.
    pub(crate) fn as_json(base: Value) -> Self {
        Draft { shape: Shape::Json, text: Shape::Json.text(&base), base }
    }

    /// The same with another text.
    pub(crate) fn with_text(self, text: String) -> Self {
        Draft { text, ..self }
    }

    /// Whether there is anything to lose: the text is another one, or the value is shown in another way than its own.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        let own = Shape::of(&self.base);
        self.text != self.shape.text(&self.base) || (self.shape == Shape::Json && own != self.shape)
    }

    /// Whether the value has changed since the typing started.
    pub(crate) fn conflicts_with(&self, current: &Value) -> bool {
        self.base != *current
    }

    /// The value to write over `current`; `None` when it is that already.
    ///
    /// # Errors
    /// When the text means no value.
    pub(crate) fn value_to_write(&self, current: &Value) -> Result<Option<Value>, String> {
        let value = self.shape.parse(&self.text)?;
        Ok((value != *current).then_some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_difference_is_written() {
        let base = json!("Paris");
        let draft = Draft::new(Shape::Text, "Lyon".to_owned(), base.clone());
        assert!(draft.is_worth_keeping());
        assert_eq!(draft.value_to_write(&base), Ok(Some(json!("Lyon"))));
        let same = draft.clone().with_text("Paris".to_owned());
        assert!(!same.is_worth_keeping());
        assert_eq!(same.value_to_write(&base), Ok(None));
        assert_eq!(draft.value_to_write(&json!("Lyon")), Ok(None));
    }

    #[test]
    fn the_server_may_overtake() {
        let draft = Draft::new(Shape::Number, "3".to_owned(), json!(1));
        assert!(!draft.conflicts_with(&json!(1)));
        assert!(draft.conflicts_with(&json!(2)));
        assert_eq!(draft.value_to_write(&json!(2)), Ok(Some(json!(3))));
    }

    #[test]
    fn json_is_the_way_to_another_type() {
        let draft = Draft::as_json(json!("Paris"));
        assert!(draft.is_worth_keeping());
        assert_eq!(draft.text, "\"Paris\"");
        let draft = draft.with_text("[\"Paris\"]".to_owned());
        assert_eq!(draft.value_to_write(&json!("Paris")), Ok(Some(json!(["Paris"]))));
        assert!(draft.with_text("[".to_owned()).value_to_write(&json!("Paris")).is_err());
        assert!(!Draft::as_json(json!([])).is_worth_keeping());
    }
}
