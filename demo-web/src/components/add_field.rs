//! A field more.

use super::focus::focus;
use crate::model::field::{guess, type_name};
use crate::state::open_document::OpenDocument;
use leptos::ev::SubmitEvent;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// A form for a new field. Its value is JSON, or else a string.
#[component]
pub(crate) fn AddField(document: OpenDocument) -> impl IntoView {
    let name = RwSignal::new(String::new());
    let text = RwSignal::new(String::new());
    let error = RwSignal::new(None::<String>);
    let name_input = NodeRef::<html::Input>::new();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let new_name = name.get_untracked().trim().to_owned();
        if document.access.with_untracked(|access| access.hides(&new_name)) {
            return error.set(Some(format!("{new_name} says whose the country is.")));
        }
        if document.view.with_untracked(|view| view.data.contains_key(&new_name)) {
            return error.set(Some(format!("There is a field {new_name} already.")));
        }
        let written = document.write_field(&new_name, guess(&text.get_untracked()));
        spawn_local(async move {
            if let Err(reason) = written.await {
                // Another document may have been opened meanwhile.
                if error.try_set(Some(reason.clone())).is_some() {
                    document.report(format!("{new_name} was not added. {reason}"));
                }
                return;
            }
            name.try_set(String::new());
            text.try_set(String::new());
            focus(name_input.try_get_untracked().flatten().map(Into::into));
        });
    };
    view! {
        <form class="add-field" on:submit=submit>
            <input
                node_ref=name_input
                class="new-name"
                aria-label="Name of the new field"
                placeholder="new field"
                required
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                data-testid="new-name"
                prop:value=move || name.get()
                on:input:target=move |event| {
                    error.set(None);
                    name.set(event.target().value());
                }
            />
            <div class="new-value">
                <input
                    aria-label="Value of the new field: JSON, or else a string"
                    placeholder="value: JSON, or else a string"
                    autocomplete="off"
                    spellcheck="false"
                    data-testid="new-value"
                    prop:value=move || text.get()
                    on:input:target=move |event| {
                        error.set(None);
                        text.set(event.target().value());
                    }
                />
                <span class="type">{move || text.with(|text| type_name(&guess(text)))}</span>
            </div>
            <button data-testid="add">"Add"</button>
            <div class="add-error" role="alert">
                {move || error.get().map(|reason| view! { <p class="problem" data-testid="error">{reason}</p> })}
            </div>
        </form>
    }
}
