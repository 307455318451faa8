//! The object of an index: the index, the sockets of its live queries, and the calls without whose answers it cannot go
//! on. A registry of indexes is such an object too.

use super::joining::Call as Lack;
use super::live::Subscription;
use super::object::{Object as Engine, Reaction};
use super::settings::Collections;
use super::{Effect as Done, Event as Asked, registry};
use crate::actor::{
    Call, Class, Count, Effect, Event, Facts, Halt, Key, Object, Tasks, Turn, Wait, Waking, Work,
    misdirected, silent,
};
use crate::http::incoming::Incoming;
use crate::http::query_request;
use crate::http::reply::Reply;
use crate::node::config::Config;
use crate::unread::{UNREAD_REASON, Unread};
use blaze_schema::error::{Code, Error};
use blaze_schema::wire::document::{ClientMessage, close_code, pong_text};
use blaze_schema::wire::query::is_part_text;
use blaze_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The object.
#[derive(Debug)]
pub struct Room {
    name: String,
    collections: Rc<Collections>,
    /// `None` for a registry.
    engine: Option<Engine>,
    sockets: BTreeMap<u64, Seat>,
    /// The sockets of each live query, by its tag.
    tags: BTreeMap<String, BTreeSet<u64>>,
    is_waking: bool,
    tasks: Tasks<Task>,
    last: u64,
}

/// A socket of a live query; the subscription is its attachment.
#[derive(Debug)]
struct Seat {
    subscription: String,
    tag: String,
    unread: Unread,
}

/// Something that is done again when objects have answered.
#[derive(Debug)]
pub(crate) struct Task {
    what: What,
    /// The questions to objects without whose answers it was not done.
    lacks: Vec<Lack>,
}

#[derive(Debug)]
enum What {
    /// An event that is answered.
    Ask(u64, Box<Asked>),
    /// A message of another object.
    Tell(u64, String),
    /// The request for a socket.
    Connect(u64, Incoming),
    /// Nothing is done again.
    Alarm,
}

impl Room {
    /// Creates the object. Reads nothing yet.
    ///
    /// # Errors
    /// `internal` for a name that no index has.
    pub fn new(name: &str, config: &Config, waking: Waking) -> Result<Self, Error> {
        let is_registry = registry::is_registry(name);
        let engine = if is_registry { None } else { Some(Engine::new(name, &config.collections)?) };
        let last = waking.sockets.iter().map(|(socket, _)| *socket).max().unwrap_or_default();
        let mut room = Room {
            name: name.to_owned(),
            collections: Rc::clone(&config.collections),
            engine,
            sockets: BTreeMap::new(),
            tags: BTreeMap::new(),
            is_waking: true,
            tasks: Tasks::default(),
            last,
        };
        for (socket, subscription) in waking.sockets {
            // One that was closed has none.
            if !subscription.is_empty() {
                room.seat(socket, subscription);
            }
        }
        Ok(room)
    }

    fn seat(&mut self, socket: u64, subscription: String) {
        let tag = Subscription::tag_of(&subscription);
        self.tags.entry(tag.clone()).or_default().insert(socket);
        self.sockets.insert(socket, Seat { subscription, tag, unread: Unread::default() });
    }

    pub(crate) fn handle<S: Store>(&mut self, turn: &mut Turn<'_, S>, event: Event) {
        if std::mem::take(&mut self.is_waking) && !self.sockets.is_empty() {
            let seats = self.tags.values().filter_map(|sockets| self.sockets.get(sockets.first()?));
            let subscriptions = seats.map(|seat| seat.subscription.clone()).collect();
            self.step(turn, Asked::Woken { subscriptions }, None);
        }
        match event {
            Event::Call { ticket, call } => self.call(turn, ticket, call),
            Event::Request { ticket, request } => {
                self.begin(turn, Key::Ticket(ticket), What::Connect(ticket, request));
            }
            Event::Told { number, answer } => {
                self.told(turn, number, answer).ok();
            }
            Event::Message { socket, text } => self.hear(turn, socket, text.as_deref()),
            Event::Closed { socket } => self.closed(turn, socket),
            Event::Alarm => self.begin(turn, Key::Own, What::Alarm),
            event => misdirected(turn, &event),
        }
    }

