//! Who the npm package says that it is: tokens that are asked for, renewed, refused and changed, and accounts, against a
//! server that is closed.

use crate::npm::{client_at, errors};
use blaze_tests::browser::Browser;
use blaze_tests::server::TestServer;
use serde_json::{Value, json};
use std::sync::LazyLock;

const RULES: &str = "
    match /own/{uid} { allow read, write: if request.auth.uid == uid; }
    match /own/{uid}/notes/{note} { allow read, write: if request.auth.uid == uid; }
    match /known/{any} { allow read, write: if request.auth != null; }
    match /open/{any} { allow read, write: if true; }
";

/// Run after `page.js`: tokens of the test's issuer, and connections that say how often they were asked for one.
const PAGE: &str = r#"
    const text = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const part = (json) => text(new TextEncoder().encode(JSON.stringify(json)));
    const secret = new TextEncoder().encode("a secret of thirty-two bytes at least");
    const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    window.tokenOf = async (sub, seconds = 3600) => {
      const exp = Math.floor(Date.now() / 1000) + seconds;
      const signed = `${part({ alg: "HS256", kid: "k", typ: "JWT" })}.${part({ iss: "test", aud: "blaze", sub, exp })}`;
      const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
      return `${signed}.${text(new Uint8Array(signature))}`;
    };
    window.asked = [];
    /** Gives these tokens, one after the other, and then the last one again. */
    window.giving = (...tokens) => (fresh) => {
      asked.push(fresh);
      return tokens.length > 1 ? tokens.shift() : tokens[0];
    };
    const ask = window.fetch;
    window.requests = [];
    window.fetch = (url, init) => {
      requests.push(new URL(url, location.href).pathname);
      return ask(url, init);
    };
"#;

/// The server that these tests share.
static SERVER: LazyLock<TestServer> = LazyLock::new(|| {
    let access = json!({
        "issuers": [{
            "issuer": "test", "audience": "blaze",
            "keys": [{"kid": "k", "algorithm": "HS256", "secret": "TEST_SECRET"}],
        }],
        "accounts": {"passwords": true, "signUp": true},
    });
    let secret = "a secret of thirty-two bytes at least";
    let server = TestServer::start_closed(&access, &[("TEST_SECRET", secret), ("OPEN", "1")]);
    let client = server.client();
    let key = json!({"name": "tests", "roles": ["admin"]});
    let key = client.post("/v1/keys", &key).send().expect(201).json();
    let admin = client.bearing(key["key"].as_str());
    admin.request("PUT", "/v1/rules").body("text/plain", RULES).send().expect(201);
    server
});

fn client() -> Browser {
    let page = client_at(&SERVER.url());
    page.run(PAGE);
    page
}

/// The errors in the console, but for answers of 4xx, which browsers tell there.
fn surprises(page: &Browser) -> Vec<String> {
    let mut errors = errors(page);
    errors.retain(|line| !line.contains("the server responded with a status of 4"));
    errors
}

fn quiet(page: &Browser) {
    assert_eq!(surprises(page), Vec::<String>::new());
}

#[test]
fn a_token_that_is_refused_is_asked_for_again_once_for_all_who_need_it() {
    let page = client();
    let outcomes = page.run(
        r#"const [old, good] = [await tokenOf("ann", -60), await tokenOf("ann")];
        window.ann = await connect(location.origin, { token: giving(old, good) });
        const doc = ann.doc("own/ann");
        const notes = doc.collection("notes");
        return Promise.all([outcome(doc.set({ n: 1 })), outcome(notes.doc('none').get().then((none) => none.exists())), outcome(notes.doc("a").set({}))]);"#,
    );
    let values: Vec<&Value> =
        outcomes.as_array().unwrap().iter().map(|outcome| &outcome["value"]).collect();
    assert_eq!(
        values,
        [&json!({"version": 1}), &json!(false), &json!({"version": 1})],
        "{outcomes}"
    );
    assert_eq!(page.value("asked"), json!([false, true]));

    let refused = page.run(
        r#"asked = [];
        // Another client: writes that were made at once have opened a socket, which asks for a token of its own.
        window.ann = await connect(location.origin, { token: giving(await tokenOf("ann", -60), await tokenOf("ann", -50)) });
        return [await outcome(ann.doc("own/ann").set({ n: 2 })), await outcome(ann.doc("own/ann").get())];"#,
    );
    for outcome in refused.as_array().unwrap() {
        assert_eq!(
            (&outcome["code"], &outcome["status"]),
            (&json!("unauthenticated"), &json!(401)),
            "{refused}"
        );
    }
    assert_eq!(page.value("asked"), json!([false, true, true]), "once for each request");
    quiet(&page);
}

