//! What the page shows.
#![expect(unreachable_pub, reason = "leptos' component macro writes what it makes as `pub`")]

pub(crate) mod account_control;
pub(crate) mod add_field;
pub(crate) mod app;
pub(crate) mod command;
pub(crate) mod connection_badge;
pub(crate) mod country_list;
pub(crate) mod document_header;
pub(crate) mod document_view;
pub(crate) mod field_editor;
pub(crate) mod field_input;
pub(crate) mod flag;
pub(crate) mod flip;
pub(crate) mod focus;
pub(crate) mod open_path;
pub(crate) mod ownership;
pub(crate) mod patch_log;
pub(crate) mod sign_in_panel;
pub(crate) mod table_filters;
pub(crate) mod table_rows;
pub(crate) mod table_view;
pub(crate) mod terminal;
pub(crate) mod toast_list;
pub(crate) mod welcome;
