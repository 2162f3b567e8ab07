//! SET and its kin, GET, MGET, MSET, GETDEL, GETEX, STRLEN, APPEND, GETRANGE, SETRANGE, INCR, DECR, INCRBY, DECRBY.

use crate::script::{check, connect, string};
use crate::support::server::Server;

#[test]
fn get_returns_what_set_put_there() {
    check(
        r#"
        > SET k value
        < +OK
        > GET k
        < "value"
        > SET k "another value"
        < +OK
        > GET k
        < "another value"
        > SET k ""
        < +OK
        > GET k
        < ""
        > EXISTS k
        < :1
        > SET "" empty
        < +OK
        > GET ""
        < "empty"
        > GET nothing
        <2 $-1
        <3 _
        > GET K
        <2 $-1
        <3 _
        > gEt k
        < ""
        > GET
        < -ERR wrong number of arguments for 'get' command
        > GET k k
        < -ERR wrong number of arguments for 'get' command
        > SET k
        < -ERR wrong number of arguments for 'set' command
        > SET
        < -ERR wrong number of arguments for 'set' command
        "#,
    );
}

#[test]
fn values_come_back_as_the_bytes_that_went_in() {
    let mut values: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    values.push((0..=255).collect());
    values.push(vec![0; 1_000_000]);
    for text in [
        "123e4567-e89b-12d3-a456-426614174000",
        "123E4567-E89B-12D3-A456-426614174000",
        "123e4567e89b12d3a456426614174000",
        "00",
        "-0",
        "+1",
        "007",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1.0",
        "1e5",
        " 1",
        "1 ",
        "deadbeef",
        "DEADBEEF",
        "deadbee",
        "a\r\nb",
        "$1\r\na\r\n",
        "é",
    ] {
        values.push(text.into());
    }
    let server = Server::start();
    let mut client = connect(&server, 3);
    for value in &values {
        assert_eq!(client.ask(&["SET".as_bytes(), b"k", value]), b"+OK\r\n");
        assert_eq!(string(&client.ask(&["GET", "k"])), value);
        assert_eq!(client.ask(&["STRLEN", "k"]), format!(":{}\r\n", value.len()).into_bytes());
    }
}

