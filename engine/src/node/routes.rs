//! The routes: the reaction to each request, read top to bottom.

use super::{Home, log_refusal, too_large};
use crate::actor::{
    Answer, Body, Call, Class, Effect, Facts, File, Halt, Object, Turn, Wait, silent,
};
use crate::document::{Answer as Written, Stage};
use crate::guard::{Caller, Explained};
use crate::http::account_request::{self, Ask as AskAccount};
use crate::http::admin_request;
use crate::http::commit_request;
use crate::http::content_encoding;
use crate::http::credential::{credential, protocol_of};
use crate::http::document_request::{self, is_upgrade};
use crate::http::group_request;
use crate::http::home::home;
use crate::http::incoming::Incoming;
use crate::http::query_request::{Ask, Question};
use crate::http::reply::Reply;
use crate::http::route::{HEALTH, Route, check_url, route as find};
use crate::http::{cors, loopback, parameters, security};
use crate::index::object::JOIN;
use crate::index::shard;
use crate::rate::Kind;
use blaze_rules::auth::Auth;
use blaze_schema::commit::Part;
use blaze_schema::error::{Code, Error};
use blaze_schema::id::ulid;
use blaze_schema::limits::{ACCOUNT_REQUEST_BYTES, BODY_BYTES};
use blaze_schema::path::CollectionPath;
use blaze_schema::query::Source;
use blaze_schema::timestamp::Timestamp;
use blaze_schema::wire::document::{close_code, error_text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The description of the API, made from the code's types; a test compares the two.
const OPENAPI: &str = include_str!("../http/openapi.json");

/// The page that files may have for `/`: the demo's.
const START: &str = "/index.html";

/// The reaction to a request.
#[derive(Debug)]
pub(super) enum Reaction {
    /// The answer.
    Reply(Reply),
    /// The effect that answers it.
    Do(Effect),
    /// Objects are called, and their answers joined.
    Gather { calls: Vec<(Object, Call)>, join: Join },
}

/// The way to make one response of the answers of objects.
#[derive(Debug)]
pub(super) enum Join {
    Question(Option<Box<Question>>),
    /// The documents of a commit say whether they could do their parts, at this time.
    Commit(Vec<Part>, Timestamp),
    /// They have done them.
    Committed(Vec<Part>),
    Group(String),
    Account,
    Administer,
    /// An administrator's act is in force here at once: the copy of rules was asked for anew.
    InForce {
        reply: Reply,
        asked: Timestamp,
    },
}

/// Decides about a request.
pub(super) fn route<S>(
    turn: &mut Turn<'_, S>,
    ticket: u64,
    incoming: &Incoming,
    facts: &mut Facts,
) -> Result<Reaction, Halt> {
    // 1. Rules and keys.
    let now = turn.now;
    turn.node.ready(now, facts)?;
    // 2. What is open to everybody on this machine is not to the pages that they visit.
    if turn.node.is_open() && turn.node.home() != Home::Cloud && incoming.path() != HEALTH {
        loopback::check(incoming, &turn.node.config()?.origins)?;
    }
    // 3. The sender's address.
    let is_limited = turn.node.rates().are_limited();
    if is_limited {
        let address = turn.node.address_of(incoming);
        turn.node.count_request(Kind::Address, &address, now, facts)?;
    }
    // 4. The route. A document's object identifies the caller by itself.
    let route = routed(incoming);
    if let (Ok(Route::Document(path)), false) = (&route, is_limited) {
        let object = Object::new(Class::Document, path.as_str());
        return Ok(Reaction::Do(Effect::Pass { ticket, object, url: None }));
    }
    // 5. The caller.
    let auth = match turn.node.authenticate(incoming, now, facts)? {
        Ok(auth) => auth,
        // A socket is refused by a frame: a browser would see nothing of a status.
        Err(_) if is_socket(&route, incoming) || is_for_all(&route) => None,
        Err(error) => return Err(error.into()),
    };
    if let (true, Some(auth)) = (is_limited, &auth) {
        turn.node.count_request(Kind::Identity, &auth.uid, now, facts)?;
    }
    answer(turn, ticket, incoming, facts, route?, auth)
}

fn answer<S>(
    turn: &mut Turn<'_, S>,
    ticket: u64,
    incoming: &Incoming,
    facts: &mut Facts,
    route: Route,
    auth: Option<Rc<Auth>>,
) -> Result<Reaction, Halt> {
    let config = turn.node.config()?;
    let reply = match route {
        Route::Document(path) => {
            let object = Object::new(Class::Document, path.as_str());
            return Ok(Reaction::Do(Effect::Pass { ticket, object, url: None }));
        }
        Route::Create(collection) => {
            return create(turn, ticket, incoming, &collection, auth.as_deref());
        }
        Route::List(path) if is_upgrade(&incoming.request()) => {
            let detail = format!("path: {path} names a collection; listen to it on /v1/listen");
            return Err(Error::invalid(detail).into());
        }
        Route::Query | Route::Aggregate | Route::List(_) => {
            return question(turn, incoming, facts, &route, auth);
        }
        Route::Commit => return commit(turn, incoming, facts),
        Route::Listen => return listen(turn, ticket, incoming),
        Route::Accounts => return accounts(turn, incoming, facts),
        Route::Admin => {
            let actor = administrator(turn, auth.as_deref())?;
            let body = body(incoming, facts, BODY_BYTES)?.to_vec();
            let call = Call::Administer { request: incoming.describe(), body, actor };
            let calls = vec![(Object::access(), call)];
            return Ok(Reaction::Gather { calls, join: Join::Administer });
        }
        Route::Group(id) => {
            administrator(turn, auth.as_deref())?;
            let names = shard::of_source(&Source::Group(id.clone()), &config.collections)?;
            let tell =
                |name| (Object::new(Class::Index, name), Call::Tell { message: JOIN.to_owned() });
            let calls = names.into_iter().map(tell).collect();
            return Ok(Reaction::Gather { calls, join: Join::Group(id) });
        }
        Route::Page => return Ok(page(turn, ticket, incoming)),
        Route::SignIns => account_request::offered(config.settings.accounts.as_ref()),
        Route::Jwks => published(turn.node.own_keys().to_owned()),
        Route::OpenApi => published(OPENAPI.to_owned()),
        Route::Health => Reply::json(200, r#"{"status":"ok"}"#.to_owned()),
        Route::Options(methods) => {
            let mut reply = Reply::empty(204);
            reply.headers.push(("allow", methods.to_owned()));
            let origin = incoming.header("origin");
            reply.headers.extend(cors::preflight(origin.as_deref(), &config.origins));
            reply
        }
    };
    Ok(Reaction::Reply(reply))
}

/// Finds the route of a request, and checks its URL and parameters.
fn routed(incoming: &Incoming) -> Result<Route, Reply> {
    check_url(incoming.url())?;
    let route = find(incoming.method(), incoming.path())?;
    if !incoming.query().is_empty() {
        parameters::check(&route, &incoming.request())?;
    }
    Ok(route)
}

/// True if the answer is the same for everybody, whatever credential they send.
fn is_for_all(route: &Result<Route, Reply>) -> bool {
    let Ok(route) = route else { return false };
    matches!(route, Route::Page | Route::Health | Route::Jwks | Route::OpenApi | Route::Options(_))
}

/// True if a request is for a WebSocket that would be opened.
fn is_socket(route: &Result<Route, Reply>, incoming: &Incoming) -> bool {
    matches!(route, Ok(Route::Document(_) | Route::Listen)) && is_upgrade(&incoming.request())
}

/// Makes the response with a text that everybody may know and keep for a while.
fn published(body: String) -> Reply {
    let mut reply = Reply::json(200, body);
    security::add(&mut reply, security::PUBLISHED);
    reply
}

/// Returns the acting administrator; if everything is open, any caller is one.
fn administrator<S>(turn: &Turn<'_, S>, auth: Option<&Auth>) -> Result<String, Error> {
    if turn.node.guard(turn.now).is_open() {
        return Ok(auth.map_or("anybody", |auth| &auth.uid).to_owned());
    }
    admin_request::actor(auth).map(str::to_owned)
}

/// Asks for the body of a request.
///
/// # Errors
/// The body that must be read first; 415 for an encoding that is not understood, 413 for more bytes than `limit`,
/// `invalid-argument` for one that broke off.
pub(crate) fn body<'a>(
    incoming: &Incoming,
    facts: &'a Facts,
    limit: usize,
) -> Result<&'a [u8], Halt> {
    match &facts.body {
        _ if matches!(incoming.method(), "GET" | "HEAD") => Ok(&[]),
        Some(Body::Whole(bytes)) => Ok(bytes),
        Some(Body::TooLarge) => Err(too_large(limit).into()),
        Some(Body::Broken(reason)) => Err(Error::invalid(format!("body: {reason}")).into()),
        None => {
            let encoding = incoming.header("content-encoding").unwrap_or_default();
            match content_encoding::is_gzip(&encoding) {
                Ok(is_gzip) => Err(Halt::Wait(Wait::Body { limit, is_gzip })),
                Err(error) => Err(content_encoding::refusal(error).into()),
            }
        }
    }
}

