"""On a terminal: data is shown, never obeyed, and nothing of it is lost."""

import re
from pathlib import Path

import pytest

from tests.cli.process import on_terminal, run

LINES = "two\nlines"
EVIL = "\x1b]0;owned\x07\x1b[31m[bold]x[/bold]\u202e"
#: Everything that a terminal could obey, apart from what rich itself writes for bold.
OBEYED = re.compile(rb"\x1b(?!\[[0-9;]*m)|\x07|\xe2\x80\xae|\x9b")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(tmp_path, "init", "--example").status == 0
    done = run(
        tmp_path, "recipient", "set", "jane.doe", f"cn={EVIL}", f"multiLineDescription={EVIL}"
    )
    assert done.status == 0, done.err
    routing = "long." + "x" * 50 + "@" + ".".join(["y" * 60] * 3) + ".internal"
    assert run(tmp_path, "routing", "add", "jane.doe", routing).status == 0
    return tmp_path


def plain(seen: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())


def test_data_is_shown_and_not_obeyed(folder: Path) -> None:
    for argv in (
        ["recipient", "show", "jane.doe"],
        ["recipient", "list"],
        ["recipient", "show", "jane.doe", "-o", "json"],
        ["recipient", "show", "jane.doe", "-o", "yaml"],
        ["recipient", "show", "jane.doe", "-o", "ldif"],
        ["export", "ldif"],
    ):
        done = on_terminal(folder, *argv)
        assert done.status == 0, (argv, done.out)
        assert not OBEYED.search(done.out), argv
        assert b"owned\x07" not in done.out
    assert "\\x1b]0;owned\\x07\\x1b[31m[bold]x[/bold]\\u202e" in plain(
        on_terminal(folder, "recipient", "show", "jane.doe").out
    )


def test_values_of_tables_are_shown_on_a_terminal(folder: Path) -> None:
    (folder / "table").write_text(f"key {EVIL}\n")
    done = on_terminal(folder, "lookup", "--table", "texthash:./table", "key", "absent")
    assert not OBEYED.search(done.out)
    assert b"\x1b" not in done.out
    assert b"\\x1b[31m" in done.out


def test_queries_and_errors_are_shown(folder: Path) -> None:
    for argv in (
        ["resolve", EVIL],
        ["recipient", "show", EVIL],
        ["alias", "add", "jane.doe", EVIL],
        ["lookup", "--table", f"texthash:{EVIL}", "k"],
        ["-o", EVIL, "recipient", "list"],
        [EVIL],
        ["recipient", EVIL],
        ["recipient", "list", f"--{EVIL}"],
        ["-H", f"ldif:{EVIL}", "recipient", "list"],
        ["postfix", "check", EVIL],
    ):
        done = on_terminal(folder, *argv)
        assert done.status != 0
        assert b"\x1b" not in done.out, (argv, done.out)
        assert b"\xe2\x80\xae" not in done.out
        assert b"internal error" not in done.out


def test_a_name_with_a_newline_makes_no_line_of_its_own(tmp_path: Path) -> None:
    for argv in (
        ["-H", f"ldif:/nowhere/{LINES}", "recipient", "list"],
        ["lookup", "--table", f"hash:/nowhere/{LINES}", "k"],
        ["resolve", "-c", f"/nowhere/{LINES}", "a@example.com"],
        ["postfix", "check", f"/nowhere/{LINES}"],
        ["import", "ldif", f"/nowhere/{LINES}"],
        ["--config", f"/nowhere/{LINES}", "recipient", "list"],
        ["-o", LINES, "recipient", "list"],
        ["recipient", "list", f"--{LINES}"],
        [LINES],
    ):
        done = run(tmp_path, *argv)
        assert done.status != 0
        assert b"two\\nlines" in done.err, (argv, done.err)
        assert all(line.startswith((b"mailldap: ", b"  ")) for line in done.err.splitlines())


def test_every_problem_of_the_settings_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "mailldap.yaml").write_text("bsae: dc=x\ntimeout: soon\n")
    told = run(tmp_path, "recipient", "list").err.splitlines()
    assert [line.split(b": ")[1] for line in told] == [b"mailldap.yaml:1", b"mailldap.yaml:2"]


def test_a_table_is_folded_and_not_cut(folder: Path) -> None:
    seen = plain(on_terminal(folder, "recipient", "list", COLUMNS="60").out)
    routing = run(folder, "routing", "list", "jane.doe").out.split(b"\t")[0].decode()
    squeezed = re.sub(r"\s", "", seen)
    assert "…" not in seen
    assert squeezed.count("y" * 20) >= 3
    assert sum(line.count("y") for line in seen.splitlines()) >= routing.count("y")


def test_no_color_means_no_color(folder: Path) -> None:
    assert b"\x1b" in on_terminal(folder, "recipient", "list").out
    seen = on_terminal(folder, "recipient", "list", NO_COLOR="1").out
    assert b"\x1b[3" not in seen
    assert b"\x1b[9" not in seen
    assert b"\x1b" not in run(folder, "recipient", "list").out


def test_a_person_is_asked_before_an_entry_goes(folder: Path) -> None:
    done = on_terminal(folder, "recipient", "remove", "jane.doe", typed=b"n\n", after=b"[y/N]")
    assert done.status == 1
    assert run(folder, "recipient", "show", "jane.doe").status == 0
    done = on_terminal(folder, "recipient", "remove", "jane.doe", typed=b"\x03", after=b"[y/N]")
    assert done.status == 130
    done = on_terminal(folder, "recipient", "remove", "jane.doe", typed=b"\x04", after=b"[y/N]")
    assert done.status == 1
    assert run(folder, "recipient", "show", "jane.doe").status == 0
    done = on_terminal(folder, "recipient", "remove", "jane.doe", typed=b"y\n", after=b"[y/N]")
    assert done.status == 0
    assert run(folder, "recipient", "show", "jane.doe").status == 1


def test_an_import_shows_how_far_it_is(folder: Path) -> None:
    entries = "".join(
        f"dn: uid=p{n},ou=People,dc=example,dc=com\nobjectClass: account\n"
        f"objectClass: mailRecipient\nuid: p{n}\nmail: p{n}@example.com\n\n"
        for n in range(3000)
    )
    (folder / "many.ldif").write_text(entries)
    done = on_terminal(folder, "import", "ldif", "many.ldif")
    assert done.status == 0
    assert b"records" in done.out
    assert b"/s" in done.out
    assert b"3000 imported, 0 there already" in done.out
    again = run(folder, "import", "ldif", "many.ldif")
    assert (again.status, again.out, again.err) == (0, b"0 imported, 3000 there already\n", b"")


def test_a_password_is_typed_unseen(folder: Path) -> None:
    done = on_terminal(
        folder,
        *("-W", "-D", "cn=x", "-H", "ldap://127.0.0.1:1", "whoami"),
        typed=b"hunter2\n",
        after=b"password",
    )
    assert done.status == 69
    assert b"hunter2" not in done.out
