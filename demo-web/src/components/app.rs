//! The page's frame: the bar at the top, the list at the side, the document.

use super::connection_badge::ConnectionBadge;
use super::country_list::CountryList;
use super::document_view::DocumentView;
use super::open_path::OpenPath;
use super::toast_list::ToastList;
use super::welcome::Welcome;
use crate::state::atlas::Atlas;
use crate::state::toasts::Toasts;
use leptos::prelude::*;

/// The whole page.
#[component]
pub(crate) fn App() -> impl IntoView {
    let atlas = match Atlas::connect() {
        Ok(atlas) => atlas,
        Err(error) => {
            return view! { <p class="notice error" role="alert" data-testid="error">{error.detail}</p> }.into_any();
        }
    };
    provide_context(atlas);
    provide_context(Toasts::new());
    let is_open = move || atlas.path.with(Option::is_some);
    view! {
        <header class="topbar">
            <a class="brand" href="#">
                <img src="/favicon.svg" alt="" width="28" height="28" />
                <span class="brand-name">"Blaze"</span>
                <span class="brand-line">"live country atlas"</span>
            </a>
            <ConnectionBadge />
        </header>
        <div class="panes" class:open=is_open>
            <nav class="sidebar" aria-label="Documents">
                <CountryList />
                <OpenPath />
            </nav>
            <main class="content">
                {move || match atlas.path.get() {
                    Some(path) => view! { <DocumentView path /> }.into_any(),
                    None => view! { <Welcome /> }.into_any(),
                }}
            </main>
        </div>
        <ToastList />
    }
    .into_any()
}
