"""One contract for every directory: the same operations, the same answers, the same refusals.

It runs over the directory in memory, the one in an LDIF file, and a real slapd.
"""

import pytest

from mailldap.client import MailDirectory
from mailldap.config.settings import Settings
from mailldap.directory.base import Scope, SearchRequest, Session, Transactional, Writer
from mailldap.directory.ldif_file import LdifDirectory
from mailldap.directory.memory import MemoryDirectory
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import (
    EntryExists,
    FilterError,
    LdapRefusal,
    NoSuchObject,
    NoSuchValue,
    SizeLimitExceeded,
)
from mailldap.ldap.change import Add, Delete, Rename
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import And, Or, parse_filter
from mailldap.ldap.ldif import format_entry, read_ldif
from tests.containers import load
from tests.contract.refusals import (
    ADD,
    BASE,
    CLASS_OF_ERROR,
    DELETE,
    PEOPLE,
    REFUSALS,
    REPLACE,
    modify,
    person,
)

BASE_LDIF = load("base")


def clear(server):
    """Removes everything but what ldif/base.ldif has."""
    entries = [e.dn for e in server.search(BASE, Scope.SUB, "(objectClass=*)", ("1.1",))]
    for dn in sorted(entries, key=lambda dn: -dn.count(",")):
        if dn.lower() not in {BASE, PEOPLE.lower()}:
            server.apply(Delete(dn))


@pytest.fixture(scope="module")
def server(slapd):
    slapd.reset(BASE_LDIF)
    made = LdapServer(
        ServerOptions((slapd.uri,), slapd.base, slapd.admin_dn, slapd.admin_password, page_size=3)
    )
    yield made
    made.close()


@pytest.fixture(params=["memory", "ldif", pytest.param("slapd", marks=pytest.mark.container)])
def directory(request, tmp_path):
    if request.param == "memory":
        records = [r.content for r in read_ldif([BASE_LDIF], "base")]
        return MemoryDirectory(records, base=BASE)
    if request.param == "ldif":
        (tmp_path / "d.ldif").write_bytes(BASE_LDIF)
        return LdifDirectory(tmp_path / "d.ldif")
    made = request.getfixturevalue("server")
    clear(made)
    return made


def names(directory, filter_, scope=Scope.SUB, base=BASE):
    return [e.dn for e in directory.search(base, scope, filter_, ("1.1",))]


ALICE = f"uid=alice,{PEOPLE}"


@pytest.fixture
def alice(directory):
    directory.apply(Add(person("alice", "alice@example.com", "Alice.A@example.com")))
    return directory


def test_it_is_a_writer_and_a_session(directory):
    assert isinstance(directory, Writer)
    assert isinstance(directory, Session)
    assert isinstance(directory, Transactional)
    assert directory.base == BASE
    assert directory.uri


