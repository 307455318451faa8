//! A client's socket on `/v1/listen`, which the queries that it listens to ([`Targets`]) share with its writes
//! ([`Outbox`]).
//!
//! In scope: every decision about the socket, and whom an event concerns. Out of scope: sockets, timers, the clock,
//! randomness and callbacks. It is driven as a [`Replica`](crate::core::replica::Replica) is: tell [`Queries::handle`]
//! what happened, then do the effects, in order.
//!
//! A frame that does not fit gives the socket up. A query is asked after the writes that were made before it: rules may
//! let it pass because of them. The socket is open as long as there are queries, and as long as several writes wait;
//! writes need none, and never wait for it to open.

use crate::core::error::may_pass;
use crate::core::link::{Link, LinkEffect};
use crate::core::outbox::Outbox;
use crate::core::query_event::{Patience, QueryEffect, QueryEvent, QueryTimer, Settled};
use crate::core::row::Rows;
use crate::core::targets::{Framed, Targets};
use blaze_schema::error::{Code, Error};
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::PING;
use blaze_schema::wire::query::QueryMessage;
use std::mem;

/// A socket that no query needs stays open for so long after the last write, in milliseconds.
pub const LINGER_MS: u32 = 10_000;

/// The socket.
#[derive(Debug, Default)]
pub struct Queries {
    link: Link,
    targets: Targets,
    outbox: Outbox,
    /// True after the server refused the socket: writes do without one until a query is listened to or there is another
    /// token.
    shunned: bool,
    /// True while the client has another identity than the socket.
    replaced: bool,
    /// True while the timer [`QueryTimer::Linger`] runs.
    lingering: bool,
}

impl Queries {
    /// What the listeners of a query see; `None` before its first frame, and when it is not listened to. It is the same
    /// [`Rc`](std::rc::Rc) until something changes.
    pub fn rows(&mut self, target: u64) -> Option<Rows> {
        self.targets.rows(target)
    }

    /// Takes one event. `now` is the local clock; all bits of `random` are.
    pub fn handle(&mut self, now: Timestamp, random: u128, event: QueryEvent) -> Vec<QueryEffect> {
        let mut effects = Vec::new();
        match event {
            QueryEvent::Listen { target, query, asked } => {
                match self.targets.add(target, *query, asked, self.outbox.last()) {
                    Ok(()) => {
                        self.shunned = false;
                        self.link(&mut effects, Link::start);
                    }
                    Err(error) => effects.push(QueryEffect::Fail { target, error }),
                }
            }
            QueryEvent::Unlisten { target } => {
                let removed = self.targets.remove(target, &mut effects);
                self.ended(removed, &mut effects);
            }
            QueryEvent::Opened => {
                let mut opened = false;
                self.link(&mut effects, |link, asked| opened = link.opened(false, asked));
                if opened {
                    self.outbox.opened(&mut effects);
                }
            }
            QueryEvent::Received(frame) => self.received(frame, random, &mut effects),
            QueryEvent::Closed(why) => {
                self.link(&mut effects, |link, asked| link.closed(why, random, asked));
            }
            QueryEvent::Refused(error) => self.fail_all(&error, random, &mut effects),
            QueryEvent::Timer(QueryTimer::Socket) => {
                self.link(&mut effects, |link, asked| link.timer(random, asked));
            }
            QueryEvent::Timer(QueryTimer::Retry) => self.targets.retry(),
            QueryEvent::Timer(QueryTimer::Ping) => {
                if self.targets.send_ping(self.link.is_open(), &mut effects) {
                    self.link(&mut effects, Link::expect);
                }
            }
            QueryEvent::Write { path, operation } => {
                self.targets.write(path, operation, now, &mut effects);
            }
            QueryEvent::Settled { path, version } => {
                self.targets.settled(&path, version, &mut effects);
            }
            QueryEvent::Close => {
                self.targets.clear();
                for settled in self.outbox.close(&mut effects) {
                    self.written(Some(settled), &mut effects);
                }
                self.end(&mut effects);
            }
            event => self.handle_way(random, event, &mut effects),
        }
        self.go_on(random, &mut effects);
        effects
    }

