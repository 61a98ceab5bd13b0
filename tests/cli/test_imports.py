"""What a short command imports: starting is mostly importing, and is paid each time.

The lists are exact. A module that is new in one of them costs every lookup of everybody: import
it where it is used, or add it here knowingly.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import environment, run
from tests.directory.fake_server import FakeServer, entry, polite

#: Heavy ones that no short command may need.
HEAVY = {
    "asyncio", "concurrent", "ctypes", "email", "getpass", "hashlib", "http", "ldap3", "logging",
    "pyasn1", "pygments", "rich", "ssl", "tempfile", "unittest", "yaml",
}  # fmt: skip
START = {
    "mailldap", "mailldap.cli", "mailldap.cli.app", "mailldap.cli.argv", "mailldap.cli.run",
    "mailldap.cli.stdio", "mailldap.errors", "mailldap.output", "mailldap.output.escape",
    "mailldap.version",
}  # fmt: skip
LOOKUP = START | {
    "mailldap.cli.lookups", "mailldap.cli.postfix_side",
    "mailldap.directory", "mailldap.directory.base",
    "mailldap.ldap", "mailldap.ldap.entry", "mailldap.ldap.filter",
    "mailldap.directory.open",
    "mailldap.postfix", "mailldap.postfix.expand", "mailldap.postfix.host",
    "mailldap.postfix.lines", "mailldap.postfix.main_cf", "mailldap.postfix.parameters",
    "mailldap.postfix.words",
    "mailldap.simulate", "mailldap.simulate.configured", "mailldap.simulate.demands",
    "mailldap.simulate.hostname",
    "mailldap.tables", "mailldap.tables.base", "mailldap.tables.open", "mailldap.tables.simple",
    "mailldap.tables.table", "mailldap.tables.text",
}  # fmt: skip
LDAP_LOOKUP = LOOKUP | {
    "mailldap.directory.answers", "mailldap.directory.ber", "mailldap.directory.channel", "mailldap.directory.exchange",
    "mailldap.directory.libldap", "mailldap.directory.libldap.answers",
    "mailldap.directory.libldap.connect",
    "mailldap.directory.libldap.referral", "mailldap.directory.libldap.uri",
    "mailldap.directory.libldap_text", "mailldap.directory.session", "mailldap.directory.uri",
    "mailldap.directory.wire",
    "mailldap.tables.ldap_config", "mailldap.tables.ldap_result", "mailldap.tables.ldap_table",
    "mailldap.tables.match_list", "mailldap.tables.source",
    "mailldap.tables.template",
}  # fmt: skip
PROGRAM = """\
import json, os, sys
from mailldap.cli.app import execute
status = execute(sys.argv[1:], os.environ)
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(tmp_path, "init", "--example").status == 0
    return tmp_path


def imported(folder: Path, *argv: str, status: int = 0) -> set[str]:
    """Return the modules that a command imports; it must end with *status*."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *argv],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ended, modules = json.loads(done.stderr.splitlines()[-1])
    assert ended == status, done.stderr
    return set(modules)


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "mailldap"}


def heavy(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & HEAVY


def test_a_lookup_in_ldap_imports_what_it_needs(folder: Path) -> None:
    with FakeServer(polite(entry("uid=a", mail=[b"a@x"]))) as server:
        (folder / "a.cf").write_text(
            f"server_host = {server.uri}\nversion = 3\nbind = no\nsearch_base = dc=x\n"
            "query_filter = (mail=%s)\nresult_attribute = mail\n"
        )
        for more in ((), ("-o", "json")):
            modules = imported(folder, "lookup", "--table", "ldap:./a.cf", "a@x", *more)
            assert not heavy(modules)
            wanted = LDAP_LOOKUP | ({"mailldap.output.jsonform"} if more else set())
            assert own(modules) == wanted


def test_a_lookup_in_a_text_imports_less(folder: Path) -> None:
    (folder / "table").write_text("key value\n")
    modules = imported(folder, "lookup", "--table", "texthash:./table", "key")
    assert not heavy(modules)
    assert own(modules) == LOOKUP


def test_the_version_is_no_matter_of_commands(tmp_path: Path) -> None:
    modules = imported(tmp_path, "--version")
    assert not heavy(modules)
    assert own(modules) == START


@pytest.mark.parametrize("argv", [("--help",), ("init", "-n"), ("alias", "--help")])
def test_a_command_that_does_nothing_imports_the_commands_alone(tmp_path: Path, argv) -> None:
    modules = imported(tmp_path, *argv)
    assert not heavy(modules)
    rooms = {name.split(".")[1] for name in own(modules) if "." in name}
    allowed = {"cli", "errors", "output", "version"}
    assert rooms <= allowed | ({"config", "ldap"} if argv[0] == "init" else set())


def test_a_file_as_directory_needs_no_server_code(folder: Path) -> None:
    for argv in (
        ("alias", "list"),
        ("recipient", "show", "jane.doe"),
        ("resolve", "jd@example.com"),
    ):
        assert not heavy(imported(folder, *argv)) - {"yaml", "hashlib", "tempfile", "ssl"}, argv


def test_what_asks_no_postfix_imports_none(folder: Path) -> None:
    (folder / "new.ldif").write_text("")
    for argv in (("recipient", "list"), ("export", "ldif"), ("import", "ldif", "new.ldif")):
        rooms = {name.split(".")[1] for name in own(imported(folder, *argv)) if "." in name}
        assert not rooms & {"postfix", "simulate", "tables"}, argv


def test_errors_need_no_more(folder: Path) -> None:
    for argv in (("nonsense",), ("alias", "list", "--bogus"), ("-o", "json", "nonsense")):
        assert not heavy(imported(folder, *argv, status=2)), argv
