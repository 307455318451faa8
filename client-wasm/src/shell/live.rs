//! One document that is listened to or written to: the shell around its [`Replica`].

use crate::core::change::Change;
use crate::core::event::{ConnectionState, Effect, Event};
use crate::core::http::{Read, read_answer, read_request, socket_target};
use crate::core::identity::Token;
use crate::core::query_event::{Patience, QueryEvent};
use crate::core::replica::Replica;
use crate::core::view::Visible;
use crate::shell::audience::{Audience, Snapshot};
use crate::shell::callbacks::{Callbacks, Subscription};
use crate::shell::fetch::Server;
use crate::shell::hub::Hub;
use crate::shell::live_queries::LiveQueries;
use crate::shell::platform::{Alarm, now, random, spawn};
use crate::shell::port::{Heard, Port};
use crate::shell::slot::Slot;
use crate::shell::work::{Effects, Soon, weakly};
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::wire::document::{PING, ServerMessage};
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// What answers a call of the application.
type Promise<T> = oneshot::Sender<Result<T, Error>>;
/// Calls that wait for their answers, by number. They are few.
type Calls<T> = RefCell<Vec<(u64, Promise<T>)>>;
type MessageCallback = Box<dyn Fn(&ServerMessage)>;

impl Snapshot for Visible {
    fn has_content_of(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

/// The document. It stays registered with its client as long as somebody listens or a write is pending, and so keeps
/// itself and the client alive.
pub(crate) struct Live {
    client: Rc<dyn Hub>,
    server: Rc<Server>,
    /// Its writes go by the socket of the queries.
    queries: Rc<LiveQueries>,
    /// Unregisters it.
    retire: Box<dyn Fn(&Live)>,
    path: Rc<DocumentPath>,
    replica: RefCell<Replica>,
    effects: Effects<Effect>,
    port: Rc<Port>,
    /// Held from the first socket to the last.
    slot: RefCell<Option<Slot>>,
    alarm: Alarm,
    connection: RefCell<ConnectionState>,
    audience: Audience<Visible>,
    listening: Cell<bool>,
    messages: Callbacks<MessageCallback>,
    telling: Soon,
    writes: Calls<u64>,
}

impl Live {
    /// `retire` is called when it is not in use any more, perhaps more than once.
    pub(crate) fn new(
        client: Rc<dyn Hub>,
        server: Rc<Server>,
        queries: Rc<LiveQueries>,
        path: DocumentPath,
        retire: Box<dyn Fn(&Live)>,
    ) -> Rc<Self> {
        Rc::new_cyclic(|live: &Weak<Live>| Live {
            port: Port::new(Rc::clone(&server), Box::new(weakly(live, Live::hear))),
            client,
            server,
            queries,
            retire,
            slot: RefCell::default(),
            replica: RefCell::new(Replica::new(path.clone())),
            path: Rc::new(path),
            effects: Effects::new(),
            alarm: Alarm::new(weakly(live, |live, ()| live.handle(Event::Timer))),
            connection: RefCell::new(ConnectionState::Idle),
            audience: Audience::new(),
            listening: Cell::new(false),
            messages: Callbacks::new(),
            telling: Soon::default(),
            writes: RefCell::default(),
        })
    }

    pub(crate) fn path(&self) -> &DocumentPath {
        &self.path
    }

    pub(crate) fn connection(&self) -> ConnectionState {
        self.connection.borrow().clone()
    }

    /// Takes an event, and does what follows from it.
    pub(crate) fn handle(self: &Rc<Self>, event: Event) {
        let effects = self.replica.borrow_mut().handle(now(), random(), event);
        if self.effects.run(effects, |effect| self.perform(effect)) {
            self.retire_if_idle();
        }
    }

    fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::OpenSocket { since } => self.open_socket(since),
            Effect::CloseSocket => self.port.close(),
            Effect::SendPing => self.port.send(PING),
            Effect::StartTimer { after_ms } => self.alarm.start(after_ms),
            Effect::StopTimer => self.alarm.stop(),
            Effect::Send { id, write } => {
                let path = Rc::clone(&self.path);
                self.queries.handle(QueryEvent::Send { id, path, write });
            }
            Effect::Settled { id, result } => {
                let (path, version) = (Rc::clone(&self.path), result.as_ref().ok().copied());
                self.queries.handle(QueryEvent::Settled { path, version });
                answer(&self.writes, id, result);
            }
            Effect::Wait => {
                let live = Rc::clone(self);
                let ready = move || live.handle(Event::Ready);
                self.queries.after_writes(None, Patience::UntilItIsHopeless, ready);
            }
            Effect::Show(visible) => {
                self.audience.show(visible);
                self.tell_soon();
            }
            Effect::Fail(error) => {
                self.listening.set(false);
                self.audience.fail(&error);
                self.tell_soon();
            }
            Effect::Connection(state) => {
                if state == ConnectionState::Idle {
                    self.slot.take();
                }
                let is_offline = matches!(state, ConnectionState::Offline { .. });
                self.connection.replace(state);
                self.client.connection_changed();
                if is_offline {
                    self.client.doubt();
                }
            }
        }
    }

