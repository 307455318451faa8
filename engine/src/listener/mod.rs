//! One client's socket on `/v1/listen`: many targets over one connection.
//!
//! Behind each target is a socket of its own to the document's object, or to each index that has a part of the query.
//! Their frames are passed on with the target's number; parts of a query are [`merge`]d. Nothing here outlives the
//! socket: when anything behind it is lost, the client's socket ends too, and the client comes back with what it has.
//!
//! A client that does not read is cut off ([`Unread`]). The first results of many targets would look like that, so
//! sockets behind it are opened a few at a time, and not while the client has much to read.
//!
//! [`writes`] are carried out one after the other, in the order in which they came.

mod merge;
mod permission;
mod pings;
pub(crate) mod room;
mod writes;

use crate::guard::Guard;
use crate::index::live::Subscription;
use crate::index::page::for_shard;
use crate::index::settings::Collections;
use crate::index::shard;
use crate::unread::{UNREAD_REASON, Unread};
use blaze_rules::Lookups;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{
    ACKNOWLEDGE_BYTES, LISTENER_REQUESTS, OPENING_UPSTREAMS, TARGETS, UNREAD_BYTES,
};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{
    ClientMessage, Listen, PING, PONG, auth_text, close_code, error_text, ping_text, pong_of,
    pong_text, written_text,
};
use blaze_schema::wire::query::{is_part_text, targeted};
use merge::Merge;
use permission::Permission;
use pings::Pings;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use writes::Writes;

/// An event of a listener.
#[derive(Clone, Debug)]
pub enum Event {
    /// The client sent a text frame.
    Message {
        /// The frame.
        text: String,
    },
    /// The outcome of [`Effect::Identify`], or the identity with which the client came.
    Identified {
        /// The token; empty for none.
        token: String,
        /// The sender of the token, or why the token is refused; `None` is anonymous.
        auth: Result<Option<Rc<Auth>>, Error>,
    },
    /// The outcome of [`Effect::Lookup`].
    LookedUp {
        /// The target that it is for.
        target: u64,
        /// The documents that were found.
        lookups: Lookups,
    },
    /// Time has passed, or the rules have changed.
    Tick,
    /// A socket behind a target is open.
    Opened {
        /// The socket's number.
        upstream: u64,
    },
    /// A socket behind a target delivered a frame.
    Frame {
        /// The socket's number.
        upstream: u64,
        /// The frame.
        text: String,
    },
    /// A socket behind a target was closed, or could not be opened.
    Lost {
        /// The socket's number.
        upstream: u64,
    },
    /// The outcome of [`Effect::Write`].
    Written {
        /// The frame that answers it; `None` if its outcome is unknown.
        answer: Option<String>,
    },
}

/// An action for the shell. Effects are carried out in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a frame to the client.
    Send(String),
    /// Identify the sender of this token. Then [`Event::Identified`], before any other message of the client.
    Identify {
        /// The token.
        token: String,
    },
    /// Look documents up. Then [`Event::LookedUp`].
    Lookup {
        /// The target that it is for.
        target: u64,
        /// The documents.
        paths: BTreeSet<DocumentPath>,
    },
    /// Send a frame to a socket behind a target.
    Forward {
        /// The socket's number.
        upstream: u64,
        /// The frame.
        text: String,
    },
    /// Open a socket to an object.
    Open {
        /// The number of the new socket.
        upstream: u64,
        /// The object.
        object: Upstream,
    },
    /// Close that socket.
    Close {
        /// The socket's number.
        upstream: u64,
    },
    /// Pass the client's frame, a write, to the document's object. Then [`Event::Written`]; no other write is passed
    /// on before that.
    Write {
        /// The document.
        path: DocumentPath,
        /// The frame.
        text: String,
        /// The token of the client; empty for none.
        token: String,
        /// Milliseconds after which its outcome is unknown.
        within_ms: u32,
    },
    /// Close the client's socket.
    End {
        /// The WebSocket close code.
        code: u16,
        /// The close frame's reason; empty for none.
        reason: &'static str,
    },
    /// Log the reason of a refusal.
    Log(String),
}

/// The end of a socket whose client reconnects, and goes on with what it has.
const RESUME: Effect = Effect::End { code: 1012, reason: "" };

