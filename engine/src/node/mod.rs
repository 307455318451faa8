//! The state that all objects and requests of one isolate or process share: the configuration, a copy of the rules and keys in force,
//! the identities that were verified, leases of requests.
//!
//! ```text
//!   the access object ── snapshot, at most SNAPSHOT_MICROS old ──▶ node: guard, identities
//!   limiters ─────────── leases ─────────────────────────────────▶ node: lessee
//! ```

pub mod config;
mod copy;
pub mod front;
pub(crate) mod routes;

use crate::actor::{Answer, Call, Class, Effect, Fact, Facts, Halt, Object, Turn, Wait};
use crate::guard::{Explain, Guard};
use crate::http::credential::credential;
use crate::http::incoming::Incoming;
use crate::http::reply::Reply;
use crate::http::{cors, security};
use crate::rate::{Kind, Lessee, Rates, Taken};
use blaze_identity::auth::Identified;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{EXPLANATIONS, KEPT_ANSWERS, KEYS_POLL_MICROS};
use blaze_schema::timestamp::Timestamp;
use config::Config;
use copy::{Copy, Need};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The identity that a credential proves; `None` is anonymous.
pub type Who = Result<Option<Rc<Auth>>, Error>;

/// The place where a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// A network of machines: an object that is not used costs nothing.
    Cloud,
    /// One machine where every object leaves a file of its own.
    Files,
    /// One process, where a step and what follows from it at other objects are one transaction.
    Process,
}

/// The state that the objects of a process share.
pub struct Node {
    config: Result<Rc<Config>, Error>,
    home: Home,
    copy: Copy,
    lessee: Lessee,
    /// The second in which refusals were last explained, and how many were.
    explained: (i64, usize),
    /// Providers' answers that may be given again, by URL.
    kept: BTreeMap<String, (Timestamp, String)>,
}

