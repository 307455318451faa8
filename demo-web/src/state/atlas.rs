//! What every component shares: the database, the list of countries, and which document is open.

use crate::model::countries::{self, Country};
use crate::model::route;
use blaze_client::{Blaze, ConnectOptions, ConnectionState, DocumentReference, Error};
use leptos::ev;
use leptos::prelude::*;

/// The document that lists the countries.
const INDEX: &str = "atlas/index";

/// The list of countries, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Countries {
    /// The server has not answered yet.
    Loading,
    /// No atlas was loaded into this database.
    Missing,
    /// The countries, by name.
    Loaded(Vec<Country>),
    /// The list cannot be read, and why.
    Refused(String),
}

/// The page's state.
#[derive(Clone, Copy)]
pub(crate) struct Atlas {
    db: StoredValue<Blaze, LocalStorage>,
    /// How the connection is.
    pub(crate) connection: RwSignal<ConnectionState>,
    /// The list of countries.
    pub(crate) countries: RwSignal<Countries>,
    /// The path of the document that is open: what the address says.
    pub(crate) path: RwSignal<Option<String>>,
}

impl Atlas {
    /// Connects to the server that served the page, and follows the list and the address for as long as the current
    /// owner lives.
    ///
    /// # Errors
    /// When the page's address is none that a database can be at.
    pub(crate) fn connect() -> Result<Self, Error> {
        let db = Blaze::connect(&origin(), ConnectOptions::default())?;
        let atlas = Atlas {
            db: StoredValue::new_local(db.clone()),
            connection: RwSignal::new(ConnectionState::Connecting),
            countries: RwSignal::new(Countries::Loading),
            path: RwSignal::new(current_path()),
        };
        let subscriptions = (
            db.on_connection(move |state| atlas.connection.set(state)),
            db.doc(INDEX)?.on_update(
                move |index| {
                    atlas.countries.set(match index.data() {
                        Some(data) => Countries::Loaded(countries::read(data)),
                        None => Countries::Missing,
                    });
                },
                move |error| atlas.countries.set(Countries::Refused(error.detail)),
            ),
        );
        StoredValue::new_local(subscriptions);
        let hash = window_event_listener(ev::hashchange, move |_| atlas.path.set(current_path()));
        on_cleanup(move || hash.remove());
        Ok(atlas)
    }

    /// The document at `path`.
    ///
    /// # Errors
    /// When `path` names no document.
    pub(crate) fn doc(self, path: &str) -> Result<DocumentReference, Error> {
        self.db.with_value(|db| db.doc(path))
    }

    /// Opens the document at `path` by way of the address, so that it can be shared, reloaded and gone back from.
    pub(crate) fn open(self, path: &str) {
        // Only a detached window refuses, and there is nobody to tell then.
        let _ = location().set_hash(&route::hash_of(path));
    }

    /// The countries, none while they are not known.
    pub(crate) fn known_countries(self) -> Vec<Country> {
        self.countries.with(|countries| match countries {
            Countries::Loaded(countries) => countries.clone(),
            _ => Vec::new(),
        })
    }
}

/// Where the page came from, and the database is.
pub(crate) fn origin() -> String {
    location().origin().unwrap_or_default()
}

fn current_path() -> Option<String> {
    route::path_of(&location().hash().unwrap_or_default())
}
