//! The store against a plain model: what a view shows, staged and applied, at any time, swept or not.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::expiry::Expiry;
use crate::limits::DATABASES;

pub(super) type Place = (u8, Bytes);

#[derive(Debug, Clone, PartialEq)]
enum Held {
    String(Bytes),
    Set(BTreeMap<Bytes, Expiry>),
}

/// What is at each key, and when it ends.
type Model = BTreeMap<Place, (Held, Expiry)>;

/// A change to few keys and members, so that they meet.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(Place, Vec<Bytes>, Expiry),
    Remove(Place, Vec<Bytes>),
    SetString(Place, Bytes, Expiry),
    Expire(Place, Expiry),
    Delete(Place),
    Move(Place, Place),
    Flush(u8),
    Swap(u8, u8),
}

/// Times are small, so that what ends meets the time of a batch.
pub(super) const TIMES: std::ops::Range<i64> = 1..40;

pub(super) fn change() -> impl Strategy<Value = Change> {
    let place = || (0..2_u8, (0..4_u8).prop_map(|k| Bytes::from(vec![b'k', k])));
    let expiry = || prop_oneof![1 => Just(Expiry::NEVER), 1 => TIMES.prop_map(Expiry::at_ms)];
    let members = || {
        let few = prop::collection::vec(0..30_u16, 1..8);
        let many = (0..300_u16).prop_map(|from| (from..from + 40).collect());
        prop_oneof![8 => few, 1 => many]
            .prop_map(|all: Vec<u16>| all.into_iter().map(|m| Bytes::from(format!("m{m}"))).collect())
    };
    let string = || (0..9_u8).prop_map(|s| Bytes::from(vec![s; s.into()]));
    prop_oneof![
        8 => (place(), members(), expiry()).prop_map(|(p, m, e)| Change::Put(p, m, e)),
        5 => (place(), members()).prop_map(|(p, m)| Change::Remove(p, m)),
        3 => (place(), string(), expiry()).prop_map(|(p, s, e)| Change::SetString(p, s, e)),
        3 => (place(), expiry()).prop_map(|(p, e)| Change::Expire(p, e)),
        2 => place().prop_map(Change::Delete),
        2 => (place(), place()).prop_filter_map("onto itself", |(from, to)| {
            (from != to).then_some(Change::Move(from, to))
        }),
        1 => (0..2_u8).prop_map(Change::Flush),
        1 => (0..2_u8, 0..2_u8).prop_map(|(first, second)| Change::Swap(first, second)),
    ]
}

/// The number of members that were added or taken out, and none where it is the wrong type.
pub(super) fn stage(staged: &mut Staged<'_>, change: &Change) -> Option<usize> {
    let reply = match change {
        Change::Put((database, key), members, expiry) => {
            staged.put_members(*database, key, members, *expiry, |_| true).ok()
        }
        Change::Remove((database, key), members) => staged.remove_members(*database, key, members).ok(),
        Change::SetString((database, key), string, expiry) => {
            staged.set_string(*database, key, string.clone(), *expiry);
            Some(0)
        }
        Change::Expire((database, key), expiry) => {
            staged.set_expiry(*database, key, *expiry);
            Some(0)
        }
        Change::Delete((database, key)) => Some(staged.remove_key(*database, key).into()),
        Change::Move((from_database, from), (database, key)) => {
            staged.move_key((*from_database, from), (*database, key));
            Some(0)
        }
        Change::Flush(database) => {
            staged.flush(*database);
            Some(0)
        }
        Change::Swap(first, second) => {
            staged.swap(*first, *second);
            Some(0)
        }
    };
    staged.end_op();
    reply
}

fn change_model(model: &mut Model, change: &Change, now_ms: i64) -> Option<usize> {
    let reply = match change {
        Change::Put(place, members, expiry) => {
            let new = || (Held::Set(BTreeMap::new()), Expiry::NEVER);
            let Held::Set(set) = &mut model.entry(place.clone()).or_insert_with(new).0 else { return None };
            let before: BTreeSet<_> = set.keys().cloned().collect();
            set.extend(members.iter().map(|member| (member.clone(), *expiry)));
            set.retain(|_, expiry| !expiry.is_due(now_ms));
            Some(set.keys().filter(|member| !before.contains(*member)).count())
        }
        Change::Remove(place, members) => match model.get_mut(place) {
            None => Some(0),
            Some((Held::String(_), _)) => return None,
            Some((Held::Set(set), _)) => {
                Some(members.iter().filter(|member| set.remove(*member).is_some()).count())
            }
        },
        Change::SetString(place, string, expiry) => {
            model.insert(place.clone(), (Held::String(string.clone()), *expiry));
            Some(0)
        }
        Change::Expire(place, expiry) => {
            model.entry(place.clone()).and_modify(|held| held.1 = *expiry);
            Some(0)
        }
        Change::Delete(place) => Some(model.remove(place).is_some().into()),
        Change::Move(from, to) => {
            if let Some(held) = model.remove(from) {
                model.insert(to.clone(), held);
            }
            Some(0)
        }
        Change::Flush(database) => {
            model.retain(|(of, _), _| of != database);
            Some(0)
        }
        Change::Swap(first, second) => {
            let swapped = |database| match database {
                database if database == *first => *second,
                database if database == *second => *first,
                database => database,
            };
            *model = std::mem::take(model)
                .into_iter()
                .map(|((database, key), held)| ((swapped(database), key), held))
                .collect();
            Some(0)
        }
    };
    pass_time(model, now_ms);
    reply
}