impl Node {
    /// A node that knows nothing of rules yet. With a configuration that is wrong it answers nothing but that.
    pub fn new(config: Result<Config, Error>, home: Home) -> Self {
        let rates =
            config.as_ref().map_or_else(|_| Rates::default(), |config| config.settings.rates);
        Node {
            config: config.map(Rc::new),
            copy: Copy::default(),
            lessee: Lessee::new(rates),
            home,
            explained: (0, 0),
            kept: BTreeMap::new(),
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// `internal`, saying what is wrong with it.
    pub fn config(&self) -> Result<Rc<Config>, Error> {
        self.config.clone()
    }

    /// The place where it runs.
    pub fn home(&self) -> Home {
        self.home
    }

    /// The rates of requests.
    pub fn rates(&self) -> &Rates {
        self.lessee.rates()
    }

    /// True if answers say how many rows they cost.
    pub fn counts_rows(&self) -> bool {
        self.config.as_ref().is_ok_and(|config| config.counts_rows)
    }

    /// The rules in force. If others than the people of this machine are under them, at most [`EXPLANATIONS`] refusals are
    /// explained in a second: forbidden requests must not keep the process busy.
    pub fn guard(&self, now: Timestamp) -> Guard {
        let mut guard = self.copy.guard().clone();
        if let Guard::Rules { explain: explain @ Explain::Log, .. } = &mut guard
            && self.explained.0 == second(now)
            && self.explained.1 >= EXPLANATIONS
        {
            *explain = Explain::Never;
        }
        guard
    }

    /// True if nobody is ever refused.
    pub(crate) fn is_open(&self) -> bool {
        self.copy.guard().is_open()
    }

    /// Blaze's own public keys, as JSON.
    pub fn own_keys(&self) -> &str {
        self.copy.own_keys()
    }

    /// Counts an explanation of a refusal, which goes into the log.
    pub(crate) fn log_refusal(&mut self, line: &str, now: Timestamp) -> Effect {
        let (since, count) = self.explained;
        let is_same = since == second(now);
        self.explained = (second(now), if is_same { count.saturating_add(1) } else { 1 });
        Effect::Log(format!("refused {line}"))
    }

    /// Makes sure that the copy of rules and keys is fresh enough to decide by.
    ///
    /// # Errors
    /// The access object that must be asked first; `unavailable` if it gave no answer for too long.
    pub(crate) fn ready(&mut self, now: Timestamp, facts: &Facts) -> Result<(), Halt> {
        self.ready_until(now, now, facts)
    }

    /// Makes sure that the copy of rules and keys stays fresh until a time, for a decision that stands so long.
    ///
    /// # Errors
    /// As [`Node::ready`].
    pub(crate) fn ready_until(
        &mut self,
        until: Timestamp,
        now: Timestamp,
        facts: &Facts,
    ) -> Result<(), Halt> {
        let config = self.config.clone()?;
        let need = self.copy.need(until);
        if need == Need::Nothing {
            return Ok(());
        }
        let is_snapshot = |call: &Call| matches!(call, Call::Snapshot { .. });
        let known = facts.known(is_snapshot);
        // A step that waited long for something else asks once more. A call that takes so long is as good as none.
        let is_enough =
            |fact: &&Fact| copy::is_fresh(fact.asked, until) || facts.count(is_snapshot) > 1;
        let Some(fact) = known.filter(is_enough) else {
            if !self.copy.may_ask(now) {
                return Err(Halt::Wait(Wait::Until(now.after(KEYS_POLL_MICROS))));
            }
            let call = Call::Snapshot { known: self.copy.version() };
            return Err(Halt::Wait(Wait::Calls(vec![(Object::access(), call)])));
        };
        let answer = fact.answer.as_ref().map(|answer| answer.result.clone());
        let error = match answer.unwrap_or_else(|| Err(crate::actor::silent())) {
            Ok(text) => {
                self.copy.take(&text, fact.asked, now, &config)?;
                crate::actor::silent()
            }
            Err(error) => error,
        };
        if self.copy.need(now) == Need::New { Err(error.into()) } else { Ok(()) }
    }

    /// Refuses an identity whose API key was revoked: a socket outlives the request that identified it.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub(crate) fn check_key(&self, auth: Option<&Auth>) -> Result<(), Error> {
        if auth.is_some_and(|auth| self.copy.is_revoked(auth)) {
            return Err(Error::new(Code::Unauthenticated, "the API key was revoked"));
        }
        Ok(())
    }

    /// The version of the copy.
    pub(crate) fn snapshot_version(&self) -> Option<u64> {
        self.copy.version()
    }

    /// Takes a snapshot that was asked for at a time.
    ///
    /// # Errors
    /// `internal` for one that cannot be read.
    pub(crate) fn take_snapshot(
        &mut self,
        text: &str,
        asked: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let config = self.config.clone()?;
        self.copy.take(text, asked, now, &config)
    }

    /// Identifies the sender of a request. If everything is open, a malformed credential counts as none.
    ///
    /// # Errors
    /// The object that must be asked first.
    pub(crate) fn authenticate(
        &mut self,
        incoming: &Incoming,
        now: Timestamp,
        facts: &Facts,
    ) -> Result<Who, Halt> {
        match credential(&incoming.request()) {
            Ok(credential) => self.identify(credential.as_deref(), now, facts),
            Err(_) if self.is_open() => Ok(Ok(None)),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Identifies the sender of a credential. A key that its issuer is not known to have is asked for once. If everything is
    /// open, an invalid credential counts as none.
    ///
    /// # Errors
    /// The object that must be asked first.
    pub(crate) fn identify(
        &mut self,
        credential: Option<&str>,
        now: Timestamp,
        facts: &Facts,
    ) -> Result<Who, Halt> {
        let Some(credential) = credential.filter(|credential| !credential.is_empty()) else {
            return Ok(Ok(None));
        };
        let is_open = self.is_open();
        let Some(identities) = self.copy.identities() else { return Ok(Ok(None)) };
        let error = match identities.identify(credential, now) {
            Identified::Known(auth) => return Ok(Ok(Some(auth))),
            Identified::Refused(error) => error,
            Identified::Refresh { issuer } => {
                self.refresh(&issuer, now, facts)?;
                let Some(identities) = self.copy.identities() else { return Ok(Ok(None)) };
                match identities.identify_final(credential, now) {
                    Ok(auth) => return Ok(Ok(Some(auth))),
                    Err(error) => error,
                }
            }
        };
        Ok(if is_open { Ok(None) } else { Err(error) })
    }

    /// Has an issuer's keys fetched anew, unless that was done a moment ago. Anybody can make up keys.
    fn refresh(&mut self, issuer: &str, now: Timestamp, facts: &Facts) -> Result<(), Halt> {
        let config = self.config.clone()?;
        let is_it = |call: &Call| matches!(call, Call::Keys { issuer: of, .. } if of == issuer);
        if let Some(fact) = facts.known(is_it) {
            self.copy.renewed(issuer);
            if let Some(Ok(text)) = fact.answer.as_ref().map(|answer| &answer.result) {
                self.copy.take(text, fact.asked, now, &config)?;
            }
            return Ok(());
        }
        if self.copy.is_renewing(issuer, now) {
            return Err(Halt::Wait(Wait::Until(now.after(KEYS_POLL_MICROS))));
        }
        if !self.copy.may_renew(issuer, now) {
            return Ok(());
        }
        let call = Call::Keys { issuer: issuer.to_owned(), known: self.copy.version() };
        Err(Halt::Wait(Wait::Calls(vec![(Object::access(), call)])))
    }

    /// Counts a request, or a message of a socket, for a subject: an address or a `uid`.
    ///
    /// # Errors
    /// The limiter that must be asked first; the seconds after which to come back.
    pub(crate) fn count(
        &mut self,
        kind: Kind,
        who: &str,
        now: Timestamp,
        facts: &mut Facts,
    ) -> Result<Result<(), u32>, Halt> {
        if facts.counted.contains(&kind) {
            return Ok(Ok(()));
        }
        let subject = kind.subject(who);
        let is_it = |call: &Call| matches!(call, Call::Lease { subject: of, .. } if *of == subject);
        let taken = match facts.known(is_it) {
            Some(fact) => {
                let text = fact.answer.as_ref().and_then(|answer| answer.result.as_ref().ok());
                let grant = text.and_then(|text| crate::actor::grant(text));
                self.lessee.granted(&subject, grant, now)
            }
            None => self.lessee.take(kind, who, now),
        };
        match taken {
            Taken::Yes => {
                facts.counted.push(kind);
                Ok(Ok(()))
            }
            Taken::Refused { retry_after_seconds } => Ok(Err(retry_after_seconds)),
            Taken::Ask { subject, want } => {
                // Of one machine, one limiter counts for everybody.
                let is_cloud = self.home == Home::Cloud;
                let name = if is_cloud { subject.clone() } else { "all".to_owned() };
                let object = Object::new(Class::Limiter, name);
                Err(Halt::Wait(Wait::Calls(vec![(object, Call::Lease { subject, want })])))
            }
        }
    }

    /// Counts a request for its sender's address.
    ///
    /// # Errors
    /// As [`Node::count`]; 429.
    pub(crate) fn count_request(
        &mut self,
        kind: Kind,
        who: &str,
        now: Timestamp,
        facts: &mut Facts,
    ) -> Result<(), Halt> {
        let counted = self.count(kind, who, now, facts)?;
        counted.map_err(|seconds| Halt::Reply(self.rates().refusal(kind, seconds)))
    }

    /// The network address that a request comes from: the connection's, or what a proxy in front says, which must set the
    /// header or add to its end.
    pub(crate) fn address_of(&self, incoming: &Incoming) -> String {
        let header = self.config.as_ref().ok().and_then(|config| config.address_header.as_deref());
        match header {
            Some(header) => {
                let value = incoming.header(&header.to_ascii_lowercase()).unwrap_or_default();
                value.rsplit(',').next().unwrap_or_default().trim().to_owned()
            }
            None => incoming.address(),
        }
    }

    /// Returns a provider's answer that is not older than so many seconds.
    pub(crate) fn kept(&self, url: &str, max_age: u32, now: Timestamp) -> Option<&str> {
        let (time, text) = self.kept.get(url)?;
        let age = now.since(*time);
        (age < i64::from(max_age).saturating_mul(1_000_000)).then_some(text.as_str())
    }

    /// Keeps a provider's answer, at most [`KEPT_ANSWERS`] of them.
    pub(crate) fn keep(&mut self, url: String, text: String, now: Timestamp) {
        if self.kept.len() >= KEPT_ANSWERS {
            let oldest = self.kept.iter().min_by_key(|(_, (time, _))| *time);
            if let Some(url) = oldest.map(|(url, _)| url.clone()) {
                self.kept.remove(&url);
            }
        }
        self.kept.insert(url, (now, text));
    }

    /// Finishes the response to a request: the one place that adds what every response has.
    pub fn finish(
        &self,
        mut reply: Reply,
        incoming: &Incoming,
        headers: security::Headers,
    ) -> Reply {
        if reply.status == 503 && !reply.headers.iter().any(|(name, _)| *name == "retry-after") {
            reply.headers.push(("retry-after", "1".to_owned()));
        }
        security::add(&mut reply, headers);
        if let Ok(config) = &self.config {
            let origin = incoming.header("origin");
            reply.headers.extend(cors::headers(origin.as_deref(), &config.origins));
        }
        reply
    }

    /// The response to a request that was relayed to an object, or passed on to it: its answer; `None` if there is none,
    /// because it was overloaded, or reset while it worked.
    pub fn relayed(&self, incoming: &Incoming, answer: Option<Answer>) -> Reply {
        let silent =
            || Err(self.config.as_ref().err().cloned().unwrap_or_else(crate::actor::silent));
        let rows = answer.as_ref().and_then(|answer| answer.rows);
        let reply = match answer.map_or_else(silent, |answer| answer.result) {
            Ok(text) => routes::counted(Reply::json(200, text), rows),
            Err(error) => error.into(),
        };
        self.finish(reply, incoming, security::ANSWER)
    }
}

fn second(now: Timestamp) -> i64 {
    now.micros().div_euclid(1_000_000)
}

/// Logs the refusal of a step, if it is explained.
pub(crate) fn log_refusal<S>(turn: &mut Turn<'_, S>, line: &str) {
    let effect = turn.node.log_refusal(line, turn.now);
    turn.push(effect);
}

/// The error of a body that has too many bytes.
pub(crate) fn too_large(limit: usize) -> Error {
    Error::new(Code::ResourceExhausted, format!("body: more than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Answer;
    use crate::actor::bench::{open, request};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn providers_answers_are_kept_as_long_as_they_may_be_given_and_only_so_many() {
        let mut node = Node::new(Ok(open("{}")), Home::Cloud);
        for number in 0..KEPT_ANSWERS {
            node.keep(format!("https://p/{number}"), String::new(), at(number as i64));
        }
        assert_eq!(node.kept("https://p/0", 1, at(999_999)), Some(""));
        assert_eq!(node.kept("https://p/0", 1, at(1_000_000)), None);
        node.keep("https://p/more".to_owned(), String::new(), at(1_000));
        assert_eq!(node.kept("https://p/0", 1, at(0)), None, "the oldest made room");
        assert!(node.kept("https://p/1", 1, at(2)).is_some());
    }

    #[test]
    fn another_call_for_the_same_keys_is_waited_for() {
        let mut node = Node::new(Ok(open("{}")), Home::Cloud);
        let facts = Facts::default();
        let asked = node.refresh("https://a", at(0), &facts);
        assert!(matches!(asked, Err(Halt::Wait(Wait::Calls(_)))), "{asked:?}");
        let poll = at(5 + KEYS_POLL_MICROS);
        assert_eq!(node.refresh("https://a", at(5), &facts), Err(Halt::Wait(Wait::Until(poll))));
        let mut told = Facts::default();
        let call = Call::Keys { issuer: "https://a".to_owned(), known: None };
        let answer = Answer::from(Err(crate::actor::silent()));
        told.add(Object::access(), call, Some(answer), at(0));
        assert_eq!(node.refresh("https://a", at(6), &told), Ok(()));
        assert_eq!(node.refresh("https://a", at(7), &facts), Ok(()), "not anew so soon");
    }

    #[test]
    fn with_a_wrong_configuration_nothing_but_that_is_answered() {
        let config = Config::read("{}", r#"{"rate":1}"#, |_| None);
        let mut node = Node::new(config, Home::Cloud);
        let Err(Halt::Refused(error)) = node.ready(at(0), &Facts::default()) else { panic!() };
        assert!(error.detail.contains("rate"), "{error}");
        let reply = node.relayed(&request("GET", "/", &[]), None);
        assert_eq!((reply.status, reply.body.contains("rate")), (500, true), "{reply:?}");
    }

    #[test]
    fn the_address_is_the_connections_or_the_last_that_a_proxy_says() {
        let behind = |name: &str| (name == "ADDRESS_HEADER").then(|| "X-Forwarded-For".to_owned());
        let proxied = Node::new(Config::read("{}", "{}", behind), Home::Cloud);
        let direct = Node::new(Ok(open("{}")), Home::Cloud);
        let asked = request("GET", "/", &[("x-forwarded-for", "203.0.113.9, 198.51.100.7 ")]);
        assert_eq!(proxied.address_of(&asked), "198.51.100.7");
        assert_eq!(direct.address_of(&asked), "192.0.2.1");
    }
}
