//! One client's socket on `/v1/listen`: many targets over one connection.
//!
//! Behind each target is a socket of its own to the document's object, or to each index that has a part of the query.
//! Their frames are passed on with the target's number; parts of a query are [`merge`]d. Nothing here outlives the
//! socket: when anything behind it is lost, the client's socket ends too, and the client comes back with what it has.

mod merge;

use crate::index::live::Subscription;
use crate::index::page::for_shard;
use crate::index::settings::Collections;
use crate::index::shard;
use blaze_schema::changes::targeted;
use blaze_schema::error::{Code, Error};
use blaze_schema::limits::{BODY_BYTES, TARGETS};
use blaze_schema::message::{ClientMessage, Listen, error_text, pong_text, written_text};
use blaze_schema::path::DocumentPath;
use blaze_schema::query::Query;
use merge::Merge;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What happens to a listener.
#[derive(Clone, Debug)]
pub enum Event {
    /// The client sent a text frame.
    Message {
        /// The frame.
        text: String,
    },
    /// A socket behind a target delivered a frame.
    Frame {
        /// The socket's number.
        upstream: u64,
        /// The frame.
        text: String,
    },
    /// A socket behind a target was closed, or could not be opened.
    Lost {
        /// The socket's number.
        upstream: u64,
    },
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a frame to the client.
    Send(String),
    /// Open a socket to an object.
    Open {
        /// What this socket is called from now on.
        upstream: u64,
        /// Which object.
        object: Upstream,
    },
    /// Close that socket.
    Close {
        /// The socket's number.
        upstream: u64,
    },
    /// Pass the client's frame, a write, to the document's object; send the frame that it answers to the client.
    Write {
        /// The document.
        path: DocumentPath,
        /// The frame.
        text: String,
    },
    /// Close the client's socket: it is to come back.
    End,
}

/// What an upstream socket is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Upstream {
    /// A document, from a version of an epoch on.
    Document {
        /// The document.
        path: DocumentPath,
        /// What the client has.
        since: Option<(u64, String)>,
    },
    /// A live query's part of one index.
    Index {
        /// The object's name.
        name: String,
        /// What [`Subscription::parse`] reads.
        subscription: String,
        /// What the client has.
        resume: Option<String>,
    },
}

/// A client's socket.
#[derive(Debug)]
pub struct Listener {
    collections: Rc<Collections>,
    targets: BTreeMap<u64, Target>,
    /// Upstream sockets, and their targets.
    upstreams: BTreeMap<u64, u64>,
    last_upstream: u64,
}

#[derive(Debug)]
struct Target {
    upstreams: Vec<u64>,
    /// What makes one result of several parts.
    merge: Option<Merge>,
}

impl Listener {
    /// A socket without targets.
    pub fn new(collections: Rc<Collections>) -> Self {
        Listener {
            collections,
            targets: BTreeMap::new(),
            upstreams: BTreeMap::new(),
            last_upstream: 0,
        }
    }

