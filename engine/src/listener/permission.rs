//! The permission for the client's live queries: it is decided when a query begins, and again when the rules, the
//! client's token or the documents that the rules looked at may have changed.

use super::{Effect, Listener, auth_text};
use crate::guard::{Caller, Explained, Stop};
use blaze_rules::auth::Auth;
use blaze_rules::{Basis, Lookups};
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::STEP_LOOKUPS;
use blaze_schema::query::Query;
use blaze_schema::wire::document::{close_code, error_text};
use std::rc::Rc;

/// A target's query, and the state of the decision whether it may be asked.
#[derive(Debug)]
pub(super) struct Permission {
    query: Query,
    resume: Option<String>,
    /// Documents that were looked up for the decision under way.
    lookups: Lookups,
    /// The version of the rules that allowed it, and what their decision rests on; `None` until they did.
    given: Option<(Option<u64>, Basis)>,
}

impl Permission {
    pub(super) fn new(query: Query, resume: Option<String>) -> Self {
        Permission { query, resume, lookups: Lookups::new(), given: None }
    }

    /// True if the permission holds as long as the rules are those of `version`.
    fn lasts(&self, version: Option<u64>) -> bool {
        self.given.is_some_and(|(given, basis)| given == version && !basis.lookups && !basis.time)
    }
}

impl Listener {
    /// Decides whether a target's query may be asked; opens it if it was not yet, ends it if it may not.
    pub(super) fn decide(&mut self, target: u64, effects: &mut Vec<Effect>) {
        let caller = Caller::new(self.auth.clone());
        let Some(found) = self.targets.get_mut(&target) else { return };
        let Some(permission) = &mut found.permission else { return };
        let caller = Caller { lookups: permission.lookups.clone(), ..caller };
        let permitted = self.guard.permit_query_explained(&caller, self.now, &permission.query);
        let permitted = permitted.map_err(|Explained { stop, log }| {
            effects.extend(log.map(Effect::Log));
            stop
        });
        match permitted {
            Err(Stop::Refused(error)) => self.fail(target, &error, effects),
            Err(Stop::Needs(paths)) => {
                let known = permission.lookups.len();
                if known.saturating_add(paths.len()) > STEP_LOOKUPS {
                    let detail = format!("rules: more than {STEP_LOOKUPS} documents to look up");
                    let error = Error::new(Code::PermissionDenied, detail);
                    self.fail(target, &error, effects);
                } else {
                    effects.push(Effect::Lookup { target, paths });
                }
            }
            Ok(basis) => {
                permission.lookups.clear();
                let was_given = permission.given.replace((self.guard.version(), basis)).is_some();
                if !was_given {
                    self.begin(target, effects);
                }
            }
        }
    }

    /// Opens a target whose query may be asked.
    fn begin(&mut self, target: u64, effects: &mut Vec<Effect>) {
        let Some(found) = self.targets.remove(&target) else { return };
        let Some(permission) = found.permission else { return };
        match self.query(permission.query.clone(), permission.resume.clone()) {
            Ok((objects, merge)) => self.open(target, Some(permission), objects, merge),
            Err(error) => self.fail(target, &error, effects),
        }
    }

    pub(super) fn looked_up(&mut self, target: u64, found: Lookups, effects: &mut Vec<Effect>) {
        let permission = self.targets.get_mut(&target).and_then(|one| one.permission.as_mut());
        // A target that has ended meanwhile, or is another one now, which looks up by itself.
        let Some(permission) = permission else { return };
        permission.lookups.extend(found);
        self.decide(target, effects);
    }

    pub(super) fn identified(
        &mut self,
        token: String,
        auth: Result<Option<Rc<Auth>>, Error>,
        effects: &mut Vec<Effect>,
    ) {
        match auth {
            Err(error) => self.refuse(&error, effects),
            Ok(auth) => {
                self.auth = auth;
                self.token = token;
                self.ask_anew(effects);
            }
        }
    }

    /// Asks the rules about every target again: about queries here, about documents in their objects.
    fn ask_anew(&mut self, effects: &mut Vec<Effect>) {
        self.version = self.guard.version();
        let targets: Vec<u64> = self.targets.keys().copied().collect();
        for target in targets {
            let Some(found) = self.targets.get_mut(&target) else { continue };
            match &mut found.permission {
                Some(permission) => {
                    permission.lookups.clear();
                    self.decide(target, effects);
                }
                None => {
                    // A socket that is not opened yet will be opened with the token.
                    let is_waiting = |upstream: &u64| {
                        self.waiting.iter().any(|(waiting, _)| waiting == upstream)
                    };
                    let text = auth_text(&self.token);
                    let opened = found.upstreams.iter().filter(|upstream| !is_waiting(upstream));
                    effects.extend(opened.map(|upstream| Effect::Forward {
                        upstream: *upstream,
                        text: text.clone(),
                    }));
                }
            }
        }
    }

    /// See [`Event::Tick`].
    pub(super) fn tick(&mut self, effects: &mut Vec<Effect>) {
        // The rules may have been fetched for it.
        self.requests = self.requests.saturating_add(1);
        if self.guard.is_open() {
            return;
        }
        let expires = self.auth.as_ref().and_then(|auth| auth.expires);
        if expires.is_some_and(|expires| expires <= self.now) {
            let detail = "token: expired; come again with a new one";
            self.refuse(&Error::new(Code::Unauthenticated, detail), effects);
            return;
        }
        let version = self.guard.version();
        if version != self.version {
            self.ask_anew(effects);
            return;
        }
        let is_due =
            |permission: &Permission| permission.given.is_some() && !permission.lasts(version);
        let due =
            self.targets.iter().filter(|(_, one)| one.permission.as_ref().is_some_and(is_due));
        let due: Vec<u64> = due.map(|(target, _)| *target).collect();
        for target in due {
            self.decide(target, effects);
        }
    }

    /// Ends the client's socket.
    fn refuse(&mut self, error: &Error, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send(error_text(error)));
        effects.push(Effect::End { code: close_code(error.code), reason: "" });
    }
}
