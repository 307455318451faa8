//! Requests by the thousand, credentials that are too long or in the wrong place, and what a server says about them.

use crate::world::{
    LONG, Place, RULES, SECRET, SECRETS, World, access, data, new_key, put_rules, token, world,
};
use blaze_schema::limits::{SUBPROTOCOL_BYTES, TOKEN_BYTES};
use blaze_tests::client::{Client, JSON, JSON_PATCH, Reply};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Session, Socket};
use serde_json::json;
use std::thread;
use std::time::Duration;

/// A server with these rates, and its administrator.
fn limited(rates: serde_json::Value) -> (TestServer, Client) {
    let mut settings = access();
    settings["rates"] = rates;
    let server = TestServer::start_closed(&settings, SECRETS);
    let admin = server.client().bearing(Some(&token("root", &["admin"], LONG)));
    put_rules(&admin, RULES);
    (server, admin)
}

/// Sends until it is refused: how many were not, and the refusal.
fn until_refused(client: &Client, path: &str) -> (u32, Reply) {
    for passed in 0..200 {
        let reply = client.get(path).send();
        if reply.status == 429 {
            return (passed, reply);
        }
    }
    panic!("two hundred requests, and none was refused");
}

fn assert_too_many(reply: &Reply) -> u64 {
    let detail = reply.problem(429, "resource-exhausted");
    assert!(detail.starts_with("rates."), "{detail}");
    let wait = reply.header("retry-after").expect("when to come back").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    wait
}

#[test]
fn somebody_who_asks_too_often_is_refused_and_nobody_else() {
    let (server, admin) = limited(json!({"identity": {"requests": 20, "seconds": 10}}));
    let path = format!("/v1/docs/{}", Place::Public.existing(&admin));
    let [alice, again, bob] =
        ["alice", "alice", "bob"].map(|uid| server.client().bearing(Some(&token(uid, &[], LONG))));
    let (passed, refused) = until_refused(&alice, &path);
    assert!((20..=24).contains(&passed), "{passed} of 20");
    let wait = assert_too_many(&refused);
    // Another token of the same person is the same person, whatever is asked.
    let query = json!({"from": "public"});
    for call in [
        again.get(&path),
        again.put(&path, &data(2)),
        again.post("/v1/query", &query),
        again.post("/v1/docs/public", &data(1)),
        again.get("/v1/docs/public"),
    ] {
        assert_too_many(&call.send());
    }
    // Somebody else, and who is nobody in particular.
    bob.get(&path).send().expect(200);
    for _ in 0..40 {
        server.client().get(&path).send().expect(200);
    }
    thread::sleep(Duration::from_secs(wait));
    alice.get(&path).send().expect(200);
    // A token that is no good is nobody's request.
    let forged = server.client().bearing(Some("a.b.c"));
    for _ in 0..30 {
        forged.get(&path).send().problem(401, "unauthenticated");
    }
    bob.get(&path).send().expect(200);
}

#[test]
fn an_address_that_asks_too_often_is_refused_whoever_it_says_it_is() {
    let (server, admin) = limited(json!({"address": {"requests": 40, "seconds": 20}}));
    let path = format!("/v1/docs/{}", Place::Public.existing(&admin));
    let (passed, refused) = until_refused(&server.client(), &path);
    assert!(passed <= 44, "{passed} of 40");
    assert_too_many(&refused);
    for client in [
        server.client().bearing(Some(&token("alice", &[], LONG))),
        server.client().bearing(Some("a.b.c")),
    ] {
        assert_too_many(&client.get(&path).send());
    }
    // No header that a client can set is believed.
    for header in ["cf-connecting-ip", "x-forwarded-for", "forwarded", "x-real-ip"] {
        assert_too_many(&server.client().get(&path).header(header, "198.51.100.7").send());
    }
}

