//! The table's rows, which come, change, move and go with the documents.

use super::command::Command;
use super::flag::Flag;
use super::flip::Places;
use crate::model::row::Cell;
use crate::model::rows::{Entry, Rows};
use crate::model::wish::{Column, MOST, Wish};
use crate::state::atlas::Atlas;
use crate::state::live_table::LiveTable;
use blaze_client::Direction;
use leptos::html;
use leptos::prelude::*;

/// The rows, how many there are, and what there is instead of them.
#[component]
pub(crate) fn TableRows(table: LiveTable) -> impl IntoView {
    let body = NodeRef::<html::Tbody>::new();
    let shown = RwSignal::new(Rows::default());
    Effect::new(move |_| {
        let rows = table.rows.get();
        // The rows as they are on the screen, just before they change.
        let places = body.get_untracked().map(|body| Places::of(&body));
        shown.set(rows);
        if let Some(places) = places {
            places.leave();
        }
    });
    let ids = Memo::new(move |_| shown.with(Rows::ids));
    view! {
        <Refusal table />
        <Head table />
        <div class="table-frame" class:waiting=move || table.is_waiting.get()>
            <table
                class="table"
                aria-describedby="table-summary"
                aria-busy=move || table.is_waiting.get().to_string()
                data-testid="countries"
            >
                <caption class="visually-hidden">"Countries"</caption>
                <thead>
                    <tr>
                        <SortHead column=Column::Name label="Country" table />
                        <th scope="col" class="region">"Region"</th>
                        <SortHead column=Column::Population label="Population" table />
                        <SortHead column=Column::Area label="Area, km²" table />
                        <th scope="col" class="languages">"Languages"</th>
                        <th scope="col" class="capital">"Capital"</th>
                    </tr>
                </thead>
                <tbody node_ref=body>
                    <For
                        each=move || ids.get()
                        key=String::clone
                        children=move |id| view! { <CountryRow shown id /> }
                    />
                </tbody>
            </table>
            <Nothing table />
        </div>
        <More table />
    }
}

#[component]
fn SortHead(column: Column, label: &'static str, table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let direction = Memo::new(move |_| {
        let sort = atlas.wish.with(|wish| wish.sort);
        (sort.column == column).then_some(sort.direction)
    });
    let order = move || match direction.get() {
        None => "none",
        Some(Direction::Ascending) => "ascending",
        Some(Direction::Descending) => "descending",
    };
    let arrow = move || match direction.get() {
        None => "↕",
        Some(Direction::Ascending) => "↑",
        Some(Direction::Descending) => "↓",
    };
    let press = move |_| {
        table.change(|wish| Wish { sort: wish.sort.pressed(column), ..wish });
    };
    view! {
        <th scope="col" class=column.field() aria-sort=order>
            <button class="sort" data-testid=format!("sort-{}", column.field()) on:click=press>
                {label}
                <span class="arrow" aria-hidden="true">{arrow}</span>
            </button>
        </th>
    }
}

#[component]
fn CountryRow(shown: RwSignal<Rows>, id: String) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let path = format!("countries/{id}");
    let (row_id, link) = (format!("row-{id}"), link_id(&path));
    let entry = Memo::new(move |before: Option<&Option<Entry>>| {
        let now = shown.with(|rows| rows.find(&id).cloned());
        // A row that is gone keeps its texts until it is gone from the page too.
        now.or_else(|| before.cloned().flatten())
    });
    let has = move |look: fn(&Entry) -> bool| entry.with(|entry| entry.as_ref().is_some_and(look));
    let text = move |cell: Cell| {
        entry.with(|entry| entry.as_ref().map(|entry| entry.row.text(cell).to_owned()))
    };
    // What has no column of its own on a narrow screen.
    let below = move || {
        let parts = [Cell::Region, Cell::Languages].map(|cell| text(cell).unwrap_or_default());
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" · ")
    };
    let (own, flag) = (path.clone(), path.clone());
    let is_open = Memo::new(move |_| atlas.path.with(|open| open.as_ref() == Some(&own)));
    let is_new = untrack(|| has(|entry| entry.is_new));
    let name = Memo::new(move |_| changes(entry, Cell::Name));
    view! {
        <tr
            class:new=is_new
            class:leaving=move || has(|entry| entry.is_leaving)
            class:chosen=move || is_open.get()
            aria-hidden=move || has(|entry| entry.is_leaving).then_some("true")
            data-testid=row_id
        >
            <th
                scope="row"
                class="name"
                class:flash-odd=move || flashes(name.get(), 1)
                class:flash-even=move || flashes(name.get(), 0)
            >
                <a id=link.clone() data-testid=link href=move || atlas.address_at(Some(&path)) aria-current=move || is_open.get().then_some("true")>
                    <Flag path=flag />
                    <span class="row-name">{move || text(Cell::Name)}</span>
                </a>
                <span class="below">{below}</span>
            </th>
            <RowCell entry cell=Cell::Region class="region" />
            <RowCell entry cell=Cell::Population class="population" />
            <RowCell entry cell=Cell::Area class="area" />
            <RowCell entry cell=Cell::Languages class="languages" />
            <RowCell entry cell=Cell::Capital class="capital" />
        </tr>
    }
}

