//! CORS: which pages of other origins may call.

use crate::client;
use blaze_tests::client::{Client, JSON, Reply, fresh};
use blaze_tests::server::TestServer;
use serde_json::json;

const FOREIGN: &str = "https://foreign.example";

fn allowed(reply: &Reply) -> Option<&str> {
    reply.header("access-control-allow-origin")
}

/// The elements of a comma-separated header, in lower case.
fn list(reply: &Reply, name: &str) -> Vec<String> {
    let value = reply.header(name).unwrap_or_default();
    value.split(',').map(|element| element.trim().to_ascii_lowercase()).collect()
}

fn preflight(client: &Client, path: &str, origin: &str, method: &str) -> Reply {
    client
        .request("OPTIONS", path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "content-type,if-match,idempotency-key")
        .send()
}

#[test]
fn a_page_of_any_origin_may_call_by_default() {
    let path = fresh("cors");
    let put = client().put(&path, &json!({"n": 1})).header("origin", FOREIGN).send().expect(201);
    let get = client().get(&path).header("origin", FOREIGN).send().expect(200);
    let unchanged = client().get(&path).header("origin", FOREIGN).header("if-none-match", "\"1\"");
    let delete = client().delete(&path).header("origin", FOREIGN).send().expect(204);
    let health = client().get("/health").header("origin", FOREIGN).send().expect(200);
    for reply in [put, get, unchanged.send(), delete, health] {
        assert_eq!(allowed(&reply), Some(FOREIGN), "{reply:?}");
        let exposed = list(&reply, "access-control-expose-headers");
        for name in ["etag", "location", "preference-applied"] {
            assert!(exposed.iter().any(|exposed| exposed == name), "{name} in {exposed:?}");
        }
        assert!(list(&reply, "vary").contains(&"origin".to_owned()), "{reply:?}");
    }
}

#[test]
fn errors_can_be_read_across_origins_too() {
    let path = fresh("cors");
    let from = |method: &str, path: &str| client().request(method, path).header("origin", FOREIGN);
    for (call, status) in [
        (from("GET", &path), 404),
        (from("GET", "/v1/nothing"), 404),
        (from("GET", "/nothing"), 404),
        (from("POST", &path).body(JSON, "{}"), 405),
        (from("PUT", &path).body("text/plain", "{}"), 415),
        (from("PUT", &path).body(JSON, "{"), 400),
        (from("PUT", "/v1/docs/cors/__x__").body(JSON, "{}"), 400),
        (from("DELETE", &path).header("if-match", "\"1\""), 412),
        (from("POST", "/v1/query").body(JSON, "{}"), 400),
        (from("POST", "/v1/query").body(JSON, r#"{"from":{"group":"none"}}"#), 409),
        (from("POST", "/v1/aggregate").body(JSON, "{}"), 400),
        (from("GET", "/v1/docs/cors?limit=0"), 400),
        (
            from("POST", "/v1/commit")
                .body(JSON, r#"{"writes":[{"create":"cors/x","data":{},"ifVersion":9}]}"#),
            409,
        ),
        (from("POST", "/v1/commit").body(JSON, "{}"), 400),
    ] {
        let reply = call.send();
        assert_eq!((reply.status, allowed(&reply)), (status, Some(FOREIGN)), "{reply:?}");
    }
}

#[test]
fn a_preflight_is_told_methods_and_headers() {
    for (path, method) in [
        (fresh("cors").as_str(), "PUT"),
        (fresh("cors").as_str(), "PATCH"),
        (fresh("cors").as_str(), "DELETE"),
        ("/v1/docs/cors", "POST"),
        ("/v1/query", "POST"),
    ] {
        let reply = preflight(client(), path, FOREIGN, method).expect(204);
        assert_eq!((allowed(&reply), reply.body.len()), (Some(FOREIGN), 0));
        let methods = list(&reply, "access-control-allow-methods");
        assert!(methods.contains(&method.to_ascii_lowercase()), "{methods:?}");
        let headers = list(&reply, "access-control-allow-headers");
        for name in [
            "authorization",
            "content-type",
            "if-match",
            "if-none-match",
            "idempotency-key",
            "prefer",
        ] {
            assert!(headers.contains(&name.to_owned()), "{name} in {headers:?}");
        }
        assert!(reply.header("access-control-max-age").is_some());
    }
}

#[test]
fn without_an_origin_nothing_is_said_of_cors() {
    let reply = client().get("/health").send();
    assert_eq!((allowed(&reply), reply.header("access-control-expose-headers")), (None, None));
}

#[test]
fn a_configuration_that_names_origins_lets_no_other_in() {
    let (first, second) = ("https://a.example", "http://localhost:5173");
    let server = TestServer::start_with(&[("CORS_ORIGINS", &format!("{first} {second}"))]);
    let client = server.client();
    client.put("/v1/docs/a/b", &json!({"n": 1})).send().expect(201);
    for (origin, expected) in [
        (first, Some(first)),
        (second, Some(second)),
        (FOREIGN, None),
        ("https://a.example.evil.example", None),
        ("http://a.example", None),
        ("https://A.example", None),
        ("null", None),
        ("*", None),
    ] {
        let get = client.get("/v1/docs/a/b").header("origin", origin).send();
        let missing = client.get("/v1/docs/a/c").header("origin", origin).send();
        let preflight = preflight(&client, "/v1/docs/a/b", origin, "PUT");
        // The server is open: what other pages send is not done.
        let statuses = if expected.is_some() { [200, 404, 204] } else { [403; 3] };
        assert_eq!([get.status, missing.status, preflight.status], statuses, "{origin}");
        for reply in [&get, &missing, &preflight] {
            assert_eq!(allowed(reply), expected, "{origin}");
            assert!(list(reply, "vary").contains(&"origin".to_owned()), "{origin}");
        }
        let exposed = get.header("access-control-expose-headers");
        assert_eq!(exposed.is_some(), expected.is_some(), "{origin}");
    }
}
