//! The demo page's table: its filters and orders, and rows that come, change, move and go with the documents.

use crate::atlas::path;
use blaze_tests::browser::Browser;
use blaze_tests::client::{Client, JSON};
use blaze_tests::server::TestServer;
use serde_json::{Value, json};

/// Countries: id, name, region, people in thousands, area, language.
const COUNTRIES: [(&str, &str, &str, u64, u64, &str); 8] = [
    ("AND", "Andorra", "Europe", 77, 468, "Catalan"),
    ("CHL", "Chile", "Americas", 18_729, 756_102, "Spanish"),
    ("FRA", "France", "Europe", 66_987, 551_695, "French"),
    ("PYF", "French Polynesia", "Oceania", 277, 4_167, "French"),
    ("DEU", "Germany", "Europe", 82_927, 357_114, "German"),
    ("JPN", "Japan", "Asia", 126_529, 377_930, "Japanese"),
    ("MCO", "Monaco", "Europe", 38, 2, "French"),
    ("NZL", "New Zealand", "Oceania", 4_885, 270_467, "English"),
];

fn country(
    (code, name, region, people, area, language): (&str, &str, &str, u64, u64, &str),
) -> Value {
    json!({
        "name": name, "region": region, "population": people * 1_000, "area": area,
        "languages": [language, "Esperanto"], "capital": ["Capital"], "cca3": code,
    })
}

/// A server of its own with the countries, so that nobody else changes the table.
pub(crate) fn server() -> TestServer {
    let server = TestServer::start_demo();
    let client = server.client();
    for entry in COUNTRIES {
        client.put(&path(entry.0), &country(entry)).send().expect(201);
    }
    let entries =
        COUNTRIES.map(|(id, name, region, ..)| json!({"id": id, "name": name, "region": region}));
    let index = json!({"countries": entries, "languages": ["English", "French"]});
    client.put("/v1/docs/atlas/index", &index).send().expect(201);
    server
}

/// The page at the table, live.
fn open(server: &TestServer, parameters: &str) -> Browser {
    let page = Browser::open(&format!("{}/table{parameters}", server.url()));
    page.see_text("connection", "connected");
    page.run("window.before = 'the page was not loaded again';");
    page
}

/// Waits until the table has just these rows.
fn see_rows(page: &Browser, ids: &str) {
    let rows = "Array.from(document.querySelectorAll('tbody tr:not(.leaving)'), (row) => row.dataset.testid.slice(4))";
    page.see(&format!("{rows}.join(' ') === {}", json!(ids)));
}

/// Waits until a cell says this.
fn see_cell(page: &Browser, id: &str, column: &str, text: &str) {
    let selector = format!("[data-testid=row-{id}] .{column}");
    page.see(&format!("document.querySelector('{selector}').textContent === {}", json!(text)));
}

fn patch(client: &Client, id: &str, fields: Value) {
    client.patch(&path(id), JSON, &fields).send().expect(200);
}

fn is_quiet(page: &Browser) {
    assert_eq!(page.value("before"), "the page was not loaded again");
    assert_eq!(page.errors(), Vec::<String>::new());
}

#[test]
fn rows_come_change_move_and_go_with_the_documents() {
    let server = server();
    let client = server.client();
    let page = open(&server, "");
    see_rows(&page, "AND CHL FRA PYF DEU JPN MCO NZL");
    page.see_text("summary", "8 countries");

    page.click("region-Europe");
    see_rows(&page, "AND FRA DEU MCO");
    page.click("sort-population");
    see_rows(&page, "DEU FRA AND MCO");
    page.see_text("summary", "4 countries");
    page.see("location.pathname + location.search === '/table?region=Europe&sort=-population'");
    page.see("document.querySelector('th.population').ariaSort === 'descending'");
    page.see("document.querySelector('th.name').ariaSort === 'none'");
    see_cell(&page, "FRA", "population", "66,987,000");
    let index = "index region, population: ";
    page.see(&format!("document.querySelector('.explanation').textContent.startsWith('{index}')"));

    // From elsewhere: the row moves, and it is the same row.
    page.run("window.row = document.querySelector('[data-testid=row-MCO]');");
    patch(&client, "MCO", json!({"population": 70_000_000}));
    see_rows(&page, "DEU MCO FRA AND");
    see_cell(&page, "MCO", "population", "70,000,000");
    assert_eq!(page.value("row === document.querySelector('[data-testid=row-MCO]')"), true);
    page.see("row.dataset.moved && row.querySelector('.population').dataset.changes === '1'");
    page.see("row.querySelector('.area').dataset.changes === '0'");

    // One leaves the filter, and one comes into it.
    patch(&client, "FRA", json!({"region": "Elsewhere"}));
    see_rows(&page, "DEU MCO AND");
    page.see("!document.querySelector('[data-testid=row-FRA]')");
    patch(&client, "JPN", json!({"region": "Europe"}));
    see_rows(&page, "JPN DEU MCO AND");
    page.see("document.querySelector('[data-testid=row-JPN]').classList.contains('new')");
    // One is deleted, and one is new.
    client.delete(&path("DEU")).send().expect(204);
    see_rows(&page, "JPN MCO AND");
    let belgium = ("BEL", "Belgium", "Europe", 3_300, 27_208, "Dutch");
    client.put(&path("BEL"), &country(belgium)).send().expect(201);
    see_rows(&page, "JPN MCO BEL AND");
    page.see_text("summary", "4 countries");
    is_quiet(&page);
}

