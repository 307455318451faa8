//! Who looks at the page, and the way in or out. Where there are no accounts, nothing.

use crate::model::access::Viewer;
use crate::state::account::Account;
use leptos::prelude::*;

/// The control in the bar at the top.
#[component]
pub(crate) fn AccountControl() -> impl IntoView {
    let account = expect_context::<Account>();
    let has_accounts = Memo::new(move |_| {
        account.viewer.with(|viewer| !matches!(viewer, None | Some(Viewer::Anybody)))
    });
    let who =
        Memo::new(move |_| account.user().map_or_else(|| "Guest".to_owned(), |user| user.label()));
    let is_guest = Memo::new(move |_| account.user().is_none());
    // One button, so that it keeps the focus through what it does.
    let press = move |_| match is_guest.get_untracked() {
        true => account.is_panel_open.set(true),
        false => account.leave(),
    };
    view! {
        <Show when=move || has_accounts.get()>
            <div class="account" role="group" aria-label="Account">
                <span class="who" title=move || who.get() role="status" data-testid="viewer">{move || who.get()}</span>
                <span class="between" aria-hidden="true">"·"</span>
                <button
                    class="plain"
                    aria-haspopup=move || is_guest.get().then_some("dialog")
                    data-testid="account"
                    on:click=press
                >
                    {move || if is_guest.get() { "Sign in" } else { "Sign out" }}
                </button>
            </div>
        </Show>
    }
}
