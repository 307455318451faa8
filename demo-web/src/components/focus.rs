//! Where the keyboard is.

use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Gives the focus to `element`, if it is there and can take it.
pub(crate) fn focus(element: Option<Element>) {
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // What cannot take the focus leaves it where it is.
        let _ = element.focus();
    }
}

/// "/" goes to the input from everywhere that does not take text.
pub(crate) fn focus_on_slash(input: NodeRef<html::Input>) {
    let listener = window_event_listener(ev::keydown, move |event| {
        let is_typing = document().active_element().is_some_and(|element| {
            matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
        });
        let is_plain =
            event.key() == "/" && !event.ctrl_key() && !event.meta_key() && !event.alt_key();
        if let (true, false, Some(input)) = (is_plain, is_typing, input.get_untracked()) {
            event.prevent_default();
            focus(Some(input.into()));
        }
    });
    on_cleanup(move || listener.remove());
}
