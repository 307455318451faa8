//! Who looks at the page: the ways to sign in, who is signed in, and the panel where that is done.

use super::auth::Auth;
use super::fetch::get;
use super::toasts::Toasts;
use crate::model::access::{User, Viewer};
use crate::model::sign_in::{Intent, Problem, provider_refused, refused};
use crate::model::ways::Ways;
use blaze_client::Blaze;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

/// Which ways there are to sign in.
const WAYS: &str = "/v1/accounts";
/// How long after a failure that is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// The account of who looks at the page.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    auth: StoredValue<Auth, LocalStorage>,
    toasts: Toasts,
    /// The ways to sign in, as soon as they are known.
    pub(crate) ways: RwSignal<Option<Ways>>,
    user: RwSignal<Option<User>>,
    /// Who looks at the page, as soon as that is known.
    pub(crate) viewer: Memo<Option<Viewer>>,
    /// Whether the panel is open.
    pub(crate) is_panel_open: RwSignal<bool>,
    /// Whether whoever is signed in wants to be no more.
    is_leaving: StoredValue<bool>,
}

impl Account {
    /// Goes on with the session that was kept, and with the sign-in that a provider sends the browser back from.
    pub(crate) fn open(db: &Blaze, origin: &str, toasts: Toasts) -> Self {
        let (ways, user) = (RwSignal::new(None::<Ways>), RwSignal::new(None));
        let account = Account {
            auth: StoredValue::new_local(Auth::new(db, origin)),
            toasts,
            ways,
            user,
            viewer: Memo::new(move |_| ways.with(|ways| Some(ways.as_ref()?.viewer(user.get())))),
            is_panel_open: RwSignal::new(false),
            is_leaving: StoredValue::new(false),
        };
        account.auth.with_value(|auth| auth.on_change(move |user| account.follow(user)));
        account.ask();
        account.complete();
        account
    }

    fn follow(self, user: Option<User>) {
        let was_leaving = self.is_leaving.try_update_value(std::mem::take).unwrap_or_default();
        if user.is_none() && self.user.with_untracked(Option::is_some) && !was_leaving {
            self.toasts.error("You are signed out.".to_owned());
        }
        if user.is_some() {
            self.is_panel_open.set(false);
        }
        self.user.set(user);
    }

    /// Asks which ways there are to sign in, until the server says.
    fn ask(self) {
        spawn_local(async move {
            match get(WAYS).await {
                Some((status, answer)) if status < 500 => {
                    self.ways.try_set(Some(Ways::read(&answer)));
                }
                _ => set_timeout(move || self.ask(), PAUSE),
            }
        });
    }

    /// Ends the sign-in that a provider sent the browser back from, if one did.
    fn complete(self) {
        let completed = self.auth.with_value(Auth::complete);
        spawn_local(async move {
            if let Err(error) = completed.await {
                self.toasts.error(format!("You are not signed in. {}", error.detail));
            }
        });
    }

    /// Signs in, or makes an account.
    ///
    /// # Errors
    /// The server's reason to refuse it.
    pub(crate) fn enter(
        self,
        intent: Intent,
        email: String,
        password: String,
    ) -> impl Future<Output = Result<(), Problem>> + use<> {
        let answer = self.auth.with_value(|auth| auth.enter(intent, email, password));
        async move { answer.await.map_err(|error| refused(intent, &error)) }
    }

    /// Leaves the page to sign in with a provider.
    ///
    /// # Errors
    /// The server's reason to refuse it.
    pub(crate) fn enter_with(
        self,
        provider: String,
    ) -> impl Future<Output = Result<(), Problem>> + use<> {
        let answer = self.auth.with_value(|auth| auth.enter_with(provider));
        async move { answer.await.map_err(|error| provider_refused(&error)) }
    }

    /// Signs out.
    pub(crate) fn leave(self) {
        self.is_leaving.set_value(true);
        self.auth.with_value(Auth::leave);
    }

    /// Who is signed in.
    pub(crate) fn user(self) -> Option<User> {
        self.user.get()
    }
}