    /// Handles the events of the way to the server and of writes on it.
    fn handle_way(&mut self, random: u128, event: QueryEvent, effects: &mut Vec<QueryEffect>) {
        match event {
            QueryEvent::Timer(QueryTimer::Writes) => self.outbox.timer(),
            QueryEvent::Timer(QueryTimer::Linger) => {
                self.lingering = false;
                self.stop(effects);
            }
            QueryEvent::Online => {
                self.link(effects, Link::retry);
                self.outbox.retry(effects);
            }
            QueryEvent::Reached => {
                self.link(effects, Link::reached);
                self.outbox.reached(effects);
            }
            QueryEvent::Doubt => self.link(effects, Link::doubt),
            QueryEvent::Replaced => {
                self.replaced = true;
                self.outbox.replaced();
            }
            QueryEvent::Renewed => {
                (self.shunned, self.replaced) = (false, false);
                self.outbox.renewed();
            }
            QueryEvent::Nameless(error) if self.replaced => self.fail_all(&error, random, effects),
            QueryEvent::Send { id, path, write } => self.outbox.push(id, path, write),
            QueryEvent::Answered { request, answer } => {
                let settled = self.outbox.answered(request, answer, random, effects);
                self.written(settled, effects);
            }
            QueryEvent::Wait { id, path, patience } => {
                self.outbox.wait(id, path.as_deref(), patience, effects);
            }
            _ => {}
        }
    }

    /// Takes the steps that an event has made possible, the same after every event.
    fn go_on(&mut self, random: u128, effects: &mut Vec<QueryEffect>) {
        if !self.link.is_open() {
            self.outbox.closed(random, effects);
        }
        self.outbox.send(effects);
        self.list(effects);
        let bytes = self.outbox.bytes_on_socket();
        self.link(effects, |link, asked| link.awaits(bytes, asked));
        if !self.targets.is_empty() {
            self.rest(false, effects);
        } else if self.outbox.wants_socket() && !self.shunned {
            self.rest(false, effects);
            self.link(effects, Link::start);
        } else {
            self.rest(self.link.is_started() && self.outbox.is_empty(), effects);
        }
    }

    /// Starts or stops the timer that closes a socket without use.
    fn rest(&mut self, lingering: bool, effects: &mut Vec<QueryEffect>) {
        if mem::replace(&mut self.lingering, lingering) != lingering {
            let timer = QueryTimer::Linger;
            effects.push(match lingering {
                true => QueryEffect::StartTimer { timer, after_ms: LINGER_MS },
                false => QueryEffect::StopTimer(timer),
            });
        }
    }

    fn written(&mut self, settled: Option<Settled>, effects: &mut Vec<QueryEffect>) {
        effects.extend(settled.map(QueryEffect::Written));
    }

    /// Takes the end of a query, if it ended; `ended` says whether it was delayed.
    fn ended(&mut self, ended: Option<bool>, effects: &mut Vec<QueryEffect>) {
        if let Some(was_delayed) = ended {
            self.undelayed(was_delayed, effects);
            self.stop(effects);
        }
    }

    fn undelayed(&self, was_delayed: bool, effects: &mut Vec<QueryEffect>) {
        if self.link.is_open() {
            self.targets.undelayed(was_delayed, effects);
        }
    }

    /// Tells the server of the queries that it does not know of, and that are not to wait.
    fn list(&mut self, effects: &mut Vec<QueryEffect>) {
        if self.link.is_open() && !self.replaced {
            let waits = |after| self.outbox.holds_up(after, Patience::UntilItIsHopeless);
            self.targets.list(waits, effects);
        }
    }

