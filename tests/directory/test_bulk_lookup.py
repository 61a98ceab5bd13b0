"""Many keys at a time answer what one by one answers, whatever the keys, tables and servers."""

import contextlib
import random
import re

import pytest

from mailldap.directory import skeleton, snapshot
from mailldap.directory.bulk_search import OrSearch
from mailldap.directory.open import session_opener
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.ldap.block import Block
from mailldap.ldap.change import Add
from mailldap.ldap.entry import Entry
from mailldap.tables import ldap_bulk
from mailldap.tables.base import Failed, Found, NotFound, TableContext
from mailldap.tables.bulk import lookup_many
from mailldap.tables.open import Lookup
from tests.directory.fake_server import FakeServer, entry, message, result

BASE = "dc=example,dc=com"
HOSTILE = [
    "", " ", "*", "(", ")", "\\", "a*@example.com", "*)(mail=*", "\0", "a\0b", "é@example.com",
    "É@EXAMPLE.com", "\udcff@x", "ß@example.com", "A0@EXAMPLE.COM", " a0@example.com ", "@",
    "@example.com", "a0@", "x" * 5000, "a0@example.com\n", "shared@example.com", "many@example.com",
    "a1@example.com", "a1@example.com", "empty@example.com", "two words@example.com",
    "two  words@example.com", "nul@example.com", "bytes@example.com", "none@example.com",
]  # fmt: skip


def people():
    def person(uid, **attributes):
        classes = {"objectClass": ["account", "mailRecipient"], "uid": [uid]}
        return Entry.of(f"uid={uid},ou=People,{BASE}", classes | attributes)

    for n in range(40):
        yield person(
            f"a{n}", mail=[f"a{n}@example.com", f"A{n}.x@Example.com"],
            mailAlternateAddress=[f"a{n}@other.example", f"é{n}@example.com"],
            mailRoutingAddress=[f"a{n}@mail1", f"a{n}@mail2"],
        )  # fmt: skip
    for n in range(2):
        yield person(f"s{n}", mail=["shared@example.com"], mailRoutingAddress=[f"s{n}@m"])
    for n in range(6):
        yield person(f"m{n}", mail=["many@example.com"], mailRoutingAddress=[f"m{n}@m"])
    yield person("empty", mail=["empty@example.com"], description=["x"])
    yield person("two", mail=["two words@example.com"], mailRoutingAddress=["two@m"])
    yield person(
        "bytes", mail=["bytes@example.com"], mailRoutingAddress=["b@m"], userPassword=[b"\xff"]
    )


def with_people(made, people):
    with LdapServer(
        ServerOptions((made.uri,), made.base, made.admin_dn, made.admin_password)
    ) as server:
        for person in people:
            server.apply(Add(person))
    return made


@pytest.fixture(scope="module")
def filled(slapd_factory):
    """A slapd that gives at most ten entries: an OR batch often has more."""
    return with_people(slapd_factory(data="base", sizelimit=10), people())


@pytest.fixture(scope="module")
def unlimited(slapd_factory):
    """A slapd that gives all of its entries, if they are asked for."""
    return with_people(slapd_factory(data="base", sizelimit="unlimited"), people())


def opened(folder, uri, warn=lambda _text: None, **parameters):
    lines = {"server_host": uri, "search_base": BASE, "bind": "no", "timeout": 5} | parameters
    path = folder / "t.cf"
    path.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
    context = TableContext(session_opener(), lambda _name: None, warn=warn)
    return Lookup([f"ldap:{path}"], context)


