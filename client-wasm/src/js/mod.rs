//! What the npm package's `index.js` calls. It only converts: documents cross as JSON text, because JavaScript's own
//! parser is the fastest way to a JavaScript object; errors cross in parts.

pub mod query;
mod spelling;

use crate::api::blaze::{Blaze, ConnectOptions};
use crate::api::listen_options::ListenOptions;
use crate::api::reference::field_paths;
use crate::api::snapshot::DocumentSnapshot;
use crate::core::change::Change;
use crate::core::event::ConnectionState;
use crate::core::json;
use crate::js::spelling::data_text;
use crate::shell::credentials::TokenSource;
use crate::shell::platform::{now, random};
use blaze_schema::error::{Code, Error};
use blaze_schema::field_path::FieldPath;
use blaze_schema::id::ulid;
use blaze_schema::path::{CollectionPath, DocumentPath};
use js_sys::{Array, Function, Promise};
use serde_json::Value;
use std::pin::Pin;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

/// The npm package's allocator: small. A page in Rust has its own.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// A database.
#[wasm_bindgen]
pub struct Client {
    pub(crate) blaze: Blaze,
}

/// A callback that is registered until this is freed.
#[wasm_bindgen]
pub struct Subscription {
    _subscription: crate::shell::callbacks::Subscription,
}

impl Subscription {
    pub(crate) fn new(subscription: crate::shell::callbacks::Subscription) -> Self {
        Subscription { _subscription: subscription }
    }
}

#[wasm_bindgen]
impl Client {
    /// As [`Blaze::connect`]. `token` is a text, a function that is given whether the token is to be fresh and gives a
    /// promise of a text or of nothing, or nothing.
    ///
    /// # Errors
    /// As there.
    #[wasm_bindgen(constructor)]
    pub fn new(url: &str, token: JsValue) -> Result<Client, JsValue> {
        let options = ConnectOptions { token: token_source(token) };
        Ok(Client { blaze: Blaze::connect(url, options).map_err(thrown)? })
    }

    /// As [`Blaze::set_token`]; `token` as in [`Client::new`].
    ///
    /// # Errors
    /// As there.
    #[wasm_bindgen(js_name = setToken)]
    pub fn set_token(&self, token: JsValue) -> Result<(), JsValue> {
        self.blaze.set_token(token_source(token)).map_err(thrown)
    }

    /// Reads a document: a promise of a snapshot's [`parts`].
    ///
    /// # Errors
    /// For what is no path.
    pub fn get(&self, path: &str) -> Result<Promise, JsValue> {
        let read = self.blaze.doc(path).map_err(thrown)?.get();
        Ok(promise(async move { read.await.map(|snapshot| parts(&snapshot)).map_err(thrown) }))
    }

    /// Begins a write: a promise of the version after it. `kind` is the operation's name, `json` its data, `fields` the
    /// field paths of a `mergeFields` as JSON.
    ///
    /// # Errors
    /// For what is no path.
    pub fn write(
        &self,
        path: &str,
        kind: &str,
        json: &str,
        fields: &str,
    ) -> Result<Promise, JsValue> {
        let write = self.blaze.doc(path).map_err(thrown)?.write(change(kind, json, fields));
        Ok(promise(async move {
            write.await.map(|result| (result.version as f64).into()).map_err(thrown)
        }))
    }

    /// Calls `next` with the [`parts`] of every snapshot, with `metadata` also where only those changed, and `error` with
    /// what was [`thrown`] when listening was refused. Neither throws.
    ///
    /// # Errors
    /// For what is no path.
    pub fn listen(
        &self,
        path: &str,
        next: Function,
        error: Function,
        metadata: bool,
    ) -> Result<Subscription, JsValue> {
        let subscription = self.blaze.doc(path).map_err(thrown)?.on_update_with(
            ListenOptions { include_metadata_changes: metadata },
            move |snapshot| call2(&next, &parts(&snapshot), &JsValue::UNDEFINED),
            move |problem| call2(&error, &thrown(problem), &JsValue::UNDEFINED),
        );
        Ok(Subscription::new(subscription))
    }

