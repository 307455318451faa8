//! Queries in a page: read, counted and followed, by the npm package against the built server.

use crate::npm::{client_at, errors};
use blaze_tests::browser::Browser;
use blaze_tests::client::{Client, JSON};
use blaze_tests::server::{self, TestServer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use xtask::workerd::{Options, Server};

fn quiet(page: &Browser) {
    assert_eq!(errors(page), Vec::<String>::new());
}

/// Documents `a`, `b` and so on of a collection, each `{"n": n}`.
fn put(client: &Client, collection: &str, numbers: &[u32]) {
    for (id, n) in ('a'..).zip(numbers) {
        client.put(&format!("/v1/docs/{collection}/{id}"), &json!({ "n": n })).send().expect(201);
    }
}

/// What a follower was told since it was asked last.
fn changes(page: &Browser, follower: &str) -> Value {
    page.value(&format!("{follower}.changes.splice(0)"))
}

/// The ids of what a query gets.
fn ids(page: &Browser, query: &str) -> String {
    let ids =
        page.run(&format!("return (await {query}.get()).docs.map(({{ id }}) => id).join(' ');"));
    ids.as_str().unwrap().to_owned()
}

/// Queries, and the ids of what they find.
const QUERIES: &[(&str, &str)] = &[
    ("users", "ann bob cy di eve"),
    ("users.where('age', '>=', 18)", "ann cy di"),
    ("users.where('age', '==', 45).where('city', '!=', 'Oslo')", "cy"),
    (
        "users.where(or(where('city', '==', 'Oslo'), and(where('age', '<', 18), where('city', '==', 'Paris'))))",
        "bob di",
    ),
    ("users.where('tags', 'array-contains', 'new')", "cy"),
    ("users.where('tags', 'array-contains-any', ['new', 'vip'])", "ann cy"),
    ("users.where('city', 'in', ['Rome', 'Paris'])", "ann bob cy"),
    ("users.where('city', 'not-in', ['Rome', 'Paris'])", "di eve"),
    ("users.where('since', '>', new Date(0))", "bob cy"),
    ("users.where('ref', '==', users.doc('ann'))", "cy"),
    ("users.where('score', '==', NaN)", "di"),
    ("users.where('since', '==', null)", "di"),
    ("users.where('big', '==', 9007199254740993n)", "eve"),
    ("users.where('big', '==', 9007199254740994n)", ""),
    ("users.where('address.zip', '==', 2)", "bob"),
    ("users.where('`a.b`', '==', 1)", "eve"),
    ("users.where(documentId(), '>', 'cy')", "di eve"),
    ("users.where(documentId(), 'in', ['ann', users.doc('di')])", "ann di"),
    ("users.orderBy('age')", "bob ann cy di"),
    ("users.orderBy('age', 'desc')", "di cy ann bob"),
    ("users.orderBy('age', 'desc').orderBy('city')", "di cy ann bob"),
    ("users.orderBy(documentId(), 'desc').limit(2)", "eve di"),
    ("users.orderBy('age').limitToLast(2)", "cy di"),
    ("users.orderBy('age').limit(1).limitToLast(3)", "ann cy di"),
    ("users.orderBy('age').offset(1).limit(2)", "ann cy"),
    ("users.orderBy('age').startAt(30).endBefore(45)", "ann"),
    ("users.orderBy('age').startAt(17).startAfter(17)", "ann cy di"),
    ("users.orderBy('age').startAfter(await users.doc('cy').get())", "di"),
    ("users.orderBy('age').endAt(await users.doc('cy').get())", "bob ann cy"),
    ("users.startAfter('bob').endAt('di')", "cy di"),
];

#[test]
fn queries_are_written_as_in_firestore() {
    let page = client_at(&server::shared().url());
    page.run(
        r#"window.users = db.collection("query-users");
        const add = (id, data) => users.doc(id).set(data);
        add("ann", { age: 30, city: "Paris", tags: ["vip"], since: new Date(0), address: { zip: 1 } });
        add("bob", { age: 17, city: "Paris", tags: [], since: new Date(1), address: { zip: 2 } });
        add("cy", { age: 45, city: "Rome", tags: ["vip", "new"], since: new Date(2), ref: users.doc("ann") });
        add("di", { age: 45, city: "Oslo", since: null, score: NaN });
        add("eve", { city: "Oslo", big: 9007199254740993n, "a.b": 1 });"#,
    );
    // None of the writes was awaited: a query comes after them.
    for (query, found) in QUERIES {
        assert_eq!(ids(&page, query), *found, "{query}");
    }
    quiet(&page);
}

#[test]
fn a_result_tells_of_its_documents() {
    let page = client_at(&server::shared().url());
    let read = page.run(
        r#"const users = db.collection("query-result");
        await users.doc("ann").set({ age: 30, city: "Paris", address: { zip: 1, street: "x" } });
        await users.doc("bob").set({ age: 17, city: "Paris" });
        await users.doc("cy").set({ age: 45, city: "Rome" });
        const snapshot = await users.where("age", ">", 18).select("city", "address.zip").get();
        const each = [];
        snapshot.forEach((doc) => each.push([doc.id, doc.data(), doc.version]));
        const [first] = snapshot.docs;
        return {
          each, size: snapshot.size, empty: snapshot.empty, pending: snapshot.metadata.hasPendingWrites,
          changes: snapshot.docChanges().map(({ type, doc, oldIndex, newIndex }) => [type, doc.id, oldIndex, newIndex]),
          same: first.ref.isEqual(users.doc("ann")) && first instanceof QueryDocumentSnapshot,
          dated: first.createTime instanceof Date && Math.abs(Date.now() - first.updateTime) < 60_000,
          none: (await users.where("age", ">", 99).get()).empty,
          equal: users.where("age", ">", 1).limit(2).isEqual(users.limit(2).where("age", ">", 1)),
          other: users.where("age", ">", 1).isEqual(users.where("age", ">", 2)),
        };"#,
    );
    let each = json!([
        ["ann", {"city": "Paris", "address": {"zip": 1}}, 1],
        ["cy", {"city": "Rome"}, 1],
    ]);
    let changes = json!([["added", "ann", -1, 0], ["added", "cy", -1, 1]]);
    let expected = json!({
        "each": each, "size": 2, "empty": false, "pending": false, "changes": changes, "same": true,
        "dated": true, "none": true, "equal": true, "other": false,
    });
    assert_eq!(read, expected);
    quiet(&page);
}

#[test]
fn a_group_of_collections_is_read_and_followed() {
    let data = tempfile::tempdir().unwrap();
    let settings = data.path().join("collections.json");
    fs::write(&settings, r#"{"orders":{"group":true}}"#).unwrap();
    let mut service = server::open_service();
    let module = service.modules.iter_mut().find(|module| module.name == "collections.json");
    module.unwrap().path = settings;
    let objects = tempfile::tempdir().unwrap();
    let server = Server::start(&service, objects.path(), Options::default()).unwrap();
    let page = client_at(&server.base_url());
    page.run(
        r#"window.ann = db.collection("users/ann/orders");
        await ann.doc("1").set({ price: 2 });
        await db.doc("users/cy/orders/2").set({ price: 3.5 });
        await db.doc("users/cy/other/3").set({ price: 9 });
        window.orders = db.collectionGroup("orders");
        window.all = follow(orders.orderBy("price", "desc"));"#,
    );
    page.see("all.results.at(-1) === '2 1'");
    assert_eq!(ids(&page, "orders"), "1 2");
    assert_eq!(ids(&page, "orders.where('price', '>', 2)"), "2");
    assert_eq!(ids(&page, "orders.where(documentId(), '>', 'users/ann/orders/1')"), "2");
    page.run("await Promise.all([ann.doc('4').set({ price: 3 }), ann.doc('1').delete()]);");
    page.see("all.results.at(-1) === '2 4' && !all.pending.at(-1)");
    assert_eq!(page.value("all.wrong"), json!([]));
    let paths = page.value("all.last.docs.map(({ ref }) => ref.path)");
    assert_eq!(paths, json!(["users/cy/orders/2", "users/ann/orders/4"]));
    quiet(&page);
}

#[test]
fn numbers_are_computed_over_a_query() {
    let page = client_at(&server::shared().url());
    let computed = page.run(
        r#"const items = db.collection("query-items");
        [1, 2.5, "x", 4].forEach((price, index) => items.doc(`${index}`).set({ price, index }));
        const some = items.where("index", "<", 2);
        const none = items.where("index", ">", 9);
        return {
          each: [await items.count(), await some.sum("price"), await some.average("price")],
          none: [await none.count(), await none.sum("price"), await none.average("price")],
          all: await items.aggregate({ n: count(), t: sum("index"), m: average("index") }),
          wrong: await outcome(items.sum("a..b")),
        };"#,
    );
    assert_eq!(computed["each"], json!([4, 3.5, 1.75]));
    assert_eq!(computed["none"], json!([0, 0, null]));
    assert_eq!(computed["all"], json!({"n": 4, "t": 6, "m": 1.5}));
    assert_eq!(computed["wrong"]["code"], "invalid-argument");
}

#[test]
fn rows_move_in_one_page_when_another_writes() {
    let server = server::shared();
    put(&server.client(), "query-moves", &[10, 20, 30, 40]);
    let [reader, writer] = [(); 2].map(|()| client_at(&server.url()));
    reader.run("window.best = follow(db.collection('query-moves').orderBy('n', 'desc').limit(3));");
    reader.see("best.results.at(-1) === 'd c b'");
    assert_eq!(changes(&reader, "best"), json!(["added d -1 0", "added c -1 1", "added b -1 2"]));
    for (write, result, told) in [
        ("doc('c').update({ n: 50 })", "c d b", json!(["modified c 1 0"])),
        ("doc('c').update({ n: increment(1) })", "c d b", json!(["modified c 0 0"])),
        // The limit lets the next one in, and the last one out.
        ("doc('d').delete()", "c b a", json!(["removed d 1 -1", "added a -1 2"])),
        ("doc('e').set({ n: 45 })", "c e b", json!(["removed a 2 -1", "added e -1 1"])),
        ("doc('e').set({ m: 45 })", "c b a", json!(["removed e 1 -1", "added a -1 2"])),
    ] {
        writer.run(&format!("await db.collection('query-moves').{write};"));
        reader.see(&format!("best.results.at(-1) === '{result}'"));
        reader.see("best.changes.length > 0");
        assert_eq!(changes(&reader, "best"), told, "{write}");
    }
    let n = reader.value("best.last.docs.map((doc) => doc.get('n'))");
    assert_eq!(n, json!([51, 20, 10]));
    assert_eq!(reader.value("best.wrong"), json!([]));
    assert_eq!(reader.value("best.pending.some((pending) => pending)"), false);
    reader.run("best.stop();");
    reader.see("sockets.closed === 1");
    quiet(&reader);
    quiet(&writer);
}

#[test]
fn the_queries_of_a_page_share_a_socket() {
    let server = server::shared();
    put(&server.client(), "query-shared", &[1, 2]);
    let page = client_at(&server.url());
    page.run(
        r#"window.frames = 0;
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (text) {
          frames += text.includes('"listen"');
          return send.call(this, text);
        };
        const shared = db.collection("query-shared");
        window.one = follow(shared.where("n", ">", 1));
        window.two = follow(shared.where("n", ">", 1));
        window.three = follow(shared);"#,
    );
    page.see("one.results.at(-1) === 'b' && two.results.at(-1) === 'b' && three.results.at(-1) === 'a b'");
    assert_eq!(page.value("[frames, sockets.opened]"), json!([2, 1]));
    // One that comes later is told the present result, and no other is told anything.
    page.run("window.four = follow(db.collection('query-shared').where('n', '>', 1));");
    page.see("four.results.length === 1");
    assert_eq!(page.value("[one.results.length, frames]"), json!([1, 2]));
    page.run("one.stop(); two.stop(); four.stop();");
    server.client().patch("/v1/docs/query-shared/a", JSON, &json!({"n": 5})).send().expect(200);
    page.see("three.last.docs[0].get('n') === 5");
    assert_eq!(
        page.value("[one, two, four].map(({ results }) => results.length)"),
        json!([1, 1, 1])
    );
    assert_eq!(page.value("sockets"), json!({"opened": 1, "closed": 0}));
    page.run("three.stop();");
    page.see("sockets.closed === 1");
    page.run("window.five = follow(db.collection('query-shared').orderBy('n'));");
    page.see("five.results.at(-1) === 'b a'");
    page.run("db.close();");
    page.see("sockets.closed === 2");
    assert_eq!(page.run("return outcome(db.collection('query-shared').get());")["code"], "aborted");
    quiet(&page);
}

#[test]
fn a_result_larger_than_an_answer_is_read_to_its_end() {
    let server = server::shared();
    let large = "x".repeat(900 << 10);
    for number in 10..20 {
        let data = json!({ "number": number, "large": large });
        server.client().put(&format!("/v1/docs/query-large/{number}"), &data).send().expect(201);
    }
    let page = client_at(&server.url());
    let read = page.run(
        r#"let asked = 0;
        const { fetch } = window;
        window.fetch = (url, init) => {
          asked += 1;
          return fetch(url, init);
        };
        const query = db.collection("query-large").orderBy("number", "desc");
        const all = (await query.get()).docs.map(({ id }) => id);
        const answers = asked;
        const some = (await query.limit(3).get()).docs.map(({ id }) => id);
        const more = asked - answers;
        return { all, answers, some, more, most: (await query.limit(10).get()).size };"#,
    );
    let all: Vec<String> = (10..20).rev().map(|number: u32| number.to_string()).collect();
    assert_eq!((&read["all"], &read["answers"]), (&json!(all), &json!(2)));
    assert_eq!((&read["some"], &read["more"]), (&json!(all[..3]), &json!(1)));
    assert_eq!(read["most"], 10, "a limit beyond what one answer holds");
    quiet(&page);
}

#[test]
fn a_wrong_query_is_refused_and_harms_no_other() {
    let page = client_at(&server::shared().url());
    page.run(
        r#"const wrong = db.collection("query-wrong").where("n", "=", 1);
        window.refused = await outcome(wrong.get());
        window.unlimited = await outcome(db.collection("query-wrong").limitToLast(1).get());
        window.right = follow(db.collection("query-wrong"));
        window.bad = [wrong, db.collection("query-wrong").limitToLast(1)].map(follow);"#,
    );
    page.see("right.results.length === 1 && bad.every(({ error }) => error)");
    for error in ["refused", "unlimited", "bad[0].error", "bad[1].error"] {
        assert_eq!(page.value(&format!("{error}.code")), "invalid-argument", "{error}");
        let message = page.value(&format!("{error}.message"));
        assert!(message.as_str().is_some_and(|text| !text.is_empty()), "{error}: {message}");
    }
    page.run("await db.doc('query-wrong/a').set({ n: 1 });");
    page.see("right.results.at(-1) === 'a' && !right.pending.at(-1)");
    assert_eq!(page.value("bad.map(({ results }) => results.length)"), json!([0, 0]));
}

#[test]
fn an_own_write_moves_its_row_while_the_server_sleeps() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&server::open_service(), data.path(), Options::default()).unwrap();
    let process = Pid::from_raw(server.pid().try_into().unwrap()).unwrap();
    put(&Client::new(&server.base_url()), "sleep", &[10, 20, 30]);
    let page = client_at(&server.base_url());
    page.run(
        r#"window.sleep = db.collection("sleep");
        window.best = follow(sleep.orderBy("n", "desc").limit(3));"#,
    );
    page.see("best.results.at(-1) === 'c b a'");
    changes(&page, "best");

    kill_process(process, Signal::STOP).unwrap();
    page.run(
        r#"window.settled = [];
        for (const write of [
          sleep.doc("a").update({ n: increment(15) }),
          sleep.doc("x").set({ n: 22 }),
          sleep.doc("c").delete(),
        ]) write.then(({ version }) => settled.push(version));"#,
    );
    page.see("best.results.at(-1) === 'a x b'");
    assert_eq!(page.value("best.pending.at(-1)"), true);
    let seen =
        page.value("best.last.docs.map((doc) => [doc.get('n'), doc.metadata.hasPendingWrites])");
    assert_eq!(seen, json!([[25, true], [22, true], [20, false]]));
    assert_eq!(changes(&page, "best"), json!(["removed c 0 -1", "added x -1 0", "modified a 2 0"]));
    assert_eq!(page.value("settled"), json!([]));

    kill_process(process, Signal::CONT).unwrap();
    page.see("settled.length === 3 && !best.pending.at(-1)");
    assert_eq!(page.value("settled.sort()"), json!([1, 2, 2]));
    // It is as it was shown. Only b may have gone for a moment: the writes are committed in turn, and between the second
    // and the third the server's first three are without it.
    let told = changes(&page, "best");
    assert!(told == json!([]) || told == json!(["removed b 2 -1", "added b -1 2"]), "{told}");
    let seen = page.value("best.last.docs.map((doc) => [doc.id, doc.get('n'), doc.version])");
    assert_eq!(seen, json!([["a", 25, 2], ["x", 22, 1], ["b", 20, 1]]));
    assert_eq!(page.value("best.wrong"), json!([]));
    quiet(&page);
}

