//! SADDEX, SADDEXAT, PSADDEXAT, FIELDEXPIRE, FIELDTTL, EXPIREMEMBER, EXPIREMEMBERAT, PEXPIREMEMBERAT, and TTL, PTTL and
//! PERSIST with a member: the ends of single members, which Redis has not.

use crate::script::{check, connect, integer, run};
use crate::support::server::{Client, Server, Setup};

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// What a request is answered.
fn ask(client: &mut Client, request: &str) -> String {
    let words: Vec<&str> = request.split(' ').collect();
    String::from_utf8(client.ask(&words)).unwrap()
}

#[test]
fn members_are_added_with_their_end() {
    check(
        r"
        > SADDEXAT k 33177117420 a b
        < :2
        > SADDEXAT k 33177117420 b c
        < :1
        > PSADDEXAT k 33177117420500 d
        < :1
        > FIELDTTL k nobody
        < :-3
        > FIELDTTL nothing a
        < :-2
        > TTL k
        < :-1
        > SCARD k
        < :4
        > SISMEMBER k a
        < :1
        > SADD k e
        < :1
        > FIELDTTL k e
        < :-1
        ",
    );
}

#[test]
fn saddex_counts_from_now() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    assert_eq!(ask(&mut client, "SADDEX k 100 a b"), ":2\r\n");
    for member in ["a", "b"] {
        let left_ms = integer(&client.ask(&["PTTL", "k", member]));
        assert!((90_000..=100_000).contains(&left_ms), "{left_ms}");
        assert!((90..=100).contains(&integer(&client.ask(&["TTL", "k", member]))));
        assert!((90..=100).contains(&integer(&client.ask(&["FIELDTTL", "k", member]))));
    }
}

#[test]
fn nx_touches_only_new_members_and_keepttl_is_another_word_for_it() {
    for word in ["NX", "nx", "KEEPTTL"] {
        let server = Server::start();
        let mut client = connect(&server, 2);
        run(
            &mut client,
            2,
            &format!(
                "
                > SADD k old
                < :1
                > SADDEX k {word} 100 old new
                < :1
                > FIELDTTL k old
                < :-1
                "
            ),
        );
        assert!(integer(&client.ask(&["FIELDTTL", "k", "new"])) > 90, "{word}");
    }
}

#[test]
fn xx_touches_only_members_that_are_there() {
    check(
        r"
        > SADDEXAT k XX 33177117420 a
        < :0
        > EXISTS k
        < :0
        > SADD k a
        < :1
        > SADDEXAT k xx 33177117420 a b
        < :0
        > SCARD k
        < :1
        > PERSIST k a
        < :1
        ",
    );
}

#[test]
fn gt_never_makes_an_end_come_earlier() {
    check(
        r"
        > SADDEXAT k GT 33177117420 a
        < :1
        > SADDEXAT k GT 33177117419 a b
        < :1
        > PSADDEXAT k XX 33177117420000 a
        < :0
        > SADDEXAT k GT 33177117421 a
        < :0
        > SADDEXAT k LT 33177117422 a
        < :0
        > SADD k forever
        < :1
        > SADDEXAT k GT 33177117421 forever
        < :0
        > FIELDTTL k forever
        < :-1
        > SADDEXAT k GT 1 a forever
        < :0
        > SCARD k
        < :3
        ",
    );
}

#[test]
fn lt_never_makes_an_end_come_later() {
    check(
        r"
        > SADDEXAT k LT 33177117420 a
        < :1
        > SADDEXAT k LT 33177117421 a
        < :0
        > SADD k forever
        < :1
        > SADDEXAT k LT 33177117420 forever
        < :0
        > PERSIST k forever
        < :1
        > SADDEXAT k LT 1 a
        < :0
        > SISMEMBER k a
        < :0
        ",
    );
}

