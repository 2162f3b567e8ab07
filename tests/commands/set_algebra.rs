//! SPOP, SRANDMEMBER, SMOVE, SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.

use std::collections::BTreeSet;

use crate::script::{check, connect, elements, text};
use crate::support::server::{Client, Server};

#[test]
fn spop_removes_the_member_it_returns() {
    check(
        r#"
        > SADD k a
        < :1
        > SPOP k
        < "a"
        > EXISTS k
        < :0
        > SPOP k
        <2 $-1
        <3 _
        > SPOP
        < -ERR wrong number of arguments for 'spop' command
        > SADD "" "\x00\xff"
        < :1
        > SPOP ""
        < "\x00\xff"
        "#,
    );
}

#[test]
fn spop_with_a_count_of_all_or_more_removes_the_key() {
    check(
        r#"
        > SADD k a b c
        < :3
        > SPOP k 3
        <2 any-order *3 "a" "b" "c"
        <3 any-order ~3 "a" "b" "c"
        > EXISTS k
        < :0
        > SADD k a b c
        < :3
        > SPOP k 100
        <2 any-order *3 "a" "b" "c"
        <3 any-order ~3 "a" "b" "c"
        > EXISTS k
        < :0
        > SADD k a
        < :1
        > SPOP k 9223372036854775807
        <2 *1 "a"
        <3 ~1 "a"
        > EXISTS k
        < :0
        > SPOP k 1
        <2 *0
        <3 ~0
        "#,
    );
}

#[test]
fn spop_of_none_changes_nothing() {
    check(
        r"
        > SADD k a b
        < :2
        > SPOP k 0
        <2 *0
        <3 ~0
        > SCARD k
        < :2
        > SPOP nothing 0
        <2 *0
        <3 ~0
        > SPOP nothing 1
        <2 *0
        <3 ~0
        ",
    );
}

#[test]
fn spop_refuses_a_count_that_is_not_positive() {
    check(
        r#"
        > SADD k a b
        < :2
        > SPOP k -1
        < -ERR value is out of range, must be positive
        > SPOP k -9223372036854775808
        < -ERR value is out of range, must be positive
        > SPOP k x
        < -ERR value is out of range, must be positive
        > SPOP k ""
        < -ERR value is out of range, must be positive
        > SPOP k 1.5
        < -ERR value is out of range, must be positive
        > SPOP k 01
        < -ERR value is out of range, must be positive
        > SPOP k 9223372036854775808
        < -ERR value is out of range, must be positive
        > SPOP nothing -1
        < -ERR value is out of range, must be positive
        > SPOP nothing x
        < -ERR value is out of range, must be positive
        > SPOP k 1 2
        < -ERR syntax error
        > SPOP k 1 x
        < -ERR syntax error
        > SCARD k
        < :2
        "#,
    );
}

#[test]
fn spop_refuses_another_type_behind_a_count_that_is_wrong() {
    check(
        r#"
        > SET k v
        < +OK
        > SPOP k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SPOP k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SPOP k 0
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SPOP k -1
        < -ERR value is out of range, must be positive
        > SPOP k x
        < -ERR value is out of range, must be positive
        > GET k
        < "v"
        "#,
    );
}

#[test]
fn spop_takes_each_member_once() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        let mut remaining = add_members(&mut client, "k", 50);
        while !remaining.is_empty() {
            let member = text(&client.ask(&["SPOP", "k"]));
            assert!(remaining.remove(&member), "{member} was there");
            assert_eq!(members(&mut client, &["SMEMBERS", "k"]), remaining);
        }
        assert_eq!(client.ask(&["EXISTS", "k"]), b":0\r\n");
    }
}

#[test]
fn spop_with_a_count_takes_so_many_different_members() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        let mut remaining = add_members(&mut client, "k", 50);
        for count in [1, 2, 40, 5] {
            let reply = client.ask(&["SPOP", "k", &count.to_string()]);
            let mark = if protocol == 3 { '~' } else { '*' };
            assert!(reply.starts_with(format!("{mark}{count}\r\n").as_bytes()), "{}", reply.escape_ascii());
            let popped: BTreeSet<String> = elements(&reply).iter().map(|member| text(member)).collect();
            assert_eq!(popped.len(), count);
            assert!(popped.is_subset(&remaining));
            remaining.retain(|member| !popped.contains(member));
            assert_eq!(members(&mut client, &["SMEMBERS", "k"]), remaining);
        }
    }
}

