//! Which ways there are to sign in.

use super::access::{User, Viewer};
use serde_json::Value;

/// What `GET /v1/accounts` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    /// With an email address and a password.
    pub(crate) passwords: bool,
    /// By making an account.
    pub(crate) sign_up: bool,
    /// With the account of a provider; their names.
    pub(crate) providers: Vec<String>,
}

impl Ways {
    /// The ways that the server's answer says. A server that answers something else has none.
    pub(crate) fn read(answer: &str) -> Self {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        let is = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or_default();
        let providers = answer.get("providers").and_then(Value::as_array).into_iter().flatten();
        Ways {
            passwords: is("passwords"),
            sign_up: is("passwords") && is("signUp"),
            providers: providers.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.passwords || !self.providers.is_empty()
    }

    /// Who looks at the page, where `user` is signed in.
    pub(crate) fn viewer(&self, user: Option<User>) -> Viewer {
        match user {
            // Of a server that had accounts before.
            _ if !self.any() => Viewer::Anybody,
            None => Viewer::Guest,
            Some(user) => Viewer::User(user),
        }
    }
}

/// A provider as its button names it: `google` is "Google".
pub(crate) fn provider_label(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_which_ways_there_are() {
        let all = Ways::read(r#"{"passwords":true,"signUp":true,"providers":["github","google"]}"#);
        assert!(all.passwords && all.sign_up && all.any());
        assert_eq!(all.providers, ["github", "google"]);
        let closed = Ways::read(r#"{"passwords":true,"signUp":false,"providers":[]}"#);
        assert!(closed.passwords && !closed.sign_up && closed.any());
        // An account with a provider is made by signing in.
        let provider = Ways::read(r#"{"passwords":false,"signUp":true,"providers":["google"]}"#);
        assert!(!provider.passwords && !provider.sign_up && provider.any());
    }

    #[test]
    fn without_a_way_everybody_is_anybody() {
        let user = || User { uid: "a".to_owned(), email: None };
        let off = r#"{"passwords":false,"signUp":false,"providers":[]}"#;
        for answer in [off, "", "<html>", "[]", r#"{"code":"not-found"}"#, r#"{"providers":"x"}"#] {
            let ways = Ways::read(answer);
            assert!(!ways.any(), "{answer}");
            assert_eq!(ways.viewer(None), Viewer::Anybody);
            assert_eq!(ways.viewer(Some(user())), Viewer::Anybody);
        }
        let on = Ways { passwords: true, ..Ways::default() };
        assert_eq!(on.viewer(None), Viewer::Guest);
        assert_eq!(on.viewer(Some(user())), Viewer::User(user()));
    }

    #[test]
    fn a_provider_has_a_name_for_people() {
        assert_eq!(["google", "élan", ""].map(provider_label), ["Google", "Élan", ""]);
    }
}
