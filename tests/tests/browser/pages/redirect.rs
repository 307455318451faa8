//! Signing in with a real provider of identities, in a real browser that goes there and comes back.

use crate::npm::client_at;
use blaze_tests::browser::Browser;
use blaze_tests::identity_provider::IdentityProvider;
use blaze_tests::server::TestServer;
use serde_json::{Value, json};

const RULES: &str = "match /own/{uid} { allow read, write: if request.auth.uid == uid; }";

/// The page that signs in, by its path. It is nothing by itself.
const PAGE: &str = "/favicon.svg";

struct World {
    server: TestServer,
    provider: IdentityProvider,
}

impl World {
    fn start() -> Self {
        let closed = json!({});
        let mut server = TestServer::start_closed(&closed, &[("OPEN", "1")]);
        let back = format!("{}{PAGE}", server.url());
        let provider = IdentityProvider::start_for(&[&back]);
        let own = json!({"issuer": provider.issuer, "clientId": "public"});
        let accounts = json!({"signUp": true, "redirects": [back], "providers": {"own": own}});
        server.crash();
        server.restart_with_access(&json!({ "accounts": accounts }));
        let rules = server.client().request("PUT", "/v1/rules").body("text/plain", RULES).send();
        rules.expect(201);
        World { server, provider }
    }

    /// A browser that has gone to the provider.
    fn gone(&self) -> Browser {
        let page = client_at(&self.server.url());
        page.run("void db.auth.signInWithRedirect('own');");
        page.see(&format!("location.href.startsWith('{}/interaction/')", self.provider.issuer));
        page
    }
}

/// Loads the package again in a page that has come back, and completes the sign-in: the outcome.
fn complete(page: &Browser) -> Value {
    page.see(&format!("location.pathname === '{PAGE}' && document.readyState === 'complete'"));
    page.run(include_str!("page.js"));
    page.run("return outcome(db.auth.completeSignIn());")
}

#[test]
fn somebody_goes_to_a_provider_and_comes_back_signed_in() {
    let world = World::start();
    let page = world.gone();
    page.run("document.querySelector('[name=login]').value = 'ida'; document.querySelector('[name=password]').value = 'x'; document.forms[0].submit();");
    page.see("document.querySelector('[name=prompt]')?.value === 'consent'");
    page.run("document.forms[0].submit();");
    let user = complete(&page)["value"].clone();
    assert_eq!(
        (&user["email"], &user["emailVerified"], &user["providerId"]),
        (&json!("ida@example.com"), &json!(true), &json!("own")),
        "{user}"
    );
    // Nothing of it stays in the address, and it is who writes and listens.
    assert_eq!(page.value("location.search"), "");
    let uid = user["uid"].as_str().expect("a uid").to_owned();
    let path = format!("own/{uid}");
    page.run(&format!(
        "window.doc = listen(db.doc('{path}')); await db.doc('{path}').set({{ n: 1 }});"
    ));
    page.see("doc.at(-1)?.get('n') === 1");
    // The same when the page is loaded again, and nobody else.
    page.run("location.reload();");
    let again = complete(&page);
    assert_eq!(again["value"], Value::Null, "no sign-in had begun");
    assert_eq!(page.value("db.auth.currentUser.uid"), uid.as_str());
    page.run(&format!("await db.doc('{path}').set({{ n: 2 }});"));
    let other = page.run("return outcome(db.doc('own/other').get());");
    assert_eq!(other["code"], "permission-denied");
    page.run("await db.auth.signOut();");
    let nobody = page.run(&format!("return outcome(db.doc('{path}').get());"));
    assert_eq!(nobody["code"], "unauthenticated");
}

#[test]
fn who_does_not_want_to_comes_back_as_nobody() {
    let world = World::start();
    let page = world.gone();
    page.run("location.href = document.querySelector('a[href*=abort]').href;");
    let outcome = complete(&page);
    assert_eq!((&outcome["code"], &outcome["status"]), (&json!("permission-denied"), &json!(403)));
    assert_eq!(page.value("[db.auth.currentUser, location.search]"), json!([null, ""]));
    // An answer to a sign-in that was not begun here is none.
    page.run("history.replaceState(null, '', '?code=c&state=s');");
    assert_eq!(page.run("return db.auth.completeSignIn();"), Value::Null);
    page.run(
        "sessionStorage.setItem(`blaze:${location.origin}/v1/accounts/`, JSON.stringify({ provider: 'own', state: 'other' }));",
    );
    let foreign = page.run("return outcome(db.auth.completeSignIn());");
    assert_eq!(foreign["code"], "failed-precondition", "{foreign}");
}
