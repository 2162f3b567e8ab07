"""The README, done letter by letter: what it tells a new user to type has to do what it shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
PORT = "6379"


def blocks(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no {language}"
    return found


def steps(console):
    """The commands of a console block, each with the output that stands below it."""
    for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = step.partition("\n")
        yield command, output


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, **options)


@pytest.fixture
def here(daemon):
    """Puts the test's own daemon in the place of the one that the README starts."""

    def here(text):
        return text.replace(PORT, str(daemon.port)).replace("redis-cli ", f"redis-cli --no-raw -p {daemon.port} ")

    return here


def test_tour(daemon, here):
    tour = [step for block in blocks("console") for step in steps(block) if "revoked --" not in step[0]]
    assert any(command.startswith("pkill -9") for command, _ in tour)
    for command, output in tour:
        if command.startswith("pkill -9"):
            daemon.kill()
            daemon.start()
        else:
            done = run(["bash", "-c", here(command)], cwd=daemon.data_file.parent)
            assert (done.stdout, done.stderr) == (output.rstrip("\n") + "\n", ""), command


def test_mistyped_option(daemon):
    [(command, output)] = [step for block in blocks("console") for step in steps(block) if "revoked --" in step[0]]
    done = run([daemon.arguments[0], *command.split()[1:]])
    assert (done.returncode, done.stderr) == (78, output)


def test_python(here):
    [script] = blocks("python")
    done = run([sys.executable, "-c", here(script)])
    assert (done.returncode, done.stderr) == (0, "")


def test_javascript(here):
    [script] = blocks("js")
    folder = ROOT / "tests/interop/node"  # where the newest node-redis is installed, under a name of its own
    script = here(script).replace('from "redis"', 'from "redis-6"')
    done = run(["node", "--input-type=module", "--eval", script], cwd=folder)
    assert (done.stdout, done.stderr) == ("true false\n", "")


def test_sql(daemon):
    for script in blocks("sql"):
        done = run(["sqlite3", "-bail", daemon.data_file], input=script)
        assert (done.returncode, done.stderr) == (0, "")
