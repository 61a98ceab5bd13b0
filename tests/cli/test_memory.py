"""Import, export and bulk lookup need as much memory for many entries as for some."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.process import COMMAND, environment

#: Some batches of an import, pages of an export and chunks of a lookup; and three times as many.
SOME, MANY = 11_000, 33_000
#: An entry that was kept would take a kilobyte at least.
ALLOWED = 6 << 10  # KiB

# A small process starts the command: what the parent has counts for a child until it is itself.
PEAK = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak(folder: Path, *argv: str, stdin: Path | None = None) -> int:
    """Return the greatest memory of that command of mailldap, in KiB."""
    with (stdin or Path("/dev/null")).open("rb") as source:
        done = subprocess.run(
            [sys.executable, "-ISc", PEAK, *COMMAND, *argv],
            cwd=folder,
            env=environment(folder),
            stdin=source,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return int(done.stderr)


@pytest.fixture
def folder(tmp_path: Path, slapd) -> Path:
    slapd.reset(None)
    (tmp_path / "secret").write_text(slapd.admin_password)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "mailldap.yaml").write_text(
        f"uri: {slapd.uri}\nbase: {slapd.base}\nbind_dn: {slapd.admin_dn}\npassword_file: secret\n"
    )
    (tmp_path / "table.cf").write_text(
        f"server_host = {slapd.uri}\nversion = 3\nsearch_base = {slapd.base}\n"
        "query_filter = (mail=%s)\nresult_attribute = mailRoutingAddress\n"
    )
    return tmp_path


def test_memory_does_not_grow_with_the_directory(folder: Path, slapd) -> None:
    used = []
    for first, after in ((0, SOME), (SOME, MANY)):
        with (folder / "new.ldif").open("w") as stream, (folder / "keys").open("w") as keys:
            for n in range(first, after):
                stream.write(
                    f"dn: uid=u{n},ou=People,{slapd.base}\nobjectClass: account\n"
                    f"objectClass: mailRecipient\nuid: u{n}\nmail: u{n}@example.com\n"
                    f"description: {n:0500}\nmailRoutingAddress: u{n}@mail1.internal\n\n"
                )
                keys.write(f"u{n}@example.com\n")
        used.append(
            {
                "import": peak(folder, "import", "ldif", "new.ldif"),
                "export": peak(folder, "export", "ldif"),
                "lookup": peak(
                    folder, "lookup", "--table", "ldap:./table.cf", "-", stdin=folder / "keys"
                ),
            }
        )
    some, many = used
    assert {
        name: many[name] - some[name] for name in some if many[name] > some[name] + ALLOWED
    } == {}