#[test]
fn nothing_is_done_in_the_name_of_who_was_before() {
    let page = client();
    let outcomes = page.run(
        r#"window.db = await connect(location.origin, { token: await tokenOf("di") });
        window.di = listen(db.collection("own/di/notes"));
        while (!di.length) await new Promise((done) => setTimeout(done));
        let tell;
        db.setToken(() => new Promise((told) => (tell = told)));
        const writes = ["di", "ed"].map((uid) => outcome(db.doc(`own/${uid}`).set({ n: 1 })));
        const query = new Promise((done) => db.collection("own/di/notes").limit(1).onUpdate(done, done));
        await new Promise((done) => setTimeout(done, 300));
        tell(await tokenOf("ed"));
        return [...await Promise.all(writes), await query];"#,
    );
    assert_eq!(outcomes[0]["code"], "permission-denied", "{outcomes}");
    assert_eq!(outcomes[1]["value"], json!({"version": 1}), "{outcomes}");
    assert_eq!(outcomes[2]["code"], "permission-denied", "{outcomes}");
    page.run("db.close();");
}

#[test]
fn a_token_that_cannot_be_had_delays_and_one_that_is_fixed_is_refused() {
    let page = client();
    let outcome = page.run(
        r#"let fails = 2;
        const good = await tokenOf("bo");
        const bo = await connect(location.origin, { token: () => { if (fails-- > 0) throw new Error("no luck"); return good; } });
        const read = await outcome(bo.doc("own/bo").get());
        return [read, await outcome(bo.doc("own/bo").set({ n: 1 }))];"#,
    );
    assert_eq!(outcome[0]["code"], "unavailable");
    assert_eq!(outcome[0]["message"], "token: no luck");
    assert_eq!(outcome[1]["value"]["version"], 1, "a write is made again");

    page.run(
        r#"const old = await connect(location.origin, { token: await tokenOf("bo", -60) });
        window.heard = [listen(old.doc("own/bo")), follow(old.doc("own/bo").collection("notes"))];"#,
    );
    page.see("heard.every(({ error }) => error?.code === 'unauthenticated')");
    let opened = page.value("sockets.opened");
    page.run("await new Promise((done) => setTimeout(done, 1500));");
    assert_eq!(page.value("sockets.opened"), opened, "they do not come back");
    quiet(&page);
}

#[test]
fn sockets_hear_on_with_the_next_token() {
    let page = client();
    page.run(
        r#"window.token = async (fresh) => (asked.push(fresh), tokenOf("cy", asked.length === 1 ? 6 : 3600));
        window.cy = await connect(location.origin, { token });
        await cy.doc("own/cy").set({ n: 1 });
        window.doc = listen(cy.doc("own/cy"));
        window.notes = follow(cy.doc("own/cy").collection("notes"));"#,
    );
    page.see("doc.at(-1).get('n') === 1 && notes.last");
    // The server looks every few seconds whether a token has ended.
    page.run("await new Promise((done) => setTimeout(done, 12_500));");
    assert_eq!(page.value("asked"), json!([false, true]), "before it ended");
    assert_eq!(page.value("sockets"), json!({"opened": 2, "closed": 0}), "the same sockets");
    page.run("await cy.doc('own/cy').set({ n: 2 }); await cy.doc('own/cy/notes/a').set({});");
    page.see("doc.at(-1).get('n') === 2 && notes.last.size === 1");
    quiet(&page);
}

#[test]
fn a_socket_whose_token_has_ended_comes_back_with_a_fresh_one() {
    let page = client();
    page.run(
        r#"const [old, good] = [await tokenOf("dot", -60), await tokenOf("dot")];
        const dot = await connect(location.origin, { token: giving(old, good) });
        window.doc = listen(dot.doc("own/dot"));
        window.notes = follow(dot.doc("own/dot").collection("notes"));"#,
    );
    page.see("doc.length === 1 && notes.last");
    assert_eq!(page.value("asked"), json!([false, true]));
    assert_eq!(page.value("[doc.error, notes.error]"), json!([null, null]));
    quiet(&page);
}