/// Passes a `POST` to a collection to the object of the document that it creates.
fn create<S>(
    turn: &mut Turn<'_, S>,
    ticket: u64,
    incoming: &Incoming,
    collection: &CollectionPath,
    auth: Option<&Auth>,
) -> Result<Reaction, Halt> {
    let uid = auth.map(|auth| auth.uid.as_str());
    let (now, random) = (turn.now, &mut turn.random);
    let path = document_request::new_document(collection, &incoming.request(), uid, || {
        ulid(now, random())
    })?;
    let url = format!("{}/v1/docs/{}", incoming.origin(), path.to_url());
    let object = Object::new(Class::Document, path.as_str());
    Ok(Reaction::Do(Effect::Pass { ticket, object, url: Some(url) }))
}

/// Asks the indexes a request's question.
fn question<S>(
    turn: &mut Turn<'_, S>,
    incoming: &Incoming,
    facts: &Facts,
    route: &Route,
    auth: Option<Rc<Auth>>,
) -> Result<Reaction, Halt> {
    let (config, guard) = (turn.node.config()?, turn.node.guard(turn.now));
    let body = body(incoming, facts, BODY_BYTES)?;
    if incoming.method() == "POST" {
        document_request::check_json("POST", incoming.header("content-type").as_deref())?;
    }
    if matches!(route, Route::Query)
        && guard.is_open()
        && let Some(ask) = Ask::of_one("query", body, &config.collections)
    {
        return Ok(asking(ask, None));
    }
    let question = match route {
        Route::Query => Question::query(body),
        Route::Aggregate => Question::aggregate(body),
        Route::List(collection) => Question::list(collection.clone(), &incoming.request()),
        _ => Err(Error::internal("a route that asks nothing")),
    }?;
    let caller = Caller { auth, lookups: facts.lookups()? };
    let permitted = guard.permit_query_explained(&caller, turn.now, question.of());
    let permitted = permitted.map_err(|Explained { stop, log }| {
        if let Some(line) = log {
            log_refusal(turn, &line);
        }
        stop
    });
    facts.permitted(permitted)?;
    Ok(asking(question.ask(&config.collections)?, Some(Box::new(question))))
}