#[test]
fn spop_keeps_the_expiry_of_what_remains() {
    let server = Server::start();
    let mut client = connect(&server, 2);
    add_members(&mut client, "k", 10);
    client.ask(&["EXPIREAT", "k", "33177117420"]);
    client.ask(&["SPOP", "k"]);
    client.ask(&["SPOP", "k", "5"]);
    assert_eq!(client.ask(&["EXPIRETIME", "k"]), b":33177117420\r\n");
}

#[test]
fn spop_and_srandmember_draw_any_member() {
    // That one of five is never drawn in 400 draws happens once in 10^38.
    let server = Server::start();
    let mut client = connect(&server, 2);
    let all = add_members(&mut client, "k", 5);
    let drawn: BTreeSet<String> = (0..400).map(|_| text(&client.ask(&["SRANDMEMBER", "k"]))).collect();
    assert_eq!(drawn, all);
    let pop_and_put_back = |_| {
        let member = text(&client.ask(&["SPOP", "k"]));
        client.ask(&["SADD", "k", &member]);
        member
    };
    let popped: BTreeSet<String> = (0..400).map(pop_and_put_back).collect();
    assert_eq!(popped, all);
}

#[test]
fn srandmember_leaves_the_member_it_returns() {
    check(
        r#"
        > SRANDMEMBER k
        <2 $-1
        <3 _
        > SADD k a
        < :1
        > SRANDMEMBER k
        < "a"
        > SRANDMEMBER k
        < "a"
        > SCARD k
        < :1
        > SRANDMEMBER
        < -ERR wrong number of arguments for 'srandmember' command
        "#,
    );
}

#[test]
fn srandmember_with_a_count_of_all_or_more_returns_all() {
    check(
        r#"
        > SADD k a b c
        < :3
        > SRANDMEMBER k 3
        < any-order *3 "a" "b" "c"
        > SRANDMEMBER k 100
        < any-order *3 "a" "b" "c"
        > SRANDMEMBER k 9223372036854775807
        < any-order *3 "a" "b" "c"
        > SCARD k
        < :3
        "#,
    );
}

#[test]
fn srandmember_with_a_negative_count_returns_so_many_that_may_repeat() {
    check(
        r#"
        > SADD k a
        < :1
        > SRANDMEMBER k -1
        < *1 "a"
        > SRANDMEMBER k -5
        < any-order *5 "a" "a" "a" "a" "a"
        > SADD "" ""
        < :1
        > SRANDMEMBER "" -2
        < any-order *2 "" ""
        > SCARD k
        < :1
        "#,
    );
}

#[test]
fn srandmember_of_none_is_empty() {
    check(
        r"
        > SRANDMEMBER nothing 0
        < *0
        > SRANDMEMBER nothing 5
        < *0
        > SRANDMEMBER nothing -5
        < *0
        > SADD k a
        < :1
        > SRANDMEMBER k 0
        < *0
        > SRANDMEMBER k -0
        < -ERR value is not an integer or out of range
        ",
    );
}

#[test]
fn srandmember_refuses_a_count_that_is_no_number() {
    check(
        r#"
        > SADD k a
        < :1
        > SRANDMEMBER k x
        < -ERR value is not an integer or out of range
        > SRANDMEMBER k ""
        < -ERR value is not an integer or out of range
        > SRANDMEMBER k 1.5
        < -ERR value is not an integer or out of range
        > SRANDMEMBER k 01
        < -ERR value is not an integer or out of range
        > SRANDMEMBER k +1
        < -ERR value is not an integer or out of range
        > SRANDMEMBER k 9223372036854775808
        < -ERR value is not an integer or out of range
        > SRANDMEMBER nothing x
        < -ERR value is not an integer or out of range
        > SRANDMEMBER k 1 1
        < -ERR syntax error
        > SRANDMEMBER k x 1
        < -ERR syntax error
        "#,
    );
}

#[test]
fn srandmember_refuses_the_count_that_has_no_negative() {
    check(
        r"
        > SADD k a
        < :1
        > SRANDMEMBER k -9223372036854775808
        < -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > SRANDMEMBER nothing -9223372036854775808
        < -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > SRANDMEMBER nothing -9223372036854775807
        < *0
        ",
    );
}

#[test]
fn srandmember_refuses_another_type_behind_a_count_that_is_wrong() {
    check(
        r"
        > SET k v
        < +OK
        > SRANDMEMBER k
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SRANDMEMBER k 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SRANDMEMBER k 0
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SRANDMEMBER k -1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SRANDMEMBER k x
        < -ERR value is not an integer or out of range
        ",
    );
}