#[test]
fn the_table_is_filtered_by_what_is_typed() {
    let server = server();
    let client = server.client();
    let page = open(&server, "");
    see_rows(&page, "AND CHL FRA PYF DEU JPN MCO NZL");

    page.type_over("filter-prefix", "fr");
    see_rows(&page, "FRA PYF");
    page.see("location.search === '?starts=Fr'");
    page.type_over("filter-prefix", "new z");
    see_rows(&page, "NZL");
    page.click("clear");
    see_rows(&page, "AND CHL FRA PYF DEU JPN MCO NZL");
    page.see_text("filter-prefix", "");

    page.type_over("filter-language", "french");
    see_rows(&page, "FRA PYF MCO");
    page.click("sort-area");
    see_rows(&page, "FRA PYF MCO");
    page.click("sort-area");
    see_rows(&page, "MCO PYF FRA");
    page.type_over("filter-at-least", "100k");
    see_rows(&page, "PYF FRA");
    page.type_over("filter-at-most", "1,000,000");
    see_rows(&page, "PYF");
    page.see("location.search === '?language=French&min=100000&max=1000000&sort=area'");
    page.click("region-Europe");
    page.see("document.querySelector('[data-testid=nothing]')");
    page.see_text("summary", "0 countries");
    // Whatever comes to fit appears: it learns the language, and shrinks.
    patch(&client, "DEU", json!({"languages": ["German", "French"], "population": 500_000}));
    see_rows(&page, "DEU");
    page.see("!document.querySelector('[data-testid=nothing]')");

    // What is no number is told, and changes nothing.
    page.type_over("filter-at-least", "lots");
    page.see("document.querySelector('[data-testid=error]').textContent.includes('lots')");
    page.see("document.querySelector('[data-testid=filter-at-least]').ariaInvalid === 'true'");
    see_rows(&page, "DEU");

    // A shared address shows the same.
    let address = page.value("location.search");
    let other = open(&server, address.as_str().unwrap());
    see_rows(&other, "DEU");
    other.see_text("filter-language", "French");
    other.see_text("filter-at-most", "1M");
    for page in [&page, &other] {
        is_quiet(page);
    }
}

#[test]
fn two_windows_stay_in_step_even_if_the_server_goes() {
    let mut server = server();
    // More than the table shows at first.
    for number in 0..30 {
        let id = format!("X{number:02}");
        let entry = (id.as_str(), id.as_str(), "Africa", 1, 1, "English");
        server.client().put(&path(&id), &country(entry)).send().expect(201);
    }
    let windows = [open(&server, "?sort=-population"), open(&server, "?sort=-population")];
    let [left, right] = &windows;
    let first = "document.querySelector('tbody tr').dataset.testid";
    for page in &windows {
        page.see_text("summary", "25 of 38 countries");
        page.see(&format!("{first} === 'row-JPN'"));
    }
    left.click("more");
    left.see_text("summary", "38 countries");
    right.see_text("summary", "25 of 38 countries");

    // A country is edited beside the table of one window, and its row moves in both.
    left.click("open-NZL");
    left.see_text("path", "countries/NZL");
    left.type_over("field-population", "200000000");
    left.click("save-population");
    for page in &windows {
        page.see(&format!("{first} === 'row-NZL'"));
        see_cell(page, "NZL", "population", "200,000,000");
    }
    left.see_text("state", "saved");
    left.click("back");
    left.see("!document.querySelector('[data-testid=path]')");
    left.see_text("summary", "38 countries");
    // The last of the window leaves it, and the next one comes in.
    let shown = "document.querySelectorAll('tbody tr:not(.leaving)').length === 25";
    server.client().delete(&path("NZL")).send().expect(204);
    for page in &windows {
        page.see(&format!("{first} === 'row-JPN'"));
    }
    right.see(shown);
    right.see_text("summary", "25 of 37 countries");
    for page in &windows {
        is_quiet(page);
    }

    server.crash();
    left.see_text("connection", "offline");
    see_cell(left, "JPN", "population", "126,529,000");
    server.restart();
    for page in &windows {
        page.see_text("connection", "connected");
    }
    patch(&server.client(), "AND", json!({"population": 900_000_000}));
    for page in &windows {
        page.see(&format!("{first} === 'row-AND'"));
        assert_eq!(page.value("before"), "the page was not loaded again");
    }
    right.see(shown);
}
