//! A client's socket of many targets as its shell drives it: the listener, and what it waits for.

use super::{Effect as Done, Event as Asked, Listener, Upstream};
use crate::actor::{
    Answer, Call, Class, Effect, Event, Facts, Halt, Key, Object, Tasks, Turn, Work, lookup,
};
use crate::http::reply::Reply;
use crate::node::config::Config;
use crate::node::log_refusal;
use crate::rate::Kind;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::TICK_MICROS;
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{close_code, error_text};
use blaze_store::Store;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeSet;
use std::rc::Rc;

/// The client's socket; those behind it have the numbers of the listener's upstreams, which begin with 1.
const CLIENT: u64 = 0;

/// The socket.
#[derive(Debug)]
pub struct Room {
    listener: Listener,
    /// The client's credential; empty for none.
    credential: String,
    /// The client's network address, if its messages are counted.
    address: Option<String>,
    /// The tasks that lack facts: the client's own turn, and a lookup of each target.
    tasks: Tasks<Task>,
    /// The write that is under way: its call, and the time at which its outcome is unknown.
    write: Option<(u64, Timestamp)>,
    ticks: Option<Timestamp>,
    has_ended: bool,
}

#[derive(Debug)]
pub(crate) enum Task {
    /// Identify the client by its credential.
    Identify,
    /// Handle a message.
    Message(String),
    /// Notice that time has passed.
    Tick,
    /// Look documents up for a target.
    Lookup(u64, BTreeSet<DocumentPath>),
}

impl Room {
    /// The socket of a client with this credential; empty for none. The messages of one with an address are counted.
    pub fn new(config: &Config, credential: String, address: Option<String>) -> Self {
        Room {
            listener: Listener::new(Rc::clone(&config.collections)),
            credential,
            address,
            tasks: Tasks::default(),
            write: None,
            ticks: None,
            has_ended: false,
        }
    }

    /// Takes the first step.
    pub(crate) fn begin<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        self.ticks = Some(turn.now.after(TICK_MICROS));
        if !self.credential.is_empty() {
            self.start(turn, Key::Socket(CLIENT), Task::Identify);
        }
    }

    pub(crate) fn wakes(&self) -> Option<Timestamp> {
        if self.has_ended {
            return None;
        }
        let write = self.write.map(|(_, until)| until);
        [self.ticks, write].into_iter().flatten().min()
    }

    pub(crate) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        if self.has_ended {
            return;
        }
        match event {
            Event::Message { socket: CLIENT, text } => self.hear(turn, text),
            Event::Message { socket, text: Some(text) } => {
                self.step(turn, Asked::Frame { upstream: socket, text });
            }
            Event::Opened { socket } => self.step(turn, Asked::Opened { upstream: socket }),
            Event::Closed { socket: CLIENT } => self.end(turn, 1000, ""),
            Event::Closed { socket } => self.step(turn, Asked::Lost { upstream: socket }),
            Event::Told { number, answer } => self.answered(turn, number, answer),
            Event::Timer => self.tick(turn),
            _ => {}
        }
    }

    /// Handles a message of the client, after everything that the one before it waits for.
    fn hear<S: Store>(&mut self, turn: &mut Turn<'_, S>, text: Option<String>) {
        let text = text.unwrap_or_else(|| "binary".to_owned());
        let bytes = text.len();
        self.queue(turn, Key::Socket(CLIENT), Task::Message(text), bytes);
    }

    fn answered<S: Store>(&mut self, turn: &mut Turn<'_, S>, number: u64, answer: Option<Answer>) {
        if self.write.is_some_and(|(call, _)| call == number) {
            self.write = None;
            let answer = answer.and_then(|answer| answer.result.ok());
            return self.step(turn, Asked::Written { answer });
        }
        // The answer to a write that was given up is nobody's.
        self.told(turn, number, answer).ok();
    }

    fn tick<S: Store>(&mut self, turn: &mut Turn<'_, S>) {
        if self.write.is_some_and(|(_, until)| until <= turn.now) {
            self.write = None;
            self.step(turn, Asked::Written { answer: None });
        }
        if self.ticks.is_some_and(|at| at <= turn.now) {
            self.ticks = Some(turn.now.after(TICK_MICROS));
            if self.tasks.has(Key::Own) {
                // For a whole tick it could not be found out what is in force.
                return self.end(turn, close_code(Code::Unavailable), "");
            }
            self.start(turn, Key::Own, Task::Tick);
        }
    }

    /// Counts a message by its address or its identity, which may be empty.
    fn count<S>(
        &self,
        turn: &mut Turn<'_, S>,
        kind: Kind,
        who: &str,
        facts: &mut Facts,
    ) -> Result<(), Halt> {
        if who.is_empty() {
            return Ok(());
        }
        let counted = turn.node.count(kind, who, turn.now, facts)?;
        counted.map_err(|seconds| turn.node.rates().error(kind, seconds).into())
    }

    /// Takes a step of the listener, and carries its effects out.
    fn step<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Asked) {
        let guard = turn.node.guard(turn.now);
        for effect in self.listener.handle(turn.now, &guard, event) {
            if self.has_ended {
                return;
            }
            self.carry_out(turn, effect);
        }
    }

    fn carry_out<S: Store>(&mut self, turn: &mut Turn<'_, S>, effect: Done) {
        match effect {
            Done::Send(text) => turn.push(Effect::Send { sockets: vec![CLIENT], text }),
            Done::Open { upstream, object } => {
                let (object, url) = address(object);
                let is_document = object.class == Class::Document;
                let credential = if is_document { self.credential.clone() } else { String::new() };
                turn.push(Effect::Open { socket: upstream, object, url, credential });
            }
            Done::Close { upstream } => {
                turn.push(Effect::Close { socket: upstream, code: 1000, reason: "" });
            }
            Done::Forward { upstream, text } => {
                turn.push(Effect::Send { sockets: vec![upstream], text });
            }
            Done::Identify { token } => {
                self.credential = token;
                self.tasks.put_next(Key::Socket(CLIENT), Task::Identify);
            }
            Done::Lookup { target, paths } => {
                self.start(turn, Key::Ticket(target), Task::Lookup(target, paths));
            }
            Done::Write { path, text, token, within_ms } => {
                let number = self.tasks.number();
                self.write =
                    Some((number, turn.now.after(i64::from(within_ms).saturating_mul(1_000))));
                let object = Object::new(Class::Document, path.as_str());
                turn.push(Effect::Call { number, object, call: Call::Write { text, token } });
            }
            Done::End { code, reason } => self.end(turn, code, reason),
            Done::Log(line) => log_refusal(turn, &line),
        }
    }

    fn end<S>(&mut self, turn: &mut Turn<'_, S>, code: u16, reason: &'static str) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        self.tasks = Tasks::default();
        for socket in self.listener.upstreams() {
            turn.push(Effect::Close { socket, code: 1000, reason: "" });
        }
        turn.push(Effect::Close { socket: CLIENT, code, reason });
    }
}

