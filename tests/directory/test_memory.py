"""The directory in memory: what tests/contract does not ask of every directory."""

import pytest

from mailldap.directory.base import Deref, Scope, SearchRequest
from mailldap.directory.memory import MemoryDirectory
from mailldap.errors import (
    BadData,
    DNError,
    EntryExists,
    LdapRefusal,
    NoSuchObject,
    ReferralReceived,
    SizeLimitExceeded,
)
from mailldap.ldap.change import Add, Delete, Mod, Modify, ModOp, Rename
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import parse_filter

BASE = "dc=example,dc=com"
PEOPLE = f"ou=People,{BASE}"


def person(uid: str, **more: list[str]) -> Entry:
    return Entry.of(
        f"uid={uid},{PEOPLE}",
        {"objectClass": ["account", "mailRecipient"], "uid": [uid], **more},
    )


@pytest.fixture
def directory() -> MemoryDirectory:
    return MemoryDirectory(
        [
            Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]}),
            Entry.of(PEOPLE, {"objectClass": ["organizationalUnit"], "ou": ["People"]}),
            person("john", mail=["john@example.com", "js@example.com"]),
            person("jane", mail=["jane@example.com"]),
            Entry.of(
                f"cn=boss,{BASE}",
                {"objectClass": ["alias", "extensibleObject"], "aliasedObjectName": [PEOPLE]},
            ),
            Entry.of(
                f"ou=Branch,{BASE}",
                {"objectClass": ["referral", "extensibleObject"], "ref": ["ldap://b.example/"]},
            ),
        ],
        base=BASE,
    )


def run(directory, text, base=BASE, scope=Scope.SUB, **more):
    return directory.run(SearchRequest(base, scope, parse_filter(text), **more))


def names(result) -> list[str]:
    return [entry.dn.partition(",")[0] for entry in result.entries]


def test_it_tells_its_name_and_base(directory):
    assert directory.uri == "memory:"
    assert directory.base == BASE
    directory.close()


def test_scopes(directory):
    everything = ["dc=example", "ou=People", "uid=john", "uid=jane", "cn=boss"]
    assert names(run(directory, "(objectClass=*)")) == everything
    assert names(run(directory, "(objectClass=*)", scope=Scope.ONE)) == ["ou=People", "cn=boss"]
    assert names(run(directory, "(objectClass=*)", scope=Scope.BASE)) == ["dc=example"]
    assert names(run(directory, "(uid=*)", base=PEOPLE.upper())) == ["uid=john", "uid=jane"]


def test_bases_that_are_not_there(directory):
    missing = run(directory, "(cn=x)", base=f"cn=x,ou=nowhere,{PEOPLE}")
    assert (missing.code, missing.matched_dn) == (32, PEOPLE)
    assert run(directory, "(cn=x)", base="dc=com").code == 32
    assert run(directory, "(cn=x)", base="dc=other,dc=com").code == 32
    assert run(directory, "(cn=x)", base="").code == 32
    assert run(directory, "(cn=x)", base="nonsense").code == 34
    assert run(directory, "(cn=x)", base="foo=x").code == 34


def test_what_a_server_tells_of_itself(directory):
    root = run(directory, "(objectClass=*)", base="", scope=Scope.BASE, attributes=("+",))
    assert root.entries[0].texts("namingContexts") == (BASE,)
    schema = directory.get("cn=Subschema", ["attributeTypes", "objectClasses"])
    assert any("'mailRoutingAddress'" in text for text in schema.texts("attributeTypes"))
    assert any("'mailRecipient'" in text for text in schema.texts("objectClasses"))


def test_size_limit(directory):
    limited = run(directory, "(mail=*)", size_limit=1)
    assert (limited.code, names(limited)) == (4, ["uid=john"])
    assert run(directory, "(mail=*)", size_limit=2).code == 0
    found = []
    with pytest.raises(SizeLimitExceeded):
        found.extend(directory.search(BASE, Scope.SUB, "(mail=*)", size_limit=1))


def test_requested_attributes(directory):
    def asked(*attributes):
        (entry,) = run(directory, "(uid=john)", attributes=attributes).entries
        return [name for name, _ in entry]

    assert asked() == ["objectClass", "uid", "mail"]
    assert asked("1.1") == []
    assert asked("mail", "uid") == ["uid", "mail"]
    assert asked("rfc822Mailbox", "0.9.2342.19200300.100.1.1") == ["uid", "mail"]
    assert asked("noSuchAttribute") == []
    assert asked("entryDN", "mail") == ["mail", "entryDN"]
    derived = ["structuralObjectClass", "entryDN", "subschemaSubentry", "hasSubordinates"]
    assert asked("+") == derived
    assert asked("*", "+") == ["objectClass", "uid", "mail", *derived]
    assert asked("@account") == ["objectClass", "uid"]
    (bare,) = run(directory, "(uid=john)", attributes=("mail",), types_only=True).entries
    assert bare.attributes == (("mail", ()),)


def test_aliases(directory):
    base = f"uid=john,cn=boss,{BASE}"
    assert run(directory, "(uid=*)", base=base).code == 32
    assert names(run(directory, "(uid=*)", base=base, deref=Deref.FINDING)) == ["uid=john"]
    one = run(directory, "(objectClass=*)", scope=Scope.ONE, deref=Deref.SEARCHING)
    assert names(one) == ["ou=People"]
    always = run(directory, "(uid=*)", base=f"cn=boss,{BASE}", deref=Deref.ALWAYS)
    assert names(always) == ["uid=john", "uid=jane"]
    directory.apply(
        Modify(f"cn=boss,{BASE}", (Mod(ModOp.REPLACE, "aliasedObjectName", (b"ou=gone",)),))
    )
    broken = run(directory, "(uid=*)", base=f"cn=boss,{BASE}", deref=Deref.ALWAYS)
    assert (broken.code, broken.text) == (33, "aliasedObject not found")


