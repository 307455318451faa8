//! The formats of texts that are checked.

use blaze_schema::timestamp::Timestamp;

/// A format. Those that a schema may name but that are not here are refused when it is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Format {
    /// RFC 3339 section 5.6, years 1 to 9999.
    DateTime,
    /// A `Mailbox` of RFC 5321 section 4.1.2 whose local part is a `Dot-string` and whose domain has a name: neither
    /// quoted local parts nor addresses in brackets, which forms and mail providers do not take either.
    Email,
    /// RFC 4122 section 3, of any version.
    Uuid,
    /// RFC 3986: a scheme, and after it only what a URI may hold.
    Uri,
}

impl Format {
    pub(super) const ALL: [Format; 4] =
        [Format::DateTime, Format::Email, Format::Uuid, Format::Uri];

    /// In the order of the variants.
    pub(super) const NAMES: [&str; 4] = ["date-time", "email", "uuid", "uri"];

    pub(super) fn name(self) -> &'static str {
        Format::NAMES.get(self as usize).copied().unwrap_or_default()
    }

    pub(super) fn matches(self, text: &str) -> bool {
        match self {
            Format::DateTime => {
                // A timestamp of Blaze may have another character there.
                matches!(text.as_bytes().get(10), Some(b'T' | b't'))
                    && Timestamp::parse(text).is_ok()
            }
            Format::Email => is_email(text),
            Format::Uuid => is_uuid(text),
            Format::Uri => is_uri(text),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let groups = text.split('-').map(|group| {
        let is_hex = group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { group.len() } else { 0 }
    });
    groups.eq([8, 4, 4, 4, 12])
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    // RFC 5322 section 3.2.3.
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    // RFC 5321 section 4.5.3.1.
    let is_local = local.len() <= 64
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
    is_local && domain.len() <= 255 && domain.split('.').all(is_label)
}

/// RFC 1123 section 2.1.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return false;
    }
    let (before_fragment, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let authority_and_path = before_fragment.split('?').next().unwrap_or_default();
    let authority = authority_and_path.strip_prefix("//").map(|rest| rest.split('/').next());
    let outside = match authority.flatten() {
        Some(authority) if !is_authority(authority) => return false,
        Some(authority) => before_fragment.get(authority.len().saturating_add(2)..),
        None => Some(before_fragment),
    };
    outside.is_some_and(|outside| is_of_uri(outside, b"/?:@")) && is_of_uri(fragment, b"/?:@")
}

/// `user@host:port`; only the host may stand in brackets.
fn is_authority(authority: &str) -> bool {
    let (user, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match host_and_port.strip_prefix('[') {
        Some(inside) => match inside.split_once(']') {
            Some((host, "")) => (host, ""),
            Some((host, port)) if port.starts_with(':') => (host, port.trim_start_matches(':')),
            _ => return false,
        },
        None => match host_and_port.split_once(':') {
            Some((host, _)) if host.contains(['[', ']']) => return false,
            Some(split) => split,
            None => (host_and_port, ""),
        },
    };
    let in_brackets = host_and_port.starts_with('[');
    is_of_uri(user, b":")
        && is_of_uri(host, if in_brackets { b":" } else { b"" })
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a part of a URI holds only unreserved characters, `sub-delims`, percent-encoded bytes, and what is `also`
/// allowed there (RFC 3986 section 2).
fn is_of_uri(text: &str, also: &[u8]) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) || also.contains(&byte)
    };
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default();
    first.bytes().all(is_plain)
        && parts.all(|part| {
            let bytes = part.as_bytes();
            let is_encoded =
                bytes.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            is_encoded && bytes.iter().skip(2).all(|byte| is_plain(*byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_texts_apart() {
        for (format, good, bad) in [
            (
                Format::DateTime,
                vec!["2026-11-21T10:00:00Z", "2026-11-21t10:00:00.5+01:00"],
                vec!["2026-11-21 10:00:00Z", "2026-11-21", "2026-11-21T10:00:00", ""],
            ),
            (
                Format::Email,
                vec!["a@b", "first.last+tag@mail.example.com"],
                vec!["a", "@b", "a@", ".a@b", "a..b@c", "a@-b", "a@b..c", "a b@c", "é@b", "a@b@c"],
            ),
            (
                Format::Uuid,
                vec!["2eb8aa08-AA98-11ea-b4aa-73b441d16380"],
                vec![
                    "2eb8aa08aa9811eab4aa73b441d16380",
                    "",
                    "2eb8aa08-aa98-11ea-b4ga-73b441d16380",
                ],
            ),
            (
                Format::Uri,
                vec![
                    "https://a.example:8080/b?c=d%20e#f",
                    "mailto:a@b",
                    "http://[::1]:80/",
                    "a:",
                    "x://",
                ],
                vec![
                    "/a",
                    "a",
                    "",
                    "1a:b",
                    "http://a b",
                    "http://a/%4",
                    "http://a/é",
                    "http://a:b/",
                    "http://[::1",
                    "http://a/[b]",
                    "http://a#b#c",
                ],
            ),
        ] {
            for text in good {
                assert!(format.matches(text), "{format:?} {text:?}");
            }
            for text in bad {
                assert!(!format.matches(text), "{format:?} {text:?}");
            }
        }
    }
}
