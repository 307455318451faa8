//! Somebody who issues tokens and publishes the keys: HTTP on this machine, and how often it was asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::pkcs8::EncodePrivateKey;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

/// `iss` of its tokens.
pub(crate) const ISSUER: &str = "https://issuer.example";
/// And `aud`.
pub(crate) const AUDIENCE: &str = "app";

/// A key of ES256 that only its number tells from others.
pub(crate) struct Key {
    kid: String,
    private: EncodingKey,
    public: Value,
}

impl Key {
    pub(crate) fn new(number: u8) -> Self {
        let secret = p256::SecretKey::from_slice(&[number; 32]).expect("a key");
        let point = p256::ecdsa::VerifyingKey::from(secret.public_key()).to_encoded_point(false);
        let kid = format!("k{number}");
        let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (base64(point.x().expect("x")), base64(point.y().expect("y")));
        let public = json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": x, "y": y});
        let private = secret.to_pkcs8_der().expect("DER");
        Key { kid, private: EncodingKey::from_ec_der(private.as_bytes()), public }
    }

    /// A token of the issuer for `sub`, good for an hour.
    pub(crate) fn token(&self, sub: &str) -> String {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": sub, "iat": now, "exp": now + 3_600,
        });
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.private).expect("a token")
    }
}

/// A server of keys. Nobody answers at its address once it is dropped.
pub(crate) struct KeyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    body: Mutex<String>,
    asked: AtomicUsize,
    is_over: AtomicBool,
}

impl KeyServer {
    pub(crate) fn start(keys: &[&Key]) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), keys)
    }

    pub(crate) fn start_at(address: SocketAddr, keys: &[&Key]) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || serve(&listener, &theirs)));
        let server = KeyServer { address, shared, thread };
        server.publish(keys);
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `issuers` of an `access.json` that trusts it.
    pub(crate) fn access(&self) -> Value {
        json!({"issuers": [{
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks": format!("http://{}/jwks.json", self.address),
            "algorithms": ["ES256"],
        }]})
    }

    /// Has these keys from now on, and no others.
    pub(crate) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        *self.shared.body.lock().expect("no panic") = json!({ "keys": keys }).to_string();
    }

    /// How often somebody asked for the keys.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // It waits for a connection.
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn serve(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        assert!(head.first().is_none_or(|line| line.starts_with("GET /jwks.json ")), "{head:?}");
        shared.asked.fetch_add(1, Ordering::SeqCst);
        let body = shared.body.lock().expect("no panic").clone();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        drop(write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()));
    }
}
