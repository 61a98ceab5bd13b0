"""Directories to provision: in memory, in a file, on a real slapd."""

from pathlib import Path

import pytest

from mailldap.directory.ldif_file import LdifDirectory
from mailldap.directory.memory import MemoryDirectory
from mailldap.ldap.entry import Entry

BASE = "dc=example,dc=com"
TREE = [
    Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]}),
    Entry.of(f"ou=People,{BASE}", {"objectClass": ["organizationalUnit"], "ou": ["People"]}),
]
LDIF = (
    f"dn: {BASE}\nobjectClass: domain\ndc: example\n\n"
    f"dn: ou=People,{BASE}\nobjectClass: organizationalUnit\nou: People\n"
)


@pytest.fixture(params=["memory", "ldif"])
def writer(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        yield MemoryDirectory(TREE, base=BASE)
        return
    path = tmp_path / "directory.ldif"
    path.write_text(LDIF)
    directory = LdifDirectory(path)
    yield directory
    directory.close()
