//! The bound of memory: what is refused beyond it, and what goes on.

use crate::script::{check, connect, run};
use crate::support::server::Server;

#[test]
fn writes_that_need_memory_are_refused_and_all_others_go_on() {
    check(
        r#"
        > SADD k a b c
        < :3
        > SET s 1
        < +OK
        > CONFIG SET maxmemory 1
        < +OK
        > SADD k d
        < -OOM command not allowed when used memory > 'maxmemory'.
        > SET s 2
        < -OOM command not allowed when used memory > 'maxmemory'.
        > INCR s
        < -OOM command not allowed when used memory > 'maxmemory'.
        > SUNIONSTORE u k
        < -OOM command not allowed when used memory > 'maxmemory'.
        > COPY k k2
        < -OOM command not allowed when used memory > 'maxmemory'.
        > SADD k
        < -ERR wrong number of arguments for 'sadd' command
        > SISMEMBER k a
        < :1
        > SCARD k
        < :3
        > GET s
        < "1"
        > SREM k a
        < :1
        > SMOVE k k3 b
        < :1
        > RENAME k3 k4
        < +OK
        > EXPIRE k 100
        < :1
        > PERSIST k
        < :1
        > GETEX s EX 100
        < "1"
        > SPOP k
        < "c"
        > PUBLISH channel message
        < :0
        > DEL k4 s
        < :2
        > DBSIZE
        < :0
        > CONFIG SET maxmemory 0
        < +OK
        > SADD k a
        < :1
        "#,
    );
}

#[test]
fn a_pipeline_is_refused_command_by_command() {
    check(
        r"
        > SADD k a
        < :1
        > CONFIG SET maxmemory 1
        < +OK
        > SREM k x
        > SADD k b
        > SREM k a
        > SADD k c
        > EXISTS k
        < :0
        < -OOM command not allowed when used memory > 'maxmemory'.
        < :1
        < -OOM command not allowed when used memory > 'maxmemory'.
        < :0
        ",
    );
}

#[test]
fn nothing_is_queued_behind_multi_and_it_can_be_left() {
    check(
        r"
        > CONFIG SET maxmemory 1
        < +OK
        > MULTI
        < +OK
        > PING
        < -OOM command not allowed when used memory > 'maxmemory'.
        > EXEC
        < -EXECABORT Transaction discarded because of previous errors.
        > MULTI
        < +OK
        > MULTI
        < -OOM command not allowed when used memory > 'maxmemory'.
        > WATCH a
        < -OOM command not allowed when used memory > 'maxmemory'.
        > SADD k
        < -ERR wrong number of arguments for 'sadd' command
        > DISCARD
        < +OK
        > MULTI
        < +OK
        > EXEC
        < *0
        > EXEC
        < -ERR EXEC without MULTI
        > MULTI
        < +OK
        > QUIT
        < +OK
        < closed
        ",
    );
}

#[test]
fn a_transaction_that_needs_memory_is_refused_as_a_whole() {
    let server = Server::start();
    let (mut client, mut other) = (connect(&server, 2), connect(&server, 2));
    let bound = |client: &mut _, bytes| run(client, 2, &format!("> CONFIG SET maxmemory {bytes}\n< +OK"));
    run(&mut client, 2, "> SADD k a\n< :1\n> MULTI\n< +OK\n> SREM k a\n< +QUEUED\n> SADD k b\n< +QUEUED");
    bound(&mut other, 1);
    run(
        &mut client,
        2,
        "
        > EXEC
        < -EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.
        > EXEC
        < -ERR EXEC without MULTI
        > SISMEMBER k a
        < :1
        ",
    );
    bound(&mut other, 0);
    run(&mut client, 2, "> MULTI\n< +OK\n> SREM k a\n< +QUEUED\n> PING\n< +QUEUED");
    bound(&mut other, 1);
    run(&mut client, 2, "> EXEC\n< *2 :1 +PONG");
}

#[test]
fn the_options_have_the_values_of_redis() {
    check(
        r#"
        > CONFIG GET maxmemory
        <2 *2 "maxmemory" "0"
        <3 %1 "maxmemory" "0"
        > CONFIG SET maxmemory 1GB client-query-buffer-limit 2mb proto-max-bulk-len 1mb timeout 0
        < +OK
        > CONFIG GET maxmemory
        <2 *2 "maxmemory" "1073741824"
        <3 %1 "maxmemory" "1073741824"
        > CONFIG GET client-query-buffer-limit
        <2 *2 "client-query-buffer-limit" "2097152"
        <3 %1 "client-query-buffer-limit" "2097152"
        > CONFIG GET maxmemory-policy
        <2 *2 "maxmemory-policy" "noeviction"
        <3 %1 "maxmemory-policy" "noeviction"
        > CONFIG SET maxmemory 50%
        < -ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value
        > CONFIG SET timeout -1
        < -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive
        > CONFIG SET timeout x
        < -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer
        > CONFIG SET client-query-buffer-limit 1x
        < -ERR CONFIG SET failed (possibly related to argument 'client-query-buffer-limit') - argument must be a memory value
        "#,
    );
}

#[test]
fn an_argument_beyond_proto_max_bulk_len_is_refused_when_it_is_announced() {
    check(
        r"
        > CONFIG SET proto-max-bulk-len 1mb
        < +OK
        >> *2\r\n$4\r\nECHO\r\n$1048577\r\n
        < -ERR Protocol error: invalid bulk length
        < closed
        ",
    );
}