#[test]
fn another_identity_keeps_what_it_may_hear_and_loses_the_rest() {
    let page = client();
    page.run(
        r#"window.both = await connect(location.origin, { token: await tokenOf("eva") });
        window.own = listen(both.doc("own/eva"));
        window.notes = follow(both.doc("own/eva").collection("notes"));
        window.known = follow(both.collection("known"));
        window.open = listen(both.doc("open/x"));"#,
    );
    page.see("own.length && notes.last && known.last && open.length");
    page.run("both.setToken(await tokenOf('fay'));");
    page.see(
        "own.error?.code === 'permission-denied' && notes.error?.code === 'permission-denied'",
    );
    page.run("await both.doc('open/x').set({ by: 'fay' }); await both.doc('known/x').set({});");
    page.see("open.at(-1).get('by') === 'fay' && known.last.size === 1");
    assert_eq!(page.value("[known.error, open.error]"), json!([null, null]));
    let told = page.value("own.length");
    page.run("both.setToken(null);");
    page.see("known.error?.code === 'unauthenticated'");
    page.run("await both.doc('open/x').set({ by: 'nobody' });");
    page.see("open.at(-1).get('by') === 'nobody'");
    assert_eq!(page.value("own.length"), told, "who was refused is told nothing more");
    let outcome = page.run("return outcome(both.doc('own/eva').set({}));");
    assert_eq!(outcome["code"], "unauthenticated");
    quiet(&page);
}

#[test]
fn who_signs_in_stays_so_in_other_tabs_and_later() {
    let page = client();
    let users = page.run(
        r#"window.changes = [];
        db.auth.onAuthStateChanged((user) => changes.push(user?.email ?? null));
        await 0;
        const before = db.auth.currentUser;
        const user = await db.auth.signUp("Gus@example.com", "correct horse");
        await db.doc(`own/${user.uid}`).set({ n: 1 });
        window.later = await connect(location.origin);
        await later.doc(`own/${user.uid}`).set({ n: 2 });
        const none = await connect(location.origin, { persistence: "none" });
        return [before, user.email, later.auth.currentUser.uid === user.uid, none.auth.currentUser];"#,
    );
    assert_eq!(users, json!([null, "gus@example.com", true, null]));
    assert_eq!(page.value("changes"), json!([null, "gus@example.com"]));

    // Two tabs that find the session's access token ended renew it once, and the server ends no session.
    let versions = page.run(
        r#"const key = Object.keys(localStorage).find((key) => key.startsWith("blaze:"));
        localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), ends: 0 }));
        requests.length = 0;
        const tabs = await Promise.all([1, 2, 3].map(() => connect(location.origin)));
        const path = `own/${later.auth.currentUser.uid}`;
        return Promise.all(tabs.map((tab) => tab.doc(path).get().then(({ version }) => version)));"#,
    );
    assert_eq!(versions, json!([2, 2, 2]));
    assert_eq!(page.value("requests.filter((path) => path.endsWith('/refresh')).length"), 1);

    page.run(
        r#"window.other = document.createElementNS("http://www.w3.org/1999/xhtml", "iframe");
        document.documentElement.append(other);
        // Another tab signs out: this one hears of it by the storage.
        const key = Object.keys(localStorage).find((key) => key.startsWith("blaze:"));
        other.contentWindow.localStorage.removeItem(key);"#,
    );
    page.see("db.auth.currentUser === null && changes.at(-1) === null");
    let outcome = page.run("return outcome(db.doc('known/x').set({}));");
    assert_eq!(outcome["code"], "unauthenticated");
    let wrong = page.run("return outcome(db.auth.signIn('gus@example.com', 'wrong horse'));");
    assert_eq!((&wrong["name"], &wrong["code"]), (&json!("BlazeError"), &json!("unauthenticated")));
    let again = page.run(
        r#"const user = await db.auth.signIn("gus@example.com", "correct horse");
        const { refreshToken } = JSON.parse(Object.values(localStorage)[0]);
        window.doc = listen(db.doc(`own/${user.uid}`));
        while (!doc.length) await new Promise((done) => setTimeout(done));
        await db.auth.signOut();
        const body = JSON.stringify({ refreshToken });
        const headers = { "content-type": "application/json" };
        const used = await fetch("/v1/accounts/refresh", { method: "POST", headers, body });
        return [used.ok, db.auth.currentUser, localStorage.length];"#,
    );
    assert_eq!(again, json!([false, null, 0]), "the server has ended the session too");
    page.see("doc.error?.code === 'unauthenticated'");
    assert_eq!(page.run("return db.auth.completeSignIn();"), Value::Null, "none was begun");
    quiet(&page);
}
