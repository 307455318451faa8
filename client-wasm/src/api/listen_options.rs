//! Options that documents and queries share.

/// Options of listening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// Also tells of changes of metadata alone: the version, and whether writes are pending.
    pub include_metadata_changes: bool,
}
