//! A command to paste into a terminal.

use crate::state::clipboard;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

/// Time for which the result of copying is shown.
const TOLD: Duration = Duration::from_secs(2);

/// A command, shown in full, with a button that copies it. `name` labels both.
#[component]
pub(crate) fn Command(
    #[prop(into)] text: Signal<String>,
    name: &'static str,
    testid: &'static str,
) -> impl IntoView {
    let said = RwSignal::new("");
    let copy = move |_| {
        let text = text.get_untracked();
        spawn_local(async move {
            let is_copied = clipboard::write(&text).await;
            said.set(if is_copied { "Copied" } else { "Not copied: select it instead" });
            set_timeout(move || _ = said.try_set(""), TOLD);
        });
    };
    view! {
        <div class="command">
            <pre tabindex="0" role="region" aria-label=name data-testid=testid>{move || text.get()}</pre>
            <div class="command-actions">
                <span class="hint" role="status" data-testid=format!("{testid}-said")>{move || said.get()}</span>
                <button aria-label=format!("Copy: {name}") data-testid=format!("{testid}-copy") on:click=copy>
                    "Copy"
                </button>
            </div>
        </div>
    }
}
