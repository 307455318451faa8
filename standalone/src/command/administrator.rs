//! A running server, as its administrator asks it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body, RequestBuilder};

use super::admin_key;
use super::say;

/// The variable of the environment with the API key.
const KEY_VARIABLE: &str = "BLAZE_KEY";

/// Which server, and as whom. There is no option for the key itself: a command line is seen by everybody on a machine.
#[derive(clap::Args)]
pub(super) struct Server {
    /// The server
    #[arg(long, default_value = "http://127.0.0.1:8787")]
    url: String,
    /// A file with an administrator's API key; else it is $BLAZE_KEY, or for the server on this machine its own
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// The data directory of the server on this machine, where its key is, which is sent to no other server
    #[arg(long, default_value = ".blaze")]
    data: PathBuf,
}

/// An answer.
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The body: JSON, null where there is none.
    pub(super) body: Value,
}

impl Answer {
    /// The body of a request that was done.
    ///
    /// # Errors
    /// For any other, with what the server says about it.
    pub(super) fn done(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        bail!("the server refuses it ({}): {}", self.status, self.detail())
    }

    /// What the server says about a request that it refuses.
    pub(super) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or("it does not say why")
    }
}

impl Server {
    /// Sends a request without a body.
    ///
    /// # Errors
    /// If there is no key, the key would be seen on its way, or the server cannot be reached.
    pub(super) fn get(&self, path: &str) -> Result<Answer> {
        let request = self.agent().get(self.address(path)?);
        read(request.header("authorization", self.authorization()?).call())
            .with_context(|| format!("GET {}{path}", self.url))
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub(super) fn delete(&self, path: &str) -> Result<Answer> {
        let request = self.agent().delete(self.address(path)?);
        read(request.header("authorization", self.authorization()?).call())
            .with_context(|| format!("DELETE {}{path}", self.url))
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.agent().post(self.address(path)?);
        read(request.header("authorization", self.authorization()?).send_json(body))
            .with_context(|| format!("POST {}{path}", self.url))
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub(super) fn put(&self, path: &str, text: &str) -> Result<Answer> {
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
        let Credential { text, from } = self.key(env::var(KEY_VARIABLE).ok())?;
        say(format!("{} is asked with {from}", self.url));
        Ok(format!("Bearer {text}"))
    }

    /// The key that is for this server; `variable` is what the environment says.
    ///
    /// # Errors
    /// If there is none, or only that of another server.
    fn key(&self, variable: Option<String>) -> Result<Credential> {
        let local = self.data.join(admin_key::FILE);
        let how = format!("name a file with its key by --key-file, or set {KEY_VARIABLE}");
        match (&self.key_file, variable.filter(|key| !key.trim().is_empty())) {
            (Some(file), _) => read_key(file),
            (None, Some(key)) => Ok(Credential {
                text: key.trim().to_owned(),
                from: format!("the key in ${KEY_VARIABLE}"),
            }),
            (None, None) if local.is_file() => {
                let own = admin_key::address(&self.data);
                if !is_of(&self.url, own.as_deref()) {
                    let own = own.unwrap_or_else(|| "a server on this machine".to_owned());
                    bail!(
                        "{}: there is no key for it, and that in {} is for {own} only: {how}",
                        self.url,
                        local.display()
                    );
                }
                read_key(&local)
            }
            (None, None) => {
                bail!(
                    "{}: there is no key for it: {how}, or start where {} is",
                    self.url,
                    local.display()
                )
            }
        }
    }
}

/// A key, and where it is from.
#[derive(Debug, PartialEq, Eq)]
struct Credential {
    text: String,
    from: String,
}

fn read_key(file: &Path) -> Result<Credential> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(Credential { text: text.trim().to_owned(), from: format!("the key in {}", file.display()) })
}

/// True if a URL is that of a server on this machine which said its address; one that did not may have any port.
fn is_of(url: &str, own: Option<&str>) -> bool {
    let Some((host, port)) = host_and_port(url) else { return false };
    let Some((own_host, own_port)) = own.and_then(host_and_port) else {
        return is_private(url) && host == LOOPBACK;
    };
    (host, port) == (own_host, own_port) && url.starts_with("http://")
}

const LOOPBACK: &str = "localhost";

/// The host, the names of this machine being one, and the port.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let port = uri.port_u16().or(match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })?;
    if uri.authority()?.as_str().contains('@') {
        return None;
    }
    let host = uri.host()?;
    let is_loopback = ["127.0.0.1", "localhost", "[::1]", "::1"].contains(&host);
    Some((if is_loopback { LOOPBACK } else { host }.to_owned(), port))
}