#[test]
fn srandmember_with_a_count_returns_so_many_different_members() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        let all = add_members(&mut client, "k", 50);
        for count in [1, 2, 10, 20, 40, 49] {
            let reply = client.ask(&["SRANDMEMBER", "k", &count.to_string()]);
            assert!(reply.starts_with(format!("*{count}\r\n").as_bytes()), "{}", reply.escape_ascii());
            let drawn: BTreeSet<String> = elements(&reply).iter().map(|member| text(member)).collect();
            assert_eq!(drawn.len(), count);
            assert!(drawn.is_subset(&all));
        }
        assert_eq!(members(&mut client, &["SMEMBERS", "k"]), all);
    }
}

#[test]
fn srandmember_with_a_negative_count_may_return_more_than_there_are() {
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        let all = add_members(&mut client, "k", 5);
        // That one of five is never drawn in 400 draws happens once in 10^38.
        let reply = client.ask(&["SRANDMEMBER", "k", "-400"]);
        assert!(reply.starts_with(b"*400\r\n"), "{}", reply.escape_ascii());
        let drawn: BTreeSet<String> = elements(&reply).iter().map(|member| text(member)).collect();
        assert_eq!(drawn, all);
    }
}

/// Adds so many members to a set, and returns them.
fn add_members(client: &mut Client, key: &str, count: usize) -> BTreeSet<String> {
    let members: BTreeSet<String> = (0..count).map(|number| format!("member-{number}")).collect();
    let request: Vec<&str> = ["SADD", key].into_iter().chain(members.iter().map(String::as_str)).collect();
    assert_eq!(client.ask(&request), format!(":{count}\r\n").as_bytes());
    members
}

/// The members that a request returns.
fn members(client: &mut Client, request: &[&str]) -> BTreeSet<String> {
    elements(&client.ask(request)).iter().map(|member| text(member)).collect()
}

#[test]
fn smove_moves_a_member() {
    check(
        r#"
        > SADD a 1 2
        < :2
        > SADD b 3
        < :1
        > SMOVE a b 1
        < :1
        > SMEMBERS a
        <2 *1 "2"
        <3 ~1 "2"
        > SMEMBERS b
        <2 any-order *2 "1" "3"
        <3 any-order ~2 "1" "3"
        > SMOVE a new 2
        < :1
        > EXISTS a
        < :0
        > SMEMBERS new
        <2 *1 "2"
        <3 ~1 "2"
        > SMOVE
        < -ERR wrong number of arguments for 'smove' command
        > SMOVE a b
        < -ERR wrong number of arguments for 'smove' command
        > SMOVE a b 1 2
        < -ERR wrong number of arguments for 'smove' command
        "#,
    );
}

#[test]
fn smove_of_what_is_not_there_moves_nothing() {
    check(
        r"
        > SADD a 1
        < :1
        > SMOVE a b x
        < :0
        > SMOVE nothing a 1
        < :0
        > SMOVE nothing b 1
        < :0
        > EXISTS b
        < :0
        > SMOVE nothing nothing 1
        < :0
        ",
    );
}

#[test]
fn smove_of_what_is_on_both_sides_removes_it_from_the_first() {
    check(
        r#"
        > SADD a 1 2
        < :2
        > SADD b 1
        < :1
        > SMOVE a b 1
        < :1
        > SMEMBERS a
        <2 *1 "2"
        <3 ~1 "2"
        > SMEMBERS b
        <2 *1 "1"
        <3 ~1 "1"
        > SADD b 2
        < :1
        > SMOVE a b 2
        < :1
        > EXISTS a
        < :0
        "#,
    );
}

#[test]
fn smove_within_one_set_tells_whether_it_is_there() {
    check(
        r#"
        > SADD a 1
        < :1
        > SMOVE a a 1
        < :1
        > SMOVE a a 2
        < :0
        > SMEMBERS a
        <2 *1 "1"
        <3 ~1 "1"
        "#,
    );
}

#[test]
fn smove_refuses_other_types_where_it_comes_to_them() {
    check(
        r#"
        > SADD a 1
        < :1
        > SET string v
        < +OK
        > SMOVE string a 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE a string 1
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE a string 2
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE string string v
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE string nothing v
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMOVE nothing string 1
        < :0
        > SMEMBERS a
        <2 *1 "1"
        <3 ~1 "1"
        > GET string
        < "v"
        "#,
    );
}

