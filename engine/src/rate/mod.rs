//! How often somebody may ask.
//!
//! For every subject (an address, an identity) there is one [`Bucket`], in an object of its own, which knows how much is
//! left. It is not asked at every request: an isolate takes a part of what is left as a lease, spends it by itself
//! ([`Lessee`]), and asks again when it is spent. A refusal is remembered as well, so that a flood costs the object nothing.
//!
//! What is promised, over all isolates: in any `seconds` not more than `2 * requests` and what is refilled while a lease
//! lasts; over a long time `requests` for each `seconds`. Nobody who asks more seldom than that waits for others of the
//! same subject.

mod bucket;
mod buckets;
mod lessee;

pub use bucket::{Bucket, Grant};
pub use buckets::Buckets;
pub use lessee::{Lessee, Taken};

use crate::http::reply::Reply;
use blaze_schema::error::{Code, Error};
use blaze_schema::hash::hash;
use blaze_schema::limits::{RATE_NAME_BYTES, RATE_REQUESTS, RATE_SECONDS};
use blaze_schema::settings::{self, Field, Setting};
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use serde_json::Value;

/// `requests` in `seconds`: as many at once, and then so many more in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many: 1 to [`RATE_REQUESTS`].
    pub requests: u32,
    /// In how many seconds: 1 to [`RATE_SECONDS`].
    pub seconds: u32,
}

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those that come from one network address.
    Address,
    /// Those of one identity.
    Identity,
    /// Those of one address that try to sign in or up.
    SignIn,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Address, Kind::Identity, Kind::SignIn];

    /// As `access.json` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Address => "address",
            Kind::Identity => "identity",
            Kind::SignIn => "signIn",
        }
    }

    /// The name of the object that counts for `who`: the kind and `who`. `who` is an address, with or without a port, or
    /// a `uid`. Of an IPv6 address the first 64 bits count: one customer has as many addresses as the rest can number.
    pub fn subject(self, who: &str) -> String {
        let who = match self {
            Kind::Address | Kind::SignIn => network(who).unwrap_or_else(|| bounded(who)),
            Kind::Identity => bounded(who),
        };
        format!("{}:{who}", self.name())
    }

    /// The kind that a name made by [`Kind::subject`] is of.
    pub fn of_subject(subject: &str) -> Option<Self> {
        let (name, _) = subject.split_once(':')?;
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

fn network(who: &str) -> Option<String> {
    let socket = || who.parse::<SocketAddr>().map(|socket| socket.ip());
    let address = who.parse::<IpAddr>().or_else(|_| socket()).ok()?;
    Some(match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from_bits(bits))
        }
    })
}

/// A name that is not too long; a hash of it is as good.
fn bounded(who: &str) -> String {
    if who.len() <= RATE_NAME_BYTES {
        return who.to_owned();
    }
    hash(&[who.as_bytes()]).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rates of `access.json`. One that is not there has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests of one address.
    pub address: Option<Rate>,
    /// Requests of one identity.
    pub identity: Option<Rate>,
    /// Attempts of one address to sign in or up.
    pub sign_in: Option<Rate>,
}

impl Rates {
    /// The description of the settings.
    pub const KIND: settings::Kind = settings::Kind::Object(&[
        Field::optional(Kind::Address.name(), Rate::KIND),
        Field::optional(Kind::Identity.name(), Rate::KIND),
        Field::optional(Kind::SignIn.name(), Rate::KIND),
    ]);

    /// Reads what `access.json` has under `rates`:
    ///
    /// ```json
    /// {
    ///   "address": {"requests": 600, "seconds": 60},
    ///   "identity": {"requests": 1200, "seconds": 60},
    ///   "signIn": {"requests": 10, "seconds": 60}
    /// }
    /// ```
    ///
    /// # Errors
    /// `invalid-argument` naming the place, such as `access.json: rates.address.seconds`.
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        Rates::read(&Setting::new("access.json: rates", value, Rates::KIND))
    }

    /// Reads rates of [`Rates::KIND`].
    ///
    /// # Errors
    /// As [`Rates::from_json`].
    pub(crate) fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let fields = setting.object()?;
        let rate = |kind: Kind| fields.find(kind.name())?.as_ref().map(Rate::read).transpose();
        Ok(Rates {
            address: rate(Kind::Address)?,
            identity: rate(Kind::Identity)?,
            sign_in: rate(Kind::SignIn)?,
        })
    }

    /// True if anything is limited.
    pub fn are_limited(&self) -> bool {
        *self != Rates::default()
    }

    /// The rate of a kind.
    pub fn of(&self, kind: Kind) -> Option<Rate> {
        match kind {
            Kind::Address => self.address,
            Kind::Identity => self.identity,
            Kind::SignIn => self.sign_in,
        }
    }

    /// What is said of a request or a message that is one too many: `resource-exhausted`, 429 (RFC 6585 section 4).
    pub fn error(&self, kind: Kind, retry_after_seconds: u32) -> Error {
        let rate = self.of(kind).map_or_else(String::new, |Rate { requests, seconds }| {
            format!(" more than {requests} requests in {seconds} seconds;")
        });
        let detail =
            format!("rates.{}:{rate} try again in {retry_after_seconds} seconds", kind.name());
        Error::new(Code::ResourceExhausted, detail).with_status(429)
    }

    /// The same as the answer to a request, with `Retry-After`.
    pub fn refusal(&self, kind: Kind, retry_after_seconds: u32) -> Reply {
        let mut reply = Reply::from(self.error(kind, retry_after_seconds));
        reply.headers.push(("retry-after", retry_after_seconds.to_string()));
        reply
    }
}

