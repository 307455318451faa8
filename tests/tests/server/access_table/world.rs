//! The server that is proved, who asks it, and what there is to ask for.

use blaze_tests::client::Client;
use blaze_tests::server::TestServer;
use blaze_tests::socket::{Session, Socket};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The secret by which the tests' issuer signs, and one that is nobody's.
pub(crate) const SECRET: &str = "a secret of these tests, 32 bytes.";
const WRONG_SECRET: &str = "another secret, which nobody has..";
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "blaze";

/// The one text of rules that the table is about.
pub(crate) const RULES: &str = "
match /notes/{id} {
  allow get, list, delete: if request.auth != null && resource.data.owner == request.auth.uid;
  allow create: if request.resource.data.owner == request.auth.uid;
  allow update: if resource.data.owner == request.auth.uid && request.resource.data.owner == request.auth.uid;
}
match /{path=**}/comments/{comment} {
  allow read: if request.auth != null;
  allow write: if hasRole('editor');
}
match /public/{id} {
  allow read: if true;
  allow write: if hasRole('editor');
}
match /deep/{path=**} {
  allow read, write: if hasRole('editor');
}
match /drop/{id} {
  allow write: if request.auth != null;
}
match /roles/{uid} {
  allow read, write: if request.auth.uid == 'alice';
}
";

/// What `access.json` says in these tests.
pub(crate) fn access() -> Value {
    let key = json!({"kid": "k", "algorithm": "HS256", "secret": "TOKEN_SECRET"});
    let issuer = json!({"issuer": ISSUER, "audience": AUDIENCE, "admins": true, "keys": [key]});
    json!({"issuers": [issuer]})
}

/// The secrets that go with it.
pub(crate) const SECRETS: &[(&str, &str)] = &[("TOKEN_SECRET", SECRET)];

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A token with these roles that ends in so many seconds.
pub(crate) fn token(uid: &str, roles: &[&str], ends_in: i64) -> String {
    signed(uid, roles, ends_in, SECRET)
}

fn signed(uid: &str, roles: &[&str], ends_in: i64, secret: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": uid, "roles": roles, "exp": seconds() + ends_in,
        // No two tokens are the same text.
        "jti": COUNT.fetch_add(1, Ordering::Relaxed).to_string(),
    });
    let header = Header { kid: Some("k".to_owned()), ..Header::default() };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// An hour, in seconds.
pub(crate) const LONG: i64 = 3_600;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Who {
    Anonymous,
    Alice,
    Bob,
    /// Of the role `editor` by their token.
    Editor,
    /// Of the role `editor` by the document `roles/greta`.
    Grantee,
    /// A key of the role `admin`.
    Admin,
    /// A key of no role.
    Key,
    /// Somebody whose credential is no good: expired, revoked or forged.
    Nobody,
}

/// Somebody, and what they show.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) who: Who,
    pub(crate) credential: Option<String>,
}

impl Person {
    fn new(name: &'static str, who: Who, credential: impl Into<Option<String>>) -> Self {
        Person { name, who, credential: credential.into() }
    }

    pub(crate) fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// What somebody is told who may not.
    pub(crate) fn refusal(&self) -> (u16, &'static str) {
        match self.who {
            Who::Anonymous | Who::Nobody => (401, "unauthenticated"),
            _ => (403, "permission-denied"),
        }
    }

    /// The code that their sockets are closed with.
    pub(crate) fn close_code(&self) -> u16 {
        4_000 + self.refusal().0
    }
}

/// A server, closed but for its rules, and all who ask it.
pub(crate) struct World {
    pub(crate) server: TestServer,
    /// The administrator.
    pub(crate) admin: Client,
    pub(crate) people: Vec<Person>,
}