class TestEntries:
    def test_what_was_added_comes_back_in_order_and_spelling(self, directory):
        entry = Entry(
            f"uid=b,{PEOPLE}",
            (
                ("objectClass", (b"mailRecipient", b"account")),
                ("mail", (b"Z@example.com", b"a@example.com", b"m@example.com")),
                ("uid", (b"b",)),
                ("userPassword", (b"\x00\xff bytes",)),
                ("description", ("Bücher, 書".encode(), b" x ")),
            ),
        )
        directory.apply(Add(entry))
        assert directory.get(entry.dn) == entry
        assert list(directory.search(BASE, Scope.SUB, "(uid=b)")) == [entry]

    def test_names_come_back_as_the_schema_spells_them(self, directory):
        directory.apply(
            Add(
                Entry.of(
                    f"UID=c, OU=people, {BASE}",
                    {"OBJECTCLASS": ["Account", "MAILrecipient"], "userid": ["c"], "MAIL": ["c@x"]},
                )
            )
        )
        entry = directory.get(f"uid=C,{PEOPLE}")
        assert [name for name, _ in entry] == ["objectClass", "uid", "mail"]

    def test_no_entry_is_none(self, directory):
        assert directory.get(f"uid=nobody,{PEOPLE}") is None
        assert directory.get(f"uid=x,uid=nobody,{PEOPLE}") is None

    @pytest.mark.parametrize(
        "dn", [f"UID=ALICE,{PEOPLE}", f"uid = alice , ou=people,{BASE}", f"uid=al\\69ce,{PEOPLE}",
               f"0.9.2342.19200300.100.1.1=alice,{PEOPLE}", f"uid=  alice  ,{PEOPLE}"]
    )  # fmt: skip
    def test_a_dn_may_be_spelled_in_many_ways(self, alice, dn):
        assert alice.get(dn).dn == ALICE

    @pytest.mark.parametrize(
        "value",
        ["a,b", "a+b", 'a"b', "a\\b", "#a", " a", "a ", "a=b", "a;b", "a<b>", "é", "a#b", "a  b"],
    )
    def test_any_value_can_name_an_entry(self, directory, value):
        from mailldap.ldap.dn import DN

        dn = str(DN.parse(PEOPLE).child("uid", value))
        directory.apply(
            Add(Entry.of(dn, {"objectClass": ["account"], "uid": [value], "description": ["x"]}))
        )
        entry = directory.get(dn)
        assert entry.values("uid") == (value.encode(),)
        assert names(directory, "(description=x)") == [entry.dn]
        assert directory.get(entry.dn) == entry
        directory.apply(Delete(entry.dn))
        assert directory.get(dn) is None

    @pytest.mark.parametrize(
        ("wanted", "given"),
        [
            ((), ["objectClass", "uid", "mail"]),
            (("*",), ["objectClass", "uid", "mail"]),
            (("1.1",), []),
            (("MAIL",), ["mail"]),
            (("mail", "uid"), ["uid", "mail"]),
            (("mail", "mail"), ["mail"]),
            (("rfc822Mailbox",), ["mail"]),
            (("0.9.2342.19200300.100.1.3",), ["mail"]),
            (("nothing",), []),
            (("nothing", "1.1"), []),
            (("1.1", "mail"), ["mail"]),
            (("description",), []),
            (("*", "mail"), ["objectClass", "uid", "mail"]),
            (("",), []),
        ],
        ids=str,
    )
    def test_which_attributes_come(self, alice, wanted, given):
        assert [name for name, _ in alice.get(ALICE, wanted)] == given

    def test_operational_attributes_come_when_asked_for(self, alice):
        entry = alice.get(ALICE, ("+",))
        assert entry.texts("entryDN") == (ALICE,)
        assert entry.texts("structuralObjectClass") == ("account",)
        assert alice.get(ALICE, ("entryDN",)).texts("entryDN") == (ALICE,)
        assert "mail" not in entry

    def test_the_name_of_an_entry_becomes_one_of_its_values(self, directory):
        directory.apply(
            Add(Entry.of(f"uid=x,{PEOPLE}", {"objectClass": ["account"], "uid": ["y"]}))
        )
        assert directory.get(f"uid=x,{PEOPLE}").texts("uid") == ("y", "x")

    def test_a_text_without_characters_is_one_where_ascii_is_asked_for(self, directory):
        directory.apply(Add(person("x", "")))
        assert directory.get(f"uid=x,{PEOPLE}").values("mail") == (b"",)


