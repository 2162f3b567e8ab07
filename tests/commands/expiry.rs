//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST, and what an expiry is kept
//! by, cleared by, and seen by.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::script::{check, connect, elements, integer, text};
use crate::support::server::{Client, Server, Setup, until};

#[test]
fn expireat_and_pexpireat_set_the_time() {
    check(
        r#"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420
        < :1
        > EXPIRETIME k
        < :33177117420
        > PEXPIRETIME k
        < :33177117420000
        > PEXPIREAT k 33177117420123
        < :1
        > EXPIRETIME k
        < :33177117420
        > PEXPIRETIME k
        < :33177117420123
        > PEXPIREAT k 33177117420500
        < :1
        > EXPIRETIME k
        < :33177117421
        > GET k
        < "v"
        > SADD s a
        < :1
        > EXPIREAT s 33177117421
        < :1
        > EXPIRETIME s
        < :33177117421
        > PEXPIREAT s 33177117421001
        < :1
        > PEXPIRETIME s
        < :33177117421001
        > SMEMBERS s
        <2 *1 "a"
        <3 ~1 "a"
        "#,
    );
}

#[test]
fn expire_and_pexpire_count_from_now() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        for add in [&["SET", "string", "v"], &["SADD", "set", "a"]] {
            client.ask(add);
            let key = add[1];
            for (command, time) in [("EXPIRE", 1_000_i64), ("PEXPIRE", 1_000_000)] {
                let before = now_ms();
                assert_eq!(client.ask(&[command, key, &time.to_string()]), b":1\r\n");
                let expected = before + 1_000_000..=now_ms() + 1_000_000;
                let expires_at = integer(&client.ask(&["PEXPIRETIME", key]));
                assert!(expected.contains(&expires_at), "{command} {key}: {expires_at} not in {expected:?}");
            }
        }
    }
}

#[test]
fn ttl_and_pttl_tell_what_remains() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SET", "k", "v"]);
    let expires_at = now_ms() + 1_000_000;
    client.ask(&["PEXPIREAT", "k", &expires_at.to_string()]);
    let before = now_ms();
    let remaining_ms = integer(&client.ask(&["PTTL", "k"]));
    let remaining = integer(&client.ask(&["TTL", "k"]));
    let after = now_ms();
    assert!((expires_at - after..=expires_at - before).contains(&remaining_ms), "{remaining_ms}");
    let rounded = |ms: i64| (ms + 500) / 1_000;
    assert!((rounded(expires_at - after)..=rounded(expires_at - before)).contains(&remaining), "{remaining}");
}

#[test]
fn ttl_is_rounded_to_the_nearest_second() {
    check(
        r"
        > SET k v PX 1000200
        > TTL k
        < +OK
        < :1000
        > SET k v PX 1000999
        > TTL k
        < +OK
        < :1001
        > SET k v PX 400
        > TTL k
        < +OK
        < :0
        ",
    );
}

#[test]
fn what_has_no_expiry_is_minus_one_and_what_is_not_there_minus_two() {
    check(
        r"
        > SET k v
        < +OK
        > TTL k
        < :-1
        > PTTL k
        < :-1
        > EXPIRETIME k
        < :-1
        > PEXPIRETIME k
        < :-1
        > SADD s a
        < :1
        > TTL s
        < :-1
        > PTTL s
        < :-1
        > EXPIRETIME s
        < :-1
        > PEXPIRETIME s
        < :-1
        > TTL nothing
        < :-2
        > PTTL nothing
        < :-2
        > EXPIRETIME nothing
        < :-2
        > PEXPIRETIME nothing
        < :-2
        > TTL
        < -ERR wrong number of arguments for 'ttl' command
        > PTTL
        < -ERR wrong number of arguments for 'pttl' command
        > EXPIRETIME
        < -ERR wrong number of arguments for 'expiretime' command
        > PEXPIRETIME k k
        < -ERR wrong number of arguments for 'pexpiretime' command
        ",
    );
}

