//! `engine/src/http/openapi.json` is what the code's types and routes say. `BLAZE_BLESS=1 cargo test -p blaze-tests --test
//! openapi` writes it anew.
//!
//! What is read by hand is described by hand: so whatever the code takes, the description must take; and what the code
//! refuses, the description must refuse, but for what no JSON Schema can say.

use blaze_engine::http::route::{Route, route};
use blaze_engine::http::{Headers, Request, account_request, admin_request, openapi};
use blaze_engine::index::aggregate::Aggregation;
use blaze_identity::access::{Access, Effect};
use blaze_identity::accounts::settings::Settings;
use blaze_identity::auth::Issuers;
use blaze_schema::commit;
use blaze_schema::error::Error;
use blaze_schema::limits::{
    AGGREGATES, API_KEY_NAME_BYTES, AUDIT_PAGE, EMAIL_BYTES, FIELD_PATH_KEYS, IN_VALUES,
    NOT_IN_VALUES, PASSWORD_BYTES, PASSWORD_MIN_BYTES, QUERY_SELECT, QUERY_TERMS,
};
use blaze_schema::path::CollectionPath;
use blaze_schema::query::{Operator, Query};
use blaze_schema::timestamp::Timestamp;
use blaze_store::memory::MemoryStore;
use blaze_tests::damage::damaged;
use blaze_tests::described::{resolve, validator};
use blaze_tests::generate;
use blaze_tests::generate_queries::World;
use blaze_tests::random::Random;
use blaze_tests::seed::seed;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

#[test]
fn the_served_description_is_the_codes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/src/http/openapi.json");
    let mut expected = serde_json::to_string_pretty(&openapi::document()).unwrap();
    expected.push('\n');
    if env::var_os("BLAZE_BLESS").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap() == expected,
        "openapi.json is out of date: see the top of this test"
    );
}

fn component(name: &str) -> Validator {
    validator(&openapi::document(), &json!({"$ref": format!("#/components/schemas/{name}")}))
}

/// What no JSON Schema can say: pieces of the details of such refusals.
const BEYOND_SCHEMAS: [&str; 24] = [
    // Ids and paths by their bytes, and those that mean something else.
    "path: an id of ",
    "path: \".",
    "is reserved (__",
    " segments, of ",
    "is no id",
    "$ref: path: ",
    // What is counted over the whole query.
    "disjunctions in disjunctive normal form",
    "filters and orders",
    "of and, or inside each other",
    "nested more than",
    "recursion limit exceeded",
    "a second time",
    "as many as orders",
    // What depends on the field.
    "a document's path, which __name__ is",
    "of __name__, which is no array",
    // What is inside of strings.
    "$timestamp: ",
    "$bytes: not base64",
    // In a value of __name__.
    "value: path: ",
    // What is inside of a document, and JSON Pointers.
    "]: data",
    "]: field path ",
    "]: operations[",
    // In a write.
    "]: path: ",
    "ifVersion: not a version",
    // JSON has one kind of numbers: 2.0 is an integer there.
    "a number that is no integer from",
];

/// Asserts that code and description say the same of `value`. Whether it is good.
fn agreed<T>(
    validator: &Validator,
    value: &Value,
    read: impl FnOnce(Value) -> Result<T, Error>,
) -> bool {
    let wrong = validator.validate(value).err();
    match (read(value.clone()), wrong) {
        (Ok(_), None) => true,
        (Ok(_), Some(wrong)) => panic!("described as wrong, and taken: {wrong}\n{value}"),
        (Err(error), None) => {
            let known = BEYOND_SCHEMAS.iter().any(|detail| error.detail.contains(detail));
            assert!(known, "described as right, and refused: {error}\n{value}");
            false
        }
        (Err(_), Some(_)) => false,
    }
}

#[test]
fn random_queries_and_aggregations_are_described_as_they_are_read() {
    let mut random = Random::new(seed());
    let (queries, aggregations) = (component("Query"), component("Aggregation"));
    let (mut good, mut bad) = (0, 0);
    for _ in 0..200 {
        let world = World::new(&mut random);
        for _ in 0..20 {
            let mut query = world.query(&mut random);
            assert!(agreed(&queries, &query, Query::from_json), "{query}");
            if random.chance(20) {
                query["pageToken"] = json!("token");
            }
            let written = Query::from_json(query.clone()).unwrap().to_json();
            assert!(agreed(&queries, &written, Query::from_json), "{written}");
            let body = json!({"query": query, "aggregates": world.aggregates(&mut random)});
            for is_taken in [
                agreed(&queries, &damaged(&mut random, &query), Query::from_json),
                agreed(&aggregations, &damaged(&mut random, &body), Aggregation::from_json),
            ] {
                *(if is_taken { &mut good } else { &mut bad }) += 1;
            }
        }
    }
    assert!(good > 500 && bad > 2_000, "{good} good, {bad} bad");
}

