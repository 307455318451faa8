//! Whether what the page shows is live.

use crate::model::connection::{countdown, word};
use crate::state::atlas::Atlas;
use leptos::prelude::*;
use std::time::Duration;

/// How often the countdown is looked at.
const TICK: Duration = Duration::from_millis(500);

/// The state of the connection, and when it is tried again.
#[component]
pub(crate) fn ConnectionBadge() -> impl IntoView {
    let connection = expect_context::<Atlas>().connection;
    let entered = Memo::new(move |_| connection.with(|_| js_sys::Date::now()));
    let now = RwSignal::new(js_sys::Date::now());
    if let Ok(ticking) = set_interval_with_handle(move || now.set(js_sys::Date::now()), TICK) {
        on_cleanup(move || ticking.clear());
    }
    let state = move || connection.with(word);
    // Every second of it would be read out, were it part of the status.
    let wait = Memo::new(move |_| {
        let elapsed = (now.get() - entered.get()).max(0.0);
        connection.with(|state| countdown(state, elapsed as u32))
    });
    view! {
        <div class="connection" data-state=state>
            <span class="dot"></span>
            <span role="status" data-testid="connection">{state}</span>
            <span class="wait" aria-hidden="true">{move || wait.get()}</span>
        </div>
    }
}