#[test]
fn set_takes_the_place_of_another_type() {
    check(
        r#"
        > SADD k a b
        < :2
        > SET k v
        < +OK
        > TYPE k
        < +string
        > GET k
        < "v"
        > SCARD k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn set_nx_sets_only_what_is_not_there() {
    check(
        r#"
        > SET k a NX
        < +OK
        > SET k b NX
        <2 $-1
        <3 _
        > GET k
        < "a"
        > SADD s a
        < :1
        > SET s b nx
        <2 $-1
        <3 _
        > TYPE s
        < +set
        > SET k b NX EX 100
        <2 $-1
        <3 _
        > TTL k
        < :-1
        "#,
    );
}

#[test]
fn set_xx_sets_only_what_is_there() {
    check(
        r#"
        > SET k a XX
        <2 $-1
        <3 _
        > EXISTS k
        < :0
        > SET k a
        < +OK
        > SET k b XX
        < +OK
        > GET k
        < "b"
        > SADD s a
        < :1
        > SET s b xx
        < +OK
        > GET s
        < "b"
        "#,
    );
}

#[test]
fn set_get_returns_the_value_before() {
    check(
        r#"
        > SET k a GET
        <2 $-1
        <3 _
        > SET k b GET
        < "a"
        > SET k c get
        < "b"
        > GET k
        < "c"
        "#,
    );
}

#[test]
fn set_get_with_nx_or_xx_returns_the_value_before_whether_or_not_it_sets() {
    check(
        r#"
        > SET k a XX GET
        <2 $-1
        <3 _
        > EXISTS k
        < :0
        > SET k a NX GET
        <2 $-1
        <3 _
        > GET k
        < "a"
        > SET k b NX GET
        < "a"
        > GET k
        < "a"
        > SET k b XX GET
        < "a"
        > GET k
        < "b"
        > SET k c GET NX
        < "b"
        > GET k
        < "b"
        "#,
    );
}

#[test]
fn set_get_refuses_another_type_and_changes_nothing() {
    check(
        r"
        > SADD k a
        < :1
        > SET k v GET
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SET k v NX GET
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SET k v GET XX
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SET k v EX 100 GET
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > TYPE k
        < +set
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn set_with_exat_and_pxat_expires_at_that_time() {
    check(
        r#"
        > SET k v EXAT 33177117420
        < +OK
        > EXPIRETIME k
        < :33177117420
        > PEXPIRETIME k
        < :33177117420000
        > SET k v PXAT 33177117420123
        < +OK
        > PEXPIRETIME k
        < :33177117420123
        > EXPIRETIME k
        < :33177117420
        > SET k v pxat 33177117420777
        < +OK
        > EXPIRETIME k
        < :33177117421
        > GET k
        < "v"
        "#,
    );
}

#[test]
fn set_takes_its_options_in_any_order() {
    check(
        r#"
        > SET k a EXAT 33177117420 NX
        < +OK
        > SET k b XX EXAT 33177117421
        < +OK
        > SET k c GET XX PXAT 33177117422000
        < "b"
        > SET k d PXAT 33177117423000 GET XX
        < "c"
        > SET k e XX KEEPTTL GET
        < "d"
        > EXPIRETIME k
        < :33177117423
        > SET k f keepttl get xx
        < "e"
        > EXPIRETIME k
        < :33177117423
        > GET k
        < "f"
        "#,
    );
}

#[test]
fn set_clears_an_expiry_unless_keepttl_says_otherwise() {
    check(
        r#"
        > SET k a EXAT 33177117420
        < +OK
        > SET k b
        < +OK
        > TTL k
        < :-1
        > SET k a EXAT 33177117420
        < +OK
        > SET k b KEEPTTL
        < +OK
        > EXPIRETIME k
        < :33177117420
        > SET new c KEEPTTL
        < +OK
        > TTL new
        < :-1
        > SADD s a
        < :1
        > EXPIREAT s 33177117420
        < :1
        > SET s v KEEPTTL
        < +OK
        > EXPIRETIME s
        < :33177117420
        > GET s
        < "v"
        "#,
    );
}

#[test]
fn set_that_is_not_done_leaves_the_expiry() {
    check(
        r#"
        > SET k a EXAT 33177117420
        < +OK
        > SET k b NX
        <2 $-1
        <3 _
        > EXPIRETIME k
        < :33177117420
        > SET k b NX EX 10
        <2 $-1
        <3 _
        > EXPIRETIME k
        < :33177117420
        > SET k b NX GET
        < "a"
        > EXPIRETIME k
        < :33177117420
        "#,
    );
}

#[test]
fn set_refuses_options_that_contradict_each_other() {
    check(
        r"
        > SET k v NX XX
        < -ERR syntax error
        > SET k v XX NX
        < -ERR syntax error
        > SET k v EX 10 PX 10
        < -ERR syntax error
        > SET k v PX 10 EX 10
        < -ERR syntax error
        > SET k v EX 10 EXAT 33177117420
        < -ERR syntax error
        > SET k v EXAT 33177117420 PX 10
        < -ERR syntax error
        > SET k v PXAT 33177117420000 EXAT 33177117420
        < -ERR syntax error
        > SET k v EXAT 33177117420 PXAT 33177117420000
        < -ERR syntax error
        > SET k v PX 10 PXAT 33177117420000
        < -ERR syntax error
        > SET k v EX 10 KEEPTTL
        < -ERR syntax error
        > SET k v KEEPTTL EX 10
        < -ERR syntax error
        > SET k v KEEPTTL PX 10
        < -ERR syntax error
        > SET k v EXAT 33177117420 KEEPTTL
        < -ERR syntax error
        > SET k v KEEPTTL PXAT 33177117420000
        < -ERR syntax error
        > SET k v NX GET XX
        < -ERR syntax error
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn set_takes_an_option_twice() {
    check(
        r#"
        > SET k a NX NX
        < +OK
        > SET k b XX XX GET GET
        < "a"
        > SET k c KEEPTTL KEEPTTL
        < +OK
        > GET k
        < "c"
        > TTL k
        < :-1
        > SET k d EXAT 33177117420 EXAT 33177117421
        < +OK
        > EXPIRETIME k
        < :33177117421
        > SET k e PXAT 33177117422000 PXAT 33177117423000
        < +OK
        > EXPIRETIME k
        < :33177117423
        "#,
    );
}

#[test]
fn only_the_last_of_repeated_times_has_to_be_a_number() {
    check(
        r#"
        > SET k a EXAT x EXAT 33177117421
        < +OK
        > EXPIRETIME k
        < :33177117421
        > SET k b EXAT 33177117421 EXAT x
        < -ERR value is not an integer or out of range
        > GET k
        < "a"
        "#,
    );
}

#[test]
fn set_refuses_options_it_does_not_know() {
    check(
        r#"
        > SET k v NONSENSE
        < -ERR syntax error
        > SET k v ""
        < -ERR syntax error
        > SET k v 10
        < -ERR syntax error
        > SET k v EX
        < -ERR syntax error
        > SET k v PX
        < -ERR syntax error
        > SET k v EXAT
        < -ERR syntax error
        > SET k v PXAT
        < -ERR syntax error
        > SET k v NX EX
        < -ERR syntax error
        > SET k v EX 10 10
        < -ERR syntax error
        > SET k v EX NX
        < -ERR value is not an integer or out of range
        > SET k v EX x NONSENSE
        < -ERR syntax error
        > SET k v PERSIST
        < -ERR syntax error
        > EXISTS k
        < :0
        "#,
    );
}

#[test]
fn a_time_that_set_takes_is_a_number() {
    check(
        r#"
        > SET k v EX x
        < -ERR value is not an integer or out of range
        > SET k v PX ""
        < -ERR value is not an integer or out of range
        > SET k v EXAT 1.5
        < -ERR value is not an integer or out of range
        > SET k v PXAT 1e3
        < -ERR value is not an integer or out of range
        > SET k v EX " 10"
        < -ERR value is not an integer or out of range
        > SET k v EX "10 "
        < -ERR value is not an integer or out of range
        > SET k v EX +10
        < -ERR value is not an integer or out of range
        > SET k v EX 010
        < -ERR value is not an integer or out of range
        > SET k v EX 0x10
        < -ERR value is not an integer or out of range
        > SET k v EX 9223372036854775808
        < -ERR value is not an integer or out of range
        > SET k v PX -9223372036854775809
        < -ERR value is not an integer or out of range
        > EXISTS k
        < :0
        "#,
    );
}

#[test]
fn a_time_that_set_takes_is_above_zero() {
    check(
        r"
        > SET k v EX 0
        < -ERR invalid expire time in 'set' command
        > SET k v PX 0
        < -ERR invalid expire time in 'set' command
        > SET k v EXAT 0
        < -ERR invalid expire time in 'set' command
        > SET k v PXAT 0
        < -ERR invalid expire time in 'set' command
        > SET k v EX -1
        < -ERR invalid expire time in 'set' command
        > SET k v PX -1
        < -ERR invalid expire time in 'set' command
        > SET k v EXAT -1
        < -ERR invalid expire time in 'set' command
        > SET k v PXAT -1
        < -ERR invalid expire time in 'set' command
        > SET k v EX -9223372036854775808
        < -ERR invalid expire time in 'set' command
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn a_time_that_set_takes_does_not_overflow() {
    check(
        r"
        > SET k v EX 9223372036854775807
        < -ERR invalid expire time in 'set' command
        > SET k v EX 9223372036854776
        < -ERR invalid expire time in 'set' command
        > SET k v EX 9223372036854775
        < -ERR invalid expire time in 'set' command
        > SET k v PX 9223372036854775807
        < -ERR invalid expire time in 'set' command
        > SET k v EXAT 9223372036854775807
        < -ERR invalid expire time in 'set' command
        > SET k v EXAT 9223372036854776
        < -ERR invalid expire time in 'set' command
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn set_refuses_a_time_before_it_looks_at_the_key() {
    check(
        r"
        > SADD s a
        < :1
        > SET s v GET EX 0
        < -ERR invalid expire time in 'set' command
        > SET k a
        < +OK
        > SET k b NX EX 0
        < -ERR invalid expire time in 'set' command
        > SET nothing b XX EX x
        < -ERR value is not an integer or out of range
        ",
    );
}

#[test]
fn the_last_time_there_is_can_be_set() {
    check(
        r#"
        > SET k v EXAT 9223372036854775
        < +OK
        > EXPIRETIME k
        < :9223372036854775
        > PEXPIRETIME k
        < :9223372036854775000
        > SET k v PXAT 9223372036854775807
        < +OK
        > PEXPIRETIME k
        < :9223372036854775807
        > EXPIRETIME k
        < :9223372036854776
        > GET k
        < "v"
        "#,
    );
}

#[test]
fn a_value_set_with_a_time_in_the_past_is_gone_at_once() {
    check(
        r#"
        > SET k v EXAT 1
        < +OK
        > GET k
        <2 $-1
        <3 _
        > EXISTS k
        < :0
        > SET k old
        < +OK
        > SET k v PXAT 1
        < +OK
        > GET k
        <2 $-1
        <3 _
        > TTL k
        < :-2
        > SET k old
        < +OK
        > SET k v PXAT 1 GET
        < "old"
        > TYPE k
        < +none
        > SET k v NX
        < +OK
        > GET k
        < "v"
        "#,
    );
}

#[test]
fn setnx_counts_what_it_set() {
    check(
        r#"
        > SETNX k a
        < :1
        > SETNX k b
        < :0
        > GET k
        < "a"
        > SADD s a
        < :1
        > SETNX s b
        < :0
        > TYPE s
        < +set
        > SETNX k
        < -ERR wrong number of arguments for 'setnx' command
        > SETNX k a b
        < -ERR wrong number of arguments for 'setnx' command
        "#,
    );
}

#[test]
fn setex_and_psetex_set_with_an_expiry() {
    check(
        r#"
        > SETEX k 1000000 a
        > TTL k
        < +OK
        < :1000000
        > SETEX k 2000000 b
        > TTL k
        < +OK
        < :2000000
        > PSETEX k 3000000000 c
        > TTL k
        < +OK
        < :3000000
        > GET k
        < "c"
        > SADD s a
        < :1
        > SETEX s 1000000 a
        < +OK
        > GET s
        < "a"
        > SETEX k 10
        < -ERR wrong number of arguments for 'setex' command
        > SETEX k 10 v v
        < -ERR wrong number of arguments for 'setex' command
        > PSETEX k 10
        < -ERR wrong number of arguments for 'psetex' command
        > PSETEX k 10 v v
        < -ERR wrong number of arguments for 'psetex' command
        "#,
    );
}

#[test]
fn set_with_ex_and_px_expires_after_that_time() {
    check(
        r"
        > SET k a EX 1000000
        > TTL k
        < +OK
        < :1000000
        > SET k a px 2000000000
        > TTL k
        < +OK
        < :2000000
        > SET k a EX 1000000 EX 3000000
        > TTL k
        < +OK
        < :3000000
        ",
    );
}

#[test]
fn setex_and_psetex_refuse_times_under_their_own_name() {
    check(
        r"
        > SETEX k 0 v
        < -ERR invalid expire time in 'setex' command
        > SETEX k -1 v
        < -ERR invalid expire time in 'setex' command
        > SETEX k 9223372036854776 v
        < -ERR invalid expire time in 'setex' command
        > SETEX k 9223372036854775 v
        < -ERR invalid expire time in 'setex' command
        > SETEX k x v
        < -ERR value is not an integer or out of range
        > SETEX k 1.5 v
        < -ERR value is not an integer or out of range
        > PSETEX k 0 v
        < -ERR invalid expire time in 'psetex' command
        > PSETEX k -1 v
        < -ERR invalid expire time in 'psetex' command
        > PSETEX k 9223372036854775807 v
        < -ERR invalid expire time in 'psetex' command
        > PSETEX k x v
        < -ERR value is not an integer or out of range
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn mget_answers_each_in_order_with_a_null_for_what_is_no_string() {
    check(
        r#"
        > SET a 1
        < +OK
        > SET b ""
        < +OK
        > SADD s x
        < :1
        > MGET a b
        < *2 "1" ""
        > MGET a nothing s b a
        <2 *5 "1" $-1 $-1 "" "1"
        <3 *5 "1" _ _ "" "1"
        > MGET nothing
        <2 *1 $-1
        <3 *1 _
        > MGET
        < -ERR wrong number of arguments for 'mget' command
        "#,
    );
}

#[test]
fn mset_sets_all() {
    check(
        r#"
        > MSET a 1
        < +OK
        > MSET a 2 b 3 c 4
        < +OK
        > MGET a b c
        < *3 "2" "3" "4"
        > SADD s x
        < :1
        > MSET s 1 a 5
        < +OK
        > MGET s a
        < *2 "1" "5"
        > MSET d 1 d 2
        < +OK
        > GET d
        < "2"
        "#,
    );
}

#[test]
fn mset_and_msetnx_take_pairs() {
    check(
        r"
        > MSET
        < -ERR wrong number of arguments for 'mset' command
        > MSET a
        < -ERR wrong number of arguments for 'mset' command
        > MSET a 1 b
        < -ERR wrong number of arguments for 'mset' command
        > MSETNX
        < -ERR wrong number of arguments for 'msetnx' command
        > MSETNX a
        < -ERR wrong number of arguments for 'msetnx' command
        > MSETNX a 1 b
        < -ERR wrong number of arguments for 'msetnx' command
        > MSETNX a 1 b 2 c
        < -ERR wrong number of arguments for 'msetnx' command
        > DBSIZE
        < :0
        ",
    );
}

#[test]
fn msetnx_sets_all_or_nothing() {
    check(
        r#"
        > MSETNX a 1 b 2
        < :1
        > MSETNX c 3 a 4
        < :0
        > MGET a b c
        <2 *3 "1" "2" $-1
        <3 *3 "1" "2" _
        > SADD s x
        < :1
        > MSETNX d 1 s 2
        < :0
        > EXISTS d
        < :0
        > TYPE s
        < +set
        > MSETNX e 1 e 2
        < :1
        > GET e
        < "2"
        "#,
    );
}

#[test]
fn getset_returns_the_value_before() {
    check(
        r#"
        > GETSET k a
        <2 $-1
        <3 _
        > GETSET k b
        < "a"
        > GET k
        < "b"
        > SADD s a
        < :1
        > GETSET s v
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > TYPE s
        < +set
        > GETSET k
        < -ERR wrong number of arguments for 'getset' command
        > GETSET k a b
        < -ERR wrong number of arguments for 'getset' command
        "#,
    );
}

#[test]
fn getdel_returns_the_value_and_removes_it() {
    check(
        r#"
        > SET k a
        < +OK
        > GETDEL k
        < "a"
        > EXISTS k
        < :0
        > GETDEL k
        <2 $-1
        <3 _
        > SADD s a
        < :1
        > GETDEL s
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > EXISTS s
        < :1
        > GETDEL
        < -ERR wrong number of arguments for 'getdel' command
        > GETDEL k k
        < -ERR wrong number of arguments for 'getdel' command
        "#,
    );
}

#[test]
fn getex_without_an_option_is_get() {
    check(
        r#"
        > GETEX k
        <2 $-1
        <3 _
        > SET k v EXAT 33177117420
        < +OK
        > GETEX k
        < "v"
        > EXPIRETIME k
        < :33177117420
        > SADD s a
        < :1
        > GETEX s
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETEX
        < -ERR wrong number of arguments for 'getex' command
        "#,
    );
}

#[test]
fn getex_sets_the_expiry() {
    check(
        r#"
        > SET k v
        < +OK
        > GETEX k EXAT 33177117420
        < "v"
        > EXPIRETIME k
        < :33177117420
        > GETEX k pxat 33177117421123
        < "v"
        > PEXPIRETIME k
        < :33177117421123
        > GETEX k EX 1000000
        > TTL k
        < "v"
        < :1000000
        > GETEX k PX 2000000000
        > TTL k
        < "v"
        < :2000000
        > GETEX nothing EX 100
        <2 $-1
        <3 _
        > EXISTS nothing
        < :0
        "#,
    );
}

#[test]
fn getex_persist_clears_the_expiry() {
    check(
        r#"
        > SET k v EXAT 33177117420
        < +OK
        > GETEX k PERSIST
        < "v"
        > TTL k
        < :-1
        > GETEX k persist
        < "v"
        > TTL k
        < :-1
        > GETEX k PERSIST PERSIST
        < "v"
        > GETEX nothing PERSIST
        <2 $-1
        <3 _
        "#,
    );
}

#[test]
fn getex_with_a_time_in_the_past_removes_the_key() {
    check(
        r#"
        > SET k v
        < +OK
        > GETEX k EXAT 1
        < "v"
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > GETEX k PXAT 1
        < "v"
        > GETEX k PXAT 1
        <2 $-1
        <3 _
        > EXISTS k
        < :0
        "#,
    );
}

#[test]
fn getex_refuses_what_it_does_not_understand() {
    check(
        r"
        > SET k v
        < +OK
        > GETEX k NX
        < -ERR syntax error
        > GETEX k XX
        < -ERR syntax error
        > GETEX k GET
        < -ERR syntax error
        > GETEX k KEEPTTL
        < -ERR syntax error
        > GETEX k NONSENSE
        < -ERR syntax error
        > GETEX k EX
        < -ERR syntax error
        > GETEX k EX 10 PX 10
        < -ERR syntax error
        > GETEX k EX 10 PERSIST
        < -ERR syntax error
        > GETEX k PERSIST EX 10
        < -ERR syntax error
        > GETEX k PERSIST PXAT 33177117420000
        < -ERR syntax error
        > GETEX k EXAT 33177117420 PXAT 33177117420000
        < -ERR syntax error
        > GETEX k EX x
        < -ERR value is not an integer or out of range
        > GETEX k EX 1.5
        < -ERR value is not an integer or out of range
        > GETEX k PX 9223372036854775808
        < -ERR value is not an integer or out of range
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn getex_refuses_times_under_its_own_name() {
    check(
        r"
        > SET k v
        < +OK
        > GETEX k EX 0
        < -ERR invalid expire time in 'getex' command
        > GETEX k PX -1
        < -ERR invalid expire time in 'getex' command
        > GETEX k EXAT 0
        < -ERR invalid expire time in 'getex' command
        > GETEX k PXAT -1
        < -ERR invalid expire time in 'getex' command
        > GETEX k EX 9223372036854775
        < -ERR invalid expire time in 'getex' command
        > GETEX k EX 9223372036854776
        < -ERR invalid expire time in 'getex' command
        > GETEX k PX 9223372036854775807
        < -ERR invalid expire time in 'getex' command
        > GETEX k EXAT 9223372036854776
        < -ERR invalid expire time in 'getex' command
        > TTL k
        < :-1
        ",
    );
}

#[test]
fn getex_looks_at_the_key_before_the_time_but_after_the_options() {
    check(
        r"
        > GETEX nothing EX 0
        <2 $-1
        <3 _
        > GETEX nothing EX x
        <2 $-1
        <3 _
        > GETEX nothing NONSENSE
        < -ERR syntax error
        > GETEX nothing EX 10 PX 10
        < -ERR syntax error
        > SADD s a
        < :1
        > GETEX s EX 0
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETEX s EX x
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETEX s NONSENSE
        < -ERR syntax error
        ",
    );
}

#[test]
fn strlen_counts_bytes() {
    check(
        r#"
        > STRLEN k
        < :0
        > SET k "a\x00b"
        < +OK
        > STRLEN k
        < :3
        > SET k ""
        < +OK
        > STRLEN k
        < :0
        > SET k 12345
        < +OK
        > STRLEN k
        < :5
        > SADD s a
        < :1
        > STRLEN s
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > STRLEN
        < -ERR wrong number of arguments for 'strlen' command
        > STRLEN k k
        < -ERR wrong number of arguments for 'strlen' command
        "#,
    );
}

#[test]
fn append_returns_the_length_of_the_whole() {
    check(
        r#"
        > APPEND k ab
        < :2
        > APPEND k ""
        < :2
        > APPEND k "\x00c"
        < :4
        > GET k
        < "ab\x00c"
        > SET n 12
        < +OK
        > APPEND n 34
        < :4
        > INCR n
        < :1235
        > APPEND k
        < -ERR wrong number of arguments for 'append' command
        > APPEND k a b
        < -ERR wrong number of arguments for 'append' command
        > SADD s a
        < :1
        > APPEND s a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMEMBERS s
        <2 *1 "a"
        <3 ~1 "a"
        "#,
    );
}

#[test]
fn append_of_nothing_to_nothing_makes_an_empty_string() {
    check(
        r#"
        > APPEND k ""
        < :0
        > EXISTS k
        < :1
        > GET k
        < ""
        "#,
    );
}

#[test]
fn getrange_includes_both_ends() {
    check(
        r#"
        > SET k "This is a string"
        < +OK
        > GETRANGE k 0 3
        < "This"
        > GETRANGE k 0 0
        < "T"
        > GETRANGE k -3 -1
        < "ing"
        > GETRANGE k 0 -1
        < "This is a string"
        > GETRANGE k 10 100
        < "string"
        > GETRANGE k 15 15
        < "g"
        > GETRANGE k 16 20
        < ""
        > GETRANGE k 5 3
        < ""
        > GETRANGE k -1 -5
        < ""
        > GETRANGE k -100 2
        < "Thi"
        > GETRANGE k -100 -50
        < "T"
        > GETRANGE k -100 -16
        < "T"
        > GETRANGE k 0 -16
        < "T"
        > GETRANGE k 0 -17
        < "T"
        > GETRANGE k 3 -17
        < ""
        > SET n 12345
        < +OK
        > GETRANGE n 1 3
        < "234"
        "#,
    );
}

#[test]
fn getrange_takes_any_number() {
    check(
        r#"
        > SET k abc
        < +OK
        > GETRANGE k 0 9223372036854775807
        < "abc"
        > GETRANGE k -9223372036854775808 9223372036854775807
        < "abc"
        > GETRANGE k 9223372036854775807 9223372036854775807
        < ""
        > GETRANGE k -9223372036854775808 -9223372036854775808
        < "a"
        > GETRANGE k 9223372036854775807 -9223372036854775808
        < ""
        > GETRANGE k 0 9223372036854775808
        < -ERR value is not an integer or out of range
        > GETRANGE k x 1
        < -ERR value is not an integer or out of range
        > GETRANGE k 0 1.5
        < -ERR value is not an integer or out of range
        > GETRANGE k 0 ""
        < -ERR value is not an integer or out of range
        > GETRANGE k 01 2
        < -ERR value is not an integer or out of range
        > GETRANGE k 0
        < -ERR wrong number of arguments for 'getrange' command
        > GETRANGE k 0 1 2
        < -ERR wrong number of arguments for 'getrange' command
        "#,
    );
}

#[test]
fn getrange_of_nothing_is_empty() {
    check(
        r#"
        > GETRANGE k 0 -1
        < ""
        > SET k ""
        < +OK
        > GETRANGE k 0 -1
        < ""
        > GETRANGE k 0 0
        < ""
        > GETRANGE nothing x 1
        < -ERR value is not an integer or out of range
        > SADD s a
        < :1
        > GETRANGE s 0 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETRANGE s 0 x
        < -ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn substr_is_getrange() {
    check(
        r#"
        > SET k abcdef
        < +OK
        > SUBSTR k 1 3
        < "bcd"
        > SUBSTR k -2 -1
        < "ef"
        > SUBSTR nothing 0 1
        < ""
        > SUBSTR k x 1
        < -ERR value is not an integer or out of range
        > SUBSTR k 0
        < -ERR wrong number of arguments for 'substr' command
        > SADD s a
        < :1
        > SUBSTR s 0 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn setrange_writes_over_and_beyond() {
    check(
        r#"
        > SET k "Hello World"
        < +OK
        > SETRANGE k 6 Redis
        < :11
        > GET k
        < "Hello Redis"
        > SETRANGE k 9 "is!!"
        < :13
        > GET k
        < "Hello Redis!!"
        > SETRANGE k 15 x
        < :16
        > GET k
        < "Hello Redis!!\x00\x00x"
        > SETRANGE new 3 ab
        < :5
        > GET new
        < "\x00\x00\x00ab"
        > SETRANGE other 0 ab
        < :2
        > GET other
        < "ab"
        > SET n 12345
        < +OK
        > SETRANGE n 1 9
        < :5
        > GET n
        < "19345"
        "#,
    );
}

#[test]
fn setrange_of_nothing_changes_nothing() {
    check(
        r#"
        > SETRANGE k 0 ""
        < :0
        > SETRANGE k 10 ""
        < :0
        > EXISTS k
        < :0
        > SET k abc
        < +OK
        > SETRANGE k 1 ""
        < :3
        > SETRANGE k 10 ""
        < :3
        > GET k
        < "abc"
        > SADD s a
        < :1
        > SETRANGE s 0 ""
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn setrange_refuses_an_offset_below_zero_or_beyond_512_mebibytes() {
    check(
        r#"
        > SETRANGE k -1 a
        < -ERR offset is out of range
        > SETRANGE k -1 ""
        < -ERR offset is out of range
        > SETRANGE k x a
        < -ERR value is not an integer or out of range
        > SETRANGE k 1.5 a
        < -ERR value is not an integer or out of range
        > SETRANGE k 9223372036854775808 a
        < -ERR value is not an integer or out of range
        > SETRANGE k 536870912 a
        < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE k 536870911 ab
        < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE k 4294967296 a
        < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE k 9223372036854775807 a
        < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE k 536870912 ""
        < :0
        > EXISTS k
        < :0
        > SET k abc
        < +OK
        > SETRANGE k 536870911 ab
        < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE k -1 a
        < -ERR offset is out of range
        > SETRANGE k 536870912 ""
        < :3
        > GET k
        < "abc"
        > SETRANGE k 0
        < -ERR wrong number of arguments for 'setrange' command
        > SETRANGE k 0 a b
        < -ERR wrong number of arguments for 'setrange' command
        "#,
    );
}

#[test]
fn setrange_looks_at_the_offset_before_the_type() {
    check(
        r"
        > SADD s a
        < :1
        > SETRANGE s 0 a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SETRANGE s -1 a
        < -ERR offset is out of range
        > SETRANGE s x a
        < -ERR value is not an integer or out of range
        > SETRANGE s 536870912 a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        ",
    );
}

#[test]
fn incr_and_decr_count_from_zero() {
    check(
        r#"
        > INCR k
        < :1
        > INCR k
        < :2
        > GET k
        < "2"
        > DECR k
        < :1
        > DECR d
        < :-1
        > GET d
        < "-1"
        > INCRBY b 10
        < :10
        > DECRBY b 3
        < :7
        > INCRBY b -20
        < :-13
        > DECRBY b -5
        < :-8
        > INCRBY b 0
        < :-8
        > DECRBY b 0
        < :-8
        > GET b
        < "-8"
        > INCR
        < -ERR wrong number of arguments for 'incr' command
        > INCR k 1
        < -ERR wrong number of arguments for 'incr' command
        > DECR
        < -ERR wrong number of arguments for 'decr' command
        > DECR k 1
        < -ERR wrong number of arguments for 'decr' command
        > INCRBY k
        < -ERR wrong number of arguments for 'incrby' command
        > INCRBY k 1 1
        < -ERR wrong number of arguments for 'incrby' command
        > DECRBY k
        < -ERR wrong number of arguments for 'decrby' command
        > DECRBY k 1 1
        < -ERR wrong number of arguments for 'decrby' command
        "#,
    );
}

#[test]
fn counters_stop_at_the_bounds_of_64_bits() {
    check(
        r#"
        > SET k 9223372036854775806
        < +OK
        > INCR k
        < :9223372036854775807
        > INCR k
        < -ERR increment or decrement would overflow
        > INCRBY k 1
        < -ERR increment or decrement would overflow
        > DECRBY k -1
        < -ERR increment or decrement would overflow
        > GET k
        < "9223372036854775807"
        > SET k -9223372036854775807
        < +OK
        > DECR k
        < :-9223372036854775808
        > DECR k
        < -ERR increment or decrement would overflow
        > INCRBY k -1
        < -ERR increment or decrement would overflow
        > DECRBY k 1
        < -ERR increment or decrement would overflow
        > GET k
        < "-9223372036854775808"
        > SET k 1
        < +OK
        > INCRBY k 9223372036854775807
        < -ERR increment or decrement would overflow
        > SET k -1
        < +OK
        > INCRBY k 9223372036854775807
        < :9223372036854775806
        > INCRBY k -9223372036854775808
        < :-2
        > INCRBY k -9223372036854775807
        < -ERR increment or decrement would overflow
        > INCRBY k -1
        < :-3
        > GET k
        < "-3"
        "#,
    );
}

#[test]
fn decrby_refuses_the_number_that_has_no_negative() {
    check(
        r#"
        > DECRBY k -9223372036854775808
        < -ERR decrement would overflow
        > EXISTS k
        < :0
        > SET k x
        < +OK
        > DECRBY k -9223372036854775808
        < -ERR decrement would overflow
        > SADD s a
        < :1
        > DECRBY s -9223372036854775808
        < -ERR decrement would overflow
        > DECRBY k -9223372036854775809
        < -ERR value is not an integer or out of range
        > INCRBY n -9223372036854775808
        < :-9223372036854775808
        > GET n
        < "-9223372036854775808"
        "#,
    );
}

#[test]
fn counters_take_whole_numbers() {
    check(
        r#"
        > INCRBY k x
        < -ERR value is not an integer or out of range
        > INCRBY k 1.5
        < -ERR value is not an integer or out of range
        > INCRBY k ""
        < -ERR value is not an integer or out of range
        > INCRBY k " 1"
        < -ERR value is not an integer or out of range
        > INCRBY k "1 "
        < -ERR value is not an integer or out of range
        > INCRBY k +1
        < -ERR value is not an integer or out of range
        > INCRBY k 01
        < -ERR value is not an integer or out of range
        > INCRBY k -0
        < -ERR value is not an integer or out of range
        > INCRBY k 0x1
        < -ERR value is not an integer or out of range
        > INCRBY k 1e3
        < -ERR value is not an integer or out of range
        > INCRBY k 9223372036854775808
        < -ERR value is not an integer or out of range
        > DECRBY k x
        < -ERR value is not an integer or out of range
        > DECRBY k +1
        < -ERR value is not an integer or out of range
        > DECRBY k 9223372036854775808
        < -ERR value is not an integer or out of range
        > EXISTS k
        < :0
        "#,
    );
}

#[test]
fn what_is_counted_is_a_whole_number() {
    check(
        r#"
        > SET k ""
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k x
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > DECR k
        < -ERR value is not an integer or out of range
        > INCRBY k 1
        < -ERR value is not an integer or out of range
        > DECRBY k 1
        < -ERR value is not an integer or out of range
        > GET k
        < "x"
        > SET k 1.0
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k " 1"
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k "1 "
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k +1
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k 01
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k -0
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k 1e3
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k "1\x00"
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > SET k 9223372036854775808
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > DECR k
        < -ERR value is not an integer or out of range
        > SET k -9223372036854775809
        < +OK
        > INCR k
        < -ERR value is not an integer or out of range
        > GET k
        < "-9223372036854775809"
        "#,
    );
}

#[test]
fn counters_look_at_their_argument_before_the_type() {
    check(
        r#"
        > SADD s a
        < :1
        > INCR s
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > DECR s
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > INCRBY s 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > DECRBY s 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > INCRBY s x
        < -ERR value is not an integer or out of range
        > DECRBY s x
        < -ERR value is not an integer or out of range
        > SMEMBERS s
        <2 *1 "a"
        <3 ~1 "a"
        "#,
    );
}

#[test]
fn counters_of_both_kinds_share_a_value() {
    check(
        r#"
        > SET k 5
        < +OK
        > INCRBYFLOAT k 1
        < "6"
        > INCR k
        < :7
        > INCRBYFLOAT k 0.5
        < "7.5"
        > INCR k
        < -ERR value is not an integer or out of range
        > INCRBYFLOAT k 0.5
        < "8"
        > INCR k
        < :9
        > APPEND k 0
        < :2
        > INCR k
        < :91
        "#,
    );
}
