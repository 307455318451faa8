//! What a document's object does with an event, as the shell carries it out: what is answered waits for the indexes.

use super::faults::Faults;
use super::object::Arrived;
use super::sabotage::Sabotage;
use super::world::{Happening, Report, World};
use blaze_client::core::http::{Method, Request};
use blaze_engine::document::{Answer, Effect, Event, unindexed};
use blaze_engine::http::reply::Reply;
use blaze_engine::index::shard;
use blaze_schema::error::Code;
use blaze_schema::wire::document::{ServerMessage, base_of};
use std::rc::Rc;

/// An answer waits no longer for the indexes, in microseconds: `INDEX_WAIT` of `server/shim.js`.
const WAIT: i64 = 10_000_000;
/// An index that fails is told again after so long: `INDEX_RETRY`.
const RETRIES: [i64; 4] = [20_000, 100_000, 500_000, 2_000_000];
/// The platform calls an alarm's handler again that did not end, after so long.
const RING_AGAIN: i64 = 2_000_000;

/// Where an event comes from, and so where its answer goes.
pub(super) enum Origin {
    /// Nobody waits.
    Nobody,
    /// A request.
    Request { fetch: u64, request: Rc<Request> },
    /// A socket of the document.
    Socket(u64),
    /// A write on `/v1/listen`: the connection.
    Link(u64),
    /// The alarm of this number.
    Alarm(u64),
}

/// An answer that is given when the indexes know.
pub(super) enum Held {
    Answer {
        fetch: u64,
        request: Rc<Request>,
        answer: Answer,
    },
    /// The answer to a write on `/v1/listen`.
    Remote {
        link: u64,
        text: String,
    },
}

/// Frames that sockets are sent when the indexes know, and not before those that are in line before them.
pub(super) struct InLine {
    telling: u64,
    /// True if the indexes know; `None` as long as that is not known.
    told: Option<bool>,
    /// Each for some sockets.
    frames: Vec<(Vec<u64>, String)>,
    promise: Option<Promise>,
}

/// The promise to whoever is shown a state: every query from then on knows this version, or a later one.
#[derive(Clone)]
pub(super) struct Promise {
    pub(super) epoch: String,
    pub(super) version: u64,
    /// True if a write is answered; other promises are checked now and then.
    is_write: bool,
}

/// A document is telling its indexes.
pub(super) struct Telling {
    object: usize,
    version: u64,
    row: Rc<[u8]>,
    /// The indexes, those that have confirmed being `None`.
    names: Vec<Option<String>>,
    held: Vec<(Held, Option<Promise>)>,
    /// True if nobody waits for it any more.
    is_late: bool,
    alarm: Option<u64>,
}

/// What goes to an index.
pub(super) struct Tell {
    telling: u64,
    place: usize,
    attempt: usize,
    name: String,
    row: Rc<[u8]>,
    /// Whether anybody waits for what comes of it.
    is_first: bool,
}

impl World {
    /// One step of an object, and its effects. A write has a `key`.
    pub(super) fn step(&mut self, object: usize, event: Event, key: Option<&str>, origin: Origin) {
        let random = self.random.wide();
        let full = Faults::strikes(&mut self.random, self.faults.disk_full);
        self.objects[object].disk.full = full;
        let connects = matches!(event, Event::Connect { .. });
        let repeats = key.is_some_and(|key| self.objects[object].history.fate(key).is_some());
        let mut effects = self.objects[object].step(self.queue.now(), random, event, key);
        if let Some(key) = key.filter(|key| self.objects[object].history.fate(key).is_some()) {
            let number = self.committed.len() as u64 + 1;
            self.committed.entry(key.to_owned()).or_insert(number);
        }
        // Everything is open here: who listens need not be known.
        effects.retain(|effect| !matches!(effect, Effect::Admit { .. }));
        if let (true, Some(Effect::Send(frame))) = (connects, effects.first())
            && base_of(frame).is_some()
        {
            self.stats.count("missed frames served");
        }
        let forgets = match self.sabotage {
            Some(Sabotage::TrustRepetitions) => repeats,
            Some(Sabotage::ReadAhead) => {
                !effects.iter().any(|one| matches!(one, Effect::Broadcast(_)))
            }
            _ => false,
        };
        if forgets {
            let waits =
                |effect: &Effect| matches!(effect, Effect::Index { .. } | Effect::Await { .. });
            effects.retain(|effect| !waits(effect));
        }
        // It is part of the commit, wherever the object dies.
        let alarm = effects.iter().find_map(|effect| match effect {
            Effect::SetAlarm(at) => Some(at.micros() - self.objects[object].clock),
            _ => None,
        });
        if let Some(at) = alarm {
            self.set_alarm(object, at);
        }
        let dies = Faults::strikes(&mut self.random, self.faults.crash_in_step);
        let carried_out = if dies { self.random.below(effects.len() + 1) } else { effects.len() };
        let ended = self.carry_out(object, effects, carried_out, &origin);
        if dies {
            self.stats.count("crash within a step");
            self.crash(object);
        }
        match origin {
            Origin::Request { fetch, .. } if !ended.answered => self.answer(fetch, None),
            Origin::Link(link) if !ended.answered => self.call_fails(link),
            Origin::Alarm(number) if !ended.telling && !dies => self.end_alarm(object, number),
            _ => {}
        }
    }