MAIL = "(&(objectClass=mailRecipient)(mail=%s))"
GENERATED = "(&(objectClass=mailRecipient)(|(mail=%s)(mailAlternateAddress=%s)))"
ROUTING = {"result_attribute": "mailRoutingAddress"}
TABLES = {
    "one attribute": ({"query_filter": MAIL} | ROUTING, "one search for"),
    "as generated": ({"query_filter": GENERATED, "size_limit": 4} | ROUTING, "one search for"),
    "several results": (
        {"query_filter": MAIL, "result_attribute": "uid, mail"}, "one search for",
    ),
    "no parentheses": ({"query_filter": "mail=%s"} | ROUTING, "one search for"),
    "bytes": ({"query_filter": MAIL, "result_attribute": "userPassword"}, "one search for"),
    "local part": ({"query_filter": "(uid=%u)"} | ROUTING, "a search for each key"),
    "text around": ({"query_filter": "(mail=%s@example.com)"} | ROUTING, "a search for each key"),
    "pattern": ({"query_filter": "(mail=%s*)"} | ROUTING, "a search for each key"),
    "not": ({"query_filter": "(&(uid=a1)(!(mail=%s)))"} | ROUTING, "a search for each key"),
    "format": (
        {"query_filter": MAIL, "result_format": "%u<%s>%d"} | ROUTING, "a search for each key",
    ),
    "dynamic base": (
        {"query_filter": MAIL, "search_base": f"uid=%u,ou=People,{BASE}"} | ROUTING,
        "a search for each key",
    ),
    "unknown attribute": ({"query_filter": "(maildrop=%s)"} | ROUTING, "is not shown"),
    "hidden": ({"query_filter": "(|(mail=%s)(userPassword=%s))"} | ROUTING, "is not shown"),
    "terminal": (
        {"query_filter": MAIL, "terminal_result_attribute": "uid"} | ROUTING,
        "a search for each key",
    ),
    "expansions": ({"query_filter": MAIL, "expansion_limit": 3} | ROUTING, "a search for each"),
    "domain": ({"query_filter": MAIL, "domain": "example.com"} | ROUTING, "one search for"),
    "domains": (
        {"query_filter": "(uid=%u)", "domain": "other.example, x"} | ROUTING, "a search for each key",
    ),
    "lost domains": (
        {"query_filter": MAIL, "domain": "other.example, fail:it"} | ROUTING, "one search for",
    ),
    "bad filter": ({"query_filter": "(mail=%s"} | ROUTING, "a search for each key"),
    "no base": ({"query_filter": MAIL, "search_base": "dc=org"} | ROUTING, "one search for"),
}  # fmt: skip


def hostile_keys(seed):
    keys = HOSTILE + [f"a{n}@{d}" for n in range(45) for d in ("example.com", "other.example")]
    keys += [f"A{n}.X@example.com" for n in range(40)] + [f"é{n}@example.com" for n in range(9)]
    random.Random(seed).shuffle(keys)
    return keys


def both_ways(folder, server, parameters, keys, **options):
    """Ask one by one and many at a time; return the answers, which are the same, and the talk."""
    told = []
    warned = {"one": [], "many": []}
    with contextlib.closing(opened(folder, server.uri, warned["one"].append, **parameters)) as one:
        single = [(key, one.get(key)) for key in keys]
    with contextlib.closing(
        opened(folder, server.uri, warned["many"].append, **parameters)
    ) as lookup:
        assert list(lookup_many(lookup, keys, chunk=97, say=told.append, **options)) == single
    assert set(warned["many"]) == set(warned["one"])
    return single, told


@pytest.fixture(params=["one by one", "together"])
def read(request, monkeypatch):
    """How entries are read: few are read one by one, unless told otherwise."""
    if request.param == "together":
        monkeypatch.setattr(skeleton, "_SAMPLE", 5)
        monkeypatch.setattr(skeleton, "_WORTH", 1)
        monkeypatch.setattr(skeleton, "_CREDIT", 1000)
    return request.param


@pytest.mark.parametrize("name", TABLES)
def test_many_are_answered_as_one_by_one(filled, tmp_path, monkeypatch, name, read):
    parameters, choice = TABLES[name]
    keys = hostile_keys(name)
    blocks = []
    enter = OrSearch.enter
    monkeypatch.setattr(
        OrSearch,
        "enter",
        lambda o, *a: blocks.append(isinstance(a[1], Block)) or enter(o, *a),
    )
    single, told = both_ways(tmp_path, filled, parameters, keys)
    assert choice in told[0]
    if name == "one attribute":  # others have values that are not ASCII, or no entries
        assert any(blocks) == (read == "together")
    if name in {"one attribute", "as generated"}:
        kinds = {type(answer) for _, answer in single}
        assert {Found, NotFound, Failed} >= kinds >= {Found, NotFound}
        # Most keys were answered by batches in spite of the server's limit of ten entries.
        monkeypatch.setattr(ldap_bulk.LdapAsker, "_ask_singly", lambda *_a: None)
        asked = []
        with contextlib.closing(opened(tmp_path, filled.uri, **parameters)) as lookup:
            table = lookup.table(0)
            get = table.get
            monkeypatch.setattr(table, "get", lambda key: asked.append(key) or get(key))
            assert list(lookup_many(lookup, keys)) == single
        assert len(asked) < len(keys)


PLAIN = [name for name, (_, choice) in TABLES.items() if choice == "one search for"]