class TestSearching:
    @pytest.fixture
    def some(self, directory):
        for uid, *mail in [
            ("alice", "alice@example.com", "a@example.com"),
            ("bob", "bob@example.com"),
            ("carol", "Carol@Example.COM"),
            ("dave",),
        ]:
            directory.apply(Add(person(uid, *mail)))
        directory.apply(
            Add(
                Entry.of(
                    f"ou=Deep,{PEOPLE}", {"objectClass": ["organizationalUnit"], "ou": ["Deep"]}
                )
            )
        )
        directory.apply(
            Add(
                Entry.of(
                    f"uid=erin,ou=Deep,{PEOPLE}", {"objectClass": ["account"], "uid": ["erin"]}
                )
            )
        )
        return directory

    @pytest.mark.parametrize(
        ("filter_", "uids"),
        [
            ("(mail=ALICE@example.com)", "alice"),
            ("(mail= alice@EXAMPLE.com )", "alice"),
            ("(mail=alice@example)", ""),
            ("(mail=*)", "alice bob carol"),
            ("(!(mail=*))", "dave erin"),
            ("(mail=*@example.com)", "alice bob carol"),
            ("(mail=A*@*.com)", "alice"),
            ("(mail=*ar*)", "carol"),
            ("(|(uid=bob)(uid=alice))", "alice bob"),
            ("(&(uid=bob)(uid=alice))", ""),
            ("(&(objectClass=mailRecipient)(!(uid=bob)))", "alice carol dave"),
            ("(objectClass=top)", "alice bob carol dave erin"),
            ("(uid>=bob)", ""),
            ("(uid~=bob)", "bob"),
            ("(nothing=x)", ""),
            ("(!(nothing=x))", ""),
            ("(|(nothing=x)(uid=bob))", "bob"),
            ("(&(nothing=x)(uid=bob))", ""),
            ("(mail=\\c3\\a9)", ""),
            ("(!(mail=\\c3\\a9))", ""),
            ("(uid:caseExactMatch:=bob)", "bob"),
            ("(uid:caseExactMatch:=Bob)", ""),
            ("(uid:=BOB)", "bob"),
            ("(ou:dn:=deep)", "erin"),
            ("(:dn:caseIgnoreMatch:=deep)", "erin"),
            ("(entryDN=uid=bob,ou=people,dc=example,dc=com)", "bob"),
            ("(entryDN:dnSubtreeMatch:=ou=deep,ou=people,dc=example,dc=com)", "erin"),
            ("(rfc822Mailbox=bob@example.com)", "bob"),
            ("(0.9.2342.19200300.100.1.1=bob)", "bob"),
            ("(mail;x-tag=bob@example.com)", ""),
            ("(objectClass=2.16.840.1.113730.3.2.3)", "alice bob carol dave"),
            ("(mailRoutingAddress=)", ""),
            ("(cn=\\00)", ""),
        ],
    )
    def test_filters(self, some, filter_, uids):
        found = [dn.split(",")[0][4:] for dn in names(some, filter_) if dn.startswith("uid=")]
        assert " ".join(found) == uids

    def test_absolute_true_and_false(self, some):
        assert len(names(some, And(()))) == 8
        assert names(some, Or(())) == []

    @pytest.mark.parametrize(
        ("base", "scope", "count"),
        [
            (BASE, Scope.BASE, 1),
            (BASE, Scope.ONE, 1),
            (BASE, Scope.SUB, 8),
            (PEOPLE, Scope.BASE, 1),
            (PEOPLE, Scope.ONE, 5),
            (PEOPLE.upper(), Scope.SUB, 7),
            (f"ou=Deep,{PEOPLE}", Scope.ONE, 1),
            (f"uid=bob,{PEOPLE}", Scope.ONE, 0),
        ],
    )
    def test_scopes(self, some, base, scope, count):
        assert len(names(some, "(objectClass=*)", scope, base)) == count

    def test_entries_come_in_the_order_of_their_making(self, some):
        some.apply(modify(f"uid=alice,{PEOPLE}", (ADD, "mail", "z@example.com")))
        found = [dn.split(",")[0] for dn in names(some, "(objectClass=*)")]
        assert found == [
            "dc=example", "ou=People", "uid=alice", "uid=bob", "uid=carol", "uid=dave", "ou=Deep",
            "uid=erin",
        ]  # fmt: skip

    def test_a_size_limit_that_is_enough_is_no_error(self, some):
        found = some.search(BASE, Scope.SUB, "(mail=*)", size_limit=3)
        assert len(list(found)) == 3

    def test_over_the_size_limit_come_that_many_entries_then_the_error(self, some):
        found = some.search(BASE, Scope.SUB, "(mail=*)", size_limit=2)
        assert next(found).dn == ALICE
        assert next(found).dn == f"uid=bob,{PEOPLE}"
        with pytest.raises(SizeLimitExceeded) as caught:
            next(found)
        assert caught.value.result == 4

    @pytest.mark.parametrize(
        ("base", "code"),
        [("ou=nothing,dc=example,dc=com", 32), ("dc=org", 32), ("", 32), ("nonsense", 34)],
    )
    def test_bases_that_are_none(self, some, base, code):
        with pytest.raises(LdapRefusal) as caught:
            list(some.search(base, Scope.SUB, "(mail=*)"))
        assert caught.value.result == code

    @pytest.mark.parametrize(
        "text", ["", "(", "(mail=a", "(&(a=b)", "(mail)", "((a=b))", "(a=\\z)"]
    )
    def test_a_filter_that_is_none(self, some, text):
        with pytest.raises(FilterError):
            list(some.search(BASE, Scope.SUB, text))

    def test_one_request_tells_its_result(self, some):
        request = SearchRequest(PEOPLE, Scope.SUB, parse_filter("(mail=*)"), ("mail",), 2)
        answer = some.run(request)
        assert (answer.code, len(answer.entries)) == (4, 2)
        missing = some.run(SearchRequest(f"uid=x,uid=y,{PEOPLE}", Scope.SUB, request.filter))
        assert (missing.code, missing.matched_dn, missing.entries) == (32, PEOPLE, [])

    def test_types_only(self, some):
        request = SearchRequest(
            ALICE, Scope.BASE, parse_filter("(uid=*)"), ("uid", "mail"), types_only=True
        )
        (entry,) = some.run(request).entries
        assert entry.attributes == (("uid", ()), ("mail", ()))


