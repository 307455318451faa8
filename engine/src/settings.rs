//! `access.json`: whose tokens are trusted, accounts, rates. Parsed once, as a whole.

use crate::rate::Rates;
use blaze_identity::accounts::settings::Settings as Accounts;
use blaze_identity::auth::Issuers;
use blaze_schema::error::Error;
use blaze_schema::settings::{self, Field, Kind, Setting};

/// The settings of `access.json`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The issuers whose tokens are trusted.
    pub issuers: Issuers,
    /// Accounts; `None` turns them off.
    pub accounts: Option<Accounts>,
    /// The rates of requests.
    pub rates: Rates,
}

impl Settings {
    /// The description of the file.
    pub const KIND: Kind = Kind::Object(&[
        Field::or("issuers", Issuers::KIND, "[]"),
        Field::optional("accounts", Accounts::KIND),
        Field::or("rates", Rates::KIND, "{}"),
    ]);

    /// Parses `access.json`.
    ///
    /// # Errors
    /// `invalid-argument` naming the place, such as `access.json: rates.address.seconds: …`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let value = settings::parse("access.json", text)?;
        let file = Setting::new("access.json", &value, Settings::KIND);
        let parts = file.object()?;
        Ok(Settings {
            issuers: Issuers::read(&parts.get("issuers")?)?,
            accounts: parts.find("accounts")?.as_ref().map(Accounts::read).transpose()?,
            rates: Rates::read(&parts.get("rates")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_off() {
        let settings = Settings::parse("{}").unwrap();
        assert!(settings.issuers.jwks().next().is_none());
        assert_eq!((settings.accounts, settings.rates), (None, Rates::default()));
        let settings = Settings::parse(r#"{"accounts":{}}"#).unwrap();
        assert_eq!(settings.accounts, Some(Accounts::default()));
    }

    #[test]
    fn mistakes_of_every_part_are_named_with_their_place() {
        for (text, detail) in [
            ("", "access.json: not JSON: "),
            ("[]", "access.json: an array, not an object"),
            (r#"{"rate":{}}"#, "access.json: rate: unknown key; known: issuers, accounts, rates"),
            (r#"{"issuers":[{}]}"#, "access.json: issuers[0].issuer: missing"),
            (r#"{"accounts":null}"#, "access.json: accounts: null, not an object"),
            (r#"{"rates":{"address":{}}}"#, "access.json: rates.address.requests: missing"),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.detail.starts_with(detail), "{text}: {error}");
        }
    }
}
