//! What every [`Store`] must do. A store's own test calls [`check`]; a failure panics with what was expected.

use super::{Change, Range, Row, Store};

/// Runs the whole suite; `fresh` makes an empty store.
pub fn check<S: Store>(mut fresh: impl FnMut() -> S) {
    an_empty_store_has_nothing(fresh());
    what_was_put_is_there(fresh());
    putting_again_replaces(fresh());
    keys_and_values_are_any_bytes(fresh());
    many_changes_are_made_at_once(fresh());
    deleting_removes(fresh());
    moving_removes_and_puts(fresh());
    a_range_is_scanned_in_order_both_ways(fresh());
    what_rows_name_is_followed(fresh());
    large_values_are_kept(fresh());
}

fn value(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key).unwrap_or_else(|error| panic!("{error}"))
}

fn commit(store: &mut impl Store, changes: &[Change<'_>]) {
    store.commit(changes).unwrap_or_else(|error| panic!("{error}"));
}

fn put(store: &mut impl Store, rows: &[(&[u8], &[u8])]) {
    let changes: Vec<Change<'_>> =
        rows.iter().map(|(key, value)| Change::Put(key, value)).collect();
    commit(store, &changes);
}

fn range(start: &[u8], end: &[u8], reverse: bool) -> Range {
    Range { start: start.to_vec(), end: end.to_vec(), reverse }
}

fn text(rows: Result<Vec<Row>, super::StoreError>) -> String {
    let rows = rows.unwrap_or_else(|error| panic!("{error}"));
    let row = |(key, value): Row| {
        format!("{}={}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value))
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join(" ")
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
    assert_eq!(value(&store, &all), Some(all.clone()));
    put(&mut store, &[(b"", &all)]);
    let rows = vec![(Vec::new(), all.clone()), (all.clone(), all)];
    assert_eq!(store.scan(&range(b"", b"\xff", false), 9), Ok(rows));
}

fn many_changes_are_made_at_once(mut store: impl Store) {
    let keys: Vec<[u8; 2]> = (0..1_000_u16).map(u16::to_be_bytes).collect();
    let rows: Vec<(&[u8], &[u8])> =
        keys.iter().map(|key| (key.as_slice(), b"v".as_slice())).collect();
    put(&mut store, &rows);
    put(&mut store, &[]);
    assert_eq!(store.count(&range(&[0], &[9], false), u64::MAX >> 16), Ok(1_000));
    assert_eq!(store.count(&range(&[0], &[9], false), 7), Ok(7));
    let key: &[u8] = &[0, 1];
    commit(&mut store, &[Change::Delete(key), Change::Put(key, b"w"), Change::Put(&[0, 2], b"x")]);
    assert_eq!(
        [key, &[0, 2]].map(|key| value(&store, key)),
        [Some(b"w".to_vec()), Some(b"x".to_vec())]
    );
}

fn deleting_removes(mut store: impl Store) {
    commit(&mut store, &[Change::Delete(b"a")]);
    put(&mut store, &[(b"a", b"1"), (b"b", b"2")]);
    commit(&mut store, &[Change::Delete(b"a"), Change::Delete(b"c")]);
    assert_eq!([b"a", b"b"].map(|key| value(&store, key)), [None, Some(b"2".to_vec())]);
}

fn moving_removes_and_puts(mut store: impl Store) {
    put(&mut store, &[(b"a", b"1"), (b"b", b"2")]);
    let moved = |from, to, value| Change::Move { from, to, value };
    commit(&mut store, &[moved(b"a", b"c", b"3")]);
    assert_eq!(text(store.scan(&range(b"a", b"z", false), 9)), "b=2 c=3");
    commit(
        &mut store,
        &[moved(b"b", b"c", b"4"), moved(b"nothing", b"d", b"5"), moved(b"c", b"c", b"6")],
    );
    assert_eq!(text(store.scan(&range(b"a", b"z", false), 9)), "c=6 d=5");
}

fn a_range_is_scanned_in_order_both_ways(mut store: impl Store) {
    assert_eq!(text(store.scan(&range(b"a", b"z", false), 9)), "");
    put(&mut store, &[(b"b", b"2"), (b"a", b"1"), (b"c", b"4"), (b"b\0", b"3"), (b"\xff", b"5")]);
    assert_eq!(text(store.scan(&range(b"b", b"c", false), 9)), "b=2 b\0=3");
    assert_eq!(text(store.scan(&range(b"a", b"d", false), 3)), "a=1 b=2 b\0=3");
    assert_eq!(text(store.scan(&range(b"a", b"d", true), 3)), "c=4 b\0=3 b=2");
    assert_eq!(text(store.scan(&range(b"c", b"b", true), 3)), "");
    assert_eq!(text(store.scan(&range(b"a", b"d", true), 0)), "");
    assert_eq!(store.count(&range(b"", b"\xff", false), 9), Ok(4));
    assert_eq!(store.count(&range(b"c", b"b", false), 9), Ok(0));
}

fn what_rows_name_is_followed(mut store: impl Store) {
    let rows: [(&[u8], &[u8]); 5] =
        [(b"e1", b"d2"), (b"e2", b"d1"), (b"e3", b"nothing"), (b"e4", b"d2"), (b"d1", b"one")];
    put(&mut store, &rows);
    put(&mut store, &[(b"d2", b"two")]);
    assert_eq!(text(store.follow(&range(b"e", b"f", false), 9)), "e1=two e2=one e4=two");
    assert_eq!(text(store.follow(&range(b"e", b"f", true), 2)), "e4=two e2=one");
    assert_eq!(text(store.follow(&range(b"e2", b"e4", false), 9)), "e2=one");
}

fn large_values_are_kept(mut store: impl Store) {
    let large = vec![7; blaze_schema::limits::ROW_BYTES];
    put(&mut store, &[(b"a", &large)]);
    assert_eq!(value(&store, b"a").map(|value| value.len()), Some(large.len()));
    put(&mut store, &[(b"b", b"small"), (b"c", &large), (b"d", b"c")]);
    let lengths = |range, limit| {
        let rows = store.scan(&range, limit).unwrap_or_else(|error| panic!("{error}"));
        rows.iter().map(|(_, value)| value.len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths(range(b"a", b"e", false), 9), [large.len(), 5, large.len(), 1]);
    assert_eq!(lengths(range(b"a", b"e", true), 3), [1, large.len(), 5]);
    let followed = store.follow(&range(b"d", b"e", false), 9);
    assert_eq!(followed, Ok(vec![(b"d".to_vec(), large)]));
}
