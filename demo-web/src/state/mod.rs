//! What changes while the page is open: signals, fed by the database.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod atlas;
pub(crate) mod auth;
pub(crate) mod clipboard;
pub(crate) mod editing;
pub(crate) mod fetch;
pub(crate) mod live_table;
pub(crate) mod open_document;
pub(crate) mod toasts;