/// Whether nobody sees what is sent there.
fn is_private(url: &str) -> bool {
    let is_here = || host_and_port(url).is_some_and(|(host, _)| host == LOOPBACK);
    url.starts_with("https://") || url.starts_with("http://") && is_here()
}

fn read(answer: Result<Response<Body>, ureq::Error>) -> Result<Answer> {
    let mut answer = answer?;
    let text = answer.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status: answer.status().as_u16(), body })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread::{self, JoinHandle};

    use blaze_engine::http::{Headers, Request, admin_request};
    use blaze_identity::access::{Access, Effect};
    use blaze_identity::auth::Issuers;
    use blaze_schema::error::{Code, Error};
    use blaze_schema::timestamp::Timestamp;
    use blaze_store::memory::MemoryStore;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::command::key::{self, Key};
    use crate::command::rules::{self, Rules};

    const KEY: &str = "blz_0123456789_secret";

    struct Fields(Vec<(String, String)>);

    impl Headers for Fields {
        fn get(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(there, _)| there == name).map(|(_, value)| value.clone())
        }
    }

    /// Answers one request by the engine.
    fn answer(stream: TcpStream, access: &mut Access, store: &mut MemoryStore, random: u128) {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let lines: Vec<String> =
            std::iter::repeat_with(line).take_while(|l| !l.is_empty()).collect();
        let fields = lines.iter().filter_map(|line| line.split_once(": "));
        let headers = Fields(fields.map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect());
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = first.split(' ');
        let (method, url) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let request = Request { method, path, query, headers: &headers };
        let now = Timestamp::from_micros(1_000_000);
        let answer = if headers.get("authorization") == Some(format!("Bearer {KEY}")) {
            admin_request::event(&request, &body, "key:test").and_then(|event| {
                match access.handle(store, now, [random, random], event).pop() {
                    Some(Effect::Answer(answer)) => answer,
                    other => panic!("{other:?}"),
                }
            })
        } else {
            Err(Error::new(Code::Unauthenticated, "who is it?"))
        };
        let reply = admin_request::reply(&request, answer);
        let mut text = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
        for (name, value) in &reply.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-length: {}\r\n\r\n{}", reply.body.len(), reply.body);
        reader.into_inner().write_all(text.as_bytes()).unwrap();
    }

    /// A server that answers so many requests; joining its thread gives what it kept.
    fn serve(requests: u128, key: &str) -> (Server, TempDir, JoinHandle<MemoryStore>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("admin-key"), format!("{key}\n")).unwrap();
        let key_file = Some(data.path().join("admin-key"));
        let served = thread::spawn(move || {
            let mut access = Access::new(&Issuers::default());
            let mut store = MemoryStore::default();
            for random in 1..=requests {
                answer(listener.accept().unwrap().0, &mut access, &mut store, random);
            }
            store
        });
        (Server { url, key_file, data: PathBuf::new() }, data, served)
    }

    #[test]
    fn rules_are_deployed_and_fetched() {
        let (server, data, served) = serve(4, KEY);
        let file = data.path().join("blaze.rules");
        let text = "match /notes/{id} {\n  allow read: if true;\n}\n";
        fs::write(&file, text).unwrap();
        let deploy = Rules::Deploy { file, server };
        rules::run(&deploy).unwrap();
        rules::run(&deploy).unwrap();
        let Rules::Deploy { server, .. } = deploy else { unreachable!() };
        let body = server.get("/v1/rules").unwrap().done().unwrap();
        assert_eq!((body["version"].as_u64(), body["text"].as_str()), (Some(1), Some(text)));
        let missing = server.get("/v1/rules?version=9").unwrap().done().unwrap_err();
        assert!(missing.to_string().contains("version 9 is not kept"), "{missing}");
        served.join().unwrap();
    }

    #[test]
    fn keys_are_made_and_revoked() {
        let (server, _data, served) = serve(4, KEY);
        let roles = vec!["editor".to_owned(), "reader".to_owned()];
        let create = Key::Create { name: "ci".to_owned(), roles, days: Some(1), server };
        key::run(&create).unwrap();
        let Key::Create { server, .. } = create else { unreachable!() };
        let listed = server.get("/v1/keys").unwrap().done().unwrap();
        let key = &listed["keys"][0];
        assert_eq!((&key["name"], &key["roles"]), (&json!("ci"), &json!(["editor", "reader"])));
        let id = key["id"].as_str().unwrap().to_owned();
        let revoke = Key::Revoke { id, server };
        key::run(&revoke).unwrap();
        assert!(key::run(&revoke).unwrap_err().to_string().contains("(404)"));
        assert_eq!(served.join().unwrap().records(), 0);
    }

    #[test]
    fn a_refusal_says_why() {
        let (server, _data, served) = serve(1, "another");
        let refused = server.get("/v1/keys").unwrap().done().unwrap_err();
        assert!(refused.to_string().contains("(401): who is it?"), "{refused}");
        served.join().unwrap();
        let nobody = Server { key_file: None, data: PathBuf::from("none"), ..server };
        let missing = nobody.key(None).unwrap_err().to_string();
        assert!(missing.contains("--key-file"), "{missing}");
    }

    #[test]
    fn a_servers_own_key_is_sent_to_no_other() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join(admin_key::FILE);
        fs::write(&file, "local\n").unwrap();
        let server = |url: &str| Server {
            url: url.to_owned(),
            key_file: None,
            data: data.path().to_owned(),
        };
        let local = || Credential {
            text: "local".to_owned(),
            from: format!("the key in {}", file.display()),
        };
        let elsewhere =
            ["https://blaze.example", "http://blaze.example:8787", "https://127.0.0.1.example"];
        for url in ["http://127.0.0.1:8787", "http://localhost:9999/", "http://[::1]:1"] {
            assert_eq!(server(url).key(None).unwrap(), local(), "{url}");
        }
        for url in elsewhere {
            let refused = server(url).key(None).unwrap_err().to_string();
            assert!(refused.starts_with(url) && refused.contains("--key-file"), "{refused}");
            assert!(!refused.contains("local\n"), "{refused}");
        }
        admin_key::remember(data.path(), "http://127.0.0.1:8787").unwrap();
        for url in ["http://127.0.0.1:8787/", "http://localhost:8787", "http://[::1]:8787"] {
            assert_eq!(server(url).key(None).unwrap(), local(), "{url}");
        }
        let others =
            ["http://127.0.0.1:8788", "https://127.0.0.1:8787", "http://x@localhost:8787", ""];
        for url in elsewhere.iter().chain(&others) {
            let refused = server(url).key(None).unwrap_err().to_string();
            assert!(refused.contains("is for http://127.0.0.1:8787 only"), "{refused}");
        }
        // A key that somebody names is sent where they say.
        let other = server("https://blaze.example");
        let named =
            Credential { text: "other".to_owned(), from: "the key in $BLAZE_KEY".to_owned() };
        assert_eq!(other.key(Some(" other\n".to_owned())).unwrap(), named);
        assert!(other.key(Some(String::new())).is_err());
        assert_eq!(Server { key_file: Some(file.clone()), ..other }.key(None).unwrap(), local());
    }

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
