//! The client's handling of a page's writes: their order, their preflights, what holds them up.

use crate::npm::client_at;
use blaze_tests::browser::Browser;
use blaze_tests::client::fresh_collection;
use blaze_tests::elsewhere;
use blaze_tests::line::Line;
use blaze_tests::server::{self, TestServer};
use serde_json::json;
use std::time::{Duration, Instant};

/// A page of another origin, with a database behind a line.
fn elsewhere_behind(line: &Line) -> Browser {
    let page = Browser::open(&elsewhere::serve());
    page.run(include_str!("page.js"));
    page.run(&format!("window.db = await connect('{}');", line.url()));
    page
}

#[test]
fn writes_to_many_documents_are_committed_in_the_order_of_their_making() {
    let page = client_at(&server::shared().url());
    let turned = page.run(&format!(
        r#"const c = "{}", text = "x".repeat(300_000);
        const docs = Array.from({{ length: 40 }}, (_, n) => db.doc(`${{c}}/d${{n}}`));
        await Promise.all(docs.map((doc, n) => doc.set(n % 2 ? {{ n }} : {{ n, text }})));
        const times = (await Promise.all(docs.map((doc) => doc.get()))).map((doc) => +doc.createTime);
        return times.filter((time, n) => n > 0 && time < times[n - 1]).length;"#,
        fresh_collection()
    ));
    assert_eq!(turned, json!(0));
}

#[test]
fn ten_writes_from_another_origin_take_a_preflight_or_two() {
    let line = Line::to(&server::shared().url(), Duration::ZERO);
    let page = elsewhere_behind(&line);
    let data = page.run(&format!(
        r#"const c = "{}";
        for (let n = 0; n < 10; n++) await db.doc(`${{c}}/d${{n}}`).set({{ n }});
        return sockets.opened;"#,
        fresh_collection()
    ));
    assert_eq!(data, json!(0), "one write at a time needs no socket");
    assert!((1..=2).contains(&line.preflights()), "{} preflights", line.preflights());
}

#[test]
fn many_writes_over_a_long_line_share_it() {
    let line = Line::to(&server::shared().url(), Duration::from_millis(50));
    let page = elsewhere_behind(&line);
    let started = Instant::now();
    let done = page.run(&format!(
        r#"const c = "{}", all = [];
        for (let n = 0; n < 200; n++) all.push(db.doc(`${{c}}/d${{n}}`).set({{ n }}));
        return (await Promise.all(all)).length;"#,
        fresh_collection()
    ));
    assert_eq!(done, json!(200));
    // One after the other they would wait 20 s for the line alone.
    assert!(started.elapsed() < Duration::from_secs(18), "{:?}", started.elapsed());
}

#[test]
fn a_line_that_falls_silent_is_noticed_and_its_end_wakes_everything() {
    let mut server = TestServer::start();
    let line = Line::to(&server.url(), Duration::ZERO);
    let page = elsewhere_behind(&line);
    page.run(
        r#"window.states = [];
        db.onConnection(({ state }) => states.push([state, performance.now()]));
        window.seen = follow(db.collection("silent"));
        window.doc = listen(db.doc("silent/a"));
        await db.doc("silent/a").set({ n: 1 });"#,
    );
    page.see("seen.results.at(-1) === 'a' && doc.at(-1)?.data()?.n === 1 && states.at(-1)[0] === 'connected'");
    line.silence(true);
    page.run("window.since = performance.now(); window.write = outcome(db.doc('silent/b').set({ n: 2 }));");
    // The client tries again at once, and is offline for moments only.
    page.run(
        "window.offline = () => states.find(([state, at]) => state === 'offline' && at > since);",
    );
    page.see("offline() !== undefined");
    let noticed = page.value("offline()[1] - since").as_f64().unwrap();
    assert!(noticed < 10_000.0, "noticed after {noticed} ms");
    // Long enough for every wait to have grown.
    std::thread::sleep(Duration::from_secs(8));
    line.silence(false);
    page.run("window.since = performance.now(); db.reconnect();");
    let took = page.run("await write; return performance.now() - since;");
    page.see("states.at(-1)[0] === 'connected' && seen.results.at(-1) === 'a b'");
    let connected = page.value("states.at(-1)[1] - since").as_f64().unwrap();
    assert!(took.as_f64().unwrap() < 3_000.0 && connected < 8_000.0, "{took} {connected}");
    server.crash();
}

#[test]
fn a_listener_that_an_own_write_lets_in_waits_for_that() {
    let server = TestServer::start_closed(&json!({}), &[("OPEN", "1")]);
    let line = Line::to(&server.url(), Duration::from_millis(50));
    server.client().request("PUT", "/v1/rules").body("text/plain", RULES).send().expect(201);
    let page = elsewhere_behind(&line);
    page.run(
        r#"db.doc("members/me").set({ since: 1 });
        window.room = listen(db.doc("rooms/a"));
        window.rooms = follow(db.collection("rooms"));"#,
    );
    page.see("room.length > 0 || room.error !== undefined");
    page.see("rooms.results.length > 0 || rooms.error !== undefined");
    assert_eq!(page.value("[room.error?.message, rooms.error?.message]"), json!([null, null]));
}

const RULES: &str = "
match /members/{id} { allow read, write: if true; }
match /rooms/{id} { allow read: if exists(\"members/me\"); }
";
