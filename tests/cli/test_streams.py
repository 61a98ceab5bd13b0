"""What becomes of a command when its streams are full, closed, or somebody else's."""

import copy
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from mailldap.cli.run import Options, Run
from mailldap.errors import CouldNotAsk, MailldapError
from mailldap.output.jsonform import as_json, as_yaml
from tests.cli.process import COMMAND, environment, run, shell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(tmp_path, "init", "--example").status == 0
    return tmp_path


@pytest.mark.parametrize(
    "argv",
    ["recipient list", "--help", "--version", "export ldif", "recipient show nobody -o json"],
)
def test_a_full_disk_is_no_success(folder: Path, argv: str) -> None:
    done = shell(folder, f"mailldap {argv} > /dev/full")
    assert done.status == 74
    assert b"No space left on device" in done.err
    assert b"Traceback" not in done.err


def test_a_closed_stdout_is_no_success(folder: Path) -> None:
    done = shell(folder, "mailldap recipient list >&-")
    assert done.status == 74
    assert b"Traceback" not in done.err


def test_without_stderr_the_status_still_tells(folder: Path) -> None:
    done = shell(folder, "mailldap recipient show nobody 2>&-; echo $?")
    assert done.out == b"1\n"
    done = shell(folder, "mailldap recipient list 2>&- >/dev/null; echo $?")
    assert done.out == b"0\n"


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        ("recipient list", 0),
        ("export ldif", 0),
        ("--help", 0),
        ("recipient show nobody -o json", 1),
        ("resolve nobody@example.com", 1),
    ],
)
def test_a_reader_that_goes_away_changes_no_status(folder: Path, argv: str, status: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(folder, *argv.split(), stdout=writer)
    os.close(writer)
    assert (done.status, done.err) == (status, b"")


def test_head_gets_the_first_line(folder: Path) -> None:
    done = shell(folder, "set -o pipefail; mailldap recipient list | head -1")
    assert done.status == 0
    assert done.out.startswith(b"john.smith\t")
    assert done.err == b""


def test_without_stdin_nobody_is_asked(folder: Path) -> None:
    for argv in ("lookup -", "import ldif -"):
        done = shell(folder, f"mailldap {argv} <&-")
        assert done.status == 2, argv
        assert b"stdin" in done.err
    assert shell(folder, "mailldap lookup - </dev/null").status == 1
    done = shell(folder, "mailldap recipient remove jane.doe </dev/null")
    assert done.status == 2
    assert b"--yes" in done.err
    done = shell(folder, "mailldap -W recipient list </dev/null")
    assert done.status == 2
    assert b"-y FILE" in done.err


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nonsense"])
def test_bytes_are_bytes_in_every_locale(folder: Path, locale: str) -> None:
    (folder / "table").write_bytes(b"\xff\xfe b\xc3\xa4\xff\n")
    done = run(
        folder,
        b"lookup",
        b"--table",
        b"inline:{ \xc3\xa4=\xc3\xb6 }",
        b"\xc3\xa4",
        env={"LC_ALL": locale},
    )
    assert (done.status, done.out) == (0, "ö\n".encode())
    done = run(folder, b"resolve", b"\xff@example.com", env={"LC_ALL": locale})
    assert done.status == 1
    assert done.out.startswith(b"\\xff@example.com\treject\t5.5.2")
    done = run(folder, b"recipient", b"show", b"\xff\xc3\xa4", env={"LC_ALL": locale})
    assert done.status == 1
    assert b"Traceback" not in done.err


def test_values_that_are_no_utf8_come_out_as_they_are(folder: Path) -> None:
    (folder / "main.cf").write_text("compatibility_level = 3.6\nsmtputf8_enable = no\n")
    (folder / "table").write_bytes(b"key v\xff\x1b[31m\n")
    done = run(folder, "lookup", "-c", ".", "--table", "texthash:./table", "key")
    assert (done.status, done.out) == (0, b"v\xff\x1b[31m\n")


def test_interrupted_is_neither_done_nor_no(folder: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "lookup", "-"],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests themselves run in the background, their children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"jane.doe@example.com\n")
        process.stdin.flush()
        while Path(f"/proc/{process.pid}/wchan").exists() and not _waits(process.pid):
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def _waits(pid: int) -> bool:
    """Return whether the process sleeps in a read of its stdin."""
    call = Path(f"/proc/{pid}/syscall").read_text().split()
    return call[:2] == ["0", "0x0"]


def test_large_arguments_are_only_large(folder: Path) -> None:
    huge = "a" * 100_000
    for argv in (["lookup", huge], ["resolve", huge], ["recipient", "show", huge]):
        done = run(folder, *argv)
        assert done.status == 1, argv[0]
    assert run(folder, "alias", "add", "jane.doe", f"{huge}@example.com").status == 65


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_a_list_is_printed_as_it_comes(capfdbinary, output: str) -> None:
    run = Run(Options(output=output), {})
    form = {"a": ["1\n2", {"b": []}], "c": "é\x1b\udcff" + "x" * 60}
    seen = []

    def forms(number: int, error: MailldapError | None = None):
        for n in range(number):
            seen.append(capfdbinary.readouterr().out)
            yield copy.deepcopy(form) | {"n": n}
        if error is not None:
            raise error

    for number in (0, 1, 3, 2000):
        seen.clear()
        run.emit_list(forms(number))
        run.stdout.flush()
        written = b"".join(seen) + capfdbinary.readouterr().out
        expected = [copy.deepcopy(form) | {"n": n} for n in range(number)]
        as_a_whole = as_json(expected) if output == "json" else as_yaml(expected)
        assert written == as_a_whole.encode("utf-8", "surrogateescape")
    assert sum(map(bool, seen)) > 1  # in pieces

    with pytest.raises(CouldNotAsk):  # which is then all that is printed
        run.emit_list(forms(3, CouldNotAsk("gone")))
    run.stdout.flush()
    assert capfdbinary.readouterr().out == b""
    seen.clear()
    with pytest.raises(typer.Exit) as ended:
        run.emit_list(forms(2000, CouldNotAsk("gone")))
    assert ended.value.exit_code == CouldNotAsk.exit_status
    run.stdout.flush()
    read = json.loads if output == "json" else yaml.safe_load
    *items, last = read((b"".join(seen) + capfdbinary.readouterr().out).decode())
    assert len(items) == 2000
    assert last["error"]["message"] == "gone"


def test_addresses_are_read_from_stdin(folder: Path) -> None:
    given = "sales@example.com\nnobody@example.com\nx@remote.test\n"
    (folder / "addresses").write_text(given)
    done = shell(folder, "mailldap resolve - < addresses")
    each = [run(folder, "resolve", address) for address in given.split()]
    assert done.out == b"".join(one.out for one in each)
    assert done.status == max(one.status for one in each) == 1
    shown = shell(folder, "cat addresses | mailldap -o json resolve -")
    assert json.loads(shown.out) == [
        json.loads(run(folder, "-o", "json", "resolve", address).out) for address in given.split()
    ]
    assert json.loads(shell(folder, "mailldap -o json resolve - </dev/null").out) == []
    assert run(folder, "resolve", "-", "a@b.test").status == 2
