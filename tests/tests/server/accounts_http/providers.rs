//! Signing in with a real provider of identities, through its own pages.

use super::{Session, World, refused};
use blaze_engine::http::query_value;
use blaze_tests::client::Reply;
use blaze_tests::identity_provider::{
    Browser, IdentityProvider, REDIRECT, SECRET, verify_elsewhere,
};
use serde_json::{Value, json};

fn world(provider: &IdentityProvider) -> World {
    let client = |id: &str, secret: Option<&str>| {
        let mut client = json!({"issuer": provider.issuer, "clientId": id});
        if let Some(secret) = secret {
            client["clientSecret"] = secret.into();
        }
        client
    };
    let accounts = json!({
        "signUp": true,
        "redirects": [REDIRECT, "http://localhost/other"],
        "providers": {
            "basic": client("basic", Some("PROVIDER_SECRET")),
            "public": client("public", None),
            "es256": client("es256", Some("PROVIDER_SECRET")),
            "eddsa": client("eddsa", Some("PROVIDER_SECRET")),
            "wrong": client("basic", Some("ANOTHER_SECRET")),
            "missing": client("basic", Some("NO_SUCH_SECRET")),
        },
    });
    World::accounts(&accounts, &[("PROVIDER_SECRET", SECRET), ("ANOTHER_SECRET", "another")])
}

/// A sign-in that has begun: what the browser keeps, and what the provider sent it back with.
struct Begun {
    end: Value,
}

impl Begun {
    fn start(world: &World, provider: &str, name: &str) -> Self {
        let reply =
            world.post(&format!("oidc/{provider}/start"), &json!({"redirectUri": REDIRECT}));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let started = reply.expect(200).json();
        let keys: Vec<&String> = started.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["authorizationUrl", "expiresIn", "secret", "state"]);
        let url = started["authorizationUrl"].as_str().expect("a URL");
        let secret = started["secret"].as_str().expect("a secret");
        assert!(!url.contains(secret), "it stays in the browser");
        let back = Browser::default().log_in(url, name);
        let (_, query) = back.split_once('?').expect("a query");
        let of = |name: &str| query_value(query, name).unwrap_or_else(|| panic!("{name}: {back}"));
        assert_eq!(of("state"), started["state"].as_str().expect("a state"));
        let end = json!({
            "state": of("state"), "code": of("code"), "iss": of("iss"),
            "secret": secret, "redirectUri": REDIRECT,
        });
        Begun { end }
    }

    /// The same with other fields.
    fn with(&self, fields: &[(&str, &Value)]) -> Self {
        let mut end = self.end.clone();
        for (name, value) in fields {
            end[name] = (*value).clone();
        }
        Begun { end }
    }

    fn finish(&self, world: &World, provider: &str) -> Reply {
        world.post(&format!("oidc/{provider}/finish"), &self.end)
    }
}

#[test]
fn a_provider_vouches_for_whom_rules_then_know() {
    let provider = IdentityProvider::start();
    let mut world = world(&provider);
    let mut uids = Vec::new();
    // With a secret, without one, and with keys of each kind.
    for name in ["basic", "public", "es256", "eddsa"] {
        let begun = Begun::start(&world, name, "alice");
        // What was begun outlives the server.
        world.power_cut();
        let alice = Session::of(&begun.finish(&world, name).expect(200));
        for (path, status) in [
            (format!("own/{}", alice.uid), 201),
            ("mail/alice@example.com".to_owned(), if uids.is_empty() { 201 } else { 200 }),
            ("mail/bob@example.com".to_owned(), 403),
            (format!("verified/{name}"), 201),
            (format!("from/{name}"), 201),
            ("from/password".to_owned(), 403),
        ] {
            assert_eq!(world.write(&alice.access, &path), status, "{name}: {path}");
        }
        let keys = format!("{}/v1/jwks.json", world.server.url());
        let claims = verify_elsewhere(&keys, &alice.access).expect("a good token");
        assert_eq!((&claims["sub"], &claims["provider"]), (&json!(alice.uid), &json!(name)));
        let next = Session::of(&world.refresh(&alice.refresh).expect(200));
        assert_eq!(next.uid, alice.uid);
        let again = Begun::start(&world, name, "alice").finish(&world, name);
        assert_eq!(Session::of(&again.expect(200)).uid, alice.uid, "{name}: the same account");
        uids.push(alice.uid);
    }
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), 4, "accounts are not joined by their addresses");
}