#[test]
fn sinter_returns_what_is_in_all() {
    check(
        r#"
        > SADD a 1 2 3 x
        < :4
        > SADD b 2 3 4 x
        < :4
        > SADD c 3 5 x
        < :3
        > SINTER a
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SINTER a b
        <2 any-order *3 "2" "3" "x"
        <3 any-order ~3 "2" "3" "x"
        > SINTER a b c
        <2 any-order *2 "3" "x"
        <3 any-order ~2 "3" "x"
        > SINTER c b a
        <2 any-order *2 "3" "x"
        <3 any-order ~2 "3" "x"
        > SINTER a a
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SINTER a nothing
        <2 *0
        <3 ~0
        > SINTER nothing a
        <2 *0
        <3 ~0
        > SINTER nothing
        <2 *0
        <3 ~0
        > SADD d 9
        < :1
        > SINTER a d
        <2 *0
        <3 ~0
        > SINTER
        < -ERR wrong number of arguments for 'sinter' command
        "#,
    );
}

#[test]
fn sunion_returns_what_is_in_any() {
    check(
        r#"
        > SADD a 1 2 x
        < :3
        > SADD b 2 3
        < :2
        > SUNION a
        <2 any-order *3 "1" "2" "x"
        <3 any-order ~3 "1" "2" "x"
        > SUNION a b
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SUNION b a b
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SUNION a nothing b
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SUNION nothing
        <2 *0
        <3 ~0
        > SUNION nothing nothing
        <2 *0
        <3 ~0
        > SUNION
        < -ERR wrong number of arguments for 'sunion' command
        "#,
    );
}

#[test]
fn sdiff_returns_what_is_in_the_first_only() {
    check(
        r#"
        > SADD a 1 2 3 x
        < :4
        > SADD b 2 4
        < :2
        > SADD c 3 5 x
        < :3
        > SDIFF a
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SDIFF a b
        <2 any-order *3 "1" "3" "x"
        <3 any-order ~3 "1" "3" "x"
        > SDIFF a b c
        <2 *1 "1"
        <3 ~1 "1"
        > SDIFF b a
        <2 *1 "4"
        <3 ~1 "4"
        > SDIFF a a
        <2 *0
        <3 ~0
        > SDIFF a b a
        <2 *0
        <3 ~0
        > SDIFF a nothing
        <2 any-order *4 "1" "2" "3" "x"
        <3 any-order ~4 "1" "2" "3" "x"
        > SDIFF nothing a
        <2 *0
        <3 ~0
        > SDIFF nothing
        <2 *0
        <3 ~0
        > SDIFF
        < -ERR wrong number of arguments for 'sdiff' command
        "#,
    );
}

#[test]
fn algebra_refuses_another_type_wherever_it_stands() {
    check(
        r"
        > SADD a 1
        < :1
        > SADD b 2
        < :1
        > SET string v
        < +OK
        > SINTER string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER string a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER string nothing
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER a nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTER a b string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNION a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNION string a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNION nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFF a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFF string a
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFF nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFF a a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERCARD 2 a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERCARD 2 nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERCARD 3 a b string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERCARD 2 string nothing
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        ",
    );
}

#[test]
fn a_store_that_meets_another_type_changes_nothing() {
    check(
        r#"
        > SADD a 1
        < :1
        > SADD k old
        < :1
        > SET string v
        < +OK
        > SINTERSTORE k a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERSTORE k nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SINTERSTORE k string nothing
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNIONSTORE k a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNIONSTORE k nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFFSTORE k a string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SDIFFSTORE k nothing string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SUNIONSTORE string string
        < -WRONGTYPE Operation against a key holding the wrong kind of value
        > SMEMBERS k
        <2 *1 "old"
        <3 ~1 "old"
        > GET string
        < "v"
        "#,
    );
}

#[test]
fn a_store_counts_what_it_stored() {
    check(
        r#"
        > SADD a 1 2 3
        < :3
        > SADD b 2 3 4
        < :3
        > SINTERSTORE k a b
        < :2
        > SMEMBERS k
        <2 any-order *2 "2" "3"
        <3 any-order ~2 "2" "3"
        > SUNIONSTORE k a b
        < :4
        > SMEMBERS k
        <2 any-order *4 "1" "2" "3" "4"
        <3 any-order ~4 "1" "2" "3" "4"
        > SDIFFSTORE k a b
        < :1
        > SMEMBERS k
        <2 *1 "1"
        <3 ~1 "1"
        > SINTERSTORE k a
        < :3
        > SMEMBERS k
        <2 any-order *3 "1" "2" "3"
        <3 any-order ~3 "1" "2" "3"
        > SINTERSTORE
        < -ERR wrong number of arguments for 'sinterstore' command
        > SINTERSTORE k
        < -ERR wrong number of arguments for 'sinterstore' command
        > SUNIONSTORE k
        < -ERR wrong number of arguments for 'sunionstore' command
        > SDIFFSTORE k
        < -ERR wrong number of arguments for 'sdiffstore' command
        "#,
    );
}