    fn carry_out(
        &mut self,
        object: usize,
        effects: Vec<Effect>,
        count: usize,
        origin: &Origin,
    ) -> Ended {
        let promise = self.promise(object, &effects);
        let (mut telling, mut waits, mut held, mut frames) = (None, false, Vec::new(), Vec::new());
        for effect in effects.into_iter().take(count) {
            match (effect, origin) {
                (Effect::SetAlarm(_), _) => {}
                (Effect::Index { version, row }, _) => {
                    waits = true;
                    telling = Some((version, row));
                }
                (Effect::Await { .. }, _) => waits = true,
                (Effect::Answer(answer), Origin::Request { fetch, request }) => {
                    let (fetch, request) = (*fetch, Rc::clone(request));
                    self.note_answer(object, &request, &answer);
                    held.push(Held::Answer { fetch, request, answer });
                }
                (Effect::Answer(_), _) => {}
                (Effect::Send(text), Origin::Socket(socket)) => frames.push((vec![*socket], text)),
                (Effect::Send(text), Origin::Link(link)) => {
                    held.push(Held::Remote { link: *link, text });
                }
                // A full disk keeps no document to listen to.
                (Effect::Close { .. }, Origin::Socket(socket)) => {
                    self.show(object, std::mem::take(&mut frames), None);
                    self.cut(*socket);
                }
                (Effect::Send(frame), _) => panic!("{frame} to nobody"),
                (Effect::Broadcast(frame), _) => {
                    let sockets = self.objects[object].sockets.iter().copied().collect();
                    frames.insert(0, (sockets, frame));
                }
                (
                    effect @ (Effect::Admit { .. }
                    | Effect::Lookup(_)
                    | Effect::Identify { .. }
                    | Effect::Close { .. }
                    | Effect::End { .. }
                    | Effect::Audit { .. }
                    | Effect::Log(_)),
                    _,
                ) => panic!("{effect:?} where everything is open"),
            }
        }
        let ended = Ended { answered: !held.is_empty(), telling: telling.is_some() };
        if let Some((version, row)) = telling {
            let alarm = match origin {
                Origin::Alarm(number) => Some(*number),
                _ => None,
            };
            self.start_telling(object, version, row, alarm);
        }
        if !waits || self.sabotage == Some(Sabotage::BroadcastAhead) {
            self.show(object, std::mem::take(&mut frames), promise.as_ref());
        }
        if waits {
            self.wait_for_indexes(object, held, frames, promise);
        } else {
            held.into_iter().for_each(|held| self.release(object, held, promise.as_ref()));
        }
        ended
    }

    /// Returns the promise to whoever is shown the state that these effects tell of.
    fn promise(&self, object: usize, effects: &[Effect]) -> Option<Promise> {
        let shown = effects.iter().filter_map(|effect| match effect {
            Effect::Answer(
                Answer::Written { version, .. }
                | Answer::Committed { version, .. }
                | Answer::Deleted { version },
            ) => Some((*version, true)),
            Effect::Answer(
                Answer::Found { version, .. }
                | Answer::NotModified { version }
                | Answer::Missing { version },
            ) => Some((*version, false)),
            Effect::Send(text) | Effect::Broadcast(text) => match ServerMessage::parse(text) {
                Ok(ServerMessage::Written { result, .. }) => Some((result.ok()?, true)),
                Ok(
                    ServerMessage::Snapshot { version, .. }
                    | ServerMessage::Patch { version, .. }
                    | ServerMessage::Delete { version, .. },
                ) => Some((version, false)),
                _ => None,
            },
            _ => None,
        });
        let shown: Vec<(u64, bool)> = shown.collect();
        let version =
            shown.iter().map(|(version, _)| *version).max().filter(|version| *version > 0)?;
        let is_write = shown.iter().any(|(_, is_write)| *is_write);
        let epoch = self.objects[object].history.present()?.name.clone();
        Some(Promise { epoch, version, is_write })
    }