/// The source of an upstream socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Upstream {
    /// A document, from a version of an epoch on.
    Document {
        /// The document.
        path: DocumentPath,
        /// The version and epoch that the client has; `None` if it has none.
        since: Option<(u64, String)>,
    },
    /// A live query's part of one index.
    Index {
        /// The object's name.
        name: String,
        /// The query, as [`Subscription::parse`] reads it.
        subscription: String,
        /// The position from which the client resumes; `None` if it begins anew.
        resume: Option<String>,
    },
}

/// A client's socket.
#[derive(Debug)]
pub struct Listener {
    collections: Rc<Collections>,
    guard: Guard,
    now: Timestamp,
    /// The client's identity, and the token that proves it; empty for none.
    auth: Option<Rc<Auth>>,
    token: String,
    /// The version of the rules that documents were opened under.
    version: Option<u64>,
    targets: BTreeMap<u64, Target>,
    /// Upstream sockets, and the state of each.
    upstreams: BTreeMap<u64, Behind>,
    pings: Pings,
    last_upstream: u64,
    /// Upstream sockets that must not be opened yet.
    waiting: VecDeque<(u64, Upstream)>,
    /// Upstream sockets that are being opened or owe their first frame; true if there may be no first frame.
    opening: BTreeMap<u64, bool>,
    /// The bytes that the client has not been seen to read.
    unread: Unread,
    writes: Writes,
    /// Number of requests made to objects for this socket.
    requests: u32,
}

/// An upstream socket of a target.
#[derive(Debug)]
struct Behind {
    target: u64,
    /// Bytes that it delivered and that were not acknowledged to it.
    unacknowledged: usize,
}

#[derive(Debug)]
struct Target {
    /// Of a query: its permission, which may be undecided.
    permission: Option<Permission>,
    upstreams: Vec<u64>,
    /// The merger of several parts into one result.
    merge: Option<Merge>,
    /// True if the next frame belongs to the first result, or to one whose first frames were sent: it gets through
    /// even to a client that is far behind. [`OPENING_UPSTREAMS`] bounds how much of that there can be.
    is_continued: bool,
}

impl Listener {
    /// Creates a socket without targets.
    pub fn new(collections: Rc<Collections>) -> Self {
        Listener {
            collections,
            guard: Guard::Open,
            now: Timestamp::MIN,
            auth: None,
            token: String::new(),
            version: None,
            targets: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            pings: Pings::default(),
            last_upstream: 0,
            waiting: VecDeque::new(),
            opening: BTreeMap::new(),
            unread: Unread::default(),
            writes: Writes::default(),
            requests: 0,
        }
    }

    /// The sockets behind it that are open or being opened.
    fn upstreams(&self) -> impl Iterator<Item = u64> {
        let waits = |upstream: &u64| self.waiting.iter().any(|(waiting, _)| waiting == upstream);
        self.upstreams.keys().copied().filter(move |upstream| !waits(upstream))
    }

    /// Returns the client's `uid`, as far as it is known; empty for an anonymous one.
    pub fn uid(&self) -> &str {
        self.auth.as_ref().map_or("", |auth| &auth.uid)
    }

    /// Handles one event, at time `now`, under rules.
    pub fn handle(&mut self, now: Timestamp, guard: &Guard, event: Event) -> Vec<Effect> {
        self.now = now;
        self.guard.clone_from(guard);
        if self.targets.is_empty() {
            self.version = guard.version();
        }
        let mut effects = Vec::new();
        match event {
            Event::Message { text } => {
                self.unread.acknowledged();
                if let Err(error) = self.message(text, &mut effects) {
                    effects.push(Effect::Send(error_text(&error)));
                }
            }
            Event::Identified { token, auth } => self.identified(token, auth, &mut effects),
            Event::LookedUp { target, lookups } => self.looked_up(target, lookups, &mut effects),
            Event::Tick => self.tick(&mut effects),
            Event::Opened { upstream } => {
                if self.opening.get(&upstream) == Some(&true) {
                    self.opening.remove(&upstream);
                }
            }
            Event::Frame { upstream, text } => self.frame(upstream, &text, &mut effects),
            Event::Lost { upstream } => {
                if self.upstreams.contains_key(&upstream) {
                    effects.push(RESUME);
                }
            }
            Event::Written { answer } => self.written(answer, &mut effects),
        }
        self.open_waiting(&mut effects);
        self.count(&mut effects);
        effects
    }

