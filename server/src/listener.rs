//! `GET /v1/listen`: (being built)

use crate::incoming::Incoming;
use crate::respond::response;
use blaze_schema::error::{Code, Error};
use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;

pub(crate) fn open(request: &Request, _env: &Env) -> Result<JsValue, JsValue> {
    let _ = Incoming::new(request)?;
    response(&Error::new(Code::Unimplemented, "listen: being built").into()).map(JsValue::from)
}
