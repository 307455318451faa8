//! Which index objects there are for a document and for a query, and what they are called.
//!
//! `c/<shard>/<collection path>` is a shard of a collection's index, `g/<shard>/<collection id>` one of a group's.

use super::settings::{Collections, Settings};
use blaze_schema::error::{Code, Error};
use blaze_schema::hash::hash;
use blaze_schema::path::{CollectionPath, DocumentPath};
use blaze_schema::query::Source;

/// The names of the index objects that a document's changes go to.
pub fn of_document(path: &DocumentPath, collections: &Collections) -> Vec<String> {
    let collection = path.collection();
    let settings = collections.of(collection.id());
    let mut names = vec![format!("c/{}/{collection}", of_few(path.id(), settings.shards))];
    if settings.group {
        names.push(format!("g/{}/{}", of_few(path.as_str(), settings.shards), collection.id()));
    }
    names
}

/// The names of the index objects that answer for a source together.
///
/// # Errors
/// `failed-precondition` for a group that is not declared.
pub fn of_source(source: &Source, collections: &Collections) -> Result<Vec<String>, Error> {
    let (kind, name, settings) = match source {
        Source::Collection(path) => ("c", path.as_str(), collections.of(path.id())),
        Source::Group(id) => ("g", id.as_str(), collections.of(id)),
    };
    if kind == "g" && !settings.group {
        let detail = format!(
            "from: the collections {name:?} have no index together; declare it in collections.json: {{{name:?}: {{\"group\": true}}}}"
        );
        return Err(Error::new(Code::FailedPrecondition, detail));
    }
    Ok((0..settings.shards).map(|shard| format!("{kind}/{shard}/{name}")).collect())
}

/// The source and the settings of an index object, by its name.
///
/// # Errors
/// `internal` for what is no such name.
pub fn by_name(name: &str, collections: &Collections) -> Result<(Source, Settings), Error> {
    let broken = || Error::internal(format!("{name:?} is no index"));
    let mut parts = name.splitn(3, '/');
    let (Some(kind), Some(_), Some(of)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(broken());
    };
    match kind {
        "c" => {
            let path = CollectionPath::parse(of).map_err(|_| broken())?;
            let settings = collections.of(path.id());
            Ok((Source::Collection(path), settings))
        }
        "g" => Ok((Source::Group(of.to_owned()), collections.of(of))),
        _ => Err(broken()),
    }
}

/// The number of the shard that an index's name says.
///
/// # Errors
/// `internal` for a name that says none.
pub(crate) fn number_of(name: &str) -> Result<u32, Error> {
    let number = name.split('/').nth(1).and_then(|number| number.parse().ok());
    number.ok_or_else(|| Error::internal(format!("{name:?} is no index")))
}

/// The number of the shard, of so many, to which a name belongs.
pub(crate) fn of_few(name: &str, shards: u32) -> u32 {
    if shards <= 1 {
        return 0;
    }
    let number = hash(&[name.as_bytes()])
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    number.checked_rem(shards).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_document_goes_to_one_of_the_objects_that_answer_for_its_collection() {
        let collections = Collections::parse(r#"{"messages":{"shards":8,"group":true}}"#).unwrap();
        let mut used = BTreeSet::new();
        for number in 0..200 {
            let path = DocumentPath::parse(&format!("rooms/1/messages/{number}")).unwrap();
            let names = of_document(&path, &collections);
            let source = Source::Collection(path.collection());
            assert!(of_source(&source, &collections).unwrap().contains(&names[0]));
            let group = Source::Group("messages".to_owned());
            assert!(of_source(&group, &collections).unwrap().contains(&names[1]));
            assert_eq!(by_name(&names[0], &collections).unwrap().0, source);
            assert_eq!(by_name(&names[1], &collections).unwrap().0, group);
            used.extend(names);
        }
        assert_eq!(used.len(), 16, "all shards are used");
    }

    #[test]
    fn without_settings_there_is_one_object_and_no_group() {
        let collections = Collections::default();
        let path = DocumentPath::parse("users/alice").unwrap();
        assert_eq!(of_document(&path, &collections), ["c/0/users"]);
        let error = of_source(&Source::Group("users".to_owned()), &collections).unwrap_err();
        assert_eq!((error.code, error.status), (Code::FailedPrecondition, 409));
    }
}