/// Sends messages until it is ended: how many were answered, and what was said at the end.
fn until_ended(mut socket: Socket) -> (usize, String) {
    for number in 1..200 {
        // Number 0 is answered by the platform, and costs nothing.
        socket.send(&json!({"ping": number}));
    }
    let (messages, code) = socket.ended();
    assert_eq!(code, 4429, "{messages:?}");
    let last = messages.last().expect("a reason");
    assert_eq!(last["code"], "resource-exhausted", "{last}");
    let pongs = messages.iter().filter(|message| message["pong"].is_number()).count();
    (pongs, last["detail"].as_str().expect("a detail").to_owned())
}

#[test]
fn messages_are_counted_by_who_sends_them() {
    let (server, admin) = limited(json!({"identity": {"requests": 20, "seconds": 20}}));
    let document = format!("/v1/docs/{}", Place::Public.existing(&admin));
    for path in [document.as_str(), "/v1/listen"] {
        let uid = format!("of {path}").replace('/', " ");
        let credential = token(&uid, &[], LONG);
        let open = || Socket::open_as(&server.url(), path, Some(&credential));
        let (mut idle, busy) = (open(), open());
        let (passed, detail) = until_ended(busy);
        assert!((16..=24).contains(&passed), "{passed} of 20 on {path}");
        assert!(detail.starts_with("rates.identity: more than 20 requests"), "{detail}");
        // Whoever sends nothing listens on, the same who sent too much.
        while let Some(frame) = idle.text_within(Duration::from_millis(200)) {
            assert!(frame.contains("snapshot"), "{frame}");
        }
        assert_too_many(&server.client().bearing(Some(&credential)).get(&document).send());
        // Nobody else is, and nobody in particular is not counted.
        for other in [Some(token(&format!("not {uid}"), &[], LONG)), None] {
            let mut other = Socket::open_as(&server.url(), path, other.as_deref());
            for _ in 0..15 {
                other.settled();
            }
        }
    }
}

#[test]
fn messages_are_counted_by_where_they_come_from() {
    let (server, admin) = limited(json!({"address": {"requests": 60, "seconds": 30}}));
    let document = format!("/v1/docs/{}", Place::Public.existing(&admin));
    let listening = Socket::open(&server.url(), "/v1/listen");
    let (passed, detail) = until_ended(Socket::open(&server.url(), &document));
    assert!((45..=66).contains(&passed), "{passed} of 60");
    assert!(detail.starts_with("rates.address: "), "{detail}");
    assert_eq!(until_ended(listening).0, 0);
    assert_too_many(&server.client().get(&document).send());
}

#[test]
fn a_socket_behind_another_is_not_counted_twice() {
    let (server, admin) = limited(json!({"address": {"requests": 60, "seconds": 30}}));
    let path = Place::Public.existing(&admin);
    let mut session = Session::open(&server.url());
    session.document(1, &path);
    for number in 0..40 {
        session.write(&number.to_string(), json!({"set": path, "data": {}}));
    }
}

#[test]
fn signing_in_has_a_rate_of_its_own() {
    let mut settings = access();
    settings["rates"] = json!({"signIn": {"requests": 5, "seconds": 30}});
    settings["accounts"] = json!({"passwords": true, "signUp": true});
    let server = TestServer::start_closed(&settings, SECRETS);
    let client = server.client();
    let sign_in = || {
        let body = json!({"email": "a@b.example", "password": "a wrong password"});
        client.post("/v1/accounts/signIn", &body).send()
    };
    let refused: Vec<_> = (0..8).map(|_| sign_in()).filter(|reply| reply.status == 429).collect();
    assert!((2..=4).contains(&refused.len()), "{} of 8", refused.len());
    let detail = refused[0].problem(429, "resource-exhausted");
    assert!(detail.starts_with("rates.signIn: more than 5 requests in 30 seconds"), "{detail}");
    let new = json!({"email": "c@d.example", "password": "a password of mine"});
    assert_too_many(&client.post("/v1/accounts/signUp", &new).send());
    client.get("/v1/accounts").send().expect(200);
    client.get("/v1/docs/a/b").send().problem(403, "permission-denied");
}

