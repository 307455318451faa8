//! `GET /v1/listen`: one client's socket in the Worker, and the sockets behind it. The engine decides; `listener.js`
//! has the sockets.

use crate::bridge;
use crate::collections::collections;
use crate::document::{protocol_of, read_lookups};
use crate::guard::{Who, guard, identify, log_refusal};
use crate::incoming::Incoming;
use crate::respond::{allow_origin, response};
use blaze_engine::http::credential::credential;
use blaze_engine::http::document_request::is_upgrade;
use blaze_engine::http::reply::Reply;
use blaze_engine::http::security;
use blaze_engine::listener::{Effect, Event, Listener as Engine, Upstream};
use blaze_schema::error::Error;
use blaze_schema::message::{close_code, error_text};
use js_sys::Array;
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;

/// A client's socket, as `listener.js` uses it. Every handler returns a list of effects, each a list of its name and
/// its arguments.
#[wasm_bindgen]
pub struct Listener(RefCell<Engine>);

#[wasm_bindgen]
impl Listener {
    /// # Errors
    /// When the settings of the collections are wrong.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Result<Listener, JsValue> {
        let collections = collections().map_err(|error| JsValue::from(error.detail))?;
        Ok(Listener(RefCell::new(Engine::new(collections))))
    }

    /// Identifies the client by its credential. Returns the effects, or the issuer whose keys must be fresh first.
    pub fn identify(&self, credential: String, is_final: bool) -> JsValue {
        let auth = match identify(Some(&credential), is_final) {
            Who::Known(auth) => Ok(auth),
            Who::Refused(error) => Err(error),
            Who::Refresh(issuer) => return issuer.into(),
        };
        self.handle(Event::Identified { token: credential, auth }).into()
    }

    /// Takes the documents that a target's rules look up: paths and data (JSON) in turn.
    #[wasm_bindgen(js_name = lookedUp)]
    pub fn looked_up(&self, target: f64, flat: Vec<String>) -> Result<Array, JsValue> {
        let lookups = read_lookups(&flat).map_err(|error| JsValue::from(error.detail))?;
        Ok(self.handle(Event::LookedUp { target: target as u64, lookups }))
    }

    /// Notes that time has passed, or that the rules have changed.
    pub fn tick(&self) -> Array {
        self.handle(Event::Tick)
    }

    /// Returns the client's `uid`, as far as it is known; empty for an anonymous one.
    pub fn uid(&self) -> String {
        self.0.borrow().uid().to_owned()
    }

    /// Takes a text frame of the client.
    pub fn message(&self, text: String) -> Array {
        self.handle(Event::Message { text })
    }

    /// Notes that a socket behind it is open.
    pub fn opened(&self, upstream: f64) -> Array {
        self.handle(Event::Opened { upstream: upstream as u64 })
    }

    /// Takes a frame of a socket behind it.
    pub fn frame(&self, upstream: f64, text: String) -> Array {
        self.handle(Event::Frame { upstream: upstream as u64, text })
    }

    /// Takes the frame that answers a write; `None` if its outcome is unknown.
    pub fn written(&self, answer: Option<String>) -> Array {
        self.handle(Event::Written { answer })
    }

    /// Notes that a socket behind it was closed, or could not be opened.
    pub fn lost(&self, upstream: f64) -> Array {
        self.handle(Event::Lost { upstream: upstream as u64 })
    }
}

impl Listener {
    fn handle(&self, event: Event) -> Array {
        let effects = self.0.borrow_mut().handle(bridge::now(), &guard(), event);
        effects.into_iter().filter_map(described).collect()
    }
}

/// Describes an effect as `listener.js` takes it; `None` for one that is carried out here.
fn described(effect: Effect) -> Option<JsValue> {
    let list = match effect {
        Effect::Send(text) => Array::of2(&"send".into(), &text.into()),
        Effect::Open { upstream, object } => {
            let (namespace, name, url) = address(&object);
            Array::of5(
                &"open".into(),
                &(upstream as f64).into(),
                &namespace.into(),
                &name.into(),
                &url.into(),
            )
        }
        Effect::Close { upstream } => Array::of2(&"close".into(), &(upstream as f64).into()),
        Effect::Write { path, text, token, within_ms } => Array::of5(
            &"write".into(),
            &path.as_str().into(),
            &text.into(),
            &token.into(),
            &within_ms.into(),
        ),
        Effect::Identify { token } => Array::of2(&"identify".into(), &token.into()),
        Effect::Lookup { target, paths } => {
            let paths: Array = paths.iter().map(|path| JsValue::from(path.as_str())).collect();
            Array::of3(&"lookup".into(), &(target as f64).into(), &paths)
        }
        Effect::Forward { upstream, text } => {
            Array::of3(&"forward".into(), &(upstream as f64).into(), &text.into())
        }
        Effect::Log(line) => {
            log_refusal(&line);
            return None;
        }
        Effect::End { code, reason } => Array::of3(&"end".into(), &code.into(), &reason.into()),
    };
    Some(list.into())
}

/// Returns the binding and the name of an object, and the URL by which its socket is opened.
fn address(object: &Upstream) -> (&'static str, String, String) {
    let query = |pairs: &[(&str, Option<String>)]| {
        let mut text = String::new();
        for (name, value) in pairs {
            if let Some(value) = value {
                text.push(if text.is_empty() { '?' } else { '&' });
                text.push_str(name);
                text.push('=');
                text.push_str(&String::from(js_sys::encode_uri_component(value)));
            }
        }
        text
    };
    match object {
        Upstream::Document { path, since } => {
            let (version, epoch) = match since {
                Some((version, epoch)) => (Some(version.to_string()), Some(epoch.clone())),
                None => (None, None),
            };
            // The request identifies the caller: there is nothing to wait for.
            let wait = Some("no".to_owned());
            let query = query(&[("since", version), ("epoch", epoch), ("wait", wait)]);
            let url = format!("https://document/v1/docs/{}{query}", path.to_url());
            ("DOCUMENT", path.as_str().to_owned(), url)
        }
        Upstream::Index { name, subscription, resume } => {
            let query = query(&[
                ("name", Some(name.clone())),
                ("query", Some(subscription.clone())),
                ("resume", resume.clone()),
            ]);
            ("INDEX", name.clone(), format!("https://index/{query}"))
        }
    }
}

/// Answers the request for a socket: with a refusal, or with what `listener.js` opens it with: the subprotocol that
/// it speaks, and the credential that came with it.
pub(crate) fn open(request: &Request, env: &Env) -> Result<JsValue, JsValue> {
    let incoming = Incoming::new(request)?;
    if !is_upgrade(&incoming.request()) {
        let error = Error::invalid("Upgrade: /v1/listen is a WebSocket").with_status(426);
        let mut reply = Reply::from(error);
        reply.headers.push(("upgrade", "websocket".to_owned()));
        security::add(&mut reply, security::ANSWER);
        allow_origin(&mut reply, &incoming, env);
        return response(&reply).map(JsValue::from);
    }
    let credential = match credential(&incoming.request()) {
        Ok(credential) => credential.unwrap_or_default(),
        Err(_) if guard().is_open() => String::new(),
        Err(error) => {
            let (frame, code) = (error_text(&error), close_code(error.code));
            return bridge::refuse_socket(&frame, code, protocol_of(&incoming)).map(JsValue::from);
        }
    };
    let opened = Array::of3(&"listen".into(), &protocol_of(&incoming).into(), &credential.into());
    Ok(opened.into())
}
