//! The headers that tell browsers and caches what they must not do with an answer.
//!
//! `Strict-Transport-Security` is not among them: who terminates TLS says it, and it binds the whole host.

use super::reply::Reply;

/// Names in lower case, and values.
pub type Headers = &'static [(&'static str, &'static str)];

/// Never guess another type than the declared one: data that somebody wrote must not become a page (Fetch standard,
/// `X-Content-Type-Options`).
const NO_SNIFFING: (&str, &str) = ("x-content-type-options", "nosniff");
/// Pages of other origins cannot load it as a picture or script, and so into their process, where Spectre would read it
/// (Fetch standard, `Cross-Origin-Resource-Policy`). What CORS lets them fetch they can.
const SAME_ORIGIN: (&str, &str) = ("cross-origin-resource-policy", "same-origin");
/// Pages of other origins may load it, even those that load nothing else (HTML standard,
/// `Cross-Origin-Embedder-Policy`).
const CROSS_ORIGIN: (&str, &str) = ("cross-origin-resource-policy", "cross-origin");
/// Paths name documents, which the site that a link leads to must not learn (W3C, Referrer Policy).
const NO_REFERRER: (&str, &str) = ("referrer-policy", "no-referrer");
/// An answer that is opened as a page loads nothing, runs nothing, and stands in no frame (CSP level 3; OWASP, REST
/// Security Cheat Sheet, "Security Headers").
const NO_CONTENT: (&str, &str) =
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'");

/// Headers of the answers of a document's object, errors and answers to writes included: the fewest that matter, as
/// each costs a read something. `no-cache` lets a browser keep the document and ask with its `ETag` (RFC 9111 section
/// 5.2.2.4). `private` keeps it out of caches that others share, even if the request had no `Authorization`, as rules
/// may look at anything (section 5.2.2.7). No cache keeps the answer to a write anyway (RFC 9110 sections 9.3.3 to
/// 9.3.5), and an error has no `ETag`.
pub const DOCUMENT: Headers = &[NO_SNIFFING, ("cache-control", "private, no-cache")];

/// Headers of every other answer of the API: results of queries, errors, tokens. `no-store`, as nothing names their
/// state (RFC 9111 section 5.2.2.5; for tokens RFC 6749 section 5.1).
pub const ANSWER: Headers =
    &[NO_SNIFFING, ("cache-control", "no-store"), SAME_ORIGIN, NO_REFERRER, NO_CONTENT];

/// Headers of the answers that everybody may know and that are asked for often: `/v1/jwks.json`, `/v1/openapi.json`.
/// Caches keep them for five minutes, by which a new key must be published before it signs.
pub const PUBLISHED: Headers = &[
    NO_SNIFFING,
    ("cache-control", "public, max-age=300"),
    // Tools on other pages may load it: there is nothing secret in it.
    CROSS_ORIGIN,
    NO_REFERRER,
    NO_CONTENT,
];

/// Headers of the client's files. Pages of any origin import them: nothing in them is secret or identifies the
/// caller.
pub const CLIENT: Headers = &[
    NO_SNIFFING,
    ("cache-control", "no-cache"),
    ("access-control-allow-origin", "*"),
    CROSS_ORIGIN,
];

/// The folder of the client's files.
const CLIENT_FOLDER: &str = "/client/";

/// Returns the headers of the file at `path`.
pub fn of_file(path: &str) -> Headers {
    if path.starts_with(CLIENT_FOLDER) { CLIENT } else { PAGE }
}

