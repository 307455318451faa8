//! The input for a field's value, one for each way to edit it.

use super::field_editor::{error_id, input_id};
use crate::model::field::{Shape, bytes_len, point_parts};
use crate::state::atlas::Atlas;
use crate::state::editing::Editing;
use blaze_client::server_timestamp;
use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use serde_json::Value;
use wasm_bindgen::JsValue;

/// The most lines that a box for text has before it scrolls.
const MOST_LINES: usize = 16;

/// The input that fits the field.
#[component]
pub(crate) fn FieldInput(editing: Editing) -> impl IntoView {
    let shape = Memo::new(move |_| editing.shape());
    move || match shape.get() {
        Shape::Text => view! { <LineInput editing /> }.into_any(),
        Shape::Number => view! { <NumberInput editing /> }.into_any(),
        Shape::Boolean => view! { <BooleanInput editing /> }.into_any(),
        Shape::Timestamp => view! { <TimestampInput editing /> }.into_any(),
        Shape::Reference => view! { <ReferenceInput editing /> }.into_any(),
        Shape::GeoPoint => view! { <PointInput editing /> }.into_any(),
        Shape::LongText => view! { <BoxInput editing is_prose=true /> }.into_any(),
        Shape::Json => view! { <BoxInput editing /> }.into_any(),
        Shape::Bytes => view! { <BytesInput editing /> }.into_any(),
    }
}

#[component]
fn LineInput(
    editing: Editing,
    /// Whether it is a code rather than prose.
    #[prop(optional)]
    is_code: bool,
) -> impl IntoView {
    let name = editing.name();
    view! {
        <input
            id=input_id(&name)
            class="value"
            class:mono=is_code
            type="text"
            autocomplete="off"
            spellcheck="false"
            readonly=move || !editing.may_edit()
            aria-describedby=error_id(&name)
            aria-invalid=move || editing.error().is_some().to_string()
            data-testid=format!("field-{name}")
            prop:value=move || editing.text()
            on:input:target=move |event| editing.type_text(event.target().value())
        />
    }
}

#[component]
fn BoxInput(
    editing: Editing,
    /// Whether it is prose rather than a code.
    #[prop(optional)]
    is_prose: bool,
) -> impl IntoView {
    let name = editing.name();
    let rows = move || editing.text().lines().count().clamp(1, MOST_LINES).to_string();
    view! {
        <textarea
            id=input_id(&name)
            class="value"
            class:mono=!is_prose
            rows=rows
            autocomplete="off"
            spellcheck=is_prose.to_string()
            readonly=move || !editing.may_edit()
            aria-describedby=error_id(&name)
            aria-invalid=move || editing.error().is_some().to_string()
            data-testid=format!("field-{name}")
            prop:value=move || editing.text()
            on:input:target=move |event| editing.type_text(event.target().value())
        ></textarea>
    }
}

/// A number, with buttons and arrow keys that count on the server.
#[component]
fn NumberInput(editing: Editing) -> impl IntoView {
    let name = editing.name();
    let may_edit = move || untrack(|| editing.may_edit());
    let press = move |event: KeyboardEvent| {
        let amount = match event.key().as_str() {
            "ArrowUp" if may_edit() => 1,
            "ArrowDown" if may_edit() => -1,
            _ => return,
        };
        event.prevent_default();
        editing.commit();
        editing.add(amount);
    };
    let button = move |label: &'static str, sign: &'static str, amount: i32| {
        view! {
            <button
                class="step"
                aria-label=format!("{label} {}", editing.name())
                data-testid=format!("{}-{}", label.to_lowercase(), editing.name())
                on:click=move |_| editing.add(amount)
            >
                {sign}
            </button>
        }
    };
    view! {
        <div class="joined">
            <input
                id=input_id(&name)
                class="value mono"
                type="text"
                inputmode="decimal"
                autocomplete="off"
                readonly=move || !editing.may_edit()
                aria-describedby=error_id(&name)
                aria-invalid=move || editing.error().is_some().to_string()
                data-testid=format!("field-{name}")
                prop:value=move || editing.text()
                on:input:target=move |event| editing.type_text(event.target().value())
                on:keydown=press
            />
            <Show when=move || editing.may_edit()>
                {button("Decrease", "−", -1)}
                {button("Increase", "+", 1)}
            </Show>
        </div>
    }
}

#[component]
fn BooleanInput(editing: Editing) -> impl IntoView {
    let name = editing.name();
    let is_true = move || editing.value.with(|value| *value == Value::Bool(true));
    view! {
        <div class="switch-line">
            <input
                id=input_id(&name)
                class="switch"
                type="checkbox"
                role="switch"
                disabled=move || !editing.may_edit()
                aria-describedby=error_id(&name)
                data-testid=format!("field-{name}")
                prop:checked=is_true
                on:change:target=move |event| editing.write(Value::from(event.target().checked()))
            />
            <span aria-hidden="true">{move || if is_true() { "true" } else { "false" }}</span>
        </div>
    }
}

#[component]
fn TimestampInput(editing: Editing) -> impl IntoView {
    let local = move || {
        let date = js_sys::Date::new(&JsValue::from_str(&editing.text()));
        match date.get_time().is_nan() {
            true => String::new(),
            false => String::from(date.to_locale_string("default", &JsValue::UNDEFINED)),
        }
    };
    view! {
        <div class="joined">
            <LineInput editing is_code=true />
            <Show when=move || editing.may_edit()>
                <button on:click=move |_| editing.write(server_timestamp())>"Now"</button>
            </Show>
        </div>
        <p class="hint">{local}</p>
    }
}

#[component]
fn ReferenceInput(editing: Editing) -> impl IntoView {
    let atlas = expect_context::<Atlas>();
    view! {
        <div class="joined">
            <LineInput editing is_code=true />
            <a class="button" href=move || atlas.address_at(Some(&editing.text()))>"Open"</a>
        </div>
    }
}

#[component]
fn BytesInput(editing: Editing) -> impl IntoView {
    let size = move || match bytes_len(&editing.text()) {
        1 => "1 byte".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    view! {
        <BoxInput editing />
        <p class="hint">{size} ", as base64"</p>
    }
}

/// Latitude and longitude.
#[component]
fn PointInput(editing: Editing) -> impl IntoView {
    let name = editing.name();
    let parts = move || point_parts(&editing.text());
    let half = |id: String, testid: String, label: &'static str, is_latitude: bool| {
        let pick = move |(latitude, longitude)| if is_latitude { latitude } else { longitude };
        let set = move |text: String| {
            let (latitude, longitude) = untrack(parts);
            editing.type_text(match is_latitude {
                true => format!("{text}, {longitude}"),
                false => format!("{latitude}, {text}"),
            });
        };
        view! {
            <div class="degrees">
                <input
                    id=id
                    class="value mono"
                    type="text"
                    inputmode="decimal"
                    autocomplete="off"
                    aria-label=format!("{} {label}", editing.name())
                    readonly=move || !editing.may_edit()
                    aria-describedby=error_id(&editing.name())
                    aria-invalid=move || editing.error().is_some().to_string()
                    data-testid=testid
                    prop:value=move || pick(parts())
                    on:input:target=move |event| set(event.target().value())
                />
                <span class="hint" aria-hidden="true">{label}</span>
            </div>
        }
    };
    view! {
        <div class="point">
            {half(input_id(&name), format!("field-{name}"), "latitude", true)}
            {half(input_id(&name) + "-longitude", format!("field-{name}-longitude"), "longitude", false)}
        </div>
    }
}