impl World {
    /// One with these rules, and variables beside the secrets.
    pub(crate) fn new(rules: &str, vars: &[(&str, &str)]) -> Self {
        let collections = json!({"comments": {"group": true}});
        let vars = [SECRETS, vars].concat();
        let server = TestServer::start_closed_with(&access(), &collections, &vars);
        let first = token("root", &["admin"], LONG);
        let admin = server.client().bearing(Some(&first));
        put_rules(&admin, rules);
        let key = |name: &str, roles: &[&str]| new_key(&admin, name, roles);
        let (root, _) = key("root", &["admin"]);
        let (revoked, id) = key("revoked", &["admin", "editor"]);
        admin.delete(&format!("/v1/keys/{id}")).send().expect(204);
        let forged = signed("alice", &["admin"], LONG, WRONG_SECRET);
        let people = vec![
            Person::new("anonymous", Who::Anonymous, None),
            Person::new("alice", Who::Alice, token("alice", &[], LONG)),
            Person::new("bob", Who::Bob, token("bob", &["reader"], LONG)),
            Person::new("editor", Who::Editor, token("erin", &["editor"], LONG)),
            Person::new("grantee", Who::Grantee, token("greta", &[], LONG)),
            Person::new("admin", Who::Admin, root.clone()),
            Person::new("key", Who::Key, key("none", &[]).0),
            Person::new("expired alice", Who::Nobody, token("alice", &["admin"], -1)),
            Person::new("forged alice", Who::Nobody, forged),
            Person::new("revoked key", Who::Nobody, revoked),
        ];
        let admin = server.client().bearing(Some(&root));
        admin.put("/v1/docs/roles/greta", &json!({"roles": ["editor"]})).send().expect(201);
        World { server, admin, people }
    }

    pub(crate) fn client(&self, person: &Person) -> Client {
        self.admin.bearing(person.credential())
    }

    pub(crate) fn socket(&self, person: &Person, path: &str) -> Socket {
        Socket::open_as(&self.server.url(), &format!("/v1/docs/{path}"), person.credential())
    }

    pub(crate) fn session(&self, person: &Person) -> Session {
        Session::open_as(&self.server.url(), person.credential())
    }

    /// The one of this name.
    pub(crate) fn person(&self, name: &str) -> &Person {
        self.people.iter().find(|person| person.name == name).unwrap()
    }
}

/// The server of the tests that leave its rules and keys as they are.
pub(crate) fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(|| World::new(RULES, &[]));
    &WORLD
}

/// Puts rules in force.
pub(crate) fn put_rules(admin: &Client, rules: &str) {
    let reply = admin.request("PUT", "/v1/rules").body("text/plain", rules).send();
    assert!(reply.status < 300, "{}", reply.text());
}

/// A new API key: its text, and its id.
pub(crate) fn new_key(admin: &Client, name: &str, roles: &[&str]) -> (String, String) {
    let body = json!({"name": name, "roles": roles});
    let made = admin.post("/v1/keys", &body).send().expect(201).json();
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

/// Where documents are, for which the rules say different things.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// Their owner's.
    Notes,
    /// In a subcollection: everybody's who is known, to read.
    Comments,
    /// Everybody's, to read.
    Public,
    /// Below a `{path=**}`.
    Deep,
    /// Written by those who may not read.
    Drop,
    /// Of which no rule says anything.
    Secret,
    /// What grants roles.
    Roles,
}

pub(crate) const PLACES: [Place; 7] = [
    Place::Notes,
    Place::Comments,
    Place::Public,
    Place::Deep,
    Place::Drop,
    Place::Secret,
    Place::Roles,
];

impl Place {
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Place::Notes => "notes",
            Place::Comments => "notes/n/comments",
            Place::Public => "public",
            Place::Deep => "deep/a/b",
            Place::Drop => "drop",
            Place::Secret => "secret",
            Place::Roles => "roles",
        }
    }

    /// The path of a document that there is not: the paths of all have the same length.
    pub(crate) fn fresh(self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("{}/d{:06}", self.collection(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// The path of a document of alice's.
    pub(crate) fn existing(self, admin: &Client) -> String {
        let path = self.fresh();
        admin.put(&format!("/v1/docs/{path}"), &data(1)).send().expect(201);
        path
    }
}

/// The data of every document of the table.
pub(crate) fn data(n: i64) -> Value {
    json!({"owner": "alice", "n": n, "marker": "shibboleth"})
}