#[test]
fn what_has_ended_already_is_not_added_and_taken_out() {
    check(
        r"
        > SADDEXAT k 1 a
        < :0
        > EXISTS k
        < :0
        > SADD k a b
        < :2
        > SADDEXAT k 1 a c
        < :0
        > SMISMEMBER k a b c
        < *3 :0 :1 :0
        > PSADDEXAT k -5 b
        < :0
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn wrong_times_and_words_are_refused() {
    check(
        r"
        > SADDEX k 0 a
        < -ERR invalid expire time in 'saddex' command
        > SADDEX k -1 a
        < -ERR invalid expire time in 'saddex' command
        > SADDEX k x a
        < -ERR value is not an integer or out of range
        > SADDEX k ZZ 1 a
        < -ERR value is not an integer or out of range
        > SADDEX k NX 100
        < -ERR wrong number of arguments for 'saddex' command
        > SADDEX k 100
        < -ERR wrong number of arguments for 'saddex' command
        > SADDEX k 9223372036854775807 a
        < -ERR invalid expire time in 'saddex' command
        > SADDEXAT k 9223372036854775807 a
        < -ERR invalid expire time in 'saddexat' command
        > SADDEXAT k GT 33177117420
        < -ERR wrong number of arguments for 'saddexat' command
        > PSADDEXAT k 1.5 a
        < -ERR value is not an integer or out of range
        > FIELDEXPIRE k 0 a
        < -ERR invalid expire time in 'fieldexpire' command
        > EXPIREMEMBER k a 1 h
        < -ERR syntax error
        > EXPIREMEMBER k a 1 s s
        < -ERR wrong number of arguments for 'expiremember' command
        > EXPIREMEMBERAT k a x
        < -ERR value is not an integer or out of range
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn a_string_has_no_members() {
    check(
        r"
        > SET k v
        < +OK
        > SADDEX k 100 a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SADDEXAT k 1 a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > PSADDEXAT k XX 33177117420000 a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > FIELDEXPIRE k 100 a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > FIELDTTL k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > EXPIREMEMBER k a 100
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > TTL k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > PERSIST k a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        ",
    );
}

#[test]
fn fieldexpire_answers_for_each_member() {
    check(
        r"
        > SADD k a b
        < :2
        > FIELDEXPIRE k 100 a nobody b
        < *3 :1 :-2 :1
        > FIELDEXPIRE nothing 100 a
        < *1 :-2
        > PERSIST k a
        < :1
        ",
    );
}

#[test]
fn expiremember_answers_whether_it_was_there() {
    check(
        r"
        > SADD k a b c
        < :3
        > EXPIREMEMBER k a 100
        < :1
        > EXPIREMEMBER k b 100000 ms
        < :1
        > EXPIREMEMBER k b 100 S
        < :1
        > EXPIREMEMBERAT k a 33177117420
        < :1
        > PEXPIREMEMBERAT k a 33177117420000
        < :1
        > EXPIREMEMBER k nobody 100
        < :0
        > PEXPIREMEMBERAT nothing a 33177117420000
        < :0
        > EXPIREMEMBER k c -1
        < :1
        > EXPIREMEMBERAT k b 1
        < :1
        > SMISMEMBER k a b c
        < *3 :1 :0 :0
        ",
    );
}

#[test]
fn ttl_and_persist_take_a_member() {
    check(
        r"
        > TTL nothing a
        < :-2
        > PTTL nothing a
        < :-2
        > PERSIST nothing a
        < :0
        > SADD k a
        < :1
        > TTL k nobody
        < :-2
        > TTL k a
        < :-1
        > PTTL k a
        < :-1
        > PERSIST k a
        < :0
        > EXPIREMEMBERAT k a 33177117420
        < :1
        > PERSIST k a
        < :1
        > PTTL k a
        < :-1
        > TTL k a b
        < -ERR wrong number of arguments for 'ttl' command
        > PTTL k a b
        < -ERR wrong number of arguments for 'pttl' command
        > PERSIST k a b
        < -ERR wrong number of arguments for 'persist' command
        ",
    );
}

#[test]
fn a_plain_sadd_adds_for_good() {
    check(
        r"
        > SADDEXAT k 33177117420 a
        < :1
        > SADD k a
        < :0
        > TTL k a
        < :-1
        ",
    );
}

/// The milliseconds at which members end, by way of the time left: `-1` for never, `-2` for not there.
fn ends(client: &mut Client, key: &str, members: &[&str]) -> Vec<i64> {
    let round = |left_ms: i64| if left_ms < 0 { left_ms } else { (left_ms + now_ms()) / 100_000 };
    members.iter().map(|member| round(integer(&client.ask(&["PTTL", key, member])))).collect()
}

/// A set whose members end, at a hundred seconds from one to the next: `3 a`, `4 b`; `c` never does.
fn prepare(client: &mut Client, key: &str, members: &[(&str, i64)]) -> i64 {
    let first = now_ms() / 100_000 + 10;
    for (member, after) in members {
        let end = ((first + after) * 100_000 + 50_000).to_string();
        client.ask(&["PSADDEXAT", key, &end, member]);
    }
    first
}

#[test]
fn smove_takes_the_end_along_and_keeps_the_later_of_two() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let first = prepare(&mut client, "from", &[("new", 1), ("later", 2), ("earlier", 3)]);
    prepare(&mut client, "to", &[("later", 5), ("earlier", 0)]);
    for member in ["new", "later", "earlier"] {
        assert_eq!(ask(&mut client, &format!("SMOVE from to {member}")), ":1\r\n");
    }
    assert_eq!(ends(&mut client, "to", &["new", "later", "earlier"]), [first + 1, first + 5, first + 3]);
    assert_eq!(ask(&mut client, "EXISTS from"), ":0\r\n");
}

#[test]
fn what_is_stored_ends_as_it_would_in_what_was_asked_for() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let first = prepare(&mut client, "a", &[("x", 1), ("y", 4), ("only", 2)]);
    prepare(&mut client, "b", &[("x", 3), ("y", 2)]);
    client.ask(&["SADD", "a", "forever"]);
    client.ask(&["SUNIONSTORE", "union", "a", "b"]);
    client.ask(&["SINTERSTORE", "intersection", "a", "b"]);
    client.ask(&["SDIFFSTORE", "difference", "a", "b"]);
    assert_eq!(
        ends(&mut client, "union", &["x", "y", "only", "forever"]),
        [first + 3, first + 4, first + 2, -1]
    );
    assert_eq!(ends(&mut client, "intersection", &["x", "y"]), [first + 1, first + 2]);
    assert_eq!(ends(&mut client, "difference", &["only", "forever", "x"]), [first + 2, -1, -2]);
}

#[test]
fn members_keep_their_ends_under_another_key_and_in_a_copy() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let first = prepare(&mut client, "k", &[("x", 1), ("y", 2)]);
    client.ask(&["RENAME", "k", "renamed"]);
    client.ask(&["COPY", "renamed", "copied"]);
    client.ask(&["MOVE", "renamed", "1"]);
    client.ask(&["SWAPDB", "1", "2"]);
    assert_eq!(ends(&mut client, "copied", &["x", "y"]), [first + 1, first + 2]);
    client.ask(&["SELECT", "2"]);
    assert_eq!(ends(&mut client, "renamed", &["x", "y"]), [first + 1, first + 2]);
}

#[test]
fn a_member_is_gone_in_every_command_at_its_millisecond() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let end_ms = now_ms() + 400;
    let end = end_ms.to_string();
    client.ask(&["SADD", "k", "stays"]);
    client.ask(&["PSADDEXAT", "k", &end, "goes"]);
    client.ask(&["PSADDEXAT", "whole", &end, "goes", "too"]);
    assert_eq!(ask(&mut client, "SCARD k"), ":2\r\n");
    assert_eq!(ask(&mut client, "SCARD whole"), ":2\r\n");
    while now_ms() < end_ms {
        std::hint::spin_loop();
    }
    run(
        &mut client,
        2,
        r#"
        > SCARD k
        < :1
        > SISMEMBER k goes
        < :0
        > SMISMEMBER k goes stays
        < *2 :0 :1
        > SMEMBERS k
        < *1 "stays"
        > SSCAN k 0
        < *2 "0" *1 "stays"
        > SRANDMEMBER k 5
        < *1 "stays"
        > SINTER k whole
        < *0
        > SUNION k whole
        < *1 "stays"
        > SDIFF k whole
        < *1 "stays"
        > SINTERCARD 2 k whole
        < :0
        > FIELDTTL k goes
        < :-3
        > EXISTS whole
        < :0
        > TYPE whole
        < +none
        > KEYS *
        < *1 "k"
        > SCAN 0
        < *2 "0" *1 "k"
        > DBSIZE
        < :1
        > SREM k goes
        < :0
        > SMOVE k other goes
        < :0
        > SPOP whole
        < $-1
        > RENAME whole other
        < -ERR no such key
        > COPY whole other
        < :0
        > SADD whole new
        < :1
        > SMEMBERS whole
        < *1 "new"
        > SADD k goes
        < :1
        > FIELDTTL k goes
        < :-1
        "#,
    );
}

