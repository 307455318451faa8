//! Writes are seen before they are answered: confirmed later, taken back if they are refused, and never counted twice.

use crate::npm::{client_at, errors};
use blaze_tests::browser::Browser;
use blaze_tests::server;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use xtask::workerd::{Options, Server};

/// Increments by each of two clients.
const INCREMENTS: usize = 20;

/// What a listener was told, as `[field, pending]`; what is told twice in a row, once.
fn told(page: &Browser, listener: &str, field: &str) -> Value {
    let snapshots = page.value(&format!(
        "{listener}.map((snapshot) => [snapshot.get('{field}') ?? null, snapshot.metadata.hasPendingWrites])"
    ));
    let mut snapshots = snapshots.as_array().unwrap().clone();
    snapshots.dedup();
    snapshots.into()
}

#[test]
fn a_write_is_seen_while_the_server_sleeps_and_confirmed_when_it_wakes() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&server::open_service(), data.path(), Options::default()).unwrap();
    let process = Pid::from_raw(server.pid().try_into().unwrap()).unwrap();
    let page = client_at(&server.base_url());
    page.run(
        r#"window.doc = db.doc("sleep/doc");
        await doc.set({ n: 1 });
        window.seen = listen(doc);"#,
    );
    page.see("seen.at(-1).get('n') === 1");

    kill_process(process, Signal::STOP).unwrap();
    page.run(
        r#"window.settled = [];
        for (const n of [5, increment(2)]) doc.update({ n }).then(({ version }) => settled.push(version));"#,
    );
    page.see("seen.at(-1).get('n') === 7 && seen.at(-1).metadata.hasPendingWrites");
    assert_eq!(page.value("settled"), json!([]));
    assert_eq!(page.value("seen.at(-1).version"), 1);

    kill_process(process, Signal::CONT).unwrap();
    page.see("!seen.at(-1).metadata.hasPendingWrites");
    page.see("settled.length === 2");
    assert_eq!(page.value("settled"), json!([2, 3]));
    assert_eq!(told(&page, "seen", "n"), json!([[1, false], [7, true], [7, false]]));
    assert_eq!(page.value("seen.at(-1).version"), 3);
    assert_eq!(errors(&page), Vec::<String>::new());
}

#[test]
fn a_refused_write_is_taken_back() {
    let page = client_at(&server::shared().url());
    page.run(
        r#"window.doc = db.doc("refused/doc");
        await doc.set({ size: 0, n: 1 });
        window.seen = listen(doc);"#,
    );
    page.see("seen.length === 1");
    // Only the server looks at a document's size. The write after the refused one stands.
    let outcomes = page.run(
        r#"const size = 1 << 20;
        const large = doc.update({ size, large: "x".repeat(size) });
        const next = doc.update({ n: increment(1) });
        return [await outcome(large), await outcome(next)];"#,
    );
    let refusal = &outcomes[0];
    assert_eq!(
        (&refusal["name"], &refusal["code"], &refusal["status"]),
        (&json!("BlazeError"), &json!("resource-exhausted"), &json!(413)),
    );
    assert_eq!(outcomes[1], json!({"value": {"version": 2}}));
    page.see("!seen.at(-1).metadata.hasPendingWrites");
    assert_eq!(
        told(&page, "seen", "size"),
        json!([[0, false], [1 << 20, true], [0, true], [0, false]]),
    );
    assert_eq!(page.value("seen.at(-1).data()"), json!({"n": 2, "size": 0}));
    let stored = server::shared().client().data("/v1/docs/refused/doc");
    assert_eq!(stored, json!({"n": 2, "size": 0}));
    // The browser notes the refusal by itself; nothing else went wrong.
    let noted = errors(&page);
    assert!(matches!(&noted[..], [line] if line.contains("status of 413")), "{noted:#?}");
}

#[test]
fn increments_are_never_seen_twice() {
    let page = client_at(&server::shared().url());
    page.run(&format!(
        r#"const other = await connect(location.origin);
        const docs = [db, other].map((db) => db.doc("counted/doc"));
        await docs[0].set({{ n: 0 }});
        window.seen = docs.map(listen);
        while (seen.some((seen) => !seen.length)) await new Promise((done) => setTimeout(done));
        const count = async (doc) => {{
          const calls = [];
          for (let made = 0; made < {INCREMENTS}; made += 1) {{
            calls.push(doc.update({{ n: increment(1) }}));
            // Answers and frames arrive between the calls.
            await new Promise((done) => setTimeout(done));
          }}
          return Promise.all(calls);
        }};
        await Promise.all(docs.map(count));"#
    ));
    for listener in ["seen[0]", "seen[1]"] {
        page.see(&format!("!{listener}.at(-1).metadata.hasPendingWrites"));
        page.see(&format!("{listener}.at(-1).version === {}", 1 + 2 * INCREMENTS));
        let seen = page.value(&format!("{listener}.map((snapshot) => snapshot.get('n'))"));
        let seen: Vec<usize> = serde_json::from_value(seen).unwrap();
        assert!(seen.is_sorted(), "{listener} went back: {seen:?}");
        assert_eq!((seen.first(), seen.last()), (Some(&0), Some(&(2 * INCREMENTS))));
        // It was not only told the end.
        assert!(seen.len() > INCREMENTS / 2, "{seen:?}");
    }
    assert_eq!(errors(&page), Vec::<String>::new());
}
