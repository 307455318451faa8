//! One field: its name, its value to edit, and what there is to decide about it.

use super::field_input::FieldInput;
use super::focus::focus;
use crate::model::field::{Shape, type_name};
use crate::model::json_text::preview;
use crate::state::editing::Editing;
use crate::state::open_document::OpenDocument;
use leptos::ev::{FocusEvent, KeyboardEvent, MouseEvent};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, Node};

/// How much of the server's value is shown beside what is typed.
const VALUE: usize = 80;

/// A row of the form. It saves when the focus leaves it.
#[component]
pub(crate) fn FieldEditor(document: OpenDocument, name: String) -> impl IntoView {
    let editing = Editing::new(document, name.clone());
    let changes = Memo::new(move |_| editing.changes());
    // Two classes of the same look: going from one to the other starts the animation again.
    let flashes = move |remainder: u32| changes.get() > 0 && changes.get() % 2 == remainder;
    let is_json = move || editing.shape() == Shape::Json;
    let may_edit = Memo::new(move |_| editing.may_edit());
    let name = StoredValue::new(name);
    let name = move || name.get_value();
    view! {
        <div
            class="field"
            class:dirty=move || editing.is_dirty()
            class:flash-odd=move || flashes(1)
            class:flash-even=move || flashes(0)
            data-changes=move || changes.get()
            on:focusout=move |event| {
                if leaves(&event) {
                    editing.leave();
                }
            }
            on:keydown=move |event| press(editing, &event)
        >
            <div class="field-name">
                <label for=input_id(&name())>{name()}</label>
                <span class="type">{move || editing.value.with(type_name)}</span>
            </div>
            <div class="field-value">
                <FieldInput editing />
                <FieldNotices editing />
            </div>
            <div class="field-actions">
                <Show when=move || may_edit.get() && !is_json()>
                    <button
                        class="icon"
                        title="Edit as JSON"
                        aria-label=format!("Edit {} as JSON", editing.name())
                        on:click=move |_| editing.edit_as_json()
                    >
                        "{ }"
                    </button>
                </Show>
                <Show when=move || may_edit.get()>
                    <button
                        class="icon"
                        title="Remove the field"
                        aria-label=format!("Remove {}", name())
                        data-testid=format!("remove-{}", name())
                        on:click=move |event| {
                            focus(next_row(&event));
                            editing.remove();
                        }
                    >
                        "✕"
                    </button>
                </Show>
            </div>
        </div>
    }
}

/// Save and cancel, what the server has meanwhile, and what is wrong.
#[component]
fn FieldNotices(editing: Editing) -> impl IntoView {
    let is_dirty = Memo::new(move |_| editing.is_dirty());
    let has_conflict = Memo::new(move |_| editing.has_conflict());
    // The input keeps the focus, so that pressing a button is not leaving it, which saves.
    let keep_focus = |event: MouseEvent| event.prevent_default();
    view! {
        <Show when=move || has_conflict.get()>
            <p class="conflict" role="status" data-testid="conflict">
                "Meanwhile it was changed to "
                <code>{move || editing.value.with(|value| preview(value, VALUE))}</code>
            </p>
        </Show>
        <Show when=move || is_dirty.get()>
            <div class="field-decision">
                <button
                    class="primary"
                    data-testid=format!("save-{}", editing.name())
                    on:mousedown=keep_focus
                    on:click=move |_| editing.commit()
                >
                    {move || if has_conflict.get() { "Save mine" } else { "Save" }}
                </button>
                <button on:mousedown=keep_focus on:click=move |_| editing.cancel()>
                    {move || if has_conflict.get() { "Take theirs" } else { "Cancel" }}
                </button>
            </div>
        </Show>
        <div id=error_id(&editing.name()) role="alert">
            {move || editing.error().map(|reason| view! { <p class="problem" data-testid="error">{reason}</p> })}
        </div>
    }
}

/// The id of a field's input.
pub(crate) fn input_id(name: &str) -> String {
    format!("field-{name}")
}

/// The id of what says what is wrong with a field.
pub(crate) fn error_id(name: &str) -> String {
    format!("field-{name}-error")
}

/// Enter saves where a line ends the text, and with Control or Command everywhere; Escape cancels.
fn press(editing: Editing, event: &KeyboardEvent) {
    let is_input = |tag: &str| {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        target.is_some_and(|target| target.tag_name() == tag)
    };
    let is_enter = event.key() == "Enter" && !event.is_composing();
    if event.key() == "Escape" {
        editing.cancel();
    } else if is_enter
        && (is_input("INPUT") || is_input("TEXTAREA") && (event.ctrl_key() || event.meta_key()))
    {
        event.prevent_default();
        editing.commit();
    }
}

/// What has the focus after the row is gone: the same button of the row after it, or of the one before.
fn next_row(event: &MouseEvent) -> Option<Element> {
    let button = event.current_target()?.dyn_into::<Element>().ok()?;
    let row = button.closest(".field").ok()??;
    let next = row.next_element_sibling().or_else(|| row.previous_element_sibling())?;
    next.query_selector(".field-actions button:last-child").ok()?
}

/// Whether the focus goes from the row to somewhere else in the page. To another window is not leaving: the value of
/// an unfinished thought would be saved.
fn leaves(event: &FocusEvent) -> bool {
    let Some(row) = event.current_target().and_then(|row| row.dyn_into::<Node>().ok()) else {
        return false;
    };
    let next = event.related_target().and_then(|next| next.dyn_into::<Node>().ok());
    let still = document().active_element();
    !row.contains(next.as_ref()) && !row.contains(still.as_ref().map(AsRef::as_ref))
}
