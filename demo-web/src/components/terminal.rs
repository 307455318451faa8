//! The same document from a terminal.

use crate::model::route::resource_of;
use crate::state::atlas::origin;
use leptos::prelude::*;

/// A command that changes the document from outside the page.
#[component]
pub(crate) fn Terminal(path: String) -> impl IntoView {
    let command = format!(
        "curl -X PATCH '{}{}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"visits\": {{\"$increment\": 1}}}}'",
        origin(),
        resource_of(&path)
    );
    view! {
        <section class="terminal" aria-labelledby="terminal-title">
            <h2 id="terminal-title">"From a terminal"</h2>
            <pre class="command" tabindex="0">{command}</pre>
        </section>
    }
}
