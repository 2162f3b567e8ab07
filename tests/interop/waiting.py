"""Waiting for what happens by itself, such as an expiry."""

import time

TIMEOUT_S = 20
POLL_S = 0.01


def wait_until(condition):
    """Returns what the condition was at last."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"still not so after {TIMEOUT_S} s"
        time.sleep(POLL_S)
    return found
