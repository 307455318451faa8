//! The data that a document's socket keeps while its object hibernates: its identity, and whether it listens.
//!
//! Lines of text: `on` or `waiting`, the listener, `version epoch`, its identity as JSON, its address, and the
//! document's path, which may have line breaks in it.

use blaze_rules::auth::Auth;
use blaze_schema::error::{Code, Error};
use blaze_schema::path::DocumentPath;
use std::rc::Rc;

/// A socket's attachment.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) path: DocumentPath,
    /// The listener that the socket is; `None` if it was not admitted yet.
    pub(crate) listener: Option<String>,
    /// For a socket that waits, the version and epoch that the client had when it came. For one that listens to a
    /// document that was never written, version 0 of the epoch that the document will have.
    pub(crate) since: Option<(u64, String)>,
    pub(crate) auth: Option<Rc<Auth>>,
    /// The address that the socket comes from, by which its messages are counted; empty if they are not counted.
    pub(crate) address: String,
}

impl Attachment {
    pub(crate) fn to_text(&self) -> String {
        let kind = if self.listener.is_some() { "on" } else { "waiting" };
        let listener = self.listener.as_deref().unwrap_or_default();
        let since = self.since.as_ref();
        let since = since.map(|(version, epoch)| format!("{version} {}", epoch.replace('\n', "")));
        let auth = self.auth.as_deref().and_then(|auth| serde_json::to_string(auth).ok());
        let (since, auth) = (since.unwrap_or_default(), auth.unwrap_or_default());
        let address = self.address.replace('\n', "");
        format!("{kind}\n{listener}\n{since}\n{auth}\n{address}\n{}", self.path)
    }

    /// Reads an attachment; `None` for a socket that is to be forgotten.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Error> {
        let broken = || Error::new(Code::Internal, "a socket's attachment cannot be read");
        let mut parts = text.splitn(6, '\n');
        let mut part = || parts.next().unwrap_or_default();
        let (kind, listener, since, auth) = (part(), part(), part(), part());
        let (address, path) = (part().to_owned(), part());
        if kind == "gone" {
            return Ok(None);
        }
        let since = since
            .split_once(' ')
            .and_then(|(version, epoch)| Some((version.parse().ok()?, epoch.to_owned())));
        let auth = match auth {
            "" => None,
            auth => Some(Rc::new(serde_json::from_str(auth).map_err(|_| broken())?)),
        };
        let listener = (kind == "on").then(|| listener.to_owned());
        Ok(Some(Attachment { path: DocumentPath::parse(path)?, listener, since, auth, address }))
    }
}