def test_referrals(directory):
    found = run(directory, "(uid=john)")
    assert found.references == [(f"ldap://b.example/ou=Branch,{BASE}??sub",)]
    below = run(directory, "(uid=x)", base=f"uid=x,ou=Branch,{BASE}")
    assert below.code == 10
    assert below.referral == (f"ldap://b.example/uid=x,ou=Branch,{BASE}??sub",)
    with pytest.raises(ReferralReceived) as caught:
        directory.apply(Delete(f"uid=x,ou=Branch,{BASE}"))
    assert caught.value.uris


def test_a_subtree_moves_whole(directory):
    directory.apply(Rename(PEOPLE, "ou=Folk"))
    assert directory.get(f"uid=john,ou=Folk,{BASE}")
    assert directory.get(f"uid=john,{PEOPLE}") is None
    assert names(run(directory, "(mail=js@example.com)")) == ["uid=john"]
    assert directory.get(f"ou=Folk,{BASE}").values("ou") == (b"Folk",)


def test_indexes_follow_changes(directory):
    dn = f"uid=john,{PEOPLE}"
    assert names(run(directory, "(mail=js@example.com)")) == ["uid=john"]
    directory.apply(Modify(dn, (Mod(ModOp.DELETE, "mail", (b"JS@example.com",)),)))
    assert names(run(directory, "(mail=js@example.com)")) == []
    directory.apply(Modify(f"uid=jane,{PEOPLE}", (Mod(ModOp.ADD, "mail", (b"js@example.com",)),)))
    directory.apply(Modify(dn, (Mod(ModOp.ADD, "mail", (b"js@example.com",)),)))
    assert names(run(directory, "(mail=js@example.com)")) == ["uid=john", "uid=jane"]
    directory.apply(Delete(dn))
    assert names(run(directory, "(mail=js@example.com)")) == ["uid=jane"]
    assert names(run(directory, "(mail=john@example.com)")) == []


def test_together_or_not_at_all(directory):
    before = [repr(e) for e in run(directory, "(objectClass=*)").entries]
    changes = [
        Add(person("new", mail=["new@example.com"])),
        Modify(f"uid=john,{PEOPLE}", (Mod(ModOp.REPLACE, "mail", (b"x@example.com",)),)),
        Rename(PEOPLE, "ou=Folk"),
        Delete(f"uid=jane,ou=Folk,{BASE}"),
        Add(person("john")),
    ]
    with pytest.raises(NoSuchObject):
        directory.apply_together(changes)
    assert [repr(e) for e in run(directory, "(objectClass=*)").entries] == before
    assert names(run(directory, "(mail=js@example.com)")) == ["uid=john"]
    assert names(run(directory, "(mail=new@example.com)")) == []
    assert directory.has_transactions
    directory.apply_together(changes[:4])
    assert names(run(directory, "(uid=*)")) == ["uid=john", "uid=new"]


def test_a_refused_modify_changes_nothing(directory):
    mods = (Mod(ModOp.REPLACE, "mail", (b"x@example.com",)), Mod(ModOp.DELETE, "cn"))
    with pytest.raises(LdapRefusal) as caught:
        directory.apply(Modify(f"uid=john,{PEOPLE}", mods))
    assert caught.value.result == 16
    assert directory.get(f"uid=john,{PEOPLE}").texts("mail") == (
        "john@example.com",
        "js@example.com",
    )


def test_entries_that_no_server_would_take_can_be_read():
    strange = Entry.of(
        "foo=bar,dc=example,dc=com",
        {"objectClass": ["posixThing"], "foo": ["bar", "bar"], "mail": ["jürgen@example.com"]},
    )
    directory = MemoryDirectory([strange], base=BASE)
    assert [e.dn for e in directory.search(BASE, Scope.SUB, "(mail=*)")] == [strange.dn]
    assert directory.get(strange.dn, ["foo"]).texts("foo") == ("bar", "bar")
    assert list(directory.search(BASE, Scope.SUB, "(foo=bar)")) == []
    with pytest.raises(LdapRefusal):
        directory.apply(Modify(strange.dn, (Mod(ModOp.ADD, "description", (b"x",)),)))


def test_an_export_without_its_upper_entries_has_its_base_all_the_same():
    directory = MemoryDirectory([person("john", mail=["john@example.com"])], base=BASE)
    assert names(run(directory, "(mail=john@example.com)")) == ["uid=john"]
    assert run(directory, "(objectClass=*)", scope=Scope.BASE).entries == []
    directory.apply(Add(person("jane")))
    with pytest.raises(EntryExists):
        directory.apply(Add(person("jane")))


def test_what_cannot_be_loaded():
    with pytest.raises(BadData, match="two entries"):
        MemoryDirectory([person("john"), person("JOHN")], base=BASE)
    with pytest.raises(DNError):
        MemoryDirectory([Entry.of("nonsense", {"cn": ["x"]})], base=BASE)
    with pytest.raises(DNError):
        MemoryDirectory([Entry.of("", {"cn": ["x"]})], base=BASE)