#[test]
fn a_store_of_nothing_removes_what_was_there() {
    check(
        r"
        > SADD a 1
        < :1
        > SADD b 2
        < :1
        > SADD k old
        < :1
        > SINTERSTORE k a b
        < :0
        > EXISTS k
        < :0
        > SADD k old
        < :1
        > SINTERSTORE k a nothing
        < :0
        > EXISTS k
        < :0
        > SADD k old
        < :1
        > SUNIONSTORE k nothing
        < :0
        > EXISTS k
        < :0
        > SADD k old
        < :1
        > SDIFFSTORE k a a
        < :0
        > EXISTS k
        < :0
        > SADD k old
        < :1
        > SDIFFSTORE k nothing a
        < :0
        > EXISTS k
        < :0
        > SET k v
        < +OK
        > SDIFFSTORE k nothing
        < :0
        > EXISTS k
        < :0
        > SUNIONSTORE k nothing
        < :0
        > EXISTS k
        < :0
        ",
    );
}

#[test]
fn a_store_takes_the_place_of_another_type() {
    check(
        r#"
        > SADD a 1
        < :1
        > SET k v
        < +OK
        > SINTERSTORE k a
        < :1
        > SMEMBERS k
        <2 *1 "1"
        <3 ~1 "1"
        > SET k v
        < +OK
        > SUNIONSTORE k a
        < :1
        > SMEMBERS k
        <2 *1 "1"
        <3 ~1 "1"
        > SET k v
        < +OK
        > SDIFFSTORE k a
        < :1
        > SMEMBERS k
        <2 *1 "1"
        <3 ~1 "1"
        "#,
    );
}

#[test]
fn a_store_may_go_to_one_of_its_sources() {
    check(
        r#"
        > SADD a 1 2
        < :2
        > SADD b 2 3
        < :2
        > SUNIONSTORE a a b
        < :3
        > SMEMBERS a
        <2 any-order *3 "1" "2" "3"
        <3 any-order ~3 "1" "2" "3"
        > SINTERSTORE b a b
        < :2
        > SMEMBERS b
        <2 any-order *2 "2" "3"
        <3 any-order ~2 "2" "3"
        > SDIFFSTORE b a b
        < :1
        > SMEMBERS b
        <2 *1 "1"
        <3 ~1 "1"
        > SDIFFSTORE a a a
        < :0
        > EXISTS a
        < :0
        > SUNIONSTORE b b
        < :1
        > SMEMBERS b
        <2 *1 "1"
        <3 ~1 "1"
        > SINTERSTORE b b nothing
        < :0
        > EXISTS b
        < :0
        "#,
    );
}

#[test]
fn sintercard_counts_what_is_in_all() {
    check(
        r"
        > SADD a 1 2 3 x
        < :4
        > SADD b 2 3 4 x
        < :4
        > SINTERCARD 1 a
        < :4
        > SINTERCARD 2 a b
        < :3
        > SINTERCARD 2 b a
        < :3
        > SINTERCARD 2 a nothing
        < :0
        > SINTERCARD 2 nothing a
        < :0
        > SINTERCARD 1 nothing
        < :0
        > SINTERCARD 3 a b a
        < :3
        ",
    );
}

#[test]
fn sintercard_stops_at_its_limit() {
    check(
        r"
        > SADD a 1 2 3 x
        < :4
        > SADD b 2 3 4 x
        < :4
        > SINTERCARD 2 a b LIMIT 2
        < :2
        > SINTERCARD 2 a b LIMIT 3
        < :3
        > SINTERCARD 2 a b LIMIT 10
        < :3
        > SINTERCARD 2 a b LIMIT 0
        < :3
        > SINTERCARD 2 a b limit 1
        < :1
        > SINTERCARD 2 a b LIMIT 1 LIMIT 2
        < :2
        > SINTERCARD 1 a LIMIT 2
        < :2
        > SINTERCARD 2 a b LIMIT 9223372036854775807
        < :3
        > SINTERCARD 1 nothing LIMIT 1
        < :0
        ",
    );
}

