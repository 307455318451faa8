//! `blaze key`: API keys of a running server.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use blaze_schema::timestamp::Timestamp;
use clap::Subcommand;
use serde_json::{Value, json};

use super::admin_key;
use super::administrator::Server;
use super::say;

/// What to do with API keys.
#[derive(Subcommand)]
pub(super) enum Key {
    /// Make the first administrator's key, of a server that knows none: prints it, and what to tell the server
    Mint,
    /// Make the key of the server whose data is in a directory, unless it is there; prints what to tell the server
    Local {
        /// The data directory
        #[arg(long, default_value = ".blaze")]
        data: PathBuf,
    },
    /// Make a key, and print it on standard output: it is shown this once
    Create {
        /// What people call it
        #[arg(long)]
        name: String,
        /// What it may do; `admin` may do everything
        #[arg(long = "role")]
        roles: Vec<String>,
        /// After so many days it ends
        #[arg(long)]
        days: Option<u32>,
        #[command(flatten)]
        server: Server,
    },
    /// List the keys
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Make the next key that the server signs its own tokens with
    Rotate {
        /// It signs at once, and no token that was signed before is good any more
        #[arg(long)]
        revoke: bool,
        #[command(flatten)]
        server: Server,
    },
    /// End a key
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

/// Does it.
///
/// # Errors
/// Why the server does not do it.
pub(super) fn run(command: &Key) -> Result<()> {
    match command {
        Key::Mint => {
            let key = admin_key::mint()?;
            say(format!(
                "tell the server {}={}, and keep the key; it is not shown again",
                admin_key::VARIABLE,
                admin_key::configuration(&key)?
            ));
            println!("{key}");
            Ok(())
        }
        Key::Local { data } => {
            println!("{}", admin_key::configuration(&admin_key::ensure(data)?)?);
            Ok(())
        }
        Key::Create { name, roles, days, server } => {
            let expire_time = days.map(|days| in_days(days, SystemTime::now())).transpose()?;
            let body = json!({"name": name, "roles": roles, "expireTime": expire_time});
            let made = server.post("/v1/keys", &body)?.done()?;
            let text = |name: &str| made[name].as_str().context("the answer holds no key");
            say(format!("key {} made; it is not shown again", text("id")?));
            println!("{}", text("key")?);
            Ok(())
        }
        Key::List { server } => {
            let body = server.get("/v1/keys")?.done()?;
            for key in body["keys"].as_array().context("the answer holds no keys")? {
                println!("{}", shown(key));
            }
            Ok(())
        }
        Key::Rotate { revoke, server } => {
            let made = server.post("/v1/signing-keys", &json!({"revoke": revoke}))?.done()?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kid, from) = (text(&made["key"]["kid"]), text(&made["signsFrom"]));
            println!("{kid} signs from {from}");
            Ok(())
        }
        Key::Revoke { id, server } => {
            let is_id = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
            ensure!(is_id, "{id:?} is no key's id: `blaze key list` shows them");
            server.delete(&format!("/v1/keys/{id}"))?.done()?;
            println!("key {id} is revoked; within 10 seconds nobody takes it any more");
            Ok(())
        }
    }
}

fn in_days(days: u32, now: SystemTime) -> Result<String> {
    let days = Duration::from_secs(u64::from(days).saturating_mul(24 * 60 * 60));
    let at =
        now.duration_since(UNIX_EPOCH).context("the clock of this machine")?.saturating_add(days);
    Ok(Timestamp::from_micros(i64::try_from(at.as_micros()).unwrap_or(i64::MAX)).to_string())
}

/// A key's line: id, name, roles, when it ends.
fn shown(key: &Value) -> String {
    let text = |name: &str| key[name].as_str().unwrap_or_default();
    let roles: Vec<&str> =
        key["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let ends = match text("expireTime") {
        "" => "never ends".to_owned(),
        time => format!("ends {time}"),
    };
    format!("{}\t{}\t{}\t{ends}", text("id"), text("name"), roles.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_now() {
        let now = UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(in_days(2, now).unwrap(), "1970-01-03T00:00:01Z");
        assert_eq!(in_days(u32::MAX, now).unwrap(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn a_key_is_a_line() {
        let key =
            json!({"id": "a", "name": "ci", "roles": ["admin", "editor"], "expireTime": null});
        assert_eq!(shown(&key), "a\tci\tadmin,editor\tnever ends");
        let key =
            json!({"id": "a", "name": "ci", "roles": [], "expireTime": "2026-01-01T00:00:00Z"});
        assert_eq!(shown(&key), "a\tci\t\tends 2026-01-01T00:00:00Z");
    }
}