    /// Opens sockets that wait, as many as may be opened now.
    fn open_waiting(&mut self, effects: &mut Vec<Effect>) {
        while self.opening.len() < OPENING_UPSTREAMS
            && self.unread.bytes <= UNREAD_BYTES / 2
            && let Some((upstream, object)) = self.waiting.pop_front()
        {
            let may_be_silent = matches!(object, Upstream::Document { since: Some(_), .. });
            self.opening.insert(upstream, may_be_silent);
            effects.push(Effect::Open { upstream, object });
        }
    }

    /// Counts the requests that a step makes to objects, and ends the socket before there are too many: but not while
    /// a write is under way, whose answer the client waits for.
    fn count(&mut self, effects: &mut Vec<Effect>) {
        let made = effects.iter().map(|effect| match effect {
            Effect::Open { .. } | Effect::Write { .. } => 1,
            Effect::Lookup { paths, .. } => u32::try_from(paths.len()).unwrap_or(u32::MAX),
            _ => 0,
        });
        self.requests = made.fold(self.requests, u32::saturating_add);
        if self.is_spent() && !self.writes.is_under_way() {
            effects.push(RESUME);
        }
    }

    /// True if this socket made as many requests as it may.
    fn is_spent(&self) -> bool {
        self.requests >= LISTENER_REQUESTS
    }

    fn message(&mut self, text: String, effects: &mut Vec<Effect>) -> Result<(), Error> {
        match ClientMessage::parse(&text)? {
            ClientMessage::Ping(number) => self.ping(number, effects)?,
            ClientMessage::Auth(token) => effects.push(Effect::Identify { token }),
            ClientMessage::Unlisten(target) => self.close(target, effects),
            ClientMessage::Listen { target, what } => {
                self.close(target, effects);
                if let Err(error) = what.and_then(|what| self.listen(target, what, effects)) {
                    self.fail(target, &error, effects);
                }
            }
            ClientMessage::Write { id, write, .. } => match write {
                Ok(write) => self.write(write.path, text, effects),
                Err(error) => effects.push(Effect::Send(written_text(&id, "", &Err(error)))),
            },
        }
        Ok(())
    }

    /// Answers a ping: 0 at once, another one after everything behind the socket has.
    fn ping(&mut self, number: i64, effects: &mut Vec<Effect>) -> Result<(), Error> {
        // A socket that is not open yet delivers a later result.
        let open: BTreeSet<u64> = self.upstreams().collect();
        if number == 0 || open.is_empty() {
            effects.push(Effect::Send(pong_text(number)));
            return Ok(());
        }
        self.pings.begin(number, open.clone())?;
        let text = ping_text(number);
        let forward = |upstream| Effect::Forward { upstream, text: text.clone() };
        effects.extend(open.into_iter().map(forward));
        Ok(())
    }

    /// Tells the client that a target has ended, and why.
    fn fail(&mut self, target: u64, error: &Error, effects: &mut Vec<Effect>) {
        self.close(target, effects);
        self.send(target, &[error_text(error)], effects);
    }