impl Work for Room {
    type Task = Task;

    fn tasks(&mut self) -> &mut Tasks<Task> {
        &mut self.tasks
    }

    fn attempt<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: &mut Task,
        facts: &mut Facts,
    ) -> Result<(), Halt> {
        // Queries that are begun before the next tick are decided by this copy of the rules until then.
        let next = self.ticks.unwrap_or(turn.now);
        match task {
            Task::Identify => {
                let token = self.credential.clone();
                turn.node.ready_until(next, turn.now, facts)?;
                let auth = turn.node.identify(Some(&token), turn.now, facts)?;
                self.step(turn, Asked::Identified { token, auth });
            }
            Task::Message(text) => {
                turn.node.ready_until(next, turn.now, facts)?;
                if let Some(address) = self.address.clone() {
                    self.count(turn, Kind::Address, &address, facts)?;
                    let uid = self.listener.uid().to_owned();
                    self.count(turn, Kind::Identity, &uid, facts)?;
                }
                self.step(turn, Asked::Message { text: text.clone() });
            }
            Task::Tick => {
                // What is decided now stands until the next tick.
                turn.node.ready_until(turn.now.after(TICK_MICROS), turn.now, facts)?;
                match turn.node.check_key(self.listener.auth.as_deref()) {
                    Ok(()) => self.step(turn, Asked::Tick),
                    Err(error) => {
                        let token = self.credential.clone();
                        self.step(turn, Asked::Identified { token, auth: Err(error) });
                    }
                }
            }
            Task::Lookup(target, paths) => {
                let lookups = facts.lookups()?;
                if lookups.is_empty() {
                    return Err(lookup(paths));
                }
                self.step(turn, Asked::LookedUp { target: *target, lookups });
            }
        }
        Ok(())
    }

    fn refuse<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        _: Task,
        error: Error,
        _: Option<Reply>,
    ) {
        if error.code == Code::ResourceExhausted {
            let text = error_text(&error);
            turn.push(Effect::Send { sockets: vec![CLIENT], text });
        }
        self.end(turn, close_code(error.code), "");
    }
}

