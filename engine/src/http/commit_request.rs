//! `POST /v1/commit`: the documents that it is for, and their joint answer.

use super::Request;
use super::conditional::no_preconditions;
use super::document_request::{check_json, idempotency};
use crate::document::{Event, Stage};
use crate::idempotency::Idempotency;
use blaze_schema::commit::{self, Part};
use blaze_schema::error::Error;

/// Takes a commit apart by document.
///
/// # Errors
/// 415 for a body of another type; `invalid-argument` for a malformed body, header or write.
pub fn parts(request: &Request<'_>, body: &[u8]) -> Result<Vec<Part>, Error> {
    check_json(request.method, request.headers.get("content-type").as_deref())?;
    let instead = "a commit has its preconditions in its writes, as \"ifVersion\"";
    no_preconditions(request.headers, instead)?;
    idempotency(request, &[])?;
    commit::split(body)
}

/// Makes the event for one document: `body` is its part of the commit.
///
/// # Errors
/// None for what [`parts`] gave.
pub fn event(request: &Request<'_>, body: &str, stage: Stage) -> Result<Event, Error> {
    // Each document keeps the answer to its own part.
    let idempotency =
        idempotency(request, &[])?.map(|given| Idempotency::of_commit(given.key, body));
    Ok(Event::Commit { writes: commit::read(body.as_bytes())?, stage, idempotency })
}

/// Returns the position of the answer that is the commit's, by the statuses of the documents' answers: a refusal of
/// the caller comes before any other answer, and any other before that of what is not built yet. `None` for a commit
/// without writes.
pub fn decisive(statuses: &[u16]) -> Option<usize> {
    let rank = |status: u16| match status {
        401 | 403 => 0,
        501 => 2,
        _ => 1,
    };
    let ranked = statuses.iter().enumerate().min_by_key(|(_, status)| rank(**status));
    ranked.map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use blaze_schema::limits::IDEMPOTENCY_KEY_BYTES;

    struct Given(Vec<(&'static str, String)>);

    impl Headers for Given {
        fn get(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(there, _)| *there == name).map(|(_, value)| value.clone())
        }
    }

    fn with<T>(headers: &[(&'static str, &str)], read: impl Fn(&Request<'_>) -> T) -> T {
        let given = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let headers = Given(given);
        read(&Request { method: "POST", path: "/v1/commit", query: "", headers: &headers })
    }

    #[test]
    fn what_is_wrong_with_a_commit_is_told_before_a_document_is_asked() {
        let long = "k".repeat(IDEMPOTENCY_KEY_BYTES + 1);
        for (headers, status, named) in [
            (("content-type", "text/plain"), 415, "application/json"),
            (("if-match", "\"1\""), 400, "If-Match"),
            (("if-none-match", "*"), 400, "If-None-Match"),
            (("idempotency-key", ""), 400, "Idempotency-Key"),
            (("idempotency-key", long.as_str()), 400, "Idempotency-Key"),
        ] {
            let error =
                with(&[headers], |request| parts(request, br#"{"writes":[]}"#)).unwrap_err();
            assert_eq!(error.status, status, "{error}");
            assert!(error.detail.contains(named), "{error}");
        }
        assert_eq!(with(&[], |request| parts(request, b"[]")).unwrap_err().status, 400);
    }

    #[test]
    fn a_commit_of_one_document_may_be_repeated_under_its_key() {
        let asked = |body: &str, stage| {
            let body = with(&[], |request| parts(request, body.as_bytes())).unwrap().remove(0).body;
            match with(&[("idempotency-key", "k")], |request| event(request, &body, stage)) {
                Ok(Event::Commit { writes, idempotency, .. }) => {
                    (writes.len(), idempotency.map(|request| request.fingerprint))
                }
                other => panic!("{other:?}"),
            }
        };
        let [one, spaced, other] = [
            r#"{"writes":[{"delete":"a/b"}]}"#,
            r#"{ "writes": [{"delete": "a/b"}] }"#,
            r#"{"writes":[{"verify":"a/b"}]}"#,
        ]
        .map(|body| asked(body, Stage::Alone));
        assert_eq!(one, spaced);
        assert_ne!(one, other);
        assert_eq!(asked(r#"{"writes":[{"delete":"a/b"}]}"#, Stage::Trial), one);
    }

    #[test]
    fn a_refusal_of_who_asks_decides() {
        assert_eq!(decisive(&[]), None);
        assert_eq!(decisive(&[200]), Some(0));
        assert_eq!(decisive(&[501, 501]), Some(0));
        assert_eq!(decisive(&[501, 409, 404]), Some(1));
        assert_eq!(decisive(&[409, 501, 403, 401]), Some(2));
    }
}