#[test]
fn a_credential_has_a_size() {
    let world = world();
    let path = format!("/v1/docs/{}", Place::Public.existing(&world.admin));
    for bytes in [TOKEN_BYTES, TOKEN_BYTES + 1, 12 * 1_024] {
        let long = "x".repeat(bytes);
        let reply = world.admin.bearing(Some(&long)).get(&path).send();
        let detail = reply.problem(401, "unauthenticated");
        assert_eq!(detail.contains(&TOKEN_BYTES.to_string()), bytes > TOKEN_BYTES, "{detail}");
        let (messages, code) = Socket::open_as(&world.server.url(), &path, Some(&long)).ended();
        assert_eq!((&messages[0]["code"], code), (&json!("unauthenticated"), 4401));
    }
    let offered = format!("blaze.v1, bearer.{}", "x".repeat(SUBPROTOCOL_BYTES));
    // Too long even for a header, perhaps: whatever it is, it is no socket of anybody's.
    if let Ok(socket) = Socket::open_with(&world.server.url(), &path, &offered) {
        assert_eq!(socket.ended().1, 4401);
    }
}

#[test]
fn a_credential_elsewhere_is_none() {
    let world = world();
    let alice = world.person("alice").credential().unwrap();
    let path = format!("/v1/docs/{}", Place::Notes.existing(&world.admin));
    let anonymous = world.admin.bearing(None);
    for name in ["token", "access_token", "auth", "authorization", "bearer", "key", "api_key"] {
        let url = format!("{path}?{name}={alice}");
        anonymous.get(&url).send().problem(400, "invalid-argument");
        anonymous.get(&path).header("cookie", &format!("{name}={alice}")).send().expect(401);
        let socket = Socket::open_with(&world.server.url(), &url, "");
        assert_eq!(socket.err().map(|refusal| refusal.status), Some(400), "{name}");
    }
    for other in [format!("Basic {alice}"), alice.to_owned(), format!("Bearer {alice} {alice}")] {
        let reply = anonymous.get(&path).header("authorization", &other).send();
        reply.problem(401, "unauthenticated");
    }
    anonymous.get(&path).header("x-api-key", alice).send().problem(401, "unauthenticated");
    anonymous.get(&path).header("authorization", &format!("bearer {alice}")).send().expect(200);
}

/// What must not be in any log: the credentials of all, and the secret behind them.
fn secrets_of(world: &World) -> Vec<String> {
    let credentials = world.people.iter().filter_map(|person| person.credential.clone());
    // A signature, or the secret of a key, is enough.
    let secret = |credential: String| {
        let separator = if credential.starts_with("blz_") { '_' } else { '.' };
        credential.rsplit(separator).next().unwrap_or_default().to_owned()
    };
    credentials.map(secret).chain([SECRET.to_owned()]).collect()
}

#[test]
fn no_credential_is_in_the_log() {
    let world = World::new(RULES, &[]);
    let path = format!("/v1/docs/{}", Place::Notes.existing(&world.admin));
    for person in &world.people {
        let client = world.client(person);
        for reply in [
            client.get(&path).send(),
            client.put(&path, &data(2)).send(),
            client.get("/v1/keys").send(),
            client.post("/v1/query", &json!({"from": "notes"})).send(),
            client.get("/v1/docs/notes/%zz").send(),
            client.patch(&path, JSON_PATCH, &json!("nonsense")).send(),
        ] {
            for secret in secrets_of(&world) {
                assert!(!reply.text().contains(&secret), "{}", reply.text());
            }
        }
        let mut session = world.session(person);
        session.socket.send(&json!({"auth": person.credential.as_deref().unwrap_or("x.y.z")}));
        session.listen(1, json!({"document": "notes/x"}));
        drop(session);
        drop(world.socket(person, "notes/x"));
    }
    let (key, id) = new_key(&world.admin, "logged", &["admin"]);
    world.admin.bearing(Some(&key)).delete(&format!("/v1/keys/{id}")).send().expect(204);
    thread::sleep(Duration::from_millis(500));
    let log = world.server.log();
    for secret in secrets_of(&world).iter().chain([&key]) {
        assert!(!log.contains(secret), "a credential is in the log:\n{log}");
    }
    // What administrators do is there, by their names.
    assert!(log.contains("\"act\":\"key.create\""), "{log}");
    assert!(log.contains("writes a document"), "{log}");
}

