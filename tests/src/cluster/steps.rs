//! A step of an actor, what is committed of it, and the ends of isolates.

use super::blow::{Step, crash_at, is_full_at, kind};
use super::delivery::{Delivery, Outcome, Place};
use super::host::{Socket, hibernates};
use super::sabotage::Sabotage;
use super::shell::{Cluster, Heard, State};
use super::watch::patched;
use crate::disk::Disk;
use blaze_engine::actor::{Actor, Class, Effect, Object, Turn};
use blaze_schema::timestamp::Timestamp;
use blaze_store::{Change, Store};
use serde_json::Value;

/// An alarm whose handler was interrupted rings again after this (µs).
const ALARM_RETRY_MICROS: i64 = 2_000_000;

impl Cluster {
    /// Takes a step of an actor, and carries its effects out.
    pub(super) fn turn(
        &mut self,
        place: &Place,
        step: impl FnOnce(&mut Option<Actor>, &mut Turn<'_, Disk>),
    ) {
        let Some(mut host) = self.hosts.remove(place) else { return };
        let (isolate, number) = (host.isolate, self.met.steps.len());
        let planned = crash_at(&self.plan, number);
        let is_last = planned.is_some() || self.settings.faults.crashes(&mut self.chance);
        host.store.full = is_full_at(&self.plan, number) || self.happens(self.settings.faults.full);
        host.store.lies = self.sabotage == Some(Sabotage::LieAboutDisks);
        let (before, rows_before) =
            (is_last.then(|| host.store.rows.clone()), host.store.rows.rows_written());
        let mut effects = Vec::new();
        let (random, pinged) = (&mut self.random, std::mem::take(&mut host.pinged));
        let clock = self.clocks[isolate];
        let mut turn = Turn {
            node: &mut self.nodes[isolate],
            store: &mut host.store,
            now: Timestamp::from_micros(self.now + clock),
            random: &mut || random.wide(),
            pinged: &|socket| Some(Timestamp::from_micros(pinged.get(&socket)? + clock)),
            effects: &mut effects,
        };
        step(&mut host.actor, &mut turn);
        if self.sabotage == Some(Sabotage::ForgetTombstones) && kind(place) == "Index" {
            forget_tombstones(&mut host.store);
        }
        if std::mem::take(&mut host.store.refused) > 0 {
            self.count("disk full");
        }
        (host.pinged, host.last_active) = (pinged, self.now);
        let writes = host.store.rows.rows_written() > rows_before;
        self.met.steps.push(Step { kind: kind(place), effects: effects.len(), writes });
        if self.is_printed {
            for effect in &effects {
                self.print(format_args!("{place:?} ▶ {effect:?}"));
            }
        }
        let Some(before) = before else {
            self.hosts.insert(place.clone(), host);
            self.commit(place, &effects);
            for effect in effects {
                self.perform(place, effect);
            }
            return self.settle_host(place);
        };
        let done = match planned {
            Some((done, _)) => done,
            None => (!self.chance.chance(50)).then(|| self.chance.below(effects.len() + 1)),
        };
        if done.is_none() {
            host.store.rows = before;
        }
        self.hosts.insert(place.clone(), host);
        self.let_out(place, effects, done);
        let percent = self.settings.faults.memory_only as usize;
        let is_memory_only =
            planned.map_or_else(|| self.chance.chance(percent), |(_, memory_only)| memory_only);
        self.end_isolate(isolate, is_memory_only, place);
    }

    /// Lets out so many effects of a step that is the last one of its isolate; `None` if it was not committed.
    fn let_out(&mut self, place: &Place, mut effects: Vec<Effect>, done: Option<usize>) {
        let Some(done) = done else {
            self.count("crash before the commit");
            if self.sabotage == Some(Sabotage::AnswerWithoutCommit) {
                for effect in effects {
                    self.perform(place, effect);
                }
            }
            return;
        };
        self.count("crash after the commit");
        self.commit(place, &effects);
        for effect in effects.drain(..done.min(effects.len())) {
            self.perform(place, effect);
        }
    }

    /// Does what is part of a step's commit besides its rows.
    fn commit(&mut self, place: &Place, effects: &[Effect]) {
        self.record(place);
        let Some(host) = self.hosts.get_mut(place) else { return };
        for effect in effects {
            match (effect, place) {
                (Effect::SetAlarm(at), Place::Object(object)) => {
                    let at = (at.micros() - self.clocks[host.isolate]).max(self.now);
                    host.alarm = Some(at);
                    let late = match self.settings.faults.late {
                        0 => 0,
                        late => self.extra.between(0, late) as i64,
                    };
                    self.queue.push(at + late, Delivery::Alarm { object: object.clone(), at });
                }
                (Effect::Erase, _) => (host.store, host.alarm) = (Disk::default(), None),
                _ => {}
            }
        }
    }

    /// Notes a document's new state.
    ///
    /// # Panics
    /// If its versions do not go up by one.
    fn record(&mut self, place: &Place) {
        let Place::Object(Object { class: Class::Document, name }) = place else { return };
        let Some(host) = self.hosts.get_mut(place) else { return };
        if host.store.rows.rows_written() == host.written {
            return;
        }
        host.written = host.store.rows.rows_written();
        let Ok(Some(row)) = host.store.get(b"d") else { return };
        let states = self.history.entry(name.clone()).or_default();
        for state in states_of(&row, states.last(), self.now) {
            let last = states.last().map_or(0, |state| state.version);
            assert_eq!(state.version, last + 1, "the row of {name} is not of the next version");
            states.push(state);
        }
    }

    /// Sets the timer of an actor, and notes the end of its alarm's handler.
    fn settle_host(&mut self, place: &Place) {
        let Some(host) = self.hosts.get_mut(place) else { return };
        if host.under_way == 0 {
            host.is_ringing = false;
        }
        let wakes = host.actor.as_ref().and_then(Actor::wakes);
        let clock = self.clocks[host.isolate];
        let wakes = wakes.map(|at| (at.micros() - clock).max(self.now));
        if host.timer != wakes {
            host.timer = wakes;
            if let Some(at) = wakes {
                let (to, incarnation) = (place.clone(), host.incarnation);
                self.queue.push(at, Delivery::Timer { to, incarnation, at });
            }
        }
    }

    /// Ends an isolate: all that it had in memory is lost. Its sockets break, unless only memory is lost: then those of
    /// idle objects stay, but for those of the actor at whose step it was.
    pub(super) fn end_isolate(
        &mut self,
        isolate: usize,
        is_memory_only: bool,
        place_of_step: &Place,
    ) {
        self.count(if is_memory_only { "memory lost" } else { "crash" });
        if self.is_printed {
            self.print(format_args!("isolate {isolate} ends, memory only: {is_memory_only}"));
        }
        self.nodes[isolate] = self.node();
        let skew = self.settings.faults.skew;
        self.clocks[isolate] = match skew {
            0 => 0,
            skew => self.extra.between(0, 2 * skew) as i64 - skew as i64,
        };
        let here = self.hosts.iter().filter(|(_, host)| host.isolate == isolate);
        let here = here.filter(|(_, host)| host.actor.is_some());
        let places: Vec<Place> = here.map(|(place, _)| place.clone()).collect();
        for place in places {
            let Some(host) = self.hosts.get_mut(&place) else { continue };
            let open = |socket: &Socket| match socket {
                Socket::Open(link) => Some(*link),
                Socket::Opening(_) => None,
            };
            let links: Vec<u64> = host.sockets.values().filter_map(open).collect();
            // What waits in memory for a socket would be missed on it.
            let keeps_sockets =
                is_memory_only && hibernates(&place) && host.is_idle() && place != *place_of_step;
            let waiters = host.forget();
            if self.sabotage == Some(Sabotage::ForgetAlarms) {
                (host.alarm, host.is_ringing) = (None, false);
            }
            if let (true, Place::Object(object)) = (std::mem::take(&mut host.is_ringing), &place)
                && host.alarm.is_none()
            {
                let at = self.now + ALARM_RETRY_MICROS;
                host.alarm = Some(at);
                self.queue.push(at, Delivery::Alarm { object: object.clone(), at });
            }
            if !keeps_sockets {
                host.attachments.clear();
                for link in links {
                    self.break_end(link, &place);
                }
            }
            if matches!(place, Place::Listener(_)) {
                self.hosts.remove(&place);
            }
            for waiter in waiters {
                self.settle(waiter, Outcome::Nothing);
            }
        }
        let broken = self.asked.iter().filter(|(_, asked)| asked.isolate == isolate);
        let broken: Vec<u64> = broken.map(|(request, _)| *request).collect();
        for request in broken {
            self.asked.remove(&request);
            self.tell_client(Heard::Answer(request, None));
        }
    }

    fn break_end(&mut self, link: u64, place: &Place) {
        if let Some(side) = self.links.get(&link).and_then(|link| link.side_of(place)) {
            self.close_end(link, side, 1006);
        }
    }
}

fn forget_tombstones(store: &mut Disk) {
    let keys: Vec<Vec<u8>> =
        store.rows.rows().keys().filter(|key| key.starts_with(b"t")).cloned().collect();
    let changes: Vec<_> = keys.iter().map(|key| Change::Delete(key)).collect();
    store.rows.commit(&changes).expect("memory does not fail");
}

/// The states of a document's row that are newer than the last one: its messages may have been handled in one step.
fn states_of(row: &[u8], last: Option<&State>, at: i64) -> Vec<State> {
    let text = std::str::from_utf8(row).expect("a document's row is text");
    let json = |line: &str| -> Value { serde_json::from_str(line).expect("JSON") };
    let mut lines = text.lines();
    let header = json(lines.next().expect("a header"));
    let newest = header["version"].as_u64().expect("a version");
    let data = json(lines.next().expect("data"));
    let (mut version, mut before) =
        last.map_or((0, None), |last| (last.version, last.data.clone()));
    let mut states = Vec::new();
    let known = Some(version);
    for frame in lines.map(json).filter(|frame| frame["base"].as_u64() >= known) {
        version = frame["version"].as_u64().expect("a version");
        before = (frame["type"] == "patch")
            .then(|| patched(before.unwrap_or_default(), &frame["patch"]));
        states.push(State { version, data: before.clone(), at });
    }
    let data = Some(data).filter(|data| !data.is_null());
    match states.last() {
        Some(state) => assert_eq!((state.version, &state.data), (newest, &data), "a row's log"),
        // The log was too short for the change.
        None if newest != version => states.push(State { version: newest, data, at }),
        None => assert!(newest == 0 || last.is_some_and(|last| last.data == data), "a row's data"),
    }
    states
}
