"""The README, and that of the examples, letter by letter: what it tells a user to type has to do what it shows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
EXAMPLES = ROOT / "examples/README.md"
PORT = "6379"


def blocks(language, document=README):
    found = re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{document} has no {language}"
    return found


def steps(console):
    """The commands of a console block, each with the output that stands below it."""
    for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, output = step.partition("\n")
        yield command, output


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=30, **options)


def run_python(script):
    return run([sys.executable, "-c", script])


def run_javascript(script):
    folder = ROOT / "tests/interop/node"  # where the newest clients are installed, under names of their own
    script = re.sub('from "(redis|ioredis)"', r'from "\1-6"', script)
    return run(["node", "--input-type=module", "--eval", script], cwd=folder)


@pytest.fixture
def here(daemon):
    """Puts the test's own daemon in the place of the one that the README starts."""

    def here(text):
        return text.replace(PORT, str(daemon.port)).replace("redis-cli ", f"redis-cli --no-raw -p {daemon.port} ")

    return here


def revoke_a(here):
    assert run(["bash", "-c", here("redis-cli SADD revoked a")]).stdout == "(integer) 1\n"


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
    done = run_python(here(script))
    assert (done.returncode, done.stderr) == (0, "")


def test_javascript(here):
    [script] = blocks("js")
    done = run_javascript(here(script))
    assert (done.stdout, done.stderr) == ("true false\n", "")


def test_python_that_fails_closed(daemon, here):
    [script] = blocks("python", EXAMPLES)
    script = here(script) + 'print(status("a"), status("b"))\n'
    revoke_a(here)
    assert run_python(script).stdout == "401 200\n"
    daemon.kill()
    assert run_python(script).stdout == "503 503\n"


def test_javascript_that_fails_closed(daemon, here):
    [script] = blocks("js", EXAMPLES)
    ask = 'console.log(await status("a"), await status("b")); process.exit();\n'
    connected = 'await new Promise((resolve) => revoked.once("ready", resolve));\n'
    revoke_a(here)
    assert run_javascript(here(script) + connected + ask).stdout == "401 200\n"
    daemon.kill()
    assert run_javascript(here(script) + ask).stdout == "503 503\n"


def test_sql(daemon):
    for script in blocks("sql"):
        done = run(["sqlite3", "-bail", daemon.data_file], input=script)
        assert (done.returncode, done.stderr) == (0, "")
