//! What it costs to know who asks and to decide whether they may: point reads of servers with rules and tokens, against
//! the same server with neither.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hyper::Method;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::Effort;
use super::documents::{COUNT, data, path};
use super::http::Connection;
use super::load::{self, Throughput};
use super::stats::{Spread, spread};
use super::subject::{Contestant, Subject, Variant};

const COLLECTION: &str = "guarded";
/// How many people read, each documents of their own.
pub(crate) const READERS: u64 = 100;
/// The secret that their tokens are signed with.
const SECRET: &str = "a secret of the benchmark, long enough for HS256";

/// Rules under which documents are read.
struct Guarded {
    /// What is said of them.
    what: &'static str,
    rules: &'static str,
}

const GUARDED: [Guarded; 2] = [
    Guarded {
        what: "whoever is signed in: `request.auth != null`",
        rules: "match /guarded/{id} { allow read: if request.auth != null; }",
    },
    Guarded {
        what: "the owner: `request.auth != null && resource.data.owner == request.auth.uid`",
        rules: "match /guarded/{id} { allow read: if request.auth != null \
                && resource.data.owner == request.auth.uid; }",
    },
];

/// What reading costs under some rules.
pub(crate) struct Access {
    /// Which.
    pub(crate) what: &'static str,
    /// Reads per second with and without them, of each round.
    rounds: Vec<(f64, f64)>,
}

/// Measures a server without rules and one with each of the rules, in turns: two at a time, as objects that nobody asks for
/// ten seconds are put away, and would have to be read again.
///
/// # Errors
/// If a request fails.
pub(crate) async fn measure(blaze: &Contestant, effort: &Effort) -> Result<Vec<Access>> {
    let mut measured = Vec::new();
    for Guarded { what, rules } in GUARDED {
        let open = Reading { subject: blaze.start()?, tokens: Vec::new(), next: Cell::new(0) };
        open.fill().await?;
        let guarded = Reading { subject: start(blaze)?, tokens: tokens()?, next: Cell::new(0) };
        guarded.fill().await?;
        guarded.put_rules(rules).await?;
        let mut rounds = Vec::new();
        // The first rounds are to warm up, and until the alarms of the writes have rung.
        for round in 0..effort.load_rounds + 2 {
            let without = open.round(effort).await?.rate;
            let with = guarded.round(effort).await?.rate;
            if round >= 2 {
                rounds.push((with, without));
            }
        }
        measured.push(Access { what, rounds });
    }
    Ok(measured)
}

impl Access {
    /// Reads per second with the rules, without, and the ratio of the two.
    pub(crate) fn numbers(&self) -> (f64, f64, Spread) {
        let each = |of: fn(&(f64, f64)) -> f64| spread(self.rounds.iter().map(of));
        let ratio = each(|(with, without)| with / without);
        (each(|round| round.0).median, each(|round| round.1).median, ratio)
    }
}

struct Reading {
    subject: Subject,
    /// Of each reader; none where nobody is asked for one.
    tokens: Vec<String>,
    next: Cell<u64>,
}

impl Reading {
    async fn fill(&self) -> Result<()> {
        let mut connection = Connection::open(self.subject.address()).await?;
        for number in 0..COUNT {
            let mut data: Value = serde_json::from_str(&data(number))?;
            data["owner"] = json!(owner(number));
            connection.put(&path(COLLECTION, number), data.to_string()).await?;
        }
        Ok(())
    }

    async fn put_rules(&self, rules: &'static str) -> Result<()> {
        let mut connection = Connection::open(self.subject.address()).await?;
        let headers = [("content-type", "text/plain")];
        let answer = connection.send(Method::PUT, "/v1/rules", &headers, rules).await?;
        ensure!(answer.status.is_success(), "the rules were answered {}", answer.status);
        let refused = connection.send(Method::GET, &path(COLLECTION, 0), &[], "").await?;
        ensure!(refused.status == 401, "a read without a token was answered {}", refused.status);
        Ok(())
    }

    async fn round(&self, effort: &Effort) -> Result<Throughput> {
        let read = async |connection: &mut Connection, number: u64| {
            let number = number % COUNT;
            let path = path(COLLECTION, number);
            let Some(token) = self.tokens.get((number % READERS) as usize) else {
                return connection.get(&path).await.map(drop);
            };
            let headers = [("authorization", token.as_str())];
            let answer = connection.send(Method::GET, &path, &headers, "").await?;
            ensure!(answer.status == 200, "GET {path} was answered {}", answer.status);
            Ok(())
        };
        load::round(&self.subject, effort.load_time, &self.next, read).await
    }
}

fn start(blaze: &Contestant) -> Result<Subject> {
    let key = json!({"kid": "bench", "algorithm": "HS256", "secret": "BENCH_SECRET"});
    let issuer = json!({"issuer": "bench", "audience": "blaze", "keys": [key]});
    blaze.start_as(&Variant {
        access: Some(json!({"issuers": [issuer]})),
        vars: vec![("BENCH_SECRET", SECRET.to_owned())],
        ..Variant::default()
    })
}

fn owner(number: u64) -> String {
    format!("reader-{}", number % READERS)
}

/// The header's value for each reader.
fn tokens() -> Result<Vec<String>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let header = Header { kid: Some("bench".to_owned()), ..Header::default() };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = |reader: u64| {
        let (uid, email) = (owner(reader), format!("reader-{reader}@example.com"));
        let claims = json!({"iss": "bench", "aud": "blaze", "sub": uid, "email": email,
                            "name": "A reader of documents", "iat": now, "exp": now + 3_600});
        let token = encode(&header, &claims, &key).context("signing a token")?;
        Ok(format!("Bearer {token}"))
    };
    (0..READERS).map(token).collect()
}
