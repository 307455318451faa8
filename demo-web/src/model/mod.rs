//! What the page knows and decides, without a browser: tested natively.

pub(crate) mod changes;
pub(crate) mod connection;
pub(crate) mod countries;
pub(crate) mod draft;
pub(crate) mod field;
pub(crate) mod json_text;
pub(crate) mod log;
pub(crate) mod route;
pub(crate) mod view;