    fn call<S: Store>(&mut self, turn: &mut Turn<'_, S>, ticket: u64, call: Call) {
        let what = match call {
            Call::Update { row } => {
                let event = Asked::Update { row: row.into_bytes() };
                Ok(What::Ask(ticket, Box::new(event)))
            }
            Call::Ask { question } => {
                query_request::event(&question).map(|event| What::Ask(ticket, Box::new(event)))
            }
            Call::Tell { message } if self.engine.is_none() => {
                let answer = registry::answer(turn.store, &message);
                return turn.answer(ticket, answer);
            }
            Call::Tell { message } => Ok(What::Tell(ticket, message)),
            call => return misdirected(turn, &Event::Call { ticket, call }),
        };
        match what {
            Ok(what) => self.begin(turn, Key::Ticket(ticket), what),
            Err(error) => turn.answer(ticket, error),
        }
    }

    fn begin<S: Store>(&mut self, turn: &mut Turn<'_, S>, key: Key, what: What) {
        self.start(turn, key, Task { what, lacks: Vec::new() });
    }

    fn tell<S: Store>(&mut self, turn: &mut Turn<'_, S>, ticket: u64, message: &str) -> Vec<Lack> {
        let Some(engine) = &mut self.engine else { return Vec::new() };
        match engine.asked(turn.store, turn.now, message) {
            Ok((text, Reaction { effects, calls, erase })) => {
                self.carry_out(turn, effects, None);
                if calls.is_empty() {
                    if erase {
                        turn.push(Effect::Erase);
                        self.engine = Engine::new(&self.name, &self.collections).ok();
                        self.is_waking = true;
                    }
                    turn.answer(ticket, Ok(text));
                }
                calls
            }
            Err(error) => {
                turn.answer(ticket, error);
                Vec::new()
            }
        }
    }

