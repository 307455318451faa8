//! The npm package in a page: the contract's example, every kind of value, sockets.

use blaze_schema::limits::PAGE_DOCUMENTS;
use blaze_tests::browser::Browser;
use blaze_tests::server;
use serde_json::{Value, json};

/// Values that a careless conversion changes, and how the server tells of them.
const VALUES: [(&str, &str); 22] = [
    ("new Date(\"2026-11-21T10:00:00.123Z\")", r#"{"$timestamp":"2026-11-21T10:00:00.123Z"}"#),
    ("new Date(-1)", r#"{"$timestamp":"1969-12-31T23:59:59.999Z"}"#),
    ("new Uint8Array([0, 1, 127, 128, 255])", r#"{"$bytes":"AAF/gP8="}"#),
    ("new Uint8Array()", r#"{"$bytes":""}"#),
    ("new GeoPoint(48.85, -0.5)", r#"{"$geopoint":[48.85,-0.5]}"#),
    ("db.doc(\"users/Zoë & co\")", r#"{"$ref":"users/Zoë & co"}"#),
    ("NaN", r#"{"$number":"NaN"}"#),
    ("Infinity", r#"{"$number":"Infinity"}"#),
    ("-Infinity", r#"{"$number":"-Infinity"}"#),
    ("9007199254740993n", "9007199254740993"),
    ("2n ** 63n - 1n", "9223372036854775807"),
    ("-(2n ** 63n)", "-9223372036854775808"),
    ("2 ** 53", "9007199254740992.0"),
    ("0.1 + 0.2", "0.30000000000000004"),
    ("1e21", "1e+21"),
    ("-0", "-0.0"),
    ("5e-324", "5e-324"),
    ("-Number.MAX_VALUE", "-1.7976931348623157e+308"),
    ("1 / 3e7", "3.3333333333333334e-8"),
    ("Number.MAX_SAFE_INTEGER", "9007199254740991"),
    (r#""é \u2028 😀 \0 \" \\ \/ \n""#, "\"é \u{2028} 😀 \\u0000 \\\" \\\\ / \\n\""),
    (
        r#"[null, true, [], {}, { "": 1, ["__proto__"]: { a: 2 }, "a.b": "$" }]"#,
        r#"[null,true,[],{},{"":1,"__proto__":{"a":2},"a.b":"$"}]"#,
    ),
];

/// A page of the server at `url` that is nothing by itself, with `page.js`.
pub(crate) fn client_at(url: &str) -> Browser {
    let page = Browser::open(&format!("{url}/favicon.svg"));
    page.run(include_str!("page.js"));
    page
}

/// Such a page of the server that the tests share.
fn client() -> Browser {
    client_at(&server::shared().url())
}

/// The errors in the page's console, but for the one that is the page's own: it names no icon.
pub(crate) fn errors(page: &Browser) -> Vec<String> {
    let mut errors = page.errors();
    errors.retain(|line| !line.contains("/favicon.ico "));
    errors
}

fn quiet(page: &Browser) {
    assert_eq!(errors(page), Vec::<String>::new());
}

#[test]
fn the_example_of_the_contract() {
    let page = client();
    let seen = page.run(
        r#"window.alice = db.collection("users").doc("alice");
        await alice.set({ name: "Alice", visits: 0 });
        window.updates = [];
        window.stop = alice.onUpdate((snapshot) => updates.push(snapshot));
        await alice.update({ visits: increment(1), lastSeen: serverTimestamp() });
        const snapshot = await alice.get();
        const { name, visits, lastSeen } = snapshot.data();
        return {
          name, visits, id: snapshot.id, exists: snapshot.exists(), version: snapshot.version,
          pending: snapshot.metadata.hasPendingWrites,
          fresh: lastSeen instanceof Date && Math.abs(Date.now() - lastSeen) < 60_000,
          same: snapshot.ref.isEqual(alice) && snapshot.get("visits") === 1,
        };"#,
    );
    let expected = json!({
        "name": "Alice", "visits": 1, "id": "alice", "exists": true, "version": 2,
        "pending": false, "fresh": true, "same": true,
    });
    assert_eq!(seen, expected);
    page.see("updates.at(-1).version === 2 && !updates.at(-1).metadata.hasPendingWrites");
    let resource = server::shared().client().resource("/v1/docs/users/alice");
    assert_eq!(resource["data"]["lastSeen"]["$timestamp"], resource["updateTime"]);
    let told = page.value("describe(updates.at(-1).data())");
    assert_eq!(told, page.run("return describe((await alice.get()).data());"));
    quiet(&page);
}

#[test]
fn the_other_calls_and_their_refusals() {
    let page = client();
    let outcomes = page.run(
        r#"const doc = db.doc("calls/doc");
        const test = [{ op: "test", path: "/a", value: 2 }, { op: "remove", path: "/a" }];
        return {
          early: await outcome(doc.update({ a: 1 })),
          created: await outcome(doc.create({ a: 1 })),
          again: await outcome(doc.create({ a: 1 })),
          merged: await outcome(doc.set({ b: { c: 2, d: 3 } }, { merge: true })),
          updated: await outcome(doc.update("b.c", deleteField(), "list", arrayUnion(1, 2))),
          failed: await outcome(doc.patch(test)),
          patched: await outcome(doc.patch([{ op: "move", from: "/a", path: "/z" }])),
          wrong: await outcome(doc.set({ $unknown: 1 })),
          unsupported: await outcome(doc.set({ at: [undefined] })),
          data: describe((await doc.get()).data()),
          added: (await (await db.collection("calls").add({ n: maximum(4) })).get()).data(),
          deleted: await outcome(doc.delete()),
          gone: (await doc.get()).exists(),
        };"#,
    );
    let refusal = |name: &str| {
        let outcome = &outcomes[name];
        assert_eq!(outcome["name"], "BlazeError", "{name}: {outcome}");
        assert!(outcome["message"].as_str().is_some_and(|text| !text.is_empty()), "{outcome}");
        (outcome["code"].as_str().unwrap().to_owned(), outcome["status"].as_u64().unwrap())
    };
    assert_eq!(refusal("early"), ("not-found".into(), 404));
    assert_eq!(refusal("again"), ("already-exists".into(), 409));
    assert_eq!(refusal("failed"), ("failed-precondition".into(), 409));
    assert_eq!(refusal("wrong"), ("invalid-argument".into(), 400));
    assert_eq!(refusal("unsupported"), ("invalid-argument".into(), 400));
    for (version, call) in (1..).zip(["created", "merged", "updated", "patched", "deleted"]) {
        assert_eq!(outcomes[call], json!({"value": {"version": version}}), "{call}");
    }
    assert_eq!(outcomes["data"], r#"{"b": {"d": 3}, "list": [1,2], "z": 1}"#);
    assert_eq!((&outcomes["added"], &outcomes["gone"]), (&json!({"n": 4}), &json!(false)));
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    let page = client();
    let mut fields = String::new();
    let mut text = String::from("{");
    for (number, (script, json)) in VALUES.iter().enumerate() {
        fields.push_str(&format!("v{number:02}: {script}, "));
        text.push_str(&format!("\"v{number:02}\":{json},"));
    }
    text.pop();
    text.push('}');
    // One client writes, another listens: what it is told came over a socket, as a snapshot and as a patch.
    let described = page.run(&format!(
        r#"const other = await connect(location.origin);
        window.original = {{ {fields} }};
        await db.doc("values/before").set(original);
        window.early = listen(other.doc("values/before"));
        window.late = listen(other.doc("values/later"));
        while (!early.length || !late.length) await new Promise((done) => setTimeout(done));
        window.own = listen(db.doc("values/later"));
        await db.doc("values/later").set(original);
        return [describe(original), describe((await db.doc("values/later").get()).data())];"#
    ));
    let [original, got] = [&described[0], &described[1]].map(|text| text.as_str().unwrap());
    assert_eq!(got, original, "get");
    // The test's own eyes: a description tells types and signs apart.
    for part in ["-0,", "9007199254740993n", "9007199254740992,", "Date 2026", "NaN", "5e-324"] {
        assert!(format!("{original},").contains(part), "{part} in {original}");
    }
    for listener in ["early", "late", "own"] {
        page.see(&format!(
            "{listener}.at(-1).exists() && !{listener}.at(-1).metadata.hasPendingWrites"
        ));
        let told = page.value(&format!("describe({listener}.at(-1).data())"));
        assert_eq!(told, original, "{listener}");
    }
    let shown = page.value("describe(own.find((snapshot) => snapshot.exists()).data())");
    assert_eq!(shown, original, "before the server's answer");
    for path in ["/v1/docs/values/before", "/v1/docs/values/later"] {
        let answer = server::shared().client().get(path).send().expect(200).text();
        let data = answer.split_once("\"data\":").unwrap().1;
        assert_eq!(data.strip_suffix('}'), Some(text.as_str()));
    }
    quiet(&page);
}

#[test]
fn the_listeners_of_a_document_share_a_socket_until_the_last_one_stops() {
    let page = client();
    page.run(
        r#"window.doc = db.doc("sockets/doc");
        await doc.set({ n: 0 });
        [window.one, window.two] = [listen(doc), listen(db.doc("sockets/doc"))];"#,
    );
    page.see("one.at(-1).get('n') === 0 && two.at(-1).get('n') === 0");
    let write = |n: u32| {
        let client = server::shared().client();
        client.put("/v1/docs/sockets/doc", &json!({"n": n})).send().expect(200);
    };
    write(1);
    page.see("one.at(-1).get('n') === 1 && two.at(-1).get('n') === 1");
    assert_eq!(page.value("sockets"), json!({"opened": 1, "closed": 0}));

    page.run("one.stop(); one.stop();");
    write(2);
    page.see("two.at(-1).get('n') === 2");
    assert_eq!(page.value("one.at(-1).get('n')"), 1, "who stopped is told nothing");
    assert_eq!(page.value("sockets"), json!({"opened": 1, "closed": 0}));

    page.run("two.stop();");
    page.see("sockets.closed === 1");
    write(3);
    // A listener from now on needs a socket of its own, and is told the present state.
    page.run("window.three = listen(doc);");
    page.see("three.at(-1).get('n') === 3");
    assert_eq!(page.value("[one, two].map((seen) => seen.at(-1).get('n'))"), json!([1, 2]));
    assert_eq!(page.value("sockets"), json!({"opened": 2, "closed": 1}));

    page.run("db.close();");
    page.see("sockets.closed === 2");
    let late = page.run("return outcome(doc.set({ n: 4 }));");
    assert_eq!(late["code"], "aborted");
    quiet(&page);
    assert_eq!(page.value("three.error"), Value::Null);
}

#[test]
fn a_page_listens_to_so_many_documents_and_the_next_listener_is_told_why() {
    let page = client();
    page.run(&format!(
        r#"window.other = await connect(location.origin);
        const half = {PAGE_DOCUMENTS} / 2;
        window.all = Array.from({{ length: {PAGE_DOCUMENTS} }}, (_, n) => listen((n < half ? db : other).doc(`many/${{n}}`)));
        window.states = [];
        db.onConnection(({{ state }}) => states.push(state));"#
    ));
    page.see("all.every(({ length }) => length === 1)");
    page.run(
        "window.last = listen(db.doc('many/last')); window.query = follow(db.collection('many'));",
    );
    page.see("last.error && query.results.length === 1");
    assert_eq!(page.value("last.error.code"), "resource-exhausted");
    let message = page.value("last.error.message");
    assert!(message.as_str().unwrap().contains("many/last"), "{message}");
    assert_eq!(page.value("all.some(({ error }) => error)"), false);
    assert_eq!(page.value("query.error"), Value::Null);
    // The place of one that has gone is free.
    page.run("all[0].stop();");
    page.see("sockets.closed === 1");
    page.run("window.last = listen(db.doc('many/last'));");
    page.see("last.length === 1 && states.at(-1) === 'connected'");
}