    fn listen(
        &mut self,
        target: u64,
        what: Listen,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        if self.targets.len() >= TARGETS {
            let detail = format!("listen: more than {TARGETS} targets on one socket");
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        match what {
            Listen::Document { path, since } => {
                self.open(target, None, vec![Upstream::Document { path, since }], None);
            }
            Listen::Query { query, resume } => {
                // A query's mistakes are told before its permission is decided.
                self.query((*query).clone(), resume.clone())?;
                let permission = Permission::new(*query, resume);
                let waiting = Target {
                    permission: Some(permission),
                    upstreams: Vec::new(),
                    merge: None,
                    is_continued: true,
                };
                self.targets.insert(target, waiting);
                self.decide(target, effects);
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        target: u64,
        permission: Option<Permission>,
        objects: Vec<Upstream>,
        merge: Option<Merge>,
    ) {
        let mut upstreams = Vec::new();
        for object in objects {
            self.last_upstream = self.last_upstream.wrapping_add(1);
            let upstream = self.last_upstream;
            self.upstreams.insert(upstream, Behind { target, unacknowledged: 0 });
            upstreams.push(upstream);
            self.waiting.push_back((upstream, object));
        }
        let opened = Target { permission, upstreams, merge, is_continued: true };
        self.targets.insert(target, opened);
    }

    fn query(
        &self,
        mut query: Query,
        resume: Option<String>,
    ) -> Result<(Vec<Upstream>, Option<Merge>), Error> {
        query.explain = false;
        let whole = query.to_json().to_string();
        // Mistakes are told here, once, and not by every shard.
        Subscription::parse(&whole)?;
        let names = shard::of_source(&query.from, &self.collections)?;
        let is_shard = names.len() > 1;
        let subscription = if is_shard { for_shard(&query).to_json().to_string() } else { whole };
        // A shard is asked for its whole part: nothing keeps the parts that the client's result came from.
        let resumed = |_: &String| if is_shard { None } else { resume.clone() };
        let objects = names.iter().map(|name| Upstream::Index {
            name: name.clone(),
            subscription: subscription.clone(),
            resume: resumed(name),
        });
        let objects = objects.collect();
        let merge =
            is_shard.then(|| Merge::new(query, names.len(), resume.as_deref())).transpose()?;
        Ok((objects, merge))
    }

    fn close(&mut self, target: u64, effects: &mut Vec<Effect>) {
        if let Some(closed) = self.targets.remove(&target) {
            for upstream in closed.upstreams {
                self.upstreams.remove(&upstream);
                self.opening.remove(&upstream);
                let waiting = self.waiting.iter().position(|(waiting, _)| *waiting == upstream);
                if waiting.and_then(|place| self.waiting.remove(place)).is_none() {
                    effects.push(Effect::Close { upstream });
                }
                let answered = self.pings.closed(upstream);
                effects.extend(answered.into_iter().map(pong_text).map(Effect::Send));
            }
        }
    }

    fn frame(&mut self, upstream: u64, text: &str, effects: &mut Vec<Effect>) {
        // A socket that was closed may still deliver.
        let Some(behind) = self.upstreams.get_mut(&upstream) else { return };
        let number = behind.target;
        self.opening.remove(&upstream);
        behind.unacknowledged = behind.unacknowledged.saturating_add(text.len());
        if behind.unacknowledged >= ACKNOWLEDGE_BYTES {
            behind.unacknowledged = 0;
            effects.push(Effect::Forward { upstream, text: PING.to_owned() });
        }
        if text == PONG {
            return;
        }
        if text.starts_with("{\"type\":\"error\"") {
            self.close(number, effects);
            self.send(number, &[text.to_owned()], effects);
            return;
        }
        if let Some(pong) = pong_of(text) {
            let answered = self.pings.answered(upstream, pong);
            effects.extend(answered.into_iter().map(pong_text).map(Effect::Send));
            return;
        }
        let Some(target) = self.targets.get_mut(&number) else { return };
        match &mut target.merge {
            None => self.send(number, &[text.to_owned()], effects),
            Some(merge) => {
                let part = target.upstreams.iter().position(|one| *one == upstream).unwrap_or(0);
                match merge.frame(part, text) {
                    Ok(frames) => self.send(number, &frames, effects),
                    Err(error) => self.fail(number, &error, effects),
                }
            }
        }
    }

    /// Sends a target's frames to the client, or cuts off a client that does not read.
    fn send(&mut self, number: u64, frames: &[String], effects: &mut Vec<Effect>) {
        let mut target = self.targets.get_mut(&number);
        let mut is_continued = target.as_ref().is_some_and(|target| target.is_continued);
        for frame in frames {
            let text = targeted(number, frame);
            if !self.unread.send(self.now, text.len(), is_continued, || None) {
                let code = close_code(Code::Unavailable);
                effects.push(Effect::End { code, reason: UNREAD_REASON });
                return;
            }
            effects.push(Effect::Send(text));
            is_continued = is_part_text(frame);
            if let Some(target) = &mut target {
                target.is_continued = is_continued;
            }
        }
    }
}

#[cfg(test)]
mod permission_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod writes_tests;