    /// Holds what waits for the newest telling of an object.
    fn wait_for_indexes(
        &mut self,
        object: usize,
        held: Vec<Held>,
        frames: Vec<(Vec<u64>, String)>,
        promise: Option<Promise>,
    ) {
        let own = self.tellings.iter_mut().rev().find(|(_, telling)| telling.object == object);
        let (id, telling) = own.expect("what is waited for is under way");
        let (id, is_late) = (*id, telling.is_late);
        if !is_late {
            telling.held.extend(held.into_iter().map(|held| (held, promise.clone())));
        } else {
            self.give_up(held);
        }
        if !frames.is_empty() {
            let told = is_late.then_some(false);
            let line = &mut self.objects[object].line;
            line.push_back(InLine { telling: id, told, frames, promise });
            self.advance(object);
        }
    }

    /// Sends what is next in line, as far as it is known whether the indexes know.
    fn advance(&mut self, object: usize) {
        while let Some(InLine { told: Some(told), .. }) = self.objects[object].line.front() {
            let told = *told;
            let Some(InLine { frames, promise, .. }) = self.objects[object].line.pop_front() else {
                return;
            };
            if told {
                self.show(object, frames, promise.as_ref());
            } else {
                for socket in frames.into_iter().flat_map(|(sockets, _)| sockets) {
                    self.stats.count("socket closed for want of an index");
                    self.cut(socket);
                }
            }
        }
    }

    fn show(&mut self, object: usize, frames: Vec<(Vec<u64>, String)>, promise: Option<&Promise>) {
        if !frames.is_empty() {
            self.keep(object, promise);
        }
        for (sockets, frame) in frames {
            for socket in sockets {
                let skips = self.sabotage == Some(Sabotage::SkipBroadcasts)
                    && base_of(&frame).is_some()
                    && self.random.chance(5);
                if !skips {
                    self.send_to_client(socket, Report::Frame(frame.clone()));
                }
            }
        }
    }

    /// Holds the world to a promise.
    fn keep(&mut self, object: usize, promise: Option<&Promise>) {
        if let Some(promise) = promise
            && (promise.is_write || self.random.chance(20))
        {
            self.check_promise(object, promise);
        }
    }

    /// A repetition gets the first answer, and a read the present state.
    fn note_answer(&mut self, object: usize, request: &Request, answer: &Answer) {
        if request.method == Method::Get {
            let reply = self.reply(object, request, answer.clone());
            self.objects[object].history.check_read(&reply);
        }
        let is_kept = match answer {
            Answer::Refused(error) => error.code != Code::Internal,
            _ => true,
        };
        let mut headers = request.headers.iter();
        let key = headers.find(|(name, _)| *name == "Idempotency-Key");
        let Some((_, key)) = key.filter(|_| is_kept) else { return };
        if self.objects[object].history.is_rewritten() {
            return;
        }
        let first = self.first_answers.entry(key.clone()).or_insert_with(|| answer.clone());
        assert_eq!(first, answer, "the first answer to {key}, and another one");
    }

    fn start_telling(&mut self, object: usize, version: u64, row: String, alarm: Option<u64>) {
        let telling = self.new_id();
        let names = shard::of_document(&self.objects[object].path, &self.collections);
        self.note(format_args!(
            "object {object}: telling {telling} of version {version}: {names:?}"
        ));
        let names: Vec<_> = names.into_iter().map(Some).collect();
        let count = names.len();
        let row = row.into_bytes().into();
        let (held, is_late) = (Vec::new(), false);
        let started = Telling { object, version, row, names, held, is_late, alarm };
        self.tellings.insert(telling, started);
        self.queue.after(WAIT, Happening::Late { telling });
        for place in 0..count {
            self.tell_index(telling, place, 0);
        }
        if Faults::strikes(&mut self.random, self.faults.crash_telling) {
            let delay = self.random.below(60_000) as i64;
            let started = self.objects[object].starts;
            self.queue.after(delay, Happening::Crash { object, started });
        }
    }

