//! The page's frame: the bar at the top; the list and the document beside it, or the table.

use super::account_control::AccountControl;
use super::connection_badge::ConnectionBadge;
use super::country_list::CountryList;
use super::document_view::DocumentView;
use super::open_path::OpenPath;
use super::sign_in_panel::SignInPanel;
use super::table_view::TableView;
use super::toast_list::ToastList;
use super::welcome::Welcome;
use crate::state::account::Account;
use crate::state::atlas::{Atlas, origin};
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
    let toasts = Toasts::new();
    provide_context(toasts);
    provide_context(atlas.with_db(|db| Account::open(db, &origin(), toasts)));
    let is_open = move || atlas.path.with(Option::is_some);
    let is_table = move || atlas.is_table.get();
    let current = move |is_here: bool| is_here.then_some("page");
    view! {
        <header class="topbar">
            <a class="brand" href="/">
                <img src="/favicon.svg" alt="" width="28" height="28" />
                <span class="brand-name">"Blaze"</span>
                <span class="brand-line">"live country atlas"</span>
            </a>
            <nav class="tabs" aria-label="Views">
                <a href="/" aria-current=move || current(!is_table())>"Atlas"</a>
                <a href=move || atlas.table_address() aria-current=move || current(is_table()) data-testid="table">
                    "Table"
                </a>
            </nav>
            <AccountControl />
            <ConnectionBadge />
        </header>
        <div class="panes" class:open=is_open class:tabular=is_table>
            <Show when=move || !is_table()>
                <nav class="sidebar" aria-label="Documents">
                    <CountryList />
                    <OpenPath />
                </nav>
            </Show>
            <main class="content">
                <Show when=is_table fallback=move || view! { <Page atlas /> }>
                    <TableView />
                </Show>
            </main>
            <Show when=move || is_table() && is_open()>
                <section class="content beside" aria-label="The open document">
                    <Page atlas />
                </section>
            </Show>
        </div>
        <SignInPanel />
        <ToastList />
    }
    .into_any()
}

/// The document that is open, or what there is before one is.
#[component]
fn Page(atlas: Atlas) -> impl IntoView {
    move || match atlas.path.get() {
        Some(path) => view! { <DocumentView path /> }.into_any(),
        None => view! { <Welcome /> }.into_any(),
    }
}
