//! The store against a plain model: what a view shows, staged and applied.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::limits::DATABASES;

type Model = BTreeMap<(u8, Bytes), BTreeSet<Bytes>>;

/// An op on few keys and members, so that they meet.
#[derive(Debug, Clone)]
enum Change {
    Add(u8, Bytes, Vec<Bytes>),
    Remove(u8, Bytes, Vec<Bytes>),
    Delete(u8, Bytes),
    Flush(u8),
}

fn change() -> impl Strategy<Value = Change> {
    let database = || 0..2_u8;
    let key = || (0..4_u8).prop_map(|k| Bytes::from(vec![b'k', k]));
    let members = || {
        let few = prop::collection::vec(0..30_u16, 1..8);
        let many = (0..300_u16).prop_map(|from| (from..from + 40).collect());
        prop_oneof![8 => few, 1 => many]
            .prop_map(|all: Vec<u16>| all.into_iter().map(|m| Bytes::from(format!("m{m}"))).collect())
    };
    prop_oneof![
        8 => (database(), key(), members()).prop_map(|(d, k, m)| Change::Add(d, k, m)),
        6 => (database(), key(), members()).prop_map(|(d, k, m)| Change::Remove(d, k, m)),
        2 => (database(), key()).prop_map(|(d, k)| Change::Delete(d, k)),
        1 => database().prop_map(Change::Flush),
    ]
}

fn stage(staged: &mut Staged<'_>, change: &Change) -> usize {
    let reply = match change {
        Change::Add(database, key, members) => staged.add_members(*database, key, members),
        Change::Remove(database, key, members) => staged.remove_members(*database, key, members),
        Change::Delete(database, key) => staged.remove_key(*database, key).into(),
        Change::Flush(database) => {
            staged.flush(*database);
            0
        }
    };
    staged.end_op();
    reply
}

fn change_model(model: &mut Model, change: &Change) -> usize {
    match change {
        Change::Add(database, key, members) => {
            let set = model.entry((*database, key.clone())).or_default();
            members.iter().filter(|member| set.insert((*member).clone())).count()
        }
        Change::Remove(database, key, members) => {
            let Some(set) = model.get_mut(&(*database, key.clone())) else { return 0 };
            let removed = members.iter().filter(|member| set.remove(*member)).count();
            if set.is_empty() {
                model.remove(&(*database, key.clone()));
            }
            removed
        }
        Change::Delete(database, key) => model.remove(&(*database, key.clone())).is_some().into(),
        Change::Flush(database) => {
            model.retain(|(of, _), _| of != database);
            0
        }
    }
}

/// Everything that a view shows, by every way there is to ask.
fn shown(view: &View<'_>) -> Model {
    let mut shown = Model::new();
    for database in 0..DATABASES {
        let keys: BTreeSet<Bytes> = view.keys(database).map(Bytes::copy_from_slice).collect();
        assert_eq!(keys.len(), view.len(database));
        assert_eq!(keys, walk(|cursor, visit| view.scan_keys(database, cursor, 1, visit)));
        assert_eq!(view.random_key(database).is_some(), !keys.is_empty());
        for key in keys {
            let set = view.set(database, &key).expect("a key that was listed");
            let members: BTreeSet<Bytes> = set.members().map(Bytes::copy_from_slice).collect();
            assert_eq!(members.len(), set.len());
            assert_eq!(members, walk(|cursor, visit| set.scan(cursor, 1, visit)));
            assert!(members.iter().all(|member| set.contains(member)));
            assert!(!set.contains(b"never added"));
            shown.insert((database, key), members);
        }
    }
    shown
}

fn walk(mut step: impl FnMut(u64, &mut dyn FnMut(&[u8])) -> NextCursor) -> BTreeSet<Bytes> {
    let mut met = BTreeSet::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        cursor = step(at, &mut |name| assert!(met.insert(Bytes::copy_from_slice(name)), "met twice"));
    }
    met
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stage_shows_what_applying_its_changes_makes_true(
        batches in prop::collection::vec(prop::collection::vec(change(), 1..12), 1..12)
    ) {
        let store = Store::default();
        let mut model = Model::new();
        for batch in &batches {
            let changes = {
                let keyspace = store.read();
                let mut staged = Staged::new(&keyspace);
                for change in batch {
                    prop_assert_eq!(stage(&mut staged, change), change_model(&mut model, change));
                    prop_assert_eq!(&shown(&staged.view()), &model);
                }
                staged.into_changes()
            };
            store.apply(&changes).unwrap();
            prop_assert_eq!(&shown(&View::committed(&store.read())), &model);
        }
    }

    #[test]
    fn a_dropped_stage_leaves_nothing(batch in prop::collection::vec(change(), 1..12)) {
        let store = Store::default();
        let keyspace = store.read();
        let mut staged = Staged::new(&keyspace);
        for change in &batch {
            stage(&mut staged, change);
        }
        drop(staged);
        prop_assert_eq!(shown(&View::committed(&keyspace)), Model::new());
    }
}

fn changes(store: &Store, batch: &[Change]) -> Changes {
    let keyspace = store.read();
    let mut staged = Staged::new(&keyspace);
    for change in batch {
        stage(&mut staged, change);
    }
    staged.into_changes()
}

fn add(key: &'static str, members: impl IntoIterator<Item = u32>) -> Change {
    let members = members.into_iter().map(|m| Bytes::from(m.to_string())).collect();
    Change::Add(0, Bytes::from_static(key.as_bytes()), members)
}

#[test]
fn an_op_without_a_change_has_no_effect() {
    let store = Store::default();
    store.apply(&changes(&store, &[add("k", [1])])).unwrap();
    let nothing = [
        add("k", [1]),
        Change::Remove(0, Bytes::from_static(b"k"), vec![Bytes::from_static(b"2")]),
        Change::Delete(0, Bytes::from_static(b"other")),
        Change::Flush(1),
    ];
    assert!(changes(&store, &nothing).effects().is_empty());
}

#[test]
fn runs_are_never_cut_within_an_op() {
    let store = Store::default();
    let all = changes(&store, &[add("k", 0..3), add("k", 3..10), add("k", 10..11), add("k", 11..12)]);
    let runs: Vec<usize> = all.runs(3).map(<[_]>::len).collect();
    // Creating the set is an effect of the first op.
    assert_eq!(runs, [4, 7, 2]);
}

#[test]
fn applying_what_does_not_fit_is_refused() {
    let store = Store::default();
    let twice = changes(&store, &[add("k", [1])]);
    store.apply(&twice).unwrap();
    assert_eq!(store.apply(&twice).unwrap_err(), Misfit::KeyExists);
}

#[test]
fn a_set_created_anew_is_another_container() {
    let store = Store::default();
    let delete = Change::Delete(0, Bytes::from_static(b"k"));
    store.apply(&changes(&store, &[add("k", [1]), delete, add("k", [2])])).unwrap();
    let keyspace = store.read();
    let set = View::committed(&keyspace).set(0, b"k").unwrap();
    assert_eq!(set.members().collect::<Vec<_>>(), [b"2"]);
}
