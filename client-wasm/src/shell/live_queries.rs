//! The queries that are listened to, and the writes: the shell around [`Queries`].

use crate::core::document_changes::same_documents;
use crate::core::event::ConnectionState;
use crate::core::http::{Outgoing, write_answer};
use crate::core::identity::Token;
use crate::core::json;
use crate::core::queries::Queries;
use crate::core::query_event::{Patience, QueryEffect, QueryEvent, QueryTimer, Settled};
use crate::core::query_json::asked;
use crate::core::row::Rows;
use crate::shell::audience::{Audience, Snapshot};
use crate::shell::callbacks::Subscription;
use crate::shell::fetch::Server;
use crate::shell::hub::Hub;
use crate::shell::platform::{Alarm, now, random, spawn};
use crate::shell::port::{Heard, Port};
use crate::shell::work::{Effects, Soon, weakly};
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::value::Map;
use blaze_schema::wire::query::QueryMessage;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

impl Snapshot for Rows {
    fn has_content_of(&self, other: &Self) -> bool {
        Rc::ptr_eq(self, other) || same_documents(self, other)
    }
}

/// A call that waits for writes.
type Ready = Box<dyn FnOnce()>;

/// The queries of one client.
pub(crate) struct LiveQueries {
    client: Weak<dyn Hub>,
    server: Rc<Server>,
    /// The same, as long as somebody listens: then it stays, whoever else lets go of it.
    kept: RefCell<Option<Rc<dyn Hub>>>,
    queries: RefCell<Queries>,
    effects: Effects<QueryEffect>,
    port: Rc<Port>,
    socket_alarm: Alarm,
    retry_alarm: Alarm,
    ping_alarm: Alarm,
    writes_alarm: Alarm,
    linger_alarm: Alarm,
    connection: RefCell<ConnectionState>,
    /// The way of writes to the server.
    writing: RefCell<ConnectionState>,
    /// Calls that wait for writes, by number.
    waiting: RefCell<Vec<(u64, Ready)>>,
    targets: RefCell<Vec<Rc<Target>>>,
    last_target: Cell<u64>,
    telling: Soon,
}

/// A query and those who listen to it.
struct Target {
    number: u64,
    /// The query as JSON text.
    text: String,
    audience: Audience<Rows>,
    /// What the audience was shown last.
    shown: RefCell<Option<Rows>>,
    /// Whether listening has ended; what is left is to say so.
    ended: Cell<bool>,
}

impl LiveQueries {
    pub(crate) fn new(client: Weak<dyn Hub>, server: Rc<Server>) -> Rc<Self> {
        Rc::new_cyclic(|live: &Weak<LiveQueries>| {
            let alarm = |timer| {
                Alarm::new(weakly(live, move |live, ()| live.handle(QueryEvent::Timer(timer))))
            };
            LiveQueries {
                client,
                kept: RefCell::default(),
                queries: RefCell::default(),
                effects: Effects::new(),
                port: Port::new(Rc::clone(&server), Box::new(weakly(live, LiveQueries::hear))),
                server,
                socket_alarm: alarm(QueryTimer::Socket),
                retry_alarm: alarm(QueryTimer::Retry),
                ping_alarm: alarm(QueryTimer::Ping),
                writes_alarm: alarm(QueryTimer::Writes),
                linger_alarm: alarm(QueryTimer::Linger),
                connection: RefCell::new(ConnectionState::Idle),
                writing: RefCell::new(ConnectionState::Idle),
                waiting: RefCell::default(),
                targets: RefCell::default(),
                last_target: Cell::new(0),
                telling: Soon::default(),
            }
        })
    }

    pub(crate) fn connection(&self) -> ConnectionState {
        let states = [&self.connection, &self.writing];
        ConnectionState::worst(states.map(|state| state.borrow().clone()))
    }

    /// Takes an event, and does what follows from it.
    pub(crate) fn handle(self: &Rc<Self>, event: QueryEvent) {
        let effects = self.queries.borrow_mut().handle(now(), random(), event);
        self.effects.run(effects, |effect| self.perform(effect));
    }

