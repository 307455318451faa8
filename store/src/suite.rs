//! What every [`Store`] must do. A store's own test calls [`check`]; a failure panics with what was expected.

use super::{Change, Range, Row, Store, number};

/// The greatest number that a record may have.
const LAST: u64 = 0xffff_ffff;

/// Runs the whole suite; `fresh` makes an empty store.
pub fn check<S: Store>(mut fresh: impl FnMut() -> S) {
    an_empty_store_has_nothing(fresh());
    what_was_put_is_there(fresh());
    putting_again_replaces(fresh());
    keys_and_values_are_any_bytes(fresh());
    many_changes_are_made_at_once(fresh());
    deleting_removes(fresh());
    moving_removes_and_puts(fresh());
    a_range_is_followed_in_order_both_ways(fresh());
    rows_that_name_no_record_are_left_out(fresh());
    records_change_and_go(fresh());
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

/// Puts rows, each with a record of its own that has the row's value.
fn put_records(store: &mut impl Store, rows: &[(&[u8], &[u8])]) {
    for (place, (key, value)) in rows.iter().enumerate() {
        let record = place as u64 + 1;
        commit(store, &[Change::PutRecord(record, value), Change::Put(key, &number(record))]);
    }
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
    put_records(&mut store, &[(b"", b"1"), (&all, &all), (&[0], b"")]);
    let rows = vec![(Vec::new(), vec![b'1']), (vec![0], Vec::new()), (all.clone(), all)];
    assert_eq!(store.follow(&range(b"", b"\xff", false), 9), Ok(rows));
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
    let pair = |store: &_| [b"a", b"b", b"c", b"d"].map(|key| value(store, key).map(|v| v[0]));
    assert_eq!(pair(&store), [None, Some(b'2'), Some(b'3'), None]);
    commit(
        &mut store,
        &[moved(b"b", b"c", b"4"), moved(b"nothing", b"d", b"5"), moved(b"c", b"c", b"6")],
    );
    assert_eq!(pair(&store), [None, None, Some(b'6'), Some(b'5')]);
}

fn a_range_is_followed_in_order_both_ways(mut store: impl Store) {
    assert_eq!(text(store.follow(&range(b"a", b"z", false), 9)), "");
    let rows: [(&[u8], &[u8]); 5] =
        [(b"b", b"2"), (b"a", b"1"), (b"c", b"4"), (b"b\0", b"3"), (b"\xff", b"5")];
    put_records(&mut store, &rows);
    assert_eq!(text(store.follow(&range(b"b", b"c", false), 9)), "b=2 b\0=3");
    assert_eq!(text(store.follow(&range(b"a", b"d", false), 3)), "a=1 b=2 b\0=3");
    assert_eq!(text(store.follow(&range(b"a", b"d", true), 3)), "c=4 b\0=3 b=2");
    assert_eq!(text(store.follow(&range(b"c", b"b", true), 3)), "");
    assert_eq!(text(store.follow(&range(b"a", b"d", true), 0)), "");
    assert_eq!(store.count(&range(b"", b"\xff", false), 9), Ok(4));
    assert_eq!(store.count(&range(b"c", b"b", false), 9), Ok(0));
    let (mut ascending, mut descending) = (range(b"a", b"d", false), range(b"a", b"d", true));
    ascending.skip_to_after(b"b");
    descending.skip_to_after(b"b");
    assert_eq!(text(store.follow(&ascending, 9)), "b\0=3 c=4");
    assert_eq!(text(store.follow(&descending, 9)), "a=1");
}

fn rows_that_name_no_record_are_left_out(mut store: impl Store) {
    let records = [(7, b"seven".as_slice()), (10, b"ten")];
    commit(&mut store, &records.map(|(number, value)| Change::PutRecord(number, value)));
    let rows: [(&[u8], &[u8]); 4] = [(b"e1", b"10"), (b"e2", b"7"), (b"e3", b"8"), (b"e4", b"10")];
    put(&mut store, &rows);
    assert_eq!(text(store.follow(&range(b"e", b"f", false), 9)), "e1=ten e2=seven e4=ten");
    assert_eq!(text(store.follow(&range(b"e", b"f", true), 2)), "e4=ten e2=seven");
    assert_eq!(text(store.follow(&range(b"e2", b"e4", false), 9)), "e2=seven");
    assert_eq!(store.count(&range(b"e", b"f", false), 9), Ok(4));
}

fn records_change_and_go(mut store: impl Store) {
    assert_eq!((store.last_record(), store.record(b"a")), (Ok(0), Ok(None)));
    let both = [Change::PutRecord(3, b"x y"), Change::PutRecord(LAST, b"z")];
    commit(&mut store, &both);
    put(&mut store, &[(b"a", b"3"), (b"b", b"4294967295"), (b"c", b"4")]);
    assert_eq!(store.last_record(), Ok(LAST));
    let records = |store: &_| [b"a", b"b", b"c"].map(|key| Store::record(store, key));
    let large = Ok(Some((LAST, b"z".to_vec())));
    assert_eq!(records(&store), [Ok(Some((3, b"x y".to_vec()))), large.clone(), Ok(None)]);
    commit(&mut store, &[Change::PutRecord(3, b""), Change::Delete(b"c")]);
    assert_eq!(records(&store), [Ok(Some((3, Vec::new()))), large, Ok(None)]);
    commit(&mut store, &[Change::DeleteRecord(LAST), Change::DeleteRecord(5)]);
    assert_eq!(store.last_record(), Ok(3));
    assert_eq!(text(store.follow(&range(b"a", b"z", false), 9)), "a=");
}

fn large_values_are_kept(mut store: impl Store) {
    let large = vec![7; blaze_schema::limits::ROW_BYTES];
    put(&mut store, &[(b"a", &large)]);
    assert_eq!(value(&store, b"a").map(|value| value.len()), Some(large.len()));
    put_records(&mut store, &[(b"a", &large), (b"b", b"small"), (b"c", &large)]);
    let lengths = |range, limit| {
        let rows = store.follow(&range, limit).unwrap_or_else(|error| panic!("{error}"));
        rows.iter().map(|(_, value)| value.len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths(range(b"a", b"e", false), 9), [large.len(), 5, large.len()]);
    assert_eq!(lengths(range(b"a", b"e", true), 2), [large.len(), 5]);
    assert_eq!(store.record(b"c").map(|record| record.map(|(number, _)| number)), Ok(Some(3)));
}
