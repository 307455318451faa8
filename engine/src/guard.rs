//! Whether somebody may do something: the rules in force, and who asks.

use crate::record::Record;
use blaze_rules::auth::Auth;
use blaze_rules::explain::{Explanation, Values, told};
use blaze_rules::{Basis, Lookups, Method, QueryRequest, Request, Resource, Rules, Verdict};
use blaze_schema::error::{Code, Error};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::{Query, Source};
use blaze_schema::timestamp::Timestamp;
use blaze_store::StoreError;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The collection whose documents grant roles: `roles/{uid}` with an array `roles`. Only an admin writes it, whatever the
/// rules say: who may write it may become anybody.
pub const ROLES: &str = "roles";

/// What is in force.
#[derive(Clone, Debug, Default)]
pub enum Guard {
    /// Everybody may do everything: there are no rules, and the configuration says that none are needed.
    #[default]
    Open,
    /// There are no rules: nobody but an admin may do anything.
    Closed,
    /// What these rules allow.
    Rules {
        /// The rules.
        rules: Rc<Rules>,
        /// Their version.
        version: u64,
        /// True if their refusals are explained.
        explain: Explain,
    },
}

/// True if it is explained why rules refuse something, and to whom. It takes many times as long as to refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explain {
    /// To nobody.
    #[default]
    Never,
    /// In the server's log, without values: documents are not for those who read it.
    Log,
    /// In the log and in the answer, with values: on a machine where everybody may see everything.
    Answer,
}

/// Why something is not done now, and a line for the server's log if it is a refusal that is explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Why not.
    pub stop: Stop,
    /// The line.
    pub log: Option<String>,
}

/// Who asks, and what is known of other documents.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who; `None` is anonymous.
    pub auth: Option<Rc<Auth>>,
    /// Documents that rules asked for.
    pub lookups: Lookups,
}

/// Why something is not done now.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It is refused.
    Refused(Error),
    /// These documents must be looked up first: then the same again, with them.
    Needs(BTreeSet<DocumentPath>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Refused(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Refused(error.into())
    }
}

impl Caller {
    /// Somebody of whom no documents are known yet.
    pub fn new(auth: Option<Rc<Auth>>) -> Self {
        Caller { auth, lookups: Lookups::new() }
    }

    /// Who it is: empty for anonymous.
    pub fn uid(&self) -> &str {
        self.auth.as_ref().map_or("", |auth| &auth.uid)
    }

    fn is_admin(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| auth.is_admin())
    }
}

impl Guard {
    /// Whether nobody is ever refused.
    pub fn is_open(&self) -> bool {
        matches!(self, Guard::Open)
    }

    /// What tells these rules from earlier and later ones.
    pub fn version(&self) -> Option<u64> {
        match self {
            Guard::Open => None,
            Guard::Closed => Some(0),
            Guard::Rules { version, .. } => Some(*version),
        }
    }

    /// True if refusals say why in the answer.
    pub fn explains_to_callers(&self) -> bool {
        matches!(self, Guard::Rules { explain: Explain::Answer, .. })
    }

    /// Whether an act by this caller is an administrative one: done although no rule allowed it.
    pub fn is_administrative(&self, caller: &Caller) -> bool {
        !self.is_open() && caller.is_admin()
    }

    /// Whether somebody may do something to a document, known as it is before and as it would be after.
    ///
    /// # Errors
    /// [`Stop::Refused`] with the same words whether the document exists or not, or [`Stop::Needs`].
    pub fn permit(
        &self,
        caller: &Caller,
        time: Timestamp,
        method: Method,
        path: &DocumentPath,
        [before, after]: [Option<&Record>; 2],
    ) -> Result<Basis, Stop> {
        let rules = match self {
            Guard::Open => return Ok(Basis::default()),
            _ if caller.is_admin() => return Ok(Basis::default()),
            Guard::Closed => return Err(no_rules().into()),
            Guard::Rules { rules, .. } => rules,
        };
        if method != Method::Get && is_grant(path) {
            return Err(self.forbidden(caller, method, path).into());
        }
        let request = Request {
            method,
            path,
            auth: caller.auth.as_deref(),
            time,
            before: before.and_then(resource),
            after: after.and_then(resource),
            lookups: &caller.lookups,
        };
        match rules.decide(&request) {
            Verdict::Allowed(basis) => Ok(basis),
            Verdict::Denied(_) => Err(self.forbidden(caller, method, path).into()),
            Verdict::Needs(paths) => Err(Stop::Needs(paths)),
        }
    }

    /// As [`Guard::permit`], with a refusal explained as far as the guard says.
    ///
    /// # Errors
    /// As [`Guard::permit`].
    pub fn permit_explained(
        &self,
        caller: &Caller,
        time: Timestamp,
        method: Method,
        path: &DocumentPath,
        states: [Option<&Record>; 2],
    ) -> Result<Basis, Explained> {
        self.permit(caller, time, method, path, states).map_err(|stop| {
            let [before, after] = states;
            let request = Request {
                method,
                path,
                auth: caller.auth.as_deref(),
                time,
                before: before.and_then(resource),
                after: after.and_then(resource),
                lookups: &caller.lookups,
            };
            let act = format!("{} of {path}", method.as_str());
            let is_ruled = method == Method::Get || !is_grant(path);
            self.explained(stop, caller, &act, is_ruled, |rules, values| {
                rules.explain(&request, values)
            })
        })
    }