/// Takes out what has ended.
fn pass_time(model: &mut Model, now_ms: i64) {
    for (held, _) in model.values_mut() {
        if let Held::Set(set) = held {
            set.retain(|_, expiry| !expiry.is_due(now_ms));
        }
    }
    model.retain(|_, (held, expiry)| {
        !expiry.is_due(now_ms) && !matches!(held, Held::Set(set) if set.is_empty())
    });
}

/// Everything that a view shows, by every way there is to ask.
fn shown(view: &View<'_>) -> Model {
    let mut shown = Model::new();
    for database in 0..DATABASES {
        let keys: BTreeSet<Bytes> =
            view.keys(database).map(|key| Bytes::copy_from_slice(&key.text())).collect();
        assert_eq!(keys.len(), view.len(database));
        assert_eq!(keys, walk(|cursor, visit| view.scan_keys(database, (cursor, 1), |key, _| visit(key))));
        assert_eq!(view.random_key(database).is_some(), !keys.is_empty());
        for key in keys {
            let found = view.key(database, &key).expect("a key that was listed");
            let held = match found.value {
                ValueView::String(string) => Held::String(Bytes::copy_from_slice(string)),
                ValueView::Set(set) => Held::Set(members(&set)),
            };
            shown.insert((database, key), (held, found.expiry));
        }
    }
    shown
}

fn members(set: &SetView<'_>) -> BTreeMap<Bytes, Expiry> {
    let members: BTreeMap<Bytes, Expiry> =
        set.members().map(|(member, expiry)| (Bytes::copy_from_slice(&member.text()), expiry)).collect();
    assert_eq!(members.len(), set.len());
    let names = members.keys().cloned().collect();
    assert_eq!(walk(|cursor, visit| set.scan((cursor, 1), |member| visit(member))), names);
    assert!(members.iter().all(|(member, expiry)| set.expiry_of(member) == Some(*expiry)));
    assert!(!set.contains(b"never added"));
    assert!(set.random_member().is_some_and(|member| members.contains_key(&*member.text())));
    members
}

fn walk(mut step: impl FnMut(u64, &mut dyn FnMut(&[u8])) -> NextCursor) -> BTreeSet<Bytes> {
    let mut met = BTreeSet::new();
    let mut cursor = Some(0);
    while let Some(at) = cursor {
        cursor = step(at, &mut |name| assert!(met.insert(Bytes::copy_from_slice(name)), "met twice"));
    }
    met
}

