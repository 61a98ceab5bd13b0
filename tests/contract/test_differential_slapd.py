"""The embedded directory beside a real slapd, on directories, changes and searches at random.

DIFFERENTIAL_SEED chooses another run, DIFFERENTIAL_SEARCHES and DIFFERENTIAL_CHANGES make it longer.
Where slapd's answer depends on its indexes or repeats itself (aliases dereferenced in searching),
only what it always says is compared; docs/embedded-directory.md has the list.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from mailldap.directory.base import Deref, Scope, SearchRequest, SearchResult
from mailldap.directory.ldif_file import LdifDirectory
from mailldap.directory.memory import MemoryDirectory
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import LdapRefusal
from mailldap.ldap.change import Add
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import And, Approx, Equality, Filter, Or, Present, format_filter
from mailldap.ldap.ldif import format_entry
from mailldap.ldap.schema import default_schema
from mailldap.ldap.schema_check import check_entry
from tests.contract.differential import BASE, Maker

SEED = int(os.environ.get("DIFFERENTIAL_SEED") or 3001)
SEARCHES = int(os.environ.get("DIFFERENTIAL_SEARCHES") or 3000)
CHANGES = int(os.environ.get("DIFFERENTIAL_CHANGES") or 1500)
ENTRIES = 200
ROOT = [
    Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]}),
    Entry.of(f"ou=People,{BASE}", {"objectClass": ["organizationalUnit"], "ou": ["People"]}),
]
#: What slapd keeps of an entry beside what was given; the embedded directory does not.
KEPT = {
    "creatorsName", "createTimestamp", "entryCSN", "modifiersName", "modifyTimestamp", "entryUUID",
}  # fmt: skip
INDEXED = {
    "objectClass", "mail", "uid", "mailAlternateAddress", "mailRoutingAddress", "entryDN",
}  # fmt: skip
#: Their place among the attributes is slapd's business.
DERIVED = {"structuralObjectClass", "entryDN", "subschemaSubentry", "hasSubordinates"}


@pytest.fixture
def maker() -> Maker:
    print(f"DIFFERENTIAL_SEED={SEED}")
    return Maker(Random(SEED))


@pytest.fixture(scope="module")
def server(slapd_factory):
    slapd = slapd_factory(data="none", loglevel="none", sizelimit="unlimited")
    made = LdapServer(
        ServerOptions(
            (slapd.uri,),
            slapd.base,
            slapd.admin_dn,
            slapd.admin_password,
            follow_referrals=False,
        )
    )
    made.slapd = slapd
    yield made
    made.close()
    slapd.remove()


@pytest.fixture
def empty(server):
    """The server without entries; -M lets referrals be deleted like others."""
    yield server
    who = ["-D", server.slapd.admin_dn, "-w", server.slapd.admin_password]
    done = server.slapd.exec(["ldapdelete", "-x", "-M", "-r", "-H", "ldapi:///", *who, BASE])
    assert done.returncode == 0, done.stderr


def outcome(directory, change) -> tuple[int, str]:
    try:
        directory.apply(change)
    except LdapRefusal as refusal:
        return refusal.result, refusal.text
    return 0, ""


def apply_to_both(server, ours, change) -> bool:
    """Apply; the result code must be the same, and the words where both have any."""
    real, own = outcome(server, change), outcome(ours, change)
    assert own[0] == real[0], f"{change}\nslapd: {real}\nours:  {own}"
    return real[0] == 0


def fill(server, ours: MemoryDirectory, maker: Maker) -> list[Entry]:
    """Fill both; return the entries that both took, as they were given."""
    taken = list(ROOT)
    for entry in ROOT:
        assert apply_to_both(server, ours, Add(entry))
    for _ in range(ENTRIES):
        roll = maker.random.random()
        if roll < 0.05:
            entry = maker.alias()
        elif roll < 0.09:
            entry = maker.referral()
        else:
            tries = maker.random.choice([1, 10])
            entry = maker.legal_entry(lambda e: not check_entry(e, ours.schema), tries)
        if apply_to_both(server, ours, Add(entry)):
            maker.dns.append(entry.dn)
            taken.append(entry)
    return taken


def comparable(entry: Entry) -> tuple[object, ...]:
    if not entry.dn:
        return ("the root DSE tells what each can do",)
    own = tuple((n, v) for n, v in entry.attributes if n not in KEPT | DERIVED)
    return entry.dn, own, sorted((n, v) for n, v in entry.attributes if n in DERIVED)


def differences(request: SearchRequest, real: SearchResult, own: SearchResult) -> list[str]:
    found = [
        f"{name}: {getattr(real, name)!r} != {getattr(own, name)!r}"
        for name in ("code", "matched_dn", "referral")
        if getattr(real, name) != getattr(own, name)
    ]
    if real.code == own.code == 4 and len(real.entries) == len(own.entries):
        return found
    theirs = {repr(comparable(e)) for e in real.entries} | set(map(repr, real.references))
    ours = {repr(comparable(e)) for e in own.entries} | set(map(repr, own.references))
    # One level below dereferenced aliases, back-mdb gives more when it goes by an index.
    if not (request.deref & Deref.SEARCHING and request.scope is Scope.ONE):
        found += [f"slapd only: {item}" for item in theirs - ours]
    found += [f"ours only: {item}" for item in ours - theirs]
    return found


def compare_searches(server, ours, maker: Maker, searches: int) -> int:
    """Compare; return how many of them found entries."""
    hits = 0
    for _ in range(searches):
        request = maker.search()
        if request.deref & Deref.SEARCHING:
            # slapd counts repeated entries; by an index it misses some.
            deref = Deref.FINDING if uses_index(request.filter) else request.deref
            request = request._replace(size_limit=0, deref=deref)
        real = server.run(request)
        hits += bool(real.entries)
        for directory in ours:
            found = differences(request, real, directory.run(request))
            shown = request._replace(filter=format_filter(request.filter))
            assert not found, "\n".join([repr(directory), repr(shown), *found])
    return hits


def uses_index(wanted: Filter) -> bool:
    match wanted:
        case And(parts) | Or(parts):
            return any(map(uses_index, parts))
        case Equality(attribute, _) | Approx(attribute, _):
            description = default_schema().describe(attribute)
            return description is not None and description.type.name in INDEXED
    return False


def in_order(server, ours) -> None:
    """Entries that an index finds come in the order in which they were added."""
    for value in (b"x", b"john.smith@example.com", b"js@example.com"):
        request = SearchRequest(BASE, Scope.SUB, Equality("mail", value), ("1.1",))
        names = [e.dn for e in server.run(request).entries]
        assert [e.dn for e in ours.run(request).entries] == names


def test_searches_and_the_file(empty, maker, tmp_path):
    memory = MemoryDirectory(base=BASE)
    taken = fill(empty, memory, maker)
    path = tmp_path / "directory.ldif"
    path.write_text("".join(map(format_entry, taken)))
    file = LdifDirectory(path)
    hits = compare_searches(empty, [memory, file], maker, SEARCHES)
    assert hits > SEARCHES // 20, "too few searches found anything"
    in_order(empty, file)
    # Looking at every entry has not changed what the file answers.
    assert compare_searches(empty, [LdifDirectory(path), file], maker, 200)


def test_changes(empty, maker, tmp_path):
    memory = MemoryDirectory(base=BASE)
    taken = fill(empty, memory, maker)
    path = tmp_path / "directory.ldif"
    path.write_text("".join(map(format_entry, taken)))
    file = LdifDirectory(path)
    made = 0
    with file.exclusive():
        for _ in range(CHANGES):
            change = maker.change()
            if apply_to_both(empty, memory, change):
                assert outcome(file, change) == (0, "")
                made += 1
                if isinstance(change, Add):
                    maker.dns.append(change.dn)
    assert made > CHANGES // 30, "too few changes were legal"
    read_again = LdifDirectory(path)
    compare_searches(empty, [memory, file, read_again], maker, 500)
    everything = SearchRequest(BASE, Scope.SUB, Present("objectClass"))
    real = {repr(comparable(e)) for e in empty.run(everything).entries}
    for directory in (memory, file, read_again):
        assert {repr(comparable(e)) for e in directory.run(everything).entries} == real
