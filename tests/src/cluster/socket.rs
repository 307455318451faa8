//! A client's socket: of one document, or of many targets.

use super::oracle::{check_found, present};
use super::rules::Who;
use super::watch::{DocumentWatch, Filter, History, QueryWatch, Shown};
use blaze_schema::limits::TICK_MICROS;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A token is renewed when it has this long to go (µs).
const RENEWAL_MICROS: i64 = 20_000_000;
/// A renewed token counts after this (µs): what was said before may wait for calls that are lost.
const RENEWED_MICROS: i64 = 12_000_000;
/// Clocks differ by no more than this (µs).
const SKEW_MICROS: i64 = 2_000_000;
/// A pong comes within this (µs).
const PONG_MICROS: i64 = 60_000_000;
/// A socket outlives its token by no more than this (µs).
const OUTLIVE_MICROS: i64 = 25_000_000;

/// The kind of a socket.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Document(DocumentWatch),
    Targets(BTreeMap<u64, Target>),
}

/// A target of a socket.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Document(DocumentWatch),
    Query(QueryWatch),
}

/// The socket.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) who: Who,
    pub(super) kind: Kind,
    /// When it was asked for, and when it was there (µs).
    pub(super) asked: i64,
    pub(super) opened: i64,
    /// The token that its first message is to have.
    pub(super) late: Option<String>,
    /// When each token was sent, and when it ends (µs).
    pub(super) tokens: Vec<(i64, i64)>,
    /// A ping without a pong: its number, and when it was sent.
    pub(super) ping: Option<(u64, i64)>,
    /// By id, the markers of writes without an answer.
    pub(super) writes: BTreeMap<String, Option<String>>,
}

impl Socket {
    fn new(who: Who, kind: Kind) -> Self {
        let (tokens, writes) = (Vec::new(), BTreeMap::new());
        Socket { who, kind, asked: 0, opened: 0, late: None, tokens, ping: None, writes }
    }

    pub(super) fn of_document(who: Who, path: &str) -> Self {
        Socket::new(who, Kind::Document(DocumentWatch::new(path)))
    }

    pub(super) fn of_targets(who: Who) -> Self {
        Socket::new(who, Kind::Targets(BTreeMap::new()))
    }

    fn add(&mut self, target: Target) {
        if let Kind::Targets(targets) = &mut self.kind {
            let number = targets.len() as u64 + 1;
            targets.insert(number, target);
        }
    }

    pub(super) fn add_document(&mut self, path: &str) {
        self.add(Target::Document(DocumentWatch::new(path)));
    }

    pub(super) fn add_query(
        &mut self,
        collection: &'static str,
        filter: Filter,
        floors: BTreeMap<String, u64>,
    ) {
        let (held, has_result, resume) = (Vec::new(), false, None);
        let watch = QueryWatch {
            collection,
            filter,
            held,
            has_result,
            resume,
            floors,
            is_back: false,
            frame: "",
        };
        self.add(Target::Query(watch));
    }

    /// The same for one who comes back with what it has.
    pub(super) fn again(self) -> Self {
        let mut kind = self.kind;
        match &mut kind {
            Kind::Document(watch) => watch.is_back = watch.held.is_some(),
            Kind::Targets(targets) => targets.values_mut().for_each(|target| match target {
                Target::Document(watch) => watch.is_back = watch.held.is_some(),
                Target::Query(watch) => {
                    watch.is_back = watch.resume.is_some();
                    // Nothing of a result without a token to resume from is of use.
                    if !watch.is_back {
                        (watch.has_result, watch.held) = (false, Vec::new());
                    }
                }
            }),
        }
        Socket::new(self.who, kind)
    }

    /// Notes what was shown when the queries begin.
    pub(super) fn begin(&mut self, floors: impl Fn(&str) -> BTreeMap<String, u64>) {
        if let Kind::Targets(targets) = &mut self.kind {
            for target in targets.values_mut() {
                if let Target::Query(watch) = target {
                    watch.floors = floors(watch.collection);
                }
            }
        }
    }

    /// The path and query of its request.
    pub(super) fn url(&self) -> String {
        match &self.kind {
            Kind::Document(DocumentWatch { path, epoch, held: Some((version, _)), .. }) => {
                format!("/v1/docs/{path}?since={version}&epoch={epoch}")
            }
            Kind::Document(watch) => format!("/v1/docs/{}", watch.path),
            Kind::Targets(_) => "/v1/listen".to_owned(),
        }
    }

    /// The frames that ask for its targets.
    pub(super) fn listens(&self) -> Vec<Value> {
        let Kind::Targets(targets) = &self.kind else { return Vec::new() };
        let listen = |(number, target): (&u64, &Target)| {
            let mut listen = json!({"target": number});
            match target {
                Target::Document(watch) => {
                    listen["document"] = json!(watch.path);
                    if let Some((version, _)) = watch.held {
                        listen["since"] = json!(version);
                        listen["epoch"] = json!(watch.epoch);
                    }
                }
                Target::Query(watch) => {
                    listen["query"] = watch.filter.query(watch.collection);
                    if let Some(resume) = &watch.resume {
                        listen["resume"] = json!(resume);
                    }
                }
            }
            json!({"listen": listen})
        };
        targets.iter().map(listen).collect()
    }

