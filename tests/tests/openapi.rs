//! `server/openapi.json` is what the code's types and routes say. `BLAZE_BLESS=1 cargo test -p blaze-tests --test
//! openapi` writes it anew.

use blaze_engine::http::openapi;
use std::path::Path;
use std::{env, fs};

#[test]
fn the_served_description_is_the_codes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/openapi.json");
    let mut expected = serde_json::to_string_pretty(&openapi::document()).unwrap();
    expected.push('\n');
    if env::var_os("BLAZE_BLESS").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap() == expected,
        "openapi.json is out of date: see the top of this test"
    );
}
