//! A running server, as its administrator asks it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body, RequestBuilder};

/// The variable of the environment with the API key.
const KEY_VARIABLE: &str = "BLAZE_KEY";

/// Which server, and as whom. There is no option for the key itself: a command line is seen by everybody on a machine.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8787")]
    url: String,
    /// A file with an administrator's API key; else it is $BLAZE_KEY, or that of the server on this machine
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The data directory of the server on this machine, where its key is
    #[arg(long, default_value = ".blaze")]
    data: PathBuf,
}

/// An answer.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The body: JSON, null where there is none.
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a request that was done.
    ///
    /// # Errors
    /// For any other, with what the server says about it.
    pub(crate) fn done(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        bail!("the server refuses it ({}): {}", self.status, self.detail())
    }

    /// What the server says about a request that it refuses.
    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or("it does not say why")
    }
}

impl Server {
    /// Sends a request without a body.
    ///
    /// # Errors
    /// If there is no key, the key would be seen on its way, or the server cannot be reached.
    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        let request = self.agent().get(self.address(path)?);
        read(request.header("authorization", self.authorization()?).call())
            .with_context(|| format!("GET {}{path}", self.url))
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub(crate) fn delete(&self, path: &str) -> Result<Answer> {
        let request = self.agent().delete(self.address(path)?);
        read(request.header("authorization", self.authorization()?).call())
            .with_context(|| format!("DELETE {}{path}", self.url))
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.agent().post(self.address(path)?);
        read(request.header("authorization", self.authorization()?).send_json(body))
            .with_context(|| format!("POST {}{path}", self.url))
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub(crate) fn put(&self, path: &str, text: &str) -> Result<Answer> {
        let request: RequestBuilder<_> = self.agent().put(self.address(path)?);
        let request = request.header("content-type", "text/plain; charset=utf-8");
        read(request.header("authorization", self.authorization()?).send(text))
            .with_context(|| format!("PUT {}{path}", self.url))
    }

    fn agent(&self) -> Agent {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            // A key goes where it was told to, and no further.
            .max_redirects(0)
            .max_redirects_will_error(false);
        config.build().into()
    }

    fn address(&self, path: &str) -> Result<String> {
        let url = self.url.trim_end_matches('/');
        if !is_private(url) {
            bail!(
                "{url}: the key would be seen on its way; take https, or a server on this machine"
            );
        }
        Ok(format!("{url}{path}"))
    }

    fn authorization(&self) -> Result<String> {
        Ok(format!("Bearer {}", self.key()?))
    }

    fn key(&self) -> Result<String> {
        let local = self.data.join("admin-key");
        match (&self.key_file, env::var(KEY_VARIABLE)) {
            (Some(file), _) => read_key(file),
            (None, Ok(key)) => Ok(key.trim().to_owned()),
            (None, Err(_)) if local.is_file() => read_key(&local),
            (None, Err(_)) => bail!(
                "no key: name a file with --key-file, set {KEY_VARIABLE}, or start where {} is",
                local.display()
            ),
        }
    }
}

fn read_key(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Whether nobody sees what is sent there.
fn is_private(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return url.starts_with("https://") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    ["127.0.0.1", "localhost", "::1"].contains(&host) && !authority.contains('@')
}

fn read(answer: Result<Response<Body>, ureq::Error>) -> Result<Answer> {
    let mut answer = answer?;
    let text = answer.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status: answer.status().as_u16(), body })
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn a_key_is_sent_only_where_nobody_sees_it() {
        for url in [
            "https://blaze.example",
            "http://127.0.0.1:8787",
            "http://localhost",
            "http://[::1]:8787/",
        ] {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://blaze.example",
            "http://127.0.0.1.example",
            "http://localhost:x@blaze.example",
            "http://[::2]",
            "ftp://localhost",
            "localhost",
            "",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }
}