    fn open_socket(self: &Rc<Self>, since: Option<(u64, Rc<str>)>) {
        if self.slot.borrow().is_none() {
            match Slot::take(&self.path) {
                Ok(slot) => drop(self.slot.replace(Some(slot))),
                Err(error) => {
                    let live = Rc::clone(self);
                    // Not while effects are being done.
                    return spawn(async move { live.handle(Event::Refused(error)) });
                }
            }
        }
        let since = since.as_ref().map(|(version, epoch)| (*version, &**epoch));
        let url = format!("{}{}", self.server.socket_origin, socket_target(&self.path, since));
        self.port.open(url);
    }

    fn hear(self: &Rc<Self>, heard: Heard) {
        match heard {
            Heard::Opened => self.handle(Event::Opened),
            Heard::Closed(why) => self.handle(Event::Closed(why)),
            Heard::Refused(error) => self.handle(Event::Refused(error)),
            Heard::Ended(error) => {
                self.receive(Ok(ServerMessage::Error(error)));
                self.handle(Event::Closed(None));
            }
            Heard::Frame(frame) => {
                let frame = frame.and_then(ServerMessage::from_json);
                if let Ok(message) = &frame {
                    self.messages.each(|callback| callback(message));
                }
                self.receive(frame);
            }
        }
    }

    fn receive(self: &Rc<Self>, frame: Result<ServerMessage, Error>) {
        match &frame {
            Ok(ServerMessage::Error(error)) if self.port.may_come_again(error) => {
                self.handle(Event::Closed(Some(error.clone())));
                return;
            }
            Ok(ServerMessage::Error(_)) | Err(_) => {}
            Ok(_) => self.port.works(),
        }
        self.handle(Event::Received(frame));
    }

    /// Whether there is a socket.
    pub(crate) fn has_socket(&self) -> bool {
        self.port.is_used()
    }

    /// The socket says who this is from now on.
    pub(crate) fn tell_token(&self, token: &Token) {
        self.port.tell_token(token);
    }

    /// Begins a write. The answer comes by the receiver, whatever becomes of the receiver.
    pub(crate) fn write(self: &Rc<Self>, change: Change) -> oneshot::Receiver<Result<u64, Error>> {
        let (promise, answer) = oneshot::channel();
        let id = self.client.new_id();
        self.writes.borrow_mut().push((id, promise));
        let (path, operation) = (Rc::clone(&self.path), Rc::new(change.operation().clone()));
        self.queries.handle(QueryEvent::Write { path, operation });
        self.handle(Event::Write { id, change });
        answer
    }

    /// Begins a read.
    pub(crate) fn read(self: &Rc<Self>) -> oneshot::Receiver<Result<Read, Error>> {
        let (promise, answer) = oneshot::channel();
        let live = Rc::clone(self);
        let read = move || {
            spawn(async move {
                let response = live.server.send(&read_request(&live.path)).await;
                // Whoever called may have lost interest.
                let _ = promise.send(read_answer(&live.path, response));
                live.retire_if_idle();
            });
        };
        let path = Some(Rc::clone(&self.path));
        self.queries.after_writes(path, Patience::UntilItFails, read);
        answer
    }

    /// Adds a listener. It is told the present state, if there is one, and every later one; not from here.
    pub(crate) fn listen(
        self: &Rc<Self>,
        metadata: bool,
        next: Box<dyn Fn(Visible)>,
        error: Box<dyn Fn(Error)>,
    ) -> Subscription {
        let entry = self.audience.add(metadata, next, error);
        if self.listening.replace(true) {
            self.tell_soon();
        } else {
            self.handle(Event::Listen);
        }
        let live = Rc::clone(self);
        Subscription::new(move || {
            live.audience.remove(&entry);
            live.tell_soon();
        })
    }

    /// Adds a callback for the frames of the socket.
    pub(crate) fn watch_messages(self: &Rc<Self>, callback: MessageCallback) -> Subscription {
        let entry = self.messages.add(callback);
        let live = Rc::clone(self);
        Subscription::new(move || {
            live.messages.remove(&entry);
            live.retire_if_idle();
        })
    }

    /// Ends everything: listeners hear no more, calls are answered.
    pub(crate) fn close(self: &Rc<Self>) {
        self.audience.dismiss();
        self.messages.take();
        self.listening.set(false);
        self.handle(Event::Close);
    }

    /// Calls the callbacks soon.
    fn tell_soon(self: &Rc<Self>) {
        let live = Rc::clone(self);
        self.telling.run(move || live.tell());
    }

    fn tell(self: &Rc<Self>) {
        self.audience.tell();
        if self.audience.is_empty() && self.listening.replace(false) {
            self.audience.hide();
            self.handle(Event::Unlisten);
        }
        self.retire_if_idle();
    }

    fn retire_if_idle(&self) {
        let idle = self.audience.is_empty()
            && !self.listening.get()
            && self.messages.is_empty()
            && self.replica.borrow().is_settled();
        if idle {
            (self.retire)(self);
        }
    }
}

/// Answers a call.
fn answer<T>(calls: &Calls<T>, id: u64, result: Result<T, Error>) {
    let position = calls.borrow().iter().position(|(call, _)| *call == id);
    if let Some(position) = position {
        let (_, promise) = calls.borrow_mut().swap_remove(position);
        // Whoever called may have lost interest.
        let _ = promise.send(result);
    }
}
