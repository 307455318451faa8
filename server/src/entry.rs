//! The Worker: finds the route of a request, and passes it on or answers it.

use crate::access::settings;
use crate::bridge;
use crate::collections::collections;
use crate::document::read_lookups;
use crate::guard::{Who, guard, log_refusal, own_keys, who};
use crate::incoming::Incoming;
use crate::respond::{allow_origin, allowed_origins, failed, internal, response, response_of};
use blaze_engine::guard::{Caller, Explained, Stop};
use blaze_engine::http::admin_request;
use blaze_engine::http::document_request::is_upgrade;
use blaze_engine::http::group_request;
use blaze_engine::http::home::home;
use blaze_engine::http::query_request::{Ask, Question};
use blaze_engine::http::reply::Reply;
use blaze_engine::http::route::{Route, check_url, route as find_route};
use blaze_engine::http::{Headers, content_encoding, cors, document_request, parameters, security};
use blaze_engine::index::shard;
use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::id::ulid;
use blaze_schema::limits::BODY_BYTES;
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::query::Source;
use js_sys::{Array, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{Request, Response};
use worker::Env;

/// The description of the API, made from the code's types; a test compares the two.
const OPENAPI: &str = include_str!("../openapi.json");

/// The binding of the files that are served, in wrangler.toml.
const ASSETS: &str = "ASSETS";

/// The page that files may have for `/`: the demo's.
const START: &str = "/index.html";

/// The number that [`fetch`] returns for `POST /v1/query`, so that [`ask`] need not find the route again.
const QUERY: u8 = 1;

/// The number that [`fetch`] returns for other requests that ask indexes.
const OTHER_QUESTION: u8 = 2;

/// Handles a request to the Worker. Returns a response, or a promise of one, or a number if [`ask`] must be called,
/// or a list of what else must be done and with what (see `shim.js`). With `is_final` there are no fresher keys of
/// issuers. Unless `is_counted`, the caller is returned first, for the request to be counted.
///
/// # Errors
/// When not even the answer to a failure can be built.
#[wasm_bindgen]
pub fn fetch(
    request: Request,
    env: Env,
    is_final: bool,
    is_counted: bool,
) -> Result<JsValue, JsValue> {
    answer(request, env, is_final, is_counted).or_else(|thrown| {
        let reply = unreadable_url(&thrown).unwrap_or_else(|| internal(&thrown));
        response(&reply).map(JsValue::from)
    })
}

/// Returns the answer to a request whose URL the platform cannot read: `Host` names no host. That shows only when the
/// request is passed on, and only by the words of the error.
fn unreadable_url(thrown: &JsValue) -> Option<Reply> {
    let message = bridge::message(thrown);
    let unreadable = ["Invalid URL", "Fetch API cannot load"];
    let is_it = unreadable.iter().any(|words| message.starts_with(words));
    is_it.then(|| {
        Error::invalid(format!("Host: the request's URL cannot be read: {message}")).into()
    })
}

/// True if a body is to be inflated, by the request's `Content-Encoding`.
///
/// # Errors
/// A refusal, for [`unreadable`].
#[wasm_bindgen(js_name = isGzip)]
pub fn is_gzip(encoding: &str) -> Result<bool, JsValue> {
    content_encoding::is_gzip(encoding)
        .map_err(|error| serde_json::to_string(&error).map_or(JsValue::UNDEFINED, JsValue::from))
}

/// Answers a request whose body cannot be read: it has an encoding that is refused ([`is_gzip`]), its framing is
/// broken, or it broke off.
///
/// # Errors
/// When the answer cannot be built.
#[wasm_bindgen]
pub fn unreadable(request: &Request, env: &Env, thrown: &JsValue) -> Result<Response, JsValue> {
    let refused = thrown.as_string().and_then(|text| serde_json::from_str::<Error>(&text).ok());
    let reply = match refused {
        Some(error) => content_encoding::refusal(error),
        None => Error::invalid(format!("body: {}", bridge::message(thrown))).into(),
    };
    finish(reply, &Incoming::new(request)?, env)
}

/// Answers a request when an object could not: it was overloaded, or reset while it worked.
///
/// # Errors
/// When the answer cannot be built.
#[wasm_bindgen]
pub fn unavailable(thrown: &JsValue) -> Result<Response, JsValue> {
    if let Some(reply) = unreadable_url(thrown) {
        return response(&reply);
    }
    worker::console_error!("{}", bridge::message(thrown));
    let wrong = settings().err().or_else(|| collections().err());
    let mut reply = Reply::from(wrong.unwrap_or_else(|| {
        let detail = "an object that answers it is not available; repeat the request, with its Idempotency-Key if it has one";
        Error::new(Code::Unavailable, detail)
    }));
    if reply.status == 503 {
        reply.headers.push(("retry-after", "1".to_owned()));
    }
    security::add(&mut reply, security::ANSWER);
    response(&reply)
}

fn answer(
    request: Request,
    env: Env,
    is_final: bool,
    is_counted: bool,
) -> Result<JsValue, JsValue> {
    let route = routed(&request)?;
    if let (true, Ok(Route::Document(path))) = (is_counted, &route) {
        // The document's object authenticates the caller.
        return Ok(to_document(path));
    }
    let auth = match who(&Incoming::credentials(&request)?, is_final) {
        Who::Known(auth) => auth,
        Who::Refresh(issuer) => return bridge::refresh(&issuer),
        // A socket is refused by a frame: a browser would see nothing of a status.
        Who::Refused(_) if is_socket(&route, &request)? => None,
        Who::Refused(_) if is_for_all(&route) => None,
        Who::Refused(error) => {
            return finish(error.into(), &Incoming::new(&request)?, &env).map(JsValue::from);
        }
    };
    if let (false, Some(auth)) = (is_counted, &auth) {
        return bridge::count(&auth.uid);
    }
    let reply = match route {
        Ok(Route::Document(path)) => {
            return Ok(to_document(&path));
        }
        Ok(Route::Create(collection)) => {
            return create(&request, &env, &collection, auth.as_deref());
        }
        Ok(Route::Admin) => match administrator(auth.as_deref()) {
            Ok(actor) => {
                let description = bridge::describe(&request)?;
                return Ok(Array::of3(&"admin".into(), &description.into(), &actor.into()).into());
            }
            Err(error) => error.into(),
        },
        Ok(Route::Group(id)) => match group_objects(&id, auth.as_deref()) {
            Ok(names) => return Ok(Array::of3(&"group".into(), &id.into(), &names).into()),
            Err(error) => error.into(),
        },
        Ok(Route::SignIns) => crate::account::offered(),
        Ok(Route::Accounts) => return Ok(Array::of1(&"accounts".into()).into()),
        Ok(Route::Jwks) => published(own_keys()),
        Ok(Route::List(path)) if is_upgrade(&Incoming::new(&request)?.request()) => {
            Error::invalid(format!("path: {path} names a collection; listen to it on /v1/listen"))
                .into()
        }
        // Their bodies say which objects answer: the entry reads them, and calls `ask`.
        Ok(Route::Query) => return Ok(QUERY.into()),
        Ok(Route::Aggregate | Route::List(_)) => return Ok(OTHER_QUESTION.into()),
        Ok(Route::Listen) => return crate::listener::open(&request, &env),
        Ok(Route::Page) => return Ok(page(request, env).into()),
        Ok(Route::Health) => Reply::json(200, r#"{"status":"ok"}"#.to_owned()),
        Ok(Route::OpenApi) => published(OPENAPI.to_owned()),
        Ok(Route::Commit) => {
            let description = bridge::describe(&request)?;
            return Ok(Array::of2(&"commit".into(), &description.into()).into());
        }
        Ok(Route::Options(methods)) => options(methods, &Incoming::new(&request)?, &env),
        Err(reply) => reply,
    };
    finish(reply, &Incoming::new(&request)?, &env).map(JsValue::from)
}

/// Finds the route of a request, and checks its URL and parameters.
fn routed(request: &Request) -> Result<Result<Route, Reply>, JsValue> {
    let summary = Incoming::summary(request)?;
    let route = check_url(summary.url()).map_err(Reply::from);
    let route = route.and_then(|()| find_route(summary.method(), summary.path()));
    let (Ok(found), false) = (&route, summary.query().is_empty()) else { return Ok(route) };
    // The parameters that there are depend on whether it is a socket.
    let checked = parameters::check(found, &Incoming::new(request)?.request());
    Ok(checked.map_err(Reply::from).and(route))
}

/// Returns the names of the objects of a group's index, for an administrator.
fn group_objects(id: &str, auth: Option<&Auth>) -> Result<Array, Error> {
    administrator(auth)?;
    let names = shard::of_source(&Source::Group(id.to_owned()), &*collections()?)?;
    Ok(names.iter().map(JsValue::from).collect())
}

/// True if the answer is the same for everybody, whatever credential they send.
fn is_for_all(route: &Result<Route, Reply>) -> bool {
    let Ok(route) = route else { return false };
    matches!(route, Route::Page | Route::Health | Route::Jwks | Route::OpenApi | Route::Options(_))
}

/// Answers `OPTIONS`.
fn options(methods: &'static str, incoming: &Incoming, env: &Env) -> Reply {
    let mut reply = Reply::empty(204);
    reply.headers.push(("allow", methods.to_owned()));
    let origin = incoming.get("origin");
    reply.headers.extend(cors::preflight(origin.as_deref(), &allowed_origins(env)));
    reply
}

/// Makes the response with a text that everybody may know and keep for a while.
fn published(body: String) -> Reply {
    let mut reply = Reply::json(200, body);
    security::add(&mut reply, security::PUBLISHED);
    reply
}

/// True if a request is for a WebSocket that would be opened.
fn is_socket(route: &Result<Route, Reply>, request: &Request) -> Result<bool, JsValue> {
    match route {
        Ok(Route::Document(_) | Route::Listen) => {
            Ok(is_upgrade(&Incoming::new(request)?.request()))
        }
        _ => Ok(false),
    }
}

/// Returns the acting administrator; if everything is open, any caller is one.
fn administrator(auth: Option<&Auth>) -> Result<String, Error> {
    if guard().is_open() {
        return Ok(auth.map_or("anybody", |auth| &auth.uid).to_owned());
    }
    admin_request::actor(auth).map(str::to_owned)
}

/// Answers with the progress of a collection group, from the states of its index's objects.
///
/// # Errors
/// When the answer cannot be built.
#[wasm_bindgen(js_name = groupState)]
pub fn group_state(
    request: &Request,
    env: &Env,
    id: &str,
    states: Vec<String>,
) -> Result<Response, JsValue> {
    finish(group_request::reply(id, &states), &Incoming::new(request)?, env)
}

/// Makes the response of an answer that an object gave in parts, which [`bridge::respond`] takes.
///
/// # Errors
/// When the answer cannot be built.
#[wasm_bindgen(js_name = respondWith)]
pub fn respond_with(
    request: &Request,
    env: &Env,
    status: u16,
    lines: &str,
    body: &str,
) -> Result<Response, JsValue> {
    response_of(status, lines, body, &Incoming::new(request)?, env)
}

/// Finds the question to the indexes for a request, whose body has been read; `None` is one that is too large.
/// Returns `[names, question]`, or the response if nothing can be asked. One index gives the whole answer; of
/// several, [`merge`] makes one. `what` is the number that [`fetch`] returned, `content_type` the request's.
///
/// # Errors
/// When not even the answer to a failure can be built.
#[wasm_bindgen]
pub fn ask(
    request: &Request,
    env: &Env,
    what: u8,
    body: Option<Vec<u8>>,
    content_type: Option<String>,
    lookups: Vec<String>,
) -> Result<JsValue, JsValue> {
    match asked(request, what, body, content_type.as_deref(), &lookups) {
        Ok(Ask { objects, body }) => {
            let names: Array = objects.iter().map(|name| JsValue::from(name.as_str())).collect();
            Ok(Array::of2(&names, &body.into()).into())
        }
        Err(Stop::Needs(paths)) => {
            let paths: Vec<&str> = paths.iter().map(DocumentPath::as_str).collect();
            bridge::lookup(&paths.join("//"))
        }
        Err(Stop::Refused(error)) => {
            finish(error.into(), &Incoming::new(request)?, env).map(JsValue::from)
        }
    }
}

fn asked(
    request: &Request,
    what: u8,
    body: Option<Vec<u8>>,
    content_type: Option<&str>,
    lookups: &[String],
) -> Result<Ask, Stop> {
    let body = body.ok_or_else(too_large)?;
    let collections = collections()?;
    let guard = guard();
    if what == QUERY && guard.is_open() {
        document_request::check_json("POST", content_type)?;
        let simple = Ask::of_one("query", &body, &collections);
        let ask = simple.map_or_else(|| Question::query(&body)?.ask(&collections), Ok);
        return Ok(ask?);
    }
    let incoming = Incoming::credentials(request).map_err(|thrown| failed(&thrown))?;
    if incoming.method() == "POST" {
        document_request::check_json("POST", content_type)?;
    }
    let question = question(&incoming, &body)?;
    // The caller was identified just before, for the same request: there is nothing to refresh.
    let auth = match who(&incoming, true) {
        Who::Known(auth) => auth,
        Who::Refused(error) => return Err(error.into()),
        Who::Refresh(_) => None,
    };
    let caller = Caller { auth, lookups: read_lookups(lookups)? };
    let permitted = guard.permit_query_explained(&caller, bridge::now(), question.of());
    permitted.map_err(|Explained { stop, log }| {
        log.iter().for_each(|line| log_refusal(line));
        stop
    })?;
    Ok(question.ask(&collections)?)
}

/// Makes the response of one index's answer; `read` and `written` are there if rows are counted.
///
/// # Errors
/// When not even the answer to a failure can be built.
#[wasm_bindgen]
pub fn answered(
    request: &Request,
    env: &Env,
    status: u16,
    text: String,
    read: Option<f64>,
    written: Option<f64>,
) -> Result<Response, JsValue> {
    let mut reply = Reply::json(status, text);
    if status >= 400 {
        reply.headers = Reply::from(Error::invalid("")).headers;
    }
    if let (Some(read), Some(written)) = (read, written) {
        reply.headers.push(("blaze-rows-read", read.to_string()));
        reply.headers.push(("blaze-rows-written", written.to_string()));
    }
    finish(reply, &Incoming::new(request)?, env)
}

/// Makes the response of the parts that several indexes gave.
///
/// # Errors
/// When not even the answer to a failure can be built.
#[wasm_bindgen]
pub fn merge(
    request: &Request,
    env: &Env,
    body: Vec<u8>,
    parts: Vec<String>,
) -> Result<Response, JsValue> {
    let incoming = Incoming::new(request)?;
    let answer = question(&incoming, &body).and_then(|asked| asked.answer(&parts, bridge::now()));
    let reply = answer.map_or_else(Reply::from, |text| Reply::json(200, text));
    finish(reply, &incoming, env)
}

fn question(incoming: &Incoming, body: &[u8]) -> Result<Question, Error> {
    match find_route(incoming.method(), incoming.path()) {
        Ok(Route::Query) => Question::query(body),
        Ok(Route::Aggregate) => Question::aggregate(body),
        Ok(Route::List(collection)) => Question::list(collection, &incoming.request()),
        _ => Err(Error::new(Code::Internal, "a route that asks nothing")),
    }
}

/// Makes the error of a body that has too many bytes.
pub(crate) fn too_large() -> Error {
    Error::new(Code::ResourceExhausted, format!("body: more than {BODY_BYTES} bytes"))
}

/// Makes the Worker's own answer, with the headers that each has.
pub(crate) fn finish(
    mut reply: Reply,
    incoming: &Incoming,
    env: &Env,
) -> Result<Response, JsValue> {
    security::add(&mut reply, security::ANSWER);
    allow_origin(&mut reply, incoming, env);
    response(&reply)
}

/// Passes a `POST` to a collection to the object of the document that it creates.
fn create(
    request: &Request,
    env: &Env,
    collection: &CollectionPath,
    auth: Option<&Auth>,
) -> Result<JsValue, JsValue> {
    let incoming = Incoming::new(request)?;
    let uid = auth.map(|auth| auth.uid.as_str());
    let fresh = || ulid(bridge::now(), bridge::random());
    match document_request::new_document(collection, &incoming.request(), uid, fresh) {
        Ok(path) => {
            let url = format!("{}/v1/docs/{}", incoming.origin_of_url(), path.to_url());
            Ok(Array::of3(&"document".into(), &path.as_str().into(), &url.into()).into())
        }
        Err(error) => finish(error.into(), &incoming, env).map(JsValue::from),
    }
}

/// Makes the instruction to pass the request on to a document's object.
fn to_document(path: &DocumentPath) -> JsValue {
    Array::of2(&"document".into(), &path.as_str().into()).into()
}

/// Writes headers as `bridge.js` takes them.
fn lines(headers: security::Headers) -> String {
    let lines = headers.iter().map(|(name, value)| format!("{name}\n{value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Serves a file, or the page that the address belongs to: the one that the files have, or else at `/` the server's
/// own.
fn page(request: Request, env: Env) -> js_sys::Promise {
    future_to_promise(async move {
        let incoming = Incoming::new(&request)?;
        let assets = Reflect::get(&env, &ASSETS.into())?;
        let (origin, path) = (incoming.origin_of_url(), incoming.path());
        let accept = request.headers().get("accept")?;
        let start = security::is_address(path, accept.as_deref()).then_some(START);
        for file in [path].into_iter().chain(start) {
            let headers = lines(security::of_file(file));
            let found = JsFuture::from(bridge::file(&assets, origin, file, &headers)?).await?;
            if !found.is_null() {
                return Ok(found);
            }
        }
        let reply = match path {
            "/" => home(origin, &guard()),
            _ => Error::new(Code::NotFound, format!("no route {path}")).into(),
        };
        finish(reply, &incoming, &env).map(JsValue::from)
    })
}
