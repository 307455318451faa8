//! A table of cases beside the rules: who wants to do what, and whether it is allowed.

use super::explain::Values;
use super::{Explanation, Method, QueryRequest, Request, Resource, Rules, Verdict};
use crate::auth::Auth;
use blaze_schema::error::Error;
use blaze_schema::limits::RULE_LOOKUPS;
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::value::{Map, Transforms, check_data, data_to_text};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `request.time` of a case that names none.
const TIME: &str = "2000-01-01T00:00:00Z";

/// One case, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    method: String,
    path: Option<String>,
    query: Option<Value>,
    auth: Option<CaseAuth>,
    before: Option<Value>,
    after: Option<Value>,
    #[serde(default)]
    documents: BTreeMap<String, Value>,
    time: Option<String>,
    allow: bool,
}

/// Who asks in a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseAuth {
    uid: String,
    #[serde(default)]
    token: Map,
    #[serde(default)]
    roles: BTreeSet<String>,
}

/// What became of the cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many there are.
    pub cases: usize,
    /// Those that were decided otherwise than they say.
    pub failures: Vec<Failure>,
}

/// A case that was decided otherwise than it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its place in the table, from 1.
    pub number: usize,
    /// Its name, or what is asked for.
    pub name: String,
    /// What was wrong.
    pub reason: String,
    /// Why it was decided so: a line for each `allow` that had a part in it.
    pub explanation: Vec<String>,
}

/// Runs a table of cases: a JSON array of
/// `{"name"?, "method", "path" or "query", "auth"?, "before"?, "after"?, "documents"?, "time"?, "allow"}`.
///
/// `before` and `after` are the document's data as it is and as it would be; `documents` has the data of others, by their
/// paths, and those it does not have do not exist. `auth` is `{"uid", "token"?, "roles"?}`, or null for anonymous.
///
/// # Errors
/// `invalid-argument` for what is no table of cases, naming the case.
pub fn run(rules: &Rules, text: &str) -> Result<Report, Error> {
    let cases: Vec<Case> =
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("cases: {error}")))?;
    let mut report = Report { cases: cases.len(), failures: Vec::new() };
    for (number, case) in (1_usize..).zip(&cases) {
        let name = || case.name.clone().unwrap_or_else(|| case.what());
        let named =
            |error: Error| Error::invalid(format!("case {number} ({}): {}", name(), error.detail));
        let (verdict, explanation) = case.decide(rules).map_err(named)?;
        let allowed = matches!(verdict, Verdict::Allowed(_));
        if allowed != case.allow {
            let explanation = explanation.lines();
            let said = |allowed: bool| if allowed { "allowed" } else { "denied" };
            let reason = format!("expected {}, was {}", said(case.allow), said(allowed));
            report.failures.push(Failure { number, name: name(), reason, explanation });
        }
    }
    Ok(report)
}

impl Case {
    fn what(&self) -> String {
        match (&self.path, &self.query) {
            (Some(path), _) => format!("{} {path}", self.method),
            (None, Some(query)) => format!("{} {query}", self.method),
            (None, None) => self.method.clone(),
        }
    }

    fn auth(&self) -> Option<Auth> {
        self.auth.as_ref().map(|auth| Auth {
            uid: auth.uid.clone(),
            token: auth.token.clone(),
            roles: auth.roles.clone(),
            expires: None,
        })
    }

    /// Decides the case, and explains what is decided otherwise than it says.
    fn decide(&self, rules: &Rules) -> Result<(Verdict, Explanation), Error> {
        let method = Method::parse(&self.method)
            .ok_or_else(|| Error::invalid(format!("there is no method {:?}", self.method)))?;
        let time = Timestamp::parse(self.time.as_deref().unwrap_or(TIME))?;
        let mut lookups = BTreeMap::new();
        for (path, data) in &self.documents {
            let data = check_data(data.clone(), Transforms::Refused, path)?;
            lookups.insert(DocumentPath::parse(path)?, Some(data));
        }
        let auth = self.auth();
        let before = text(self.before.as_ref(), "before")?;
        let after = text(self.after.as_ref(), "after")?;
        let query = self.query.clone().map(Query::from_json).transpose()?;
        let path = self.path.as_deref().map(DocumentPath::parse).transpose()?;
        let asked = match (&path, &query) {
            (Some(path), None) => Asked::Document(path),
            (None, Some(query)) if method == Method::List => Asked::Query(query),
            (None, Some(_)) => return Err(Error::invalid("the method of a query is \"list\"")),
            _ => return Err(Error::invalid("a case has a \"path\" or a \"query\"")),
        };
        let mut rounds = 0_usize;
        loop {
            let auth = auth.as_ref();
            let document = |path| Request {
                method,
                path,
                auth,
                time,
                before: as_resource(before.as_deref(), time),
                after: as_resource(after.as_deref(), time),
                lookups: &lookups,
            };
            let of_query = |query| QueryRequest { query, auth, time, lookups: &lookups };
            let verdict = match asked {
                Asked::Document(path) => rules.decide(&document(path)),
                Asked::Query(query) => rules.decide_query(&of_query(query)),
            };
            rounds = rounds.saturating_add(1);
            match verdict {
                Verdict::Needs(paths) if rounds <= RULE_LOOKUPS.saturating_mul(2) => {
                    lookups.extend(paths.into_iter().map(|path| (path, None)));
                }
                verdict if matches!(verdict, Verdict::Allowed(_)) == self.allow => {
                    return Ok((verdict, Explanation::default()));
                }
                verdict => {
                    let explanation = match asked {
                        Asked::Document(path) => rules.explain(&document(path), Values::Shown),
                        Asked::Query(query) => rules.explain_query(&of_query(query), Values::Shown),
                    };
                    return Ok((verdict, explanation));
                }
            }
        }
    }
}

/// The document or query that a case asks for.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Document(&'a DocumentPath),
    Query(&'a Query),
}

/// Data as compact JSON, checked.
fn text(data: Option<&Value>, root: &str) -> Result<Option<String>, Error> {
    let Some(data) = data else { return Ok(None) };
    let data = check_data(data.clone(), Transforms::Refused, root)?;
    data_to_text(&Value::Object(data)).map(Some)
}

fn as_resource(data: Option<&str>, time: Timestamp) -> Option<Resource<'_>> {
    data.map(|data| Resource { data, create_time: time, update_time: time })
}
