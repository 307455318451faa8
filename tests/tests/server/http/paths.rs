//! Paths: percent-decoded once, per segment; ids by Firestore's rules.

use crate::client;
use blaze_tests::client::{PATIENCE, exchange, fresh, status_of};
use blaze_tests::server::shared;
use serde_json::json;

#[test]
fn segments_are_percent_decoded_once() {
    let base = fresh("paths");
    for (encoded, id) in [
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("%C3%A9t%c3%a9", "été"),
        ("%F0%9F%98%80", "😀"),
        ("100%25", "100%"),
        ("a%2520b", "a%20b"),
        ("a%3Fb%23c", "a?b#c"),
        ("%3C%3E%22%5C%7C%5E%60%7B%7D", "<>\"\\|^`{}"),
        ("%00", "\u{0}"),
        ("a%0D%0Ab", "a\r\nb"),
        ("...", "..."),
        (".a", ".a"),
        ("__a", "__a"),
        ("a__", "a__"),
        ("___", "___"),
        ("~-_.!$&'()*,;=:@", "~-_.!$&'()*,;=:@"),
    ] {
        let path = format!("{base}/c/{encoded}");
        let created = client().put(&path, &json!({"id": id})).send().expect(201);
        let resource = created.json();
        assert_eq!(resource["id"], id, "{encoded}");
        assert!(resource["path"].as_str().unwrap().ends_with(&format!("/c/{id}")), "{encoded}");
        assert_eq!(client().data(created.header("location").unwrap()), json!({"id": id}));
        client().delete(&path).send().expect(204);
    }
}

#[test]
fn two_spellings_of_a_path_are_one_document() {
    let path = fresh("paths");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let other = path.replace("/paths/doc", "/p%61ths/%64%6Fc");
    assert_ne!(other, path);
    assert_eq!(client().resource(&other), client().resource(&path));
    let lower = client().put(&format!("{path}%c3%a9"), &json!({})).send().expect(201).json();
    assert_eq!(client().resource(&format!("{path}%C3%A9")), lower);
    client().get(&format!("{path}?what=ever")).send().problem(400, "invalid-argument");
}

#[test]
fn a_path_that_names_no_document_is_refused() {
    for segments in [
        "users/",
        "/alice",
        "users//alice/x",
        "users/alice/",
        "users/a%2Fb",
        "users/%",
        "users/%4",
        "users/%zz",
        "users/%+1",
        "users/%FF",
        "users/%C3",
        "users/%ED%A0%80",
        "users/__x__",
        "users/____",
        "__users__/x",
        "users/__%C3%A9__",
        "users/%5F%5Fx__",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let call = client().request(method, &format!("/v1/docs/{segments}"));
            let call = if method == "PUT" { call.body("application/json", "{}") } else { call };
            let detail = call.send().problem(400, "invalid-argument");
            assert!(detail.starts_with("path: "), "{segments}: {detail}");
        }
    }
}

/// The answer to a `GET` whose target goes to the server as it is.
fn raw(target: &[u8]) -> Vec<u8> {
    let head = b" HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".as_slice();
    let request = [b"GET ", target, head].concat();
    let (answer, closed) = exchange(&shared().url(), &request, PATIENCE);
    assert!(closed, "{}", String::from_utf8_lossy(&answer));
    answer
}

/// Its status.
fn raw_get(target: &[u8]) -> u16 {
    status_of(&raw(target)).expect("a status")
}

#[test]
fn dots_and_backslashes_are_not_resolved_into_another_document() {
    let path = fresh("paths");
    client().put(&path, &json!({"n": 1})).send().expect(201);
    let (collection, id) = path.rsplit_once('/').unwrap();
    for target in [
        format!("{collection}/."),
        format!("{collection}/.."),
        format!("{collection}/%2e%2E"),
        format!("{collection}/x/../{id}"),
        format!("{collection}/x/y/../../{id}"),
        format!("{collection}/./{id}"),
        format!("{collection}/%2e/{id}/x"),
    ] {
        assert_eq!(raw_get(target.as_bytes()), 400, "{target}");
    }
    assert_eq!(raw_get(path.as_bytes()), 200);
    // An odd number of segments, which is a collection: a backslash is no slash.
    let answer = raw(format!("{collection}\\{id}").as_bytes());
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("\"documents\":[]"), "{answer}");
}

#[test]
fn utf8_may_stand_in_a_path_as_it_is() {
    let path = fresh("paths");
    client().put(&format!("{path}%C3%A9"), &json!({"n": 1})).send().expect(201);
    assert_eq!(raw_get(format!("{path}é").as_bytes()), 200);
    assert_eq!(raw_get(format!("{path}#fragment").as_bytes()), 404);
    assert_eq!(raw_get(format!("http://127.0.0.1{path}%C3%A9").as_bytes()), 200);
}
