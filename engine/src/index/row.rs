//! A document's row in an index: its epoch, a newline, its resource as JSON. Documents send it just so.

use blaze_schema::document::Document;
use blaze_schema::error::Error;
use blaze_schema::path::DocumentPath;
use blaze_schema::value::Map;

fn broken() -> Error {
    Error::internal("a row of the index cannot be read")
}

/// The row of a resource.
pub fn of(epoch: &str, resource: &str) -> String {
    format!("{epoch}\n{resource}")
}

/// The resource of a row.
pub(crate) fn into_text(mut row: Vec<u8>) -> Result<String, Error> {
    let newline = row.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
    row.drain(..=newline);
    String::from_utf8(row).map_err(|_| broken())
}

/// The path and the data of a resource.
pub(crate) fn read(text: &str) -> Result<(DocumentPath, Map), Error> {
    let document: Document = serde_json::from_str(text).map_err(|_| broken())?;
    let path = DocumentPath::parse(&document.path).map_err(|_| broken())?;
    Ok((path, document.data.unwrap_or_default()))
}

/// A whole row, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) epoch: String,
    pub(crate) version: u64,
    pub(crate) create_time: String,
    pub(crate) update_time: String,
    pub(crate) path: DocumentPath,
    /// `None` for a document that was deleted.
    pub(crate) data: Option<Map>,
    /// The resource as it stands in the row.
    pub(crate) resource: String,
}

impl Parsed {
    /// # Errors
    /// `internal` for what is no row.
    pub(crate) fn parse(row: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(row).map_err(|_| broken())?;
        let (epoch, resource) = text.split_once('\n').ok_or_else(broken)?;
        Parsed::of(epoch, resource)
    }

    /// # Errors
    /// `internal` for what is no resource.
    pub(crate) fn of(epoch: &str, resource: &str) -> Result<Self, Error> {
        let document: Document = serde_json::from_str(resource).map_err(|_| broken())?;
        Ok(Parsed {
            epoch: epoch.to_owned(),
            version: document.version,
            create_time: document.create_time,
            update_time: document.update_time,
            path: DocumentPath::parse(&document.path).map_err(|_| broken())?,
            data: document.data,
            resource: resource.to_owned(),
        })
    }

    /// Whether this state came before another: of an older history, or an earlier version of the same. Epochs are
    /// ULIDs, so their order is that of their making.
    pub(crate) fn is_before(&self, other: &Parsed) -> bool {
        (self.epoch.as_str(), self.version) < (other.epoch.as_str(), other.version)
    }
}

/// Path, version and update time of a resource.
pub(crate) fn identity(text: &str) -> Result<(String, u64, String), Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identity {
        path: String,
        version: u64,
        update_time: String,
    }
    let identity: Identity = serde_json::from_str(text).map_err(|_| broken())?;
    Ok((identity.path, identity.version, identity.update_time))
}
