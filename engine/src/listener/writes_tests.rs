use super::*;

use blaze_schema::limits::{BODY_BYTES, WAITING_BYTES, WAITING_WRITES};
use std::mem;

const NOW: Timestamp = Timestamp::MIN;

/// A socket, the writes that it began, and what it sent.
struct Bench {
    listener: Listener,
    begun: Vec<String>,
    sent: Vec<String>,
    ended: Option<u16>,
}

impl Bench {
    fn new() -> Self {
        let listener = Listener::new(Rc::new(Collections::parse("{}").unwrap()));
        Bench { listener, begun: Vec::new(), sent: Vec::new(), ended: None }
    }

    fn tell(&mut self, event: Event) {
        for effect in self.listener.handle(NOW, &Guard::Open, event) {
            match effect {
                Effect::Write { path, .. } if self.ended.is_none() => {
                    self.begun.push(path.id().to_owned());
                }
                Effect::Send(text) => self.sent.push(text),
                Effect::End { code, .. } => self.ended = self.ended.or(Some(code)),
                Effect::Open { .. } | Effect::Close { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn write(&mut self, id: &str) {
        let text = format!(r#"{{"write":{{"id":"{id}","set":"a/{id}","data":{{}}}}}}"#);
        self.tell(Event::Message { text });
    }

    fn written(&mut self, id: &str, result: &Result<u64, Error>) {
        let answer = Some(written_text(id, &format!("a/{id}"), result));
        self.tell(Event::Written { answer });
    }

    /// Returns the writes that were begun since the last call.
    fn begun(&mut self) -> String {
        mem::take(&mut self.begun).join(" ")
    }
}

#[test]
fn a_write_begins_when_the_one_before_it_has_its_answer() {
    let mut bench = Bench::new();
    for id in ["w1", "w2", "w3"] {
        bench.write(id);
    }
    assert_eq!(bench.begun(), "w1");
    bench.written("w1", &Ok(1));
    assert_eq!(bench.begun(), "w2");
    for code in [Code::PermissionDenied, Code::FailedPrecondition, Code::ResourceExhausted] {
        bench.written("w2", &Err(Error::new(code, "no")));
        assert_eq!(bench.begun(), "w3", "a refusal does not hold up later writes");
        bench.write("w3");
    }
    bench.written("w3", &Ok(1));
    assert_eq!(bench.begun(), "w3");
    bench.written("w3", &Ok(2));
    assert_eq!((bench.begun().as_str(), bench.sent.len(), bench.ended), ("", 6, None));
    bench.write("w4");
    assert_eq!(bench.begun(), "w4");
}

#[test]
fn no_write_overtakes_one_without_a_final_answer() {
    let failed = |code| Some(written_text("w1", "", &Err(Error::new(code, "later"))));
    let strange = Some(error_text(&Error::invalid("no answer to a write")));
    let codes = [Code::Unavailable, Code::Aborted, Code::Internal].map(failed);
    for answer in codes.into_iter().chain([None, strange]) {
        let mut bench = Bench::new();
        bench.write("w1");
        bench.write("w2");
        bench.tell(Event::Written { answer: answer.clone() });
        assert_eq!((bench.begun().as_str(), bench.ended), ("w1", Some(1012)), "{answer:?}");
        assert_eq!(bench.sent, Vec::from_iter(answer));
    }
}

#[test]
fn so_many_writes_wait() {
    let mut bench = Bench::new();
    for number in 0..=WAITING_WRITES {
        bench.write(&format!("w{number}"));
    }
    assert_eq!((bench.begun().as_str(), bench.ended), ("w0", None));
    bench.written("w0", &Ok(1));
    bench.write("next");
    assert_eq!((bench.begun().as_str(), bench.ended), ("w1", None));
    bench.write("one-more");
    assert_eq!(bench.ended, Some(4429));
    assert!(bench.sent.pop().unwrap().contains(&WAITING_WRITES.to_string()));
}

#[test]
fn so_many_bytes_of_writes_wait() {
    let write = |bench: &mut Bench, bytes: usize| {
        let frame = r#"{"write":{"id":"","delete":"a/b"}}"#;
        let text = frame.to_owned() + &" ".repeat(bytes - frame.len());
        bench.tell(Event::Message { text });
    };
    for (last, ended) in [(100, None), (101, Some(4429))] {
        let mut bench = Bench::new();
        for bytes in [100, BODY_BYTES, WAITING_BYTES - BODY_BYTES - 100, last] {
            assert_eq!(bench.ended, None);
            write(&mut bench, bytes);
        }
        assert_eq!((bench.begun().as_str(), bench.ended), ("b", ended));
    }
}

#[test]
fn a_socket_ends_before_it_makes_more_requests_than_it_may() {
    let mut bench = Bench::new();
    for number in 1..LISTENER_REQUESTS {
        let id = format!("w{number}");
        bench.write(&id);
        bench.written(&id, &Ok(1));
    }
    assert_eq!(bench.ended, None);
    bench.write("last");
    bench.write("later");
    assert_eq!(bench.ended, None, "the client waits for an answer");
    bench.begun();
    bench.written("last", &Ok(1));
    assert_eq!((bench.begun().as_str(), bench.ended), ("", Some(1012)));
    assert!(bench.sent.pop().unwrap().contains("last"));
    // Requests to other objects count as well.
    let mut bench = Bench::new();
    for number in 0..LISTENER_REQUESTS {
        assert_eq!(bench.ended, None);
        let text = r#"{"listen":{"target":1,"query":{"from":"a"}}}"#.to_owned();
        bench.tell(if number % 2 == 0 { Event::Message { text } } else { Event::Tick });
    }
    assert_eq!(bench.ended, Some(1012));
}
