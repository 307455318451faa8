//! Accounts with a password.

use super::{PASSWORD, RULES, Session, World, bearer, credentials, refused};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_schema::limits::SIGN_IN_FAILURES;
use blaze_tests::client::Reply;
use blaze_tests::identity_provider::verify_elsewhere;
use blaze_tests::server::{TestServer, is_standalone};
use blaze_tests::socket::Socket;
use serde_json::{Value, json};
use std::panic::catch_unwind;
use std::thread;
use std::time::Duration;

fn world() -> World {
    World::accounts(&json!({"passwords": true, "signUp": true}), &[])
}

#[test]
fn a_token_says_to_rules_who_asks() {
    let mut world = world();
    // This isolate has just been told what is in force, and there was no signing key then.
    let alice = world.sign_up("Alice@Example.com");
    assert_eq!(world.write(&alice.access, &format!("own/{}", alice.uid)), 201);
    let bob = world.sign_up("bob@example.com");
    assert_ne!(alice.uid, bob.uid);
    for (path, expected) in [
        (format!("own/{}", alice.uid), [200, 403, 401]),
        ("mail/alice@example.com".to_owned(), [404, 403, 401]),
        ("mail/Alice@Example.com".to_owned(), [403, 403, 401]),
        ("mail/bob@example.com".to_owned(), [403, 404, 401]),
        // Nobody has proved that an address is theirs.
        ("verified/a".to_owned(), [403, 403, 401]),
        ("from/password".to_owned(), [404, 404, 401]),
        ("known/a".to_owned(), [404, 404, 401]),
    ] {
        let anonymous = world.client.get(&format!("/v1/docs/{path}")).send();
        let statuses = [
            world.read(&alice.access, &path).status,
            world.read(&bob.access, &path).status,
            anonymous.status,
        ];
        assert_eq!(statuses, expected, "{path}");
        assert_eq!(anonymous.header("www-authenticate"), Some("Bearer"));
    }
    world.power_cut();
    let own = format!("own/{}", alice.uid);
    assert_eq!(world.read(&alice.access, &own).expect(200).json()["data"], json!({"n": 1}));
    assert_eq!(world.sign_in("alice@EXAMPLE.com").uid, alice.uid);
    // On a socket too.
    let protocols = format!("blaze.v1, bearer.{}", alice.access);
    let path = format!("/v1/docs/{own}");
    let mut socket = Socket::open_with(&world.server.url(), &path, &protocols).expect("a socket");
    assert_eq!(socket.receive()["data"], json!({"n": 1}));
}

#[test]
fn others_verify_tokens_by_the_published_keys() {
    let mut world = world();
    // Whoever keeps them for a while has the first token's key before there is a token.
    let published = world.client.get("/v1/jwks.json").send().expect(200).json();
    let alice = world.sign_up("alice@example.com");
    assert_eq!(world.client.get("/v1/jwks.json").send().expect(200).json(), published);
    let keys = format!("{}/v1/jwks.json", world.server.url());
    let claims = verify_elsewhere(&keys, &alice.access).expect("a good token");
    let expected = json!({
        "iss": "blaze", "aud": "blaze", "sub": alice.uid, "provider": "password", "roles": [],
        "email": "alice@example.com", "email_verified": false,
        "iat": claims["iat"], "exp": claims["iat"].as_u64().expect("a time") + 3_600,
        "sid": claims["sid"],
    });
    assert_eq!(claims, expected);
    let [key] = &published["keys"].as_array().expect("keys")[..] else { panic!("{published}") };
    let members: Vec<&String> = key.as_object().expect("a key").keys().collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"], "and no private part");
    // The key is as durable as the accounts.
    world.power_cut();
    assert_eq!(world.client.get("/v1/jwks.json").send().expect(200).json(), published);
    let again = world.sign_in("alice@example.com");
    assert!(verify_elsewhere(&keys, &again.access).is_ok());
    // What is changed nobody takes, they as little as we.
    for forged in forgeries(&alice.access) {
        let wrong = verify_elsewhere(&keys, &forged).expect_err(&forged);
        assert!(wrong.starts_with("ERR_J"), "{wrong}");
        let reply = world.read(&forged, "known/a");
        assert!(refused(&reply).starts_with("token: "), "{}", reply.text());
    }
    assert_eq!(world.read(&alice.access, "known/a").status, 404);
}