class TestChanging:
    def test_values_are_added_behind_the_others(self, alice):
        alice.apply(modify(ALICE, (ADD, "mail", "c@example.com", "b@example.com")))
        assert alice.get(ALICE).texts("mail") == (
            "alice@example.com", "Alice.A@example.com", "c@example.com", "b@example.com",
        )  # fmt: skip

    def test_a_value_is_deleted_as_the_matching_rule_compares(self, alice):
        alice.apply(modify(ALICE, (DELETE, "mail", " ALICE@example.com ")))
        assert alice.get(ALICE).texts("mail") == ("Alice.A@example.com",)

    def test_the_last_value_takes_the_attribute_with_it(self, alice):
        alice.apply(modify(ALICE, (DELETE, "MAIL")))
        assert "mail" not in alice.get(ALICE)
        alice.apply(modify(ALICE, (REPLACE, "mail")))
        alice.apply(modify(ALICE, (REPLACE, "mail", "x@y")))
        assert alice.get(ALICE).texts("mail") == ("x@y",)
        alice.apply(modify(ALICE, (REPLACE, "mail")))
        assert "mail" not in alice.get(ALICE)

    def test_modifications_take_effect_in_their_order(self, alice):
        alice.apply(
            modify(
                ALICE,
                (DELETE, "mail", "alice@example.com"),
                (ADD, "mail", "alice@EXAMPLE.com"),
                (ADD, "description", "one"),
                (REPLACE, "description", "two"),
            )
        )
        entry = alice.get(ALICE)
        assert entry.texts("mail") == ("Alice.A@example.com", "alice@EXAMPLE.com")
        assert entry.texts("description") == ("two",)

    def test_all_modifications_or_none(self, alice):
        before = alice.get(ALICE)
        with pytest.raises(NoSuchValue):
            alice.apply(modify(ALICE, (ADD, "mail", "new@x"), (DELETE, "mail", "no@x")))
        assert alice.get(ALICE) == before

    def test_an_entry_is_deleted(self, alice):
        alice.apply(Delete(ALICE.upper()))
        assert alice.get(ALICE) is None

    def test_an_entry_is_renamed(self, alice):
        alice.apply(Rename(ALICE, "uid=alicia"))
        assert alice.get(ALICE) is None
        assert alice.get(f"uid=alicia,{PEOPLE}").texts("uid") == ("alicia",)
        alice.apply(Rename(f"uid=alicia,{PEOPLE}", "uid=al", delete_old_rdn=False))
        assert alice.get(f"uid=al,{PEOPLE}").texts("uid") == ("alicia", "al")

    def test_only_the_case_of_a_name_changes(self, alice):
        alice.apply(Rename(ALICE, "uid=ALICE"))
        entry = alice.get(ALICE)
        assert entry.dn == f"uid=ALICE,{PEOPLE}"
        assert entry.texts("uid") == ("ALICE",)

    def test_an_entry_moves_with_what_is_below(self, directory):
        # The unit first: slapd 2.5 cannot move an entry whose children are older than itself.
        alice = directory
        unit = Entry.of(f"ou=Old,{BASE}", {"objectClass": ["organizationalUnit"], "ou": ["Old"]})
        alice.apply(Add(unit))
        alice.apply(Add(person("alice")))
        alice.apply(Rename(ALICE, "uid=alice", new_superior=unit.dn))
        alice.apply(Rename(unit.dn, "ou=New", new_superior=PEOPLE))
        assert names(alice, "(uid=alice)") == [f"uid=alice,ou=New,{PEOPLE}"]
        assert alice.get(f"ou=New,{PEOPLE}").texts("ou") == ("New",)


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(directory, name):
    change, code = REFUSALS[name]
    directory.apply(Add(person("bob", "bob@example.com")))
    directory.apply(Add(person("carol")))
    before = list(directory.search(BASE, Scope.SUB, "(objectClass=*)"))
    with pytest.raises(LdapRefusal) as caught:
        directory.apply(change)
    assert caught.value.result == code
    assert type(caught.value) is CLASS_OF_ERROR.get(code, LdapRefusal)
    assert caught.value.exit_status == 77
    assert list(directory.search(BASE, Scope.SUB, "(objectClass=*)")) == before