impl Rate {
    /// The description of the settings.
    const KIND: settings::Kind = settings::Kind::Object(&[
        Field::required("requests", settings::Kind::Integer(1, RATE_REQUESTS)),
        Field::required("seconds", settings::Kind::Integer(1, RATE_SECONDS)),
    ]);

    fn read(setting: &Setting<'_>) -> Result<Self, Error> {
        let fields = setting.object()?;
        let (requests, seconds) = (fields.get("requests")?, fields.get("seconds")?);
        Ok(Rate { requests: requests.integer()?, seconds: seconds.integer()? })
    }

    /// What a lease is at most: a tenth, and at least one.
    pub(crate) fn share(self) -> u32 {
        (self.requests / 10).max(1)
    }

    /// How long a lease lasts, in microseconds: a tenth of the time, and at least a second.
    pub(crate) fn lease_micros(self) -> i64 {
        i64::from(self.seconds).saturating_mul(100_000).max(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_are_read_and_those_left_out_have_no_limit() {
        let rate = |requests, seconds| Some(Rate { requests, seconds });
        let read = |value: Value| Rates::from_json(&value).unwrap();
        assert_eq!(read(json!({})), Rates::default());
        assert!(!Rates::default().are_limited());
        let rates = read(json!({
            "address": {"requests": 600, "seconds": 60},
            "identity": {"requests": RATE_REQUESTS, "seconds": RATE_SECONDS},
            "signIn": {"requests": 1, "seconds": 1},
        }));
        assert!(rates.are_limited());
        assert_eq!(
            Kind::ALL.map(|kind| rates.of(kind)),
            [rate(600, 60), rate(RATE_REQUESTS, RATE_SECONDS), rate(1, 1)]
        );
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (value, place) in [
            (json!([]), ": an array, not an object"),
            (json!({"adress": {}}), ".adress: unknown key; known: address, identity, signIn"),
            (json!({"address": 1}), ".address: 1, not an object"),
            (json!({"address": {"requests": 1}}), ".address.seconds: missing"),
            (json!({"address": {"requests": 0, "seconds": 1}}), ".address.requests: 0, not"),
            (json!({"address": {"requests": 1.5, "seconds": 1}}), ".address.requests: 1.5, not"),
            (json!({"signIn": {"requests": 1, "seconds": 1, "burst": 1}}), ".signIn.burst: un"),
            (
                json!({"identity": {"requests": RATE_REQUESTS + 1, "seconds": 1}}),
                ".identity.requests: 1000001, not an integer from 1 to 1000000",
            ),
            (
                json!({"identity": {"requests": 1, "seconds": RATE_SECONDS + 1}}),
                ".identity.seconds: 3601, not an integer from 1 to 3600",
            ),
        ] {
            let detail = Rates::from_json(&value).unwrap_err().detail;
            assert!(detail.starts_with(&format!("access.json: rates{place}")), "{detail}");
        }
    }

    #[test]
    fn a_refusal_says_what_was_exceeded_and_when_to_come_back() {
        let rates =
            Rates::from_json(&json!({"address": {"requests": 600, "seconds": 60}})).unwrap();
        let reply = rates.refusal(Kind::Address, 7);
        assert_eq!(reply.status, 429);
        assert!(reply.headers.contains(&("retry-after", "7".to_owned())), "{reply:?}");
        assert!(reply.body.contains(r#""code":"resource-exhausted","detail":"rates.address: more than 600 requests in 60 seconds; try again in 7 seconds""#), "{reply:?}");
    }

    #[test]
    fn subjects_are_named_by_what_somebody_cannot_change_at_will() {
        for (who, subject) in [
            ("203.0.113.7", "address:203.0.113.7"),
            ("203.0.113.7:4711", "address:203.0.113.7"),
            ("::ffff:203.0.113.7", "address:203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
            ("[2001:db8:1:2:ffff::1]:80", "address:2001:db8:1:2::/64"),
            ("", "address:"),
            ("unix", "address:unix"),
        ] {
            assert_eq!(Kind::Address.subject(who), subject);
        }
        assert_eq!(Kind::SignIn.subject("203.0.113.7:1"), "signIn:203.0.113.7");
        assert_eq!(Kind::Identity.subject("203.0.113.7:1"), "identity:203.0.113.7:1");
        let longest = "u".repeat(RATE_NAME_BYTES);
        assert_eq!(Kind::Identity.subject(&longest), format!("identity:{longest}"));
        let hashed = Kind::Identity.subject(&format!("{longest}u"));
        assert_eq!(hashed.len(), "identity:".len() + 64);
        assert_ne!(hashed, Kind::Identity.subject(&format!("{longest}v")));
        for kind in Kind::ALL {
            assert_eq!(Kind::of_subject(&kind.subject("a:b")), Some(kind));
        }
        assert_eq!(Kind::of_subject("address"), None);
    }
}
