//! The limits of a query, wherever it can be asked: `POST /v1/query`, `POST /v1/aggregate`, the list form, `/v1/listen`.

use crate::{client, encode, nested, server, sized};
use blaze_schema::limits::{
    AGGREGATES, ANSWER_BYTES, BODY_BYTES, DOCUMENT_BYTES, DOCUMENT_DEPTH, ENTRIES, FIELD_PATH_KEYS,
    ID_BYTES, IN_VALUES, INDEXED_BYTES, LIVE_QUERY_BYTES, NOT_IN_VALUES, PATH_BYTES, PATH_SEGMENTS,
    QUERY_DEPTH, QUERY_DISJUNCTIONS, QUERY_SELECT, QUERY_TERMS,
};
use blaze_tests::client::{Client, JSON, Reply, documents, fresh_collection, ids};
use blaze_tests::socket::Session;
use serde_json::{Value, json};

fn query(collection: &str, rest: Value) -> Value {
    let mut query = rest;
    query["from"] = json!(collection);
    query
}

fn filter(field: &str, op: &str, value: impl Into<Value>) -> Value {
    json!({"field": field, "op": op, "value": value.into()})
}

/// The names of so many fields.
fn fields(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("f{n}")).collect()
}

/// What answers to a query, wherever it is asked: nothing when all take it, or the details of the refusals, each after
/// what its place is called there.
fn refusals(query: &Value) -> Vec<String> {
    let ask = |path: &str, body: &Value| client().post(path, body).send();
    let aggregation = json!({"query": query, "aggregates": {"n": "count"}});
    let mut refusals = Vec::new();
    for (reply, place) in
        [(ask("/v1/query", query), ""), (ask("/v1/aggregate", &aggregation), "query: ")]
    {
        if reply.status != 200 {
            let detail = reply.problem(400, "invalid-argument");
            let detail = detail.strip_prefix(place);
            refusals.push(detail.unwrap_or_else(|| panic!("not of {place}")).to_owned());
        }
    }
    let mut session = Session::open(&server().url());
    session.listen(1, json!({"query": query}));
    let frame = session.next(1);
    if frame["type"] != "changes" {
        assert_eq!(
            (&frame["type"], &frame["code"]),
            (&json!("error"), &json!("invalid-argument")),
            "{frame}"
        );
        let detail = frame["detail"].as_str().unwrap().strip_prefix("listen: query: ");
        refusals.push(detail.unwrap_or_else(|| panic!("{frame}")).to_owned());
    }
    refusals
}

/// Asserts that a query is taken at the limit and refused one past it, with the same words everywhere.
fn check(limit: usize, query: impl Fn(usize) -> Value, detail: &str) {
    assert_eq!(refusals(&query(limit)), Vec::<String>::new());
    let refusals = refusals(&query(limit + 1));
    assert_eq!(refusals.len(), 3, "{refusals:?}");
    for refusal in refusals {
        assert!(refusal.starts_with(detail), "{detail} in {refusal}");
    }
}

/// The answer to a list with these parameters, which are encoded here.
fn list(collection: &str, pairs: &[(&str, &str)]) -> Reply {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    let pairs: Vec<String> = pairs.collect();
    client().get(&format!("/v1/docs/{collection}?{}", pairs.join("&"))).send()
}

/// The same of the list form.
fn check_list(limit: usize, pairs: impl Fn(usize) -> Vec<(&'static str, String)>, detail: &str) {
    let ask = |count: usize| {
        let pairs = pairs(count);
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        list("limits", &pairs)
    };
    ask(limit).expect(200);
    let refusal = ask(limit + 1).problem(400, "invalid-argument");
    assert!(refusal.starts_with(detail), "{detail} in {refusal}");
}

#[test]
fn values_of_in_and_not_in() {
    let values = |op: &'static str| {
        move |count: usize| query("limits", json!({"where": filter("a", op, vec![1; count])}))
    };
    check(IN_VALUES, values("in"), "where.value: 31 values for in, of 1 to 30");
    check(IN_VALUES, values("array-contains-any"), "where.value: 31 values for array-contains-any");
    check(NOT_IN_VALUES, values("not-in"), "where.value: 11 values for not-in, of 1 to 10");
    for (limit, op) in
        [(IN_VALUES, "in"), (IN_VALUES, "array-contains-any"), (NOT_IN_VALUES, "not-in")]
    {
        let condition = |count: usize| vec![("where", format!("a {op} {}", json!(vec![1; count])))];
        check_list(limit, condition, "where.value: ");
    }
}

