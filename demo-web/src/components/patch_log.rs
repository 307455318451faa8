//! What the server sends, as it arrives.

use crate::model::log::{Entry, Line};
use crate::state::open_document::OpenDocument;
use leptos::prelude::*;

/// The messages, the newest first.
#[component]
pub(crate) fn PatchLog(document: OpenDocument) -> impl IntoView {
    let entries = move || document.log.with(|log| log.entries().cloned().collect::<Vec<Entry>>());
    view! {
        <section class="log-section" aria-labelledby="log-title">
            <h2 id="log-title">"Patches"</h2>
            <div class="log" role="log" aria-labelledby="log-title" tabindex="0" data-testid="log">
                <ol>
                    <For
                        each=entries
                        key=|entry| entry.number
                        children=|entry| view! { <LogEntry entry /> }
                    />
                </ol>
            </div>
        </section>
    }
}

#[component]
fn LogEntry(entry: Entry) -> impl IntoView {
    let version = entry.version.map(|version| format!("v{version}"));
    view! {
        <li class="entry" data-kind=entry.kind>
            <p class="entry-head">
                <time>{entry.time}</time>
                " "
                <span class="kind">{entry.kind}</span>
                " "
                <span class="entry-version">{version}</span>
            </p>
            {entry.lines.into_iter().map(|line| view! { <LogLine line /> }).collect_view()}
        </li>
    }
}

#[component]
fn LogLine(line: Line) -> impl IntoView {
    let value = line.value.map(|value| view! { " → " <span class="new">{value}</span> });
    view! {
        <p class="operation">
            <span class="verb">{line.verb}</span>
            " "
            <span class="pointer">{line.path}</span>
            {value}
        </p>
    }
}
