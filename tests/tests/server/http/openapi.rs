//! `GET /v1/openapi.json`: a valid OpenAPI 3.1 description of what the contract's table has.

use crate::{client, document, encode};
use blaze_tests::client::{JSON, Reply, fresh, fresh_collection};
use blaze_tests::described::{resolve, validator};
use blaze_tests::server::{TestServer, is_standalone};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn description() -> Value {
    let reply = client().get("/v1/openapi.json").send().expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

/// Path templates with their operations by method.
fn operations(description: &Value) -> BTreeMap<String, BTreeMap<String, Value>> {
    let paths = description["paths"].as_object().expect("paths");
    let of = |item: &Value| {
        let item = item.as_object().expect("a path item");
        let operations = item.iter().filter(|(key, _)| METHODS.contains(&key.as_str()));
        operations.map(|(method, operation)| (method.clone(), operation.clone())).collect()
    };
    paths.iter().map(|(path, item)| (path.clone(), of(item))).collect()
}

#[test]
fn it_is_openapi_3_1() {
    let description = description();
    let version = description["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1."), "{version}");
    for key in ["title", "version"] {
        assert!(description["info"][key].is_string(), "info.{key}");
    }
    let mut shapes = BTreeSet::new();
    for path in operations(&description).keys() {
        assert!(path.starts_with('/'), "{path}");
        // Two templates that differ only in the names of their parameters are one path.
        let shape: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
        assert!(shapes.insert(shape.join("/")), "{path} is there twice");
    }
}

