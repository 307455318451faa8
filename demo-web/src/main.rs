//! Blaze's demo page: a country atlas that stays in step with every other window.
//!
//! On another target than wasm only the model is compiled, for its tests.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

#[cfg(target_arch = "wasm32")]
mod components;
mod model;
#[cfg(target_arch = "wasm32")]
mod state;

fn main() {
    #[cfg(target_arch = "wasm32")]
    leptos::mount::mount_to_body(components::app::App);
}
