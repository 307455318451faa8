//! The engine's thread: hands events to actors, and carries out their effects, a group of steps in one transaction.
//!
//! ```text
//!   commands ──▶ a group: every event, and every event that follows from it ──▶ COMMIT (fsync) ──▶ what it says, in order
//! ```
//!
//! Calls between objects are events of the same group: a document's change and its index are one transaction. Nothing is
//! said before it is on disk. A group that cannot be committed is undone, and what its actors had in memory is dropped.

use crate::database::Database;
use crate::delivery::{Delivery, Said};
use crate::host::{Asker, Given, Host, Peer, Waiter, Waiting};
use crate::log::Log;
use crate::outside::{Command, Job, Outcome, Sent};
use crate::random::Random;
use crate::request::incoming;
use crate::rows::Rows;
use blaze_engine::actor::{Actor, Event, Object, Turn, Waking};
use blaze_engine::node::config::Config;
use blaze_engine::node::{Home, Node};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::ALARM_RETRY_MICROS;
use blaze_schema::timestamp::Timestamp;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Commands that are taken into one group at most.
const GROUP: usize = 512;
/// Objects in memory above which idle ones are dropped.
const OBJECTS: usize = 2_048;
/// Things to say after which a group ends: one change of a document may be told to thousands.
const SAID: usize = 50_000;
/// Alarms that ring in one group.
const ALARMS: usize = 64;
/// Groups that may fail one after the other before what is still on its way is dropped.
const FAILURES: usize = 100;
/// The WebSocket close code after which a client comes again (RFC 6455 section 7.4.1 and its registry): service restart.
const RESTART: u16 = 1012;

/// The engine and everything that its thread owns.
pub(crate) struct Shell {
    pub(crate) database: Rc<Database>,
    config: Config,
    pub(crate) node: Node,
    random: Random,
    pub(crate) now: i64,
    pub(crate) hosts: HashMap<u64, Host>,
    /// The host of the front. A new front has another number: answers to what the old one asked are not for it.
    front: u64,
    objects: HashMap<Object, u64>,
    pub(crate) last: u64,
    pub(crate) queue: VecDeque<Delivery>,
    pub(crate) said: Vec<Said>,
    /// The clients' sockets: the host, and the number there.
    pub(crate) clients: HashMap<u64, (u64, u64)>,
    timers: BTreeSet<(i64, u64)>,
    pub(crate) sleeps: BTreeSet<(i64, u64, u64)>,
    /// By object: when its alarm rings; those that the transaction has changed are in the table, too.
    alarms: HashMap<i64, i64>,
    ringing: BTreeSet<(i64, i64)>,
    /// Alarms that have failed ring no sooner than this.
    held: HashMap<i64, i64>,
    /// Numbers the groups.
    group: u64,
    /// The hosts that took a step in the present group.
    touched: Vec<u64>,
    jobs: Box<dyn Fn(Job)>,
    pub(crate) commands: Sender<Command>,
    /// Commands that are not handled yet.
    waiting: VecDeque<Command>,
    /// When the time was told last.
    told: Instant,
    log: Log,
}

impl Shell {
    /// Starts over a file. `jobs` takes work to other threads; `commands` is the way back to this one.
    ///
    /// # Errors
    /// SQLite's.
    pub(crate) fn new(
        database: Database,
        config: Config,
        jobs: Box<dyn Fn(Job)>,
        commands: Sender<Command>,
        log: Log,
    ) -> rusqlite::Result<Self> {
        let database = Rc::new(database);
        let mut shell = Shell {
            node: Node::new(Ok(config.clone()), Home::Process),
            config,
            random: Random::default(),
            now: 0,
            hosts: HashMap::new(),
            front: 0,
            objects: HashMap::new(),
            last: 0,
            queue: VecDeque::new(),
            said: Vec::new(),
            clients: HashMap::new(),
            timers: BTreeSet::new(),
            sleeps: BTreeSet::new(),
            alarms: HashMap::new(),
            ringing: BTreeSet::new(),
            held: HashMap::new(),
            group: 0,
            touched: Vec::new(),
            jobs,
            commands,
            waiting: VecDeque::new(),
            told: Instant::now(),
            log,
            database,
        };
        shell.load_alarms()?;
        shell.make_front();
        Ok(shell)
    }

