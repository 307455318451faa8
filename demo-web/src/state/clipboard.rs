//! The clipboard.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlDocument, HtmlTextAreaElement};

/// Writes `text` to the clipboard; whether it did.
pub(crate) async fn write(text: &str) -> bool {
    // Browsers have it on this machine and by https only.
    if window().is_secure_context() {
        return JsFuture::from(window().navigator().clipboard().write_text(text)).await.is_ok();
    }
    write_by_selection(text).unwrap_or(false)
}

/// The old way: the browser copies what is selected.
fn write_by_selection(text: &str) -> Option<bool> {
    let page: HtmlDocument = document().dyn_into().ok()?;
    let before = page.active_element();
    let area: HtmlTextAreaElement = page.create_element("textarea").ok()?.dyn_into().ok()?;
    area.set_value(text);
    page.body()?.append_child(&area).ok()?;
    area.select();
    let is_copied = page.exec_command("copy").unwrap_or(false);
    area.remove();
    crate::components::focus::focus(before);
    Some(is_copied)
}
