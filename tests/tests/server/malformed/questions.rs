//! Queries, aggregations and lists with something wrong in them. What can be read all the same is answered, and rightly:
//! as looking at every document does. All else is a problem of the client's.

use super::{SERVER, bytes, mutate};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blaze_engine::http::query_pairs;
use blaze_engine::index::aggregate::Aggregation;
use blaze_schema::error::Error;
use blaze_schema::path::CollectionPath;
use blaze_schema::query::{Limit, Query};
use blaze_schema::timestamp::Timestamp;
use blaze_tests::client::{Client, JSON, Reply, documents};
use blaze_tests::damage::damaged;
use blaze_tests::generate_queries::World;
use blaze_tests::query_oracle::{State, answer, found, is_aggregate};
use blaze_tests::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static CLIENT: LazyLock<Client> = LazyLock::new(|| SERVER.client());

/// The same documents in two collections, with one index and with eight shards: what queries of them are made of, and
/// the documents.
static SAMPLES: LazyLock<Samples> = LazyLock::new(Samples::new);

struct Samples {
    world: World,
    states: Vec<State>,
}

const PLACES: [&str; 2] = ["questions", "x/y/eight"];

impl Samples {
    fn new() -> Self {
        let mut random = Random::new(3);
        let world = loop {
            let world = World::new(&mut random);
            let values =
                world.documents.iter().map(|(_, data)| data.get("a").map(Value::to_string));
            if world.from == "c" && values.collect::<BTreeSet<_>>().len() >= 8 {
                break world;
            }
        };
        let mut states = Vec::new();
        for place in PLACES {
            let place = CollectionPath::parse(place).expect("a path");
            for (path, data) in &world.documents {
                let path = place.child(path.id()).expect("a path");
                let data = Some(data.clone());
                let url = format!("/v1/docs/{}", path.to_url());
                CLIENT.put(&url, &json!(data)).send().expect(201);
                states.push(State::new(&path, 1, 1, Timestamp::from_micros(0), data));
            }
        }
        Samples { world, states }
    }

    /// A good query.
    fn query(&self, random: &mut Random) -> Value {
        let mut query = self.world.query(random);
        query["from"] = json!(*random.pick(&PLACES));
        if random.chance(5) {
            query["from"] = json!({"group": "eight"});
        }
        if random.chance(10) {
            // A token that was once of this query. A query that names an id in a group is none, and has no page.
            query["limit"] = json!(1);
            let first = CLIENT.post("/v1/query", &query).send().json();
            if let Some(token) = first["nextPageToken"].as_str() {
                query["pageToken"] = json!(forged(random, token));
            }
        }
        query
    }

    /// Whether a page is what looking at every document finds.
    fn is_page(&self, query: &Query, page: &Value) -> bool {
        let path = |document: &Value| document["path"].as_str().map(str::to_owned);
        let there: Vec<Option<String>> = documents(page).iter().map(path).collect();
        let of = |states: &[&State]| -> Vec<Option<String>> {
            states.iter().map(|state| Some(state.path.to_string())).collect()
        };
        if query.page_token.is_some() {
            // Who knows where it starts: they are some of the documents, in their order.
            let all = of(&found(query, &self.states));
            let mut rest = all.iter();
            return there.iter().all(|document| rest.any(|other| other == document));
        }
        let expected = answer(query, &self.states);
        let is_cut = matches!(query.limit, Some(Limit::First(_))) && expected.more;
        there == of(&expected.documents) && page.get("nextPageToken").is_some() == is_cut
    }
}

/// A page's token, or what somebody makes of it who knows what is in it.
fn forged(random: &mut Random, token: &str) -> String {
    let inside = URL_SAFE_NO_PAD.decode(token).expect("base64");
    let inside: Value = serde_json::from_slice(&inside).expect("JSON");
    let values = inside.as_array().expect("a fingerprint, values and an offset");
    match random.below(3) {
        0 => token.to_owned(),
        1 => URL_SAFE_NO_PAD.encode(damaged(random, &inside).to_string()),
        _ => {
            // Of the right query, and as many values as there are orders.
            let odd = |value: &Value| damaged(random, value);
            let odd: Vec<Value> = values[1].as_array().expect("values").iter().map(odd).collect();
            URL_SAFE_NO_PAD.encode(json!([values[0], odd, values[2]]).to_string())
        }
    }
}

