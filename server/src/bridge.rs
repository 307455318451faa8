//! The platform as the shell uses it: every call that may throw is bound with `catch`.

use blaze_schema::timestamp::Timestamp;
use js_sys::{Array, Float64Array, Promise, Uint8Array};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response, WebSocket};
use worker::worker_sys::DurableObjectState;

#[wasm_bindgen(module = "/src/bridge.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    pub(crate) fn describe(request: &Request) -> Result<String, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn summarize(request: &Request, credential: bool) -> Result<String, JsValue>;

    /// Makes the instruction that the entry carries out before it passes `result` on: see `server/shim.js`.
    #[wasm_bindgen(catch, js_name = afterIndex)]
    pub(crate) fn after_index(
        result: &JsValue,
        version: f64,
        names: &Array,
        row: Option<&str>,
        socket: &JsValue,
        frames: &Array,
        broadcast: Option<&str>,
        bytes: f64,
        sockets: &Array,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = setAlarm)]
    pub(crate) fn set_alarm(state: &DurableObjectState, at: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn respond(status: u16, headers: &str, body: &str) -> Result<Response, JsValue>;

    /// Asks to look documents up before the same call is repeated: paths with `//` between them.
    #[wasm_bindgen(catch)]
    pub(crate) fn lookup(paths: &str) -> Result<JsValue, JsValue>;

    /// Asks to tell objects of indexes something before the same call is repeated: names and messages in turn.
    #[wasm_bindgen(catch)]
    pub(crate) fn calls(calls: &Array) -> Result<JsValue, JsValue>;

    /// Asks to erase everything that the object keeps.
    #[wasm_bindgen(catch)]
    pub(crate) fn erase() -> Result<JsValue, JsValue>;

    /// Asks to count a request of `uid` before the same call is repeated.
    #[wasm_bindgen(catch)]
    pub(crate) fn count(uid: &str) -> Result<JsValue, JsValue>;

    /// Asks for fresh keys of an issuer before the same call is repeated.
    #[wasm_bindgen(catch)]
    pub(crate) fn refresh(issuer: &str) -> Result<JsValue, JsValue>;

    /// Returns the response, and the server's end of the socket.
    #[wasm_bindgen(catch, js_name = acceptSocket)]
    pub(crate) fn accept_socket(
        state: &DurableObjectState,
        attachment: &str,
        protocol: &str,
        ping: &str,
        pong: &str,
    ) -> Result<Array, JsValue>;

    /// Returns the response for a socket that is told why it is closed.
    #[wasm_bindgen(catch, js_name = refuseSocket)]
    pub(crate) fn refuse_socket(
        frame: &str,
        code: u16,
        protocol: &str,
    ) -> Result<Response, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn attach(socket: &JsValue, attachment: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = endLate)]
    pub(crate) fn end_late(
        socket: &JsValue,
        frame: &str,
        code: u16,
        milliseconds: f64,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = attachUnread)]
    pub(crate) fn attach_unread(socket: &JsValue, bytes: f64, since: f64) -> Result<(), JsValue>;

    /// Returns the bytes that the peer has not read, and since when (ms).
    #[wasm_bindgen(catch, js_name = unreadOf)]
    pub(crate) fn unread_of(socket: &JsValue) -> Result<Vec<f64>, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn pinged(
        state: &DurableObjectState,
        socket: &JsValue,
    ) -> Result<Option<f64>, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn dismiss(
        socket: &JsValue,
        frame: Option<&str>,
        code: u16,
        reason: &str,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn close(socket: &JsValue, code: u16, reason: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = endListener)]
    pub(crate) fn end_listener(
        state: &DurableObjectState,
        listener: &str,
        frame: Option<&str>,
        code: u16,
    ) -> Result<(), JsValue>;

    /// Returns the response, and the server's end of a socket that has `attachment` and is found by `tag`.
    #[wasm_bindgen(catch, js_name = acceptTagged)]
    pub(crate) fn accept_tagged(
        state: &DurableObjectState,
        attachment: &str,
        tag: &str,
        ping: &str,
        pong: &str,
    ) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn tagged(state: &DurableObjectState, tag: &str) -> Result<Array, JsValue>;

    /// Returns the text attached to a socket.
    #[wasm_bindgen(catch, js_name = attachmentOf)]
    pub(crate) fn attachment_of(socket: &JsValue) -> Result<String, JsValue>;

    /// Returns the different attachments of the object's sockets.
    #[wasm_bindgen(catch)]
    pub(crate) fn attachments(state: &DurableObjectState) -> Result<Array, JsValue>;

    /// True if sockets other than `socket` have the tag.
    #[wasm_bindgen(catch, js_name = isListenedTo)]
    pub(crate) fn is_listened_to(
        state: &DurableObjectState,
        tag: &str,
        socket: &JsValue,
    ) -> Result<bool, JsValue>;

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

    /// Runs statements, all or none of them. `bindings` are packed; see `server/src/bridge.js`.
    #[wasm_bindgen(catch, js_name = runAll)]
    pub(crate) fn run_all(
        storage: &JsValue,
        statements: &Array,
        bindings: &[u8],
        counts: Option<&Float64Array>,
    ) -> Result<(), JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn listeners(state: &DurableObjectState) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch)]
    pub(crate) fn file(
        assets: &JsValue,
        origin: &str,
        path: &str,
        headers: &str,
    ) -> Result<Promise, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// A socket that hibernates.
    #[wasm_bindgen(extends = WebSocket)]
    pub(crate) type Socket;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn send(this: &Socket, text: &str) -> Result<(), JsValue>;

    /// The same for a text that JavaScript has already.
    #[wasm_bindgen(method, catch, js_name = send)]
    pub(crate) fn send_value(this: &Socket, text: &JsValue) -> Result<(), JsValue>;

    /// `ctx.storage.sql`; `worker::SqlStorage` leaves stepping errors uncaught.
    pub(crate) type Sql;

    #[wasm_bindgen(method, catch, variadic)]
    pub(crate) fn exec(this: &Sql, query: &JsValue, bindings: &Array) -> Result<Cursor, JsValue>;

    pub(crate) type Cursor;

    /// The rows as arrays of columns.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn raw(this: &Cursor) -> Result<RawCursor, JsValue>;

    #[wasm_bindgen(method, catch, getter, js_name = rowsRead)]
    pub(crate) fn rows_read(this: &Cursor) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch, getter, js_name = rowsWritten)]
    pub(crate) fn rows_written(this: &Cursor) -> Result<f64, JsValue>;

    pub(crate) type RawCursor;

    #[wasm_bindgen(method, catch, js_name = toArray)]
    pub(crate) fn to_array(this: &RawCursor) -> Result<Array, JsValue>;

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

/// Converts a time that the platform gives in milliseconds.
pub(crate) fn time_of(milliseconds: f64) -> Timestamp {
    Timestamp::from_micros((milliseconds * 1_000.0) as i64)
}
