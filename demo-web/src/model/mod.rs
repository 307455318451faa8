//! What the page knows and decides, without a browser: tested natively.

pub(crate) mod access;
pub(crate) mod changes;
pub(crate) mod connection;
pub(crate) mod countries;
pub(crate) mod curl;
pub(crate) mod draft;
pub(crate) mod field;
pub(crate) mod form;
pub(crate) mod json_text;
pub(crate) mod log;
pub(crate) mod numbers;
pub(crate) mod route;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod sign_in;
pub(crate) mod tally;
pub(crate) mod view;
pub(crate) mod ways;
pub(crate) mod wish;
