//! The short messages at the foot of the page.

use crate::state::toasts::{Toast, Toasts};
use leptos::prelude::*;

/// The messages, with their buttons.
#[component]
pub(crate) fn ToastList() -> impl IntoView {
    let toasts = expect_context::<Toasts>();
    view! {
        <div class="toasts" aria-live="polite">
            <For
                each=move || toasts.numbers()
                key=|number| *number
                children=move |number| {
                    untrack(|| toasts.find(number)).map(|toast| view! { <ToastMessage toasts toast /> })
                }
            />
        </div>
    }
}

#[component]
fn ToastMessage(toasts: Toasts, toast: Toast) -> impl IntoView {
    let number = toast.number;
    let undo = toast.undo.map(|undo| {
        let click = move |_| {
            undo();
            toasts.dismiss(number);
        };
        view! { <button data-testid="undo" on:click=click>"Undo"</button> }
    });
    view! {
        <div class="toast" class:error=toast.is_error>
            <p data-testid=if toast.is_error { "error" } else { "toast" }>{toast.text}</p>
            {undo}
            <button class="icon" aria-label="Dismiss" on:click=move |_| toasts.dismiss(number)>"✕"</button>
        </div>
    }
}
