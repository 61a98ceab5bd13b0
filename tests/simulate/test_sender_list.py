"""`sender list`: the login maps read backwards, and every address found put to the maps again."""

import pytest

from mailldap.directory.base import Scope
from mailldap.directory.memory import MemoryDirectory
from mailldap.directory.open import same_session
from mailldap.errors import CouldNotAsk
from mailldap.ldap.entry import Entry
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import TableContext

BASE = "dc=example,dc=com"
LOGINS = """\
user1@example.com user1
user2@example.com user1, user2
user3@example.com user3
shared@example.com USER1 user3
bob user1
@example.com user4
"""


def person(uid: str, *mail: str, alternate: tuple[str, ...] = ()) -> Entry:
    attributes = {
        "objectClass": ["account", "mailRecipient"],
        "uid": [uid],
        "mail": mail,
    }
    if alternate:
        attributes["mailAlternateAddress"] = alternate
    return Entry.of(f"uid={uid},{BASE}", attributes)


DIRECTORY = MemoryDirectory(
    [
        Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]}),
        person("ann", "ann@example.com", "a@example.com", alternate=("ann@other.test",)),
        person("ben", "ben@example.com", "a@example.com"),
        person("star*", "star@example.com"),
    ],
    base=BASE,
)


def postfix(maps: str, files: dict[str, str] | None = None, session=None) -> Simulator:
    contents = {f"/p/{name}": text.encode() for name, text in (files or {}).items()}

    def read_file(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(2, "No such file or directory", path)
        return contents[path]

    main = MainCf.parse(
        "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination = example.com\n"
        f"smtpd_sender_login_maps = {maps}\n",
        "/p/main.cf",
        directory="/p",
    )
    context = TableContext(
        open_session=session or same_session(DIRECTORY),
        parameter=main.lookup,
        config_directory="/p",
        read_file=read_file,
    )
    return Simulator(main, context)


def ldap(**more: str) -> dict[str, str]:
    lines = {
        "server_host": "ldap://h",
        "version": "3",
        "bind": "no",
        "search_base": BASE,
        "query_filter": "(&(objectClass=mailRecipient)(|(mail=%s)(mailAlternateAddress=%s)))",
        "result_attribute": "uid",
        **more,
    }
    return {"senders.cf": "".join(f"{name} = {value}\n" for name, value in lines.items())}


@pytest.mark.parametrize(
    ("login", "addresses"),
    [
        ("user1", ("user1@example.com", "user2@example.com", "shared@example.com", "bob")),
        ("user2", ("user2@example.com",)),
        ("user3", ("user3@example.com", "shared@example.com")),
        ("user4", ("@example.com",)),
        ("nobody", ()),
        ("", ()),
    ],
)
def test_a_text_is_read_whole(login: str, addresses: tuple[str, ...]) -> None:
    found = postfix("texthash:/p/logins", {"logins": LOGINS}).sender_list(login)
    assert found.addresses == addresses
    assert found.login == login
    assert found.unlisted == ()
    assert found.error is None


def test_a_table_before_it_takes_an_address_away() -> None:
    files = {"first": "user1@example.com other\n", "logins": LOGINS}
    found = postfix("texthash:/p/first texthash:/p/logins", files).sender_list("user1")
    assert "user1@example.com" not in found.addresses
    assert "user2@example.com" in found.addresses


def test_an_ldap_table_is_searched_for_the_login() -> None:
    simulator = postfix("ldap:/p/senders.cf", ldap())
    assert set(simulator.sender_list("ann").addresses) == {
        "ann@example.com",
        "a@example.com",
        "ann@other.test",
    }
    assert simulator.sender_list("ben").addresses == ("ben@example.com", "a@example.com")
    assert simulator.sender_list("nobody").addresses == ()


def test_a_login_is_no_pattern() -> None:
    simulator = postfix("ldap:/p/senders.cf", ldap())
    assert simulator.sender_list("*").addresses == ()
    assert simulator.sender_list("star*").addresses == ("star@example.com",)
    assert simulator.sender_list(")(uid=ann").addresses == ()


def test_what_the_table_does_not_answer_for_is_not_listed() -> None:
    simulator = postfix("ldap:/p/senders.cf", ldap(domain="example.com"))
    assert "ann@other.test" not in simulator.sender_list("ann").addresses
    only_ben = ldap(query_filter="(&(mail=%s)(uid=ben))")
    assert postfix("ldap:/p/senders.cf", only_ben).sender_list("ann").addresses == ()


def test_the_key_is_found_inside_of_a_value() -> None:
    prefixed = ldap(query_filter="(multiLineDescription=smtp:%u@%d)")
    entry = Entry.of(
        f"uid=x,{BASE}",
        {
            "objectClass": ["account", "mailRecipient"],
            "uid": ["x"],
            "multiLineDescription": ["SMTP:x@example.com", "other:x@example.com"],
        },
    )
    directory = MemoryDirectory(
        [*DIRECTORY.search(BASE, Scope.BASE, "(objectClass=*)"), entry], base=BASE
    )
    simulator = postfix("ldap:/p/senders.cf", prefixed, same_session(directory))
    assert simulator.sender_list("x").addresses == ("x@example.com",)


#: Keys of ann; tests/real/test_smtpd.py sends as what comes of them.
ODD_KEYS = """\
"plain"@example.com ann
dot@example.com. ann
per%cent@example.com ann
<angle@example.com> ann
"two words"@example.com ann
a(c)@example.com ann
bang!bare ann
bare ann
taken ann
taken@mail.example.com ben
@mail.example.com ann
@two@example.com ann
a..b@example.com ann
-dash@example.com ann
@bücher.example ann
<> ann
"""
ODD_ADDRESSES = (
    '"\\"plain\\""@example.com',
    '"two words"@example.com',
    '"a(c)"@example.com',
    "bare",
    "taken@example.com",
    "@mail.example.com",
    "a..b@example.com",
    "@bücher.example",
    '"<>"',
)


def test_a_key_that_smtpd_never_asks_for_is_not_listed() -> None:
    """It asks for rewritten addresses, with the quotes that they need and then without."""
    found = postfix("texthash:/p/logins", {"logins": ODD_KEYS}).sender_list("ann")
    assert found.addresses == ODD_ADDRESSES


@pytest.mark.parametrize(
    ("maps", "reason"),
    [
        ("static:user1", "static:user1 cannot be listed: it answers for single addresses only"),
        ("ldap:/p/base.cf", "its search_base depends on the address"),
        ("ldap:/p/format.cf", "its result_format changes what the entries hold"),
        ("ldap:/p/user.cf", "its query_filter compares no attribute with %s"),
    ],
)
def test_tables_that_cannot_be_listed_are_named(maps: str, reason: str) -> None:
    files = {
        "base.cf": ldap(search_base="ou=%d,dc=example,dc=com")["senders.cf"],
        "format.cf": ldap(result_format="%s@x")["senders.cf"],
        "user.cf": ldap(query_filter="(uid=%u)")["senders.cf"],
        "logins": LOGINS,
    }
    found = postfix(f"{maps} texthash:/p/logins", files).sender_list("user2")
    assert len(found.unlisted) == 1
    assert found.unlisted[0].endswith(reason)


def test_a_union_is_listed_by_its_parts() -> None:
    files = {"logins": LOGINS, **ldap()}
    maps = "unionmap:{texthash:/p/logins,ldap:/p/senders.cf}"
    simulator = postfix(maps, files)
    assert "user3@example.com" in simulator.sender_list("user3").addresses
    assert "ben@example.com" in simulator.sender_list("ben").addresses


def test_a_dead_server_is_an_error_and_no_empty_list() -> None:
    def dead(_parameters):
        raise CouldNotAsk("nobody there")

    files = {"logins": LOGINS, **ldap()}
    found = postfix("texthash:/p/logins ldap:/p/senders.cf", files, dead).sender_list("user1")
    assert found.error == "ldap:/p/senders.cf: nobody there"
    assert found.addresses == ()


def test_every_address_listed_is_allowed() -> None:
    """The list and `sender owners` agree."""
    simulator = postfix("texthash:/p/logins", {"logins": LOGINS})
    for login in ("user1", "user2", "user3"):
        for address in simulator.sender_list(login).addresses:
            full = address if "@" in address else f"{address}@example.com"
            owners = simulator.sender_owners(full).owners
            assert login in {owner.lower() for owner in owners}