#[test]
fn a_selection_is_followed_with_what_it_does_not_show() {
    let server = server::shared();
    let page = client_at(&server.url());
    page.run(
        r#"window.docs = db.collection("query-selected");
        await docs.doc("a").set({ n: 1, name: "A", other: 0 });
        await docs.doc("b").set({ n: 2, name: "B", other: 0 });
        window.names = follow(docs.where("n", ">", 0).orderBy("n").select("name"));"#,
    );
    page.see("names.results.at(-1) === 'a b'");
    changes(&page, "names");
    server.client().patch("/v1/docs/query-selected/a", JSON, &json!({"n": 3})).send().expect(200);
    page.see("names.results.at(-1) === 'b a'");
    assert_eq!(changes(&page, "names"), json!(["modified a 0 1"]));
    page.run("await docs.doc('b').update({ n: 4, name: 'C' });");
    page.see("names.results.at(-1) === 'a b' && !names.pending.at(-1)");
    assert_eq!(changes(&page, "names"), json!(["modified b 0 1"]));
    let data = page.value("names.last.docs.map((doc) => doc.data())");
    assert_eq!(data, json!([{"name": "A"}, {"name": "C"}]));
    assert_eq!(page.value("names.wrong"), json!([]));
    quiet(&page);
}

#[test]
fn a_refused_write_gives_its_row_back() {
    let page = client_at(&server::shared().url());
    page.run(
        r#"window.docs = db.collection("query-refused");
        await docs.doc("a").set({ n: 1 });
        window.all = follow(docs.orderBy("n"));"#,
    );
    page.see("all.results.at(-1) === 'a'");
    // Only the server looks at a document's size.
    let outcome = page.run(
        r#"const large = "x".repeat(1 << 20);
        return outcome(Promise.all([docs.doc("a").update({ n: 2, large }), docs.doc("b").set({ n: 0 })]));"#,
    );
    assert_eq!(outcome["code"], "resource-exhausted");
    page.see("all.results.at(-1) === 'b a' && !all.pending.at(-1)");
    assert_eq!(page.value("all.last.docs.map((doc) => doc.get('n'))"), json!([0, 1]));
    assert_eq!(page.value("all.wrong"), json!([]));
}

