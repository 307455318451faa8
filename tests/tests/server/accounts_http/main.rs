//! Accounts and issuers of tokens, from the first request to what a rule sees: the built server under workerd, with a
//! real provider of identities, keys that are fetched by HTTP, and power cuts between any two requests.

mod issuers;
mod key_server;
mod passwords;
mod providers;
mod refreshing;

use blaze_tests::client::{Call, Client, Reply};
use blaze_tests::server::TestServer;
use serde_json::{Value, json};

/// Each collection is open to one kind of caller.
const RULES: &str = "
    match /own/{uid} { allow read, write: if request.auth.uid == uid; }
    match /mail/{address} { allow read, write: if request.auth.token.email == address; }
    match /verified/{any} { allow read, write: if request.auth.token.email_verified == true; }
    match /from/{provider} { allow read, write: if request.auth.token.provider == provider; }
    match /known/{any} { allow read, write: if request.auth != null; }
";

/// A server under [`RULES`], with an `access.json` of the test's own.
struct World {
    server: TestServer,
    client: Client,
    /// An administrator's API key.
    admin: String,
}

impl World {
    fn start(access: &Value, vars: &[(&str, &str)]) -> Self {
        // Until there are rules it is open: that is how the first key is made.
        let server = TestServer::start_closed(access, &[vars, &[("OPEN", "1")]].concat());
        let client = server.client();
        let key = json!({"name": "tests", "roles": ["admin"]});
        let key = client.post("/v1/keys", &key).send().expect(201).json();
        let admin = key["key"].as_str().expect("a key").to_owned();
        let world = World { server, client, admin };
        let rules = world.client.request("PUT", "/v1/rules").body("text/plain", RULES);
        bearer(rules, &world.admin).send().expect(201);
        world
    }

    fn accounts(access: &Value, vars: &[(&str, &str)]) -> Self {
        Self::start(&json!({ "accounts": access }), vars)
    }

    /// Ends the server as a power cut would, and starts it again.
    fn power_cut(&mut self) {
        self.server.crash();
        self.server.restart();
        self.client = self.server.client();
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.client.post(&format!("/v1/accounts/{path}"), body).send()
    }

    fn session(&self, path: &str, body: &Value) -> Session {
        Session::of(&self.post(path, body).expect(200))
    }

    fn sign_up(&self, email: &str) -> Session {
        self.session("signUp", &credentials(email))
    }

    fn sign_in(&self, email: &str) -> Session {
        self.session("signIn", &credentials(email))
    }

    fn refresh(&self, token: &str) -> Reply {
        self.post("refresh", &json!({ "refreshToken": token }))
    }

    /// The status of writing a document with a token.
    fn write(&self, token: &str, path: &str) -> u16 {
        let call = self.client.put(&format!("/v1/docs/{path}"), &json!({"n": 1}));
        bearer(call, token).send().status
    }

    fn read(&self, token: &str, path: &str) -> Reply {
        bearer(self.client.get(&format!("/v1/docs/{path}")), token).send()
    }

    /// Acts in the audit log, the newest first: who, and what.
    fn audited(&self, act: &str) -> Vec<(String, String)> {
        let log = bearer(self.client.get("/v1/audit"), &self.admin).send().expect(200).json();
        let text = |entry: &Value, name: &str| entry[name].as_str().expect(name).to_owned();
        let entries = log["entries"].as_array().expect("entries").iter();
        let entries = entries.filter(|entry| entry["act"] == act);
        entries.map(|entry| (text(entry, "actor"), text(entry, "what"))).collect()
    }
}

fn bearer<'a>(call: Call<'a>, token: &str) -> Call<'a> {
    call.header("authorization", &format!("Bearer {token}"))
}

const PASSWORD: &str = "correct horse";

fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// What somebody gets who signed in.
#[derive(Debug, PartialEq)]
struct Session {
    uid: String,
    access: String,
    refresh: String,
}

impl Session {
    fn of(reply: &Reply) -> Self {
        // RFC 6749, section 5.1.
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let body = reply.json();
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["accessToken", "expiresIn", "refreshToken", "uid"]);
        assert_eq!(body["expiresIn"], 3_600);
        let text = |name: &str| body[name].as_str().expect(name).to_owned();
        Session { uid: text("uid"), access: text("accessToken"), refresh: text("refreshToken") }
    }
}

/// Asserts that a refresh token, a password or a sign-in is not taken.
fn refused(reply: &Reply) -> String {
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    reply.problem(401, "unauthenticated")
}