#[test]
fn a_member_that_ends_within_watched_keys_voids_the_transaction() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    let end_ms = now_ms() + 300;
    client.ask(&["PSADDEXAT", "k", &end_ms.to_string(), "goes"]);
    client.ask(&["SADD", "k", "stays"]);
    client.ask(&["WATCH", "k"]);
    while now_ms() < end_ms {
        std::hint::spin_loop();
    }
    client.ask(&["MULTI"]);
    client.ask(&["PING"]);
    assert_eq!(client.ask(&["EXEC"]), b"*-1\r\n");
}

#[test]
fn ends_are_there_after_a_restart() {
    let server = Server::start();
    let first = {
        let mut client = connect(&server, 2);
        let first = prepare(&mut client, "k", &[("x", 1), ("y", 2)]);
        client.ask(&["SADD", "k", "forever"]);
        client.ask(&["PSADDEXAT", "k", &(now_ms() + 100).to_string(), "soon"]);
        first
    };
    let server = Server::start_in(server.stop(), Setup::default());
    let mut client = connect(&server, 2);
    assert_eq!(ends(&mut client, "k", &["x", "y", "forever"]), [first + 1, first + 2, -1]);
    let gone = now_ms() + 100;
    while now_ms() < gone {
        std::hint::spin_loop();
    }
    assert_eq!(ask(&mut client, "SCARD k"), ":3\r\n");
}