    fn perform(self: &Rc<Self>, effect: QueryEffect) {
        match effect {
            QueryEffect::OpenSocket => self.open_socket(),
            QueryEffect::CloseSocket => self.port.close(),
            QueryEffect::Send(text) => self.port.send(&text),
            QueryEffect::StartTimer { timer, after_ms } => self.alarm(timer).start(after_ms),
            QueryEffect::StopTimer(timer) => self.alarm(timer).stop(),
            QueryEffect::Changed => self.tell_soon(),
            QueryEffect::Fail { target, error } => {
                let targets = self.targets.borrow().clone();
                if let Some(target) = targets.iter().find(|other| other.number == target) {
                    target.ended.set(true);
                    target.audience.fail(&error);
                }
                self.tell_soon();
            }
            QueryEffect::Connection(state) => {
                let is_offline = matches!(state, ConnectionState::Offline { .. });
                self.connection.replace(state);
                if let Some(client) = self.client.upgrade() {
                    client.connection_changed();
                    if is_offline {
                        client.doubt();
                    }
                }
            }
            QueryEffect::Writing(state) => {
                self.writing.replace(state);
                if let Some(client) = self.client.upgrade() {
                    client.connection_changed();
                }
            }
            QueryEffect::Post { request, path, write, .. } => self.post(request, path, &write),
            QueryEffect::Written(Settled { id, path, result }) => {
                if let Some(client) = self.client.upgrade() {
                    client.written(&path, id, result);
                }
            }
            QueryEffect::Ready { id } => {
                let place = self.waiting.borrow().iter().position(|(other, _)| *other == id);
                if let Some(place) = place {
                    let (_, ready) = self.waiting.borrow_mut().swap_remove(place);
                    ready();
                }
            }
        }
    }

    fn post(self: &Rc<Self>, request: u64, path: Rc<DocumentPath>, write: &Outgoing) {
        let Some(client) = self.client.upgrade() else { return };
        let (live, sent) = (Rc::clone(self), write.request());
        spawn(async move {
            let answer = write_answer(&path, live.server.send(&sent).await);
            live.handle(QueryEvent::Answered { request, answer });
            drop(client);
        });
    }

    /// Calls `ready` after the writes that were begun before: those of the document at `path`, or all.
    pub(crate) fn after_writes(
        self: &Rc<Self>,
        path: Option<Rc<DocumentPath>>,
        patience: Patience,
        ready: impl FnOnce() + 'static,
    ) {
        let Some(client) = self.client.upgrade() else { return };
        let id = client.new_id();
        self.waiting.borrow_mut().push((id, Box::new(ready)));
        self.handle(QueryEvent::Wait { id, path, patience });
    }

    fn alarm(&self, timer: QueryTimer) -> &Alarm {
        match timer {
            QueryTimer::Socket => &self.socket_alarm,
            QueryTimer::Retry => &self.retry_alarm,
            QueryTimer::Ping => &self.ping_alarm,
            QueryTimer::Writes => &self.writes_alarm,
            QueryTimer::Linger => &self.linger_alarm,
        }
    }

    fn open_socket(self: &Rc<Self>) {
        let url = format!("{}/v1/listen", self.server.socket_origin);
        self.port.open(url);
    }

    fn hear(self: &Rc<Self>, heard: Heard) {
        match heard {
            Heard::Opened => self.handle(QueryEvent::Opened),
            Heard::Closed(why) => self.handle(QueryEvent::Closed(why)),
            Heard::Refused(error) => self.handle(QueryEvent::Refused(error)),
            Heard::Ended(error) => {
                self.receive(Ok(QueryMessage::Error { target: None, error }));
                self.handle(QueryEvent::Closed(None));
            }
            Heard::Frame(frame) => self.receive(frame.and_then(QueryMessage::from_json)),
        }
    }

