//! The page at `/` of a server that has no other: the server's version, its state, links and a few lines to paste.

use super::reply::Reply;
use super::security;
use crate::guard::Guard;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("home.html");
const STYLE: &str = include_str!("home.css");

/// Makes the page, for a server that is reached at `origin` and whose rules are `guard`'s.
pub fn home(origin: &str, guard: &Guard) -> Reply {
    let [state, title, detail] = match guard {
        Guard::Open => [
            "open",
            "Open: there are no rules.",
            "Everybody who reaches this server may read and write every document. \
             <code>blaze rules deploy blaze.rules</code> ends that.",
        ],
        Guard::Closed => [
            "closed",
            "Closed: there are no rules yet.",
            "Only administrators may read and write. \
             <code>blaze rules deploy blaze.rules --url {origin}</code> allows more.",
        ],
        Guard::Rules { .. } => {
            ["rules", "Rules are in force.", "They decide who may read and write which documents."]
        }
    };
    let [credential, reader] = match guard {
        Guard::Open => ["", ""],
        _ => ["  -H \"Authorization: Bearer $TOKEN\" \\\n", " -H \"Authorization: Bearer $TOKEN\""],
    };
    // `{origin}` is last: it stands in what others are replaced by, and is the request's.
    let body = [
        ("{style}", STYLE),
        ("{version}", env!("CARGO_PKG_VERSION")),
        ("{state}", state),
        ("{title}", title),
        ("{detail}", detail),
        ("{credential}", credential),
        ("{reader}", reader),
        ("{origin}", &escaped(origin)),
    ]
    .into_iter()
    .fold(PAGE.to_owned(), |page, (name, value)| page.replace(name, value));
    let mut reply = Reply::empty(200);
    reply.body = body;
    reply.headers.push(("content-type", "text/html; charset=utf-8".to_owned()));
    reply.headers.push(("content-security-policy", policy()));
    security::add(&mut reply, security::PAGE);
    reply
}

/// Returns the page's policy. The page runs nothing, and loads its icon alone.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")]
        .into_iter()
        .fold(text.to_owned(), |text, (character, entity)| text.replace(character, entity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Explain;
    use blaze_rules::Rules;
    use std::rc::Rc;

    fn rules() -> Guard {
        let rules = Rules::compile("match /a/{id} { allow get: if true; }").unwrap();
        Guard::Rules { rules: Rc::new(rules), version: 1, explain: Explain::Never }
    }

    #[test]
    fn every_state_is_said_and_nothing_is_left_to_be_filled_in() {
        for (guard, state) in [(Guard::Open, "open"), (Guard::Closed, "closed"), (rules(), "rules")]
        {
            let page = home("https://db.example", &guard).body;
            assert!(page.contains(&format!("data-state=\"{state}\"")), "{page}");
            assert!(page.contains("https://db.example/client/index.js"));
            assert!(page.contains(&format!("version {}", env!("CARGO_PKG_VERSION"))));
            assert_eq!(page.contains("$TOKEN"), state != "open");
            for name in
                ["style", "version", "state", "title", "detail", "credential", "reader", "origin"]
            {
                assert!(!page.contains(&format!("{{{name}}}")), "{name}");
            }
        }
    }

    #[test]
    fn an_origin_is_text_and_nothing_else() {
        let page = home("http://a\"><script>alert('1')</script>&{version}", &Guard::Open).body;
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("http://a&quot;&gt;&lt;script&gt;"));
        // Placeholders in the origin are not replaced in turn.
        assert!(page.contains("&amp;{version}"));
    }

    #[test]
    fn the_page_runs_nothing_and_its_style_is_the_one_that_is_allowed() {
        let reply = home("http://h", &Guard::Open);
        let value = |name: &str| {
            let mut values = reply.headers.iter().filter(|(there, _)| *there == name);
            let value = values.next().map(|(_, value)| value.clone());
            assert_eq!(values.next(), None, "{name} once");
            value.unwrap_or_default()
        };
        let policy = value("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("script-src"));
        let (_, after) = reply.body.split_once("<style>").unwrap();
        assert_eq!(after.split_once("</style>").unwrap().0, STYLE);
        assert_eq!(value("x-content-type-options"), "nosniff");
        assert_eq!(value("content-type"), "text/html; charset=utf-8");
    }
}
