//! What every [`Store`] must do. A store's own test calls [`check`]; a failure panics with what was expected.

use super::Store;

/// Runs the whole suite; `fresh` makes an empty store.
pub fn check<S: Store>(mut fresh: impl FnMut() -> S) {
    an_empty_store_has_nothing(fresh());
    what_was_put_is_there(fresh());
    putting_again_replaces(fresh());
    keys_and_values_are_any_bytes(fresh());
    two_rows_are_put_at_once(fresh());
    more_than_two_rows_are_refused(fresh());
    large_values_are_kept(fresh());
}

fn value(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key).unwrap_or_else(|error| panic!("{error}"))
}

fn put(store: &mut impl Store, rows: &[(&[u8], &[u8])]) {
    store.put_all(rows).unwrap_or_else(|error| panic!("{error}"));
}

fn an_empty_store_has_nothing(store: impl Store) {
    assert_eq!(value(&store, b"a"), None);
    assert_eq!(value(&store, b""), None);
}

fn what_was_put_is_there(mut store: impl Store) {
    put(&mut store, &[(b"a", b"1")]);
    assert_eq!(value(&store, b"a"), Some(b"1".to_vec()));
    assert_eq!(value(&store, b"A"), None);
    assert_eq!(value(&store, b"a\0"), None);
}

fn putting_again_replaces(mut store: impl Store) {
    put(&mut store, &[(b"a", b"1")]);
    put(&mut store, &[(b"a", b"")]);
    assert_eq!(value(&store, b"a"), Some(Vec::new()));
}

fn keys_and_values_are_any_bytes(mut store: impl Store) {
    let all: Vec<u8> = (0..=255).collect();
    put(&mut store, &[(&all, &all)]);
    assert_eq!(value(&store, &all), Some(all));
}

fn two_rows_are_put_at_once(mut store: impl Store) {
    put(&mut store, &[(b"a", b"1"), (b"b", b"2")]);
    put(&mut store, &[(b"b", b"3"), (b"c", b"4")]);
    put(&mut store, &[]);
    let values = [b"a", b"b", b"c"].map(|key| value(&store, key));
    assert_eq!(values, [Some(b"1".to_vec()), Some(b"3".to_vec()), Some(b"4".to_vec())]);
}

fn more_than_two_rows_are_refused(mut store: impl Store) {
    put(&mut store, &[(b"a", b"1")]);
    assert!(store.put_all(&[(b"a", b"2"), (b"b", b"2"), (b"c", b"2")]).is_err());
    let values = [b"a", b"b", b"c"].map(|key| value(&store, key));
    assert_eq!(values, [Some(b"1".to_vec()), None, None]);
}

fn large_values_are_kept(mut store: impl Store) {
    let large = vec![7; blaze_schema::limits::ROW_BYTES];
    put(&mut store, &[(b"a", &large)]);
    assert_eq!(value(&store, b"a").map(|value| value.len()), Some(large.len()));
}
