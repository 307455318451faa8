//! The platform as the shell uses it: every call that may throw is bound with `catch`.

use blaze_engine::http::reply::Reply;
use blaze_schema::timestamp::Timestamp;
use js_sys::{Array, Float64Array, Uint8Array};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Headers, Request, Response};

#[wasm_bindgen]
extern "C" {
    /// The host of an object: the class `Host` in `server/entry.js`. Each method carries out the
    /// [`Effect`](blaze_engine::actor::Effect) of its name; headers are names and values in turn, a line each.
    pub type Host;

    /// Gives the outcome of a request, a response, or of a call, the bytes of its answer; `null` if only the object itself
    /// can tell.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn settle(this: &Host, ticket: f64, outcome: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn read(this: &Host, ticket: f64, limit: f64, is_gzip: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn pass(
        this: &Host,
        ticket: f64,
        class: &str,
        name: &str,
        url: Option<String>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn relay(
        this: &Host,
        ticket: f64,
        class: &str,
        name: &str,
        call: Vec<u8>,
        status: u16,
        headers: &str,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn serve(
        this: &Host,
        ticket: f64,
        files: &Array,
        otherwise: &Response,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn listen(
        this: &Host,
        ticket: f64,
        protocol: &str,
        credential: &str,
        address: Option<String>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn refuse(
        this: &Host,
        ticket: f64,
        protocol: &str,
        frame: &str,
        code: u16,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn accept(
        this: &Host,
        ticket: f64,
        socket: f64,
        protocol: &str,
        attachment: Vec<u8>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn attach(this: &Host, socket: f64, attachment: Vec<u8>) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn open(
        this: &Host,
        socket: f64,
        class: &str,
        name: &str,
        url: &str,
        credential: &str,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn send(this: &Host, sockets: &[f64], text: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn close(this: &Host, socket: f64, code: u16, reason: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = ask)]
    pub(crate) fn call(
        this: &Host,
        number: f64,
        class: &str,
        name: &str,
        call: Vec<u8>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = load)]
    pub(crate) fn fetch(
        this: &Host,
        number: f64,
        method: &str,
        url: &str,
        headers: &str,
        body: Option<String>,
        limit: f64,
        within: f64,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub(crate) fn set_alarm(this: &Host, at: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn erase(this: &Host) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn sleep(this: &Host, number: f64, at: f64) -> Result<(), JsValue>;

    /// Has the object's timer ring at a time (ms); `undefined` for never.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn wake(this: &Host, at: Option<f64>) -> Result<(), JsValue>;

    /// Returns when the runtime last answered a ping of a socket's peer (ms).
    #[wasm_bindgen(method, catch)]
    pub(crate) fn pinged(this: &Host, socket: f64) -> Result<Option<f64>, JsValue>;
}

#[wasm_bindgen(raw_module = "./platform.js")]
extern "C" {
    /// Describes headers by their names, a line each; a missing one is a NUL.
    #[wasm_bindgen(catch)]
    pub(crate) fn describe(headers: &Headers, names: &Array) -> Result<String, JsValue>;

    /// Returns the address of a request's connection, where the runtime itself tells it.
    #[wasm_bindgen(catch)]
    pub(crate) fn connection(request: &Request) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch)]
    fn respond(status: u16, headers: &str, body: &str) -> Result<Response, JsValue>;

    /// Runs a statement; returns its rows, as arrays of columns.
    #[wasm_bindgen(catch, js_name = rowsOf)]
    pub(crate) fn rows_of(
        sql: &Sql,
        query: &JsValue,
        counts: Option<&Float64Array>,
        bindings: &Array,
    ) -> Result<Array, JsValue>;

    /// Reads the `value` of the row that a statement has for a key.
    #[wasm_bindgen(catch, js_name = valueOf)]
    pub(crate) fn value_of_key(
        sql: &Sql,
        query: &JsValue,
        counts: Option<&Float64Array>,
        key: &[u8],
    ) -> Result<JsValue, JsValue>;

    /// Reads the `value` of the row that a statement without parameters has.
    #[wasm_bindgen(catch, js_name = valueOf)]
    pub(crate) fn value_of_all(
        sql: &Sql,
        query: &JsValue,
        counts: Option<&Float64Array>,
    ) -> Result<JsValue, JsValue>;

    /// Reads the `value` of the row that a statement has for a range.
    #[wasm_bindgen(catch, js_name = valueOf)]
    pub(crate) fn value_of_range(
        sql: &Sql,
        query: &JsValue,
        counts: Option<&Float64Array>,
        start: &[u8],
        end: &[u8],
        limit: f64,
    ) -> Result<JsValue, JsValue>;

    /// Runs statements, all or none of them. `bindings` are packed; see `server/platform.js`.
    #[wasm_bindgen(catch, js_name = runAll)]
    pub(crate) fn run_all(
        storage: &JsValue,
        statements: &Array,
        bindings: &[u8],
        counts: Option<&Float64Array>,
    ) -> Result<(), JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// `ctx.storage.sql`; `worker::SqlStorage` leaves stepping errors uncaught.
    pub(crate) type Sql;

    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &Uint8Array) -> Result<JsValue, JsValue>;
}

/// Returns the message of a thrown value.
pub(crate) fn message(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{thrown:?}"),
    }
}

/// Makes the platform's response.
pub(crate) fn response(reply: &Reply) -> Result<Response, JsValue> {
    respond(reply.status, &lines(&reply.headers), &reply.body)
}

/// Writes headers: names and values in turn, a line each.
pub(crate) fn lines(headers: &[(&'static str, String)]) -> String {
    let mut lines = String::with_capacity(256);
    for (name, value) in headers {
        lines.push_str(name);
        lines.push('\n');
        lines.push_str(value);
        lines.push('\n');
    }
    lines
}

/// Copies bytes to JavaScript.
pub(crate) fn bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

thread_local! {
    /// Random bytes fetched in advance: a call into JavaScript for every event would cost more than the event.
    static RANDOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

thread_local! {
    /// Constant texts as JavaScript has them, by their address: a text would be decoded at every call.
    static TEXTS: RefCell<Vec<(*const u8, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// Returns a constant text as JavaScript has it.
pub(crate) fn constant(text: &'static str) -> JsValue {
    TEXTS.with_borrow_mut(|texts| {
        if let Some((_, known)) = texts.iter().find(|(address, _)| *address == text.as_ptr()) {
            return known.clone();
        }
        let made = JsValue::from(text);
        texts.push((text.as_ptr(), made.clone()));
        made
    })
}

const RANDOM_BYTES: u32 = 4_096;

/// Returns 128 random bits.
pub(crate) fn random() -> u128 {
    RANDOM.with_borrow_mut(|pool| {
        if pool.len() < 16 {
            let fresh = Uint8Array::new_with_length(RANDOM_BYTES);
            // The call fails only for more bytes than one may ask for.
            let _ = get_random_values(&fresh);
            *pool = fresh.to_vec();
        }
        let rest = pool.len().saturating_sub(16);
        pool.drain(rest..).fold(0, |bits, byte| (bits << 8) | u128::from(byte))
    })
}

/// Returns the present time. The platform's clock has milliseconds.
pub(crate) fn now() -> Timestamp {
    time_of(js_sys::Date::now())
}

/// Converts a time to the platform's milliseconds, not before it.
pub(crate) fn milliseconds(time: Timestamp) -> f64 {
    (time.micros() as f64 / 1_000.0).ceil()
}

/// Converts a time that the platform gives in milliseconds.
pub(crate) fn time_of(milliseconds: f64) -> Timestamp {
    Timestamp::from_micros((milliseconds * 1_000.0) as i64)
}