#[test]
fn a_listener_goes_on_after_the_server_was_killed() {
    let mut server = TestServer::start();
    put(&server.client(), "killed", &[1, 2, 3]);
    let page = client_at(&server.url());
    page.run(
        r#"window.resumes = [];
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (text) {
          const { listen } = JSON.parse(text);
          if (listen) resumes.push("resume" in listen);
          return send.call(this, text);
        };
        window.states = [];
        db.onConnection(({ state }) => states.push(state));
        window.all = follow(db.collection("killed").orderBy("n"));"#,
    );
    page.see("all.results.at(-1) === 'a b c'");
    changes(&page, "all");
    server.crash();
    page.see("states.at(-1) === 'offline'");
    page.run("window.write = db.doc('killed/a').update({ n: 9 });");
    page.see("all.results.at(-1) === 'b c a' && all.pending.at(-1)");

    server.restart();
    page.see("states.at(-1) === 'connected' && !all.pending.at(-1)");
    server.client().patch("/v1/docs/killed/c", JSON, &json!({"n": 0})).send().expect(200);
    page.see("all.results.at(-1) === 'c b a'");
    assert_eq!(changes(&page, "all"), json!(["modified a 0 2", "modified c 1 0"]));
    assert_eq!(page.value("all.wrong"), json!([]));
    let resumes = page.value("resumes");
    assert_eq!((&resumes[0], &resumes[1]), (&json!(false), &json!(true)), "{resumes}");
    page.run("await write;");
    assert_eq!(ids(&page, "db.collection('killed').orderBy('n')"), "c b a");
}