    fn load_alarms(&mut self) -> rusqlite::Result<()> {
        self.alarms = self.database.alarms()?.into_iter().collect();
        let held = |object: &i64| self.held.get(object).copied().unwrap_or(i64::MIN);
        let alarms = self.alarms.iter();
        self.ringing = alarms.map(|(object, at)| (held(object).max(*at), *object)).collect();
        Ok(())
    }

    fn make_front(&mut self) {
        let mut front = Host::new(None, Rows::none(&self.database));
        front.actor = Some(Actor::front());
        self.front = self.number();
        self.hosts.insert(self.front, front);
    }

    /// Handles commands until it is told to stop.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let first = match self.pause() {
                Some(pause) => match commands.recv_timeout(pause) {
                    Ok(command) => Some(command),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                },
                None => match commands.recv() {
                    Ok(command) => Some(command),
                    Err(_) => break,
                },
            };
            let group = first.into_iter().chain(commands.try_iter().take(GROUP));
            let mut is_last = false;
            for command in group {
                is_last = is_last || matches!(command, Command::Stop);
                self.waiting.push_back(command);
            }
            self.handle_all();
            if is_last {
                break;
            }
        }
        self.end();
    }

    /// The time until something rings; `None` if nothing will.
    fn pause(&self) -> Option<Duration> {
        let times = [
            self.timers.first().map(|(at, _)| *at),
            self.sleeps.first().map(|(at, ..)| *at),
            self.ringing.first().map(|(at, _)| *at),
        ];
        let at = times.into_iter().flatten().min()?;
        let micros = u64::try_from(at.saturating_sub(self.time())).unwrap_or(0);
        Some(Duration::from_micros(micros))
    }

    /// Handles all commands that wait, and what time has brought.
    fn handle_all(&mut self) {
        let mut failures = 0;
        loop {
            // After a failure one at a time: the command that fails takes no others with it.
            let most = if failures == 0 { GROUP } else { 1 };
            if let Err(reason) = self.attempt(|shell| shell.handle(most)) {
                self.undo(&reason);
                failures += 1;
            }
            self.say();
            if self.waiting.is_empty() && self.queue.is_empty() {
                break;
            }
            if failures > FAILURES {
                self.queue.clear();
                failures = 1;
            }
        }
        self.ring_alarms();
        self.drop_idle();
    }

    /// Takes a group of steps, all or none of them.
    fn attempt(&mut self, steps: impl FnOnce(&mut Self)) -> Result<(), String> {
        self.group += 1;
        self.touched.clear();
        self.tell_time();
        let done = catch_unwind(AssertUnwindSafe(|| {
            steps(self);
            self.secure();
            self.database.commit()
        }));
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(format!("the storage failed: {reason}")),
            Err(_) => Err("an internal error; what it was is in the server's log".to_owned()),
        }
    }

    /// Handles what waits, so many commands at most.
    fn handle(&mut self, most: usize) {
        self.settle();
        self.ring_timers();
        self.settle();
        for _ in 0..most {
            if self.said.len() > SAID {
                break;
            }
            let Some(command) = self.waiting.pop_front() else { break };
            self.tell_time();
            self.take(command);
            self.settle();
        }
    }

    /// Sets the alarms without which something would be lost that has not followed yet.
    fn secure(&mut self) {
        let now = Timestamp::from_micros(self.now);
        for place in 0..self.touched.len() {
            let host = self.touched.get(place).and_then(|number| self.hosts.get_mut(number));
            let Some(host) = host else { continue };
            if let Some(at) = host.actor.as_mut().and_then(|actor| actor.secure(now))
                && let Ok(Some(id)) = host.rows.id()
            {
                self.set_alarm(id, Some(at.micros()));
            }
        }
    }

    /// The present time (µs since the epoch). It goes on when the clock is set back.
    fn time(&self) -> i64 {
        let passed = i64::try_from(self.told.elapsed().as_micros()).unwrap_or(i64::MAX);
        clock().max(self.now.saturating_add(passed))
    }

    fn tell_time(&mut self) {
        (self.now, self.told) = (self.time(), Instant::now());
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Request { request, answer } => {
                let Sent { method, url, headers, address, body } = request;
                let incoming = incoming(method, url, headers, address);
                let waiter =
                    Waiter::Client(Asker { incoming: incoming.clone(), answer: Some(answer) });
                let Some(front) = self.hosts.get_mut(&self.front) else { return };
                let request = Some((incoming.clone(), body));
                let ticket = front.ticket(Waiting { waiter, request });
                self.event(self.front, Event::Request { ticket, request: incoming });
            }
            Command::Body { host: number, ticket, body, answer } => {
                let Some(host) = self.hosts.get_mut(&number) else { return };
                if let Some(Waiting { waiter: Waiter::Client(asker), .. }) =
                    host.waiting.get_mut(&ticket)
                {
                    asker.answer = Some(answer);
                    self.event(number, Event::Body { ticket, body });
                }
            }
            Command::Message { socket, text, room: _room } => {
                if let Some((host, socket)) = self.clients.get(&socket).copied() {
                    self.event(host, Event::Message { socket, text });
                }
            }
            Command::Closed { socket } => {
                if let Some((number, socket)) = self.clients.remove(&socket)
                    && let Some(host) = self.hosts.get_mut(&number)
                    && host.sockets.remove(&socket).is_some()
                {
                    self.event(number, Event::Closed { socket });
                    self.leave(number, socket);
                }
            }
            Command::Hashed { host, number, hashed } => {
                self.ended(host);
                self.event(host, Event::Hashed { number, hashed });
            }
            Command::Fetched { host, number, fetched } => {
                self.ended(host);
                self.event(host, Event::Fetched { number, fetched });
            }
            Command::Stop => {}
        }
    }

    /// Delivers all that is on its way, and what follows from it.
    fn settle(&mut self) {
        while let Some(delivery) = self.queue.pop_front() {
            match delivery {
                Delivery::Request { to, waiting } => match self.ensure(to) {
                    Ok(number) => {
                        let Some(host) = self.hosts.get_mut(&number) else { continue };
                        let Some((request, _)) = &waiting.request else { continue };
                        let request = request.clone();
                        let ticket = host.ticket(waiting);
                        self.event(number, Event::Request { ticket, request });
                    }
                    Err(error) => self.give(waiting.waiter, Given::Answer(error.into())),
                },
                Delivery::Call { to, call, waiter } => match self.ensure(to) {
                    Ok(number) => {
                        let Some(host) = self.hosts.get_mut(&number) else { continue };
                        let ticket = host.ticket(Waiting { waiter, request: None });
                        self.event(number, Event::Call { ticket, call });
                    }
                    Err(error) => self.give(waiter, Given::Answer(error.into())),
                },
                Delivery::Event { host, event } => self.event(host, event),
                Delivery::Given { waiter, given } => self.give(waiter, given),
            }
        }
    }

    /// Has an object in memory; returns its host.
    fn ensure(&mut self, object: Object) -> Result<u64, Error> {
        if let Some(number) = self.objects.get(&object) {
            return Ok(*number);
        }
        let rows = Rows::of(&self.database, object.clone());
        let failed = |error: blaze_store::StoreError| Error::new(Code::Internal, error.0);
        let id = rows.id().map_err(failed)?;
        let alarm = id.and_then(|id| self.alarms.get(&id).copied());
        let alarm = Some(alarm.map(Timestamp::from_micros));
        let waking = Waking { alarm, sockets: Vec::new() };
        let mut host = Host::new(Some(object.clone()), rows);
        host.actor = Some(Actor::object(object.clone(), waking, &self.node)?);
        let number = self.number();
        self.hosts.insert(number, host);
        self.objects.insert(object, number);
        Ok(number)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Hands an event to an actor.
    pub(crate) fn event(&mut self, number: u64, event: Event) {
        self.turn(number, |actor, turn| {
            if let Some(actor) = actor {
                actor.handle(turn, event);
            }
        });
    }

    /// Takes a step of an actor, and carries its effects out.
    pub(crate) fn turn(
        &mut self,
        number: u64,
        step: impl FnOnce(&mut Option<Actor>, &mut Turn<'_, Rows>),
    ) {
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if host.used != self.group {
            host.used = self.group;
            self.touched.push(number);
        }
        let mut effects = Vec::new();
        let sockets = &host.sockets;
        let pinged = |socket: u64| match sockets.get(&socket) {
            Some(Peer::Client(_, client)) => client.state.pinged(),
            _ => None,
        };
        let mut turn = Turn {
            node: &mut self.node,
            store: &mut host.rows,
            now: Timestamp::from_micros(self.now),
            random: &mut || self.random.bits(),
            pinged: &pinged,
            effects: &mut effects,
        };
        step(&mut host.actor, &mut turn);
        let wakes = host.actor.as_ref().and_then(Actor::wakes).map(Timestamp::micros);
        if host.timer != wakes {
            if let Some(at) = host.timer {
                self.timers.remove(&(at, number));
            }
            host.timer = wakes;
            if let Some(at) = wakes {
                self.timers.insert((at, number));
            }
        }
        for effect in effects {
            self.perform(number, effect);
        }
    }

    /// An own call, fetch, wait or opening of a host has ended.
    pub(crate) fn ended(&mut self, number: u64) {
        if let Some(host) = self.hosts.get_mut(&number) {
            host.under_way = host.under_way.saturating_sub(1);
        }
    }

    /// Rings the timers that are due.
    fn ring_timers(&mut self) {
        let now = self.now;
        while let Some((at, number)) = pop_if(&mut self.timers, |(at, _)| *at <= now) {
            if let Some(host) = self.hosts.get_mut(&number)
                && host.timer == Some(at)
            {
                host.timer = None;
                self.event(number, Event::Timer);
            }
        }
        while let Some((_, host, number)) = pop_if(&mut self.sleeps, |(at, ..)| *at <= now) {
            self.ended(host);
            self.event(host, Event::Told { number, answer: None });
        }
    }

    /// Rings the alarms that are due, in groups of their own: one that fails is held back, and holds nothing up.
    fn ring_alarms(&mut self) {
        let now = self.time();
        let due: Vec<i64> = self
            .ringing
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(ALARMS)
            .map(|it| it.1)
            .collect();
        if due.is_empty() {
            return;
        }
        let mut rung = self.attempt(|shell| due.iter().for_each(|id| shell.ring(*id)));
        if let Err(reason) = &rung {
            self.undo(reason);
            for id in due {
                rung = self.attempt(|shell| shell.ring(id));
                match &rung {
                    Ok(()) => {
                        self.held.remove(&id);
                    }
                    Err(reason) => {
                        self.held.insert(id, now.saturating_add(ALARM_RETRY_MICROS));
                        self.undo(reason);
                    }
                }
                self.say();
            }
        } else {
            self.held.retain(|id, _| !due.contains(id));
        }
        self.say();
    }

    /// Rings an object's alarm. It is removed in the transaction of what it brings: what is undone rings again.
    fn ring(&mut self, id: i64) {
        let object = match self.database.object(id) {
            Ok(object) => object,
            Err(error) => return self.database.fail(&error.to_string()),
        };
        // The object wakes with the alarm, or would take all to be done that it is for.
        let number = object.map(|object| self.ensure(object));
        self.set_alarm(id, None);
        match number {
            Some(Ok(number)) => self.event(number, Event::Alarm),
            Some(Err(error)) => self.database.fail(&error.detail),
            None => {}
        }
        self.settle();
    }

    /// Sets or removes an object's alarm, as part of the transaction.
    pub(crate) fn set_alarm(&mut self, id: i64, at: Option<i64>) {
        if let Err(error) = self.database.set_alarm(id, at) {
            self.database.notice(&error, true);
        }
        let before = match at {
            Some(at) => self.alarms.insert(id, at),
            None => self.alarms.remove(&id),
        };
        if let Some(before) = before {
            self.ringing.remove(&(before, id));
        }
        if let Some(held) = self.held.get(&id) {
            self.ringing.remove(&(*held, id));
        }
        if let Some(at) = at {
            self.ringing.insert((at, id));
        }
    }

    /// Undoes the group: its actors lose their memory, which is ahead of the file, and whoever waits for them is refused.
    fn undo(&mut self, reason: &str) {
        self.log.line(format!("error: {reason}"));
        self.database.abandon();
        let mut refused: Vec<Asker> = Vec::new();
        for said in std::mem::take(&mut self.said) {
            match said {
                Said::Outcome(asker, _) => refused.push(asker),
                Said::Log(line) => self.said.push(Said::Log(line)),
                // It is no actor's any more.
                Said::Close(client, ..) => self.said.push(Said::Close(client, RESTART, "")),
                Said::Text(..) | Said::Job(_) => {}
            }
        }
        let mut waiters: Vec<Waiter> = Vec::new();
        for delivery in std::mem::take(&mut self.queue) {
            match delivery {
                Delivery::Request { waiting, .. } => waiters.push(waiting.waiter),
                Delivery::Call { waiter, .. } | Delivery::Given { waiter, .. } => {
                    waiters.push(waiter);
                }
                // What it waited for is lost.
                Delivery::Event { host, .. } => self.touched.push(host),
            }
        }
        for number in std::mem::take(&mut self.touched) {
            waiters.extend(self.forget(number));
        }
        self.node = Node::new(Ok(self.config.clone()), Home::Process);
        for host in self.hosts.values() {
            host.rows.forget();
        }
        if let Err(error) = self.load_alarms() {
            self.log.line(format!("error: alarms: {error}"));
        }
        if !self.hosts.contains_key(&self.front) {
            self.make_front();
        }
        for waiter in waiters {
            match waiter {
                Waiter::Client(asker) | Waiter::Relay(asker, _) => refused.push(asker),
                waiter => self.queue.push_back(Delivery::Given { waiter, given: Given::Nothing }),
            }
        }
        let refusal = Error::new(Code::Unavailable, reason.to_owned());
        for asker in refused {
            let reply = self.node.relayed(&asker.incoming, Some(refusal.clone().into()));
            self.said.push(Said::Outcome(asker, Outcome::Reply(reply)));
        }
    }

    /// Drops an actor and its sockets; returns those who wait for it. Clients come again.
    pub(crate) fn forget(&mut self, number: u64) -> Vec<Waiter> {
        let Some(host) = self.hosts.remove(&number) else { return Vec::new() };
        if let Some(object) = &host.object {
            self.objects.remove(object);
        }
        if let Some(at) = host.timer {
            self.timers.remove(&(at, number));
        }
        for peer in host.sockets.into_values() {
            match peer {
                Peer::Client(id, client) => {
                    self.clients.remove(&id);
                    self.said.push(Said::Close(client, RESTART, ""));
                }
                Peer::Actor { host, socket } => {
                    if let Some(peer) = self.hosts.get_mut(&host)
                        && peer.sockets.remove(&socket).is_some()
                    {
                        let event = Event::Closed { socket };
                        self.queue.push_back(Delivery::Event { host, event });
                    }
                }
                Peer::Opening(_) => {}
            }
        }
        host.waiting.into_values().map(|waiting| waiting.waiter).collect()
    }

    /// Lets out what the group said.
    fn say(&mut self) {
        for said in self.said.drain(..) {
            match said {
                Said::Outcome(asker, outcome) => {
                    if let Some(answer) = asker.answer {
                        // The client may have gone.
                        answer.send(outcome).ok();
                    }
                }
                Said::Text(client, text) => client.send(text),
                Said::Close(client, code, reason) => client.close(code, reason),
                Said::Job(job) => (self.jobs)(job),
                Said::Log(line) => self.log.line(line),
            }
        }
    }

    /// Drops actors that were not used for long, if there are many.
    fn drop_idle(&mut self) {
        if self.objects.len() <= OBJECTS {
            return;
        }
        let is_idle = |host: &Host| host.is_idle() && host.used < self.group;
        let idle = self.hosts.iter().filter(|(_, host)| is_idle(host));
        let mut idle: Vec<(u64, u64)> = idle.map(|(number, host)| (host.used, *number)).collect();
        idle.sort_unstable();
        idle.truncate(idle.len().div_ceil(2));
        for (_, number) in idle {
            self.forget(number);
        }
    }

    /// Closes every socket, refuses what still waits, and the file.
    fn end(mut self) {
        let numbers: Vec<u64> = self.hosts.keys().copied().collect();
        for number in numbers {
            for waiter in self.forget(number) {
                self.give(waiter, Given::Nothing);
            }
        }
        self.say();
        let Shell { database, hosts, .. } = self;
        drop(hosts);
        if let Ok(database) = Rc::try_unwrap(database) {
            database.close();
        }
    }
}

/// Takes the first of a set, if it is one of these.
fn pop_if<T: Copy + Ord>(set: &mut BTreeSet<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let first = set.first().copied().filter(is_it)?;
    set.remove(&first);
    Some(first)
}

/// The present time (µs since the epoch).
fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_engine::actor::Class;
    use hyper::HeaderMap;
    use hyper::header::{CONTENT_TYPE, HeaderValue, UPGRADE};
    use std::sync::mpsc;
    use tokio::sync::oneshot::{self, error::TryRecvError};

    fn shell() -> (Shell, Receiver<Command>) {
        let is_open = |name: &str| (name == "OPEN").then(|| "1".to_owned());
        let config = Config::read("{}", "{}", is_open).unwrap();
        let (sender, commands) = mpsc::channel();
        let (database, log) = (Database::in_memory().unwrap(), Log::start().unwrap());
        (Shell::new(database, config, Box::new(|_| {}), sender, log).unwrap(), commands)
    }

    fn sent(method: &str, path: &str, body: Option<&str>) -> Sent {
        let (method, url) = (method.to_owned(), format!("http://127.0.0.1:1{path}"));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body.map(|body| body.to_owned().into());
        Sent { method, url, headers, address: None, body }
    }

    fn begin(shell: &mut Shell, request: Sent) -> oneshot::Receiver<Outcome> {
        let (answer, outcome) = oneshot::channel();
        shell.waiting.push_back(Command::Request { request, answer });
        outcome
    }

    /// Handles a request that is answered at once; gives the status.
    fn ask(shell: &mut Shell, method: &str, path: &str, body: Option<&str>) -> u16 {
        let mut outcome = begin(shell, sent(method, path, body));
        shell.handle_all();
        match outcome.try_recv() {
            Ok(Outcome::Reply(reply)) => reply.status,
            other => panic!("{other:?}"),
        }
    }

    const DOCUMENT: &str = "/v1/docs/a/b";
    const DATA: Option<&str> = Some(r#"{"n":1}"#);

    #[test]
    fn what_cannot_be_committed_is_refused_and_was_never_there() {
        let (mut shell, _commands) = shell();
        assert_eq!(ask(&mut shell, "PUT", "/v1/docs/a/other", DATA), 201);
        let mut early = begin(&mut shell, sent("GET", "/v1/docs/a/other", None));
        shell.database.fail("the disk is full");
        let front = shell.front;
        assert_eq!(ask(&mut shell, "PUT", DOCUMENT, DATA), 503);
        let Ok(Outcome::Reply(reply)) = early.try_recv() else { panic!("no answer") };
        assert!(reply.body.contains("the disk is full"), "of one group: {}", reply.body);
        assert_ne!(shell.front, front, "an answer to the old front is not for the new one");
        assert_eq!(ask(&mut shell, "GET", DOCUMENT, None), 404);
        assert_eq!(ask(&mut shell, "GET", "/v1/docs/a/other", None), 200);
        let query = Some(r#"{"from":"a"}"#);
        let mut found = begin(&mut shell, sent("POST", "/v1/query", query));
        shell.handle_all();
        let Ok(Outcome::Reply(reply)) = found.try_recv() else { panic!("no answer") };
        assert!(reply.body.contains("a/other") && !reply.body.contains("a/b"), "{}", reply.body);
        assert_eq!(ask(&mut shell, "PUT", DOCUMENT, DATA), 201);
    }

    #[test]
    fn a_panic_takes_down_what_it_concerns_and_nobody_else() {
        let (mut shell, commands) = shell();
        let mut upgrade = sent("GET", DOCUMENT, None);
        upgrade.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut socket = begin(&mut shell, upgrade);
        shell.handle_all();
        let Ok(Outcome::Socket { outlet, .. }) = socket.try_recv() else { panic!("no socket") };
        let mut unread = begin(&mut shell, sent("PUT", "/v1/docs/a/c", None));
        shell.handle_all();
        let Ok(Outcome::Read(mut read)) = unread.try_recv() else { panic!("no reading") };
        let reason = shell.attempt(|shell| {
            let hosts = shell.hosts.keys().copied().filter(|host| *host != shell.front);
            shell.touched = hosts.collect();
            panic!("on purpose");
        });
        shell.undo(&reason.unwrap_err());
        shell.handle_all();
        // The document's socket is closed, its task tells so, and the reading of a body has nobody who waits for it.
        drop(outlet);
        let (answer, mut outcome) = oneshot::channel();
        read.end(blaze_engine::actor::Body::Whole(b"{}".to_vec()), answer);
        shell.waiting.extend(commands.try_iter());
        shell.handle_all();
        assert!(matches!(outcome.try_recv(), Err(TryRecvError::Closed)));
        assert_eq!(shell.clients.len(), 0);
        assert_eq!(ask(&mut shell, "PUT", DOCUMENT, DATA), 201);
    }

    #[test]
    fn clients_that_go_away_leave_nothing() {
        let (mut shell, commands) = shell();
        drop(begin(&mut shell, sent("PUT", DOCUMENT, None)));
        let mut listen = sent("GET", "/v1/listen", None);
        listen.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        drop(begin(&mut shell, listen));
        shell.handle_all();
        shell.waiting.extend(commands.try_iter());
        shell.handle_all();
        assert!(shell.hosts.values().all(|host| host.waiting.is_empty()));
        assert_eq!((shell.clients.len(), shell.timers.len()), (0, 0), "the listener has gone");
    }

    #[test]
    fn an_alarm_that_fails_is_held_back_and_holds_nothing_up() {
        let (mut shell, _commands) = shell();
        assert_eq!(ask(&mut shell, "PUT", DOCUMENT, DATA), 201);
        // No document has this name: it cannot be woken.
        let broken = Rows::of(&shell.database, Object::new(Class::Document, "nothing"));
        let id = broken.made(Some(b"x")).unwrap();
        shell.set_alarm(id, Some(1));
        shell.database.commit().unwrap();
        assert_eq!(ask(&mut shell, "GET", DOCUMENT, None), 200);
        let rings = shell.ringing.first().map(|(at, _)| *at);
        assert!(rings > Some(shell.now), "{rings:?}");
        assert_eq!(shell.database.alarms().unwrap(), [(id, 1)], "it is not lost");
        assert_eq!(ask(&mut shell, "GET", DOCUMENT, None), 200);
    }

    #[test]
    fn time_goes_on_when_the_clock_is_set_back() {
        let (mut shell, _commands) = shell();
        shell.tell_time();
        shell.now += 60 * 60 * 1_000_000;
        let before = shell.now;
        shell.told -= Duration::from_secs(1);
        shell.tell_time();
        assert!((1_000_000..60_000_000).contains(&(shell.now - before)), "{}", shell.now - before);
    }
}