fn asking(ask: Ask, question: Option<Box<Question>>) -> Reaction {
    let Ask { objects, body } = ask;
    let call = |name| (Object::new(Class::Index, name), Call::Ask { question: body.clone() });
    let calls: Vec<_> = objects.into_iter().map(call).collect();
    // The answer of one index is the whole answer.
    let question = question.filter(|_| calls.len() > 1);
    Reaction::Gather { calls, join: Join::Question(question) }
}

/// Has each document do its part of a commit.
fn commit<S>(turn: &mut Turn<'_, S>, incoming: &Incoming, facts: &Facts) -> Result<Reaction, Halt> {
    let parts = commit_request::parts(&incoming.request(), body(incoming, facts, BODY_BYTES)?)?;
    if parts.is_empty() {
        let body = json!({"commitTime": turn.now.to_string(), "results": []});
        return Ok(Reaction::Reply(Reply::json(200, body.to_string())));
    }
    let stage = if parts.len() > 1 { Stage::Trial } else { Stage::Alone };
    let calls = calls_of(&parts, incoming, stage);
    Ok(Reaction::Gather { calls, join: Join::Commit(parts, turn.now) })
}

fn calls_of(parts: &[Part], incoming: &Incoming, stage: Stage) -> Vec<(Object, Call)> {
    let request = incoming.describe();
    let call = |Part { path, body, .. }: &Part| {
        let call = Call::Commit { request: request.clone(), part: body.clone(), stage };
        (Object::new(Class::Document, path.as_str()), call)
    };
    parts.iter().map(call).collect()
}

/// The answers of a commit's documents.
fn written(texts: impl Iterator<Item = Result<String, Error>>) -> Vec<Written> {
    let read = |text: Result<String, Error>| match text {
        Ok(text) => serde_json::from_str(&text)
            .unwrap_or_else(|_| Written::Refused(Error::internal("a document's answer"))),
        Err(error) => Written::Refused(error),
    };
    texts.map(read).collect()
}

