//! One field of the open document while it is looked at and edited.

use super::open_document::OpenDocument;
use crate::model::access::{Access, Barrier};
use crate::model::draft::Draft;
use crate::model::field::Shape;
use blaze_client::increment;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

/// A field, the text that is typed into it, and what was wrong with it.
#[derive(Clone, Copy)]
pub(crate) struct Editing {
    document: OpenDocument,
    name: StoredValue<String>,
    /// The field's value, this page's unanswered writes included.
    pub(crate) value: Memo<Value>,
    draft: RwSignal<Option<Draft>>,
    refused: RwSignal<Option<String>>,
}

impl Editing {
    /// The field `name` of `document`.
    pub(crate) fn new(document: OpenDocument, name: String) -> Self {
        let key = name.clone();
        let value = Memo::new(move |before: Option<&Value>| {
            let now = document.view.with(|view| view.data.get(&key).cloned());
            // A removed field keeps its value until its row is gone.
            now.or_else(|| before.cloned()).unwrap_or_default()
        });
        Editing {
            document,
            name: StoredValue::new(name),
            value,
            draft: RwSignal::new(None),
            refused: RwSignal::new(None),
        }
    }

    /// The field's name.
    pub(crate) fn name(self) -> String {
        self.name.get_value()
    }

    /// Whether who looks at it may edit it.
    pub(crate) fn may_edit(self) -> bool {
        self.document.access.with(Access::may_edit)
    }

    /// How the field is edited now.
    pub(crate) fn shape(self) -> Shape {
        self.draft
            .with(|draft| draft.as_ref().map(|draft| draft.shape))
            .unwrap_or_else(|| self.value.with(Shape::of))
    }

    /// What the field's input shows.
    pub(crate) fn text(self) -> String {
        self.draft
            .with(|draft| draft.as_ref().map(|draft| draft.text.clone()))
            .unwrap_or_else(|| self.value.with(|value| Shape::of(value).text(value)))
    }

    /// Whether something is typed and not saved.
    pub(crate) fn is_dirty(self) -> bool {
        self.draft.with(Option::is_some)
    }

    /// Whether the value changed under what is typed.
    pub(crate) fn has_conflict(self) -> bool {
        self.draft.with(|draft| {
            draft.as_ref().is_some_and(|draft| self.value.with(|value| draft.conflicts_with(value)))
        })
    }

    /// What is wrong: what the server refused, or else JSON that is not finished.
    pub(crate) fn error(self) -> Option<String> {
        self.refused.get().or_else(|| {
            let check = |draft: &Draft| self.value.with(|value| draft.value_to_write(value).err());
            self.draft.with(|draft| {
                draft.as_ref().filter(|draft| draft.shape == Shape::Json).and_then(check)
            })
        })
    }

    /// The person typed: the input's text is now `text`.
    pub(crate) fn type_text(self, text: String) {
        self.refused.set(None);
        self.draft.update(|draft| {
            let changed = match draft.take() {
                Some(before) => before.with_text(text),
                None => {
                    let base = self.value.get_untracked();
                    Draft::new(Shape::of(&base), text, base)
                }
            };
            *draft = changed.is_worth_keeping().then_some(changed);
        });
    }

    /// Shows the value as JSON, whatever its type.
    pub(crate) fn edit_as_json(self) {
        self.draft.set(Some(Draft::as_json(self.value.get_untracked())));
    }

    /// Drops what was typed.
    pub(crate) fn cancel(self) {
        self.refused.set(None);
        self.draft.set(None);
    }

    /// Saves what was typed.
    pub(crate) fn commit(self) {
        let Some(draft) = self.draft.get_untracked() else { return };
        match self.value.with_untracked(|value| draft.value_to_write(value)) {
            Ok(Some(value)) => self.write(value),
            Ok(None) => self.cancel(),
            Err(reason) => self.refused.set(Some(reason)),
        }
    }

    /// Saves what was typed as the person leaves the field, unless there is something to decide first.
    pub(crate) fn leave(self) {
        // The focus also leaves a row that is being taken away, with all that is stored for it.
        let is_there = self.name.try_with_value(|name| {
            self.document.view.try_with_untracked(|view| view.data.contains_key(name))
        });
        if is_there.flatten() == Some(true) && !untrack(|| self.has_conflict()) {
            self.commit();
        }
    }

    /// Adds to a number, on the server: two windows that add at once both count.
    pub(crate) fn add(self, amount: i32) {
        self.write(increment(amount));
    }

    /// Writes the field: a value or a transform. What was typed comes back if the server refuses.
    pub(crate) fn write(self, value: Value) {
        // What was typed stays until there is a way to save it, such as signing in again.
        if let Some(barrier) = self.document.access.with_untracked(|access| access.barrier.clone())
        {
            return self.refused.set(Some(Barrier::reason(&barrier)));
        }
        let typed = self.draft.get_untracked();
        self.cancel();
        let (name, document) = (self.name(), self.document);
        let written = document.write_field(&name, value);
        spawn_local(async move {
            let Err(reason) = written.await else { return };
            // Another document may have been opened meanwhile.
            if self.refused.try_set(Some(reason.clone())).is_some() {
                return document.report(format!("{name} was not saved. {reason}"));
            }
            self.draft.update(|draft| *draft = draft.take().or(typed));
        });
    }

    /// Removes the field from the document.
    pub(crate) fn remove(self) {
        self.document.remove_field(self.name());
    }

    /// How often others have changed the field since the document was opened.
    pub(crate) fn changes(self) -> u32 {
        self.document.changes.with(|changes| self.name.with_value(|name| changes.of(name)))
    }
}
