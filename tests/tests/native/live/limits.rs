//! How large a live query and its result may be: at the limit, and one past it.

use crate::bench::{Bench, query, receive};
use blaze_schema::error::Code;
use blaze_schema::limits::{ANSWER_BYTES, LIVE_DOCUMENTS, LIVE_QUERY_BYTES};
use blaze_tests::live_client::{LiveClient, Received};
use serde_json::json;

#[test]
fn a_query_is_no_longer_than_is_kept_with_a_socket() {
    let mut bench = Bench::new();
    let of = |bytes: usize| {
        let text = |count: usize| {
            query(json!({"where": {"field": "a", "op": "==", "value": "x".repeat(count)}}))
        };
        text(bytes - text(0).len())
    };
    assert_eq!(of(LIVE_QUERY_BYTES).len(), LIVE_QUERY_BYTES);
    assert!(bench.listen(&of(LIVE_QUERY_BYTES)).is_ok());
    let error = bench.listen(&of(LIVE_QUERY_BYTES + 1)).map(drop).unwrap_err();
    assert_eq!((error.code, error.status), (Code::InvalidArgument, 400));
    assert!(error.detail.contains(&LIVE_QUERY_BYTES.to_string()), "{error}");
}

#[test]
fn a_result_has_no_more_documents_than_can_be_listened_to() {
    let mut bench = Bench::new();
    for n in 0..LIVE_DOCUMENTS {
        bench.set(&format!("{n:05}"), json!({}));
    }
    let all = query(json!({}));
    // A window that is full may end where the collection goes on.
    let first = query(json!({"limit": LIVE_DOCUMENTS, "select": []}));
    let told = |frame: &str| frame.matches("\"added\"").count();
    assert_eq!(told(&bench.connect(&all, None)), LIVE_DOCUMENTS);
    let mut limited = bench.listen(&first).unwrap();
    let frames = bench.set("99999", json!({}));
    let Received::Ended(error) = receive(&mut LiveClient::default(), &frames) else {
        panic!("{frames:?}")
    };
    assert_eq!(error.code, Code::ResourceExhausted);
    assert!(error.detail.contains(&LIVE_DOCUMENTS.to_string()), "{error}");
    // They listen no more, nor does anybody else.
    assert_eq!(bench.set("99998", json!({})), []);
    assert_eq!(bench.listen(&all).map(drop).unwrap_err().code, Code::ResourceExhausted);
    // Who has the first of them is brought up to date from beyond them.
    bench.delete("00000");
    let frame = bench.connect(&first, limited.resume().map(str::to_owned).as_deref());
    assert_eq!(limited.receive(&frame), Ok(Received::Changes { reset: false, told: 2 }));
}

#[test]
fn a_result_has_no_more_bytes_than_one_answer() {
    let mut bench = Bench::new();
    let all = query(json!({}));
    let data = json!({"t": "x".repeat(1_000_000)});
    let most = ANSWER_BYTES / 1_000_150;
    for n in 0..most - 1 {
        bench.set(&n.to_string(), data.clone());
    }
    let mut client = bench.listen(&all).unwrap();
    let frames = bench.set("a", data.clone());
    assert_eq!(receive(&mut client, &frames), Received::Changes { reset: false, told: 1 });
    bench.check(&all, &client);
    bench.delete("0");
    let mut client = bench.listen(&all).unwrap();
    let frames = bench.set("b", data.clone());
    assert_eq!(receive(&mut client, &frames), Received::Changes { reset: false, told: 1 });
    let frames = bench.set("c", data);
    let Received::Ended(error) = receive(&mut client, &frames) else { panic!("it goes on") };
    assert_eq!(error.code, Code::ResourceExhausted);
    assert!(error.detail.contains(&ANSWER_BYTES.to_string()), "{error}");
    assert_eq!(bench.listen(&all).map(drop).unwrap_err().code, Code::ResourceExhausted);
}