/// The answer to a commit that all its documents have done; `None` if one has not.
fn committed(parts: &[Part], written: &[Written]) -> Option<Reply> {
    let mut results = BTreeMap::new();
    let mut times = Vec::new();
    for (part, written) in parts.iter().zip(written) {
        let Written::Committed { time, version, .. } = written else { return None };
        times.push(time);
        for place in &part.places {
            results.insert(*place, json!({"path": part.path.as_str(), "version": version}));
        }
    }
    // Documents that were not changed have answered, too, at the commit's time.
    let time = times.first()?;
    let results: Vec<Value> = results.into_values().collect();
    Some(Reply::json(200, json!({"commitTime": time, "results": results}).to_string()))
}

/// Answers the request for a socket of many targets.
fn listen<S>(turn: &Turn<'_, S>, ticket: u64, incoming: &Incoming) -> Result<Reaction, Halt> {
    if !is_upgrade(&incoming.request()) {
        let error = Error::invalid("Upgrade: /v1/listen is a WebSocket").with_status(426);
        let mut reply = Reply::from(error);
        reply.headers.push(("upgrade", "websocket".to_owned()));
        return Err(reply.into());
    }
    let protocol = protocol_of(&incoming.request());
    let credential = match credential(&incoming.request()) {
        Ok(credential) => credential.unwrap_or_default(),
        Err(_) if turn.node.guard(turn.now).is_open() => String::new(),
        Err(error) => {
            let (frame, code) = (error_text(&error), close_code(error.code));
            return Ok(Reaction::Do(Effect::Refuse { ticket, protocol, frame, code }));
        }
    };
    let is_limited = turn.node.rates().are_limited();
    let address = is_limited.then(|| turn.node.address_of(incoming));
    Ok(Reaction::Do(Effect::Listen { ticket, protocol, credential, address }))
}

/// Signs somebody up, in or out.
fn accounts<S>(
    turn: &mut Turn<'_, S>,
    incoming: &Incoming,
    facts: &mut Facts,
) -> Result<Reaction, Halt> {
    if turn.node.rates().are_limited() {
        let address = turn.node.address_of(incoming);
        turn.node.count_request(Kind::SignIn, &address, turn.now, facts)?;
    }
    let config = turn.node.config()?;
    let random = [(turn.random)(), (turn.random)()];
    let body = match body(incoming, facts, ACCOUNT_REQUEST_BYTES) {
        Ok(body) => Some(body),
        Err(Halt::Refused(_)) if facts.body == Some(Body::TooLarge) => None,
        Err(halt) => return Err(halt),
    };
    let accounts = config.settings.accounts.as_ref();
    let asked = account_request::read(&incoming.request(), body, accounts, random);
    let AskAccount { object, action } = match asked {
        Ok(asked) => asked,
        Err(error) => return Ok(Reaction::Reply(account_request::reply(Err(error.into())))),
    };
    let action = serde_json::to_string(&action)
        .map_err(|error| Error::internal(format!("an action: {error}")))?;
    let calls = vec![(Object::new(Class::Account, object), Call::Act { action })];
    Ok(Reaction::Gather { calls, join: Join::Account })
}

/// Serves a file, or the page that the address belongs to: the one that the files have, or else at `/` the server's own.
fn page<S>(turn: &Turn<'_, S>, ticket: u64, incoming: &Incoming) -> Reaction {
    let path = incoming.path();
    let accept = incoming.header("accept");
    let start = security::is_address(path, accept.as_deref()).then_some(START);
    let files = [path].into_iter().chain(start).filter_map(|path| {
        let mut headers = vec![("content-type", security::media_type(path)?.to_owned())];
        let fixed = security::of_file(path).iter();
        headers.extend(fixed.map(|(name, value)| (*name, (*value).to_owned())));
        Some(File { path: path.to_owned(), headers })
    });
    let otherwise = match path {
        "/" => home(incoming.origin(), &turn.node.guard(turn.now)),
        _ => Error::new(Code::NotFound, format!("no route {path}")).into(),
    };
    let otherwise = turn.node.finish(otherwise, incoming, security::ANSWER);
    Reaction::Do(Effect::Serve { ticket, files: files.collect(), otherwise })
}

