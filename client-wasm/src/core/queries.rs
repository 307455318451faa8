//! A client's socket on `/v1/listen`: the queries that it listens to, each with a [`QueryView`], and its writes, in an
//! [`Outbox`].
//!
//! In scope: every decision about listening to queries and about sending writes. Out of scope: sockets, timers, the clock, randomness and
//! callbacks. It is driven as a [`Replica`](crate::core::replica::Replica) is: tell [`Queries::handle`] what happened, then do
//! the effects, in order.
//!
//! Every query goes on after a lost socket from the last frame that it had. A frame that does not fit gives the socket
//! up, and its query starts anew. An error ends the one query that it names, or delays it where it may pass.
//!
//! A query is asked after the writes that were made before it: rules may let it pass because of them. The socket is open
//! as long as there are queries, and as long as several writes wait; writes need none, and never wait for it to open.

use crate::core::backoff::Backoff;
use crate::core::error::may_pass;
use crate::core::event::ConnectionState;
use crate::core::link::{Link, LinkEffect};
use crate::core::outbox::Outbox;
use crate::core::query_event::{Patience, QueryEffect, QueryEvent, QueryTimer, Settled};
use crate::core::query_view::QueryView;
use crate::core::row::Rows;
use blaze_schema::changes::{Changes, QueryMessage, join_parts, listen_text, unlisten_text};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::BODY_BYTES;
use blaze_schema::message::{PING, ping_text};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::write::Operation;
use std::mem;
use std::rc::Rc;

/// So long after an own write was answered, in milliseconds, a ping finds out whether all its frames are here. Mostly they
/// come by themselves before that.
pub const PING_AFTER_MS: u32 = 500;

/// A socket that no query needs stays open for so long after the last write, in milliseconds.
pub const LINGER_MS: u32 = 10_000;

/// The queries and the writes of a client.
#[derive(Debug, Default)]
pub struct Queries {
    link: Link,
    targets: Vec<Target>,
    outbox: Outbox,
    /// True after the server refused the socket: writes do without one until a query is listened to or there is another
    /// token.
    shunned: bool,
    /// True while the client has another identity than the socket.
    replaced: bool,
    /// True while the timer [`QueryTimer::Linger`] runs.
    lingering: bool,
    /// The writes that were not answered: a query that is listened to later shows them too.
    unanswered: Vec<Unanswered>,
    /// Whether the timer [`QueryTimer::Retry`] runs.
    retrying: bool,
    /// True if the timer [`QueryTimer::Ping`] runs.
    pinging: bool,
    /// The number of the last ping that passes everything behind the socket.
    ping: i64,
    /// True if it was not answered yet.
    pinged: bool,
}

/// A query that is listened to.
#[derive(Debug)]
struct Target {
    number: u64,
    /// What the server is asked for: JSON.
    asked: String,
    view: QueryView,
    /// Where to go on from.
    resume: Option<String>,
    /// The first frames of a result whose last one is not here yet.
    parts: Option<Changes>,
    stage: Stage,
    /// The last write that was made before it.
    after: u64,
    /// How often in a row the server refused it for the moment.
    backoff: Backoff,
    /// True if that is so now.
    delayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// This socket's server does not know of it.
    Unlisted,
    /// The server refused it for the moment; the timer [`QueryTimer::Retry`] runs.
    Delayed,
    /// It was told.
    Listed,
    /// And answered.
    Live,
}

#[derive(Debug)]
struct Unanswered {
    path: Rc<DocumentPath>,
    operation: Rc<Operation>,
    at: Timestamp,
}

impl Queries {
    /// What the listeners of a query see; `None` before its first frame, and when it is not listened to. It is the same
    /// [`Rc`] until something changes.
    pub fn rows(&mut self, target: u64) -> Option<Rows> {
        self.targets.iter_mut().find(|other| other.number == target)?.view.rows()
    }

