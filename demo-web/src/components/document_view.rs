//! The document that is open.

use super::add_field::AddField;
use super::document_header::{Back, DocumentHeader, TITLE, focus_title};
use super::field_editor::FieldEditor;
use super::patch_log::PatchLog;
use super::terminal::Terminal;
use crate::state::open_document::OpenDocument;
use leptos::prelude::*;

/// A document: its header, its fields, and what the server sends about it.
#[component]
pub(crate) fn DocumentView(path: String) -> impl IntoView {
    let document = match OpenDocument::open(expect_context(), expect_context(), &path) {
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
    let state = Memo::new(move |_| document.view.with(|view| (view.loaded, view.exists)));
    move || match state.get() {
        (false, _) => view! { <p class="notice quiet" aria-busy="true">"Loading…"</p> }.into_any(),
        (true, true) => view! { <Fields document /> }.into_any(),
        (true, false) => view! { <Missing document /> }.into_any(),
    }
}

#[component]
fn Fields(document: OpenDocument) -> impl IntoView {
    let names = Memo::new(move |_| {
        document.view.with(|view| view.data.keys().cloned().collect::<Vec<String>>())
    });
    view! {
        <div class="fields">
            <For
                each=move || names.get()
                key=String::clone
                children=move |name| view! { <FieldEditor document name /> }
            />
        </div>
        <AddField document />
    }
}

#[component]
fn Missing(document: OpenDocument) -> impl IntoView {
    let was_there = move || document.view.with(|view| !view.last.is_empty());
    let never = move || document.view.with(|view| view.version == 0);
    view! {
        <div class="notice" data-testid="missing">
            <p>
                {move || if never() { "There is no document at this path yet." } else { "This document was deleted." }}
            </p>
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
        </div>
    }
}
