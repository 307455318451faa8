use super::*;
use blaze_schema::error::Code;

const START: i64 = 1_700_000_000_000_000;

/// An identity, its clock, and its effects in short.
struct Bench {
    identity: Identity,
    effects: Vec<Effect>,
    now: i64,
}

fn token(text: &str) -> Token {
    Some(text.into())
}

/// A JWT that ends in so many seconds from the start.
fn jwt(name: &str, seconds: i64) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = format!(r#"{{"sub":"{name}","exp":{}}}"#, START / 1_000_000 + seconds);
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
}

impl Bench {
    fn new(source: Source) -> Self {
        let mut bench = Bench { identity: Identity::default(), effects: Vec::new(), now: START };
        bench.identity.become_of(source, false, &mut bench.effects);
        bench
    }

    /// One whose application has given this token.
    fn with(token: &str) -> Self {
        let mut bench = Bench::new(Source::Asked);
        assert_eq!(bench.wanted(), None);
        bench.give(1, Ok(token));
        bench.effects.clear();
        bench
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn wanted(&mut self) -> Option<Token> {
        let now = self.now();
        self.identity.wanted(now, &mut self.effects)
    }

    fn give(&mut self, number: u64, given: Result<&str, &str>) {
        let given = given.map(token).map_err(|why| Error::new(Code::Unavailable, why));
        let now = self.now();
        self.identity.given(number, given, now, &mut self.effects);
    }

    fn timer(&mut self, after_s: i64, is_wanted: bool) {
        self.now += after_s * 1_000_000;
        let now = self.now();
        self.identity.timer(now, is_wanted, &mut self.effects);
    }

    fn told(&mut self) -> String {
        let name = |token: &Token| {
            token.as_deref().map_or("nobody".to_owned(), |t| t.chars().take(12).collect())
        };
        let short = |effect| match effect {
            Effect::Ask { number, fresh } => {
                format!("ask {number}{}", if fresh { " fresh" } else { "" })
            }
            Effect::Answer(Ok(token)) => format!("answer {}", name(&token)),
            Effect::Answer(Err(error)) => format!("fail {}", error.detail),
            Effect::StartTimer(after_ms) => format!("{after_ms} ms"),
        };
        self.effects.drain(..).map(short).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn a_fixed_token_is_at_hand_and_there_is_no_other() {
    let mut bench = Bench::new(Source::Fixed("a".into()));
    assert_eq!(bench.told(), "answer a");
    assert_eq!(bench.wanted(), Some(token("a")));
    assert!(!bench.identity.refused(&token("a")));
    assert!(bench.identity.refused(&token("b")), "one of before");
    assert_eq!(bench.wanted(), Some(token("a")));
    bench.timer(100_000, true);
    assert_eq!(bench.told(), "");
    let mut bench = Bench::new(Source::Nobody);
    assert_eq!(bench.wanted(), Some(None));
    assert!(!bench.identity.refused(&None));
}

#[test]
fn those_who_need_a_token_at_once_share_one_question() {
    let mut bench = Bench::new(Source::Asked);
    assert_eq!(bench.told(), "", "nobody needs one");
    assert_eq!((bench.wanted(), bench.wanted(), bench.wanted()), (None, None, None));
    assert_eq!(bench.told(), "ask 1");
    bench.give(1, Ok("a"));
    assert_eq!(bench.told(), "answer a");
    bench.give(1, Ok("b"));
    assert_eq!((bench.told().as_str(), bench.wanted()), ("", Some(token("a"))), "an echo");
}

#[test]
fn a_refused_token_is_replaced_once() {
    let mut bench = Bench::with("a");
    assert!(bench.identity.refused(&token("a")));
    assert!(bench.identity.refused(&token("a")), "of another request at the same time");
    assert_eq!((bench.wanted(), bench.wanted()), (None, None));
    assert_eq!(bench.told(), "ask 2 fresh");
    assert!(bench.identity.refused(&token("a")), "of a slow one");
    bench.give(2, Ok("b"));
    assert!(bench.identity.refused(&token("a")), "b is there already");
    assert_eq!(bench.wanted(), Some(token("b")));
    assert!(!bench.identity.refused(&token("b")), "a fresh one is no better");
    bench.effects.clear();
    assert_eq!(
        (bench.wanted(), bench.told().as_str()),
        (None, "ask 3 fresh"),
        "who comes later tries too"
    );
    bench.give(3, Ok("c"));
    bench.identity.accepted(&token("b"));
    bench.identity.accepted(&token("c"));
    assert!(bench.identity.refused(&token("c")), "it was good once");
}

#[test]
fn a_refusal_that_was_on_its_way_is_about_the_token_before() {
    // A socket and somebody else have the same token, which somebody else is told is no good.
    let mut bench = Bench::with("old");
    let mut shown = Shown::opened_for(token("old"));
    assert!(bench.identity.refused(&token("old")));
    bench.wanted();
    bench.give(2, Ok("new"));
    assert!(shown.say(&token("new")));
    assert!(!shown.say(&token("new")), "once is enough");
    assert!(shown.refused(&mut bench.identity), "it comes again");
    assert_eq!(bench.identity.known(), Some(&token("new")), "nobody is asked again");
    // Of the next socket there is no doubt: the second token in a row that is no good.
    let shown = Shown::opened_for(token("new"));
    assert!(!shown.refused(&mut bench.identity));
}

#[test]
fn a_token_that_a_socket_was_heard_with_is_replaced_when_it_is_refused() {
    let mut bench = Bench::with("old");
    assert!(bench.identity.refused(&token("old")));
    bench.wanted();
    bench.give(2, Ok("new"));
    let mut shown = Shown::opened_for(token("old"));
    shown.say(&token("new"));
    shown.accepted(&mut bench.identity);
    assert!(shown.refused(&mut bench.identity));
    assert_eq!(bench.identity.known(), None, "another one is to be asked for");
}

#[test]
fn a_token_is_renewed_a_minute_before_it_ends_or_halfway() {
    for (life_s, after_ms) in [(3_600, 3_540_001), (120, 60_001), (60, 30_001), (2, 1_001)] {
        let mut bench = Bench::new(Source::Asked);
        bench.wanted();
        bench.effects.clear();
        bench.give(1, Ok(&jwt("a", life_s)));
        assert!(bench.told().ends_with(&format!(", {after_ms} ms")), "{life_s}");
    }
    for text in [
        jwt("a", 0),
        jwt("a", -60),
        "a.b.c".to_owned(),
        "apikey".to_owned(),
        "e30.e30.x".to_owned(),
    ] {
        let mut bench = Bench::new(Source::Asked);
        bench.wanted();
        bench.give(1, Ok(&text));
        assert!(!bench.told().contains("ms"), "{text}");
        assert_eq!(bench.wanted(), Some(token(&text)), "the server will say");
    }
    let mut bench = Bench::new(Source::Asked);
    bench.wanted();
    bench.give(1, Ok(&jwt("a", 10_000_000)));
    assert!(bench.told().ends_with(&format!(", {TIMER_MS} ms")), "no timer is longer");
    bench.timer(TIMER_MS / 1_000, true);
    assert_eq!(bench.told(), format!("{TIMER_MS} ms"));
}

#[test]
fn sockets_are_told_of_the_new_token_and_without_any_nobody_asks() {
    let mut bench = Bench::with(&jwt("a", 120));
    bench.timer(59, true);
    assert_eq!(
        (bench.told(), bench.wanted()),
        ("1001 ms".to_owned(), Some(token(&jwt("a", 120)))),
        "early"
    );
    let mut bench = Bench::with(&jwt("a", 120));
    bench.timer(61, true);
    assert_eq!(bench.told(), "ask 2 fresh");
    bench.give(2, Ok("b"));
    assert_eq!(bench.told(), "answer b");
    let mut bench = Bench::with(&jwt("a", 120));
    bench.timer(61, false);
    assert_eq!(bench.told(), "");
    assert_eq!((bench.wanted(), bench.told().as_str()), (None, "ask 2 fresh"), "when it is needed");
}

#[test]
fn a_callback_that_fails_is_asked_again_and_the_token_used_meanwhile() {
    let mut bench = Bench::new(Source::Asked);
    bench.wanted();
    bench.give(1, Err("offline"));
    assert_eq!(bench.told(), "ask 1, fail offline, 5000 ms");
    bench.timer(1, false);
    assert_eq!(bench.told(), "");
    bench.timer(1, true);
    assert_eq!(bench.told(), "ask 2");
    let a = jwt("a", 120);
    bench.now = START;
    bench.give(2, Ok(&a));
    bench.timer(61, true);
    bench.effects.clear();
    bench.give(3, Err("offline"));
    let kept = format!("answer {}, 5000 ms", a.chars().take(12).collect::<String>());
    assert_eq!((bench.told(), bench.wanted()), (kept, Some(token(&a))));
    bench.timer(5, true);
    assert_eq!(bench.told(), "ask 4 fresh");
    bench.give(4, Err("offline"));
    assert!(bench.identity.refused(&token(&a)));
    bench.effects.clear();
    bench.wanted();
    bench.give(5, Err("offline"));
    assert!(bench.told().starts_with("ask 5 fresh, fail offline"), "a refused one is not used");
}

#[test]
fn another_source_is_asked_if_anybody_needs_it_and_its_sockets_are_told() {
    let mut bench = Bench::with("a");
    bench.identity.become_of(Source::Nobody, true, &mut bench.effects);
    assert_eq!(bench.told(), "answer nobody");
    bench.identity.become_of(Source::Asked, true, &mut bench.effects);
    assert_eq!(bench.told(), "ask 2");
    bench.identity.become_of(Source::Asked, false, &mut bench.effects);
    assert_eq!(bench.told(), "ask 3", "somebody waits");
    bench.give(2, Ok("of before"));
    assert_eq!(bench.told(), "");
    bench.give(3, Ok("b"));
    assert_eq!(bench.told(), "answer b");
}

#[test]
fn a_payload_is_read_as_the_base64_crate_writes_it() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for length in 0..60_u8 {
        let bytes: Vec<u8> =
            (0..length).map(|byte| byte.wrapping_mul(251).wrapping_add(length)).collect();
        assert_eq!(decode_url(&URL_SAFE_NO_PAD.encode(&bytes)), Some(bytes));
    }
    assert_eq!(decode_url("a+b/"), None);
    for text in [
        "",
        ".",
        "..",
        "a.é.b",
        "a.____.b",
        "a.W10.b",
        "a.eyJleHAiOiJ4In0.b",
        "a.eyJleHAiOjFlMzA5fQ.b",
    ] {
        let _ = renew_at(text, Timestamp::from_micros(0));
    }
}
