//! The demo page: what one window does, the others and curl see; what they do, it sees.

use blaze_tests::browser::Browser;
use blaze_tests::client::{Client, JSON};
use blaze_tests::server::{self, TestServer};
use serde_json::{Value, json};
use std::sync::Once;

/// Countries by name and region, as `cargo xtask serve --demo` loads them.
const COUNTRIES: [(&str, &str, &str); 4] = [
    ("CHL", "Chile", "Americas"),
    ("FRA", "France", "Europe"),
    ("DEU", "Germany", "Europe"),
    ("JPN", "Japan", "Asia"),
];

fn country((code, name, region): (&str, &str, &str)) -> Value {
    json!({
        "name": name, "official": format!("The whole of {name}"), "capital": ["Capital"],
        "region": region, "area": 551_695, "borders": ["DEU"], "latlng": {"$geopoint": [46, 2.5]},
        "landlocked": false, "independent": null, "cca3": code,
    })
}

/// Writes the countries and their list.
pub(crate) fn load(client: &Client) {
    for entry in COUNTRIES {
        client.put(&path(entry.0), &country(entry)).send().expect(201);
    }
    let entries =
        COUNTRIES.map(|(id, name, region)| json!({"id": id, "name": name, "region": region}));
    client.put("/v1/docs/atlas/index", &json!({"countries": entries})).send().expect(201);
}

/// Where a country is.
pub(crate) fn path(code: &str) -> String {
    format!("/v1/docs/countries/{code}")
}

/// The page at a country, live.
pub(crate) fn open(server: &TestServer, code: &str) -> Browser {
    let page = Browser::open(&format!("{}/countries/{code}", server.url()));
    page.see_text("connection", "connected");
    page.see_text("state", "saved");
    page
}

/// The log's entries, the newest first: what they are, and the version they lead to.
pub(crate) fn log(page: &Browser) -> Value {
    page.value(
        "Array.from(document.querySelectorAll('[data-testid=log] li'),
           (entry) => entry.dataset.kind + ' ' + entry.querySelector('.entry-version').textContent)",
    )
}

/// The server that the tests here share, the countries loaded.
pub(crate) fn atlas() -> &'static TestServer {
    static LOADED: Once = Once::new();
    let server = server::shared_demo();
    LOADED.call_once(|| load(&server.client()));
    server
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn two_windows_and_curl_see_each_other() {
    let server = atlas();
    let (client, france) = (server.client(), path("FRA"));
    let [left, right] = [open(server, "FRA"), open(server, "FRA")];
    right.see_text("version", "1");

    left.type_over("field-official", "République française");
    left.see_text("version", "1");
    left.click("save-official");
    right.see_text("field-official", "République française");
    right.see_text("version", "2");
    assert_eq!(client.data(&france)["official"], "République française");
    for page in [&left, &right] {
        page.see_text("state", "saved");
        page.see("document.querySelectorAll('[data-testid=log] li').length === 2");
        assert_eq!(log(page), json!(["patch v2", "snapshot v1"]));
        let line = "replace /official → \"République française\"";
        page.see(&format!("document.querySelector('.operation').textContent === {}", json!(line)));
    }

    // Two windows that count at once: both count.
    for page in [&left, &right, &left] {
        page.click("increase-area");
    }
    for page in [&left, &right] {
        page.see_text("version", "5");
        page.see_text("field-area", "551698");
    }
    assert_eq!(client.data(&france)["area"], 551_698);

    // Somebody else changes what is being typed: nothing that was typed is lost, and nothing is overwritten.
    left.type_over("field-name", "Gaul");
    client.patch(&france, JSON, &json!({"name": "Frankreich"})).send().expect(200);
    left.see_text("conflict", "Meanwhile it was changed to \"Frankreich\"");
    left.see_text("field-name", "Gaul");
    right.see_text("field-name", "Frankreich");
    assert_eq!(client.data(&france)["name"], "Frankreich");
    left.click("save-name");
    right.see_text("field-name", "Gaul");

    assert_eq!(client.resource(&france)["version"], 7);
    assert_eq!((left.errors(), right.errors()), (none(), none()));
}

#[test]
fn a_country_is_found_deleted_and_created_again() {
    let server = atlas();
    let (client, germany) = (server.client(), path("DEU"));
    let page = Browser::open(&server.url());
    page.see("document.querySelectorAll('[data-testid^=country-]').length === 4");
    page.type_over("find", "germ\u{e007}");
    page.see_text("path", "countries/DEU");
    page.see("location.pathname === '/countries/DEU' && document.title === 'Germany · Blaze'");
    let before = client.data(&germany);

    page.click("delete");
    page.see("document.querySelector('[data-testid=missing]')");
    page.see_text("state", "deleted");
    client.get(&germany).send().problem(404, "not-found");

    page.click("create");
    page.see_text("field-official", "The whole of Germany");
    page.see_text("state", "saved");
    assert_eq!(client.data(&germany), before);
    assert_eq!(log(&page), json!(["patch v3", "delete v2", "snapshot v1"]));

    // A document that is none of the list.
    page.run("location.hash = '#some/where/that/is-not'");
    page.see_text("state", "does not exist");
    client.put("/v1/docs/some/where/that/is-not", &json!({"now": "it is"})).send().expect(201);
    page.see_text("field-now", "it is");
    assert_eq!(page.errors(), none());
}
