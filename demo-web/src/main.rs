//! Blaze's demo page: a country atlas that stays in step with every other window.
mod components;
mod model;
mod state;

fn main() {
    leptos::mount::mount_to_body(components::app::App);
}
