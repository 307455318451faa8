//! The built pages in a real Chromium, against the built server: the demo page, and the npm package in a page.

mod atlas;
mod foreign;
mod home;
mod identity;
mod layout;
mod npm;
mod optimism;
mod queries;
mod reconnect;
mod redirect;
mod sign_in;
mod table;
mod writes;