#[test]
fn a_sign_in_ends_once_and_where_it_began() {
    let provider = IdentityProvider::start();
    let world = world(&provider);
    let alice = Begun::start(&world, "basic", "alice");
    let thief = Begun::start(&world, "basic", "mallory");
    let state = json!("A".repeat(43));
    for (wrong, name, status, code) in [
        // Seen on the way back, by somebody who is not the browser.
        (alice.with(&[("secret", &thief.end["secret"])]), "basic", 401, "unauthenticated"),
        (alice.with(&[("secret", &json!(""))]), "basic", 401, "unauthenticated"),
        (alice.with(&[("state", &state)]), "basic", 401, "unauthenticated"),
        (alice.with(&[("state", &json!("x"))]), "basic", 400, "invalid-argument"),
        (alice.with(&[("iss", &json!("https://other.example"))]), "basic", 401, "unauthenticated"),
        (
            alice.with(&[("redirectUri", &json!("http://localhost/other"))]),
            "basic",
            400,
            "invalid-argument",
        ),
        (
            alice.with(&[("redirectUri", &json!("http://evil.example/"))]),
            "basic",
            400,
            "invalid-argument",
        ),
        (alice.with(&[]), "public", 400, "invalid-argument"),
    ] {
        wrong.finish(&world, name).problem(status, code);
    }
    // The victim's browser is led to end the thief's sign-in (login CSRF).
    let led = thief.with(&[("secret", &alice.end["secret"])]);
    refused(&led.finish(&world, "basic"));
    // Their own sign-in with Alice's code: the provider holds it against PKCE. That spends the code too.
    let other = Begun::start(&world, "basic", "alice");
    let injected = thief.with(&[("code", &other.end["code"])]);
    let detail = refused(&injected.finish(&world, "basic"));
    assert_eq!(detail, "the provider refuses the code: invalid_grant");
    // All of that has cost Alice nothing. Then it is over.
    let session = Session::of(&alice.finish(&world, "basic").expect(200));
    assert_eq!(world.write(&session.access, "mail/alice@example.com"), 201);
    refused(&alice.finish(&world, "basic"));
    // Her code in a sign-in that has its own state: it was used.
    let replayed = Begun::start(&world, "basic", "alice").with(&[("code", &alice.end["code"])]);
    refused(&replayed.finish(&world, "basic"));
    world.refresh(&session.refresh).expect(200);
}

#[test]
fn what_is_wrong_with_a_provider_is_said() {
    let provider = IdentityProvider::start();
    let mut world = world(&provider);
    let start = |world: &World, name: &str, redirect: &str| {
        world.post(&format!("oidc/{name}/start"), &json!({"redirectUri": redirect}))
    };
    start(&world, "nobody", REDIRECT).problem(404, "not-found");
    let not_listed = start(&world, "basic", "http://localhost/back/");
    assert!(not_listed.problem(400, "invalid-argument").contains("accounts.redirects"));
    let begun = Begun::start(&world, "wrong", "alice");
    let detail = begun.finish(&world, "wrong").problem(500, "internal");
    assert!(detail.contains("clientSecret"), "{detail}");
    let begun = Begun::start(&world, "missing", "alice");
    let detail = begun.finish(&world, "missing").problem(500, "internal");
    assert!(detail.contains("NO_SUCH_SECRET"), "{detail}");
    // The provider goes away, in the middle of a sign-in.
    let session = Begun::start(&world, "basic", "alice").finish(&world, "basic").expect(200);
    let session = Session::of(&session);
    let begun = Begun::start(&world, "basic", "alice");
    drop(provider);
    for reply in [begun.finish(&world, "basic"), {
        world.power_cut();
        start(&world, "basic", REDIRECT)
    }] {
        reply.problem(503, "unavailable");
        assert!(reply.header("retry-after").is_some());
        assert!(!reply.text().contains(SECRET));
    }
    // Who is in stays in.
    let session = Session::of(&world.refresh(&session.refresh).expect(200));
    assert_eq!(world.write(&session.access, "mail/alice@example.com"), 201);
}