/// What happens at a time: a batch is evaluated and applied, or something is swept.
type Step = (i64, Vec<Change>, Option<usize>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (TIMES, prop::collection::vec(change(), 1..12), prop::option::of(0..4_usize));
    prop::collection::vec(step, 1..12).prop_map(|mut steps| {
        steps.sort_by_key(|step| step.0);
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stage_shows_what_applying_its_changes_makes_true(steps in steps()) {
        let store = Store::default();
        let mut model = Model::new();
        for (now_ms, batch, swept) in &steps {
            pass_time(&mut model, *now_ms);
            prop_assert_eq!(&shown(&View::committed(&store.read(), *now_ms)), &model);
            if let Some(budget) = swept {
                store.sweep(*now_ms, *budget);
                prop_assert_eq!(&shown(&View::committed(&store.read(), *now_ms)), &model);
            }
            let changes = {
                let keyspace = store.read();
                let mut staged = Staged::new(&keyspace, *now_ms);
                for change in batch {
                    prop_assert_eq!(stage(&mut staged, change), change_model(&mut model, change, *now_ms));
                    prop_assert_eq!(&shown(&staged.view()), &model);
                }
                staged.into_changes()
            };
            store.apply(&changes).unwrap();
            prop_assert_eq!(&shown(&View::committed(&store.read(), *now_ms)), &model);
        }
        let end_ms = TIMES.end;
        pass_time(&mut model, end_ms);
        prop_assert_eq!(&shown(&View::committed(&store.read(), end_ms)), &model);
        store.sweep(end_ms, usize::MAX);
        let keyspace = store.read();
        prop_assert_eq!(&shown(&View::committed(&keyspace, end_ms)), &model);
        prop_assert!(!keyspace.earliest().is_due(end_ms), "nothing is left to be swept");
        let ending = model.values().filter(|(_, expiry)| *expiry != Expiry::NEVER).count();
        prop_assert_eq!((0..DATABASES).map(|database| keyspace.ending(database)).sum::<usize>(), ending);
    }

    #[test]
    fn looking_ahead_changes_no_answer(
        batch in prop::collection::vec(change(), 1..30),
        asked in prop::collection::vec(((0..5_u8, prop::option::of(0..40_u16)), any::<bool>()), 0..80),
        now_ms in TIMES,
    ) {
        let store = Store::default();
        store.apply(&changes(&store, &batch)).unwrap();
        let keyspace = store.read();
        let texts: Vec<(Vec<u8>, Option<Vec<u8>>)> = asked
            .iter()
            .map(|&((key, member), _)| (vec![b'k', key], member.map(|m| format!("m{m}").into_bytes())))
            .collect();
        let wanted = || texts.iter().map(|(key, member)| (&**key, member.as_deref()));
        let plain = View::committed(&keyspace, now_ms);
        let mut ahead = Ahead::default();
        wanted().for_each(|wanted| ahead.want(wanted));
        plain.look_ahead(0, &mut ahead);
        let view = plain.with(Some(&ahead));
        let answer = |view: &View<'_>, database, key, member: Option<&[u8]>| match member {
            None => view.key(database, key).map(|found| found.expiry),
            Some(member) => view.set(database, key).ok().flatten().and_then(|set| set.expiry_of(member)),
        };
        // Not all is asked for, what is, is asked for in order, and some of it twice, in the other database, too.
        for ((key, member), &(_, is_asked)) in wanted().zip(&asked) {
            for database in [0, 1, 0].into_iter().filter(|_| is_asked) {
                let expected = answer(&plain, database, key, member);
                prop_assert_eq!(answer(&view, database, key, member), expected);
            }
        }
    }

    #[test]
    fn a_dropped_stage_leaves_nothing(batch in prop::collection::vec(change(), 1..12)) {
        let store = Store::default();
        let keyspace = store.read();
        let mut staged = Staged::new(&keyspace, 0);
        for change in &batch {
            stage(&mut staged, change);
        }
        drop(staged);
        prop_assert_eq!(shown(&View::committed(&keyspace, 0)), Model::new());
    }
}

fn changes(store: &Store, batch: &[Change]) -> Changes {
    let keyspace = store.read();
    let mut staged = Staged::new(&keyspace, 0);
    for change in batch {
        stage(&mut staged, change);
    }
    staged.into_changes()
}

fn add(key: &'static str, members: impl IntoIterator<Item = u32>) -> Change {
    let members = members.into_iter().map(|m| Bytes::from(m.to_string())).collect();
    Change::Put(place(key), members, Expiry::NEVER)
}

pub(super) fn place(key: &'static str) -> Place {
    (0, Bytes::from_static(key.as_bytes()))
}

#[test]
fn an_op_without_a_change_has_no_effect() {
    let store = Store::default();
    store.apply(&changes(&store, &[add("k", [1])])).unwrap();
    let nothing = [
        add("k", [1]),
        Change::Remove(place("k"), vec![Bytes::from_static(b"2")]),
        Change::Delete(place("other")),
        Change::Expire(place("other"), Expiry::at_ms(9)),
        Change::Move(place("other"), place("k")),
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
    let more = {
        let other = Store::default();
        other.apply(&changes(&other, &[add("k", [1])])).unwrap();
        changes(&other, &[add("k", [2])])
    };
    assert_eq!(store.apply(&more).unwrap_err(), Misfit::NoSuchKey);
    store.apply(&changes(&store, &[Change::SetString(place("k"), Bytes::new(), Expiry::NEVER)])).unwrap();
    assert_eq!(store.apply(&more).unwrap_err(), Misfit::NoSuchContainer);
}

#[test]
fn a_set_created_anew_is_another_container() {
    let store = Store::default();
    let delete = Change::Delete(place("k"));
    store.apply(&changes(&store, &[add("k", [1]), delete, add("k", [2])])).unwrap();
    let keyspace = store.read();
    let set = View::committed(&keyspace, 0).set(0, b"k").unwrap().unwrap();
    assert_eq!(members(&set), BTreeMap::from([(Bytes::from_static(b"2"), Expiry::NEVER)]));
}

#[test]
fn many_draws_take_one_walk() {
    let store = Store::default();
    let keyspace = store.read();
    let mut staged = Staged::new(&keyspace, 1);
    stage(&mut staged, &add("k", 0..50_000));
    let view = staged.view();
    let set = view.set(0, b"k").unwrap().unwrap();
    let started = std::time::Instant::now();
    let drawn: BTreeSet<_> = set.random_members().take(500_000).collect();
    assert!(drawn.len() > 45_000, "{} of 50,000 were drawn", drawn.len());
    // A walk for each would take an hour.
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn time_does_not_run_back() {
    let store = Store::default();
    let keyspace = store.read();
    let mut staged = Staged::new(&keyspace, 100);
    stage(&mut staged, &Change::SetString(place("short"), Bytes::new(), Expiry::at_ms(101)));
    let set = staged.into_changes();
    drop(keyspace);
    store.apply(&set).unwrap();
    store
        .apply(&{
            let keyspace = store.read();
            let mut staged = Staged::new(&keyspace, 200);
            stage(&mut staged, &add("later", [1]));
            staged.into_changes()
        })
        .unwrap();
    let keyspace = store.read();
    assert!(View::committed(&keyspace, 100).key(0, b"short").is_none(), "the clock was set back");
    assert!(Staged::new(&keyspace, 100).view().key(0, b"short").is_none());
}

#[test]
fn of_effects_that_are_applied_together_those_before_the_first_misfit_are() {
    let key = &b"k"[..];
    let set = |container| crate::effect::ContainerId(container);
    let names: Vec<_> = (0..50).map(|n| format!("m{n}").into_bytes()).collect();
    let member = |container, name| Effect::MemberSet {
        database: 0,
        container: set(container),
        key,
        member: name,
        expiry: Expiry::NEVER,
    };
    let created = Effect::SetCreated { database: 0, container: set(1), key, expiry: Expiry::NEVER };
    let mut effects = vec![created];
    effects.extend(names.iter().map(|name| member(1, &name[..])));
    effects.extend([member(2, b"of another set"), member(1, b"behind it")]);
    let mut keyspace = Keyspace::default();
    let outcome = keyspace.apply_all(&effects, &mut Removed::default());
    assert_eq!(outcome, Err((1 + names.len(), Misfit::NoSuchContainer)));
    let view = View::committed(&keyspace, 0);
    let found = view.set(0, key).unwrap().unwrap();
    assert!(found.len() == names.len() && names.iter().all(|name| found.contains(name)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_loaded_is_what_is_applied_one_by_one(
        batches in prop::collection::vec(prop::collection::vec(change(), 1..12), 1..20),
        cut in 1..50_usize,
        (gather_from, gathered) in (1..30_usize, 1..80_usize),
    ) {
        let (store, mut effects) = (Store::default(), Vec::new());
        for batch in &batches {
            let changes = changes(&store, batch);
            effects.extend(changes.effects().iter().cloned());
            store.apply(&changes).unwrap();
        }
        let mut keyspace = Keyspace::default();
        let mut loading = Loading::within(&mut keyspace, loading::Bounds { gather_from, gathered });
        for some in effects.chunks(cut) {
            prop_assert_eq!(loading.apply_all(some), Ok(()));
        }
        drop(loading.end(crate::effect::ContainerId::default()));
        let expected = store.read();
        for now_ms in [0, TIMES.start, TIMES.end / 2, TIMES.end] {
            let view = |keyspace| shown(&View::committed(keyspace, now_ms));
            prop_assert_eq!(view(&keyspace), view(&expected));
        }
        prop_assert_eq!(keyspace.rows(), expected.rows());
    }
}

#[test]
fn many_members_of_one_command_are_in_the_set_with_the_ends_that_they_were_given_last() {
    let (key, many) = (&b"k"[..], crate::limits::GATHER_FROM + 1_000);
    let set = crate::effect::ContainerId(1);
    let names: Vec<_> = (0..many).map(|n| format!("m{}", n % (many - 500)).into_bytes()).collect();
    let end = |n: usize| Expiry::at_ms(n as i64 + 1);
    let put =
        |(n, name)| Effect::MemberSet { database: 0, container: set, key, member: name, expiry: end(n) };
    let mut effects = vec![Effect::SetCreated { database: 0, container: set, key, expiry: Expiry::NEVER }];
    effects.extend(names.iter().map(|name| &name[..]).enumerate().map(put));
    let mut keyspace = Keyspace::default();
    assert_eq!(keyspace.apply_all(&effects, &mut Removed::default()), Ok(()));
    let mut expected = Keyspace::default();
    for effect in &effects {
        expected.apply(effect, &mut Removed::default()).unwrap();
    }
    for now_ms in [0, 400, 5_000] {
        let view = |keyspace| shown(&View::committed(keyspace, now_ms));
        assert_eq!(view(&keyspace), view(&expected));
    }
    assert_eq!(keyspace.rows(), expected.rows());
    assert!(keyspace.scattered.contains_key(&set), "its members' rows are found by its id");
}