#[test]
fn random_commits_are_described_as_they_are_read() {
    let mut random = Random::new(seed());
    let commits = component("Commit");
    let read = |value: Value| commit::read(value.to_string().as_bytes());
    let (mut good, mut bad) = (0, 0);
    for _ in 0..4_000 {
        let writes =
            json!((0..random.below(4)).map(|_| generate::write(&mut random)).collect::<Vec<_>>());
        for body in [json!({"writes": writes}), damaged(&mut random, &json!({"writes": writes}))] {
            *(if agreed(&commits, &body, read) { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 500 && bad > 2_000, "{good} good, {bad} bad");
}

fn filter(op: &str, value: Value) -> Value {
    json!({"from": "c", "where": {"field": "a", "op": op, "value": value}})
}

#[test]
fn every_operator_takes_what_it_is_described_to_take() {
    let queries = component("Query");
    for op in Operator::ALL.map(Operator::as_str) {
        for value in [json!(1), json!(null), json!("x"), json!([]), json!([1]), json!({"a": [1]})] {
            agreed(&queries, &filter(op, value), Query::from_json);
        }
        assert!(agreed(&queries, &filter(op, json!([1, "x"])), Query::from_json), "{op}");
    }
    assert!(!queries.is_valid(&filter("=", json!(1))));
    assert!(!queries.is_valid(&filter("in", json!(1))));
}

#[test]
fn what_is_refused_is_described_as_wrong() {
    let queries = component("Query");
    let by_a = json!([{"field": "a"}]);
    for query in [
        json!([]),
        json!({}),
        json!({"from": 1}),
        json!({"from": "a/b"}),
        json!({"from": "a//c"}),
        json!({"from": {"group": "a/b"}}),
        json!({"from": {"groups": "a"}}),
        json!({"from": "c", "were": {}}),
        json!({"from": "c", "where": {}}),
        json!({"from": "c", "where": {"and": []}}),
        json!({"from": "c", "where": {"and": [], "or": []}}),
        json!({"from": "c", "where": {"field": "a", "op": "=="}}),
        json!({"from": "c", "where": {"field": "a..b", "op": "==", "value": 1}}),
        json!({"from": "c", "orderBy": {"field": "a"}}),
        json!({"from": "c", "orderBy": [{"field": "a", "direction": "down"}]}),
        json!({"from": "c", "limit": 0}),
        json!({"from": "c", "limit": 1.5}),
        json!({"from": "c", "limit": "5"}),
        json!({"from": "c", "limitToLast": 1}),
        json!({"from": "c", "limitToLast": 1, "orderBy": []}),
        json!({"from": "c", "limit": 1, "limitToLast": 1, "orderBy": by_a}),
        json!({"from": "c", "offset": -1}),
        json!({"from": "c", "startAt": []}),
        json!({"from": "c", "startAt": ["x"], "startAfter": ["x"]}),
        json!({"from": "c", "endAt": ["x"], "endBefore": ["x"]}),
        json!({"from": "c", "orderBy": by_a, "endAt": 5}),
        json!({"from": "c", "select": "a"}),
        json!({"from": "c", "select": ["a", "b..c"]}),
        json!({"from": "c", "pageToken": 5}),
        json!({"from": "c", "explain": 1}),
        filter("==", json!({"$x": 1})),
        filter("==", json!({"$increment": 1})),
        filter("==", json!({"a": {"b": 1, "$c": 2}})),
        filter("==", json!({"$geopoint": [91, 0]})),
        filter("==", json!({"$number": "nan"})),
    ] {
        assert!(!agreed(&queries, &query, Query::from_json), "{query}");
        assert!(!queries.is_valid(&query), "{query}");
    }
}

#[test]
fn limits_are_described() {
    let (queries, aggregations) = (component("Query"), component("Aggregation"));
    let check = |limit: usize, query: &dyn Fn(usize) -> Value| {
        assert!(agreed(&queries, &query(limit), Query::from_json), "{}", query(limit));
        assert!(!agreed(&queries, &query(limit + 1), Query::from_json));
        assert!(!queries.is_valid(&query(limit + 1)), "{}", query(limit + 1));
    };
    let fields = |count: usize| (0..count).map(|n| format!("f{n}")).collect::<Vec<_>>();
    check(IN_VALUES, &|count| filter("in", json!(vec![1; count])));
    check(IN_VALUES, &|count| filter("array-contains-any", json!(vec![1; count])));
    check(NOT_IN_VALUES, &|count| filter("not-in", json!(vec![1; count])));
    check(QUERY_SELECT, &|count| json!({"from": "c", "select": fields(count)}));
    check(QUERY_TERMS, &|count| {
        let orders = fields(count).into_iter().map(|field| json!({ "field": field }));
        json!({"from": "c", "orderBy": orders.collect::<Vec<_>>()})
    });
    let deep = |count: usize| [vec!["`a.`"], vec!["k"; count - 1]].concat().join(".");
    check(FIELD_PATH_KEYS, &|count| json!({"from": "c", "select": [deep(count)]}));
    let many = |count: usize| {
        let names = fields(count).into_iter();
        let counts: serde_json::Map<_, _> = names.map(|name| (name, json!("count"))).collect();
        json!({"query": {"from": "c"}, "aggregates": counts})
    };
    assert!(agreed(&aggregations, &many(AGGREGATES), Aggregation::from_json));
    for wrong in [many(0), many(AGGREGATES + 1)] {
        assert!(!aggregations.is_valid(&wrong));
        assert!(!agreed(&aggregations, &wrong, Aggregation::from_json));
    }
}

/// The parameters of the list form: their names, and what takes their values.
fn list_parameters() -> Vec<(String, Validator)> {
    let document = openapi::document();
    let list = &document["paths"]["/v1/docs/{collection}"]["get"]["parameters"];
    let parameters = list.as_array().unwrap().iter().map(|parameter| {
        assert_eq!(
            (&parameter["in"], &parameter["required"]),
            (&json!("query"), &json!(false)),
            "{parameter}"
        );
        let schema = match parameter["schema"]["type"].as_str() {
            // Given more often, each is an item.
            Some("array") => &parameter["schema"]["items"],
            _ => &parameter["schema"],
        };
        (parameter["name"].as_str().unwrap().to_owned(), validator(&document, schema))
    });
    parameters.collect()
}

#[test]
fn a_list_has_the_parameters_that_are_described() {
    let parameters = list_parameters();
    let names: BTreeSet<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    let document = openapi::document();
    let query = document["components"]["schemas"]["Query"]["properties"].as_object().unwrap();
    let keys: BTreeSet<&str> = query.keys().map(String::as_str).collect();
    let only_of_queries: Vec<&&str> = keys.difference(&names).collect();
    assert_eq!(only_of_queries, [&"from"], "the path says it");
    assert!(names.is_subset(&keys), "{names:?}");
    let read = |name: &str, text: &str| {
        let mut pairs = vec![(name.to_owned(), text.to_owned())];
        if name == "limitToLast" {
            pairs.push(("orderBy".to_owned(), "a".to_owned()));
        }
        Query::from_list(CollectionPath::parse("c").unwrap(), &pairs)
    };
    for (name, text, good) in [
        ("where", "age>=18", true),
        ("where", "`a==b`.c not-in [1]", true),
        ("where", "tags array-contains vip", true),
        ("where", "age=18", false),
        ("where", "tagsarray-contains vip", false),
        ("orderBy", "-age,name desc", true),
        ("orderBy", "", false),
        ("limit", "3", true),
        ("limit", "0", false),
        ("limit", "many", false),
        ("limitToLast", "3", true),
        ("limitToLast", "-3", false),
        ("offset", "0", true),
        ("offset", "1.5", false),
        ("startAt", "a", true),
        ("startAfter", "[\"a\"]", true),
        ("endAt", "a", true),
        ("endBefore", "a", true),
        ("select", "a,b.c", true),
        ("select", "", true),
        ("pageToken", "12", true),
        ("explain", "true", true),
        ("explain", "yes", false),
    ] {
        let (_, validator) = parameters.iter().find(|(other, _)| other == name).unwrap();
        // A parameter is a text; where another type is described, it is that type's JSON.
        let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        let is_described = validator.is_valid(&value) || validator.is_valid(&json!(text));
        assert_eq!(is_described, good, "{name}={text}");
        assert_eq!(read(name, text).is_ok(), good, "{name}={text}");
    }
    for name in &names {
        let unknown = read(name, "").is_err_and(|error| error.detail.contains("no parameter"));
        assert!(!unknown, "{name} is described, and not read");
    }
}

struct JsonType;

impl Headers for JsonType {
    fn get(&self, name: &str) -> Option<String> {
        (name == "content-type").then(|| "application/json".to_owned())
    }
}

/// The operations with JSON bodies about accounts and keys: their paths, and good bodies.
fn bodies() -> Vec<(&'static str, Vec<Value>)> {
    let token =
        "blzr_ZW1haWw6YUBiLmM.s.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (redirect, state) = ("http://localhost/", "A".repeat(43));
    let credentials = vec![
        json!({"email": "A@b.c", "password": "x".repeat(PASSWORD_MIN_BYTES)}),
        json!({"email": "ä@b", "password": "😀".repeat(PASSWORD_MIN_BYTES / 4)}),
        json!({"email": format!("{}@b.c", "a".repeat(EMAIL_BYTES - 4)), "password": "x".repeat(PASSWORD_BYTES)}),
    ];
    let finish = json!({"state": state, "code": "c", "secret": "s", "redirectUri": redirect});
    let mut named = finish.clone();
    named["iss"] = json!("https://a.example");
    vec![
        ("/v1/accounts/signUp", credentials.clone()),
        ("/v1/accounts/signIn", credentials),
        ("/v1/signing-keys", vec![json!({"revoke": false}), json!({"revoke": true})]),
        ("/v1/accounts/refresh", vec![json!({"refreshToken": token})]),
        (
            "/v1/accounts/signOut",
            vec![
                json!({"refreshToken": token}),
                json!({"refreshToken": token, "everywhere": true}),
            ],
        ),
        ("/v1/accounts/oidc/{provider}/start", vec![json!({"redirectUri": redirect})]),
        ("/v1/accounts/oidc/{provider}/finish", vec![finish, named]),
        (
            "/v1/keys",
            vec![
                json!({"name": "n"}),
                json!({"name": "n", "roles": ["a", "b"], "expireTime": null}),
                json!({"name": "n", "roles": [], "expireTime": "2030-01-01T00:00:00Z"}),
            ],
        ),
    ]
}

/// What the code says of a body.
fn read_body(path: &str, body: &Value) -> Result<(), Error> {
    let settings = Settings::from_json(&json!({
        "passwords": true, "signUp": true, "redirects": ["http://localhost/"],
        "providers": {"own": {"issuer": "https://a.example", "clientId": "c"}},
    }));
    let (settings, body) = (settings?, body.to_string().into_bytes());
    let path = path.replace("{provider}", "own");
    let request = Request { method: "POST", path: &path, query: "", headers: &JsonType };
    match path.as_str() {
        "/v1/keys" | "/v1/signing-keys" => {
            let event = admin_request::event(&request, &body, "key:a")?;
            let now = Timestamp::from_micros(1);
            let effects = Access::new(&Issuers::default()).handle(
                &mut MemoryStore::default(),
                now,
                [1, 2],
                event,
            );
            let Some(Effect::Answer(answer)) = effects.into_iter().last() else {
                panic!("no answer")
            };
            answer.map(drop)
        }
        _ => account_request::read(&request, Some(&body), Some(&settings), [1, 2]).map(drop),
    }
}

/// What no JSON Schema can say of these bodies: what is counted in bytes, or is a secret's inside, or in a list of the
/// server's own.
const BEYOND_BODIES: [&str; 9] = [
    "redirectUri: not one of",
    "refreshToken: not a refresh token",
    "state: not one",
    "email: not an address",
    "password: ",
    "expireTime: ",
    "roles: ",
    "name: 1 to ",
    "email: more than",
];

#[test]
fn what_is_sent_about_accounts_and_keys_is_described_as_it_is_read() {
    let document = openapi::document();
    let mut random = Random::new(seed());
    let (mut good, mut bad) = (0, 0);
    for (path, bodies) in bodies() {
        let content = &document["paths"][path]["post"]["requestBody"]["content"];
        let validator = validator(&document, &content["application/json"]["schema"]);
        let mut check = |body: &Value| {
            let is_described = validator.is_valid(body);
            match read_body(path, body) {
                Ok(()) => assert!(is_described, "{path}: described as wrong, and taken: {body}"),
                Err(error) if is_described => {
                    let known = BEYOND_BODIES.iter().any(|detail| error.detail.contains(detail));
                    assert!(known, "{path}: described as right, and refused: {error}\n{body}");
                }
                Err(_) => {}
            }
            *(if is_described { &mut good } else { &mut bad }) += 1;
            is_described
        };
        for body in bodies {
            assert!(check(&body), "{path}: {body}");
            read_body(path, &body).unwrap_or_else(|error| panic!("{path}: {error}\n{body}"));
            for key in body.as_object().expect("an object").keys() {
                for wrong in [json!(1), json!({}), json!([1]), json!("")] {
                    let mut body = body.clone();
                    body[key] = wrong;
                    check(&body);
                }
                let mut without = body.clone();
                without.as_object_mut().expect("an object").remove(key);
                check(&without);
            }
            let mut more = body.clone();
            more["another"] = json!(1);
            assert!(!check(&more), "{path}: {more}");
            for _ in 0..50 {
                check(&damaged(&mut random, &body));
            }
        }
        assert!(!check(&json!([])));
    }
    assert!(good > 30 && bad > 500, "{good} good, {bad} bad");
}

#[test]
fn limits_of_accounts_and_keys_are_described() {
    let is_valid = |name: &str, value: &Value| component(name).is_valid(value);
    let long = |email: usize, password: usize| json!({"email": format!("{}@b", "a".repeat(email - 2)), "password": "x".repeat(password)});
    assert!(is_valid("Credentials", &long(EMAIL_BYTES, PASSWORD_BYTES)));
    assert!(!is_valid("Credentials", &long(EMAIL_BYTES + 1, PASSWORD_BYTES)));
    assert!(!is_valid("Credentials", &long(EMAIL_BYTES, PASSWORD_BYTES + 1)));
    let key = |bytes: usize| json!({"name": "n".repeat(bytes)});
    assert!(is_valid("NewApiKey", &key(API_KEY_NAME_BYTES)));
    assert!(!is_valid("NewApiKey", &key(API_KEY_NAME_BYTES + 1)));
    assert!(!is_valid("NewApiKey", &key(0)));
    let limit = openapi::document()["paths"]["/v1/audit"]["get"]["parameters"][1].clone();
    assert_eq!(
        (&limit["name"], &limit["schema"]["maximum"]),
        (&json!("limit"), &json!(AUDIT_PAGE))
    );
}

/// The methods that the router knows for a path of the description.
fn routed(path: &str) -> BTreeSet<String> {
    let path = path.replace("{provider}", "own").replace(['{', '}'], "");
    let Ok(Route::Options(methods)) = route("OPTIONS", &path) else { panic!("{path}: no route") };
    // What HEAD answers is what GET does.
    methods.split(", ").filter(|method| *method != "HEAD").map(str::to_lowercase).collect()
}

#[test]
fn every_path_has_the_methods_that_are_routed() {
    let document = openapi::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        let described = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
        assert_eq!(described.cloned().collect::<BTreeSet<_>>(), routed(path), "{path}");
    }
}

#[test]
fn refusals_have_their_headers_wherever_they_can_come() {
    let document = openapi::document();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            seen += 1;
            // Whoever sends a token that is not good is told so, but by what is the same for everybody.
            let is_for_all =
                ["/health", "/v1/jwks.json", "/v1/openapi.json"].contains(&path.as_str());
            let decides = operation["security"] != json!([]);
            let is_account = path.starts_with("/v1/accounts/");
            for (status, header, comes) in [
                ("401", Some("WWW-Authenticate"), !is_for_all),
                ("403", None, decides || is_account),
                ("429", Some("Retry-After"), true),
            ] {
                let response = resolve(&document, &operation["responses"][status]);
                assert_eq!(response.is_object(), comes, "{method} {path} {status}");
                if let (true, Some(header)) = (comes, header) {
                    assert!(response["headers"][header].is_object(), "{method} {path} {status}");
                }
            }
        }
    }
    assert!(seen >= 25, "{seen}");
}
