//! The browser's address: read, changed without loading the page anew, and followed.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlAnchorElement, MouseEvent};

/// The address's path, query and fragment, the last two with their marks or empty.
pub(crate) fn parts() -> [String; 3] {
    let location = location();
    [location.pathname(), location.search(), location.hash()].map(Result::unwrap_or_default)
}

/// Goes to `address`, from its path on.
pub(crate) fn go(address: &str) {
    if let Ok(history) = window().history() {
        // A browser refuses a hundred of them in a few seconds: then the address stays behind.
        drop(history.push_state_with_url(&JsValue::NULL, "", Some(address)));
    }
}

/// Changes the address: to go back does not lead to the one before.
pub(crate) fn replace(address: &str) {
    if let Ok(history) = window().history() {
        // As above.
        drop(history.replace_state_with_url(&JsValue::NULL, "", Some(address)));
    }
}

/// Calls back whenever the address has changed, for as long as the current owner lives. Links within the page are
/// followed without loading it anew.
pub(crate) fn follow(changed: impl Fn() + Clone + 'static) {
    let (gone_back, named, clicked) = (changed.clone(), changed.clone(), changed);
    let listeners = [
        window_event_listener(ev::popstate, move |_| gone_back()),
        window_event_listener(ev::hashchange, move |_| named()),
        window_event_listener(ev::click, move |event| {
            if let Some(address) = followed(&event) {
                event.prevent_default();
                go(&address);
                clicked();
            }
        }),
    ];
    on_cleanup(move || listeners.into_iter().for_each(|listener| listener.remove()));
}

/// The address within the page that a click follows; none where the browser does something else with it, such as
/// opening another window.
fn followed(event: &MouseEvent) -> Option<String> {
    let is_plain = event.button() == 0
        && !(event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key());
    if !is_plain || event.default_prevented() {
        return None;
    }
    let clicked: Element = event.target()?.dyn_into().ok()?;
    let link: HtmlAnchorElement = clicked.closest("a[href]").ok()??.dyn_into().ok()?;
    let is_here = link.origin() == location().origin().ok()?
        && link.target().is_empty()
        && !link.has_attribute("download");
    is_here.then(|| format!("{}{}{}", link.pathname(), link.search(), link.hash()))
}
