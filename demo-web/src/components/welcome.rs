//! What the page shows before a document is picked.

use super::flag::Flag;
use crate::model::access::Viewer;
use crate::state::account::Account;
use crate::state::atlas::Atlas;
use leptos::prelude::*;

/// Countries to start with: all around the world, and flags that are easy to tell apart.
const PICKS: [&str; 8] = ["BRA", "CAN", "FRA", "IND", "JPN", "KEN", "NZL", "ZAF"];

/// What this page is, and what to try.
#[component]
pub(crate) fn Welcome() -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    document().set_title("Blaze · live country atlas");
    let picks = Memo::new(move |_| {
        let mut countries = atlas.known_countries();
        countries.retain(|country| PICKS.contains(&country.id.as_str()));
        countries
    });
    let start = move || {
        if picks.with(Vec::is_empty) {
            "Open a document by its path: each one is a JSON object."
        } else {
            "Pick a country: each one is a document."
        }
    };
    let account = expect_context::<Account>();
    let change = move || match account.viewer.get() {
        Some(Viewer::Guest) => {
            "Sign in and claim it; change a field in one window, and watch the other."
        }
        Some(Viewer::User(_)) => "Claim it, change a field in one window, and watch the other.",
        None | Some(Viewer::Anybody) => "Change a field in one window, and watch the other.",
    };
    view! {
        <section class="welcome">
            <h1>"Every window, the same world."</h1>
            <p class="lead">
                "Each document here lives in an object of its own. Whoever changes it, everybody who looks at it gets the "
                "change at once, as a patch of just what is different."
            </p>
            <ol class="steps">
                <li>{start}</li>
                <li>"Open the same address in a second window, side by side."</li>
                <li>{change}</li>
            </ol>
            <ul class="picks">
                <For
                    each=move || picks.get()
                    key=|country| country.clone()
                    children=move |country| {
                        let (path, flag) = (country.path(), country.path());
                        let href = move || atlas.address_at(Some(&path));
                        view! {
                            <li>
                                <a class="pick" href=href>
                                    <Flag path=flag />
                                    <strong>{country.name}</strong>
                                    <span>{country.region}</span>
                                </a>
                            </li>
                        }
                    }
                />
            </ul>
        </section>
    }
}