/// Returns the media type of the file at `path`; `None` for a kind that is not served.
pub fn media_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension {
        "avif" => "image/avif",
        "css" => "text/css; charset=utf-8",
        "gif" => "image/gif",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "jpeg" | "jpg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "md" | "ts" | "txt" => "text/plain; charset=utf-8",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

/// True if `path` may be an address of the page at `/`, which is served where there is no such file. `accept` is the
/// request's header. A path that ends like a file name is an address only for a client that asks for `text/html`, as
/// browsers do for pages and not for their parts.
pub fn is_address(path: &str, accept: Option<&str>) -> bool {
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let accepts = |kind: &str| accept.is_some_and(|accept| accept.contains(kind));
    let is_accepted = accepts("text/html") || (!is_file && (accept.is_none() || accepts("*/*")));
    path == "/" || (is_accepted && !path.starts_with(CLIENT_FOLDER))
}

/// Headers of the demo's pages and files. The page loads scripts, styles, its icon and data from its own origin and
/// nowhere else; `'wasm-unsafe-eval'` lets it compile WebAssembly, and no text as JavaScript (CSP level 3). `'self'`
/// covers sockets of the same host; `base-uri` and `form-action` do not fall back to `default-src`. `no-cache`, as
/// file names have no hash of what is in them.
pub const PAGE: Headers = &[
    NO_SNIFFING,
    ("cache-control", "no-cache"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    SAME_ORIGIN,
    // No window that another page opened or that opened it may reach it (HTML standard, "Cross-origin opener
    // policies").
    ("cross-origin-opener-policy", "same-origin"),
    NO_REFERRER,
    // The page needs none of them (W3C, Permissions Policy).
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Adds the headers that the reply does not have yet.
pub fn add(reply: &mut Reply, headers: Headers) {
    for (name, value) in headers {
        if !reply.headers.iter().any(|(there, _)| there == name) {
            reply.headers.push((name, (*value).to_owned()));
        }
    }
}

/// Writes the file `_headers` that makes Cloudflare serve files with the headers of [`of_file`]: it serves them
/// without asking the Worker (Workers documentation, "Static Assets: Headers"). A header that several rules name
/// would be joined: a rule that begins with `!` takes away what an earlier one gave.
pub fn headers_file() -> String {
    let line = |(name, value): &(&str, &str)| format!("  {name}: {value}\n");
    let differs = |one: &&(&str, &str), other: Headers| !other.contains(one);
    let pages: String = PAGE.iter().map(line).collect();
    let away = PAGE.iter().filter(|one| differs(one, CLIENT));
    let away: String = away.map(|(name, _)| format!("  ! {name}\n")).collect();
    let client: String = CLIENT.iter().filter(|one| differs(one, PAGE)).map(line).collect();
    format!("/*\n{pages}{CLIENT_FOLDER}*\n{away}{client}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::error::Error;

    fn value(headers: Headers, name: &str) -> Option<&'static str> {
        headers.iter().find(|(there, _)| *there == name).map(|(_, value)| *value)
    }

    #[test]
    fn every_list_forbids_guessing_and_says_how_it_is_cached() {
        for headers in [DOCUMENT, ANSWER, PUBLISHED, PAGE, CLIENT] {
            assert_eq!(value(headers, "x-content-type-options"), Some("nosniff"));
            assert!(value(headers, "cache-control").is_some());
            for (number, (name, value)) in headers.iter().enumerate() {
                assert_eq!(*name, name.to_ascii_lowercase());
                assert!(!value.contains('\n') && !value.is_empty());
                assert!(headers.iter().skip(number + 1).all(|(other, _)| other != name));
            }
        }
        assert_eq!(value(DOCUMENT, "cache-control"), Some("private, no-cache"));
        assert_eq!(value(ANSWER, "cache-control"), Some("no-store"));
    }

    #[test]
    fn a_page_runs_wasm_and_no_text() {
        let policy = value(PAGE, "content-security-policy").unwrap();
        let directive = |name: &str| {
            let mut directives = policy.split("; ").filter_map(|one| one.split_once(' '));
            directives.find(|(there, _)| *there == name).map(|(_, sources)| sources)
        };
        assert_eq!(directive("script-src"), Some("'self' 'wasm-unsafe-eval'"));
        assert_eq!(directive("frame-ancestors"), Some("'none'"));
        assert_eq!(directive("default-src"), Some("'none'"));
        assert!(!policy.contains("'unsafe-"), "{policy}");
    }

    #[test]
    fn headers_are_added_where_there_are_none() {
        let mut reply = Reply::from(Error::invalid("x"));
        reply.headers.push(("cache-control", "public".to_owned()));
        let before = reply.headers.clone();
        add(&mut reply, ANSWER);
        assert_eq!(reply.headers.len(), before.len() + ANSWER.len() - 1);
        assert!(reply.headers.starts_with(&before));
        add(&mut reply, ANSWER);
        assert_eq!(reply.headers.len(), before.len() + ANSWER.len() - 1);
    }

    /// Returns the headers that Cloudflare gives a file: those of all rules that fit, in order.
    fn served(path: &str) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut fits = false;
        for line in headers_file().lines() {
            match line.strip_prefix("  ") {
                None => fits = path.starts_with(line.strip_suffix('*').unwrap()),
                Some(_) if !fits => {}
                Some(rule) => match rule.strip_prefix("! ") {
                    Some(name) => headers.retain(|(there, _)| there != name),
                    None => {
                        let (name, value) = rule.split_once(": ").unwrap();
                        assert!(headers.iter().all(|(there, _)| there != name), "{name} twice");
                        headers.push((name.to_owned(), value.to_owned()));
                    }
                },
            }
        }
        headers.sort();
        headers
    }

    #[test]
    fn the_file_has_the_headers_of_each_file() {
        for path in ["/", "/style.css", "/client/index.js"] {
            let mut expected: Vec<(String, String)> = of_file(path)
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect();
            expected.sort();
            assert_eq!(served(path), expected, "{path}");
        }
        // Cloudflare ignores longer lines.
        assert!(headers_file().lines().all(|line| line.len() <= 2_000));
    }

    #[test]
    fn pages_of_any_origin_import_the_client_and_nothing_else() {
        assert_eq!(value(CLIENT, "access-control-allow-origin"), Some("*"));
        assert_eq!(value(CLIENT, "cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(value(PAGE, "access-control-allow-origin"), None);
        assert_eq!(value(of_file("/clients"), "cross-origin-resource-policy"), Some("same-origin"));
    }

    #[test]
    fn an_address_is_what_somebody_opens() {
        let opened = Some("text/html,application/xhtml+xml,*/*;q=0.8");
        for accept in [None, Some("*/*"), opened] {
            assert!(is_address("/", accept) && is_address("/countries/FRA", accept), "{accept:?}");
            assert!(!is_address("/client/no.js", accept) && !is_address("/client/no", accept));
        }
        assert!(is_address("/files/a.txt", opened));
        for accept in [None, Some("*/*"), Some("image/avif,image/webp,*/*;q=0.8")] {
            assert!(!is_address("/files/a.js", accept), "{accept:?}");
        }
        assert!(!is_address("/countries/FRA", Some("application/json")));
    }
}
