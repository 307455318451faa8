//! The same document from a terminal.

use super::command::Command;
use crate::model::route::resource_of;
use crate::state::atlas::origin;
use crate::state::open_document::OpenDocument;
use leptos::prelude::*;

/// A command that changes the document from outside the page, or creates it; or shows it, where not everybody may.
#[component]
pub(crate) fn Terminal(document: OpenDocument, path: String) -> impl IntoView {
    let url = format!("{}{}", origin(), resource_of(&path));
    let exists = Memo::new(move |_| document.view.with(|view| view.exists));
    let may_replace = Memo::new(move |_| document.access.with(|access| access.may_replace));
    let command = move || {
        // Who may not change it from here may look.
        if !may_replace.get() {
            return format!("curl '{url}'");
        }
        let (method, data) = match exists.get() {
            true => ("PATCH", r#"{"visits": {"$increment": 1}}"#),
            false => ("PUT", r#"{"visits": 1}"#),
        };
        let header = "Content-Type: application/json";
        format!("curl -X {method} '{url}' \\\n  -H '{header}' \\\n  -d '{data}'")
    };
    view! {
        <section class="terminal" aria-labelledby="terminal-title">
            <h2 id="terminal-title">"From a terminal"</h2>
            <Command text=Signal::derive(command) name="From a terminal" testid="terminal" />
        </section>
    }
}
