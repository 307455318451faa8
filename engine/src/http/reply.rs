//! An answer as an HTTP response.

use super::Request;
use super::document_request::{ACCEPT_PATCH, prefers_minimal};
use crate::document::Answer;
use blaze_schema::error::{Code, Error, Problem};
use blaze_schema::path::DocumentPath;
use serde_json::json;

/// A response.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: String,
}

impl Reply {
    /// A response without a body.
    pub fn empty(status: u16) -> Self {
        Reply { status, headers: Vec::new(), body: String::new() }
    }

    /// A response with a JSON text.
    pub fn json(status: u16, body: String) -> Self {
        Reply { status, headers: vec![("content-type", "application/json".to_owned())], body }
    }

    /// The response to `request` of the document at `path`.
    pub fn of(answer: Answer, path: &DocumentPath, request: &Request<'_>) -> Self {
        match answer {
            Answer::Found { version, body } => {
                let mut reply = Reply::json(200, body);
                reply.versioned(version);
                reply
            }
            Answer::NotModified { version } => {
                let mut reply = Reply::empty(304);
                reply.versioned(version);
                reply
            }
            Answer::Written { created, version, body } => {
                let mut reply = Reply::json(if created { 201 } else { 200 }, body);
                reply.versioned(version);
                if created {
                    reply.headers.push(("location", format!("/v1/docs/{}", path.to_url())));
                }
                if prefers_minimal(request) {
                    reply.headers.push(("preference-applied", "return=minimal".to_owned()));
                }
                reply
            }
            Answer::Committed { time, version, writes } => {
                let results = vec![json!({"path": path.as_str(), "version": version}); writes];
                Reply::json(200, json!({"commitTime": time, "results": results}).to_string())
            }
            Answer::Missing { version } => missing(path, version),
            Answer::Deleted { version } => {
                // The client that deleted must be able to tell older states from newer ones.
                let mut reply = Reply::empty(204);
                reply.versioned(version);
                reply
            }
            Answer::Refused(error) => {
                let mut reply = Reply::from(error);
                if reply.status == 415 && request.method == "PATCH" {
                    // RFC 5789 section 2.2.
                    reply.headers.push(("accept-patch", ACCEPT_PATCH.to_owned()));
                }
                reply
            }
        }
    }

    /// Adds the version as the entity tag.
    fn versioned(&mut self, version: u64) {
        self.headers.push(("etag", format!("\"{version}\"")));
    }
}

/// Answers 404 to a read of a document that does not exist. Its members `path` and `version` tell it from 404 of an
/// unknown route (RFC 9457 section 3.2).
fn missing(path: &DocumentPath, version: u64) -> Reply {
    let error = Error::new(Code::NotFound, format!("the document {path} does not exist"));
    let problem =
        Problem { path: Some(path.to_string()), version: Some(version), ..Problem::from(&error) };
    let mut reply = Reply::from(error);
    reply.body = problem.to_json();
    reply
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        let mut headers = vec![("content-type", "application/problem+json".to_owned())];
        if error.code == Code::Unauthenticated {
            // RFC 9110 section 11.6.1.
            headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        Reply { status: error.status, headers, body: error.to_problem_json() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use serde_json::Value;

    struct None;

    impl Headers for None {
        fn get(&self, _: &str) -> Option<String> {
            Option::None
        }
    }

    #[test]
    fn every_answer_that_has_a_version_says_it() {
        let body = || "{}".to_owned();
        for (answer, status) in [
            (Answer::Found { version: 7, body: body() }, 200),
            (Answer::NotModified { version: 7 }, 304),
            (Answer::Written { created: false, version: 7, body: body() }, 200),
            (Answer::Written { created: true, version: 7, body: body() }, 201),
            (Answer::Deleted { version: 7 }, 204),
        ] {
            let request = Request { method: "GET", path: "", query: "", headers: &None };
            let reply = Reply::of(answer, &DocumentPath::parse("a/b").unwrap(), &request);
            assert_eq!(reply.status, status);
            assert!(reply.headers.contains(&("etag", "\"7\"".to_owned())), "{reply:?}");
        }
    }

    #[test]
    fn a_missing_document_is_named_and_an_unknown_route_names_none() {
        let request = Request { method: "GET", path: "", query: "", headers: &None };
        let path = DocumentPath::parse("a/b").unwrap();
        let reply = Reply::of(Answer::Missing { version: 7 }, &path, &request);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(
            (reply.status, &body["path"], &body["version"]),
            (404, &json!("a/b"), &json!(7))
        );
        let unknown = Reply::from(Error::new(Code::NotFound, "no route /x"));
        let body: Value = serde_json::from_str(&unknown.body).unwrap();
        assert_eq!((unknown.status, body.get("path")), (404, Option::None));
    }
}
