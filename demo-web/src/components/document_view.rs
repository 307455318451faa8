//! The document that is open.

use super::add_field::AddField;
use super::document_header::{Back, DocumentHeader, TITLE, focus_title};
use super::field_editor::FieldEditor;
use super::ownership::{Ownership, REASON};
use super::patch_log::PatchLog;
use super::terminal::Terminal;
use crate::model::access::Access;
use crate::state::account::Account;
use crate::state::open_document::OpenDocument;
use leptos::prelude::*;

/// A document: its header, its fields, and what the server sends about it.
#[component]
pub(crate) fn DocumentView(path: String) -> impl IntoView {
    let opened = OpenDocument::open(expect_context(), expect_context(), expect_context(), &path);
    let document = match opened {
        Ok(document) => document,
        Err(error) => {
            return view! {
                <div class="document">
                    <Back />
                    <h1>"There is no such document"</h1>
                    <p class="notice error" role="alert" data-testid="error">{error.detail}</p>
                </div>
            }
            .into_any();
        }
    };
    let refusal = move || {
        document.refused.get().map(|detail| {
            view! { <p class="notice error" role="alert" data-testid="error">{detail}</p> }
        })
    };
    view! {
        <article class="document" aria-labelledby=TITLE>
            <DocumentHeader document path=path.clone() />
            {refusal}
            <Body document />
        </article>
        <aside class="side" aria-label="What happens to the document">
            <PatchLog document />
            <Terminal document path />
        </aside>
    }
    .into_any()
}

/// The fields, or what there is instead of them.
#[component]
fn Body(document: OpenDocument) -> impl IntoView {
    let account = expect_context::<Account>();
    let state = Memo::new(move |_| {
        // Fields that may be edited or not, nobody knows yet, are of no use.
        let is_known = account.viewer.with(Option::is_some);
        document.view.with(|view| (view.loaded && is_known, view.exists))
    });
    move || match state.get() {
        (false, _) => view! { <p class="notice quiet" aria-busy="true">"Loading…"</p> }.into_any(),
        (true, true) => view! { <Fields document /> }.into_any(),
        (true, false) => view! { <Missing document /> }.into_any(),
    }
}

#[component]
fn Fields(document: OpenDocument) -> impl IntoView {
    let names = Memo::new(move |_| {
        document.access.with(|access| {
            let is_shown = |name: &&String| !access.hides(name);
            document
                .view
                .with(|view| view.data.keys().filter(is_shown).cloned().collect::<Vec<_>>())
        })
    });
    let may_edit = Memo::new(move |_| document.access.with(Access::may_edit));
    view! {
        <Ownership document />
        <div
            class="fields"
            class:locked=move || !may_edit.get()
            role="group"
            aria-label="Fields"
            aria-describedby=move || (!may_edit.get()).then_some(REASON)
        >
            <For
                each=move || names.get()
                key=String::clone
                children=move |name| view! { <FieldEditor document name /> }
            />
        </div>
        <Show when=move || may_edit.get()>
            <AddField document />
        </Show>
    }
}

#[component]
fn Missing(document: OpenDocument) -> impl IntoView {
    let was_there = move || document.view.with(|view| !view.last.is_empty());
    let may_create = Memo::new(move |_| document.access.with(|access| access.may_replace));
    let never = move || document.view.with(|view| view.version == 0);
    view! {
        <div class="notice" data-testid="missing">
            <p>
                {move || if never() { "There is no document at this path yet." } else { "This document was deleted." }}
            </p>
            <Show when=move || may_create.get()>
                <button
                    class="primary"
                    data-testid="create"
                    on:click=move |_| {
                        focus_title();
                        document.create();
                    }
                >
                    {move || if was_there() { "Create it again" } else { "Create it" }}
                </button>
            </Show>
        </div>
    }
}
