//! The client's accounts: those of its npm package, which the server serves beside the page.

use crate::model::access::User;
use crate::model::sign_in::Intent;
use blaze_client::{Blaze, Code, Error, TokenSource};
use js_sys::{Function, Promise, Reflect};
use leptos::task::spawn_local;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(raw_module = "/client/auth.js")]
extern "C" {
    #[wasm_bindgen(js_name = Auth)]
    #[derive(Clone)]
    type Accounts;
    #[wasm_bindgen(constructor, js_class = "Auth")]
    fn new(url: &str, persistence: &str, set_token: &Function) -> Accounts;
    #[wasm_bindgen(method)]
    fn resume(this: &Accounts);
    #[wasm_bindgen(method, js_name = onAuthStateChanged)]
    fn on_change(this: &Accounts, callback: &Function) -> Function;
    #[wasm_bindgen(method, catch, js_name = signUp)]
    async fn sign_up(this: &Accounts, email: &str, password: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = signIn)]
    async fn sign_in(this: &Accounts, email: &str, password: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = signOut)]
    async fn sign_out(this: &Accounts) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = signInWithRedirect)]
    async fn sign_in_with(this: &Accounts, provider: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = completeSignIn)]
    async fn complete(this: &Accounts) -> Result<JsValue, JsValue>;
}

/// Who may be signed in to a database's server. It lives as long as the page.
#[derive(Clone)]
pub(crate) struct Auth(Accounts);

impl Auth {
    /// The accounts of the server at `origin`; whoever is signed in is whom `db` asks as.
    pub(crate) fn new(db: &Blaze, origin: &str) -> Self {
        let db = db.clone();
        let set_token = move |ask: Option<Function>| {
            let source = ask.map_or(TokenSource::Nobody, |ask| {
                let ask = Rc::new(ask);
                TokenSource::asked(move |fresh| token(Rc::clone(&ask), fresh))
            });
            // What gives tokens is no token with a wrong character.
            let _ = db.set_token(source);
        };
        let set_token = Closure::<dyn Fn(Option<Function>)>::new(set_token).into_js_value();
        let accounts = Accounts::new(origin, "local", set_token.unchecked_ref());
        accounts.resume();
        Auth(accounts)
    }

    /// Calls back with who is signed in, soon, and whenever that is somebody else.
    pub(crate) fn on_change(&self, callback: impl Fn(Option<User>) + 'static) {
        let callback = move |user: JsValue| callback(read_user(&user));
        let callback = Closure::<dyn Fn(JsValue)>::new(callback).into_js_value();
        self.0.on_change(callback.unchecked_ref());
    }

    /// Signs in, or makes an account.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn enter(
        &self,
        intent: Intent,
        email: String,
        password: String,
    ) -> impl Future<Output = Result<(), Error>> + use<> {
        let accounts = self.0.clone();
        async move {
            let answer = match intent {
                Intent::SignIn => accounts.sign_in(&email, &password).await,
                Intent::SignUp => accounts.sign_up(&email, &password).await,
            };
            answer.map(drop).map_err(|thrown| read_error(&thrown))
        }
    }

    /// Leaves the page to sign in with a provider.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn enter_with(
        &self,
        provider: String,
    ) -> impl Future<Output = Result<(), Error>> + use<> {
        let accounts = self.0.clone();
        async move {
            accounts.sign_in_with(&provider).await.map(drop).map_err(|thrown| read_error(&thrown))
        }
    }

    /// Ends the sign-in that a provider sent the browser back from, if one did.
    ///
    /// # Errors
    /// The provider's or the server's.
    pub(crate) fn complete(&self) -> impl Future<Output = Result<(), Error>> + use<> {
        let accounts = self.0.clone();
        async move { accounts.complete().await.map(drop).map_err(|thrown| read_error(&thrown)) }
    }

    /// Signs out, whether the server hears of it or not.
    pub(crate) fn leave(&self) {
        let accounts = self.0.clone();
        spawn_local(async move { drop(accounts.sign_out().await) });
    }
}

/// Asks for a token.
async fn token(ask: Rc<Function>, fresh: bool) -> Result<Option<String>, Error> {
    let given = ask.call1(&JsValue::NULL, &fresh.into()).map(Promise::from);
    let given = match given {
        Ok(given) => JsFuture::from(given).await,
        Err(thrown) => Err(thrown),
    };
    given.map(|token| token.as_string()).map_err(|thrown| read_error(&thrown))
}

fn text(value: &JsValue, key: &str) -> Option<String> {
    Reflect::get(value, &key.into()).ok()?.as_string()
}

fn read_user(user: &JsValue) -> Option<User> {
    if !user.is_object() {
        return None;
    }
    Some(User { uid: text(user, "uid")?, email: text(user, "email") })
}

/// A `BlazeError`, or whatever else was thrown.
fn read_error(thrown: &JsValue) -> Error {
    let code = text(thrown, "code").and_then(|code| Code::parse(&code));
    let detail = text(thrown, "message").unwrap_or_else(|| format!("{thrown:?}"));
    Error::new(code.unwrap_or(Code::Unavailable), detail)
}