#[test]
fn what_is_not_there_gets_no_expiry() {
    check(
        r"
        > EXPIRE k 10
        < :0
        > PEXPIRE k 10
        < :0
        > EXPIREAT k 33177117420
        < :0
        > PEXPIREAT k 33177117420000
        < :0
        > EXPIRE k -1
        < :0
        > EXPIRE k 10 NX
        < :0
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn a_time_in_the_past_removes_the_key() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIRE k -1
        < :1
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > EXPIRE k 0
        < :1
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > PEXPIRE k -1
        < :1
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > PEXPIRE k 0
        < :1
        > EXISTS k
        < :0
        > SADD s a
        < :1
        > EXPIREAT s 1
        < :1
        > EXISTS s
        < :0
        > SADD s a
        < :1
        > EXPIREAT s 0
        < :1
        > EXISTS s
        < :0
        > SADD s a
        < :1
        > EXPIREAT s -1
        < :1
        > EXISTS s
        < :0
        > SADD s a
        < :1
        > PEXPIREAT s 1
        < :1
        > EXISTS s
        < :0
        > SADD s a
        < :1
        > PEXPIREAT s -9223372036854775808
        < :1
        > EXISTS s
        < :0
        > EXPIREAT s 1
        < :0
        > DBSIZE
        < :0
        ",
    );
}

#[test]
fn nx_sets_only_where_there_is_no_expiry() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420 NX
        < :1
        > EXPIREAT k 33177117421 NX
        < :0
        > EXPIREAT k 1 NX
        < :0
        > EXPIRETIME k
        < :33177117420
        > PERSIST k
        < :1
        > PEXPIREAT k 33177117422000 nx
        < :1
        > EXPIRETIME k
        < :33177117422
        ",
    );
}

#[test]
fn xx_sets_only_where_there_is_an_expiry() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420 XX
        < :0
        > EXPIRE k -1 XX
        < :0
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > EXPIREAT k 33177117421 XX
        < :1
        > EXPIRETIME k
        < :33177117421
        > EXPIRE k -1 xx
        < :1
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn gt_sets_only_a_later_time_and_no_expiry_is_the_latest() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420 GT
        < :0
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > EXPIREAT k 33177117420 GT
        < :0
        > EXPIREAT k 33177117419 GT
        < :0
        > EXPIREAT k 1 GT
        < :0
        > EXPIRETIME k
        < :33177117420
        > EXPIREAT k 33177117421 GT
        < :1
        > PEXPIREAT k 33177117421001 gt
        < :1
        > PEXPIRETIME k
        < :33177117421001
        > EXPIRE k 100 GT
        < :0
        > PEXPIRETIME k
        < :33177117421001
        ",
    );
}

#[test]
fn lt_sets_only_an_earlier_time_and_no_expiry_is_the_latest() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420 LT
        < :1
        > EXPIRETIME k
        < :33177117420
        > EXPIREAT k 33177117420 LT
        < :0
        > EXPIREAT k 33177117421 LT
        < :0
        > EXPIREAT k 33177117419 LT
        < :1
        > EXPIRETIME k
        < :33177117419
        > PEXPIREAT k 33177117418999 lt
        < :1
        > PEXPIRETIME k
        < :33177117418999
        > EXPIRE k -1 LT
        < :1
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > EXPIRE k -1 LT
        < :1
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn xx_goes_with_gt_and_lt() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420 XX LT
        < :0
        > EXPIREAT k 33177117420 GT XX
        < :0
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > EXPIREAT k 33177117421 XX GT
        < :1
        > EXPIREAT k 33177117419 LT XX
        < :1
        > EXPIREAT k 33177117421 XX LT
        < :0
        > EXPIRETIME k
        < :33177117419
        ",
    );
}

#[test]
fn options_of_expire_can_be_repeated() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIREAT k 33177117420 NX NX
        < :1
        > EXPIREAT k 33177117421 XX XX GT GT
        < :1
        > EXPIRETIME k
        < :33177117421
        ",
    );
}

