//! What every component shares: the database, the list of countries, and where the page is.

use super::address;
use crate::model::countries::{self, Country};
use crate::model::route::Place;
use crate::model::wish::Wish;
use blaze_client::{
    Blaze, CollectionReference, ConnectOptions, ConnectionState, DocumentReference, Error,
};
use leptos::prelude::*;

/// The document that lists the countries.
const INDEX: &str = "atlas/index";
/// Where the countries are.
const COUNTRIES: &str = "countries";

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
    /// The languages that are spoken there, as far as they are known.
    pub(crate) languages: RwSignal<Vec<String>>,
    /// Where the page is: what the address says.
    place: RwSignal<Place>,
    /// The path of the document that is open.
    pub(crate) path: Memo<Option<String>>,
    /// Whether the table is on show.
    pub(crate) is_table: Memo<bool>,
    /// What the table shows, or showed when it was left.
    pub(crate) wish: Memo<Wish>,
}

impl Atlas {
    /// Connects to the server that served the page, and follows the list and the address for as long as the current
    /// owner lives.
    ///
    /// # Errors
    /// When the page's address is none that a database can be at.
    pub(crate) fn connect() -> Result<Self, Error> {
        let db = Blaze::connect(&origin(), ConnectOptions::default())?;
        let place = RwSignal::new(current_place());
        let wish = move |before: Option<&Wish>| {
            place.with(|place| place.wish().or(before).cloned().unwrap_or_default())
        };
        let atlas = Atlas {
            db: StoredValue::new_local(db.clone()),
            connection: RwSignal::new(ConnectionState::Connecting),
            countries: RwSignal::new(Countries::Loading),
            languages: RwSignal::default(),
            place,
            path: Memo::new(move |_| place.with(|place| place.document().map(str::to_owned))),
            is_table: Memo::new(move |_| place.with(|place| place.wish().is_some())),
            wish: Memo::new(wish),
        };
        let subscriptions = (
            db.on_connection(move |state| atlas.connection.set(state)),
            db.doc(INDEX)?.on_update(
                move |index| {
                    let languages = index.data().map(countries::languages);
                    atlas.languages.set(languages.unwrap_or_default());
                    atlas.countries.set(match index.data() {
                        Some(data) => Countries::Loaded(countries::read(data)),
                        None => Countries::Missing,
                    });
                },
                move |error| atlas.countries.set(Countries::Refused(error.detail)),
            ),
        );
        on_cleanup(move || drop(subscriptions));
        address::follow(move || place.set(current_place()));
        Ok(atlas)
    }

    /// Does something with the database.
    pub(crate) fn with_db<T>(self, work: impl FnOnce(&Blaze) -> T) -> T {
        self.db.with_value(work)
    }

    /// The document at `path`.
    ///
    /// # Errors
    /// When `path` names no document.
    pub(crate) fn doc(self, path: &str) -> Result<DocumentReference, Error> {
        self.db.with_value(|db| db.doc(path))
    }

    /// The countries' collection.
    ///
    /// # Errors
    /// Never: its path is one.
    pub(crate) fn collection(self) -> Result<CollectionReference, Error> {
        self.db.with_value(|db| db.collection(COUNTRIES))
    }

    /// Opens the document at `path`, under an address that can be shared, reloaded and gone back from.
    pub(crate) fn open(self, path: &str) {
        address::go(&untrack(|| self.address_at(Some(path))));
        self.place.set(current_place());
    }

    /// The address where the document at `path` is open, or none: the table stays if it is on show.
    pub(crate) fn address_at(self, path: Option<&str>) -> String {
        self.place.with(|place| place.at(path).address())
    }

    /// The address of the table, as it is or was.
    pub(crate) fn table_address(self) -> String {
        Place::Table { wish: self.wish.get(), open: None }.address()
    }

    /// Has the table show something else. To go back leads to where the page was before the table, not to every key
    /// that was typed.
    pub(crate) fn ask(self, wish: Wish) {
        let open = self.path.get_untracked();
        let place = Place::Table { wish, open };
        if self.place.with_untracked(|before| *before == place) {
            return;
        }
        address::replace(&place.address());
        self.place.set(place);
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

/// The place that the address names, which becomes the one that the place has: earlier versions had others.
fn current_place() -> Place {
    let [path, query, fragment] = address::parts();
    let place = Place::of(&path, &query, &fragment);
    if !fragment.is_empty() {
        address::replace(&place.address());
    }
    place
}
