//! Opens any document by its path.

use crate::state::atlas::Atlas;
use leptos::ev::SubmitEvent;
use leptos::prelude::*;

/// A form for a document's path.
#[component]
pub(crate) fn OpenPath() -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let path = RwSignal::new(String::new());
    let error = RwSignal::new(None::<String>);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let wanted = path.get_untracked();
        let wanted = wanted.trim();
        match atlas.doc(wanted) {
            Ok(_) => {
                atlas.open(wanted);
                path.set(String::new());
            }
            Err(refusal) => error.set(Some(refusal.detail)),
        }
    };
    view! {
        <form class="open-path" on:submit=submit>
            <label for="open-path">"Open any document"</label>
            <div class="joined">
                <input
                    id="open-path"
                    class="mono"
                    placeholder="collection/id"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    aria-describedby="open-path-error"
                    data-testid="open-path"
                    prop:value=move || path.get()
                    on:input:target=move |event| {
                        error.set(None);
                        path.set(event.target().value());
                    }
                />
                <button>"Open"</button>
            </div>
            <div id="open-path-error" role="alert">
                {move || error.get().map(|detail| view! { <p class="problem" data-testid="error">{detail}</p> })}
            </div>
        </form>
    }
}
