//! The demo page where there are accounts: guests watch, whoever is signed in claims a country, and its owner edits it.

use crate::atlas::{load, open, path};
use blaze_tests::browser::Browser;
use blaze_tests::client::{Client, JSON};
use blaze_tests::server::TestServer;
use serde_json::{Value, json};

const ACCESS: &str = include_str!("../../../../demo-web/access.json");
const RULES: &str = include_str!("../../../../demo-web/demo.rules");
const PASSWORD: &str = "correct horse";
/// WebDriver's Enter, and its Escape.
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// A server of its own with the demo's settings and rules, the countries, and a client that may do everything.
fn server() -> (TestServer, Client) {
    let access: Value = serde_json::from_str(ACCESS).unwrap();
    // Everybody may do everything until there are rules.
    let server = TestServer::start_closed_demo(&access, &[("OPEN", "1")]);
    let client = server.client();
    load(&client);
    let key = json!({"name": "tests", "roles": ["admin"]});
    let key = client.post("/v1/keys", &key).send().expect(201).json();
    deploy(&client, RULES, 201);
    let admin = client.bearing(key["key"].as_str());
    (server, admin)
}

fn deploy(client: &Client, rules: &str, status: u16) {
    client.request("PUT", "/v1/rules").body("text/plain", rules).send().expect(status);
}

fn is_absent(page: &Browser, testid: &str) {
    page.see(&format!("!document.querySelector('[data-testid={testid}]')"));
}

/// Waits until the fields can be edited, or cannot.
fn see_editable(page: &Browser, is_editable: bool) {
    let field = "document.querySelector('[data-testid=field-official]')";
    let switch = "document.querySelector('[data-testid=field-landlocked]')";
    page.see(&format!(
        "{field}.readOnly === {} && {switch}.disabled === {}",
        !is_editable, !is_editable
    ));
    for testid in ["increase-area", "remove-official", "new-name"] {
        if is_editable {
            page.see(&format!("document.querySelector('[data-testid={testid}]')"));
        } else {
            is_absent(page, testid);
        }
    }
    // Nobody deletes a country, and whose it is is no field like the others.
    for testid in ["delete", "field-owner", "field-ownerName"] {
        is_absent(page, testid);
    }
}

fn is_focused(page: &Browser, testid: &str) {
    page.see(&format!("document.activeElement.dataset.testid === '{testid}'"));
}

fn sign_up(page: &Browser, email: &str) {
    page.click("account");
    is_focused(page, "email");
    page.type_over("email", email);
    page.type_over("password", PASSWORD);
    page.click("sign-up");
    page.see_text("viewer", email);
    page.see("!document.querySelector('[data-testid=panel]').open");
}

fn reload(page: &Browser) {
    page.run("window.before = true; setTimeout(() => location.reload());");
    page.see("window.before === undefined && document.querySelector('[data-testid=viewer]')");
}

/// What the console was told of, but for refusals that the test asked for.
fn errors(page: &Browser, refused: &str) -> Vec<String> {
    let mut lines = page.errors();
    lines.retain(|line| !line.contains(refused));
    lines
}

#[test]
fn a_guest_watches() {
    let (server, admin) = server();
    let page = open(&server, "FRA");
    page.see_text("viewer", "Guest");
    page.see_text("owner", "Nobody's");
    page.see_text("reason", "Sign in to edit");
    see_editable(&page, false);
    is_absent(&page, "claim");
    let change = json!({"official": "République française"});
    admin.patch(&path("FRA"), JSON, &change).send().expect(200);
    page.see_text("field-official", "République française");
    // The page offers what the server would allow, and no more.
    let guest = server.client();
    guest.patch(&path("FRA"), JSON, &change).send().problem(401, "unauthenticated");

    // A playground is everybody's, what belongs to no country is nobody's.
    guest.put("/v1/docs/notes/one", &json!({"text": "a"})).send().expect(201);
    page.run("location.hash = '#notes/one'");
    page.type_over("field-text", &format!("b{ENTER}"));
    page.see_text("state", "saved");
    page.see("document.querySelector('[data-testid=delete]')");
    assert_eq!(guest.data("/v1/docs/notes/one"), json!({"text": "b"}));
    is_absent(&page, "reason");
    page.run("location.hash = '#atlas/index'");
    page.see_text("reason", "Only an administrator edits this");
    is_absent(&page, "delete");
    assert_eq!(page.errors(), Vec::<String>::new());
}