    pub(super) fn tell_index(&mut self, telling: u64, place: usize, attempt: usize) {
        let Some(Telling { names, row, .. }) = self.tellings.get(&telling) else { return };
        let Some(name) = names[place].clone() else { return };
        let row = Rc::clone(row);
        if attempt > 0 {
            self.stats.count("index told again");
        }
        let twice = Faults::strikes(&mut self.random, self.faults.repeat_tell);
        if twice {
            self.stats.count("index told twice");
            // It has been on its way for so long that others may have passed it.
            let delay = self.random.below(20_000_000) as i64;
            let (name, row) = (name.clone(), Rc::clone(&row));
            let tell = Tell { telling, place, attempt, name, row, is_first: false };
            self.queue.after(delay, Happening::Tell(tell));
        }
        let delay = self.delay();
        if Faults::strikes(&mut self.random, self.faults.lose_tell) {
            self.stats.count("index not told");
            self.queue.after(delay, Happening::Told { telling, place, attempt, done: false });
            return;
        }
        let tell = Tell { telling, place, attempt, name, row, is_first: true };
        self.queue.after(delay, Happening::Tell(tell));
    }

    pub(super) fn tell_arrives(&mut self, tell: Tell) {
        let Tell { telling, place, attempt, name, row, is_first } = tell;
        let mut done = self.update_index(&name, &row);
        self.note(format_args!("index {name}: telling {telling} arrives: {done}"));
        if !is_first {
            return;
        }
        if Faults::strikes(&mut self.random, self.faults.lose_told) {
            self.stats.count("index's answer lost");
            done = false;
        }
        let delay = self.delay();
        self.queue.after(delay, Happening::Told { telling, place, attempt, done });
    }

    pub(super) fn told_arrives(&mut self, telling: u64, place: usize, attempt: usize, done: bool) {
        let Some(told) = self.tellings.get_mut(&telling) else { return };
        if done {
            told.names[place] = None;
            if told.names.iter().all(Option::is_none) {
                self.end_telling(telling, true);
            }
        } else if let Some(pause) = RETRIES.get(attempt) {
            let again = Happening::TellAgain { telling, place, attempt: attempt + 1 };
            self.queue.after(*pause, again);
        } else {
            self.stats.count("index given up");
            self.end_telling(telling, false);
        }
    }

    fn end_telling(&mut self, telling: u64, done: bool) {
        let Some(told) = self.tellings.remove(&telling) else { return };
        let Telling { object, version, held, alarm, .. } = told;
        self.note(format_args!("object {object}: telling {telling} ends: {done}"));
        let started = self.objects[object].starts;
        if done {
            let indexed = &mut self.objects[object].indexed;
            *indexed = version.max(*indexed);
        }
        // Without an engine the memory was lost meanwhile.
        if self.objects[object].is_awake {
            self.step(object, Event::Indexed { version, done }, None, Origin::Nobody);
        }
        if self.objects[object].starts != started {
            self.give_up(held.into_iter().map(|(held, _)| held).collect());
            return;
        }
        self.settle(object, telling, version, done, held);
        if let Some(number) = alarm {
            self.end_alarm(object, number);
        }
    }

    /// Gives what waited for a telling. A newer version that the indexes have is as good.
    fn settle(
        &mut self,
        object: usize,
        telling: u64,
        version: u64,
        done: bool,
        held: Vec<(Held, Option<Promise>)>,
    ) {
        let done = done || self.objects[object].indexed >= version;
        let mut in_line = self.objects[object].line.iter_mut();
        in_line.by_ref().filter(|one| one.telling == telling).for_each(|one| {
            one.told.get_or_insert(done);
        });
        if done {
            for (held, promise) in held {
                self.stats.count("answered after the index");
                self.release(object, held, promise.as_ref());
            }
        } else {
            self.give_up(held.into_iter().map(|(held, _)| held).collect());
        }
        self.advance(object);
    }

    /// Whoever waits for the indexes waits no longer.
    pub(super) fn late(&mut self, telling: u64) {
        let Some(told) = self.tellings.get_mut(&telling) else { return };
        told.is_late = true;
        let (object, version, alarm) = (told.object, told.version, told.alarm);
        let held = std::mem::take(&mut told.held);
        self.note(format_args!("object {object}: telling {telling} is late"));
        self.settle(object, telling, version, false, held);
        if let Some(number) = alarm {
            self.end_alarm(object, number);
        }
    }

