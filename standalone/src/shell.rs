//! The engine's thread: hands events to actors, and carries out their effects, a group of steps in one transaction.
//!
//! ```text
//!   commands ──▶ a group: every event, and every event that follows from it ──▶ COMMIT (fsync) ──▶ what it says, in order
//! ```
//!
//! Calls between objects are events of the same group: a document's change and its index are one transaction. Nothing is
//! said before it is on disk. A group that cannot be committed is undone, and what its actors had in memory is dropped.

use crate::database::Database;
use crate::host::{Asker, Given, Host, Peer, Waiter, Waiting};
use crate::outside::{Client, Command, Job, Outcome, Sent};
use crate::random::Random;
use crate::rows::Rows;
use blaze_engine::actor::{Actor, Call, Event, Object, Turn, Waking};
use blaze_engine::http::Headers;
use blaze_engine::http::incoming::Incoming;
use blaze_engine::node::config::Config;
use blaze_engine::node::{Home, Node};
use blaze_schema::error::{Code, Error};
use blaze_schema::timestamp::Timestamp;
use hyper::HeaderMap;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Commands that are taken into one group at most.
const GROUP: usize = 512;
/// Actors in memory above which idle ones are dropped.
const ACTORS: usize = 8_192;
/// The WebSocket close code after which a client comes again (RFC 6455 section 7.4.1 and its registry): service restart.
const RESTART: u16 = 1012;

/// The host of the front.
const FRONT: u64 = 0;

/// An event on its way to an actor.
pub(crate) enum Delivery {
    Request {
        to: Object,
        waiting: Waiting,
    },
    Call {
        to: Object,
        call: Call,
        waiter: Waiter,
    },
    Event {
        host: u64,
        event: Event,
    },
    /// A listener's socket is to be opened.
    Given {
        waiter: Waiter,
        given: Given,
    },
}

/// What a group says when it is committed.
pub(crate) enum Said {
    Outcome(Asker, Outcome),
    Text(Client, Utf8Bytes),
    Close(Client, u16, &'static str),
    Job(Job),
    Log(String),
}

/// The engine and everything that its thread owns.
pub(crate) struct Shell {
    pub(crate) database: Rc<Database>,
    config: Config,
    pub(crate) node: Node,
    random: Random,
    pub(crate) now: i64,
    pub(crate) hosts: HashMap<u64, Host>,
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
    /// Numbers the groups.
    group: u64,
    /// The hosts that took a step in the present group.
    touched: Vec<u64>,
    jobs: Box<dyn Fn(Job)>,
}

/// A request's headers.
struct Lines {
    headers: HeaderMap,
    address: IpAddr,
}

impl Headers for Lines {
    fn get(&self, name: &str) -> Option<String> {
        let mut values = self.headers.get_all(name).iter();
        let mut text = String::from_utf8_lossy(values.next()?.as_bytes()).into_owned();
        for value in values {
            // RFC 9110 section 5.3.
            text.push_str(", ");
            text.push_str(&String::from_utf8_lossy(value.as_bytes()));
        }
        Some(text)
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}

/// Makes a request.
pub(crate) fn incoming(
    method: String,
    url: String,
    headers: HeaderMap,
    address: IpAddr,
) -> Incoming {
    Incoming::new(method, url, Rc::new(Lines { headers, address }))
}

impl Shell {
    /// Starts over a file. `jobs` takes work to other threads.
    ///
    /// # Errors
    /// SQLite's.
    pub(crate) fn new(
        database: Database,
        config: Config,
        jobs: Box<dyn Fn(Job)>,
    ) -> rusqlite::Result<Self> {
        let database = Rc::new(database);
        let mut shell = Shell {
            node: Node::new(Ok(config.clone()), Home::Process),
            config,
            random: Random::default(),
            now: 0,
            hosts: HashMap::new(),
            objects: HashMap::new(),
            last: FRONT,
            queue: VecDeque::new(),
            said: Vec::new(),
            clients: HashMap::new(),
            timers: BTreeSet::new(),
            sleeps: BTreeSet::new(),
            alarms: HashMap::new(),
            ringing: BTreeSet::new(),
            group: 0,
            touched: Vec::new(),
            jobs,
            database,
        };
        shell.load_alarms()?;
        shell.make_front();
        Ok(shell)
    }

    fn load_alarms(&mut self) -> rusqlite::Result<()> {
        self.alarms = self.database.alarms()?.into_iter().collect();
        self.ringing = self.alarms.iter().map(|(object, at)| (*at, *object)).collect();
        Ok(())
    }

    fn make_front(&mut self) {
        let mut front = Host::new(None, Rows::none(&self.database));
        front.actor = Some(Actor::front());
        self.hosts.insert(FRONT, front);
    }

    /// Handles commands until it is told to stop, or nobody is left who gives any.
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
            let mut group: Vec<Command> = first.into_iter().collect();
            group.extend(commands.try_iter().take(GROUP));
            let is_last = group.iter().any(|command| matches!(command, Command::Stop));
            self.group(group);
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
        let micros = u64::try_from(at.saturating_sub(clock())).unwrap_or(0);
        Some(Duration::from_micros(micros))
    }

    /// Carries out a group of commands, and what time has brought.
    fn group(&mut self, commands: Vec<Command>) {
        let mut commands = Some(commands);
        // What was undone is told to those who wait for it, which may fail in turn.
        for _ in 0..3 {
            self.group += 1;
            let done = catch_unwind(AssertUnwindSafe(|| self.steps(commands.take())));
            match done {
                Ok(Ok(())) => break,
                Ok(Err(reason)) => self.undo(&format!("the storage failed: {reason}")),
                Err(_) => self.undo("an internal error; what it was is in the server's log"),
            }
        }
        self.touched.clear();
        self.say();
        self.drop_idle();
    }