    /// As [`Guard::permit_query`], with a refusal explained as far as the guard says.
    ///
    /// # Errors
    /// As [`Guard::permit_query`].
    pub fn permit_query_explained(
        &self,
        caller: &Caller,
        time: Timestamp,
        query: &Query,
    ) -> Result<Basis, Explained> {
        self.permit_query(caller, time, query).map_err(|stop| {
            let (auth, lookups) = (caller.auth.as_deref(), &caller.lookups);
            let request = QueryRequest { query, auth, time, lookups };
            let act = format!("list of {}", from(query));
            self.explained(stop, caller, &act, true, |rules, values| {
                rules.explain_query(&request, values)
            })
        })
    }

    fn explained(
        &self,
        stop: Stop,
        caller: &Caller,
        act: &str,
        is_ruled: bool,
        explain: impl FnOnce(&Rules, Values) -> Explanation,
    ) -> Explained {
        let Guard::Rules { rules, explain: whom, .. } = self else {
            return Explained { stop, log: None };
        };
        let values = match whom {
            Explain::Never => return Explained { stop, log: None },
            Explain::Log => Values::Hidden,
            Explain::Answer => Values::Shown,
        };
        let Stop::Refused(mut error) = stop else { return Explained { stop, log: None } };
        if !is_ruled {
            return Explained { stop: error.into(), log: None };
        }
        let why = told(&explain(rules, values));
        if *whom == Explain::Answer {
            error.detail = format!("{} ({why})", error.detail);
        }
        let who = if caller.auth.is_some() { caller.uid() } else { "anonymous" };
        // Ids may be any text: a line stays one.
        let escaped = |character: char| match character {
            _ if character.is_control() => character.escape_default().to_string(),
            _ => character.to_string(),
        };
        let log = format!("{act} by {who}: {why}").chars().map(escaped).collect();
        Explained { stop: error.into(), log: Some(log) }
    }

    /// What is told of an act that is not allowed, and in the same words of one that failed for a reason that its caller
    /// may not know.
    pub fn forbidden(&self, caller: &Caller, method: Method, path: &DocumentPath) -> Error {
        match self {
            Guard::Closed => no_rules(),
            _ => refusal(caller, &act(method, path)),
        }
    }

    /// Whether somebody may ask a query.
    ///
    /// # Errors
    /// As [`Guard::permit`].
    pub fn permit_query(
        &self,
        caller: &Caller,
        time: Timestamp,
        query: &Query,
    ) -> Result<Basis, Stop> {
        let rules = match self {
            Guard::Open => return Ok(Basis::default()),
            _ if caller.is_admin() => return Ok(Basis::default()),
            Guard::Closed => return Err(no_rules().into()),
            Guard::Rules { rules, .. } => rules,
        };
        let (auth, lookups) = (caller.auth.as_deref(), &caller.lookups);
        match rules.decide_query(&QueryRequest { query, auth, time, lookups }) {
            Verdict::Allowed(basis) => Ok(basis),
            Verdict::Needs(paths) => Err(Stop::Needs(paths)),
            Verdict::Denied(_) => {
                let act =
                    format!("a query of {} that could find what may not be read", from(query));
                Err(refusal(caller, &act).into())
            }
        }
    }
}

/// Names the place that a query searches, in words.
fn from(query: &Query) -> String {
    match &query.from {
        Source::Collection(collection) => collection.to_string(),
        Source::Group(id) => format!("all collections {id}"),
    }
}

fn is_grant(path: &DocumentPath) -> bool {
    path.collection().as_str() == ROLES
}

fn resource(record: &Record) -> Option<Resource<'_>> {
    let (create_time, update_time) = (record.create_time, record.update_time);
    record.data.as_deref().map(|data| Resource { data, create_time, update_time })
}

/// The act in words, in which creating and updating are the same: they would say whether the document exists.
fn act(method: Method, path: &DocumentPath) -> String {
    match method {
        Method::Get => format!("reading {path}"),
        _ if is_grant(path) => format!("writing {path}, which grants roles,"),
        _ => format!("writing {path}"),
    }
}

/// The refusal of an act: of somebody who is known, or of somebody who might be.
fn refusal(caller: &Caller, act: &str) -> Error {
    match caller.auth {
        Some(_) => Error::new(Code::PermissionDenied, format!("{act} is not allowed by the rules")),
        None => Error::new(
            Code::Unauthenticated,
            format!(
                "{act} is not allowed by the rules to somebody unknown; send Authorization: Bearer <token>"
            ),
        ),
    }
}

fn no_rules() -> Error {
    let detail = "there are no rules yet, so that nothing is allowed: write some and run `blaze rules deploy` \
                  (README, \"Who may do what\")";
    // Whoever it is: a token would not help.
    Error::new(Code::PermissionDenied, detail)
}