    /// Applies a frame. Returns the states that it shows.
    ///
    /// # Panics
    /// If the frame is not one that may come now.
    pub(super) fn apply(
        &mut self,
        frame: &Value,
        now: i64,
        history: &History,
        count: &mut impl FnMut(&str),
    ) -> Vec<Shown> {
        if let Some(pong) = frame["pong"].as_u64() {
            self.ping = self.ping.filter(|(number, _)| *number != pong);
            return Vec::new();
        }
        if frame["type"] == "error" {
            self.ended(frame, now);
            return Vec::new();
        }
        let shown = match &mut self.kind {
            Kind::Document(watch) => {
                let shown: Vec<Shown> = watch.apply(frame).into_iter().collect();
                count(watch.frame);
                shown
            }
            Kind::Targets(targets) => {
                let number = frame["target"].as_u64().unwrap_or_default();
                match targets.get_mut(&number) {
                    Some(Target::Document(watch)) => {
                        let shown: Vec<Shown> = watch.apply(frame).into_iter().collect();
                        count(watch.frame);
                        shown
                    }
                    Some(Target::Query(watch)) => {
                        let shown = watch.apply(frame);
                        count(watch.frame);
                        let floors = std::mem::take(&mut watch.floors);
                        check_found(history, &watch.filter, &floors, &watch.held);
                        shown
                    }
                    None => Vec::new(),
                }
            }
        };
        if !shown.is_empty() && matches!(self.who, Who::User(_)) {
            let last = self.tokens.iter().map(|(_, expires)| *expires).max().unwrap_or_default();
            assert!(now <= last + OUTLIVE_MICROS, "{frame} after the end of the token");
        }
        shown
    }

    /// An error ends the socket, or one of its targets.
    fn ended(&mut self, frame: &Value, now: i64) {
        let detail = frame["detail"].as_str().unwrap_or_default();
        let is_good = |(sent, expires): &(i64, i64)| {
            *sent <= now - RENEWED_MICROS && *expires > now + SKEW_MICROS
        };
        let is_over = detail.starts_with("token: expired");
        let good = self.tokens.iter().find(|token| is_good(token));
        if let (true, Some((sent, _))) = (is_over, good) {
            panic!("ended by {frame}, though a good token came {} µs ago", now - sent);
        }
        if let Kind::Targets(targets) = &mut self.kind {
            targets.remove(&frame["target"].as_u64().unwrap_or_default());
        }
    }

    /// True if a new token is due.
    pub(super) fn wants_token(&self, now: i64) -> bool {
        let last = self.tokens.iter().map(|(_, expires)| *expires).max();
        // Some let their tokens end.
        let is_lazy = self.opened % 4 == 0;
        !is_lazy && last.is_some_and(|expires| now < expires && expires - now < RENEWAL_MICROS)
    }

    /// Checks that the socket is not silent, and does not outlive its token.
    ///
    /// # Panics
    /// If it does.
    pub(super) fn check_time(&self, now: i64) {
        if let Some((number, at)) = self.ping {
            assert!(now - at < PONG_MICROS, "no pong to {number} on the socket of {:?}", self.who);
        }
        if let Who::User(_) = self.who {
            let last = self.tokens.iter().map(|(_, expires)| *expires).max().unwrap_or_default();
            let over = now - last - OUTLIVE_MICROS - TICK_MICROS;
            assert!(over < 0, "a socket of {:?} outlives its token: {:?}", self.who, self.kind);
        }
    }

    /// Checks that it holds the present state, when nothing happens any more.
    ///
    /// # Panics
    /// If it does not.
    pub(super) fn check_present(&self, history: &History) {
        let check = |watch: &DocumentWatch| {
            let last = history.get(&watch.path).and_then(|states| states.last());
            let last = last.map_or(0, |state| state.version);
            let held = watch.held.as_ref().map(|(version, _)| *version);
            assert_eq!(held, Some(last), "a socket of {} lags behind", watch.path);
        };
        match &self.kind {
            Kind::Document(watch) => check(watch),
            Kind::Targets(targets) => {
                for target in targets.values() {
                    match target {
                        Target::Document(watch) => check(watch),
                        Target::Query(watch) => {
                            assert!(watch.has_result, "no result: {}", watch.collection);
                            let held = watch.held.iter();
                            let mut held: Vec<(String, u64)> =
                                held.map(|shown| (shown.path.clone(), shown.version)).collect();
                            if !matches!(watch.filter, Filter::Top(_)) {
                                held.sort();
                            }
                            let present = present(history, watch.collection, &watch.filter);
                            assert_eq!(held, present, "a live query of {}", watch.collection);
                        }
                    }
                }
            }
        }
    }
}