    /// Takes one event. `now` is the local clock; all bits of `random` are.
    pub fn handle(&mut self, now: Timestamp, random: u128, event: QueryEvent) -> Vec<QueryEffect> {
        let mut effects = Vec::new();
        match event {
            QueryEvent::Listen { target, query, asked } => {
                self.listen(target, *query, asked, &mut effects);
            }
            QueryEvent::Unlisten { target } => self.unlisten(target, &mut effects),
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
            QueryEvent::Timer(QueryTimer::Retry) => {
                self.retrying = false;
                let delayed = self.targets.iter_mut().filter(|one| one.stage == Stage::Delayed);
                delayed.for_each(|target| target.stage = Stage::Unlisted);
            }
            QueryEvent::Timer(QueryTimer::Ping) => {
                self.pinging = false;
                self.send_ping(&mut effects);
            }
            QueryEvent::Write { path, operation } => {
                for target in &mut self.targets {
                    target.view.write(&path, &operation, now);
                }
                self.unanswered.push(Unanswered { path, operation, at: now });
                effects.push(QueryEffect::Changed);
            }
            QueryEvent::Settled { path, version } => {
                self.settled(&path, version, &mut effects);
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

    fn listen(&mut self, number: u64, query: Query, asked: String, effects: &mut Vec<QueryEffect>) {
        let bytes = listen_text(number, &asked, None).len();
        if bytes > BODY_BYTES {
            // It names no target in an error that the server would give.
            let detail = format!("query: {bytes} bytes, of {BODY_BYTES} at most");
            let error = Error::new(Code::ResourceExhausted, detail);
            effects.push(QueryEffect::Fail { target: number, error });
            return;
        }
        let mut view = QueryView::new(query);
        for write in &self.unanswered {
            view.write(&write.path, &write.operation, write.at);
        }
        self.targets.push(Target {
            number,
            asked,
            view,
            resume: None,
            parts: None,
            stage: Stage::Unlisted,
            after: self.outbox.last(),
            backoff: Backoff::default(),
            delayed: false,
        });
        self.shunned = false;
        self.link(effects, Link::start);
    }

    fn unlisten(&mut self, number: u64, effects: &mut Vec<QueryEffect>) {
        let Some(index) = self.targets.iter().position(|target| target.number == number) else {
            return;
        };
        let target = self.targets.remove(index);
        if matches!(target.stage, Stage::Listed | Stage::Live) {
            effects.push(QueryEffect::Send(unlisten_text(number)));
        }
        self.undelayed(target.delayed, effects);
        self.stop(effects);
    }

    /// Tells the server of the queries that it does not know of, and that are not to wait.
    fn list(&mut self, effects: &mut Vec<QueryEffect>) {
        if !self.link.is_open() || self.replaced {
            return;
        }
        for target in &mut self.targets {
            let waits = self.outbox.holds_up(target.after, Patience::UntilItIsHopeless);
            if target.stage == Stage::Unlisted && !waits {
                target.stage = Stage::Listed;
                target.parts = None;
                target.view.relistened();
                let resume = target.resume.as_deref();
                effects.push(QueryEffect::Send(listen_text(target.number, &target.asked, resume)));
            }
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
                self.changes(target, changes, random, effects);
            }
            Ok(QueryMessage::Error { target: Some(target), error }) => {
                self.link(effects, Link::worked);
                self.refused(target, error, random, effects);
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
                if self.pinged && number == self.ping {
                    self.passed(effects);
                }
            }
            Err(error) => {
                // Whichever query it was for: what it has may miss something.
                self.targets.iter_mut().for_each(|target| target.resume = None);
                self.link(effects, |link, asked| link.broke(error, random, asked));
            }
        }
    }

    fn changes(
        &mut self,
        number: u64,
        changes: Changes,
        random: u128,
        effects: &mut Vec<QueryEffect>,
    ) {
        // A frame of a query that was unlistened to meanwhile is nothing.
        let listed = |target: &&mut Target| {
            target.number == number && matches!(target.stage, Stage::Listed | Stage::Live)
        };
        let Some(target) = self.targets.iter_mut().find(listed) else { return };
        let Some(changes) = join_parts(&mut target.parts, changes) else { return };
        let resume = changes.resume.clone();
        if target.view.frame(changes) {
            target.resume = Some(resume);
            target.stage = Stage::Live;
            target.backoff.succeed();
            let was_delayed = mem::take(&mut target.delayed);
            self.link(effects, Link::worked);
            self.undelayed(was_delayed, effects);
            effects.push(QueryEffect::Changed);
        } else {
            target.resume = None;
            let why = Error::new(Code::Internal, "a frame does not fit");
            self.link(effects, |link, asked| link.broke(why, random, asked));
        }
    }

    /// The server ended a query.
    fn refused(&mut self, number: u64, error: Error, random: u128, effects: &mut Vec<QueryEffect>) {
        let Some(index) = self.targets.iter().position(|target| target.number == number) else {
            return;
        };
        if may_pass(&error) {
            let target = &mut self.targets[index];
            target.stage = Stage::Delayed;
            target.delayed = true;
            let after_ms = target.backoff.fail(random);
            // One timer for all of them: a second one may be tried too early once.
            if !mem::replace(&mut self.retrying, true) {
                effects.push(QueryEffect::StartTimer { timer: QueryTimer::Retry, after_ms });
            }
            let state = ConnectionState::Offline { retry_in_ms: after_ms, error: Some(error) };
            effects.push(QueryEffect::Connection(state));
        } else {
            let target = self.targets.remove(index);
            effects.push(QueryEffect::Fail { target: number, error });
            self.undelayed(target.delayed, effects);
            self.stop(effects);
        }
    }

    /// A query that the server refused for the moment is heard again, or is none any more.
    fn undelayed(&mut self, was_delayed: bool, effects: &mut Vec<QueryEffect>) {
        if was_delayed && !self.targets.iter().any(|target| target.delayed) && self.link.is_open() {
            effects.push(QueryEffect::Connection(ConnectionState::Connected));
        }
    }

    fn fail_all(&mut self, error: &Error, random: u128, effects: &mut Vec<QueryEffect>) {
        for target in mem::take(&mut self.targets) {
            effects.push(QueryEffect::Fail { target: target.number, error: error.clone() });
        }
        self.shunned = true;
        self.outbox.closed(random, effects);
        self.end(effects);
    }

    fn settled(
        &mut self,
        path: &Rc<DocumentPath>,
        version: Option<u64>,
        effects: &mut Vec<QueryEffect>,
    ) {
        if let Some(first) = self.unanswered.iter().position(|write| write.path == *path) {
            self.unanswered.remove(first);
        }
        for target in &mut self.targets {
            target.view.settled(path, version);
        }
        self.ping_later(effects);
        effects.push(QueryEffect::Changed);
    }

    /// Own writes may be left that nothing is going to confirm.
    fn ping_later(&mut self, effects: &mut Vec<QueryEffect>) {
        let is_needed = self.targets.iter_mut().any(|target| target.view.needs_ping());
        if is_needed && !self.pinged && !mem::replace(&mut self.pinging, true) {
            let (timer, after_ms) = (QueryTimer::Ping, PING_AFTER_MS);
            effects.push(QueryEffect::StartTimer { timer, after_ms });
        }
    }

    /// Without a socket there is nothing to find out: the first frames on the next one hold what was answered before.
    fn send_ping(&mut self, effects: &mut Vec<QueryEffect>) {
        let is_needed = self.targets.iter_mut().any(|target| target.view.needs_ping());
        if !is_needed || self.pinged || !self.link.is_open() {
            return;
        }
        self.targets.iter_mut().for_each(|target| target.view.pinged());
        self.ping += 1;
        self.pinged = true;
        effects.push(QueryEffect::Send(ping_text(self.ping)));
        self.link(effects, Link::expect);
    }

    fn passed(&mut self, effects: &mut Vec<QueryEffect>) {
        self.pinged = false;
        for target in &mut self.targets {
            target.view.passed(target.stage == Stage::Live);
        }
        self.ping_later(effects);
        effects.push(QueryEffect::Changed);
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
            (self.retrying, self.pinging) = (false, false);
            effects.push(QueryEffect::StopTimer(QueryTimer::Retry));
            effects.push(QueryEffect::StopTimer(QueryTimer::Ping));
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
                    self.pinged = false;
                    for target in &mut self.targets {
                        (target.stage, target.delayed) = (Stage::Unlisted, false);
                    }
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
    use blaze_schema::changes::{changes_text, targeted};
    use blaze_schema::error::Code;
    use blaze_schema::message::{PONG, TOO_MANY, error_text};
    use serde_json::json;

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