#[test]
fn a_browser_may_send_a_credential() {
    let world = world();
    for path in ["/v1/docs/notes/x", "/v1/docs/notes", "/v1/query", "/v1/aggregate", "/v1/keys"] {
        let reply = world
            .admin
            .bearing(None)
            .request("OPTIONS", path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type")
            .send()
            .expect(204);
        let allowed = reply.header("access-control-allow-headers").unwrap_or_default();
        let allowed = allowed.to_ascii_lowercase();
        assert!(allowed.split(", ").any(|name| name == "authorization"), "{path}: {allowed}");
        // No cookies: a credential is what a page has, not what a browser keeps.
        assert_eq!(reply.header("access-control-allow-credentials"), None);
    }
    // A refusal is readable by the page too.
    let anonymous = world.admin.bearing(None);
    let refused = anonymous.get("/v1/docs/secret/x");
    let refused = refused.header("origin", "https://app.example").send().expect(401);
    assert!(refused.header("access-control-allow-origin").is_some());
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
}

#[test]
fn every_kind_of_answer_forbids_guessing_and_shared_caches() {
    let world = world();
    let path = format!("/v1/docs/{}", Place::Public.existing(&world.admin));
    let [anonymous, forged] = [None, Some("a.b.c")].map(|one| world.admin.bearing(one));
    let query = json!({"from": "public", "limit": 1});
    let aggregate = json!({"query": query, "aggregates": {"n": "count"}});
    for call in [
        anonymous.get(&path),
        anonymous.request("HEAD", &path),
        anonymous.get(&path).header("if-none-match", "\"1\""),
        anonymous.get("/v1/docs/public/missing"),
        anonymous.get("/v1/docs/secret/x"),
        anonymous.put(&path, &data(2)),
        forged.get(&path),
        forged.post("/v1/query", &query),
        anonymous.post("/v1/query", &query),
        anonymous.post("/v1/query", &json!({"from": "notes"})),
        anonymous.post("/v1/aggregate", &aggregate),
        anonymous.get("/v1/docs/public?limit=1"),
        anonymous.get("/v1/nothing"),
        anonymous.get("/v1/keys"),
        world.admin.get("/v1/keys"),
        world.admin.get("/v1/rules"),
        world.admin.get("/v1/audit"),
        world.admin.patch(&path, JSON, &json!({"n": 3})),
        world.admin.post("/v1/docs/public", &data(1)),
        world.admin.post("/v1/keys", &json!({"name": "k", "roles": []})),
        world.admin.post("/v1/keys", &json!({"name": ""})),
        world.admin.post("/v1/commit", &json!({})),
        anonymous.get("/v1/listen"),
        anonymous.get("/health"),
        anonymous.post("/v1/accounts/signIn", &json!({"email": "a@b.example", "password": "x"})),
    ] {
        let reply = call.send();
        let context = format!("{} {:?} {}", reply.status, reply.headers, reply.text());
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{context}");
        let cached = reply.header("cache-control").unwrap_or_default();
        assert!(["private, no-cache", "no-store"].contains(&cached), "{context}");
    }
    for published in ["/v1/jwks.json", "/v1/openapi.json"] {
        let reply = anonymous.get(published).send().expect(200);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    }
}
