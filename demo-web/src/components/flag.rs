//! The flag of a country. It is a picture: few systems have a font with flags.

use crate::model::countries;
use leptos::prelude::*;

/// The picture of the flag of the document at `path`; nothing where there is none.
#[component]
pub(crate) fn Flag(#[prop(into)] path: String) -> impl IntoView {
    let is_missing = RwSignal::new(false);
    countries::flag(&path).map(|address| {
        view! {
            <img
                class="flag"
                class:missing=move || is_missing.get()
                src=address
                alt=""
                width="24"
                height="16"
                loading="lazy"
                decoding="async"
                on:error=move |_| is_missing.set(true)
            />
        }
    })
}
