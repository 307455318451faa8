//! All countries as a table: a query, and its result as it changes.

use super::table_filters::TableFilters;
use super::table_rows::TableRows;
use crate::model::curl;
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
    let growth = move || curl::growth(&origin(), first.get().as_deref().unwrap_or("FRA"));
    view! {
        <details class="commands">
            <summary>"From a terminal"</summary>
            <h2>"The same query"</h2>
            <pre class="command" tabindex="0" data-testid="query-command">{query}</pre>
            <h2>"A change to watch"</h2>
            <pre class="command" tabindex="0">{growth}</pre>
        </details>
    }
}