    fn steps(&mut self, commands: Option<Vec<Command>>) -> Result<(), String> {
        self.tell_time();
        self.settle();
        self.ring();
        self.settle();
        for command in commands.into_iter().flatten() {
            self.tell_time();
            self.take(command);
            self.settle();
        }
        self.secure();
        self.database.commit()
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

    fn tell_time(&mut self) {
        // The clock may be set back.
        self.now = clock().max(self.now);
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Request { request, answer } => {
                let Sent { method, url, headers, address, body } = request;
                let incoming = incoming(method, url, headers, address);
                let waiter =
                    Waiter::Client(Asker { incoming: incoming.clone(), answer: Some(answer) });
                let Some(front) = self.hosts.get_mut(&FRONT) else { return };
                let request = Some((incoming.clone(), body));
                let ticket = front.ticket(Waiting { waiter, request });
                self.event(FRONT, Event::Request { ticket, request: incoming });
            }
            Command::Body { read, body, answer } => {
                let Some(host) = self.hosts.get_mut(&read.host) else { return };
                if let Some(Waiting { waiter: Waiter::Client(asker), .. }) =
                    host.waiting.get_mut(&read.ticket)
                {
                    asker.answer = Some(answer);
                    self.event(read.host, Event::Body { ticket: read.ticket, body });
                }
            }
            Command::Message { socket, text } => {
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
            Some(Peer::Client(client)) => client.state.pinged(),
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

    /// Rings what is due.
    fn ring(&mut self) {
        while let Some((at, number)) =
            self.timers.first().copied().filter(|(at, _)| *at <= self.now)
        {
            self.timers.remove(&(at, number));
            if let Some(host) = self.hosts.get_mut(&number) {
                host.timer = None;
                self.event(number, Event::Timer);
            }
        }
        while let Some((at, host, number)) =
            self.sleeps.first().copied().filter(|(at, ..)| *at <= self.now)
        {
            self.sleeps.remove(&(at, host, number));
            self.ended(host);
            self.event(host, Event::Told { number, answer: None });
        }
        while let Some((_, id)) = self.ringing.first().copied().filter(|(at, _)| *at <= self.now) {
            // Removed in the transaction of what it brings: what is undone rings again.
            self.set_alarm(id, None);
            let Ok(Some(object)) = self.database.object(id) else { continue };
            if let Ok(number) = self.ensure(object) {
                self.event(number, Event::Alarm);
            }
            self.settle();
        }
    }

    /// Sets or removes an object's alarm, as part of the transaction.
    pub(crate) fn set_alarm(&mut self, id: i64, at: Option<i64>) {
        if let Err(error) = self.database.set_alarm(id, at) {
            self.database.notice(&error);
        }
        let before = match at {
            Some(at) => self.alarms.insert(id, at),
            None => self.alarms.remove(&id),
        };
        if let Some(before) = before {
            self.ringing.remove(&(before, id));
        }
        if let Some(at) = at {
            self.ringing.insert((at, id));
        }
    }

    /// Undoes the group: its actors lose their memory, which is ahead of the file, and whoever waits for them is refused.
    fn undo(&mut self, reason: &str) {
        eprintln!("blaze: {reason}");
        self.database.abandon();
        let refusal = || Error::new(Code::Unavailable, reason.to_owned());
        let mut refused: Vec<Asker> = Vec::new();
        for said in std::mem::take(&mut self.said) {
            match said {
                Said::Outcome(asker, Outcome::Read(_)) | Said::Outcome(asker, _) => {
                    refused.push(asker)
                }
                Said::Log(line) => self.said.push(Said::Log(line)),
                Said::Text(..) | Said::Close(..) | Said::Job(_) => {}
            }
        }
        let mut waiters: Vec<Waiter> = Vec::new();
        for delivery in std::mem::take(&mut self.queue) {
            match delivery {
                Delivery::Request { waiting, .. } => waiters.push(waiting.waiter),
                Delivery::Call { waiter, .. } | Delivery::Given { waiter, .. } => {
                    waiters.push(waiter)
                }
                Delivery::Event { .. } => {}
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
            eprintln!("blaze: alarms: {error}");
        }
        self.make_front_again();
        for waiter in waiters {
            match waiter {
                Waiter::Client(asker) | Waiter::Relay(asker, _) => refused.push(asker),
                other => {
                    self.queue.push_back(Delivery::Given { waiter: other, given: Given::Nothing })
                }
            }
        }
        for asker in refused {
            let reply = self.node.relayed(&asker.incoming, Some(refusal().into()));
            self.said.push(Said::Outcome(asker, Outcome::Reply(reply)));
        }
    }

    fn make_front_again(&mut self) {
        if !self.hosts.contains_key(&FRONT) {
            self.make_front();
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
                Peer::Client(client) => self.said.push(Said::Close(client, RESTART, "")),
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
        self.clients.retain(|_, (there, _)| *there != number);
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
                Said::Log(line) => println!("{line}"),
            }
        }
    }

    /// Drops actors that were not used for long, if there are many.
    fn drop_idle(&mut self) {
        if self.hosts.len() <= ACTORS {
            return;
        }
        let idle = self.hosts.iter().filter(|(_, host)| host.is_idle());
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

/// The present time (µs since the epoch).
fn clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
