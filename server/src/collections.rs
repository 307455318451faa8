//! The settings of the collections, `collections.json`, as this instance of the code has them.

use blaze_engine::index::settings::Collections;
use blaze_schema::error::{Code, Error};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    static COLLECTIONS: RefCell<Option<Result<Rc<Collections>, Error>>> = const { RefCell::new(None) };
}

/// Takes the text of `collections.json`: before anything else.
#[wasm_bindgen]
pub fn configure(text: &str) {
    let parsed = Collections::parse(text).map(Rc::new).map_err(|error| {
        worker::console_error!("{}", error.detail);
        // The configuration is wrong, and nobody's request.
        Error::new(Code::Internal, error.detail)
    });
    COLLECTIONS.set(Some(parsed));
}

/// Returns the settings.
///
/// # Errors
/// `internal`, with the mistake in the file.
pub(crate) fn collections() -> Result<Rc<Collections>, Error> {
    let missing = || Err(Error::new(Code::Internal, "collections.json was not read"));
    COLLECTIONS.with_borrow(|collections| collections.clone().unwrap_or_else(missing))
}