#[test]
fn options_of_expire_that_contradict_each_other_are_refused() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIRE k 10 NX XX
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 10 XX NX
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 10 NX GT
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 10 NX LT
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 10 GT NX
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 10 GT LT
        < -ERR GT and LT options at the same time are not compatible
        > EXPIRE k 10 LT GT
        < -ERR GT and LT options at the same time are not compatible
        > EXPIRE k 10 XX GT LT
        < -ERR GT and LT options at the same time are not compatible
        > EXPIRE k 10 NX XX GT LT
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > PEXPIRE k 10 GT LT
        < -ERR GT and LT options at the same time are not compatible
        > EXPIREAT k 10 GT LT
        < -ERR GT and LT options at the same time are not compatible
        > PEXPIREAT k 10 NX XX
        < -ERR NX and XX, GT or LT options at the same time are not compatible
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn options_that_expire_does_not_know_are_named() {
    check(
        r#"
        > SET k v
        < +OK
        > EXPIRE k 10 NONSENSE
        < -ERR Unsupported option NONSENSE
        > EXPIRE k 10 ""
        < -ERR Unsupported option\x20
        > EXPIRE k 10 nx nonsense
        < -ERR Unsupported option nonsense
        > PEXPIRE k 10 KEEPTTL
        < -ERR Unsupported option KEEPTTL
        > EXPIREAT k 10 XX 10
        < -ERR Unsupported option 10
        > PEXPIREAT k 10 PERSIST
        < -ERR Unsupported option PERSIST
        > EXPIRE k 10 NX XX NONSENSE
        < -ERR Unsupported option NONSENSE
        > EXPIRE nothing 10 NONSENSE
        < -ERR Unsupported option NONSENSE
        > EXPIRE k x NONSENSE
        < -ERR Unsupported option NONSENSE
        > EXPIRE k 9223372036854775807 NONSENSE
        < -ERR Unsupported option NONSENSE
        > TTL k
        < :-1
        "#,
    );
}

#[test]
fn a_time_that_expire_takes_is_a_number() {
    check(
        r#"
        > SET k v
        < +OK
        > EXPIRE k x
        < -ERR value is not an integer or out of range
        > EXPIRE k ""
        < -ERR value is not an integer or out of range
        > EXPIRE k 1.5
        < -ERR value is not an integer or out of range
        > EXPIRE k " 10"
        < -ERR value is not an integer or out of range
        > EXPIRE k +10
        < -ERR value is not an integer or out of range
        > EXPIRE k 010
        < -ERR value is not an integer or out of range
        > EXPIRE k 9223372036854775808
        < -ERR value is not an integer or out of range
        > PEXPIRE k x
        < -ERR value is not an integer or out of range
        > EXPIREAT k x
        < -ERR value is not an integer or out of range
        > PEXPIREAT k x
        < -ERR value is not an integer or out of range
        > PEXPIREAT k -9223372036854775809
        < -ERR value is not an integer or out of range
        > EXPIRE nothing x
        < -ERR value is not an integer or out of range
        > TTL k
        < :-1
        > EXPIRE k
        < -ERR wrong number of arguments for 'expire' command
        > EXPIRE
        < -ERR wrong number of arguments for 'expire' command
        > PEXPIRE k
        < -ERR wrong number of arguments for 'pexpire' command
        > EXPIREAT k
        < -ERR wrong number of arguments for 'expireat' command
        > PEXPIREAT k
        < -ERR wrong number of arguments for 'pexpireat' command
        "#,
    );
}