    /// Opens the socket of a live query. A socket cannot be accepted twice: what the query lacks is asked for before.
    fn connect<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        ticket: u64,
        incoming: &Incoming,
    ) -> Vec<Lack> {
        let Some(engine) = &mut self.engine else { return Vec::new() };
        match engine.lacks(turn.store) {
            Ok(lacks) if lacks.is_empty() => {}
            Ok(lacks) => return lacks,
            Err(error) => {
                turn.push(Effect::Reply { ticket, reply: error.into() });
                return Vec::new();
            }
        }
        let subscription = incoming.value("query").unwrap_or_default();
        let resume = incoming.value("resume");
        self.last = self.last.wrapping_add(1);
        let (socket, attachment) = (self.last, subscription.clone());
        turn.push(Effect::Accept { ticket, socket, protocol: "", attachment });
        self.seat(socket, subscription.clone());
        self.step(turn, Asked::Connect { subscription, resume }, Some(socket)).1
    }

    /// Answers a ping, after the frames of every change that was committed before.
    fn hear<S: Store>(&mut self, turn: &mut Turn<'_, S>, socket: u64, text: Option<&str>) {
        if let Some(seat) = self.sockets.get_mut(&socket) {
            seat.unread.acknowledged();
        }
        if let Some(Ok(ClientMessage::Ping(number))) = text.map(ClientMessage::parse) {
            turn.push(Effect::Send { sockets: vec![socket], text: pong_text(number) });
        }
    }

    fn closed<S: Store>(&mut self, turn: &mut Turn<'_, S>, socket: u64) {
        let Some(Seat { tag, .. }) = self.sockets.remove(&socket) else { return };
        let Some(sockets) = self.tags.get_mut(&tag) else { return };
        sockets.remove(&socket);
        if sockets.is_empty() {
            self.tags.remove(&tag);
            self.step(turn, Asked::Disconnect { tag }, None);
        }
    }

    /// Takes a step of the index, and carries its effects out. Returns its answer, and what it lacks.
    fn step<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        event: Asked,
        origin: Option<u64>,
    ) -> (Option<Result<String, Error>>, Vec<Lack>) {
        let Some(engine) = &mut self.engine else {
            return (Some(Err(Error::internal("a registry answers no queries"))), Vec::new());
        };
        let random = (turn.random)();
        let Reaction { effects, calls, .. } = engine.handle(turn.store, turn.now, random, event);
        (self.carry_out(turn, effects, origin), calls)
    }

    /// Carries effects out; returns the answer, if there is one.
    fn carry_out<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        effects: Vec<Done>,
        origin: Option<u64>,
    ) -> Option<Result<String, Error>> {
        let (mut answer, mut is_continued) = (None, false);
        for effect in effects {
            match effect {
                Done::Answer(given) => answer = Some(given),
                Done::Send(text) => {
                    let is_part = is_part_text(&text);
                    self.send(turn, origin.into_iter().collect(), text, is_continued);
                    is_continued = is_part;
                }
                Done::Publish { tag, text } => {
                    let is_part = is_part_text(&text);
                    let sockets = self.tags.get(&tag).into_iter().flatten().copied().collect();
                    self.send(turn, sockets, text, is_continued);
                    is_continued = is_part;
                }
                Done::SetAlarm(at) => turn.push(Effect::SetAlarm(at)),
            }
        }
        answer
    }

    /// Sends a frame to sockets; closes those whose peers do not read.
    fn send<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        sockets: Vec<u64>,
        text: String,
        is_continued: bool,
    ) {
        let count =
            |socket, count: &Count<'_>| Some(count(&mut self.sockets.get_mut(&socket)?.unread));
        for socket in turn.send(sockets, text, is_continued, count) {
            turn.push(Effect::Attach { socket, attachment: String::new() });
            let code = close_code(Code::Unavailable);
            turn.push(Effect::Close { socket, code, reason: UNREAD_REASON });
            self.closed(turn, socket);
        }
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
        if !task.lacks.is_empty() {
            let answers = std::mem::take(&mut facts.gathered).into_iter();
            let texts = answers.map(|answer| answer?.result.ok());
            let texts: Option<Vec<String>> = texts.collect();
            let Some(engine) = &mut self.engine else { return Ok(()) };
            let random = (turn.random)();
            let effects =
                engine.told(turn.store, turn.now, random, &task.lacks, texts.as_deref())?;
            self.carry_out(turn, effects, None);
            match (&task.what, texts) {
                (What::Alarm, _) => return Ok(()),
                (_, Some(_)) => {}
                (_, None) => return Err(silent().into()),
            }
        }
        task.lacks = match &mut task.what {
            What::Ask(ticket, event) => {
                // The step is taken again only where something may be lacking.
                let may_lack = self.engine.as_ref().is_some_and(|engine| !engine.is_settled());
                let again = if may_lack { (**event).clone() } else { Asked::Alarm };
                let event = std::mem::replace(&mut **event, again);
                let (answer, lacks) = self.step(turn, event, None);
                if lacks.is_empty() || !may_lack {
                    let none = || Err(Error::internal("the index gave no answer"));
                    turn.answer(*ticket, answer.unwrap_or_else(none));
                    return Ok(());
                }
                lacks
            }
            What::Tell(ticket, message) => self.tell(turn, *ticket, message),
            What::Connect(ticket, request) => self.connect(turn, *ticket, request),
            What::Alarm => self.step(turn, Asked::Alarm, None).1,
        };
        if task.lacks.is_empty() {
            return Ok(());
        }
        let call = |(name, message): &Lack| {
            let call = Call::Tell { message: message.clone() };
            (Object::new(Class::Index, name.as_str()), call)
        };
        Err(Halt::Wait(Wait::Answers(task.lacks.iter().map(call).collect())))
    }

    fn refuse<S: Store>(
        &mut self,
        turn: &mut Turn<'_, S>,
        task: Task,
        error: Error,
        _: Option<Reply>,
    ) {
        match task.what {
            What::Ask(ticket, _) | What::Tell(ticket, _) => turn.answer(ticket, error),
            What::Connect(ticket, _) => turn.push(Effect::Reply { ticket, reply: error.into() }),
            What::Alarm => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::actor::bench::{Bench, calls};
    use crate::actor::{Call, Class, Effect, Event};
    use crate::node::config::Config;
    use blaze_schema::error::{Code, Error};
    use blaze_schema::limits::ALARM_RETRY_MICROS;

    #[test]
    fn a_group_whose_registry_does_not_answer_tries_again_later() {
        let collections = r#"{"docs":{"group":true}}"#;
        let open = |name: &str| (name == "OPEN").then(|| "1".to_owned());
        let config = Config::read(collections, "{}", open).unwrap();
        let mut bench = Bench::of(Class::Index, "g/0/docs", config);
        let question = r#"query {"from":{"group":"docs"}}"#.to_owned();
        let effects = bench.event(Event::Call { ticket: 1, call: Call::Ask { question } });
        let [(number, object, Call::Tell { .. })] = calls(&effects)[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(object.class, Class::Index);
        let effects = bench.told(number, Err(Error::new(Code::Unavailable, "down")));
        let [Effect::SetAlarm(at), Effect::Return { answer, .. }] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(at.micros(), bench.now + ALARM_RETRY_MICROS);
        assert_eq!(answer.result.as_ref().map_err(|error| error.code), Err(Code::Unavailable));
    }
}
