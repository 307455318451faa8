//! Which document is open, and in what state.

use super::flag::Flag;
use super::focus::focus;
use crate::model::countries;
use crate::state::atlas::Atlas;
use crate::state::open_document::OpenDocument;
use leptos::prelude::*;

/// The id of the heading.
pub(crate) const TITLE: &str = "title";

/// The document's flag, name, path and version; whether it is being saved; and the way to delete it.
#[component]
pub(crate) fn DocumentHeader(document: OpenDocument, path: String) -> impl IntoView {
    let view = document.view;
    let own_path = path.clone();
    let title = Memo::new(move |_| view.with(|view| view.title(&own_path)));
    let may_delete = Memo::new(move |_| {
        view.with(|view| view.exists) && document.access.with(|access| access.may_replace)
    });
    let state = move || {
        view.with(|view| match (view.loaded, view.exists, view.pending) {
            (false, _, _) => "",
            (true, _, true) => "saving…",
            (true, true, false) => "saved",
            (true, false, false) if view.version > 0 => "deleted",
            (true, false, false) => "does not exist",
        })
    };
    Effect::new(move |_| {
        leptos::prelude::document().set_title(&format!("{} · Blaze", title.get()));
    });
    focus_when_alone();
    view! {
        <header class="document-header">
            <Back />
            <div class="headline">
                <Flag path=path.clone() />
                <div class="titles">
                    <h1 id=TITLE tabindex="-1">{move || title.get()}</h1>
                    <p class="facts">
                        <code class="path" data-testid="path">{path}</code>
                        <span class="version">
                            "version " <b data-testid="version">{move || view.with(|view| view.version)}</b>
                        </span>
                        <span class="state" role="status" data-testid="state" data-state=state>{state}</span>
                    </p>
                </div>
                <Show when=move || may_delete.get()>
                    <button
                        class="danger"
                        data-testid="delete"
                        on:click=move |_| {
                            focus_title();
                            document.delete();
                        }
                    >
                        "Delete"
                    </button>
                </Show>
            </div>
            <Neighbours document />
        </header>
    }
}

/// The way back to the list or the table.
#[component]
pub(crate) fn Back() -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let label = move || if atlas.is_table.get() { "← The table" } else { "← All countries" };
    view! { <a class="back" href=move || atlas.address_at(None) data-testid="back">{label}</a> }
}

/// Links to the countries that the field `borders` names.
#[component]
fn Neighbours(document: OpenDocument) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let neighbours = Memo::new(move |_| {
        let known = atlas.known_countries();
        document.view.with(|view| countries::neighbours(&known, view.data.get("borders")))
    });
    view! {
        <Show when=move || neighbours.with(|neighbours| !neighbours.is_empty())>
            <nav class="neighbours" aria-label="Neighbours">
                <span class="neighbours-label">"Borders"</span>
                <For
                    each=move || neighbours.get()
                    key=|country| country.id.clone()
                    children=move |country| {
                        let (path, flag) = (country.path(), country.path());
                        let href = move || atlas.address_at(Some(&path));
                        view! {
                            <a href=href>
                                <Flag path=flag />
                                " "
                                {country.name}
                            </a>
                        }
                    }
                />
            </nav>
        </Show>
    }
}

/// The heading takes the focus where the list, which had it, gives way to the document: on a narrow screen.
fn focus_when_alone() {
    Effect::new(|_| {
        let narrow = window().match_media("(max-width: 47.99rem)");
        if narrow.ok().flatten().is_some_and(|query| query.matches()) {
            focus_title();
        }
    });
}

/// Gives the focus to the heading: what had it is about to go.
pub(crate) fn focus_title() {
    focus(document().get_element_by_id(TITLE));
}
