//! The Worker: finds what a request is for, and passes it on or answers it.

use crate::bridge::{self, Stub};
use crate::incoming::Incoming;
use crate::respond::{allow_origin, internal, response};
use blaze_engine::http::reply::Reply;
use blaze_engine::http::route::{Route, route};
use blaze_engine::http::{cors, document_request};
use blaze_schema::error::{Code, Error};
use blaze_schema::id::ulid;
use blaze_schema::path::{CollectionPath, DocumentPath};
use js_sys::{Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};
use worker::{Context, Env, event};

/// The description of the API, made from the code's types: `cargo xtask openapi` writes it, a test compares it.
const OPENAPI: &str = include_str!("../openapi.json");

/// The binding of the documents' objects, in wrangler.toml.
const DOCUMENTS: &str = "DOCUMENT";
/// The binding of the demo page's files.
const ASSETS: &str = "ASSETS";

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let answered = match Incoming::new(&request) {
        Ok(incoming) => answer(&request, &incoming, &env).await,
        Err(thrown) => response(&internal(&thrown)),
    };
    answered.or_else(|thrown| response(&internal(&thrown))).map_err(worker::Error::from)
}

async fn answer(request: &Request, incoming: &Incoming, env: &Env) -> Result<Response, JsValue> {
    let reply = match route(incoming.method(), incoming.path()) {
        Ok(Route::Document(path)) => {
            let promise = document_stub(env, &path)?.fetch(request)?;
            return settle(promise).await;
        }
        Ok(Route::Create(collection)) => return create(request, incoming, env, &collection).await,
        Ok(Route::Health) => Reply::json(200, r#"{"status":"ok"}"#.to_owned()),
        Ok(Route::OpenApi) => Reply::json(200, OPENAPI.to_owned()),
        Ok(Route::Unimplemented(what)) => {
            Error::new(Code::Unimplemented, format!("{what}: not built yet")).into()
        }
        Ok(Route::Options(methods)) => {
            let mut reply = Reply::empty(204);
            reply.headers.push(("allow", methods.to_owned()));
            reply.headers.extend(cors::preflight_headers());
            reply
        }
        Ok(Route::Page) => match page(incoming, env).await? {
            Some(file) => return Ok(file),
            None => Error::new(Code::NotFound, format!("no route {}", incoming.path())).into(),
        },
        Err(reply) => reply,
    };
    finish(reply, incoming, env)
}

fn finish(mut reply: Reply, incoming: &Incoming, env: &Env) -> Result<Response, JsValue> {
    allow_origin(&mut reply, incoming, env);
    response(&reply)
}

/// Passes a `POST` to a collection to the object of the document that it creates.
async fn create(
    request: &Request,
    incoming: &Incoming,
    env: &Env,
    collection: &CollectionPath,
) -> Result<Response, JsValue> {
    let fresh = || ulid(bridge::now(), bridge::random());
    match document_request::new_document(collection, &incoming.request(), fresh) {
        Ok(path) => {
            let url = format!("{}/v1/docs/{}", incoming.origin_of_url(), path.to_url());
            let promise = document_stub(env, &path)?.fetch_at(&url, request)?;
            settle(promise).await
        }
        Err(error) => finish(error.into(), incoming, env),
    }
}

fn document_stub(env: &Env, path: &DocumentPath) -> Result<Stub, JsValue> {
    let namespace = env.durable_object(DOCUMENTS).map_err(JsValue::from)?;
    namespace.get_by_name(path.as_str()).map(worker::Stub::into_rpc).map_err(JsValue::from)
}

async fn settle(promise: Promise) -> Result<Response, JsValue> {
    JsFuture::from(promise).await.map(JsCast::unchecked_into)
}

async fn page(incoming: &Incoming, env: &Env) -> Result<Option<Response>, JsValue> {
    let assets = Reflect::get(env, &ASSETS.into())?;
    let file = JsFuture::from(bridge::page(&assets, incoming.url())?).await?;
    Ok((!file.is_null()).then(|| file.unchecked_into()))
}