#[test]
fn disjunctions() {
    let or = |count: usize| json!({"or": vec![filter("a", "==", 1); count]});
    check(
        QUERY_DISJUNCTIONS,
        |count| query("limits", json!({"where": or(count)})),
        "where: 31 disjunctions",
    );
    // An `in` counts as its values: the disjunctions are a product.
    let both = |count: usize| {
        let values: Vec<usize> = (0..count).collect();
        json!({"and": [or(QUERY_DISJUNCTIONS / 2), filter("a", "in", values)]})
    };
    let asked = |count: usize| refusals(&query("limits", json!({"where": both(count)})));
    assert_eq!(asked(2), Vec::<String>::new());
    assert_eq!(asked(3).len(), 3);
    // Two conditions of a list are both to hold.
    let half = vec![1; QUERY_DISJUNCTIONS / 2];
    let conditions = |count: usize| {
        vec![
            ("where", format!("a in {}", json!(half))),
            ("where", format!("b in {}", json!(vec![1; count]))),
        ]
    };
    check_list(2, conditions, "where: 45 disjunctions");
}

#[test]
fn filters_and_orders() {
    let and = |count: usize| json!({"and": vec![filter("a", "==", 1); count]});
    check(
        QUERY_TERMS,
        |count| query("limits", json!({"where": and(count)})),
        "query: 101 filters and orders",
    );
    let order_by = |count: usize| -> Value {
        fields(count).into_iter().map(|field| json!({ "field": field })).collect()
    };
    check(
        QUERY_TERMS,
        |count| query("limits", json!({"orderBy": order_by(count)})),
        "orderBy: 101 orders",
    );
    let some_of_both = |count: usize| json!({"where": and(60), "orderBy": order_by(count - 60)});
    check(
        QUERY_TERMS,
        |count| query("limits", some_of_both(count)),
        "query: 101 filters and orders",
    );
    check_list(QUERY_TERMS, |count| vec![("where", "a==1".to_owned()); count], "query: 101");
    check_list(QUERY_TERMS, |count| vec![("orderBy", fields(count).join(","))], "orderBy: 101");
}

#[test]
fn levels_of_and_and_or() {
    let deep = |levels: usize| {
        (0..levels).fold(filter("a", "==", 1), |inner, level| match level % 2 {
            0 => json!({"or": [inner]}),
            _ => json!({"and": [inner]}),
        })
    };
    check(
        QUERY_DEPTH,
        |levels| query("limits", json!({"where": deep(levels)})),
        "where.or[0].and[0].or",
    );
}

#[test]
fn selected_fields() {
    let select = |count: usize| query("limits", json!({"select": fields(count)}));
    check(QUERY_SELECT, select, "select: 1001 field paths");
    check_list(QUERY_SELECT, |count| vec![("select", fields(count).join(","))], "select: 1001");
}

#[test]
fn keys_of_field_paths() {
    let field = |keys: usize| vec!["k"; keys].join(".");
    for (place, of) in [
        (
            "where.field",
            (&|keys| json!({"where": filter(&field(keys), "==", 1)})) as &dyn Fn(usize) -> Value,
        ),
        ("orderBy[0].field", &|keys| json!({"orderBy": [{"field": field(keys)}]})),
        ("select[0]", &|keys| json!({"select": [field(keys)]})),
    ] {
        check(FIELD_PATH_KEYS, |keys| query("limits", of(keys)), place);
    }
    check_list(FIELD_PATH_KEYS, |keys| vec![("orderBy", field(keys))], "orderBy[0].field");
    for name in ["sum", "avg"] {
        let ask = |keys: usize| {
            let aggregates = json!({"n": {name: field(keys)}});
            let body = json!({"query": query("limits", json!({})), "aggregates": aggregates});
            client().post("/v1/aggregate", &body).send()
        };
        ask(FIELD_PATH_KEYS).expect(200);
        let detail = ask(FIELD_PATH_KEYS + 1).problem(400, "invalid-argument");
        assert!(detail.starts_with("aggregates.n: field path"), "{detail}");
    }
}