    /// One step.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Message { text } => {
                if let Err(error) = self.message(text, &mut effects) {
                    effects.push(Effect::Send(error_text(&error)));
                }
            }
            Event::Frame { upstream, text } => self.frame(upstream, &text, &mut effects),
            Event::Lost { upstream } => {
                if self.upstreams.contains_key(&upstream) {
                    effects.push(Effect::End);
                }
            }
        }
        effects
    }

    fn message(&mut self, text: String, effects: &mut Vec<Effect>) -> Result<(), Error> {
        if text.len() > BODY_BYTES {
            let detail = format!("message: {} bytes, of {BODY_BYTES} at most", text.len());
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        match ClientMessage::parse(&text)? {
            ClientMessage::Ping(number) => effects.push(Effect::Send(pong_text(number))),
            ClientMessage::Auth(_) => {}
            ClientMessage::Unlisten(target) => self.close(target, effects),
            ClientMessage::Listen { target, what } => {
                self.close(target, effects);
                if let Err(error) = what.and_then(|what| self.listen(target, what, effects)) {
                    effects.push(Effect::Send(targeted(target, &error_text(&error))));
                }
            }
            ClientMessage::Write { id, write } => match write {
                Ok(write) => effects.push(Effect::Write { path: write.path, text }),
                Err(error) => effects.push(Effect::Send(written_text(&id, "", &Err(error)))),
            },
        }
        Ok(())
    }

    fn listen(
        &mut self,
        target: u64,
        what: Listen,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        if self.targets.len() >= TARGETS {
            let detail = format!("listen: more than {TARGETS} targets on one socket");
            return Err(Error::new(Code::ResourceExhausted, detail));
        }
        let (objects, merge) = match what {
            Listen::Document { path, since } => (vec![Upstream::Document { path, since }], None),
            Listen::Query { query, resume } => self.query(*query, resume)?,
        };
        let mut upstreams = Vec::new();
        for object in objects {
            self.last_upstream = self.last_upstream.wrapping_add(1);
            let upstream = self.last_upstream;
            self.upstreams.insert(upstream, target);
            upstreams.push(upstream);
            effects.push(Effect::Open { upstream, object });
        }
        self.targets.insert(target, Target { upstreams, merge });
        Ok(())
    }

    fn query(
        &self,
        mut query: Query,
        resume: Option<String>,
    ) -> Result<(Vec<Upstream>, Option<Merge>), Error> {
        query.explain = false;
        let whole = query.to_json().to_string();
        // What is wrong with it is said here, once, and not by every shard.
        Subscription::parse(&whole)?;
        let names = shard::of_source(&query.from, &self.collections)?;
        let is_shard = names.len() > 1;
        let subscription = if is_shard { for_shard(&query).to_json().to_string() } else { whole };
        // A shard is asked for its whole part: the parts that the client's result came from are nowhere any more.
        let resumed = |_: &String| if is_shard { None } else { resume.clone() };
        let objects = names.iter().map(|name| Upstream::Index {
            name: name.clone(),
            subscription: subscription.clone(),
            resume: resumed(name),
        });
        let objects = objects.collect();
        let merge =
            is_shard.then(|| Merge::new(query, names.len(), resume.as_deref())).transpose()?;
        Ok((objects, merge))
    }

    fn close(&mut self, target: u64, effects: &mut Vec<Effect>) {
        if let Some(closed) = self.targets.remove(&target) {
            for upstream in closed.upstreams {
                self.upstreams.remove(&upstream);
                effects.push(Effect::Close { upstream });
            }
        }
    }

    fn frame(&mut self, upstream: u64, text: &str, effects: &mut Vec<Effect>) {
        // A socket that was closed may still deliver.
        let Some(number) = self.upstreams.get(&upstream).copied() else { return };
        if text.starts_with("{\"type\":\"error\"") {
            self.close(number, effects);
            effects.push(Effect::Send(targeted(number, text)));
            return;
        }
        let Some(target) = self.targets.get_mut(&number) else { return };
        match &mut target.merge {
            None => effects.push(Effect::Send(targeted(number, text))),
            Some(merge) => {
                let part = target.upstreams.iter().position(|one| *one == upstream).unwrap_or(0);
                match merge.frame(part, text) {
                    Ok(Some(frame)) => effects.push(Effect::Send(targeted(number, &frame))),
                    Ok(None) => {}
                    Err(error) => {
                        self.close(number, effects);
                        effects.push(Effect::Send(targeted(number, &error_text(&error))));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::changes::{added_text, changes_text};
    use blaze_schema::document::document_text;
    use blaze_schema::limits::{ANSWER_BYTES, LIVE_DOCUMENTS};

    /// The bytes of a resource `big/a0` besides those of its text.
    fn document_text_bytes() -> usize {
        let path = DocumentPath::parse("big/a0").unwrap();
        document_text(&path, 1, "c", "u", Some("{\"t\":\"\"}")).len()
    }

    fn listener(collections: &str) -> Listener {
        Listener::new(Rc::new(Collections::parse(collections).unwrap()))
    }

    fn said(listener: &mut Listener, text: &str) -> Vec<Effect> {
        listener.handle(Event::Message { text: text.to_owned() })
    }

    fn sent(effects: &[Effect]) -> Vec<&str> {
        let mut frames = Vec::new();
        for effect in effects {
            if let Effect::Send(text) = effect {
                frames.push(text.as_str());
            }
        }
        frames
    }

    #[test]
    fn frames_get_the_number_of_their_target_until_it_is_closed() {
        let mut listener = listener("{}");
        let effects = said(
            &mut listener,
            r#"{"listen":{"target":7,"document":"a/b","since":2,"epoch":"e"}}"#,
        );
        let path = DocumentPath::parse("a/b").unwrap();
        let object = Upstream::Document { path, since: Some((2, "e".to_owned())) };
        assert_eq!(effects, [Effect::Open { upstream: 1, object }]);
        let frame = Event::Frame { upstream: 1, text: r#"{"type":"snapshot"}"#.to_owned() };
        let effects = listener.handle(frame.clone());
        assert_eq!(sent(&effects), [r#"{"target":7,"type":"snapshot"}"#]);
        assert_eq!(said(&mut listener, r#"{"unlisten":7}"#), [Effect::Close { upstream: 1 }]);
        assert_eq!(listener.handle(frame), []);
        assert_eq!(listener.handle(Event::Lost { upstream: 1 }), []);
        assert_eq!(said(&mut listener, r#"{"unlisten":7}"#), []);
    }

    #[test]
    fn a_query_goes_to_its_index_or_to_all_its_shards() {
        let mut listener = listener(r#"{"big":{"shards":3}}"#);
        let effects = said(
            &mut listener,
            r#"{"listen":{"target":1,"query":{"from":"small","limit":3},"resume":"r"}}"#,
        );
        let [Effect::Open { object: Upstream::Index { name, subscription, resume }, .. }] =
            effects.as_slice()
        else {
            panic!("{effects:?}")
        };
        assert_eq!((name.as_str(), resume.as_deref()), ("c/0/small", Some("r")));
        assert!(Subscription::parse(subscription).is_ok());
        let effects = said(
            &mut listener,
            r#"{"listen":{"target":2,"query":{"from":"big","limit":3,"offset":1}}}"#,
        );
        assert_eq!(effects.len(), 3);
        let effects =
            said(&mut listener, r#"{"listen":{"target":3,"query":{"from":{"group":"big"}}}}"#);
        assert!(
            sent(&effects)[0]
                .starts_with(r#"{"target":3,"type":"error","code":"failed-precondition""#)
        );
        assert_eq!(listener.handle(Event::Lost { upstream: 2 }), [Effect::End]);
    }

    #[test]
    fn an_error_ends_its_target_only() {
        let mut listener = listener("{}");
        said(&mut listener, r#"{"listen":{"target":1,"document":"a/b"}}"#);
        said(&mut listener, r#"{"listen":{"target":2,"document":"a/c"}}"#);
        let text = error_text(&Error::new(Code::PermissionDenied, "no"));
        let effects = listener.handle(Event::Frame { upstream: 1, text });
        assert_eq!(effects[0], Effect::Close { upstream: 1 });
        assert_eq!(
            sent(&effects),
            [r#"{"target":1,"type":"error","code":"permission-denied","detail":"no"}"#]
        );
        assert!(!listener.handle(Event::Frame { upstream: 2, text: "{}".to_owned() }).is_empty());
        for (message, answer) in [
            ("[]", r#"{"type":"error""#),
            (r#"{"listen":{"target":5,"document":"a"}}"#, r#"{"target":5,"type":"error""#),
            (
                r#"{"listen":{"target":5,"query":{"from":"a","pageToken":"x"}}}"#,
                r#"{"target":5,"type":"error""#,
            ),
            (r#"{"write":{"id":"w","set":"a"}}"#, r#"{"id":"w","error""#),
            (r#"{"ping":4}"#, r#"{"pong":4}"#),
        ] {
            let effects = said(&mut listener, message);
            assert!(sent(&effects)[0].starts_with(answer), "{message}: {effects:?}");
        }
        let write = r#"{"write":{"id":"w","delete":"a/b"}}"#;
        let path = DocumentPath::parse("a/b").unwrap();
        assert_eq!(said(&mut listener, write), [Effect::Write { path, text: write.to_owned() }]);
    }

    #[test]
    fn a_result_of_shards_is_no_larger_than_that_of_one_index() {
        let part = |id: &str, count: usize, text: &str| {
            let changes: Vec<String> = (0..count)
                .map(|n| {
                    let path = DocumentPath::parse(&format!("big/{id}{n}")).unwrap();
                    let data = format!("{{\"t\":\"{text}\"}}");
                    added_text(&path, n, &document_text(&path, 1, "c", "u", Some(&data)))
                })
                .collect();
            changes_text(true, &changes, "r")
        };
        let bytes = ANSWER_BYTES / 2 - document_text_bytes();
        let (half, text) = (LIVE_DOCUMENTS / 2, "x".repeat(bytes));
        for (limit, first, second, is_error) in [
            ("", part("a", half, ""), part("b", half, ""), false),
            ("", part("a", half, ""), part("b", half + 1, ""), true),
            (",\"limit\":7", part("a", half, ""), part("b", half + 1, ""), false),
            ("", part("a", 1, &text), part("b", 1, &text), false),
            ("", part("a", 1, &text), part("b", 1, &format!("{text}x")), true),
        ] {
            let mut listener = listener(r#"{"big":{"shards":2}}"#);
            said(
                &mut listener,
                &format!(r#"{{"listen":{{"target":1,"query":{{"from":"big"{limit}}}}}}}"#),
            );
            assert_eq!(listener.handle(Event::Frame { upstream: 1, text: first }), []);
            let effects = listener.handle(Event::Frame { upstream: 2, text: second });
            let frames = sent(&effects);
            assert_eq!(frames.len(), 1);
            let code = r#"{"target":1,"type":"error","code":"resource-exhausted""#;
            assert_eq!(frames[0].starts_with(code), is_error, "{limit} {:.99}", frames[0]);
            assert_eq!(listener.targets.is_empty(), is_error);
        }
    }

    #[test]
    fn targets_are_limited() {
        let mut listener = listener("{}");
        for target in 0..TARGETS {
            let effects = said(
                &mut listener,
                &format!(r#"{{"listen":{{"target":{target},"document":"a/b"}}}}"#),
            );
            assert_eq!(effects.len(), 1);
        }
        let effects = said(&mut listener, r#"{"listen":{"target":9999,"document":"a/b"}}"#);
        assert!(sent(&effects)[0].contains("resource-exhausted"));
        let effects = said(&mut listener, r#"{"listen":{"target":0,"document":"a/b"}}"#);
        assert!(
            matches!(effects.as_slice(), [Effect::Close { .. }, Effect::Open { .. }]),
            "in place of itself"
        );
    }
}
