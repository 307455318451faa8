//! The server goes and comes back: the demo page says so, keeps what was written, and catches up.

use crate::atlas::{load, log, open, path};
use blaze_tests::client::JSON;
use blaze_tests::server::TestServer;
use serde_json::json;

#[test]
fn an_edit_made_while_the_server_is_down_arrives_when_it_is_back() {
    let mut server = TestServer::start_demo();
    load(&server.client());
    let japan = path("JPN");
    let page = open(&server, "JPN");
    // The second patch finds the page with a history.
    server.client().patch(&japan, JSON, &json!({"area": 1})).send().expect(200);
    page.see_text("field-area", "1");
    assert_eq!(page.errors(), Vec::<String>::new());

    server.crash();
    page.see_text("connection", "offline");
    page.type_over("field-official", "Nihon-koku");
    page.click("save-official");
    page.click("increase-area");
    page.see_text("state", "saving…");
    page.see_text("field-official", "Nihon-koku");
    page.see_text("field-area", "2");
    page.see_text("version", "2");

    server.restart();
    page.see_text("connection", "connected");
    page.see_text("state", "saved");
    page.see_text("version", "4");
    let client = server.client();
    let data = client.data(&japan);
    assert_eq!((&data["official"], &data["area"]), (&json!("Nihon-koku"), &json!(2)));

    client.patch(&japan, JSON, &json!({"region": "East"})).send().expect(200);
    page.see_text("field-region", "East");
    page.see_text("field-official", "Nihon-koku");
    // It went on from the version that it had: no second snapshot.
    assert_eq!(log(&page), json!(["patch v5", "patch v4", "patch v3", "patch v2", "snapshot v1"]));
    let errors = page.errors();
    let (refused, others): (Vec<_>, Vec<_>) =
        errors.iter().partition(|line| line.contains("ERR_CONNECTION_REFUSED"));
    assert!(others.is_empty(), "{others:#?}");
    assert!(!refused.is_empty(), "nothing was tried while the server was down");
}