#[test]
fn it_has_every_row_of_the_contract() {
    let description = description();
    let operations = operations(&description);
    let has = |prefix: &str, method: &str| {
        operations.iter().any(|(path, item)| path.starts_with(prefix) && item.contains_key(method))
    };
    for (prefix, method) in [
        ("/v1/docs/{", "get"),
        ("/v1/docs/{", "put"),
        ("/v1/docs/{", "patch"),
        ("/v1/docs/{", "delete"),
        ("/v1/docs/{", "post"),
        ("/v1/docs/{collection}", "get"),
        ("/v1/query", "post"),
        ("/v1/aggregate", "post"),
        ("/v1/commit", "post"),
        ("/v1/listen", "get"),
        ("/health", "get"),
        ("/v1/openapi.json", "get"),
        ("/v1/rules", "get"),
        ("/v1/rules", "put"),
        ("/v1/rules/versions", "get"),
        ("/v1/keys", "get"),
        ("/v1/keys", "post"),
        ("/v1/keys/{", "delete"),
        ("/v1/audit", "get"),
        ("/v1/jwks.json", "get"),
        ("/v1/accounts/signUp", "post"),
        ("/v1/accounts/signIn", "post"),
        ("/v1/accounts/refresh", "post"),
        ("/v1/accounts/signOut", "post"),
        ("/v1/accounts/oidc/{provider}/start", "post"),
        ("/v1/accounts/oidc/{provider}/finish", "post"),
    ] {
        assert!(has(prefix, method), "{method} {prefix}");
    }
    let patch = operations.values().find_map(|item| item.get("patch")).expect("a patch");
    let body = resolve(&description, &patch["requestBody"]);
    let types: BTreeSet<&String> = body["content"].as_object().expect("content").keys().collect();
    let expected =
        ["application/json", "application/json-patch+json", "application/merge-patch+json"];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_operation_declares_its_parameters_and_its_answers() {
    let description = description();
    let mut ids = BTreeSet::new();
    for (path, item) in operations(&description) {
        let shared = description["paths"][&path]["parameters"].clone();
        for (method, operation) in item {
            let place = format!("{method} {path}");
            if let Some(id) = operation["operationId"].as_str() {
                assert!(ids.insert(id.to_owned()), "{place}: operationId {id} is there twice");
            }
            let declared: BTreeSet<String> = [&shared, &operation["parameters"]]
                .into_iter()
                .filter_map(Value::as_array)
                .flatten()
                .map(|parameter| resolve(&description, parameter))
                .filter(|parameter| parameter["in"] == "path" && parameter["required"] == true)
                .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
                .collect();
            let named: BTreeSet<String> = path
                .split(['{', '}'])
                .skip(1)
                .step_by(2)
                .map(|name| name.trim_start_matches('+').to_owned())
                .collect();
            assert_eq!(declared, named, "{place}");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(!responses.is_empty(), "{place}");
            for (status, response) in responses {
                assert!(
                    resolve(&description, response)["description"].is_string(),
                    "{place} {status}"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let description = description();
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer =
            reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is not local"));
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn errors_are_described_as_problems() {
    let description = description();
    for (path, item) in operations(&description) {
        for (method, operation) in item {
            let responses = operation["responses"].as_object().cloned().unwrap_or_else(Map::new);
            for (status, response) in responses {
                if status.starts_with('4') || status.starts_with('5') || status == "default" {
                    let response = resolve(&description, &response);
                    let content = response["content"].get("application/problem+json");
                    assert!(content.is_some(), "{method} {path} {status}");
                }
            }
        }
    }
}

/// Every `$ref` in a description; those in examples are Blaze's own references.
fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value.as_str()) {
                    ("$ref", Some(reference)) => references.push(reference.to_owned()),
                    ("example" | "examples" | "default" | "const", _) => {}
                    _ => collect(value, references),
                }
            }
        }
        _ => {}
    }
}

/// What the description says of one operation.
struct Operation {
    description: Value,
    path: &'static str,
    method: &'static str,
}

impl Operation {
    fn new(method: &'static str, path: &'static str) -> Self {
        Operation { description: description(), path, method }
    }

    fn content(&self, of: &Value, media_type: &str) -> Value {
        let schema = &resolve(&self.description, of)["content"][media_type]["schema"];
        assert!(schema.is_object(), "{} {}: no schema of {media_type}", self.method, self.path);
        schema.clone()
    }

    fn takes(&self, body: &Value) -> bool {
        let operation = &self.description["paths"][self.path][self.method];
        let schema = self.content(&operation["requestBody"], "application/json");
        validator(&self.description, &schema).is_valid(body)
    }

    /// Asserts that an answer is as it is described: one that is not listed, as a problem.
    fn answers(&self, reply: &Reply) {
        let responses = &self.description["paths"][self.path][self.method]["responses"];
        let listed = &responses[reply.status.to_string()];
        let response = if listed.is_null() { &responses["default"] } else { listed };
        let resolved = resolve(&self.description, response);
        for name in resolved["headers"].as_object().into_iter().flat_map(Map::keys) {
            let place = format!("{} {} {}: {name}", self.method, self.path, reply.status);
            assert!(reply.header(name).is_some(), "{place}");
        }
        if reply.body.is_empty() {
            assert!(resolved["content"].is_null(), "{} {}: no body", self.method, self.path);
            return;
        }
        let media_type = reply.header("content-type").unwrap_or_default();
        assert_eq!(media_type == "application/problem+json", reply.status >= 400);
        let schema = self.content(response, media_type);
        if let Err(wrong) = validator(&self.description, &schema).validate(&reply.json()) {
            panic!("{} {}: {wrong}\n{}", self.method, self.path, reply.text());
        }
    }
}

#[test]
fn commits_are_as_described() {
    let commit = Operation::new("post", "/v1/commit");
    let (url, other) = (fresh("described"), fresh("described"));
    let set = |url: &str| json!({"set": document(url), "data": {}});
    let verify = json!({"verify": document(&url), "ifVersion": 9});
    for (writes, status) in [
        (json!([set(&url)]), 200),
        (json!([]), 200),
        (json!([set(&url), set(&url)]), 200),
        (json!([verify]), 409),
        (json!([set(&url), set(&other)]), if is_standalone() { 200 } else { 501 }),
    ] {
        let body = json!({ "writes": writes });
        assert!(commit.takes(&body), "{body}");
        commit.answers(&client().post("/v1/commit", &body).send().expect(status));
    }
    let wrong = json!({"writes": [{"set": document(&url)}]});
    assert!(!commit.takes(&wrong));
    commit.answers(&client().post("/v1/commit", &wrong).send().expect(400));
}

#[test]
fn administration_is_as_described() {
    let server = TestServer::start_closed(&json!({}), &[("OPEN", "1")]);
    let client = server.client();
    let create = Operation::new("post", "/v1/keys");
    let key = |body: Value| {
        assert!(create.takes(&body), "{body}");
        let reply = client.post("/v1/keys", &body).send().expect(201);
        create.answers(&reply);
        reply.json()["key"].as_str().expect("a key").to_owned()
    };
    let admin = key(json!({"name": "a", "roles": ["admin"]}));
    let editor = key(json!({"name": "e", "expireTime": "2100-01-01T00:00:00Z"}));
    let put = Operation::new("put", "/v1/rules");
    let send = |method: &str, path: &str, key: &str| {
        client.request(method, path).header("authorization", &format!("Bearer {key}"))
    };
    let rules = |text: &str| send("PUT", "/v1/rules", &admin).body("text/plain", text);
    let text = "match /a/{b} { allow read; }";
    put.answers(&rules(text).send().expect(201));
    put.answers(&rules(text).send().expect(200));
    put.answers(&rules("match").send().expect(400));
    put.answers(&rules(text).header("if-match", "\"7\"").send().expect(412));
    put.answers(
        &send("PUT", "/v1/rules", &admin).body("application/json", "{}").send().expect(415),
    );
    let rotate = Operation::new("post", "/v1/signing-keys");
    let rotated = |body: &str| send("POST", "/v1/signing-keys", &admin).body(JSON, body).send();
    rotate.answers(&rotated("{}").expect(201));
    rotate.answers(&rotated("{}").expect(409));
    rotate.answers(&rotated(r#"{"revoke":true}"#).expect(201));
    rotate.answers(&rotated("[]").expect(400));
    for (path, method, url, status) in [
        ("/v1/rules", "get", "/v1/rules", 200),
        ("/v1/rules", "get", "/v1/rules?version=1", 200),
        ("/v1/rules", "get", "/v1/rules?version=9", 404),
        ("/v1/rules/versions", "get", "/v1/rules/versions", 200),
        ("/v1/keys", "get", "/v1/keys", 200),
        ("/v1/audit", "get", "/v1/audit?limit=1", 200),
        ("/v1/audit", "get", "/v1/audit?limit=0", 400),
        ("/v1/jwks.json", "get", "/v1/jwks.json", 200),
        ("/v1/keys/{id}", "delete", "/v1/keys/none", 404),
    ] {
        let operation = Operation::new(method, path);
        operation.answers(&send(&method.to_uppercase(), url, &admin).send().expect(status));
        let is_public = path == "/v1/jwks.json";
        let unknown = if is_public { 200 } else { 401 };
        operation.answers(&send(&method.to_uppercase(), url, "forged").send().expect(unknown));
        let forbidden = if is_public { 200 } else { 403 };
        operation.answers(&send(&method.to_uppercase(), url, &editor).send().expect(forbidden));
    }
    // Rules, too, are told as described.
    let get = Operation::new("get", "/v1/docs/{collection}/{id}");
    get.answers(&client.get("/v1/docs/b/c").send().expect(401));
    get.answers(&send("GET", "/v1/docs/b/c", &editor).send().expect(403));
    let id = editor.split('_').nth(1).expect("an id");
    let revoked = send("DELETE", &format!("/v1/keys/{id}"), &admin).send().expect(204);
    Operation::new("delete", "/v1/keys/{id}").answers(&revoked);
}

#[test]
fn accounts_are_as_described() {
    let access = json!({
        "accounts": {"passwords": true, "signUp": true},
        "rates": {"signIn": {"requests": 10, "seconds": 600}},
    });
    let server = TestServer::start_closed(&access, &[("OPEN", "1")]);
    let client = server.client();
    let post = |path: &'static str, body: &Value, status: u16| {
        let operation = Operation::new("post", path);
        assert!(operation.takes(body), "{body}");
        let reply = client.post(path, body).send().expect(status);
        operation.answers(&reply);
        reply
    };
    let credentials = json!({"email": "a@b.c", "password": "correct horse"});
    let wrong = json!({"email": "a@b.c", "password": "another horse"});
    let token = |reply: Reply| json!({"refreshToken": reply.json()["refreshToken"]});
    let first = token(post("/v1/accounts/signUp", &credentials, 200));
    post("/v1/accounts/signUp", &credentials, 409);
    post("/v1/accounts/signIn", &credentials, 200);
    post("/v1/accounts/signIn", &wrong, 401);
    let next = token(post("/v1/accounts/refresh", &first, 200));
    post("/v1/accounts/signOut", &next, 204);
    post("/v1/accounts/refresh", &next, 401);
    for _ in 7..10 {
        post("/v1/accounts/signIn", &wrong, 401);
    }
    post("/v1/accounts/signIn", &credentials, 429);
    // As it was built.
    let off = super::client().post("/v1/accounts/signIn", &credentials).send().expect(404);
    Operation::new("post", "/v1/accounts/signIn").answers(&off);
}

/// A collection of a few documents with values of many types.
fn some_documents() -> String {
    let collection = fresh_collection();
    for (id, data) in [
        ("a", json!({"n": 1, "tags": ["x"], "at": {"$timestamp": "2026-11-21T10:00:00Z"}})),
        ("b", json!({"n": 2.5, "tags": [], "m": {"k": null}})),
        ("c", json!({"n": {"$number": "NaN"}, "place": {"$geopoint": [1, 2]}})),
        ("d", json!({})),
    ] {
        client().put(&format!("/v1/docs/{collection}/{id}"), &data).send().expect(201);
    }
    collection
}

#[test]
fn queries_and_their_answers_are_as_described() {
    let (operation, from) = (Operation::new("post", "/v1/query"), some_documents());
    let mut seen = BTreeSet::new();
    for rest in [
        json!({}),
        json!({"limit": 1, "explain": true}),
        json!({"orderBy": [{"field": "n", "direction": "desc"}], "limitToLast": 2, "select": ["n"]}),
        json!({"orderBy": [{"field": "n"}], "startAfter": [1], "endAt": [9], "offset": 1}),
        json!({"where": {"field": "tags", "op": "array-contains", "value": "x"}, "select": []}),
        json!({"where": {"or": [
            {"field": "n", "op": "in", "value": [1, {"$number": "NaN"}]},
            {"and": [{"field": "`m`.k", "op": "==", "value": null}]},
        ]}}),
    ] {
        let mut query = rest;
        query["from"] = json!(from);
        assert!(operation.takes(&query), "{query}");
        let reply = client().post("/v1/query", &query).send().expect(200);
        operation.answers(&reply);
        let mut answer = reply.json();
        seen.extend(answer.as_object().unwrap().keys().cloned());
        query["pageToken"] = answer["nextPageToken"].take();
        if query["pageToken"].is_string() {
            assert!(operation.takes(&query), "{query}");
            operation.answers(&client().post("/v1/query", &query).send().expect(200));
        }
    }
    let all = ["documents", "explain", "nextPageToken", "readTime"];
    assert_eq!(seen.iter().collect::<Vec<_>>(), all, "what a query may answer");
    for refused in [json!({"from": "a/b"}), json!({"from": from, "limit": 0}), json!([])] {
        assert!(!operation.takes(&refused), "{refused}");
        let reply = client().post("/v1/query", &refused).send();
        reply.problem(400, "invalid-argument");
        operation.answers(&reply);
    }
    let group = json!({"from": {"group": "undeclared"}});
    assert!(operation.takes(&group));
    operation.answers(&client().post("/v1/query", &group).send().expect(409));
}

#[test]
fn aggregations_and_their_answers_are_as_described() {
    let (operation, from) = (Operation::new("post", "/v1/aggregate"), some_documents());
    let some = json!({"field": "n", "op": "<", "value": 3});
    for (query, aggregates) in [
        (json!({"from": from}), json!({"n": "count"})),
        (json!({"from": from}), json!({"s": {"sum": "n"}, "": {"avg": "n"}})),
        (json!({"from": from, "where": some}), json!({"s": {"sum": "n"}, "m": {"avg": "n"}})),
        (json!({"from": from}), json!({"none": {"avg": "nothing"}, "zero": {"sum": "`x.y`"}})),
    ] {
        let body = json!({"query": query, "aggregates": aggregates});
        assert!(operation.takes(&body), "{body}");
        operation.answers(&client().post("/v1/aggregate", &body).send().expect(200));
    }
    for refused in [
        json!({"query": {"from": from}}),
        json!({"query": {"from": from}, "aggregates": {"n": "sum"}}),
        json!({"query": {"from": from}, "aggregates": {"n": {"min": "a"}}}),
        json!({"query": {"from": from, "pageToken": "x"}, "aggregates": {"n": "count"}}),
    ] {
        assert!(!operation.takes(&refused), "{refused}");
        operation.answers(&client().post("/v1/aggregate", &refused).send().expect(400));
    }
}

#[test]
fn lists_are_as_described() {
    let (operation, from) = (Operation::new("get", "/v1/docs/{collection}"), some_documents());
    let parameters = &operation.description["paths"][operation.path]["get"]["parameters"];
    let names = parameters.as_array().expect("parameters").iter();
    let list = |query: &str| client().get(&format!("/v1/docs/{from}?{query}")).send();
    for name in names.map(|parameter| parameter["name"].as_str().expect("a name")) {
        let page = list("orderBy=n&limit=1").json();
        let value = match name {
            "where" => "n>=1",
            "limit" | "limitToLast" | "offset" => "1",
            "explain" => "true",
            "pageToken" => page["nextPageToken"].as_str().expect("a token"),
            _ => "n",
        };
        let (value, orders) = (encode(value), if name == "orderBy" { "" } else { "&orderBy=n" });
        operation.answers(&list(&format!("{name}={value}{orders}")).expect(200));
    }
    operation.answers(&list("").expect(200));
    for refused in ["limit=0", "where=n", "nothing=1"] {
        operation.answers(&list(refused).expect(400));
    }
}