/// Returns an object, and the URL by which its socket is opened.
fn address(upstream: Upstream) -> (Object, String) {
    let query = |pairs: &[(&str, Option<&str>)]| {
        let pair = |(name, value): &(&str, Option<&str>)| {
            Some(format!("{name}={}", utf8_percent_encode((*value)?, NON_ALPHANUMERIC)))
        };
        pairs.iter().filter_map(pair).collect::<Vec<_>>().join("&")
    };
    match upstream {
        Upstream::Document { path, since } => {
            let (version, epoch) = since.unzip();
            let version = version.map(|version| version.to_string());
            // The request identifies the caller: there is nothing to wait for.
            let pairs =
                [("since", version.as_deref()), ("epoch", epoch.as_deref()), ("wait", Some("no"))];
            let url = format!("https://document/v1/docs/{}?{}", path.to_url(), query(&pairs));
            (Object::new(Class::Document, path.as_str()), url)
        }
        Upstream::Index { name, subscription, resume } => {
            let pairs = [("query", Some(subscription.as_str())), ("resume", resume.as_deref())];
            let url = format!("https://index/?{}", query(&pairs));
            (Object::new(Class::Index, name), url)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::actor::bench::{Bench, calls, frames, open};
    use crate::actor::{Actor, Call, Class, Effect, Event};
    use blaze_schema::limits::{LISTENER_WRITE_MS, SNAPSHOT_MICROS, TICK_MICROS, WAITING_BYTES};

    fn bench(access: &str) -> Bench {
        let mut bench = Bench::front(open(access));
        bench.turn(|actor, turn| {
            let address = turn.node.rates().are_limited().then(|| "192.0.2.1".to_owned());
            *actor = Actor::listener(String::new(), address, turn).unwrap();
        });
        bench
    }

    #[test]
    fn a_write_is_passed_on_and_given_up_when_it_takes_too_long() {
        let mut bench = bench("{}");
        let text = r#"{"write":{"id":"w","set":"a/b","data":{}}}"#;
        let effects = bench.message(0, text);
        let [(number, object, Call::Write { .. })] = calls(&effects)[..] else {
            panic!("{effects:?}")
        };
        assert_eq!((object.class, object.name.as_str()), (Class::Document, "a/b"));
        let answer = r#"{"id":"w","result":{"path":"a/b","version":1}}"#;
        assert_eq!(frames(&bench.told(number, Ok(answer))), [answer]);
        let effects = bench.message(0, text);
        assert_eq!(calls(&effects).len(), 1);
        let within = i64::from(LISTENER_WRITE_MS) * 1_000;
        for _ in 0..within / TICK_MICROS - 1 {
            bench.now += TICK_MICROS;
            bench.know(1);
            bench.event(Event::Timer);
        }
        bench.now += TICK_MICROS - 1;
        bench.know(1);
        assert_eq!(bench.event(Event::Timer), []);
        bench.now += 1;
        let effects = bench.event(Event::Timer);
        assert_eq!(effects, [Effect::Close { socket: 0, code: 1012, reason: "" }]);
        assert_eq!(
            (bench.actor.wakes(), bench.message(0, text)),
            (None, Vec::new()),
            "it has ended"
        );
    }

    #[test]
    fn time_is_noticed_at_every_tick_under_fresh_rules() {
        let mut bench = bench("{}");
        assert_eq!(bench.actor.wakes().unwrap().micros(), bench.now + TICK_MICROS);
        bench.now += SNAPSHOT_MICROS.max(TICK_MICROS);
        let effects = bench.event(Event::Timer);
        assert!(matches!(calls(&effects)[..], [(_, _, Call::Snapshot { .. })]), "{effects:?}");
    }

    #[test]
    fn each_message_waits_for_all_that_the_one_before_it_waits_for() {
        let mut bench = bench(r#"{"rates":{"address":{"requests":2,"seconds":60}}}"#);
        let effects = bench.message(0, r#"{"ping":1}"#);
        let [(number, _, Call::Lease { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
        assert_eq!(bench.message(0, r#"{"ping":2}"#), []);
        let effects = bench.told(number, Ok("1 60000000"));
        assert_eq!(frames(&effects), [r#"{"pong":1}"#]);
        let (number, ..) = calls(&effects)[0];
        let effects = bench.told(number, Ok("0 30000000"));
        assert!(frames(&effects)[0].contains("try again in 30 seconds"), "{effects:?}");
        assert!(
            effects.contains(&Effect::Close { socket: 0, code: 4429, reason: "" }),
            "{effects:?}"
        );
    }

    #[test]
    fn messages_that_wait_are_bounded_in_number_too() {
        let mut bench = bench(r#"{"rates":{"address":{"requests":2,"seconds":60}}}"#);
        bench.message(0, r#"{"ping":1}"#);
        let most = WAITING_BYTES / 8;
        let ends = (0..most).find(|_| !bench.message(0, "").is_empty());
        assert!(ends.is_some(), "{most} empty messages wait");
        assert_eq!(bench.actor.wakes(), None, "it has ended");
    }
}