#[test]
fn the_key_that_signs_is_rotated_and_revoked() {
    let mut world = world();
    let alice = world.sign_up("alice@example.com");
    let status = |world: &World, token: &str| world.read(token, "known/a").status;
    let published =
        |world: &World| world.client.get("/v1/jwks.json").send().expect(200).json()["keys"].clone();
    let make = |world: &World, body: Value| {
        let call = world.client.post("/v1/signing-keys", &body);
        bearer(call, &world.admin).send().expect(201).json()
    };
    let before = published(&world);
    // The next one is published, and does not sign yet: copies of the list may be minutes old.
    let next = make(&world, json!({}));
    assert_eq!(published(&world), json!([before[0], next["key"]]));
    let keys = format!("{}/v1/jwks.json", world.server.url());
    let later = world.sign_in("alice@example.com");
    for token in [&alice.access, &later.access] {
        assert_eq!(status(&world, token), 404);
        assert!(verify_elsewhere(&keys, token).is_ok());
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header"));
        let header: Value = serde_json::from_slice(&header.expect("base64")).expect("JSON");
        assert_eq!(header["kid"], before[0]["kid"]);
    }
    // A key that got out: nothing that it signed counts any more, and sessions go on.
    let fresh = make(&world, json!({"revoke": true}));
    assert_eq!(published(&world), json!([fresh["key"]]));
    for round in 0..2 {
        for token in [&alice.access, &later.access] {
            assert!(refused(&world.read(token, "known/a")).starts_with("token: "));
        }
        if round == 0 {
            world.power_cut();
        }
    }
    let renewed = Session::of(&world.refresh(&later.refresh).expect(200));
    assert_eq!(status(&world, &renewed.access), 404);
    let acts = ["signing-key.rotate", "signing-key.revoke"].map(|act| world.audited(act).len());
    assert_eq!(acts, [1, 1]);
}

/// A token with another signature, with another's claims, with a role, and without any signature.
fn forgeries(token: &str) -> Vec<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let read = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
    };
    let changed = |part: usize, name: &str, value: Value| {
        let mut object = read(parts[part]);
        object[name] = value;
        encode(&object)
    };
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    bytes[7] ^= 1;
    let none = changed(0, "alg", json!("none"));
    vec![
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(bytes)),
        format!("{header}.{}.{signature}", changed(1, "sub", json!("somebody"))),
        format!("{header}.{}.{signature}", changed(1, "roles", json!(["admin"]))),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
    ]
}

#[test]
fn who_signed_out_signs_in_again() {
    let mut world = world();
    let sessions: Vec<_> = [world.sign_up("a@b.c")]
        .into_iter()
        .chain((0..3).map(|_| world.sign_in("a@b.c")))
        .collect();
    let out = |world: &World, token: &str, everywhere: bool| {
        let body = json!({"refreshToken": token, "everywhere": everywhere});
        world.post("signOut", &body)
    };
    assert!(out(&world, &sessions[0].refresh, false).expect(204).body.is_empty());
    world.power_cut();
    refused(&world.refresh(&sessions[0].refresh));
    // What has ended already ends again; others go on.
    out(&world, &sessions[0].refresh, false).expect(204);
    let next = world.refresh(&sessions[1].refresh).expect(200).json();
    let next = next["refreshToken"].as_str().expect("a token").to_owned();
    // A token of a session that has ended cannot end others.
    refused(&out(&world, &sessions[0].refresh, true));
    out(&world, &next, true).expect(204);
    world.power_cut();
    for session in &sessions {
        refused(&world.refresh(&session.refresh));
    }
    refused(&world.refresh(&next));
    let again = world.sign_in("a@b.c");
    assert_eq!(again.uid, sessions[0].uid);
    world.refresh(&again.refresh).expect(200);
}

#[test]
fn what_is_wrong_is_said_and_passwords_are_not() {
    let world = world();
    world.sign_up("a@b.c");
    let taken = world.post("signUp", &credentials("A@b.c"));
    taken.problem(409, "already-exists");
    for (path, body, status, code, named) in [
        ("signUp", json!({"email": "a", "password": PASSWORD}), 400, "invalid-argument", "email"),
        ("signUp", json!({"email": "d@b.c", "password": "short"}), 400, "invalid-argument", "8"),
        ("signIn", json!({"email": "a@b.c"}), 400, "invalid-argument", "password is missing"),
        (
            "signIn",
            json!({"email": "a@b.c", "password": "another horse"}),
            401,
            "unauthenticated",
            "",
        ),
        (
            "signIn",
            json!({"email": "nobody@b.c", "password": PASSWORD}),
            401,
            "unauthenticated",
            "",
        ),
        ("refresh", json!({"refreshToken": "blzr_x"}), 400, "invalid-argument", "refreshToken"),
        ("oidc/none/start", json!({"redirectUri": "x"}), 404, "not-found", "none"),
        ("other", json!({}), 404, "not-found", "no route"),
    ] {
        let reply = world.post(path, &body);
        let detail = reply.problem(status, code);
        assert!(detail.contains(named), "{path}: {detail}");
        assert_eq!(reply.header("www-authenticate").is_some(), status == 401, "{path}");
        let password = body["password"].as_str().unwrap_or(PASSWORD);
        assert!(!reply.text().contains(password), "{path}: {}", reply.text());
    }
    let large = json!({"email": "a@b.c", "password": "x".repeat(20_000)});
    world.post("signIn", &large).problem(413, "resource-exhausted");
    world.client.get("/v1/accounts/signIn").send().problem(405, "invalid-argument");
    let form = world.client.request("POST", "/v1/accounts/signIn");
    form.body("application/x-www-form-urlencoded", "email=a")
        .send()
        .problem(415, "invalid-argument");
}