/// The id of the link that opens the document at `path`.
pub(crate) fn link_id(path: &str) -> String {
    format!("open-{}", path.rsplit('/').next().unwrap_or(path))
}

#[component]
fn RowCell(entry: Memo<Option<Entry>>, cell: Cell, class: &'static str) -> impl IntoView {
    let text = Memo::new(move |_| {
        entry.with(|entry| entry.as_ref().map(|entry| entry.row.text(cell).to_owned()))
    });
    let changes = Memo::new(move |_| changes(entry, cell));
    view! {
        <td
            class=class
            class:flash-odd=move || flashes(changes.get(), 1)
            class:flash-even=move || flashes(changes.get(), 0)
            data-changes=move || changes.get()
        >
            {move || text.get()}
        </td>
    }
}

fn changes(entry: Memo<Option<Entry>>, cell: Cell) -> u32 {
    entry.with(|entry| entry.as_ref().map_or(0, |entry| entry.changes(cell)))
}

/// Two classes of the same look take turns: going from one to the other starts the animation again.
fn flashes(changes: u32, remainder: u32) -> bool {
    changes > 0 && changes % 2 == remainder
}

/// How many rows there are, how they were found, and the way back to all.
#[component]
fn Head(table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let is_filtered = Memo::new(move |_| atlas.wish.with(Wish::is_filtered));
    let summary = move || {
        if !table.is_loaded.get() {
            return "…".to_owned();
        }
        let limit = atlas.wish.with(|wish| wish.limit);
        table.tally.with(|tally| tally.summary(table.rows.with(Rows::len), limit))
    };
    view! {
        <div class="table-head">
            <p id="table-summary" class="summary" role="status" data-testid="summary">{summary}</p>
            <p class="explanation" data-testid="explanation">{move || table.explanation.get()}</p>
            <Show when=move || is_filtered.get()>
                <button class="clear" data-testid="clear" on:click=move |_| table.clear()>
                    "Clear filters"
                </button>
            </Show>
        </div>
    }
}

/// A button for more rows, if there are more.
#[component]
fn More(table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let has_more = Memo::new(move |_| {
        let limit = atlas.wish.with(|wish| wish.limit);
        let shown = table.rows.with(Rows::len);
        limit < MOST && shown > 0 && table.tally.with(|tally| tally.has_more(shown, limit))
    });
    view! {
        <Show when=move || has_more.get()>
            <button class="more" data-testid="more" on:click=move |_| table.change(|wish| wish.with_more())>
                "Show more"
            </button>
        </Show>
    }
}

/// What there is instead of rows.
#[component]
fn Nothing(table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let state = Memo::new(move |_| {
        let is_empty = table.rows.with(|rows| rows.len() == 0);
        is_empty.then(|| (table.is_loaded.get(), atlas.wish.with(Wish::is_filtered)))
    });
    move || {
        match state.get() {
        None => ().into_any(),
        Some((false, _)) => {
            view! { <p class="notice quiet" aria-busy="true">"Loading the countries…"</p> }
                .into_any()
        }
        Some((true, true)) => view! {
            <div class="notice quiet" data-testid="nothing">
                <p>"No country fits. The first one that does will appear here."</p>
                <button on:click=move |_| table.clear()>"Clear the filters"</button>
            </div>
        }
        .into_any(),
        Some((true, false)) => view! {
            <div class="notice quiet" data-testid="nothing">
                <p>"There are no countries in this database yet. Stop the server and start it with the atlas loaded:"</p>
                <Command text="cargo xtask serve --demo" name="Start it with the atlas" testid="start-command" />
            </div>
        }
        .into_any(),
    }
    }
}

/// Why the rows are not live.
#[component]
fn Refusal(table: LiveTable) -> impl IntoView {
    move || {
        table.refused.get().map(|detail| {
            view! {
                <div class="notice error" role="alert">
                    <p data-testid="error">{detail}</p>
                    <button on:click=move |_| table.retry()>"Try again"</button>
                </div>
            }
        })
    }
}
