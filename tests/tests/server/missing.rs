//! Requests to objects that were never written leave nothing on the disk, and are answered like any other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_tests::client::{Call, Client, JSON, fresh_collection};
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Listener, Session, Socket};
use serde_json::{Value, json};

/// The classes of objects that requests name.
const CLASSES: [&str; 4] = ["Document", "Index", "Account", "Limiter"];

fn files(server: &TestServer) -> [usize; 4] {
    CLASSES.map(|class| server.objects(class))
}

/// Returns a path of a document that does not exist, each time another.
fn nowhere() -> String {
    format!("{}/nobody", fresh_collection())
}

#[test]
fn reads_and_refused_writes_of_what_is_not_there_leave_nothing() {
    let server = TestServer::start();
    let client = server.client();
    let url = || format!("/v1/docs/{}", nowhere());
    let before = files(&server);
    for _ in 0..3 {
        for (call, status) in [
            (client.get(&url()), 404),
            (client.get(&url()).header("if-none-match", "\"3\""), 404),
            (client.delete(&url()), 204),
            (client.delete(&url()).header("if-match", "\"3\""), 412),
            (client.patch(&url(), JSON, &json!({"n": 1})), 404),
            (client.patch(&url(), "application/json-patch+json", &json!([])), 404),
            (client.put(&url(), &json!({"n": 1})).header("if-match", "\"1\""), 412),
            (client.put(&url(), &json!({"$n": 1})), 400),
            (client.put(&url(), &json!([])), 400),
            (client.get(&format!("/v1/docs/{}", fresh_collection())), 200),
            (client.post("/v1/query", &json!({"from": fresh_collection()})), 200),
            (
                client.post(
                    "/v1/aggregate",
                    &json!({"query": {"from": fresh_collection()}, "aggregates": {"n": "count"}}),
                ),
                200,
            ),
            (
                client.post("/v1/commit", &json!({"writes": [{"update": nowhere(), "data": {}}]})),
                404,
            ),
            (
                client.post(
                    "/v1/commit",
                    &json!({"writes": [{"verify": nowhere(), "ifVersion": 7}]}),
                ),
                409,
            ),
        ] {
            let reply = call.send();
            assert_eq!(reply.status, status, "{}", reply.text());
        }
        let answer = client.query(&json!({"from": fresh_collection()}));
        assert_eq!(answer["documents"], json!([]));
        let mut session = Session::open(&server.url());
        let answer = session.write("w", json!({"update": nowhere(), "data": {}}));
        assert_eq!(answer["error"]["code"], "not-found");
    }
    assert_eq!(files(&server), before, "{CLASSES:?}");
}

#[test]
fn what_is_written_after_all_is_there() {
    let server = TestServer::start();
    let client = server.client();
    for n in 0..5 {
        let path = nowhere();
        let url = format!("/v1/docs/{path}");
        let collection = path.rsplit_once('/').expect("a collection").0;
        assert_eq!(client.get(&url).send().status, 404);
        assert_eq!(client.query(&json!({"from": collection}))["documents"], json!([]));
        let data = json!({"n": n, "text": "x".repeat(200_000 * n)});
        assert_eq!(client.put(&url, &data).send().expect(201).version(), 1);
        assert_eq!(client.data(&url), data);
        assert_eq!(client.ids(&json!({"from": collection})), ["nobody"]);
        client.delete(&url).send().expect(204);
        assert_eq!(client.get(&url).send().status, 404);
        // Its object goes on counting.
        assert_eq!(client.put(&url, &data).send().expect(201).version(), 3);
    }
    // A document that the server names.
    let made = client.post(&format!("/v1/docs/{}", fresh_collection()), &json!({"n": 1})).send();
    let path = made.expect(201).json()["path"].as_str().expect("a path").to_owned();
    assert_eq!(client.data(&format!("/v1/docs/{path}")), json!({"n": 1}));
}

#[test]
fn a_document_is_found_again_after_a_restart() {
    let mut server = TestServer::start();
    let url = format!("/v1/docs/{}", nowhere());
    server.client().put(&url, &json!({"n": 1})).send().expect(201);
    for n in 1..3 {
        server.crash();
        server.restart();
        let client = server.client();
        assert_eq!(client.data(&url), json!({"n": n}));
        client.patch(&url, JSON, &json!({"n": n + 1})).send().expect(200);
    }
    server.crash();
    server.restart();
    server.client().patch(&url, JSON, &json!({"m": 1})).send().expect(200);
    assert_eq!(server.client().data(&url), json!({"n": 3, "m": 1}));
}

#[test]
fn writes_that_come_together_are_all_done() {
    let server = TestServer::start();
    for _ in 0..5 {
        let url = format!("/v1/docs/{}", nowhere());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let add = json!({"n": {"$increment": 1}});
                    let merge = server.client();
                    let reply = merge.put(&format!("{url}?merge=true"), &add).send();
                    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
                });
            }
        });
        assert_eq!(server.client().data(&url), json!({"n": 4}));
    }
}

