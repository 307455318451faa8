//! The listeners of a document, and the time until which they may listen.

use crate::guard::{Caller, Guard, Stop};
use crate::record::Record;
use blaze_rules::auth::Auth;
use blaze_rules::{Basis, Lookups, Method};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{IDENTITY_SOCKETS, LOOKUP_MICROS, SOCKETS};
use blaze_schema::path::DocumentPath;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::TOO_MANY;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The listeners of a document, by what they may see: sockets of equal identity are one listener.
#[derive(Debug, Default)]
pub(super) struct Audience {
    listeners: BTreeMap<String, Listener>,
    sockets: usize,
}

#[derive(Debug)]
struct Listener {
    auth: Option<Rc<Auth>>,
    sockets: usize,
    /// The version of the rules that admitted it, and what their decision rests on; `None` until the rules are asked.
    admitted: Option<(Option<u64>, Basis)>,
    /// The documents that the rules asked for, and the time of the lookup.
    lookups: Lookups,
    looked_up: Timestamp,
}

/// The effect of a change on the audience.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// The listeners that may not go on, and the reason for each.
    pub(super) ended: Vec<(String, Error)>,
    /// Documents that must be looked up for a complete decision.
    pub(super) needs: BTreeSet<DocumentPath>,
}

/// Names a listener: by the same text for two identities that may see the same; empty for anonymous.
pub(super) fn listener_of(auth: Option<&Auth>) -> String {
    let Some(auth) = auth else { return String::new() };
    let text = serde_json::to_vec(auth).unwrap_or_default();
    let digest = blaze_schema::hash::hash(&[&text]);
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

impl Audience {
    /// Adds a socket, admitted by the rules or, after a loss of memory, as found.
    ///
    /// # Errors
    /// `resource-exhausted` beyond [`SOCKETS`], or [`IDENTITY_SOCKETS`] of one identity.
    pub(super) fn admit(
        &mut self,
        caller: &Caller,
        admitted: Option<(Option<u64>, Basis)>,
        now: Timestamp,
    ) -> Result<String, Error> {
        let full = |detail: String| Error::new(Code::ResourceExhausted, detail);
        if self.sockets >= SOCKETS {
            // Other sockets may leave.
            let detail = format!("sockets: the document has {SOCKETS}, and may have no more");
            return Err(full(detail).with_status(TOO_MANY));
        }
        let name = listener_of(caller.auth.as_deref());
        let listener = self.listeners.entry(name.clone()).or_insert_with(|| Listener {
            auth: caller.auth.clone(),
            sockets: 0,
            admitted: None,
            lookups: Lookups::new(),
            looked_up: now,
        });
        if caller.auth.is_some() && listener.sockets >= IDENTITY_SOCKETS {
            return Err(full(format!(
                "sockets: {IDENTITY_SOCKETS} of one identity on one document, and no more"
            )));
        }
        listener.sockets = listener.sockets.saturating_add(1);
        if admitted.is_some() {
            listener.admitted = admitted;
            listener.lookups.clone_from(&caller.lookups);
            listener.looked_up = now;
        }
        self.sockets = self.sockets.saturating_add(1);
        Ok(name)
    }

    /// Makes a socket of this listener one of the caller's. One that is refused stays what it was.
    ///
    /// # Errors
    /// As [`Audience::admit`].
    pub(super) fn renew(
        &mut self,
        name: &str,
        caller: &Caller,
        admitted: Option<(Option<u64>, Basis)>,
        now: Timestamp,
    ) -> Result<String, Error> {
        if listener_of(caller.auth.as_deref()) == name {
            self.leave(name);
            return self.admit(caller, admitted, now);
        }
        // Its own place is free for it.
        self.sockets = self.sockets.saturating_sub(1);
        let renewed = self.admit(caller, admitted, now);
        self.sockets = self.sockets.saturating_add(1);
        if renewed.is_ok() {
            self.leave(name);
        }
        renewed
    }

    /// Removes a socket of this listener, which has gone.
    pub(super) fn leave(&mut self, name: &str) {
        if let Some(listener) = self.listeners.get_mut(name) {
            self.sockets = self.sockets.saturating_sub(1);
            listener.sockets = listener.sockets.saturating_sub(1);
            if listener.sockets == 0 {
                self.listeners.remove(name);
            }
        }
    }

    /// Removes this listener, whose sockets are all ended.
    pub(super) fn end(&mut self, name: &str) {
        if let Some(listener) = self.listeners.remove(name) {
            self.sockets = self.sockets.saturating_sub(listener.sockets);
        }
    }

    /// Returns the time at which the next listener's token expires.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.listeners.values().filter_map(Listener::expires).min()
    }

    /// Returns the listeners whose tokens have expired.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<(String, Error)> {
        let over = |listener: &Listener| listener.expires().is_some_and(|expires| expires <= now);
        let expired = self.listeners.iter().filter(|(_, listener)| over(listener));
        expired.map(|(name, _)| (name.clone(), token_expired())).collect()
    }

    /// Finds the listeners that may not see the document as `record` has it. `known` are documents that were looked
    /// up for this step.
    pub(super) fn review(
        &mut self,
        guard: &Guard,
        now: Timestamp,
        path: &DocumentPath,
        record: &Record,
        known: &Lookups,
    ) -> Review {
        let mut review = Review::default();
        if guard.is_open() {
            return review;
        }
        for (name, listener) in &mut self.listeners {
            if listener.expires().is_some_and(|expires| expires <= now) {
                review.ended.push((name.clone(), token_expired()));
                continue;
            }
            match listener.review(guard, now, path, record, known) {
                Ok(()) => {}
                Err(Stop::Refused(error)) => review.ended.push((name.clone(), error)),
                Err(Stop::Needs(paths)) => {
                    review.needs.extend(paths);
                    // The listener is ended if nobody looks them up.
                    review.ended.push((name.clone(), come_again()));
                }
            }
        }
        review
    }
}

impl Listener {
    fn expires(&self) -> Option<Timestamp> {
        self.auth.as_ref().and_then(|auth| auth.expires)
    }

    fn review(
        &mut self,
        guard: &Guard,
        now: Timestamp,
        path: &DocumentPath,
        record: &Record,
        known: &Lookups,
    ) -> Result<(), Stop> {
        let lasting = self.admitted.is_some_and(|(version, basis)| {
            version == guard.version() && !basis.resource && !basis.lookups && !basis.time
        });
        if lasting {
            return Ok(());
        }
        let age = now.since(self.looked_up);
        if age >= LOOKUP_MICROS {
            self.lookups.clear();
            self.looked_up = now;
        }
        for (path, found) in known {
            self.lookups.insert(path.clone(), found.clone());
        }
        let caller = Caller { auth: self.auth.clone(), lookups: std::mem::take(&mut self.lookups) };
        let states = [Some(record), None];
        let permitted = if guard.explains_to_callers() {
            let permitted = guard.permit_explained(&caller, now, Method::Get, path, states);
            permitted.map_err(|explained| explained.stop)
        } else {
            guard.permit(&caller, now, Method::Get, path, states)
        };
        if let Ok(basis) = permitted {
            self.admitted = Some((guard.version(), basis));
            if basis.lookups {
                self.lookups = caller.lookups;
            }
        }
        permitted.map(|_| ())
    }
}

pub(super) fn token_expired() -> Error {
    Error::new(
        Code::Unauthenticated,
        "token: expired; send {\"auth\":\"<token>\"} with a new one, or come again with it",
    )
}

/// Access could not be re-checked in time; the client must reconnect.
fn come_again() -> Error {
    Error::new(Code::Unavailable, "the rules have to be asked anew; come again")
}