#[test]
fn the_owner_alone_edits() {
    let (server, admin) = server();
    let [alice, bob] = [open(&server, "FRA"), open(&server, "FRA")];
    sign_up(&alice, "alice@example.com");
    is_focused(&alice, "account");
    alice.see_text("reason", "Claim it to edit");
    see_editable(&alice, false);
    sign_up(&bob, "bob@example.com");
    bob.see("document.querySelector('[data-testid=claim]')");

    alice.click("claim");
    alice.see_text("owner", "Yours");
    is_focused(&alice, "give-up");
    see_editable(&alice, true);
    alice.type_over("field-official", &format!("Gallia{ENTER}"));
    alice.click("increase-area");
    bob.see_text("field-official", "Gallia");
    bob.see_text("field-area", "551696");
    bob.see_text("owner", "Alice's");
    bob.see_text("reason", "Only Alice edits this");
    see_editable(&bob, false);
    is_absent(&bob, "claim");
    let data = admin.data(&path("FRA"));
    assert_eq!((&data["official"], &data["ownerName"]), (&json!("Gallia"), &json!("Alice")));
    // It would have been hidden, and nobody would know.
    alice.type_over("new-name", "ownerName");
    alice.click("add");
    alice.see_text("error", "ownerName says whose the country is.");

    // She is still herself in the next visit.
    reload(&alice);
    alice.see_text("viewer", "alice@example.com");
    alice.see_text("owner", "Yours");
    see_editable(&alice, true);

    alice.click("give-up");
    alice.see_text("owner", "Nobody's");
    bob.see_text("reason", "Claim it to edit");
    assert!(admin.data(&path("FRA")).get("ownerName").is_none());
    alice.click("account");
    alice.see_text("viewer", "Guest");
    alice.see_text("reason", "Sign in to edit");
    see_editable(&alice, false);
    reload(&alice);
    alice.see_text("viewer", "Guest");
    for page in [&alice, &bob] {
        assert_eq!(page.errors(), Vec::<String>::new());
    }
}

#[test]
fn the_panel_says_what_is_wrong() {
    let (server, _) = server();
    let page = open(&server, "FRA");
    page.click("sign-in-here");
    is_focused(&page, "email");
    page.type_over("email", ESCAPE);
    page.see("!document.querySelector('[data-testid=panel]').open");
    is_focused(&page, "sign-in-here");
    page.click("sign-in-here");

    page.click("sign-in");
    page.see_text("sign-in-problem", "Type your email address.");
    is_focused(&page, "email");
    page.type_over("email", "carol");
    page.see_text("sign-in-problem", "");
    page.type_over("password", "short");
    page.click("sign-up");
    page.see_text("sign-in-problem", "A password has at least 8 characters.");
    page.see("document.querySelector('[data-testid=password]').ariaInvalid === 'true'");
    page.type_over("password", PASSWORD);
    page.click("sign-up");
    page.see_text("sign-in-problem", "This is no email address such as alice@example.com.");
    is_focused(&page, "email");
    page.type_over("email", "carol@example.com");
    // Enter signs in, and there is nobody of that name.
    page.type_over("password", &format!("{PASSWORD}{ENTER}"));
    page.see_text("sign-in-problem", "The email address or the password is wrong.");
    page.click("sign-up");
    page.see_text("viewer", "carol@example.com");
    // The button where it began goes on.
    is_focused(&page, "claim");
    page.click("account");
    page.see_text("viewer", "Guest");

    page.click("account");
    page.see_text("password", "");
    page.type_over("email", "carol@example.com");
    page.type_over("password", PASSWORD);
    page.click("sign-up");
    page.see_text("sign-in-problem", "This address has an account: sign in.");
    page.type_over("password", &format!("{PASSWORD}{ENTER}"));
    page.see_text("viewer", "carol@example.com");
    assert_eq!(errors(&page, "/v1/accounts/"), Vec::<String>::new());
}

#[test]
fn a_provider_is_a_button() {
    let provider = json!({"issuer": "https://login.example.com", "clientId": "atlas"});
    let access = json!({"accounts": {"providers": {"example": provider}}});
    let server = TestServer::start_closed_demo(&access, &[("OPEN", "1")]);
    load(&server.client());
    let page = open(&server, "FRA");
    page.see_text("viewer", "Guest");
    page.click("account");
    is_absent(&page, "email");
    page.see("document.querySelector('[data-testid=provider-example]').textContent === 'Continue with Example'");
    page.click("provider-example");
    // Where it is to come back to, the settings do not say.
    page.see("document.querySelector('[data-testid=sign-in-problem]').textContent.startsWith('redirectUri')");
    assert_eq!(errors(&page, "/v1/accounts/"), Vec::<String>::new());
}

#[test]
fn what_the_server_refuses_goes_back() {
    let (server, admin) = server();
    let page = open(&server, "FRA");
    sign_up(&page, "alice@example.com");
    page.click("claim");
    page.see_text("owner", "Yours");
    page.see_text("state", "saved");
    // The page does not know of other rules.
    deploy(&admin, "match /{collection}/{id} { allow read: if true; }", 200);
    page.click("increase-area");
    page.see("document.querySelector('.field [data-testid=error]')");
    page.see_text("field-area", "551695");
    page.click("give-up");
    page.see("document.querySelector('.toast.error').textContent.includes('was not given up')");
    page.see_text("owner", "Yours");
    assert_eq!(admin.data(&path("FRA"))["ownerName"], "Alice");
    assert_eq!(errors(&page, "status of 403"), Vec::<String>::new());
}
