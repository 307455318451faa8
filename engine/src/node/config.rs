//! The configuration of a server: two files, and variables and secrets by their names (docs/configuration.md).

use crate::index::settings::Collections;
use crate::settings::Settings;
use blaze_identity::auth::ApiKey;
use blaze_schema::error::Error;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `collections.json`.
    pub collections: Rc<Collections>,
    /// `access.json`.
    pub settings: Rc<Settings>,
    /// True if everything is allowed as long as there are no rules (`OPEN`).
    pub is_open: bool,
    /// The origins whose pages may call (`CORS_ORIGINS`).
    pub origins: String,
    /// The first administrator's key, which makes the others (`ADMIN_KEY_HASH`).
    pub first_key: Option<ApiKey>,
    /// The header in which a proxy says a client's address (`ADDRESS_HEADER`).
    pub address_header: Option<String>,
    /// True if answers say how many rows they cost (`COUNT_ROWS`).
    pub counts_rows: bool,
    /// The secrets that the settings name, as far as there are such.
    pub secrets: BTreeMap<String, String>,
}

impl Config {
    /// Reads the configuration. `variable` gives variables and secrets.
    ///
    /// # Errors
    /// `internal`, naming the file or the variable and the place: no request is at fault.
    pub fn read(
        collections: &str,
        access: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let internal = |error: Error| Error::internal(error.detail);
        let collections = Rc::new(Collections::parse(collections).map_err(internal)?);
        let settings = Rc::new(Settings::parse(access).map_err(internal)?);
        let wrong = || Error::internal("ADMIN_KEY_HASH: not what `blaze key mint` prints");
        let first_key = variable("ADMIN_KEY_HASH")
            .map(|text| ApiKey::configured(&text).ok_or_else(wrong))
            .transpose()?;
        let is_set = |name: &str| variable(name).as_deref() == Some("1");
        let accounts = settings.accounts.as_ref();
        let names =
            settings.issuers.secrets().chain(accounts.into_iter().flat_map(|one| one.secrets()));
        let secrets = names.filter_map(|name| Some((name.to_owned(), variable(name)?))).collect();
        Ok(Config {
            collections,
            is_open: is_set("OPEN"),
            origins: variable("CORS_ORIGINS").unwrap_or_default(),
            first_key,
            address_header: variable("ADDRESS_HEADER").filter(|header| !header.is_empty()),
            counts_rows: is_set("COUNT_ROWS"),
            secrets,
            settings,
        })
    }
}