#[test]
fn own_and_others_increments_are_never_seen_twice_in_a_query() {
    let page = client_at(&server::shared().url());
    page.run(
        r#"const other = await connect(location.origin);
        const name = "query-counted";
        for (const id of ["a", "b", "c"]) await db.doc(`${name}/${id}`).set({ n: 0 });
        window.seen = [db, other].map((db) => {
          const sums = [];
          sums.stop = db.collection(name).orderBy("n").onUpdate((snapshot) => {
            sums.push(snapshot.docs.reduce((sum, doc) => sum + doc.get("n"), 0));
            sums.last = snapshot;
          });
          return sums;
        });
        while (seen.some(({ length }) => !length)) await new Promise((done) => setTimeout(done));
        const count = async (db) => {
          const calls = [];
          for (let made = 0; made < 20; made += 1) {
            calls.push(db.doc(`${name}/${"abc"[made % 3]}`).update({ n: increment(1) }));
            // Answers and frames arrive between the calls.
            await new Promise((done) => setTimeout(done));
          }
          return Promise.all(calls);
        };
        await Promise.all([db, other].map(count));"#,
    );
    for listener in ["seen[0]", "seen[1]"] {
        page.see(&format!(
            "!{listener}.last.metadata.hasPendingWrites && {listener}.at(-1) === 40"
        ));
        let sums: Vec<u32> =
            serde_json::from_value(page.value(&format!("[...{listener}]"))).unwrap();
        assert!(sums.is_sorted(), "{listener} went back: {sums:?}");
        assert!(sums.len() > 10, "it was not only told the end: {sums:?}");
    }
    quiet(&page);
}