    fn received(
        &mut self,
        frame: Result<QueryMessage, Error>,
        random: u128,
        effects: &mut Vec<QueryEffect>,
    ) {
        if !self.link.heard() {
            return;
        }
        match frame {
            Ok(QueryMessage::Changes { target, changes }) => {
                match self.targets.frame(target, changes) {
                    Framed::Ignored => {}
                    Framed::Moved { was_delayed } => {
                        self.link(effects, Link::worked);
                        self.undelayed(was_delayed, effects);
                        effects.push(QueryEffect::Changed);
                    }
                    Framed::Broken => {
                        let why = Error::new(Code::Internal, "a frame does not fit");
                        self.link(effects, |link, asked| link.broke(why, random, asked));
                    }
                }
            }
            Ok(QueryMessage::Error { target: Some(target), error }) => {
                self.link(effects, Link::worked);
                let refused = self.targets.refused(target, error, random, effects);
                self.ended(refused, effects);
            }
            Ok(QueryMessage::Error { target: None, error }) if !may_pass(&error) => {
                self.fail_all(&error, random, effects);
            }
            Ok(QueryMessage::Written { id, result }) => {
                self.link(effects, Link::worked);
                if let Ok(id) = id.parse() {
                    let settled = self.outbox.written(id, result, random, effects);
                    self.written(settled, effects);
                }
            }
            Ok(QueryMessage::Error { error, .. }) => {
                self.link(effects, |link, asked| link.ended(&error, random, asked));
            }
            Ok(QueryMessage::Pong(number)) => {
                self.link(effects, Link::worked);
                self.targets.ponged(number, effects);
            }
            Err(error) => {
                // Whichever query it was for: what it has may miss something.
                self.targets.forget_places();
                self.link(effects, |link, asked| link.broke(error, random, asked));
            }
        }
    }

    fn fail_all(&mut self, error: &Error, random: u128, effects: &mut Vec<QueryEffect>) {
        self.targets.fail_all(error, effects);
        self.shunned = true;
        self.outbox.closed(random, effects);
        self.end(effects);
    }

    /// Without a query and a write there is no socket and no timer.
    fn stop(&mut self, effects: &mut Vec<QueryEffect>) {
        if self.targets.is_empty() && self.outbox.is_empty() && !self.lingering {
            self.end(effects);
        }
    }

    fn end(&mut self, effects: &mut Vec<QueryEffect>) {
        if self.link.is_started() {
            self.link(effects, Link::stop);
            self.targets.stop(effects);
        }
    }

    /// Tells the link of something, and passes on what it asks for.
    fn link(
        &mut self,
        effects: &mut Vec<QueryEffect>,
        tell: impl FnOnce(&mut Link, &mut Vec<LinkEffect>),
    ) {
        let mut asked = Vec::new();
        tell(&mut self.link, &mut asked);
        self.pass_on(asked, effects);
    }

