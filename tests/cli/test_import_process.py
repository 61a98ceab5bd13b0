"""An import that is killed or interrupted, as a process against a real server."""

import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mailldap
from mailldap.client import MailDirectory
from tests.cli.process import COMMAND, environment, run

RECORDS = 6000


@pytest.fixture
def folder(tmp_path: Path, slapd) -> Path:
    slapd.reset(None)
    (tmp_path / "secret").write_text(slapd.admin_password)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "mailldap.yaml").write_text(
        f"uri: {slapd.uri}\nbase: {slapd.base}\nbind_dn: {slapd.admin_dn}\npassword_file: secret\n"
    )
    (tmp_path / "new.ldif").write_text(
        "".join(
            f"dn: uid=u{n},ou=People,{slapd.base}\nobjectClass: account\n"
            f"objectClass: mailRecipient\nuid: u{n}\nmail: u{n}@example.com\n"
            f"mailRoutingAddress: u{n}@mail1.internal\n\n"
            for n in range(RECORDS)
        )
    )
    return tmp_path


@pytest.fixture
def directory(slapd) -> Iterator[MailDirectory]:
    with mailldap.connect(
        slapd.uri, base=slapd.base, bind_dn=slapd.admin_dn, password=slapd.admin_password
    ) as mail:
        yield mail


def start(
    folder: Path, source: str = "new.ldif", stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "import", "ldif", source],
        cwd=folder,
        env=environment(folder),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def count(directory) -> int:
    return sum(1 for _ in directory.recipients.entries())


def test_killed_at_any_moment_the_same_command_finishes(folder: Path, directory) -> None:
    chance = random.Random()  # another moment in every run
    for _ in range(5):
        with start(folder) as process:
            time.sleep(chance.uniform(0.15, 1.2))
            process.kill()
    with start(folder) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, b"")
    made, there = map(int, re.findall(rb"[0-9]+", out))
    assert made + there == RECORDS == count(directory)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_tells_what_is_there(folder: Path, directory, how) -> None:
    with start(folder) as process:
        deadline = time.monotonic() + 60
        while not count(directory) and process.poll() is None:
            assert time.monotonic() < deadline
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    there = count(directory)
    assert there
    assert out == b"%d imported, 0 there already\n" % there
    if there < RECORDS:
        assert (process.returncode, err) == (
            128 + how,
            b"mailldap: interrupted; the same command finishes the rest\n",
        )


def test_what_was_refused_can_be_given_back(folder: Path) -> None:
    text = (folder / "new.ldif").read_text().split("\n\n")[:5]
    text[1] += "\nbogus: x"
    text[3] += "\nalso: y"
    (folder / "bad.ldif").write_text("\n\n".join(text))
    (folder / "rejects").write_text("of another day\n" * 1000)
    done = run(folder, "import", "ldif", "--continue", "--rejects", "rejects", "bad.ldif")
    assert (done.status, done.out) == (77, b"3 imported, 0 there already, 2 refused\n")
    assert done.err.count(b"mailldap: bad.ldif:8: uid=u1,") == 1
    rejects = folder / "rejects"
    assert rejects.stat().st_mode & 0o777 == 0o600
    kept = rejects.read_text()
    assert kept.startswith("# bad.ldif:8: undefinedAttributeType (17)")
    assert run(folder, "import", "ldif", "--rejects", "rejects", "rejects").status == 2
    assert rejects.read_text() == kept
    rejects.write_text(kept.replace("bogus: x\n", "").replace("also: y\n", ""))
    done = run(folder, "import", "ldif", "rejects")
    assert (done.status, done.out) == (0, b"2 imported, 0 there already\n")


def test_a_pipe_that_nobody_fills_can_be_left(folder: Path, directory) -> None:
    with start(folder, source="-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write((folder / "new.ldif").read_bytes())  # and no end
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while count(directory) < 4000:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b"%d imported, 0 there already\n" % count(directory)