#[test]
fn a_time_that_expire_takes_does_not_overflow() {
    check(
        r"
        > SET k v
        < +OK
        > EXPIRE k 9223372036854775807
        < -ERR invalid expire time in 'expire' command
        > EXPIRE k 9223372036854776
        < -ERR invalid expire time in 'expire' command
        > EXPIRE k 9223372036854775
        < -ERR invalid expire time in 'expire' command
        > EXPIRE k -9223372036854775808
        < -ERR invalid expire time in 'expire' command
        > EXPIRE k -9223372036854776
        < -ERR invalid expire time in 'expire' command
        > PEXPIRE k 9223372036854775807
        < -ERR invalid expire time in 'pexpire' command
        > EXPIREAT k 9223372036854775807
        < -ERR invalid expire time in 'expireat' command
        > EXPIREAT k 9223372036854776
        < -ERR invalid expire time in 'expireat' command
        > EXPIREAT k -9223372036854776
        < -ERR invalid expire time in 'expireat' command
        > EXPIRE nothing 9223372036854775807
        < -ERR invalid expire time in 'expire' command
        > PEXPIRE nothing 9223372036854775807
        < -ERR invalid expire time in 'pexpire' command
        > EXPIRE k 9223372036854775807 XX
        < -ERR invalid expire time in 'expire' command
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn the_farthest_times_are_taken() {
    check(
        r#"
        > SET k v
        < +OK
        > EXPIREAT k 9223372036854775
        < :1
        > EXPIRETIME k
        < :9223372036854775
        > PEXPIREAT k 9223372036854775807
        < :1
        > PEXPIRETIME k
        < :9223372036854775807
        > GET k
        < "v"
        > PEXPIRE k -9223372036854775808
        < :1
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > EXPIRE k -9223372036854775
        < :1
        > EXISTS k
        < :0
        "#,
    );
}

#[test]
fn persist_clears_the_expiry() {
    check(
        r#"
        > SET k v EXAT 33177117420
        < +OK
        > PERSIST k
        < :1
        > TTL k
        < :-1
        > PERSIST k
        < :0
        > PERSIST nothing
        < :0
        > SADD s a
        < :1
        > EXPIREAT s 33177117420
        < :1
        > PERSIST s
        < :1
        > TTL s
        < :-1
        > GET k
        < "v"
        > PERSIST
        < -ERR wrong number of arguments for 'persist' command
        "#,
    );
}

#[test]
fn what_changes_a_string_keeps_its_expiry() {
    check(
        r#"
        > SET k 1 EXAT 33177117420
        < +OK
        > APPEND k 0
        < :2
        > INCR k
        < :11
        > DECR k
        < :10
        > INCRBY k 5
        < :15
        > DECRBY k 5
        < :10
        > INCRBYFLOAT k 0.5
        < "10.5"
        > SETRANGE k 0 2
        < :4
        > GETEX k
        < "20.5"
        > GET k
        < "20.5"
        > EXPIRETIME k
        < :33177117420
        "#,
    );
}

#[test]
fn what_replaces_a_string_clears_its_expiry() {
    check(
        r#"
        > SET a 1 EXAT 33177117420
        < +OK
        > SET a 2
        < +OK
        > TTL a
        < :-1
        > SET b 1 EXAT 33177117420
        < +OK
        > GETSET b 2
        < "1"
        > TTL b
        < :-1
        > SET c 1 EXAT 33177117420
        < +OK
        > MSET c 2
        < +OK
        > TTL c
        < :-1
        > SET d 1 EXAT 33177117420
        < +OK
        > GETEX d PERSIST
        < "1"
        > TTL d
        < :-1
        > SET e 1 EXAT 33177117420
        < +OK
        > SET e 2 GET
        < "1"
        > TTL e
        < :-1
        > SET f 1 EXAT 33177117420
        < +OK
        > SETRANGE f 0 ""
        < :1
        > EXPIRETIME f
        < :33177117420
        > SETNX f 2
        < :0
        > EXPIRETIME f
        < :33177117420
        > MSETNX f 2 g 2
        < :0
        > EXPIRETIME f
        < :33177117420
        "#,
    );
}

#[test]
fn a_key_that_is_made_anew_has_no_expiry() {
    check(
        r#"
        > SET k v EXAT 33177117420
        < +OK
        > DEL k
        < :1
        > SET k v
        < +OK
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > GETDEL k
        < "v"
        > APPEND k v
        < :1
        > TTL k
        < :-1
        > SADD s a
        < :1
        > EXPIREAT s 33177117420
        < :1
        > SREM s a
        < :1
        > SADD s b
        < :1
        > TTL s
        < :-1
        "#,
    );
}

#[test]
fn what_changes_a_set_keeps_its_expiry() {
    check(
        r"
        > SADD s a b c
        < :3
        > EXPIREAT s 33177117420
        < :1
        > SADD s d
        < :1
        > SREM s d
        < :1
        > SMOVE s other a
        < :1
        > SMOVE other s a
        < :1
        > EXPIRETIME s
        < :33177117420
        > TTL other
        < :-2
        ",
    );
}

#[test]
fn what_stores_a_set_clears_the_expiry_of_what_was_there_and_takes_none_over() {
    check(
        r"
        > SADD source a
        < :1
        > EXPIREAT source 33177117420
        < :1
        > SADD k x
        < :1
        > EXPIREAT k 33177117420
        < :1
        > SUNIONSTORE k source
        < :1
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > SINTERSTORE k source
        < :1
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > SDIFFSTORE k source nothing
        < :1
        > TTL k
        < :-1
        > SET k v EXAT 33177117420
        < +OK
        > SUNIONSTORE k source
        < :1
        > TTL k
        < :-1
        > SUNIONSTORE source source
        < :1
        > TTL source
        < :-1
        ",
    );
}

#[test]
fn rename_takes_the_expiry_along() {
    check(
        r"
        > SET a 1 EXAT 33177117420
        < +OK
        > RENAME a b
        < +OK
        > EXPIRETIME b
        < :33177117420
        > SET c 1
        < +OK
        > RENAME c b
        < +OK
        > TTL b
        < :-1
        > SET d 1 EXAT 33177117421
        < +OK
        > RENAME d b
        < +OK
        > EXPIRETIME b
        < :33177117421
        > SADD s a
        < :1
        > EXPIREAT s 33177117422
        < :1
        > RENAMENX s t
        < :1
        > EXPIRETIME t
        < :33177117422
        > RENAME t t
        < +OK
        > EXPIRETIME t
        < :33177117422
        ",
    );
}

#[test]
fn copy_copies_the_expiry() {
    check(
        r"
        > SET a 1 EXAT 33177117420
        < +OK
        > COPY a b
        < :1
        > EXPIRETIME b
        < :33177117420
        > EXPIRETIME a
        < :33177117420
        > SET c 1
        < +OK
        > COPY c b REPLACE
        < :1
        > TTL b
        < :-1
        > SADD s a
        < :1
        > EXPIREAT s 33177117421
        < :1
        > COPY s s DB 1
        < :1
        > SELECT 1
        < +OK
        > EXPIRETIME s
        < :33177117421
        ",
    );
}

#[test]
fn move_takes_the_expiry_along() {
    check(
        r"
        > SET k v EXAT 33177117420
        < +OK
        > MOVE k 1
        < :1
        > SET k w
        < +OK
        > SELECT 1
        < +OK
        > EXPIRETIME k
        < :33177117420
        > SELECT 0
        < +OK
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn swapdb_takes_expiries_along() {
    check(
        r"
        > SET k v EXAT 33177117420
        < +OK
        > SWAPDB 0 1
        < +OK
        > TTL k
        < :-2
        > SELECT 1
        < +OK
        > EXPIRETIME k
        < :33177117420
        ",
    );
}

#[test]
fn flushing_takes_expiries_along() {
    check(
        r"
        > SET k v EXAT 33177117420
        < +OK
        > FLUSHDB
        < +OK
        > SET k v
        < +OK
        > TTL k
        < :-1
        > EXPIREAT k 33177117420
        < :1
        > FLUSHALL
        < +OK
        > SET k v
        < +OK
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn expire_counts_inside_of_a_transaction() {
    check(
        r"
        > SET k v
        < +OK
        > MULTI
        < +OK
        > EXPIREAT k 33177117420
        < +QUEUED
        > EXPIRETIME k
        < +QUEUED
        > PERSIST k
        < +QUEUED
        > TTL k
        < +QUEUED
        > EXPIRE k -1
        < +QUEUED
        > EXISTS k
        < +QUEUED
        > SET k w PXAT 1
        < +QUEUED
        > GET k
        < +QUEUED
        > SET k x
        < +QUEUED
        > EXPIREAT k 33177117421
        < +QUEUED
        > EXEC
        <2 *10 :1 :33177117420 :1 :-1 :1 :0 +OK $-1 +OK :1
        <3 *10 :1 :33177117420 :1 :-1 :1 :0 +OK _ +OK :1
        > EXPIRETIME k
        < :33177117421
        ",
    );
}

#[test]
fn what_a_transaction_makes_expire_is_gone_for_the_rest_of_it() {
    check(
        r#"
        > SADD s a b
        < :2
        > MULTI
        < +OK
        > PEXPIREAT s 1
        < +QUEUED
        > SCARD s
        < +QUEUED
        > SISMEMBER s a
        < +QUEUED
        > SADD s c
        < +QUEUED
        > SMEMBERS s
        < +QUEUED
        > TTL s
        < +QUEUED
        > EXEC
        <2 *6 :1 :0 :0 :1 *1 "c" :-1
        <3 *6 :1 :0 :0 :1 ~1 "c" :-1
        "#,
    );
}

/// Asks about a key that expires until the reply is that of a key that is not there.
fn sees_expiry(client: &mut Client, add: &[&str], question: &str, gone: &str) {
    let question: Vec<_> = question.split(' ').collect();
    client.ask(add);
    let there = client.ask(&question);
    assert_ne!(there, gone.as_bytes(), "{question:?} sees it while it is there");
    client.ask(&["PEXPIRE", "k", "5"]);
    until("it has expired", || client.ask(&question) == gone.as_bytes());
}

#[test]
fn an_expired_string_is_seen_by_no_command() {
    for (protocol, null) in [(2, "$-1\r\n"), (3, "_\r\n")] {
        let questions: &[(&str, &str)] = &[
            ("GET k", null),
            ("EXISTS k", ":0\r\n"),
            ("STRLEN k", ":0\r\n"),
            ("TYPE k", "+none\r\n"),
            ("TTL k", ":-2\r\n"),
            ("PTTL k", ":-2\r\n"),
            ("EXPIRETIME k", ":-2\r\n"),
            ("TOUCH k", ":0\r\n"),
            ("KEYS *", "*0\r\n"),
            ("SCAN 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SCAN 0 TYPE string", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ("RANDOMKEY", null),
            ("DBSIZE", ":0\r\n"),
            ("GETRANGE k 0 -1", "$0\r\n\r\n"),
            ("OBJECT ENCODING k", null),
        ];
        let server = Server::start();
        let mut client = connect(&server, protocol);
        for (question, gone) in questions {
            sees_expiry(&mut client, &["SET", "k", "v"], question, gone);
        }
    }
}

#[test]
fn an_expired_set_is_seen_by_no_command() {
    for (protocol, empty) in [(2, "*0\r\n"), (3, "~0\r\n")] {
        let questions: &[(&str, &str)] = &[
            ("SMEMBERS k", empty),
            ("SCARD k", ":0\r\n"),
            ("SISMEMBER k a", ":0\r\n"),
            ("SMISMEMBER k a", "*1\r\n:0\r\n"),
            ("SSCAN k 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SRANDMEMBER k 2", "*0\r\n"),
            ("SUNION k", empty),
            ("SINTER k", empty),
            ("SDIFF k", empty),
            ("SINTERCARD 1 k", ":0\r\n"),
            ("TYPE k", "+none\r\n"),
        ];
        let server = Server::start();
        let mut client = connect(&server, protocol);
        for (question, gone) in questions {
            sees_expiry(&mut client, &["SADD", "k", "a"], question, gone);
        }
    }
}

/// Adds a key `k` that expires, and waits until it has, whether or not it was swept.
fn add_and_let_expire(client: &mut Client, add: &[&str]) {
    client.ask(add);
    let expires_at = now_ms() + 2;
    client.ask(&["PEXPIREAT", "k", &expires_at.to_string()]);
    until("it has expired", || now_ms() > expires_at);
}

/// Sends a request to a server that has nothing but an expired `k`, and what else is added.
fn assert_reply_after_expiry(client: &mut Client, add: &[&[&str]], request: &str, reply: &str) {
    client.ask(&["FLUSHALL"]);
    add[1..].iter().for_each(|add| assert_eq!(client.ask(add), b":1\r\n"));
    add_and_let_expire(client, add[0]);
    let words: Vec<_> = request.split(' ').collect();
    let got = String::from_utf8(client.ask(&words)).unwrap();
    assert_eq!(got, reply, "{request}");
}

#[test]
fn what_has_expired_is_as_if_it_had_never_been_for_what_changes_strings() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for (request, reply) in [
        ("SET k w NX", "+OK\r\n"),
        ("SET k w XX", "$-1\r\n"),
        ("SET k w GET", "$-1\r\n"),
        ("SETNX k w", ":1\r\n"),
        ("MSETNX k w l w", ":1\r\n"),
        ("GETSET k w", "$-1\r\n"),
        ("GETDEL k", "$-1\r\n"),
        ("GETEX k PERSIST", "$-1\r\n"),
        ("APPEND k w", ":1\r\n"),
        ("INCR k", ":1\r\n"),
        ("INCRBYFLOAT k 2", "$1\r\n2\r\n"),
        ("SETRANGE k 1 w", ":2\r\n"),
        ("SADD k w", ":1\r\n"),
        ("DEL k", ":0\r\n"),
        ("UNLINK k", ":0\r\n"),
        ("EXPIRE k 10", ":0\r\n"),
        ("EXPIRE k 10 GT", ":0\r\n"),
        ("PERSIST k", ":0\r\n"),
        ("RENAME k l", "-ERR no such key\r\n"),
        ("RENAMENX k l", "-ERR no such key\r\n"),
        ("COPY k l", ":0\r\n"),
        ("MOVE k 1", ":0\r\n"),
    ] {
        assert_reply_after_expiry(&mut client, &[&["SET", "k", "41"]], request, reply);
        let ttl = integer(&client.ask(&["TTL", "k"]));
        assert!(ttl < 0, "{request} takes no expiry over: {ttl}");
    }
}

#[test]
fn what_has_expired_is_as_if_it_had_never_been_for_what_changes_sets() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for (request, reply) in [
        ("SADD k a", ":1\r\n"),
        ("SREM k a", ":0\r\n"),
        ("SPOP k", "$-1\r\n"),
        ("SPOP k 1", "*0\r\n"),
        ("SMOVE k l a", ":0\r\n"),
        ("SUNIONSTORE l k", ":0\r\n"),
        ("SET k v GET", "$-1\r\n"),
        ("INCR k", ":1\r\n"),
        ("APPEND k a", ":1\r\n"),
    ] {
        assert_reply_after_expiry(&mut client, &[&["SADD", "k", "a", "b"]], request, reply);
    }
}

#[test]
fn what_has_expired_does_not_stand_in_the_way_of_a_new_name() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for (request, reply) in [("RENAMENX l k", ":1\r\n"), ("COPY l k", ":1\r\n"), ("SMOVE l k x", ":1\r\n")] {
        assert_reply_after_expiry(&mut client, &[&["SET", "k", "v"], &["SADD", "l", "x"]], request, reply);
        assert_eq!(client.ask(&["TYPE", "k"]), b"+set\r\n");
        assert_eq!(client.ask(&["TTL", "k"]), b":-1\r\n");
    }
}

#[test]
fn a_walk_by_scan_passes_over_what_has_expired() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    for number in 0..100 {
        let expiry = if number % 2 == 0 { "1" } else { "33177117420000" };
        client.ask(&["SET", &format!("{number}"), "v", "PXAT", expiry]);
    }
    let reply = elements(&client.ask(&["SCAN", "0", "COUNT", "1000"]));
    let keys: Vec<_> = elements(&reply[1]).iter().map(|key| text(key)).collect();
    assert_eq!(keys.len(), 50);
    assert!(keys.iter().all(|key| key.parse::<u32>().unwrap() % 2 == 1), "{keys:?}");
}

#[test]
fn exec_does_nothing_if_a_watched_key_has_expired() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        client.ask(&["SET", "k", "v"]);
        let expires_at = now_ms() + 50;
        client.ask(&["PEXPIREAT", "k", &expires_at.to_string()]);
        assert_eq!(client.ask(&["WATCH", "k"]), b"+OK\r\n");
        assert_eq!(client.ask(&["EXISTS", "k"]), b":1\r\n", "not yet");
        until("it has expired", || now_ms() > expires_at);
        client.ask(&["MULTI"]);
        client.ask(&["SADD", "done", "yes"]);
        let null: &[u8] = if protocol == 3 { b"_\r\n" } else { b"*-1\r\n" };
        assert_eq!(client.ask(&["EXEC"]).escape_ascii().to_string(), null.escape_ascii().to_string());
    }
}

#[test]
fn exec_is_executed_if_a_watched_key_had_expired_before() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    add_and_let_expire(&mut client, &["SET", "k", "v"]);
    assert_eq!(client.ask(&["WATCH", "k"]), b"+OK\r\n");
    assert_eq!(client.ask(&["GET", "k"]), b"$-1\r\n");
    client.ask(&["MULTI"]);
    client.ask(&["SADD", "done", "yes"]);
    assert_eq!(client.ask(&["EXEC"]), b"*1\r\n:1\r\n");
}

#[test]
fn expiries_are_there_after_a_restart() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    client.ask(&["SET", "string", "v", "PXAT", "33177117420123"]);
    client.ask(&["SADD", "set", "a"]);
    client.ask(&["PEXPIREAT", "set", "33177117421456"]);
    client.ask(&["SET", "stays", "v", "PXAT", "33177117421456"]);
    client.ask(&["PERSIST", "stays"]);
    client.ask(&["SET", "gone", "v"]);
    client.ask(&["PEXPIRE", "gone", "1"]);
    let server = Server::start_in(server.stop(), Setup::default());
    let mut client = connect(&server, 2);
    assert_eq!(client.ask(&["PEXPIRETIME", "string"]), b":33177117420123\r\n");
    assert_eq!(client.ask(&["PEXPIRETIME", "set"]), b":33177117421456\r\n");
    assert_eq!(client.ask(&["TTL", "stays"]), b":-1\r\n");
    until("it has expired", || client.ask(&["EXISTS", "gone"]) == b":0\r\n");
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