    fn receive(self: &Rc<Self>, frame: Result<QueryMessage, Error>) {
        match &frame {
            // Of one query too: with another token the whole socket comes again.
            Ok(
                QueryMessage::Error { error, .. }
                | QueryMessage::Written { result: Err(error), .. },
            ) if self.port.may_come_again(error) => {
                self.handle(QueryEvent::Closed(Some(error.clone())));
                return;
            }
            Ok(QueryMessage::Error { .. } | QueryMessage::Written { result: Err(_), .. })
            | Err(_) => {}
            Ok(_) => self.port.works(),
        }
        self.handle(QueryEvent::Received(frame));
    }

    /// Whether there is a socket.
    pub(crate) fn has_socket(&self) -> bool {
        self.port.is_used()
    }

    /// The socket speaks for an identity that the client no longer has.
    pub(crate) fn tell_replaced(self: &Rc<Self>) {
        self.handle(QueryEvent::Replaced);
    }

    /// The token of the new identity cannot be had.
    pub(crate) fn tell_nameless(self: &Rc<Self>, error: &Error) {
        self.handle(QueryEvent::Nameless(error.clone()));
    }

    /// The socket says who this is from now on.
    pub(crate) fn tell_token(self: &Rc<Self>, token: &Token) {
        self.port.tell_token(token);
        self.handle(QueryEvent::Renewed);
    }

    /// Adds a listener. It is told the present result, if there is one, and every later one; not from here.
    pub(crate) fn listen(
        self: &Rc<Self>,
        json: &Map,
        query: Query,
        metadata: bool,
        next: Box<dyn Fn(Rows)>,
        error: Box<dyn Fn(Error)>,
    ) -> Subscription {
        let text = json::print_object(json);
        let same = |target: &&Rc<Target>| target.text == text && !target.ended.get();
        let found = self.targets.borrow().iter().find(same).cloned();
        let target =
            found.unwrap_or_else(|| self.begin(text, query, json::print_object(&asked(json))));
        let entry = target.audience.add(metadata, next, error);
        self.tell_soon();
        let live = Rc::clone(self);
        Subscription::new(move || {
            target.audience.remove(&entry);
            live.tell_soon();
        })
    }

    /// Begins to listen to a query.
    fn begin(self: &Rc<Self>, text: String, query: Query, asked: String) -> Rc<Target> {
        let number = self.last_target.get() + 1;
        self.last_target.set(number);
        let target = Rc::new(Target {
            number,
            text,
            audience: Audience::new(),
            shown: RefCell::default(),
            ended: Cell::new(false),
        });
        self.targets.borrow_mut().push(Rc::clone(&target));
        self.kept.replace(self.client.upgrade());
        self.handle(QueryEvent::Listen { target: number, query: Box::new(query), asked });
        target
    }

    /// Ends everything: listeners hear no more.
    pub(crate) fn close(self: &Rc<Self>) {
        for target in self.targets.take() {
            target.ended.set(true);
            target.audience.dismiss();
        }
        self.handle(QueryEvent::Close);
        self.tell_soon();
    }

    /// Calls the callbacks soon.
    fn tell_soon(self: &Rc<Self>) {
        let live = Rc::clone(self);
        self.telling.run(move || live.tell());
    }

    fn tell(self: &Rc<Self>) {
        let targets = self.targets.borrow().clone();
        for target in targets {
            let rows = self.queries.borrow_mut().rows(target.number);
            if let Some(rows) = rows {
                target.show(rows);
            }
            target.audience.tell();
            if target.audience.is_empty() {
                self.targets.borrow_mut().retain(|other| !Rc::ptr_eq(other, &target));
                self.handle(QueryEvent::Unlisten { target: target.number });
            }
        }
        if self.targets.borrow().is_empty() {
            drop(self.kept.take());
        }
    }
}

impl Target {
    fn show(&self, rows: Rows) {
        let mut shown = self.shown.borrow_mut();
        if shown.as_ref().is_none_or(|shown| !Rc::ptr_eq(shown, &rows)) {
            self.audience.show(Rc::clone(&rows));
            *shown = Some(rows);
        }
    }
}
