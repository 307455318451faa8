//! The first administrator's key: made here, known to a server by its hash.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use blaze_identity::auth::ApiKey;
use blaze_rules::auth::ADMIN;
use blaze_schema::timestamp::Timestamp;

/// The variable that tells a server the key's hash.
pub(super) const VARIABLE: &str = "ADMIN_KEY_HASH";

/// File in the data directory that holds the key of a server on this machine.
pub(super) const FILE: &str = "admin-key";

/// File in the data directory that holds the address of a server on this machine.
const ADDRESS: &str = "address";

/// Stores the address of the server whose data is there: its key is for no other.
///
/// # Errors
/// If the file cannot be written.
pub(super) fn remember(data: &Path, url: &str) -> Result<()> {
    let file = data.join(ADDRESS);
    fs::write(&file, format!("{url}\n")).with_context(|| format!("writing {}", file.display()))
}

/// Returns the last address of the server whose data is there.
pub(super) fn address(data: &Path) -> Option<String> {
    let address = fs::read_to_string(data.join(ADDRESS)).ok()?;
    Some(address.trim().to_owned()).filter(|address| !address.is_empty())
}

/// A new key's text.
///
/// # Errors
/// If this machine gives no random bits.
pub(super) fn mint() -> Result<String> {
    let bits = || -> Result<u128> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| anyhow!("random bits: {error}"))?;
        Ok(u128::from_be_bytes(bytes))
    };
    let random = [bits()?, bits()?];
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
    let roles = BTreeSet::from([ADMIN.to_owned()]);
    Ok(ApiKey::mint(random, "first".to_owned(), roles, now, None).1)
}

/// The text by which a server is told of a key.
///
/// # Errors
/// If the text is no key.
pub(super) fn configuration(key: &str) -> Result<String> {
    ApiKey::configuration(key).context("this is no API key")
}

/// The key of the server whose data is there.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn kept(data: &Path) -> Result<String> {
    let file = data.join(FILE);
    let key = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok(key.trim().to_owned())
}

/// The key of the server whose data is there, made if it is missing, or its file empty. Only its owner may read it.
///
/// # Errors
/// If the file cannot be read or written.
pub(super) fn ensure(data: &Path) -> Result<String> {
    let file = data.join(FILE);
    match fs::read_to_string(&file) {
        Ok(key) if !key.trim().is_empty() => {
            let key = key.trim().to_owned();
            configuration(&key).with_context(|| format!("reading {}", file.display()))?;
            return Ok(key);
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("reading {}", file.display()));
        }
        _ => {}
    }
    let key = mint()?;
    write_private(data, &file, &format!("{key}\n"))
        .with_context(|| format!("writing {}", file.display()))?;
    Ok(key)
}

/// Writes a file whole or not at all, in a directory that is made if it is missing.
fn write_private(data: &Path, file: &Path, text: &str) -> io::Result<()> {
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut directory, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    directory.create(data)?;
    let written = file.with_extension(format!("{}.new", std::process::id()));
    // One that a process of the same number left behind when it was killed.
    fs::remove_file(&written).ok();
    let mut new = options.open(&written)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    fs::rename(&written, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let key = ensure(&data).unwrap();
        assert_eq!(ensure(&data).unwrap(), key);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing else is left");
        fs::write(data.join(FILE), "\n").unwrap();
        assert_ne!(ensure(&data).unwrap(), key, "an empty file has none");
        fs::write(data.join(FILE), "x").unwrap();
        let error = format!("{:#}", ensure(&data).unwrap_err());
        assert!(error.contains("admin-key"), "{error}");
    }
}
