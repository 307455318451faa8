//! Page tokens: where a page ended, and of which query.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Cursor, Field, Query};
use blaze_schema::value::{Kind, Map, Transforms, check_value, kind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};

/// The token for the page after a document. `offset` is how many documents that page is still to leave out.
pub(crate) fn after(query: &Query, path: &DocumentPath, data: &Map, offset: u64) -> String {
    let values: Vec<Value> = query
        .orders()
        .iter()
        .map(|order| order.field.value(path, data).map_or(Value::Null, |value| value.into_owned()))
        .collect();
    URL_SAFE_NO_PAD.encode(json!([fingerprint(query), values, offset]).to_string())
}

/// Where the page of a token starts, and how many documents it leaves out there.
///
/// # Errors
/// `invalid-argument` for what is no token, or one of another query.
pub(crate) fn read(token: &str, query: &Query) -> Result<(Cursor, u64), Error> {
    let invalid = |reason: &str| Error::invalid(format!("pageToken: {reason}"));
    let text = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid("not a page token"))?;
    let (of, mut values, offset): (String, Vec<Value>, u64) =
        serde_json::from_slice(&text).map_err(|_| invalid("not a page token"))?;
    let orders = query.orders();
    if of != fingerprint(query) || values.len() != orders.len() {
        return Err(invalid("of another query"));
    }
    // Anybody can make one: what is inside is as a cursor of the query would be.
    for (value, order) in values.iter_mut().zip(&orders) {
        let is_name = matches!(kind(value), Kind::Reference(_));
        let is_value = check_value(value, Transforms::Refused, "").is_ok();
        if !is_value || (order.field == Field::Name && !is_name) {
            return Err(invalid("not a page token"));
        }
    }
    Ok((Cursor { values, inclusive: false }, offset))
}

/// What pages of one query have in common: neither how long they are nor what is shown of the documents.
fn fingerprint(query: &Query) -> String {
    let mut hasher = Fingerprint(Sha256::new());
    (&query.from, &query.filter, &query.order_by, &query.start, &query.end).hash(&mut hasher);
    URL_SAFE_NO_PAD.encode(hasher.finish().to_be_bytes())
}

/// A hash that stays the same, other than the standard library's.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.clone().finalize();
        hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}