@pytest.mark.parametrize("name", PLAIN)
def test_a_snapshot_answers_as_one_by_one(unlimited, filled, tmp_path, monkeypatch, name, read):
    blocks = []
    enter = snapshot._enter_block
    monkeypatch.setattr(snapshot, "_enter_block", lambda *a: blocks.append(a) or enter(*a))
    monkeypatch.setattr(ldap_bulk, "_SNAPSHOT", 10)
    parameters, keys = TABLES[name][0], hostile_keys(name)
    _, told = both_ways(tmp_path, unlimited, parameters, keys)
    if name == "no base":
        assert "no snapshot" in told[1]
        return
    assert "a snapshot of" in told[1]
    assert len(told) == 2  # one snapshot for all chunks
    if name == "one attribute":
        assert bool(blocks) == (read == "together")
    assert "no more than 10 entries" in both_ways(tmp_path, filled, parameters, keys)[1][1]
    # What was found once, and needs no second thought, is not asked for again.
    batched = []
    batch = OrSearch.batch
    monkeypatch.setattr(OrSearch, "batch", lambda o, v: batched.extend(v) or batch(o, v))
    both_ways(tmp_path, unlimited, parameters, keys)
    there = {f"a{n}@example.com" for n in range(2, 40)}
    assert there.isdisjoint(key for key, _ in batched)


def test_a_snapshot_is_taken_where_the_keys_are_worth_it(unlimited, tmp_path, monkeypatch):
    monkeypatch.setattr(ldap_bulk, "_SNAPSHOT", 31)
    monkeypatch.setattr(ldap_bulk, "_ENTRIES_A_KEY", 1)
    table = {"query_filter": MAIL} | ROUTING
    keys = [f"a{n}@example.com" for n in range(40)] * 8

    def talk(keys, chunk):
        told = []
        with contextlib.closing(opened(tmp_path, unlimited.uri, **table)) as lookup:
            for key, answer in lookup_many(lookup, keys, chunk=chunk, say=told.append):
                assert answer == Found(f"{key[:-12]}@mail1,{key[:-12]}@mail2")
        return told[1:]

    # There are 51 entries. A list tells how long it is; of a stream, as much again is expected.
    assert talk(keys[:30], 30) == []
    assert "more than 40 entries" in talk(keys[:40], 30)[0]
    assert talk(keys, 40) == talk(keys, 400)
    assert "a snapshot of 51" in talk(keys, 40)[0]
    none, some = talk((key for key in keys), 31)
    assert "more than 31 entries" in none
    assert "a snapshot of 51" in some


def rule(server, access):
    """Put one access rule in front of the server's own, or take it away."""
    where = "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n"
    what = (
        f"add: olcAccess\nolcAccess: {{0}}{access}"
        if access
        else "delete: olcAccess\nolcAccess: {0}"
    )
    done = server.exec(
        ["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///"], f"{where}{what}\n".encode()
    )
    assert done.returncode == 0, done.stderr


HIDDEN = {
    "attribute": (
        'to dn.exact="{}" attrs=mailAlternateAddress by * search',
        "not every entry shows",
    ),
    "entry": ('to dn.exact="{}" by * none', "a snapshot of"),
    "no search": ('to dn.exact="{}" attrs=mailAlternateAddress by * =r', "a snapshot of"),
    "value": ('to dn.exact="{}" attrs=mail val="a30@example.com" by * search', "a snapshot of"),
    "result": ('to dn.exact="{}" attrs=mailRoutingAddress by * none', "a snapshot of"),
}


@pytest.mark.usefixtures("read")
@pytest.mark.parametrize("what", HIDDEN)
def test_what_is_hidden_is_hidden_from_a_snapshot(unlimited, tmp_path, monkeypatch, what):
    monkeypatch.setattr(ldap_bulk, "_SNAPSHOT", 10)
    access, expected = HIDDEN[what]
    rule(unlimited, access.format(f"uid=a30,ou=People,{BASE}"))
    try:
        single, told = both_ways(tmp_path, unlimited, TABLES["as generated"][0], hostile_keys(what))
    finally:
        rule(unlimited, None)
    assert expected in told[1], told
    answers = dict(single)
    found = {
        key: isinstance(answers[key], Found) for key in ("a30@example.com", "a30@other.example")
    }
    assert found["a30@example.com"] is (what not in {"entry", "result"})
    assert found["a30@other.example"] is (what in {"attribute", "value"})


def test_values_without_a_rule_are_answered_by_389_as_one_by_one(ds389, tmp_path):
    """Its attributes for mail have no equality rule, and are compared without case."""
    ds389.reset()
    with_people(ds389, list(people())[:-1])  # it takes no password of odd bytes
    single, told = both_ways(tmp_path, ds389, TABLES["as generated"][0], hostile_keys(389))
    assert "one search for 50 keys" in told[0]
    assert len(told) == 1
    answers = dict(single)
    assert isinstance(answers["a30@other.example"], Found)
    assert isinstance(answers["A30.X@example.com"], Found)


def test_an_old_snapshot_is_forgotten(unlimited, tmp_path, monkeypatch):
    monkeypatch.setattr(ldap_bulk, "_SNAPSHOT", 10)
    monkeypatch.setattr(ldap_bulk, "_FRESH", 0)
    keys = [f"a{n}@example.com" for n in range(40)] * 8
    _, told = both_ways(tmp_path, unlimited, {"query_filter": MAIL} | ROUTING, keys)
    assert sum("a snapshot of" in text for text in told) > 1


