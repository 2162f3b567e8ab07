//! SADD, SREM, SISMEMBER, SMISMEMBER, SMEMBERS, SCARD, SSCAN.

use std::collections::HashSet;

use crate::script::{check, connect, elements, sort, string};
use crate::support::server::{Client, Server};

#[test]
fn sadd_counts_members_that_are_new() {
    check(
        r"
        > SADD k a b
        < :2
        > SADD k b c
        < :1
        > SADD k a b c
        < :0
        > SADD k d d d
        < :1
        > SCARD k
        < :4
        > sAdD k e
        < :1
        > SADD k
        < -ERR wrong number of arguments for 'sadd' command
        > SADD
        < -ERR wrong number of arguments for 'sadd' command
        ",
    );
}

#[test]
fn srem_counts_members_that_were_there_and_removes_the_set_with_its_last() {
    check(
        r"
        > SADD k a b c
        < :3
        > SREM k a x
        < :1
        > SREM k b b
        < :1
        > SREM nothing a
        < :0
        > EXISTS k
        < :1
        > SREM k c
        < :1
        > EXISTS k
        < :0
        > SREM k c
        < :0
        > srem k
        < -ERR wrong number of arguments for 'srem' command
        ",
    );
}

#[test]
fn sismember_tells_whether_it_is_a_member() {
    check(
        r#"
        > SADD k a
        < :1
        > SISMEMBER k a
        < :1
        > SISMEMBER k A
        < :0
        > SISMEMBER k ""
        < :0
        > SISMEMBER K a
        < :0
        > SISMEMBER nothing a
        < :0
        > SISMEMBER k
        < -ERR wrong number of arguments for 'sismember' command
        > SISMEMBER k a b
        < -ERR wrong number of arguments for 'sismember' command
        "#,
    );
}

#[test]
fn smismember_answers_each_in_order() {
    check(
        r"
        > SADD k a b
        < :2
        > SMISMEMBER k a x b a
        < *4 :1 :0 :1 :1
        > SMISMEMBER k a
        < *1 :1
        > SMISMEMBER nothing a b
        < *2 :0 :0
        > SMISMEMBER k
        < -ERR wrong number of arguments for 'smismember' command
        ",
    );
}

#[test]
fn smembers_is_a_set_in_resp3() {
    check(
        r#"
        > SMEMBERS k
        <2 *0
        <3 ~0
        > SADD k a b ""
        < :3
        > SMEMBERS k
        <2 any-order *3 "a" "b" ""
        <3 any-order ~3 "a" "b" ""
        > SMEMBERS k k
        < -ERR wrong number of arguments for 'smembers' command
        "#,
    );
}

#[test]
fn scard_counts_members() {
    check(
        r"
        > SCARD k
        < :0
        > SADD k a b
        < :2
        > SCARD k
        < :2
        > SREM k a
        < :1
        > SCARD k
        < :1
        > SCARD
        < -ERR wrong number of arguments for 'scard' command
        > SCARD k k
        < -ERR wrong number of arguments for 'scard' command
        ",
    );
}

#[test]
fn the_empty_string_is_a_key_and_a_member_like_any_other() {
    check(
        r#"
        > SADD "" ""
        < :1
        > SADD "" ""
        < :0
        > SISMEMBER "" ""
        < :1
        > SMEMBERS ""
        <2 *1 ""
        <3 ~1 ""
        > SREM "" ""
        < :1
        > EXISTS ""
        < :0
        "#,
    );
}

#[test]
fn members_come_back_as_the_bytes_that_went_in() {
    // Among them those that are kept in a shorter form, and those that only look as if they could be.
    let mut members: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    members.push((0..=255).collect());
    members.push(vec![0; 100_000]);
    for text in [
        "123e4567-e89b-12d3-a456-426614174000",
        "123E4567-E89B-12D3-A456-426614174000",
        "123e4567e89b12d3a456426614174000",
        "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-4266141740000",
        "-23e4567-e89b-12d3-a456-426614174000",
        "00",
        "0",
        "-0",
        "007",
        "9223372036854775807",
        "9223372036854775808",
        "deadbeef",
        "DEADBEEF",
        "deadbee",
        "\r\n",
        "a\r\nb",
        "$1\r\na\r\n",
        "é",
    ] {
        members.push(text.into());
    }
    let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect::<HashSet<_>>().into_iter().collect();
    for protocol in [2, 3] {
        let server = Server::start();
        let mut client = connect(&server, protocol);
        add_check_and_remove(&mut client, &members);
    }
}

