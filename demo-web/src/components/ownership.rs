//! Whose the open document is, why it may not be edited, and what can be done about it.

use crate::model::access::{Access, Barrier, Owner};
use crate::state::account::Account;
use crate::state::open_document::OpenDocument;
use leptos::prelude::*;

/// The id of the reason why the fields may not be edited.
pub(crate) const REASON: &str = "reason";

/// What the bar's button does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    SignIn,
    Claim,
    GiveUp,
}

impl Act {
    fn of(access: &Access) -> Option<Self> {
        if access.may_claim() {
            Some(Act::Claim)
        } else if access.may_give_up() {
            Some(Act::GiveUp)
        } else {
            access.barrier.as_ref().is_some_and(Barrier::is_for_guests).then_some(Act::SignIn)
        }
    }

    /// What is written on it, and its name in tests.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Act::SignIn => ("Sign in", "sign-in-here"),
            Act::Claim => ("Claim", "claim"),
            Act::GiveUp => ("Give up", "give-up"),
        }
    }
}

/// A bar above the fields; nothing where everybody may do everything.
#[component]
pub(crate) fn Ownership(document: OpenDocument) -> impl IntoView {
    let account = expect_context::<Account>();
    let access = document.access;
    let is_shown = Memo::new(move |_| {
        access.with(|access| access.owner.is_some() || access.barrier.is_some())
    });
    let owner = move || access.with(|access| access.owner.as_ref().map(Owner::word));
    let reason = move || {
        access.with(|access| match &access.barrier {
            Some(barrier) => barrier.reason(),
            None => "Only you edit this".to_owned(),
        })
    };
    let act = Memo::new(move |_| access.with(Act::of));
    let press = move |_| match act.get_untracked() {
        Some(Act::SignIn) => account.is_panel_open.set(true),
        Some(Act::Claim) => document.claim(),
        Some(Act::GiveUp) => document.give_up(),
        None => {}
    };
    // One button, so that it keeps the focus through what it does.
    let has_act = Memo::new(move |_| act.get().is_some());
    let names = move || act.get().map(Act::names).unwrap_or_default();
    view! {
        <Show when=move || is_shown.get()>
            <div class="ownership" class:yours=move || access.with(Access::may_edit)>
                <p role="status">
                    <strong data-testid="owner">{owner}</strong>
                    " "
                    <span id=REASON class="reason" data-testid="reason">{reason}</span>
                </p>
                <Show when=move || has_act.get()>
                    <button
                        class:primary=move || act.get() == Some(Act::Claim)
                        data-testid=move || names().1
                        on:click=press
                    >
                        {move || names().0}
                    </button>
                </Show>
            </div>
        </Show>
    }
}