def test_several_tables_are_asked_in_their_order(filled, tmp_path):
    with contextlib.closing(opened(tmp_path, filled.uri, query_filter=MAIL, **ROUTING)) as ldap:
        context = ldap._context
        specs = ["inline:{a1@example.com=here}", *ldap._specs, "static:there"]
        lookup = Lookup(specs, context)
        keys = [f"a{n}@example.com" for n in range(60)]
        assert list(lookup_many(lookup, keys)) == [
            (key, Lookup(specs, context).get(key)) for key in keys
        ]
        assert dict(lookup_many(lookup, keys))["a1@example.com"] == Found("here")
        assert dict(lookup_many(lookup, keys))["a55@example.com"] == Found("there")


def test_memory_is_that_of_a_chunk(filled, tmp_path):
    taken = []

    def keys():
        for n in range(500):
            taken.append(n)
            yield f"a{n % 40}@example.com"

    with contextlib.closing(opened(tmp_path, filled.uri, query_filter=MAIL, **ROUTING)) as lookup:
        answers = lookup_many(lookup, keys(), chunk=100)
        next(answers)
        assert len(taken) == 100
        assert sum(1 for _ in answers) == 499


def test_a_server_that_goes_away_in_the_middle_fails_no_key_that_it_would_answer(tmp_path):
    """Each connection dies after some searches; one by one, Postfix connects anew."""

    def handle(connection):
        for _ in range(7):
            request = connection.read()
            if request is None or request[1] != 0x63:
                return
            message_id, _, content = request
            found = [entry("uid=a", mailRoutingAddress=[b"r@x"])] if b"a" in content[-60:] else []
            connection.send(
                *(message(message_id, e) for e in found), message(message_id, result(0x65))
            )

    with (
        FakeServer(handle) as server,
        contextlib.closing(
            opened(tmp_path, server.uri, query_filter="(mail=%s)", **ROUTING)
        ) as lookup,
    ):
        answers = dict(lookup_many(lookup, [f"k{n}@example.com" for n in range(50)]))
    assert set(answers.values()) == {Found("r@x")}


def test_a_dead_server_is_a_failure_for_every_key(tmp_path):
    with contextlib.closing(
        opened(tmp_path, "ldap://127.0.0.1:1", query_filter=MAIL, **ROUTING)
    ) as lookup:
        answers = list(lookup_many(lookup, [f"k{n}@example.com" for n in range(50)]))
    assert len(answers) == 50
    assert {type(answer) for _, answer in answers} == {Failed}


@pytest.mark.parametrize("odd", ["twice", "NUL in a name", "malformed"])
def test_odd_entries_are_taken_as_one_by_one(tmp_path, odd):
    """A name twice, NUL inside of one, or values cut short, in one entry of forty."""
    type_of_mail = b"( 0.9.2342.19200300.100.1.3 NAME 'mail' EQUALITY caseIgnoreIA5Match )"

    def of(key):
        attributes = {"mail": [key], "mailRoutingAddress": [b"1@x"]}
        if key == b"k7@example.com" and odd == "twice":
            attributes |= {"MAILROUTINGADDRESS": [b"2@x"]}
        elif key == b"k7@example.com" and odd == "NUL in a name":
            attributes = {"a\0b": [b""], **attributes}
        made = entry("uid=a", **attributes)
        if key == b"k7@example.com" and odd == "malformed":
            made = made[:-4] + b"\x7f1@x"
        return made

    def handle(connection):
        while request := connection.read():
            message_id, tag, content = request
            if tag != 0x63:
                return
            if b"subschemaSubentry" in content:
                found = [entry("", subschemaSubentry=[b"cn=s"])]
            elif b"attributeTypes" in content:
                found = [entry("cn=s", attributeTypes=[type_of_mail])]
            else:
                found = [of(key) for key in re.findall(rb"k\d+@example\.com", content)]
            connection.send(
                *(message(message_id, e) for e in found), message(message_id, result(0x65))
            )

    keys = [f"k{n}@example.com" for n in range(40)]
    told = []
    with FakeServer(handle) as server:
        parameters = {"query_filter": "(mail=%s)"} | ROUTING
        with contextlib.closing(opened(tmp_path, server.uri, **parameters)) as lookup:
            single = [(key, lookup.get(key)) for key in keys]
        with contextlib.closing(opened(tmp_path, server.uri, **parameters)) as lookup:
            assert list(lookup_many(lookup, keys, say=told.append)) == single
    assert "one search for" in told[0]
    assert dict(single)["k7@example.com"] == {
        "twice": Found("1@x,1@x"), "NUL in a name": NotFound(), "malformed": NotFound()
    }[odd]  # fmt: skip
    assert dict(single)["k8@example.com"] == Found("1@x")
