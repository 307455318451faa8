//! What the table is filtered by.

use super::focus::focus_on_slash;
use crate::model::countries;
use crate::model::form::Entry;
use crate::model::wish::{PAGE, Wish};
use crate::state::atlas::Atlas;
use crate::state::live_table::LiveTable;
use leptos::html;
use leptos::prelude::*;

/// The id of the list of languages that are suggested.
const LANGUAGES: &str = "languages";

/// A form of filters, each of which takes effect by itself.
#[component]
pub(crate) fn TableFilters(table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let input = NodeRef::<html::Input>::new();
    focus_on_slash(input);
    view! {
        <form
            class="filters"
            role="search"
            aria-label="Filter the countries"
            on:submit=move |event| {
                event.prevent_default();
                table.settle();
            }
        >
            <Regions table />
            <div class="filter">
                <label for="filter-prefix">"Name begins with"</label>
                <div class="finder">
                    <TextFilter table entry=Entry::Prefix node=input />
                    <kbd class="slash" aria-hidden="true">"/"</kbd>
                </div>
            </div>
            <div class="filter">
                <label for="filter-language">"Language"</label>
                <TextFilter table entry=Entry::Language />
                <datalist id=LANGUAGES>
                    <For
                        each=move || atlas.languages.get()
                        key=String::clone
                        children=|language| view! { <option value=language></option> }
                    />
                </datalist>
            </div>
            <fieldset class="filter">
                <legend>"Population"</legend>
                <div class="range">
                    <TextFilter table entry=Entry::AtLeast />
                    <span aria-hidden="true">"to"</span>
                    <TextFilter table entry=Entry::AtMost />
                </div>
                <FilterError table entry=Entry::AtLeast />
                <FilterError table entry=Entry::AtMost />
            </fieldset>
        </form>
    }
}

/// The parts of the world, one of which may be chosen.
#[component]
fn Regions(table: LiveTable) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    let wanted = Memo::new(move |_| atlas.wish.with(|wish| wish.region.clone()));
    let regions = Memo::new(move |_| {
        let known = atlas.known_countries();
        wanted.with(|wanted| countries::regions(&known, wanted.as_deref()))
    });
    view! {
        <fieldset class="chips">
            <legend class="visually-hidden">"Region"</legend>
            <Region table wanted region=None />
            <For
                each=move || regions.get()
                key=String::clone
                children=move |region| view! { <Region table wanted region=Some(region) /> }
            />
        </fieldset>
    }
}

#[component]
fn Region(table: LiveTable, wanted: Memo<Option<String>>, region: Option<String>) -> impl IntoView {
    let label = region.clone().unwrap_or_else(|| "All regions".to_owned());
    let testid = format!("region-{}", region.as_deref().unwrap_or("all"));
    let own = region.clone();
    let is_wanted = move || wanted.with(|wanted| *wanted == own);
    let choose = move |_| {
        let region = region.clone();
        table.change(|wish| Wish { region, limit: PAGE, ..wish });
    };
    view! {
        <label class="chip" data-testid=testid>
            <input type="radio" name="region" prop:checked=is_wanted on:change=choose />
            <span>{label}</span>
        </label>
    }
}

#[component]
fn TextFilter(
    table: LiveTable,
    entry: Entry,
    #[prop(optional)] node: NodeRef<html::Input>,
) -> impl IntoView {
    let (name, label, placeholder) = words(entry);
    let has_error = Memo::new(move |_| table.form.with(|form| form.error(entry).is_some()));
    let is_number = matches!(entry, Entry::AtLeast | Entry::AtMost);
    view! {
        <input
            id=format!("filter-{name}")
            node_ref=node
            type=if is_number { "text" } else { "search" }
            list=(entry == Entry::Language).then_some(LANGUAGES)
            placeholder=placeholder
            autocomplete="off"
            autocapitalize="off"
            spellcheck="false"
            aria-label=label
            aria-invalid=move || has_error.get().to_string()
            aria-describedby=is_number.then(|| error_id(entry))
            data-testid=format!("filter-{name}")
            prop:value=move || table.form.with(|form| form.text(entry).to_owned())
            on:input:target=move |event| table.type_text(entry, event.target().value())
        />
    }
}

#[component]
fn FilterError(table: LiveTable, entry: Entry) -> impl IntoView {
    let error = Memo::new(move |_| table.form.with(|form| form.error(entry)));
    view! {
        <div id=error_id(entry) role="alert">
            {move || error.get().map(|reason| view! { <p class="problem" data-testid="error">{reason}</p> })}
        </div>
    }
}

/// What an entry is called, what it is called where there is no label, and what it shows while it is empty.
fn words(entry: Entry) -> (&'static str, Option<&'static str>, &'static str) {
    match entry {
        Entry::Prefix => ("prefix", None, "New Z"),
        Entry::Language => ("language", None, "French"),
        Entry::AtLeast => ("at-least", Some("Population at least"), "0"),
        Entry::AtMost => ("at-most", Some("Population at most"), "10M"),
    }
}

fn error_id(entry: Entry) -> String {
    format!("filter-{}-error", words(entry).0)
}