/// Goes on with a commit whose documents have said whether they could do their parts, or have done the only one.
fn tried<S>(
    turn: &Turn<'_, S>,
    incoming: &Incoming,
    (parts, began): (Vec<Part>, Timestamp),
    written: &[Written],
    rows: Option<(u32, u32)>,
) -> Result<Reaction, Error> {
    let could = |written: &Written| matches!(written, Written::Refused(error) if error.code == Code::Unimplemented);
    // Where nothing comes in between, what all could do is done.
    let is_whole = turn.node.home() == Home::Process && turn.now == began;
    if is_whole && written.iter().all(could) {
        let calls = calls_of(&parts, incoming, Stage::Decided);
        return Ok(Reaction::Gather { calls, join: Join::Committed(parts) });
    }
    if let Some(reply) = committed(&parts, written) {
        return Ok(Reaction::Reply(counted(reply, rows)));
    }
    let is_done = |it: &Written| matches!(it, Written::Committed { .. });
    let is_either = |it: &Written| is_done(it) || could(it);
    if written.iter().any(is_done) && written.iter().all(is_either) {
        let detail = "Idempotency-Key: used for another commit of one of the documents";
        return Err(Error::invalid(detail).with_status(422));
    }
    let request = incoming.request();
    let replies = written.iter().zip(&parts);
    let replies = replies.map(|(written, part)| Reply::of(written.clone(), &part.path, &request));
    let mut replies: Vec<Reply> = replies.collect();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    let decisive = commit_request::decisive(&statuses).unwrap_or_default();
    if decisive >= replies.len() {
        return Err(silent());
    }
    Ok(Reaction::Reply(counted(replies.swap_remove(decisive), rows)))
}

impl Join {
    /// The reply that one object's text completes.
    pub(super) fn relayed(&self) -> Option<Reply> {
        match self {
            Join::Question(None) => Some(Reply::json(200, String::new())),
            _ => None,
        }
    }

    /// Joins the answers, in the order of the calls.
    ///
    /// # Errors
    /// The refusal of an object; `unavailable` if one gave no answer.
    pub(super) fn join<S>(
        self,
        turn: &mut Turn<'_, S>,
        incoming: &Incoming,
        answers: Vec<Option<Answer>>,
    ) -> Result<Reaction, Error> {
        if let Join::InForce { reply, asked } = self {
            // The act is done, whether it is known here yet or not.
            if let Some(Some(Answer { result: Ok(text), .. })) = answers.first() {
                let _ = turn.node.take_snapshot(text, asked, turn.now);
            }
            return Ok(Reaction::Reply(reply));
        }
        let answers = answers.into_iter().map(|answer| answer.ok_or_else(silent));
        let answers = answers.collect::<Result<Vec<_>, _>>()?;
        let rows = answers.first().and_then(|answer| answer.rows);
        let mut texts = answers.into_iter().map(|answer| answer.result);
        let mut first = || texts.next().unwrap_or_else(|| Err(silent()));
        let reply = match self {
            Join::Question(None) => counted(Reply::json(200, first()?), rows),
            Join::Question(Some(question)) => {
                let parts = texts.collect::<Result<Vec<_>, _>>()?;
                Reply::json(200, question.answer(&parts, turn.now)?)
            }
            Join::Commit(parts, began) => {
                return tried(turn, incoming, (parts, began), &written(texts), rows);
            }
            Join::Committed(parts) => match committed(&parts, &written(texts)) {
                Some(reply) => counted(reply, rows),
                None => {
                    let reason = "a commit that could be done was not; repeat it";
                    return Ok(Reaction::Do(Effect::Undo { reason }));
                }
            },
            Join::Group(id) => group_request::reply(&id, &texts.collect::<Result<Vec<_>, _>>()?),
            Join::Account => {
                account_request::reply(serde_json::from_str(&first()?).map_err(Error::internal)?)
            }
            Join::Administer => {
                let reply = admin_request::reply(&incoming.request(), first());
                let call = Call::Snapshot { known: turn.node.snapshot_version() };
                let calls = vec![(Object::access(), call)];
                return Ok(Reaction::Gather {
                    calls,
                    join: Join::InForce { reply, asked: turn.now },
                });
            }
            Join::InForce { reply, .. } => reply,
        };
        Ok(Reaction::Reply(reply))
    }
}

/// Adds the rows that an object read and wrote for a reply, if they are counted.
pub(super) fn counted(mut reply: Reply, rows: Option<(u32, u32)>) -> Reply {
    if let Some((read, written)) = rows {
        reply.headers.push(("blaze-rows-read", read.to_string()));
        reply.headers.push(("blaze-rows-written", written.to_string()));
    }
    reply
}