/// What may differ between two answers is when they were given.
fn told(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let headers = reply.headers.iter().filter(|(name, _)| name.as_str() != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
    (reply.status, headers, reply.text())
}

#[test]
fn who_guesses_passwords_has_to_wait_and_learns_nothing() {
    let mut world = world();
    let alice = world.sign_up("alice@example.com");
    world.sign_up("bob@example.com");
    let wrong = |world: &World, email: &str| {
        world.post("signIn", &json!({"email": email, "password": "another horse"}))
    };
    for attempt in 0..SIGN_IN_FAILURES {
        let [known, unknown] =
            ["alice@example.com", "nobody@example.com"].map(|email| wrong(&world, email));
        refused(&known);
        assert_eq!(told(&known), told(&unknown));
        if attempt == 2 {
            world.power_cut();
        }
    }
    let wait = |reply: &Reply| {
        reply.problem(429, "resource-exhausted");
        reply.header("retry-after").expect("Retry-After").parse::<u64>().expect("seconds")
    };
    // The right password as little as a wrong one, known or not, after a power cut as before it.
    for is_after in [false, true] {
        let right = world.post("signIn", &credentials("alice@example.com"));
        for reply in [&right, &wrong(&world, "nobody@example.com")] {
            assert!((1..=30).contains(&wait(reply)));
        }
        if !is_after {
            world.power_cut();
        }
    }
    // Who is in stays in, and others are not concerned.
    world.refresh(&alice.refresh).expect(200);
    assert_eq!(world.write(&alice.access, &format!("own/{}", alice.uid)), 201);
    world.sign_in("bob@example.com");
    let seconds = wait(&world.post("signIn", &credentials("alice@example.com")));
    thread::sleep(Duration::from_secs(seconds));
    // One more failure, and the wait is twice as long.
    refused(&wrong(&world, "nobody@example.com"));
    assert!((31..=60).contains(&wait(&wrong(&world, "nobody@example.com"))));
    assert_eq!(world.sign_in("alice@example.com").uid, alice.uid);
    // That has ended the row of failures.
    refused(&wrong(&world, "alice@example.com"));
    world.sign_in("alice@example.com");
}

#[test]
fn accounts_are_off_until_access_json_has_them() {
    let paths =
        ["signUp", "signIn", "refresh", "signOut", "oidc/google/start", "oidc/google/finish"];
    let server = TestServer::start_closed(&json!({}), &[]);
    let client = server.client();
    for path in paths {
        let reply = client.post(&format!("/v1/accounts/{path}"), &credentials("a@b.c")).send();
        let detail = reply.problem(404, "unimplemented");
        assert_eq!(detail, "accounts are off: access.json has no \"accounts\"");
    }
    let world = World::accounts(&json!({"signUp": true}), &[]);
    for path in ["signUp", "signIn"] {
        let detail = world.post(path, &credentials("a@b.c")).problem(404, "unimplemented");
        assert!(detail.contains("\"passwords\": true"), "{detail}");
    }
    let world = World::accounts(&json!({"passwords": true}), &[]);
    let detail = world.post("signUp", &credentials("a@b.c")).problem(403, "permission-denied");
    assert!(detail.contains("accounts.signUp"), "{detail}");
    refused(&world.post("signIn", &credentials("a@b.c")));
    // With a mistake in the file no server starts, and it is said where.
    let access = json!({"accounts": {"pasword": true}});
    let started = catch_unwind(|| TestServer::start_closed(&access, &[]));
    let panic = started.err().expect("the server starts");
    let said = panic.downcast::<String>().expect("a text");
    assert!(is_standalone() || said.contains("/health answered 500"), "{said}");
    assert!(said.contains("access.json: accounts.pasword: unknown key"), "{said}");
}

#[test]
fn an_account_is_no_administrator() {
    let world = world();
    let alice = world.sign_up("alice@example.com");
    for path in ["/v1/rules", "/v1/rules/versions", "/v1/keys", "/v1/audit"] {
        bearer(world.client.get(path), &alice.access).send().problem(403, "permission-denied");
        let anonymous = world.client.get(path).send();
        refused(&anonymous);
        bearer(world.client.get(path), &world.admin).send().expect(200);
    }
    let rules = bearer(world.client.get("/v1/rules"), &world.admin).send().expect(200).json();
    assert_eq!(rules["text"], RULES);
}