    fn release(&mut self, object: usize, held: Held, promise: Option<&Promise>) {
        self.keep(object, promise);
        match held {
            Held::Answer { fetch, request, answer } => {
                self.note(format_args!("object {object}: request {fetch}: {answer:?}"));
                let reply = self.reply(object, &request, answer);
                self.answer(fetch, Some(reply));
            }
            Held::Remote { link, text } => self.answer_remotely(link, text),
        }
    }

    fn reply(&self, object: usize, request: &Request, answer: Answer) -> Reply {
        let arrived = Arrived { request, keyed: true };
        Reply::of(answer, &self.objects[object].path, &arrived.parts())
    }

    /// The indexes do not answer.
    fn give_up(&mut self, held: Vec<Held>) {
        for held in held {
            self.stats.count("not answered for want of an index");
            match held {
                Held::Answer { fetch, .. } => self.answer(fetch, Some(Reply::from(unindexed()))),
                Held::Remote { link, .. } => self.call_fails(link),
            }
        }
    }

    fn drop_held(&mut self, held: Vec<(Held, Option<Promise>)>) {
        for (held, _) in held {
            match held {
                Held::Answer { fetch, .. } => self.answer(fetch, None),
                Held::Remote { link, .. } => self.call_fails(link),
            }
        }
    }

    /// The object dies: its sockets are cut, and nobody hears what it was about to say.
    pub(super) fn crash(&mut self, object: usize) {
        self.note(format_args!("object {object}: crashes"));
        if self.sabotage == Some(Sabotage::LoseCommits) {
            self.objects[object].undo_last_step();
        }
        // Its sockets go too.
        self.objects[object].unborn = None;
        self.objects[object].forget();
        self.objects[object].starts += 1;
        if !self.objects[object].history.is_lost() {
            self.objects[object].clock = self.random.below(4_000_000) as i64 - 2_000_000;
        }
        self.objects[object].line.clear();
        for socket in self.objects[object].sockets.clone() {
            self.cut(socket);
        }
        let own = self.tellings.iter().filter(|(_, telling)| telling.object == object);
        for telling in own.map(|(id, _)| *id).collect::<Vec<_>>() {
            let held = self.tellings.remove(&telling).map(|telling| telling.held);
            self.drop_held(held.unwrap_or_default());
        }
        // An alarm whose handler did not end rings again.
        if let Some(number) = self.objects[object].ringing.take() {
            self.queue.after(RING_AGAIN, Happening::Alarm { object, number });
        }
    }

    /// Instead of any other.
    fn set_alarm(&mut self, object: usize, at: i64) {
        if self.sabotage == Some(Sabotage::NoAlarm) {
            return;
        }
        let number = self.new_id();
        self.note(format_args!("object {object}: sets alarm {number}"));
        self.objects[object].alarm = Some((number, at));
        let late = Faults::strikes(&mut self.random, self.faults.late_alarm);
        let late = self.random.below(if late { 30_000_000 } else { 20_000 }) as i64;
        self.queue.at(at + late, Happening::Alarm { object, number });
        if Faults::strikes(&mut self.random, self.faults.repeat_alarm) {
            let later = self.random.below(10_000_000) as i64;
            self.queue.at(at + late + later, Happening::StrayAlarm { object });
        }
    }

    pub(super) fn alarm_rings(&mut self, object: usize, number: u64) {
        if self.objects[object].alarm.is_none_or(|(set, _)| set != number) {
            return;
        }
        if self.objects[object].ringing.is_some() {
            // One at a time.
            self.queue.after(500_000, Happening::Alarm { object, number });
            return;
        }
        self.stats.count("alarm");
        self.note(format_args!("object {object}: alarm {number} rings"));
        self.objects[object].ringing = Some(number);
        self.step(object, Event::Alarm, None, Origin::Alarm(number));
    }

    /// One that rings though its handler ended: alarms are promised at least once.
    pub(super) fn stray_alarm_rings(&mut self, object: usize) {
        self.stats.count("alarm once more");
        self.note(format_args!("object {object}: an alarm rings once more"));
        self.step(object, Event::Alarm, None, Origin::Nobody);
    }

    fn end_alarm(&mut self, object: usize, number: u64) {
        let object = &mut self.objects[object];
        if object.ringing == Some(number) {
            object.ringing = None;
            // One that was set meanwhile stays.
            if object.alarm.is_some_and(|(set, _)| set == number) {
                object.alarm = None;
            }
        }
    }
}

/// What a step came to.
struct Ended {
    /// Whether there is an answer, now or later.
    answered: bool,
    telling: bool,
}
