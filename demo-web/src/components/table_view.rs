//! All countries as a table: a query, and its result as it changes.

use super::command::Command;
use super::focus::focus;
use super::table_filters::TableFilters;
use super::table_rows::{TableRows, link_id};
use crate::model::access::Viewer;
use crate::model::curl;
use crate::state::account::Account;
use crate::state::atlas::{Atlas, origin};
use crate::state::live_table::LiveTable;
use leptos::prelude::*;

/// The table, what it shows, and the same from a terminal.
#[component]
pub(crate) fn TableView() -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let table = LiveTable::open(atlas);
    Effect::new(move |_| {
        // A document that is open beside it has a title of its own.
        if atlas.path.with(Option::is_none) {
            document().set_title("Table of countries · Blaze");
        }
    });
    focus_after_document(atlas);
    view! {
        <section class="table-view" aria-labelledby="table-title">
            <header>
                <h1 id="table-title">"A query that stays true"</h1>
                <p class="lead">
                    "These rows are the live result of one indexed query. Change a country here, in another window or "
                    "from a terminal, and its row comes, goes or moves."
                </p>
            </header>
            <TableFilters table />
            <TableRows table />
            <Commands table />
        </section>
    }
}

/// The query and a change, as commands.
#[component]
fn Commands(table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let query = move || atlas.wish.with(|wish| curl::query(&origin(), wish));
    let first = Memo::new(move |_| table.rows.with(|rows| rows.ids().into_iter().next()));
    let account = expect_context::<Account>();
    let growth = move || {
        let is_everybodys = account.viewer.with(|viewer| *viewer == Some(Viewer::Anybody));
        curl::growth(&origin(), first.get().as_deref().unwrap_or("FRA"), is_everybodys)
    };
    view! {
        <details class="commands">
            <summary>"From a terminal"</summary>
            <h2>"The same query"</h2>
            <Command text=Signal::derive(query) name="The same query" testid="query-command" />
            <h2>"A change to watch"</h2>
            <Command text=Signal::derive(growth) name="A change to watch" testid="change-command" />
        </details>
    }
}

/// The link to a document takes the focus when the document is closed, which had it.
fn focus_after_document(atlas: Atlas) {
    Effect::new(move |before: Option<Option<String>>| {
        let now = atlas.path.get();
        if let (Some(Some(closed)), None) = (before, &now) {
            // On a narrow screen the table comes back only then.
            request_animation_frame(move || focus(document().get_element_by_id(&link_id(&closed))));
        }
        now
    });
}