fn add_check_and_remove(client: &mut Client, members: &[&[u8]]) {
    let command = |name: &'static str| [&[name.as_bytes(), b"\x00\xffkey"], members].concat();
    let count = format!(":{}\r\n", members.len()).into_bytes();
    assert_eq!(client.ask(&command("SADD")), count);
    let all = client.ask(&["SMEMBERS".as_bytes(), b"\x00\xffkey"]);
    let found: HashSet<_> = elements(&all).iter().map(|member| string(member).to_vec()).collect();
    assert_eq!(found.len(), members.len());
    assert!(members.iter().all(|&member| found.contains(member)));
    let present = format!("*{}\r\n{}", members.len(), ":1\r\n".repeat(members.len()));
    assert_eq!(client.ask(&command("SMISMEMBER")), present.into_bytes());
    assert_eq!(client.ask(&["KEYS", "*"]), b"*1\r\n$5\r\n\x00\xffkey\r\n");
    assert_eq!(client.ask(&command("SREM")), count);
    assert_eq!(client.ask(&["DBSIZE"]), b":0\r\n");
}

#[test]
fn one_sadd_takes_a_hundred_thousand_members_and_smembers_returns_them() {
    let members: Vec<String> = (0..100_000).map(|number| format!("member-{number}")).collect();
    let command: Vec<&str> = ["SADD", "k"].into_iter().chain(members.iter().map(String::as_str)).collect();
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.ask(&command), b":100000\r\n");
    assert_eq!(client.ask(&command), b":0\r\n");
    assert_eq!(client.ask(&["SCARD", "k"]), b":100000\r\n");
    let all = client.ask(&["SMEMBERS", "k"]);
    assert!(all.starts_with(b"*100000\r\n"));
    let found: HashSet<_> = elements(&all).iter().map(|member| string(member).to_vec()).collect();
    assert_eq!(found.len(), members.len());
    assert!(members.iter().all(|member| found.contains(member.as_bytes())));
}

#[test]
fn sscan_of_a_small_set_returns_it_at_once() {
    check(
        r#"
        > SADD k a b ab
        < :3
        > SSCAN k 0
        < any-order *2 "0" *3 "a" "b" "ab"
        > SSCAN k 0 MATCH a*
        < any-order *2 "0" *2 "a" "ab"
        > SSCAN k 0 COUNT 100 MATCH a?
        < *2 "0" *1 "ab"
        > sscan k 0 match [^b] count 100
        < *2 "0" *1 "a"
        > SSCAN k 0 MATCH x MATCH b
        < *2 "0" *1 "b"
        > SSCAN nothing 0
        < *2 "0" *0
        "#,
    );
}

#[test]
fn sscan_refuses_what_it_does_not_understand() {
    check(
        r#"
        > SADD k a
        < :1
        > SSCAN k
        < -ERR wrong number of arguments for 'sscan' command
        > SSCAN k x
        < -ERR invalid cursor
        > SSCAN k " 0"
        < -ERR invalid cursor
        > SSCAN k 1x
        < -ERR invalid cursor
        > SSCAN k 18446744073709551616
        < -ERR invalid cursor
        > SSCAN k 0 COUNT 0
        < -ERR syntax error
        > SSCAN k 0 COUNT -1
        < -ERR syntax error
        > SSCAN k 0 COUNT x
        < -ERR value is not an integer or out of range
        > SSCAN k 0 COUNT 99999999999999999999
        < -ERR value is not an integer or out of range
        > SSCAN k 0 COUNT
        < -ERR syntax error
        > SSCAN k 0 MATCH a COUNT
        < -ERR syntax error
        > SSCAN k 0 TYPE set
        < -ERR syntax error
        > SSCAN k 0 NONSENSE x
        < -ERR syntax error
        > SSCAN nothing x
        < -ERR invalid cursor
        > SSCAN nothing 0 NONSENSE
        < *2 "0" *0
        "#,
    );
}