#[test]
fn levels_of_a_value() {
    for (place, of) in [
        (
            "where.value.a",
            (&|value| json!({"where": filter("a", "==", value)})) as &dyn Fn(Value) -> Value,
        ),
        ("startAt[0].a", &|value| json!({"orderBy": [{"field": "a"}], "startAt": [value]})),
    ] {
        check(DOCUMENT_DEPTH, |levels| query("limits", of(nested(levels))), place);
    }
    let condition = |levels: usize| vec![("where", format!("a=={}", nested(levels)))];
    check_list(DOCUMENT_DEPTH, condition, "where.value.a");
}

#[test]
fn aggregates() {
    let ask = |count: usize| {
        let names = fields(count).into_iter();
        let aggregates: serde_json::Map<_, _> = names.map(|name| (name, json!("count"))).collect();
        let body = json!({"query": query("limits", json!({})), "aggregates": aggregates});
        client().post("/v1/aggregate", &body).send()
    };
    assert_eq!(ask(AGGREGATES).expect(200).json().as_object().map(|all| all.len()), Some(5));
    for count in [0, AGGREGATES + 1] {
        let detail = ask(count).problem(400, "invalid-argument");
        assert_eq!(detail, format!("aggregates: {count}, of 1 to 5"));
    }
}

#[test]
fn paths_and_ids() {
    let id = |bytes: usize| "x".repeat(bytes);
    check(ID_BYTES, |bytes| query(&id(bytes), json!({})), "from: path: an id of 1501 bytes");
    check(
        ID_BYTES,
        |bytes| query("limits", json!({"where": filter("__name__", "==", id(bytes))})),
        "where.value: path: an id of 1501 bytes",
    );
    // An odd number of segments is a collection's: the next is two more.
    let segments = |count: usize| vec!["s"; count].join("/");
    let odd = PATH_SEGMENTS - 1;
    check(1, |n| query(&segments(odd + 2 * (n - 1)), json!({})), "from: path: 201 segments");
    // Five segments.
    let path = |bytes: usize| {
        let head = format!("{}/", "p".repeat(1_400)).repeat(4);
        format!("{head}{}", "z".repeat(bytes - head.len()))
    };
    check(PATH_BYTES, |bytes| query(&path(bytes), json!({})), "from: path: 6145 bytes");
    let deep = |bytes: usize| client().get(&format!("/v1/docs/{}", path(bytes))).send();
    deep(PATH_BYTES).expect(200);
    deep(PATH_BYTES + 1).problem(400, "invalid-argument");
    let reference = |bytes: usize| json!({"$ref": format!("{}/d", path(bytes - 2))});
    check(
        PATH_BYTES,
        |bytes| query("limits", json!({"where": filter("a", "==", reference(bytes))})),
        "where.value: $ref: path: 6145 bytes",
    );
}