class TestTogether:
    def test_all_are_made(self, alice):
        assert alice.has_transactions
        alice.apply_together(
            [
                modify(ALICE, (DELETE, "mail", "alice@example.com")),
                Add(person("bob", "alice@example.com")),
                Rename(f"uid=bob,{PEOPLE}", "uid=rob"),
                modify(f"uid=rob,{PEOPLE}", (ADD, "description", "x")),
            ]
        )
        assert names(alice, "(mail=alice@example.com)") == [f"uid=rob,{PEOPLE}"]

    def test_or_none(self, alice):
        with pytest.raises(EntryExists):
            alice.apply_together([Add(person("bob")), Delete(ALICE), Add(person("bob"))])
        assert names(alice, "(uid=*)") == [ALICE]

    def test_nothing_to_do(self, alice):
        alice.apply_together([])
        assert names(alice, "(uid=*)") == [ALICE]


HOSTILE = (
    b" a",
    b"a ",
    b":",
    b"<a",
    b"a: b",
    b"\xc3\xa9",
    b"x" * 300,
    b"\x01",
    b"plain",
    b"a\nb: c",
)


@pytest.mark.container
def test_an_export_is_the_same_in_pages(server):
    clear(server)
    for number, value in enumerate(HOSTILE):
        server.apply(Add(person(f"h{number}", description=[value, b"y"], userPassword=[value])))
    pages = list(server.search_pages(BASE, Scope.SUB, parse_filter("(objectClass=*)")))
    assert [len(page) for page in pages] == [3] * 4
    mail = MailDirectory(server, Settings())
    for passwords in (False, True):
        assert "".join(mail.export_ldif(passwords=passwords)) == "".join(
            map(format_entry, mail.export(passwords=passwords))
        )
    assert list(server.search_pages(BASE, Scope.SUB, parse_filter("(uid=nobody)"))) == []
    with pytest.raises(NoSuchObject):
        list(server.search_pages("dc=nowhere", Scope.SUB, parse_filter("(uid=nobody)")))