/// How many questions were answered, and how many refused.
static ANSWERED: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Asks a question with something wrong.
pub(super) fn attack(random: &mut Random) {
    match random.below(3) {
        0 => query(random),
        1 => aggregation(random),
        _ => list(random),
    }
}

/// What is sent in the place of a good body.
fn body(random: &mut Random, good: &Value) -> Vec<u8> {
    let text = match random.below(20) {
        0..2 => return good.to_string().into_bytes(),
        2 => return bytes(random, 300),
        3 => special(random, good),
        4..12 => return damaged(random, good).to_string().into_bytes(),
        _ => good.to_string(),
    };
    let mut text = text.into_bytes();
    mutate(random, &mut text);
    text
}

/// Bodies that are large, deep, or no JSON in a way of their own.
fn special(random: &mut Random, good: &Value) -> String {
    let count = random.below(50_000);
    let with = |key: &str, text: &str| {
        let good = good.to_string();
        let rest = good.trim_start_matches('{');
        format!("{{\"{key}\":{text},{rest}")
    };
    match random.below(12) {
        0 => with("where", &r#"{"and":["#.repeat(count)),
        1 => with("where", &format!("{}{}", "[".repeat(count), "]".repeat(count))),
        2 => with(
            "where",
            &format!("{{\"field\":\"a\",\"op\":\"in\",\"value\":[{}1]}}", "1,".repeat(count)),
        ),
        3 => with("limit", "1e999"),
        4 => with("limit", &format!("1{}", "0".repeat(random.below(400)))),
        5 => with("offset", "18446744073709551615"),
        6 => with("offset", "-0"),
        7 => with("explain", "\"\\ud800\""),
        8 => with("pageToken", "\"WzEsWzFdLDFd\""),
        9 => with("select", &format!("[{}\"a\"]", "\"a\",".repeat(count))),
        10 => with("orderBy", &format!("[{{\"field\":\"{}a\"}}]", "a.".repeat(count))),
        _ => format!("{good}{good}"),
    }
}

const TYPES: [&str; 10] = [
    JSON,
    JSON,
    JSON,
    JSON,
    "application/json; charset=utf-8",
    "",
    "text/plain",
    "application/json-patch+json",
    "application/x-www-form-urlencoded",
    "/",
];

/// Whether a body of this type is looked at.
fn is_json(content_type: &str) -> bool {
    content_type.is_empty() || content_type.starts_with(JSON) && !content_type.contains('+')
}

fn query(random: &mut Random) {
    let good = SAMPLES.query(random);
    let (body, content_type) = (body(random, &good), *random.pick(&TYPES));
    let call = CLIENT.request("POST", "/v1/query").body(content_type, body.clone());
    let read = is_json(content_type).then(|| parsed(&body).and_then(Query::from_json));
    check(&call.send(), read, &body, |query, reply| SAMPLES.is_page(query, &reply.json()));
}

fn aggregation(random: &mut Random) {
    let mut query = SAMPLES.query(random);
    query.as_object_mut().expect("an object").remove("pageToken");
    let good = json!({"query": query, "aggregates": SAMPLES.world.aggregates(random)});
    let (body, content_type) = (body(random, &good), *random.pick(&TYPES));
    let call = CLIENT.request("POST", "/v1/aggregate").body(content_type, body.clone());
    let read = is_json(content_type).then(|| parsed(&body).and_then(Aggregation::from_json));
    check(&call.send(), read, &body, |aggregation, reply| {
        let documents = answer(&aggregation.query, &SAMPLES.states).documents;
        is_aggregate(&reply.json(), &aggregation.to_json()["aggregates"], &documents)
    });
}

fn list(random: &mut Random) {
    // The documents are there from the first question on, also for one that has no sample in it.
    let (samples, place) = (&*SAMPLES, *random.pick(&PLACES));
    let pairs: Vec<String> = (0..random.below(4)).map(|_| pair(random)).collect();
    let mut query = pairs.join("&").into_bytes();
    if random.chance(50) {
        mutate(random, &mut query);
    }
    // What may stand in a URL: anything else is changed on its way.
    query.retain(|byte| byte.is_ascii_alphanumeric() || b"%=&+-._~!*(),;:@$/?".contains(byte));
    let text = String::from_utf8(query).expect("ASCII");
    let collection = CollectionPath::parse(place).expect("a path");
    let read = Query::from_list(collection, &query_pairs(&text));
    let reply = CLIENT.get(&format!("/v1/docs/{place}?{text}")).send();
    check(&reply, Some(read), text.as_bytes(), |query, reply| {
        samples.is_page(query, &reply.json())
    });
}

/// A parameter, almost.
fn pair(random: &mut Random) -> String {
    let good = SAMPLES.query(random);
    let name = *random.pick(&[
        "where",
        "orderBy",
        "limit",
        "limitToLast",
        "offset",
        "startAt",
        "endBefore",
        "select",
        "pageToken",
        "explain",
        "from",
        "",
    ]);
    let value = match (name, random.below(4)) {
        ("where", 0..3) => {
            let (op, value) =
                (*random.pick(&["==", ">=", "<", "!=", " in ", " not-in ", "="]), &good["limit"]);
            format!("{}{op}{value}", random.pick(&["a", "m.x", "tags", "`q.r`", "__name__", "a."]))
        }
        ("orderBy" | "select", 0..3) => {
            (*random.pick(&["a", "-b", "a,b desc", "m.x", "`a", ",", "__name__"])).to_owned()
        }
        (_, 0) => damaged(random, &good).to_string(),
        (_, 1) => "[".repeat(random.below(300)),
        _ => (*random.pick(&["1", "0", "-1", "true", "\"x\"", "1e99", "%", "\u{0}", "[1]"]))
            .to_owned(),
    };
    let encoded: String = value.bytes().take(2_000).map(|byte| format!("%{byte:02X}")).collect();
    format!("{name}={encoded}")
}

fn parsed(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::invalid(error.to_string()))
}