#[test]
fn bytes_of_a_body() {
    for (path, text) in [
        ("/v1/query", r#"{"from":"limits-none"}"#),
        ("/v1/aggregate", r#"{"query":{"from":"limits-none"},"aggregates":{"n":"count"}}"#),
    ] {
        let ask = |bytes: usize| {
            let body = format!("{}{text}", " ".repeat(bytes - text.len()));
            client().request("POST", path).body(JSON, body).send()
        };
        ask(BODY_BYTES).expect(200);
        for bytes in [BODY_BYTES + 1, 3 * BODY_BYTES] {
            let detail = ask(bytes).problem(413, "resource-exhausted");
            assert_eq!(detail, format!("body: more than {BODY_BYTES} bytes"));
        }
    }
    // A value may be as long as a document's, and longer.
    for bytes in [DOCUMENT_BYTES, 2 * DOCUMENT_BYTES] {
        let long = query("limits-none", json!({"where": filter("a", "==", "x".repeat(bytes))}));
        assert_eq!(client().ids(&long), Vec::<String>::new());
    }
}

#[test]
fn values_longer_than_an_index_entry_are_told_apart() {
    let collection = fresh_collection();
    let texts = ["", "y", "z", "za"].map(|end| "x".repeat(INDEXED_BYTES) + end);
    for (n, text) in texts.iter().enumerate() {
        let data = json!({"t": text, "tags": [text]});
        client().put(&format!("/v1/docs/{collection}/d{n}"), &data).send().expect(201);
    }
    let found = |rest: Value| client().ids(&query(&collection, rest));
    for (n, text) in texts.iter().enumerate() {
        let own = format!("d{n}");
        assert_eq!(found(json!({"where": filter("t", "==", text.as_str())})), [own.as_str()]);
        assert_eq!(found(json!({"where": filter("tags", "array-contains", text.as_str())})), [own]);
        let rest = json!({"where": filter("t", ">", text.as_str())});
        assert_eq!(found(rest), (n + 1..4).map(|n| format!("d{n}")).collect::<Vec<_>>());
    }
    let down = json!({"orderBy": [{"field": "t", "direction": "desc"}], "startAfter": [texts[2]]});
    assert_eq!(found(down), ["d1", "d0"]);
}

#[test]
fn index_entries_of_a_document() {
    let collection = fresh_collection();
    let path = format!("/v1/docs/{collection}/d");
    // The array is an entry too.
    let array = |entries: usize| json!({"a": (0..entries - 1).collect::<Vec<_>>()});
    client().put(&path, &array(ENTRIES)).send().expect(201);
    let detail = client().put(&path, &array(ENTRIES + 1)).refused(413, "resource-exhausted");
    assert!(detail.contains("40001 index entries, of 40000"), "{detail}");
    let last = json!({"where": filter("a", "array-contains", ENTRIES - 2)});
    assert_eq!(client().ids(&query(&collection, last)), ["d"]);
}

/// Nine documents whose resources have together as many bytes as an answer may, that of the last more by `more`.
fn fill(client: &Client, collection: &str) {
    let put = |n: usize, bytes: usize| {
        let path = format!("/v1/docs/{collection}/d{n}");
        client.put(&path, &sized(bytes)).send();
        client.get(&path).send().expect(200).body.len()
    };
    let bytes: usize = (0..8).map(|n| put(n, 1_000_000)).sum();
    resize(ANSWER_BYTES - bytes, |bytes| put(8, bytes));
}

/// Makes something as large as it is to be, of which nobody knows the size before: a time may have fewer digits.
fn resize(bytes: usize, mut put: impl FnMut(usize) -> usize) {
    let mut data = bytes - 200;
    for _ in 0..50 {
        match put(data) {
            size if size == bytes => return,
            size => data = (data + bytes).saturating_sub(size),
        }
    }
    panic!("no size is right");
}

#[test]
fn bytes_of_an_answer() {
    for collection in [fresh_collection(), format!("{}/x/eight", fresh_collection())] {
        fill(client(), &collection);
        let all: Vec<String> = (0..9).map(|n| format!("d{n}")).collect();
        let whole = query(&collection, json!({}));
        let last = query(&collection, json!({"orderBy": [{"field": "a"}], "limitToLast": 9}));
        let sum = json!({"query": query(&collection, json!({"limit": 9})), "aggregates": {"s": {"sum": "a"}}});
        let ask = |body: &Value| client().post("/v1/query", body).send();
        // At the limit there is one page.
        let answer = ask(&whole).expect(200).json();
        assert_eq!((ids(&answer), answer.get("nextPageToken")), (all.clone(), None));
        let listed = list(&collection, &[]).expect(200).json();
        assert_eq!((ids(&listed), listed.get("nextPageToken")), (all.clone(), None));
        assert_eq!(documents(&ask(&last).expect(200).json()).len(), 9);
        client().post("/v1/aggregate", &sum).send().expect(200);
        let mut session = Session::open(&server().url());
        let mut result = session.query(1, &whole);
        assert_eq!(result.documents, documents(&answer));
        // What is large and comes often is acknowledged, or the socket ends.
        session.socket.send(&json!({"ping": 0}));
        // One byte more, and the last document is on another. Its time may have other digits, though.
        let path = format!("/v1/docs/{collection}/d8");
        let size = client().get(&path).send().body.len();
        resize(size + 1, |bytes| {
            client().put(&path, &sized(bytes)).send();
            session.socket.send(&json!({"ping": 0}));
            client().get(&path).send().body.len()
        });
        for form in ["query", "list"] {
            let page = |token: Option<&str>| match (form, token) {
                ("list", None) => list(&collection, &[]),
                ("list", Some(token)) => list(&collection, &[("pageToken", token)]),
                (_, token) => {
                    let mut query = whole.clone();
                    query["pageToken"] = json!(token.unwrap_or_default());
                    ask(if token.is_some() { &query } else { &whole })
                }
            };
            let first = page(None).expect(200).json();
            assert_eq!(ids(&first), all[..8], "{form} {collection}");
            let token = first["nextPageToken"].as_str().expect("there is more");
            let second = page(Some(token)).expect(200).json();
            assert_eq!(ids(&second), all[8..]);
            assert_eq!(second.get("nextPageToken"), None);
        }
        let refusal = ask(&last).problem(413, "resource-exhausted");
        assert!(refusal.starts_with("query: its last documents"), "{refusal}");
        // Who listens is told so, and that is the end.
        let told = loop {
            let frame = session.next(1);
            if frame["type"] == "error" {
                break frame;
            }
            result.apply(&frame);
        };
        for frame in [told, {
            session.listen(1, json!({"query": whole}));
            session.next(1)
        }] {
            assert_eq!(frame["code"], "resource-exhausted", "{frame}");
            let detail = frame["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("{ANSWER_BYTES} bytes")), "{detail}");
        }
        // With a limit there is room.
        session.query(1, &query(&collection, json!({"limit": 8})));
    }
}

#[test]
fn an_aggregation_of_several_shards_with_a_limit() {
    let collection = format!("{}/x/eight", fresh_collection());
    fill(client(), &collection);
    let sum = |rest: Value| {
        let body = json!({"query": query(&collection, rest), "aggregates": {"s": {"sum": "a"}}});
        client().post("/v1/aggregate", &body).send()
    };
    sum(json!({"limit": 9})).expect(200);
    client().put(&format!("/v1/docs/{collection}/d9"), &sized(1_000)).send().expect(201);
    let detail = sum(json!({"limit": 10})).problem(413, "resource-exhausted");
    assert!(detail.contains(&format!("{ANSWER_BYTES} bytes")), "{detail}");
    // Without one, each shard adds its own up.
    sum(json!({})).expect(200);
}

#[test]
fn bytes_of_a_live_query() {
    let of = |bytes: usize, start: &str| {
        let live = |text: String| {
            query("limits-live", json!({"where": filter("a", "==", start.to_owned() + &text)}))
        };
        let rest = bytes - live(String::new()).to_string().len();
        live("x".repeat(rest))
    };
    // What is kept with a socket is not UTF-8: other letters may take other room.
    for start in ["", "é", "日", "😀", "\u{0}"] {
        let mut session = Session::open(&server().url());
        assert_eq!(of(LIVE_QUERY_BYTES, start).to_string().len(), LIVE_QUERY_BYTES);
        let mut result = session.query(1, &of(LIVE_QUERY_BYTES, start));
        session.listen(2, json!({"query": of(LIVE_QUERY_BYTES + 1, start)}));
        let refusal = session.next(2);
        assert_eq!(
            (&refusal["type"], &refusal["code"]),
            (&json!("error"), &json!("invalid-argument"))
        );
        let detail = refusal["detail"].as_str().unwrap();
        assert!(detail.contains("8193 bytes, of 8192"), "{detail}");
        // The other target goes on.
        let value = of(LIVE_QUERY_BYTES, start)["where"]["value"].clone();
        let path = format!("/v1/docs/limits-live/{}", encode(start) + "d");
        client().put(&path, &json!({"a": value})).send().expect(201);
        assert_eq!(result.apply(&session.next(1)).changes, [format!("added {start}d")]);
    }
}