/// A listener that is there before the document hears of it, and can come back.
#[test]
fn a_listener_waits_for_what_is_not_there() {
    let server = TestServer::start();
    let url = format!("/v1/docs/{}", nowhere());
    let mut socket = Socket::open(&server.url(), &url);
    let mut listener = Listener::of(&mut socket);
    assert_eq!((listener.version, &listener.state), (Some(0), &Value::Null));
    server.client().put(&url, &json!({"n": 1})).send().expect(201);
    listener.follow(&mut socket, 1);
    let mut again = Socket::open(&server.url(), &format!("{url}{}", listener.resume()));
    assert_eq!(again.settled(), Vec::<Value>::new(), "it is the same history");
}

const RULES: &str = "
    match /open/{id} { allow read: if true; }
    match /asks/{id} { allow read: if exists('/open/' + id); }
    match /mine/{id} { allow read, write: if request.auth != null; }
";

fn bearing<'a>(call: Call<'a>, key: &str) -> Call<'a> {
    call.header("authorization", &format!("Bearer {key}"))
}

/// Starts a closed server under [`RULES`].
fn closed(access: &Value) -> (TestServer, Client) {
    let hash = [("OPEN", "1")];
    let server = TestServer::start_closed(access, &hash);
    let client = server.client();
    let key = json!({"name": "tests", "roles": ["admin"]});
    let key = client.post("/v1/keys", &key).send().expect(201).json();
    let key = key["key"].as_str().expect("a key").to_owned();
    let rules = client.request("PUT", "/v1/rules").body("text/plain", RULES);
    bearing(rules, &key).send().expect(201);
    (server, client)
}

#[test]
fn what_rules_refuse_leaves_nothing() {
    let (server, client) = closed(&json!({}));
    let before = files(&server);
    for n in 0..5 {
        for (call, status) in [
            (client.get(&format!("/v1/docs/open/{n}")), 404),
            (client.get(&format!("/v1/docs/asks/{n}")), 401),
            (client.get(&format!("/v1/docs/mine/{n}")), 401),
            (client.get(&format!("/v1/docs/none/{n}")), 401),
            (client.put(&format!("/v1/docs/mine/{n}"), &json!({"n": n})), 401),
            (client.post("/v1/docs/mine", &json!({"n": n})), 401),
            (client.delete(&format!("/v1/docs/mine/{n}")), 401),
            (
                client
                    .put(&format!("/v1/docs/mine/{n}"), &json!({}))
                    .header("idempotency-key", "k"),
                401,
            ),
            (client.post("/v1/commit", &json!({"writes": [{"delete": format!("mine/{n}")}]})), 401),
            (client.post("/v1/query", &json!({"from": format!("none/{n}/c")})), 401),
        ] {
            let reply = call.send();
            assert_eq!(reply.status, status, "{}", reply.text());
        }
        let path = format!("/v1/docs/none/{n}");
        let (messages, code) = Socket::open_as(&server.url(), &path, Some("nobody's")).ended();
        assert_eq!((messages.len(), code), (1, 4401), "{messages:?}");
        let mut session = Session::open(&server.url());
        session.listen(1, json!({"document": format!("none/{n}")}));
        assert_eq!(session.next(1)["code"], "unauthenticated");
        let answer = session.write("w", json!({"set": format!("mine/{n}"), "data": {}}));
        assert_eq!(answer["error"]["code"], "unauthenticated");
    }
    assert_eq!(files(&server), before, "{CLASSES:?}");
}

#[test]
fn sessions_that_there_are_not_leave_nothing() {
    let (server, client) = closed(&json!({"accounts": {"passwords": true, "signUp": true}}));
    let before = files(&server);
    for n in 0..5 {
        let account = URL_SAFE_NO_PAD.encode(format!("email:nobody{n}@example.com"));
        let token = format!("blzr_{account}.session.{}", URL_SAFE_NO_PAD.encode([7; 48]));
        for (path, status) in [("refresh", 401), ("signOut", 204)] {
            let reply = client
                .post(&format!("/v1/accounts/{path}"), &json!({"refreshToken": token}))
                .send();
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
        }
    }
    assert_eq!(files(&server), before, "{CLASSES:?}");
}

#[test]
fn all_addresses_are_counted_in_one_place() {
    let access = json!({"rates": {"address": {"requests": 5, "seconds": 600}}});
    let vars = [("OPEN", "1"), ("ADDRESS_HEADER", "x-from")];
    let server = TestServer::start_closed(&access, &vars);
    let client = server.client();
    let status = |address: usize| {
        let call = client.get("/v1/jwks.json").header("x-from", &format!("10.0.0.{address}"));
        call.send().status
    };
    for address in 0..20 {
        let statuses: Vec<u16> = (0..6).map(|_| status(address)).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 429], "{address}");
    }
    assert_eq!(server.objects("Limiter"), 1);
}