#[test]
fn count_is_a_number_as_everywhere_else() {
    check(
        r#"
        > SADD k a
        < :1
        > SSCAN k 0 COUNT 01
        < -ERR value is not an integer or out of range
        > SSCAN k 0 COUNT +1
        < -ERR value is not an integer or out of range
        > SSCAN k 0 COUNT " 1"
        < -ERR value is not an integer or out of range
        > SCAN 0 COUNT 01
        < -ERR value is not an integer or out of range
        > SCAN 0 COUNT -0
        < -ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn a_walk_by_sscan_finds_what_was_there_all_along_while_others_add_and_remove() {
    let stay: Vec<String> = (0..1_000).map(|number| format!("stay-{number}")).collect();
    let server = Server::start();
    let (mut walker, mut other) = (server.connect(), server.connect());
    let add: Vec<&str> = ["SADD", "k"].into_iter().chain(stay.iter().map(String::as_str)).collect();
    assert_eq!(walker.ask(&add), b":1000\r\n");

    let (mut found, mut cursor, mut step) = (HashSet::new(), "0".to_owned(), 0_u64);
    loop {
        let reply = elements(&walker.ask(&["SSCAN", "k", &cursor, "COUNT", "20"]));
        found.extend(elements(&reply[1]).iter().map(|member| string(member).to_vec()));
        cursor = String::from_utf8(string(&reply[0]).to_vec()).unwrap();
        if cursor == "0" {
            break;
        }
        // More come than go, so that the set grows while it is walked through.
        step += 1;
        let come: Vec<String> = (0..40).map(|number| format!("come-{step}-{number}")).collect();
        let add: Vec<&str> = ["SADD", "k"].into_iter().chain(come.iter().map(String::as_str)).collect();
        assert_eq!(other.ask(&add), b":40\r\n");
        if step > 2 {
            let gone = format!("come-{}-0", step - 2);
            assert_eq!(other.ask(&["SREM", "k", &gone]), b":1\r\n");
        }
        assert!(step < 10_000, "the walk has an end");
    }
    assert!(stay.iter().all(|member| found.contains(member.as_bytes())));
}

#[test]
fn a_walk_by_sscan_finds_the_rest_of_a_set_that_shrinks() {
    let server = Server::start();
    let (mut walker, mut other) = (server.connect(), server.connect());
    for number in 0..2_000 {
        walker.send(format!("SADD k {number}\r\n").as_bytes());
    }
    (0..2_000).for_each(|_| assert_eq!(walker.reply(), b":1\r\n"));

    let (mut found, mut cursor, mut gone) = (HashSet::new(), "0".to_owned(), 0);
    loop {
        let reply = elements(&walker.ask(&["SSCAN", "k", &cursor, "COUNT", "20"]));
        found.extend(elements(&reply[1]).iter().map(|member| string(member).to_vec()));
        cursor = String::from_utf8(string(&reply[0]).to_vec()).unwrap();
        if cursor == "0" {
            break;
        }
        // All but the last 100 go.
        for number in gone..(gone + 40).min(1_900) {
            assert_eq!(other.ask(&["SREM", "k", &number.to_string()]), b":1\r\n");
        }
        gone += 40;
        assert!(gone < 100_000, "the walk has an end");
    }
    assert!((1_900..2_000).all(|number| found.contains(number.to_string().as_bytes())));
}

#[test]
fn any_number_is_a_cursor_and_any_positive_one_a_count() {
    let server = Server::start();
    let mut client = server.connect();
    let members: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    let add: Vec<&str> = ["SADD", "large"].into_iter().chain(members.iter().map(String::as_str)).collect();
    client.ask(&add);
    client.ask(&["SADD", "small", "a", "b"]);
    for shift in 0..64 {
        for cursor in [1_u64 << shift, u64::MAX >> shift, u64::MAX << shift] {
            let cursor = cursor.to_string();
            for words in [&["SCAN", &cursor][..], &["SSCAN", "large", &cursor], &["SSCAN", "small", &cursor]]
            {
                assert!(client.ask(words).starts_with(b"*2\r\n"), "{words:?}");
            }
        }
    }
    let reply = client.ask(&["SSCAN", "large", "0", "COUNT", "9223372036854775807"]);
    assert_eq!(elements(&elements(&reply)[1]).len(), 5_000);
    assert_eq!(string(&elements(&reply)[0]), b"0");
    let reply = client.ask(&["SCAN", "0", "COUNT", "9223372036854775807"]);
    assert_eq!(elements(&elements(&reply)[1]).len(), 2);
}

#[test]
fn two_clients_see_each_others_changes() {
    let server = Server::start();
    let (mut first, mut second) = (connect(&server, 2), connect(&server, 3));
    assert_eq!(first.ask(&["SADD", "k", "a"]), b":1\r\n");
    assert_eq!(second.ask(&["SADD", "k", "a", "b"]), b":1\r\n");
    assert_eq!(sort(&first.ask(&["SMEMBERS", "k"])), b"*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(sort(&second.ask(&["SMEMBERS", "k"])), b"~2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(first.ask(&["DEL", "k"]), b":1\r\n");
    assert_eq!(second.ask(&["SISMEMBER", "k", "a"]), b":0\r\n");
}