#[test]
fn sintercard_refuses_a_limit_below_zero() {
    check(
        r#"
        > SADD a 1
        < :1
        > SINTERCARD 1 a LIMIT -1
        < -ERR LIMIT can't be negative
        > SINTERCARD 1 a LIMIT x
        < -ERR LIMIT can't be negative
        > SINTERCARD 1 a LIMIT 1.5
        < -ERR LIMIT can't be negative
        > SINTERCARD 1 a LIMIT ""
        < -ERR LIMIT can't be negative
        > SINTERCARD 1 a LIMIT 9223372036854775808
        < -ERR LIMIT can't be negative
        > SINTERCARD 1 nothing LIMIT -1
        < -ERR LIMIT can't be negative
        "#,
    );
}

#[test]
fn sintercard_refuses_a_number_of_keys_that_is_wrong() {
    check(
        r#"
        > SADD a 1
        < :1
        > SINTERCARD 0 a
        < -ERR numkeys should be greater than 0
        > SINTERCARD -1 a
        < -ERR numkeys should be greater than 0
        > SINTERCARD x a
        < -ERR numkeys should be greater than 0
        > SINTERCARD 1.5 a
        < -ERR numkeys should be greater than 0
        > SINTERCARD "" a
        < -ERR numkeys should be greater than 0
        > SINTERCARD 9223372036854775808 a
        < -ERR numkeys should be greater than 0
        > SINTERCARD 2147483648 a
        < -ERR Number of keys can't be greater than number of args
        > SINTERCARD 2 a
        < -ERR Number of keys can't be greater than number of args
        > SINTERCARD 3 a b
        < -ERR Number of keys can't be greater than number of args
        > SINTERCARD 9223372036854775807 a
        < -ERR Number of keys can't be greater than number of args
        > SINTERCARD 1
        < -ERR wrong number of arguments for 'sintercard' command
        > SINTERCARD
        < -ERR wrong number of arguments for 'sintercard' command
        "#,
    );
}

#[test]
fn sintercard_refuses_what_it_does_not_understand() {
    check(
        r"
        > SADD a 1
        < :1
        > SINTERCARD 1 a b
        < -ERR syntax error
        > SINTERCARD 1 a LIMIT
        < -ERR syntax error
        > SINTERCARD 1 a NONSENSE 1
        < -ERR syntax error
        > SINTERCARD 1 a LIMIT 1 NONSENSE
        < -ERR syntax error
        > SINTERCARD 2 a LIMIT
        < :0
        > SINTERCARD 2 a LIMIT 1
        < -ERR syntax error
        > SET string v
        < +OK
        > SINTERCARD 1 string NONSENSE
        < -ERR syntax error
        > SINTERCARD 1 string LIMIT -1
        < -ERR LIMIT can't be negative
        ",
    );
}

#[test]
fn algebra_of_large_sets_is_exact() {
    let server = Server::start();
    let mut client = connect(&server, 3);
    let numbers = |step: usize| (0..6_000).step_by(step).map(|number| format!("member-{number}"));
    for (key, step) in [("twos", 2), ("threes", 3), ("fives", 5)] {
        let request: Vec<String> =
            ["SADD", key].into_iter().map(str::to_owned).chain(numbers(step)).collect();
        client.ask(&request);
    }
    let (twos, threes): (BTreeSet<_>, BTreeSet<_>) = (numbers(2).collect(), numbers(3).collect());
    let fives: BTreeSet<_> = numbers(5).collect();
    let keys = ["twos", "threes", "fives"];
    let mut ask = |command: &str| members(&mut client, &[&[command], &keys[..]].concat());
    assert_eq!(ask("SINTER"), numbers(30).collect());
    let any: BTreeSet<_> = twos.iter().chain(&threes).chain(&fives).cloned().collect();
    assert_eq!(ask("SUNION"), any);
    let only: BTreeSet<_> =
        twos.iter().filter(|&member| !threes.contains(member) && !fives.contains(member)).cloned().collect();
    assert_eq!(ask("SDIFF"), only);
    assert_eq!(client.ask(&["SINTERCARD", "3", "twos", "threes", "fives"]), b":200\r\n");
    assert_eq!(client.ask(&["SINTERCARD", "2", "twos", "threes", "LIMIT", "999"]), b":999\r\n");
    assert_eq!(client.ask(&["SUNIONSTORE", "k", "twos", "threes"]), b":4000\r\n");
    assert_eq!(client.ask(&["SCARD", "k"]), b":4000\r\n");
}