    fn pass_on(&mut self, asked: Vec<LinkEffect>, effects: &mut Vec<QueryEffect>) {
        for effect in asked {
            effects.push(match effect {
                LinkEffect::Open => QueryEffect::OpenSocket,
                LinkEffect::Close => {
                    self.targets.lost();
                    QueryEffect::CloseSocket
                }
                LinkEffect::Ping => QueryEffect::Send(PING.to_owned()),
                LinkEffect::StartTimer(after_ms) => {
                    QueryEffect::StartTimer { timer: QueryTimer::Socket, after_ms }
                }
                LinkEffect::StopTimer => QueryEffect::StopTimer(QueryTimer::Socket),
                LinkEffect::Connection(state) => QueryEffect::Connection(state),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::ConnectionState;
    use blaze_schema::limits::BODY_BYTES;
    use blaze_schema::path::DocumentPath;
    use blaze_schema::query::Query;
    use blaze_schema::wire::document::{PONG, TOO_MANY, error_text};
    use blaze_schema::wire::query::{changes_text, listen_text, targeted};
    use blaze_schema::write::Operation;
    use serde_json::json;
    use std::rc::Rc;

    const LATEST: u128 = u128::MAX;

    /// The queries, and their effects in short.
    #[derive(Default)]
    struct Bench {
        queries: Queries,
        effects: Vec<QueryEffect>,
    }

    impl Bench {
        /// Queries of `c1` and so on, listened to on an open socket.
        fn open(targets: u64) -> Self {
            let mut bench = Bench::default();
            (1..=targets).for_each(|target| bench.listen(target));
            bench.tell(QueryEvent::Opened);
            bench.receive(PONG);
            bench.timer(QueryTimer::Socket);
            bench.effects.clear();
            bench
        }

        fn tell(&mut self, event: QueryEvent) {
            let now = Timestamp::from_micros(0);
            self.effects.extend(self.queries.handle(now, LATEST, event));
        }

        fn listen(&mut self, target: u64) {
            let json = json!({"from": format!("c{target}")});
            let (asked, query) = (json.to_string(), Query::from_json(json).unwrap());
            self.tell(QueryEvent::Listen { target, query: Box::new(query), asked });
        }

        fn receive(&mut self, frame: &str) {
            let frame = serde_json::from_str(frame).map_err(|_| Error::invalid("garbled"));
            self.tell(QueryEvent::Received(frame.and_then(QueryMessage::from_json)));
        }

        /// A frame without changes: the whole result, if it is the first one.
        fn frame(&mut self, target: u64, reset: bool, resume: &str) {
            self.receive(&targeted(target, &changes_text(reset, &[], resume)));
        }

        fn timer(&mut self, timer: QueryTimer) {
            self.tell(QueryEvent::Timer(timer));
        }

        fn told(&mut self) -> String {
            let short = |effect| match effect {
                QueryEffect::OpenSocket => "open".to_owned(),
                QueryEffect::CloseSocket => "close".to_owned(),
                QueryEffect::Send(text) => text.replace('"', ""),
                QueryEffect::StartTimer { timer, after_ms } => format!("{timer:?} {after_ms} ms"),
                QueryEffect::StopTimer(timer) => format!("stop {timer:?}"),
                QueryEffect::Changed => "changed".to_owned(),
                QueryEffect::Fail { target, error } => {
                    format!("fail {target} {}", error.code.as_str())
                }
                QueryEffect::Connection(ConnectionState::Offline { retry_in_ms, error }) => {
                    let why = error.map_or(String::new(), |error| format!(": {}", error.detail));
                    format!("offline {retry_in_ms}{why}")
                }
                QueryEffect::Connection(state) => format!("{state:?}"),
                other => format!("{other:?}"),
            };
            self.effects.drain(..).map(short).collect::<Vec<_>>().join(", ")
        }
    }

    #[test]
    fn queries_share_a_socket_from_the_first_to_the_last() {
        let mut bench = Bench::default();
        bench.listen(1);
        assert_eq!(bench.told(), "open, Socket 10000 ms, Connecting");
        bench.listen(2);
        assert_eq!(bench.told(), "");
        bench.tell(QueryEvent::Opened);
        let listens = "{listen:{target:1,query:{from:c1}}}, {listen:{target:2,query:{from:c2}}}";
        assert_eq!(bench.told(), format!("{{ping:0}}, Socket 10000 ms, {listens}"));
        bench.listen(3);
        assert_eq!(bench.told(), "{listen:{target:3,query:{from:c3}}}");
        bench.tell(QueryEvent::Unlisten { target: 2 });
        bench.tell(QueryEvent::Unlisten { target: 1 });
        assert_eq!(bench.told(), "{unlisten:2}, {unlisten:1}");
        bench.frame(2, true, "s");
        assert_eq!(bench.told(), "", "it was on its way");
        assert_eq!(bench.queries.rows(2), None);
        bench.tell(QueryEvent::Unlisten { target: 3 });
        let end = "close, stop Socket, Idle, stop Retry, stop Ping";
        assert_eq!(bench.told(), format!("{{unlisten:3}}, {end}"));
    }

    #[test]
    fn a_result_of_several_frames_is_shown_when_the_last_one_is_there() {
        let mut bench = Bench::open(1);
        let part = r#"{"target":1,"type":"changes","reset":true,"changes":[]}"#;
        bench.receive(part);
        assert_eq!((bench.told().as_str(), bench.queries.rows(1)), ("", None));
        bench.tell(QueryEvent::Closed(None));
        bench.timer(QueryTimer::Socket);
        bench.tell(QueryEvent::Opened);
        assert!(bench.told().contains("{listen:{target:1,query:{from:c1}}}"), "from the beginning");
        bench.receive(part);
        bench.frame(1, false, "s1");
        assert_eq!(bench.told(), "Connected, changed");
        assert_eq!(bench.queries.rows(1), Some(Rc::default()));
    }

    #[test]
    fn a_lost_socket_is_reopened_and_every_query_goes_on() {
        let mut bench = Bench::open(2);
        bench.frame(1, true, "s1");
        bench.frame(1, false, "s2");
        assert_eq!(bench.told(), "changed, changed");
        assert_eq!(bench.queries.rows(1), Some(Rc::default()));
        assert_eq!(bench.queries.rows(2), None, "nothing came yet");
        bench.timer(QueryTimer::Socket);
        assert_eq!(bench.told(), "{ping:0}, Socket 5000 ms");
        bench.timer(QueryTimer::Socket);
        let late = "the server did not answer in time";
        assert_eq!(bench.told(), format!("close, Socket 250 ms, offline 250: {late}"));
        bench.listen(3);
        assert_eq!(bench.told(), "", "it waits for the socket");
        bench.tell(QueryEvent::Online);
        bench.tell(QueryEvent::Opened);
        let listens = "{listen:{target:1,query:{from:c1},resume:s2}}, {listen:{target:2,query:{from:c2}}}, {listen:{target:3,query:{from:c3}}}";
        let opened = "open, Socket 10000 ms, Connecting, {ping:0}, Socket 10000 ms";
        assert_eq!(bench.told(), format!("{opened}, {listens}"));
        bench.receive(PONG);
        bench.timer(QueryTimer::Socket);
        assert_eq!(bench.told(), "Connected, Socket 10000 ms");
    }

    #[test]
    fn a_frame_that_does_not_fit_starts_its_query_anew() {
        for (frame, listens) in [
            (
                r#"{"target":1,"type":"changes","changes":[{"type":"removed","path":"c1/a","oldIndex":0,"newIndex":-1}],"resume":"s2"}"#,
                "{listen:{target:1,query:{from:c1}}}, {listen:{target:2,query:{from:c2},resume:s}}",
            ),
            ("garbled", "{listen:{target:1,query:{from:c1}}}, {listen:{target:2,query:{from:c2}}}"),
        ] {
            let mut bench = Bench::open(2);
            for wait in [250, 500] {
                bench.frame(1, true, "s");
                bench.frame(2, true, "s");
                bench.effects.clear();
                bench.receive(frame);
                let told = format!("close, Socket {wait} ms, offline {wait}: ");
                assert!(bench.told().starts_with(&told), "{frame}");
                bench.frame(1, true, "late");
                bench.timer(QueryTimer::Socket);
                bench.effects.clear();
                bench.tell(QueryEvent::Opened);
                assert_eq!(bench.told(), format!("{{ping:0}}, Socket 10000 ms, {listens}"));
            }
        }
    }

    #[test]
    fn a_query_longer_than_a_message_is_refused_before_it_is_sent() {
        let listen = |bytes: usize| {
            let mut bench = Bench::open(0);
            let (query, spare) = (json!({"from": "c"}), listen_text(1, "", None).len());
            let query = Box::new(Query::from_json(query).unwrap());
            let asked = " ".repeat(bytes - spare);
            bench.tell(QueryEvent::Listen { target: 1, query, asked });
            bench.told()
        };
        assert_eq!(listen(BODY_BYTES), "open, Socket 10000 ms, Connecting");
        assert_eq!(listen(BODY_BYTES + 1), "fail 1 resource-exhausted");
    }

    #[test]
    fn a_socket_of_an_earlier_identity_takes_no_query() {
        let mut bench = Bench::open(1);
        bench.tell(QueryEvent::Replaced);
        bench.listen(2);
        assert_eq!(bench.told(), "", "it would be answered to who this was");
        bench.tell(QueryEvent::Renewed);
        assert_eq!(bench.told(), "{listen:{target:2,query:{from:c2}}}");
        bench.tell(QueryEvent::Nameless(Error::new(Code::Unauthenticated, "why")));
        assert_eq!(bench.told(), "", "who this is is known");
        bench.tell(QueryEvent::Replaced);
        bench.listen(3);
        bench.tell(QueryEvent::Nameless(Error::new(Code::Unauthenticated, "why")));
        let failed = [1, 2, 3].map(|target| format!("fail {target} unauthenticated")).join(", ");
        let end = "close, stop Socket, Idle, stop Retry, stop Ping";
        assert_eq!(bench.told(), format!("{failed}, {end}"));
    }

    #[test]
    fn an_error_ends_its_query_or_delays_it() {
        let error = |code| error_text(&Error::new(code, "why"));
        let mut bench = Bench::open(3);
        bench.receive(&targeted(2, &error(Code::PermissionDenied)));
        assert_eq!(bench.told(), "fail 2 permission-denied");
        bench.frame(1, true, "s");
        bench.effects.clear();
        for wait in [250, 500] {
            bench.receive(&targeted(1, &error(Code::Unavailable)));
            let crowded = Error::new(Code::ResourceExhausted, "why").with_status(TOO_MANY);
            bench.receive(&targeted(3, &error_text(&crowded)));
            let told = format!("Retry {wait} ms, offline {wait}: why, offline {wait}: why");
            assert_eq!(bench.told(), told, "what waits is said");
            bench.timer(QueryTimer::Retry);
            let listens =
                "{listen:{target:1,query:{from:c1},resume:s}}, {listen:{target:3,query:{from:c3}}}";
            assert_eq!(bench.told(), listens);
        }
        bench.frame(1, false, "s");
        bench.receive(&targeted(1, &error(Code::Unavailable)));
        assert_eq!(bench.told(), "changed, Retry 250 ms, offline 250: why");
        bench.timer(QueryTimer::Retry);
        bench.effects.clear();
        bench.frame(3, true, "s");
        assert_eq!(bench.told(), "changed", "another one still waits");
        bench.frame(1, false, "s");
        assert_eq!(bench.told(), "Connected, changed");
        bench.receive(&error(Code::Unavailable));
        assert_eq!(bench.told(), "close, Socket 250 ms, offline 250: why");
        bench.tell(QueryEvent::Online);
        bench.tell(QueryEvent::Opened);
        bench.effects.clear();
        bench.listen(4);
        bench.effects.clear();
        bench.receive(&targeted(4, &error(Code::ResourceExhausted)));
        assert_eq!(bench.told(), "Connected, fail 4 resource-exhausted", "it will not pass");
        bench.receive(&error(Code::Unauthenticated));
        let end = "close, stop Socket, Idle, stop Retry, stop Ping";
        assert_eq!(bench.told(), format!("fail 1 unauthenticated, fail 3 unauthenticated, {end}"));
    }

    #[test]
    fn an_own_write_stays_until_a_ping_has_passed_or_another_socket_brings_a_frame() {
        let mut bench = Bench::open(0);
        let path = Rc::new(DocumentPath::parse("c1/a").unwrap());
        let operation = Rc::new(Operation::set(json!({"n": 1})).unwrap());
        for _ in 0..2 {
            let (path, operation) = (Rc::clone(&path), Rc::clone(&operation));
            bench.tell(QueryEvent::Write { path, operation });
        }
        let settle = |bench: &mut Bench, version| {
            bench.tell(QueryEvent::Settled { path: Rc::clone(&path), version: Some(version) });
        };
        settle(&mut bench, 1);
        bench.listen(1);
        bench.tell(QueryEvent::Opened);
        bench.frame(1, true, "s");
        bench.receive(PONG);
        bench.timer(QueryTimer::Socket);
        let rows = bench.queries.rows(1).unwrap();
        assert!(rows.len() == 1 && rows[0].pending, "{rows:?}");
        bench.effects.clear();
        settle(&mut bench, 2);
        assert_eq!(bench.told(), "Ping 500 ms, changed");
        let is_same = |bench: &mut Bench| Rc::ptr_eq(&rows, &bench.queries.rows(1).unwrap());
        bench.timer(QueryTimer::Ping);
        assert_eq!(bench.told(), "{ping:1}, Socket 5000 ms");
        bench.receive(PONG);
        assert!(is_same(&mut bench), "the answer to another ping");
        bench.tell(QueryEvent::Closed(None));
        bench.receive(r#"{"pong":1}"#);
        assert!(is_same(&mut bench), "of a socket that is no more");
        bench.timer(QueryTimer::Socket);
        bench.tell(QueryEvent::Opened);
        bench.effects.clear();
        bench.frame(1, false, "s");
        assert_eq!(bench.queries.rows(1), Some(Rc::default()), "the frame would have held it");

        bench.tell(QueryEvent::Write { path: Rc::clone(&path), operation });
        settle(&mut bench, 3);
        bench.timer(QueryTimer::Ping);
        bench.effects.clear();
        settle(&mut bench, 4);
        assert_eq!(bench.told(), "changed", "one ping at a time");
        assert_eq!(bench.queries.rows(1).unwrap().len(), 1);
        bench.receive(r#"{"pong":2}"#);
        assert_eq!(bench.queries.rows(1), Some(Rc::default()), "the pong came after its frames");
    }
}
