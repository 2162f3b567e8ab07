"""redis-cli as a person uses it, in a terminal."""

import pexpect
import pytest

ENTER = "\r"


class Session:
    def __init__(self, child, port):
        self.child = child
        self.prompt = f"127.0.0.1:{port}> "

    def type(self, keys):
        # What is typed ahead of the prompt is lost: redis-cli flushes it as it turns to raw mode.
        self.child.expect_exact(self.prompt)
        self.child.send(keys)

    def enter(self, line):
        self.type(line + ENTER)

    def expect(self, text):
        self.child.expect_exact(text)


@pytest.fixture
def session(daemon, terminal):
    return Session(terminal(), daemon.port)


def test_adds(session):
    session.enter("sadd revoked a b")
    session.expect("(integer) 2")


def test_shows_members_quoted(session):
    session.enter(r'sadd revoked "\x00 \xff"')
    session.expect("(integer) 1")
    session.enter("smembers revoked")
    session.expect(r'1) "\x00 \xff"')


def test_shows_an_empty_set(session):
    session.enter("smembers revoked")
    session.expect("(empty array)")


def test_hints_at_arguments_while_typing(session):
    session.type("sadd ")
    session.expect("key member [member ...]")


def test_helps(session):
    session.enter("help sadd")
    for text in ["SADD", "key member [member ...]", "summary:", "since:", "1.0.0", "group:", "set"]:
        session.expect(text)


def test_says_that_a_command_is_unknown(session):
    session.enter("nosuch a b")
    session.expect("(error) ERR unknown command 'nosuch', with args beginning with: 'a' 'b'")


def test_says_that_arguments_are_missing(session):
    session.enter("sadd revoked")
    session.expect("(error) ERR wrong number of arguments for 'sadd' command")


def test_prompt_shows_the_selected_database(daemon, session):
    session.enter("select 3")
    session.expect(f"127.0.0.1:{daemon.port}[3]> ")


def test_reconnects_at_the_second_try_after_kill_9(daemon, session):
    session.enter("sadd revoked a")
    session.expect("(integer) 1")
    daemon.kill()
    daemon.start()
    session.enter("ping")
    session.prompt = "not connected> "
    session.enter("sismember revoked a")
    session.expect("(integer) 1")


def test_quits(session):
    session.enter("quit")
    session.child.expect(pexpect.EOF)
    session.child.close()
    assert session.child.exitstatus == 0
