//! Rows that go to another place are seen to go there.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Less is no movement, in pixels.
const LEAST: f64 = 0.5;

/// Where the rows of a table are.
pub(crate) struct Places(Vec<(Element, f64)>);

impl Places {
    /// Where they are now, in the midst of a movement too.
    pub(crate) fn of(body: &Element) -> Self {
        let children = body.children();
        let rows = (0..children.length()).filter_map(|number| children.item(number));
        Places(rows.map(|row| (row.clone(), top(&row))).collect())
    }

    /// Before the next picture is drawn, lets the rows start from here that will be elsewhere. How they go is said in
    /// style.css, and whether they do.
    pub(crate) fn leave(self) {
        request_animation_frame(move || {
            let moved = |(row, before): (Element, f64)| {
                let distance = before - top(&row);
                (row.is_connected() && distance.abs() > LEAST).then_some((row, distance))
            };
            // All are looked at before any is changed: the browser computes the layout once.
            let moved: Vec<_> = self.0.into_iter().filter_map(moved).collect();
            for (row, distance) in moved {
                start(&row, distance);
            }
        });
    }
}

/// Starts the movement, or starts it anew: two names of the same animation take turns.
fn start(row: &Element, distance: f64) {
    let Some(row) = row.dyn_ref::<HtmlElement>() else { return };
    let turn = if row.dataset().get("moved").as_deref() == Some("odd") { "even" } else { "odd" };
    // A browser that refuses shows the row where it is.
    let _ = row.style().set_property("--from", &format!("{distance}px"));
    let _ = row.dataset().set("moved", turn);
}

fn top(row: &Element) -> f64 {
    row.get_bounding_client_rect().top()
}
