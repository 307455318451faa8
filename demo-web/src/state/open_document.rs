//! The document that is open: what the server says of it, and what this page writes to it.

use super::account::Account;
use super::atlas::Atlas;
use super::toasts::Toasts;
use crate::model::access::{self, Access, OWNER, OWNER_NAME, Viewer};
use crate::model::changes::Changes;
use crate::model::field::field_path;
use crate::model::log::Log;
use crate::model::view::View;
use blaze_client::{
    DocumentReference, DocumentSnapshot, Error, ListenOptions, WriteResult, delete_field,
};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

/// A document that is followed for as long as the owner that opened it lives.
#[derive(Clone, Copy)]
pub(crate) struct OpenDocument {
    reference: StoredValue<DocumentReference, LocalStorage>,
    toasts: Toasts,
    account: Account,
    /// Its state.
    pub(crate) view: RwSignal<View>,
    /// What who looks at it may do to it.
    pub(crate) access: Memo<Access>,
    /// Which of its fields others changed.
    pub(crate) changes: RwSignal<Changes>,
    /// What the server sent.
    pub(crate) log: RwSignal<Log>,
    /// Why the server does not send any more, if it does not.
    pub(crate) refused: RwSignal<Option<String>>,
}

impl OpenDocument {
    /// Opens the document at `path`.
    ///
    /// # Errors
    /// When `path` names no document.
    pub(crate) fn open(
        atlas: Atlas,
        account: Account,
        toasts: Toasts,
        path: &str,
    ) -> Result<Self, Error> {
        let reference = atlas.doc(path)?;
        let view = RwSignal::<View>::default();
        let path = path.to_owned();
        let access = Memo::new(move |_| {
            account
                .viewer
                .with(|viewer| view.with(|view| Access::of(viewer.as_ref(), &path, &view.data)))
        });
        let document = OpenDocument {
            reference: StoredValue::new_local(reference.clone()),
            toasts,
            account,
            view,
            access,
            changes: RwSignal::default(),
            log: RwSignal::default(),
            refused: RwSignal::default(),
        };
        let subscriptions = (
            reference.on_message(move |message| {
                document.log.update(|log| log.push(time_of_day(), message));
            }),
            reference.on_update_with(
                ListenOptions { include_metadata_changes: true },
                move |snapshot| document.follow(&snapshot),
                move |error| document.refused.set(Some(error.detail)),
            ),
        );
        on_cleanup(move || drop(subscriptions));
        Ok(document)
    }

    fn follow(self, snapshot: &DocumentSnapshot) {
        let new = snapshot.data().cloned().unwrap_or_default();
        let old = self.view.with_untracked(|view| view.exists.then(|| view.data.clone()));
        self.changes.update(|changes| changes.observe(old.as_ref(), &new, snapshot.version()));
        self.refused.set(None);
        self.view.update(|view| {
            view.follow(snapshot.version(), snapshot.has_pending_writes(), snapshot.data());
        });
    }

    /// Writes one top-level field: a value or a transform.
    ///
    /// # Errors
    /// The server's reason to refuse it.
    pub(crate) fn write_field(
        self,
        name: &str,
        value: Value,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let reference = self.reference.get_value();
        self.changes.update(|changes| changes.begin(name));
        let name = name.to_owned();
        let answer = reference.update(json!({ field_path(&name): value }));
        async move {
            let written = answer.await;
            // Another document may have been opened meanwhile.
            let version = written.as_ref().ok().map(|written| written.version);
            self.changes.try_update(|changes| changes.end(&name, version));
            written.map(|_| ()).map_err(|error| error.detail)
        }
    }

    /// Removes a field, with a way back.
    pub(crate) fn remove_field(self, name: String) {
        let reference = self.reference.get_value();
        let Some(value) = self.view.with_untracked(|view| view.data.get(&name).cloned()) else {
            return;
        };
        let toasts = self.toasts;
        let path = field_path(&name);
        let removed = reference.update(json!({ path.as_str(): delete_field() }));
        spawn_local(async move {
            if let Err(error) = removed.await {
                return toasts.error(format!("{name} was not removed. {}", error.detail));
            }
            let undo = move || {
                let (path, value) = (path.clone(), value.clone());
                report(
                    toasts,
                    "The field was not restored.",
                    reference.update(json!({ path: value })),
                );
            };
            toasts.done(format!("{name} was removed."), undo);
        });
    }

    /// Makes the country that of whoever is signed in.
    pub(crate) fn claim(self) {
        let Some(Viewer::User(user)) = self.account.viewer.get_untracked() else { return };
        let claimed = self.reference.with_value(|reference| reference.update(access::claim(&user)));
        report(self.toasts, "The country was not claimed.", claimed);
    }

    /// Makes the country nobody's.
    pub(crate) fn give_up(self) {
        let nobody = json!({OWNER: delete_field(), OWNER_NAME: delete_field()});
        let given_up = self.reference.with_value(|reference| reference.update(nobody));
        report(self.toasts, "The country was not given up.", given_up);
    }

    /// Deletes the document.
    pub(crate) fn delete(self) {
        let deleted = self.reference.with_value(DocumentReference::delete);
        report(self.toasts, "The document was not deleted.", deleted);
    }

    /// Creates the document with the fields that it last had.
    pub(crate) fn create(self) {
        let data = Value::Object(self.view.with_untracked(|view| view.last.clone()));
        let created = self.reference.with_value(|reference| reference.set(data));
        report(self.toasts, "The document was not created.", created);
    }

    /// Tells of an error that no field is left to show.
    pub(crate) fn report(self, detail: String) {
        self.toasts.error(detail);
    }
}

/// Waits for the answer to a write, and tells if it is refused.
fn report(
    toasts: Toasts,
    failure: &'static str,
    answer: impl Future<Output = Result<WriteResult, Error>> + 'static,
) {
    spawn_local(async move {
        if let Err(error) = answer.await {
            toasts.error(format!("{failure} {}", error.detail));
        }
    });
}

fn time_of_day() -> String {
    let now = js_sys::Date::new_0();
    format!("{:02}:{:02}:{:02}", now.get_hours(), now.get_minutes(), now.get_seconds())
}