    /// Calls `callback` with the connection's state, at once and whenever it changes: its name and, for `offline`, the
    /// milliseconds until the next attempt and why ([`thrown`]), where that is known. It does not throw.
    #[wasm_bindgen(js_name = onConnection)]
    pub fn on_connection(&self, callback: Function) -> Subscription {
        let subscription = self.blaze.on_connection(move |state| {
            const NONE: JsValue = JsValue::UNDEFINED;
            let (name, retry_in_ms, error) = match state {
                ConnectionState::Idle => ("idle", NONE, NONE),
                ConnectionState::Connecting => ("connecting", NONE, NONE),
                ConnectionState::Connected => ("connected", NONE, NONE),
                ConnectionState::Offline { retry_in_ms, error } => {
                    ("offline", retry_in_ms.into(), error.map_or(NONE, thrown))
                }
            };
            // `index.js` hands over a function that catches.
            let _ = callback.call3(&JsValue::NULL, &name.into(), &retry_in_ms, &error);
        });
        Subscription::new(subscription)
    }

    /// As [`Blaze::reconnect`].
    pub fn reconnect(&self) {
        self.blaze.reconnect();
    }

    /// As [`Blaze::close`].
    pub fn close(&self) {
        self.blaze.close();
    }
}

fn token_source(token: JsValue) -> TokenSource {
    if let Some(token) = token.as_string() {
        return TokenSource::Fixed(token);
    }
    let Ok(callback) = token.dyn_into::<Function>() else { return TokenSource::Nobody };
    TokenSource::asked(move |fresh| {
        let given = callback.call1(&JsValue::NULL, &fresh.into());
        async move {
            let promise: Promise = given.map_err(not_given)?.unchecked_into();
            JsFuture::from(promise).await.map(|token| token.as_string()).map_err(not_given)
        }
    })
}

/// `index.js` says why in words.
fn not_given(problem: JsValue) -> Error {
    let why = problem.as_string().unwrap_or_default();
    Error::new(Code::Unavailable, format!("token: {why}"))
}

/// Checks the path of a document.
///
/// # Errors
/// For what is none.
#[wasm_bindgen(js_name = checkDocument)]
pub fn check_document(path: &str) -> Result<(), JsValue> {
    DocumentPath::parse(path).map(|_| ()).map_err(thrown)
}

/// Checks the path of a collection.
///
/// # Errors
/// For what is none.
#[wasm_bindgen(js_name = checkCollection)]
pub fn check_collection(path: &str) -> Result<(), JsValue> {
    CollectionPath::parse(path).map(|_| ()).map_err(thrown)
}

/// The keys of a field path.
///
/// # Errors
/// For what is none.
#[wasm_bindgen(js_name = fieldKeys)]
pub fn field_keys(path: &str) -> Result<Vec<String>, JsValue> {
    FieldPath::parse(path).map(|path| path.keys().to_vec()).map_err(thrown)
}

/// A new id.
#[wasm_bindgen(js_name = newId)]
pub fn new_id() -> String {
    ulid(now(), random())
}

pub(crate) fn call2(callback: &Function, first: &JsValue, second: &JsValue) {
    // `index.js` hands over functions that catch.
    let _ = callback.call2(&JsValue::NULL, first, second);
}

/// A future as JavaScript has it. Boxed, because its executor is compiled anew for every type of future.
pub(crate) fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let boxed: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>> = Box::pin(future);
    future_to_promise(boxed)
}

/// `[code, detail, status]`, of which `index.js` makes its own error.
pub(crate) fn thrown(error: Error) -> JsValue {
    Array::of3(&error.code.as_str().into(), &error.detail.into(), &error.status.into()).into()
}

fn change(kind: &str, text: &str, fields: &str) -> Result<Change, Error> {
    if kind == "delete" {
        return Ok(Change::delete());
    }
    let data = json::parse(text)?;
    match kind {
        "create" => Change::create(data),
        "set" => Change::set(data),
        "merge" => Change::merge(data),
        "mergeFields" => {
            let fields = json::parse(fields)?;
            let fields = fields.as_array().into_iter().flatten().filter_map(Value::as_str);
            Change::merge_fields(data, &field_paths(fields)?)
        }
        "update" => Change::update(data),
        "patch" => Change::patch(data),
        _ => Err(Error::invalid(format!("{kind:?} is no write"))),
    }
}

/// `[version, hasPendingWrites, data, createTime, updateTime, path]`: the data as [`data_text`], and undefined where the
/// document did not exist, as the times are where they are not known.
pub(crate) fn parts(snapshot: &DocumentSnapshot) -> JsValue {
    let time = |time: Option<&str>| time.map_or(JsValue::UNDEFINED, JsValue::from);
    let parts = Array::of5(
        &(snapshot.version() as f64).into(),
        &snapshot.has_pending_writes().into(),
        &snapshot.data().map(data_text).into(),
        &time(snapshot.create_time()),
        &time(snapshot.update_time()),
    );
    parts.push(&snapshot.path().into());
    parts.into()
}
