//! Plain requests to the server that served the page, in nobody's name.

use leptos::prelude::window;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

/// The status and the text that the server answers for a URL, if it answers.
pub(crate) async fn get(url: &str) -> Option<(u16, String)> {
    let answer = JsFuture::from(window().fetch_with_str(url)).await.ok()?;
    let answer = answer.dyn_into::<Response>().ok()?;
    let text = JsFuture::from(answer.text().ok()?).await.ok()?;
    Some((answer.status(), text.as_string()?))
}