/// Checks an answer to what was `read`; `None` is what is not looked at, for its type.
fn check<T>(
    reply: &Reply,
    read: Option<Result<T, Error>>,
    body: &[u8],
    is_right: impl FnOnce(&T, &Reply) -> bool,
) {
    let shown = || {
        let body = body[..body.len().min(2_000)].escape_ascii().to_string();
        format!("{body} -> {} {:.2000}", reply.status, reply.text())
    };
    if reply.status == 200 {
        ANSWERED.fetch_add(1, Ordering::Relaxed);
        match read {
            Some(Ok(read)) => assert!(is_right(&read, reply), "a wrong answer: {}", shown()),
            _ => panic!("what cannot be read was answered: {}", shown()),
        }
        return;
    }
    REFUSED.fetch_add(1, Ordering::Relaxed);
    assert!((400..500).contains(&reply.status), "{}", shown());
    let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
    let detail = reply.problem(reply.status, &code);
    match read {
        None => assert_eq!(reply.status, 415, "{}", shown()),
        Some(Err(_)) => assert_eq!(code, "invalid-argument", "{}", shown()),
        // What only the index knows: whether a token is of the query, and whether there is such a group.
        Some(Ok(_)) => assert!(
            (code == "invalid-argument" && detail.starts_with("pageToken: "))
                || (code == "failed-precondition" && detail.contains("collections.json")),
            "a good question was refused: {}",
            shown()
        ),
    }
}

/// Asks good questions: the server still knows the answers.
pub(super) fn still_answers() {
    let counts = [&ANSWERED, &REFUSED].map(|count| count.load(Ordering::Relaxed));
    assert!(counts.iter().all(|count| *count > 200), "answered and refused: {counts:?}");
    let mut random = Random::new(5);
    for _ in 0..40 {
        let good = SAMPLES.query(&mut random);
        let reply = CLIENT.post("/v1/query", &good).send();
        let read = Query::from_json(good.clone());
        check(&reply, Some(read), good.to_string().as_bytes(), |query, reply| {
            SAMPLES.is_page(query, &reply.json())
        });
    }
}
