//! The countries: type to find one, arrow keys and Enter to open it.

use super::command::Command;
use super::flag::Flag;
use super::focus::focus_on_slash;
use crate::model::countries::{self, Country};
use crate::state::atlas::{Atlas, Countries};
use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use web_sys::{ScrollIntoViewOptions, ScrollLogicalPosition};

/// How far Page Up and Page Down go.
const PAGE: isize = 8;

/// The list, or why there is none.
#[component]
pub(crate) fn CountryList() -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    // The list itself must not be made anew when its entries change.
    let is_loaded = Memo::new(move |_| {
        atlas.countries.with(|countries| matches!(countries, Countries::Loaded(_)))
    });
    view! {
        <Show when=move || is_loaded.get() fallback=move || view! { <NoCountries /> }>
            <Finder />
        </Show>
    }
}

#[component]
fn NoCountries() -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    move || {
        match atlas.countries.get() {
        Countries::Missing => view! {
            <div class="notice" data-testid="no-atlas">
                <p><strong>"There are no countries in this database yet."</strong></p>
                <p>"Stop the server and start it with the atlas loaded:"</p>
                <Command text="cargo xtask serve --demo" name="Start it with the atlas" testid="start-command" />
                <p>"Until then, any document can be opened by its path."</p>
            </div>
        }
        .into_any(),
        Countries::Refused(detail) => {
            view! { <p class="notice error" role="alert" data-testid="error">{detail}</p> }
                .into_any()
        }
        _ => view! { <p class="notice quiet" aria-busy="true">"Loading the countries…"</p> }
            .into_any(),
    }
    }
}

/// What is typed, what it finds, and where the arrow keys are.
#[derive(Clone, Copy)]
struct Finding {
    atlas: Atlas,
    typed: RwSignal<String>,
    found: Memo<Vec<Country>>,
    active: RwSignal<Option<usize>>,
}

impl Finding {
    fn new(atlas: Atlas) -> Self {
        let typed = RwSignal::new(String::new());
        let found = Memo::new(move |_| {
            typed.with(|typed| countries::search(&atlas.known_countries(), typed))
        });
        Finding { atlas, typed, found, active: RwSignal::new(None) }
    }

    fn type_text(self, text: String) {
        self.active.set((!text.trim().is_empty()).then_some(0));
        self.typed.set(text);
    }

    fn active_id(self) -> Option<String> {
        let active = self.active.get()?;
        self.found.with(|found| found.get(active).map(|country| country.id.clone()))
    }

    /// Goes `steps` down the list, or up; the first key press goes to the country that is open.
    fn step(self, steps: isize) {
        let found = self.found.get_untracked();
        let Some(last) = found.len().checked_sub(1) else { return };
        let opened = || {
            let path = self.atlas.path.get_untracked();
            found.iter().position(|country| Some(country.path()) == path)
        };
        let next = match self.active.get_untracked().or_else(opened) {
            Some(active) => active.saturating_add_signed(steps).min(last),
            None => 0,
        };
        self.active.set(Some(next));
        if let Some(country) = found.get(next) {
            show_option(&country.id);
        }
    }

    fn open_active(self) {
        let active = self.active.get_untracked().unwrap_or_default();
        if let Some(country) = self.found.with_untracked(|found| found.get(active).cloned()) {
            self.atlas.open(&country.path());
        }
    }

    /// Scrolls to the country that is open, however it was opened.
    fn show_open(self) {
        let path = self.atlas.path.get();
        let found = self.found.get_untracked();
        if let Some(country) = found.iter().find(|country| Some(country.path()) == path) {
            show_option(&country.id);
        }
    }

    fn press(self, event: &KeyboardEvent) {
        match event.key().as_str() {
            "ArrowDown" => self.step(1),
            "ArrowUp" => self.step(-1),
            "PageDown" => self.step(PAGE),
            "PageUp" => self.step(-PAGE),
            "Enter" => self.open_active(),
            "Escape" => self.type_text(String::new()),
            _ => return,
        }
        event.prevent_default();
    }
}

#[component]
fn Finder() -> impl IntoView {
    let finding = Finding::new(expect_context());
    let input = NodeRef::<html::Input>::new();
    focus_on_slash(input);
    Effect::new(move |_| finding.show_open());
    let summary = move || {
        let (found, all) = (finding.found.with(Vec::len), finding.atlas.known_countries().len());
        if found == all {
            format!("{all} countries")
        } else {
            format!("{found} of {all} countries")
        }
    };
    view! {
        <div class="finder">
            <label class="visually-hidden" for="find">"Find a country"</label>
            <input
                id="find"
                node_ref=input
                type="search"
                role="combobox"
                placeholder="Find a country"
                autocomplete="off"
                spellcheck="false"
                aria-expanded="true"
                aria-autocomplete="list"
                aria-controls="countries"
                aria-activedescendant=move || finding.active_id().map(|id| option_id(&id))
                data-testid="find"
                prop:value=move || finding.typed.get()
                on:input:target=move |event| finding.type_text(event.target().value())
                on:keydown=move |event| finding.press(&event)
            />
            <kbd class="slash" aria-hidden="true">"/"</kbd>
        </div>
        <p class="summary" role="status">{summary}</p>
        <ul id="countries" class="countries" role="listbox" aria-label="Countries" tabindex="-1">
            <For
                each=move || finding.found.get()
                key=|country| country.clone()
                children=move |country| view! { <CountryOption finding country /> }
            />
        </ul>
    }
}

#[component]
fn CountryOption(finding: Finding, country: Country) -> impl IntoView {
    let path = country.path();
    let id = country.id.clone();
    let is_active = Memo::new(move |_| finding.active_id().as_deref() == Some(id.as_str()));
    let (own_path, flag) = (path.clone(), path.clone());
    let is_open =
        Memo::new(move |_| finding.atlas.path.with(|open| open.as_ref() == Some(&own_path)));
    view! {
        <li
            id=option_id(&country.id)
            class="country"
            role="option"
            class:active=move || is_active.get()
            aria-selected=move || is_open.get().to_string()
            data-testid=format!("country-{}", country.id)
            on:click=move |_| finding.atlas.open(&path)
        >
            <Flag path=flag />
            <span class="country-name">{country.name}</span>
            <span class="country-region">{country.region}</span>
        </li>
    }
}

fn option_id(country: &str) -> String {
    format!("option-{country}")
}

fn show_option(country: &str) {
    let options = ScrollIntoViewOptions::new();
    options.set_block(ScrollLogicalPosition::Nearest);
    if let Some(option) = document().get_element_by_id(&option_id(country)) {
        option.scroll_into_view_with_scroll_into_view_options(&options);
    }
}
