"""What servers tell about tables: each finding on a directory that has the fault and one without."""

import pytest

from mailldap.audit.directory_rules import check_directory
from mailldap.directory.base import SearchResult
from mailldap.directory.memory import MemoryDirectory
from mailldap.errors import ApiError, ConfigError
from mailldap.ldap.entry import Entry
from tests.audit.sets import CLEAN, MAIN, TABLE, write

BASE = "dc=example,dc=com"
RULED = " EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
TYPES = {
    "objectClass": "( 2.5.4.0 NAME 'objectClass' EQUALITY objectIdentifierMatch )",
    "name": "( 2.5.4.41 NAME 'name'" + RULED,
    "uid": "( 0.9.2342.19200300.100.1.1 NAME ( 'uid' 'userid' )" + RULED,
    "mail": "( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' ) SUP name )",
    "mailRoutingAddress": "( 2.16.840.1.113730.3.1.24 NAME 'mailRoutingAddress'" + RULED,
    "broken": "( what is this",
}


def person(uid, *mail, **more):
    return Entry.of(
        f"uid={uid},{BASE}",
        {
            "objectClass": ["inetOrgPerson", "mailRecipient"],
            "uid": [uid],
            "cn": [uid],
            "sn": [uid],
            "mail": mail,
            "mailRoutingAddress": [f"{uid}@mail1.internal"],
            **more,
        },
    )


TREE = [
    Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]}),
    person("a", "a@example.com", "shared@example.com"),
    person("b", "b@example.com", "Shared@example.com"),
]


class Server:
    """A session over a directory in memory, with a root DSE and a schema to show."""

    def __init__(self, entries=TREE, types=TYPES, vendor="", hidden=(), refusal=0):
        self.directory = MemoryDirectory(list(entries), base=BASE)
        self.types = types
        self.vendor = vendor
        self.refusal = refusal
        self.hidden = {name.lower() for name in hidden}

    def run(self, request):
        if self.refusal and request.base == BASE:
            return SearchResult(self.refusal)
        if request.base == "":
            attributes = {"subschemaSubentry": ["cn=Subschema"]} if self.types else {}
            if self.vendor:
                attributes["vendorName"] = [self.vendor]
            return SearchResult(0, [Entry.of("", attributes)])
        if request.base == "cn=Subschema":
            types = {"attributeTypes": list(self.types.values())}
            return SearchResult(0, [Entry.of("cn=Subschema", types)])
        if "*" in self.hidden:
            return SearchResult(0 if request.base == BASE else 32)
        found = self.directory.run(request)
        kept = [
            Entry(e.dn, tuple((n, v) for n, v in e.attributes if n.lower() not in self.hidden))
            for e in found.entries
        ]
        return SearchResult(found.code, kept)

    def close(self):
        pass


def report(folder, server, **more):
    return check_directory(folder, lambda _parameters: server, **more)


def codes(folder, server, **more):
    found = report(folder, server, **more)
    assert found.unasked == ()
    assert all(f.message and f.fix for f in found.findings)
    return [(f.code, f.line) for f in found.findings]


def table(*lines, **changed):
    text = TABLE
    for name, value in changed.items():
        old = next(line for line in TABLE.splitlines() if line.startswith(name))
        text = text.replace(old, f"{name} = {value}")
    return {**CLEAN, "ldap-aliases.cf": text + "".join(f"{line}\n" for line in lines)}


@pytest.mark.parametrize("types", [TYPES, {}])
def test_nothing_to_find(tmp_path, types):
    server = Server(types=types)
    names = ["objectclass", "MAIL"]
    assert codes(write(tmp_path, CLEAN), server, reader=server.directory, indexed=names) == []
    assert codes(tmp_path, server) == []


def test_a_base_that_is_not_there(tmp_path):
    folder = write(tmp_path, table(search_base="dc=other,dc=com"))
    assert codes(folder, Server(), reader=Server().directory) == [("base-missing", 5)]


def test_a_search_that_is_refused(tmp_path):
    folder = write(tmp_path, CLEAN)
    assert codes(folder, Server(refusal=50)) == [("search-refused", 5)]
    found = report(folder, Server(refusal=51))
    assert found.findings == ()
    assert "busy" in found.unasked[0]


def test_a_base_that_depends_on_the_key_is_not_judged(tmp_path):
    folder = write(tmp_path, table(search_base="ou=%u,dc=example,dc=com"))
    assert codes(folder, Server(), reader=Server().directory) == []


@pytest.mark.parametrize("hidden", ["*", "mailRoutingAddress"])
def test_an_identity_that_sees_nothing(tmp_path, hidden):
    folder = write(tmp_path, CLEAN)
    server = Server(hidden=[hidden])
    found = report(folder, server, reader=server.directory).findings
    blind = [f for f in found if f.code == "blind"]
    assert [(f.severity, f.line) for f in blind] == [("error", 4)]
    assert "anonymously" in blind[0].message
    # Without anybody who sees more it is a suspicion.
    assert [f.severity for f in report(folder, server).findings if f.code == "blind"] == ["warning"]


def test_an_empty_directory_is_no_blindness(tmp_path):
    server = Server(TREE[:1])
    assert codes(write(tmp_path, CLEAN), server, reader=server.directory) == []


def test_attributes_that_the_server_does_not_know(tmp_path):
    types = {name: text for name, text in TYPES.items() if name != "mailRoutingAddress"}
    folder = write(tmp_path, CLEAN)
    assert ("attribute-unknown", 7) in codes(folder, Server(types=types))
    types = {name: text for name, text in TYPES.items() if name != "mail"}
    assert ("attribute-unmatched", 6) in codes(folder, Server(types=types))


def test_one_known_branch_is_enough(tmp_path):
    either = "(&(objectClass=mailRecipient)(|(mail=%s)(mailAlternateAddress=%s)))"
    assert codes(write(tmp_path, table(query_filter=either)), Server()) == []
    both = "(&(objectClass=mailRecipient)(mail=%s)(mailAlternateAddress=%s))"
    assert codes(write(tmp_path, table(query_filter=both)), Server()) == [
        ("attribute-unmatched", 6)
    ]


@pytest.mark.parametrize(("vendor", "expected"), [("", [("attribute-unmatched", 6)]),
                                                  ("389 Project", [])])  # fmt: skip
def test_an_attribute_without_a_matching_rule(tmp_path, vendor, expected):
    types = {**TYPES, "mailRoutingAddress": TYPES["mailRoutingAddress"].replace(
        "EQUALITY caseIgnoreMatch ", "")}  # fmt: skip
    files = table(query_filter="(mailRoutingAddress=%s)")
    files["main.cf"] = MAIN.replace("$myhostname", "mail1.internal")
    folder = write(tmp_path, files)
    server = Server(types=types, vendor=vendor)
    assert codes(folder, server) == expected
    # Whether it is there, can be asked all the same.
    present = write(tmp_path, table(query_filter="(&(mail=%s)(mailRoutingAddress=*))"))
    assert codes(present, server) == []


def test_attributes_without_an_index(tmp_path):
    folder = write(tmp_path, CLEAN)
    found = report(folder, Server(), indexed=["uid"]).findings
    assert [f.message.split()[0] for f in found] == ["objectClass", "mail"]
    assert {f.code for f in found} == {"attribute-unindexed"}


@pytest.mark.parametrize("seen", [True, False])
def test_more_owners_than_the_limit(tmp_path, seen):
    server = Server()
    more = {"reader": server.directory} if seen else {}
    (finding,) = report(write(tmp_path, table("size_limit = 1")), server, **more).findings
    assert (finding.code, finding.line) == ("owners-above-limit", 8)
    assert finding.message.startswith("shared@example.com belongs to 2 entries")
    assert codes(write(tmp_path, table("size_limit = 2")), server, **more) == []
    assert codes(write(tmp_path, table("expansion_limit = 1")), server, **more) == [
        ("owners-above-limit", None)
    ]


def test_domains_that_postfix_accepts_no_mail_for(tmp_path):
    server = Server([*TREE, person("c", "c@example.net", "@example.org")])
    folder = write(tmp_path, CLEAN)
    found = report(folder, server, reader=server.directory).findings
    assert [f.message.split(",")[0].split()[-1] for f in found] == ["example.net", "example.org"]
    main = MAIN.replace("example.com", "example.com example.net hash:/etc/postfix/domains")
    assert codes(write(tmp_path, {**CLEAN, "main.cf": main}), server) == []


def opener(error):
    def fail(_parameters):
        raise error

    return fail


def test_a_server_that_cannot_be_reached_is_no_fault_of_the_files(tmp_path):
    error = ApiError(-1, "Can't contact LDAP server", "Can't contact LDAP server")
    found = check_directory(write(tmp_path, CLEAN), opener(error))
    assert found.findings == ()
    assert len(found.unasked) == 1
    assert "Can't contact LDAP server" in found.unasked[0]


def test_servers_that_do_not_answer_are_waited_for_once(tmp_path):
    calls = []

    def open_session(parameters):
        calls.append(parameters)
        raise ApiError(-1, "Can't contact LDAP server", "Can't contact LDAP server")

    other = TABLE.replace("timeout = 4", "timeout = 5")
    write(tmp_path, {**CLEAN, "a.cf": TABLE, "b.cf": TABLE, "c.cf": other})
    assert len(check_directory(tmp_path, open_session).unasked) == 4
    assert [p.timeout for p in calls] == [4, 5]


def test_a_bind_that_is_refused_is_one(tmp_path):
    bound = TABLE.replace("bind = no", "bind_dn = cn=p\nbind_pw = hunter2").replace(
        "ldap://", "ldapi://"
    )
    error = ApiError(
        49, "Invalid credentials", "Unable to bind to server x with dn cn=p: 49 (Invalid credentials)"
    )  # fmt: skip
    found = check_directory(write(tmp_path, {**CLEAN, "ldap-aliases.cf": bound}), opener(error))
    (finding,) = found.findings
    assert (finding.code, finding.line, finding.parameter) == ("bind-refused", 4, "bind_dn")
    assert "hunter2" not in repr(found)


def test_a_table_that_cannot_be_opened_is_left_to_check(tmp_path):
    folder = write(tmp_path, table(timeout="soon"))
    assert codes(folder, Server()) == []
    with pytest.raises(ConfigError):
        check_directory(tmp_path / "nowhere", opener(AssertionError()))


RELAYED = "relayhost = [smtp.gmail.com]:587\n"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", False),
        (RELAYED, True),
        (RELAYED + "transport_maps = inline:{mail1.internal=smtp:[mail1.internal]}\n", False),
        (RELAYED + "transport_maps = texthash:/etc/postfix/transport\n", False),
        (RELAYED + "relay_domains = mail1.internal\n", True),
        (RELAYED + "virtual_mailbox_domains = mail1.internal\n", False),
        (RELAYED + "transport_maps = ldap:/etc/postfix/other.cf\n", True),
    ],
)
def test_mailboxes_inside_that_go_to_the_relay(tmp_path, more, found):
    files = {
        **CLEAN,
        "main.cf": MAIN + more,
        "transport": ".internal smtp:\nmail1.internal smtp:\n",
    }
    folder = write(tmp_path, {**files, "other.cf": TABLE.replace("mail=%s", "cn=%s")})
    relayed = [f for f in report(folder, Server()).findings if f.code == "mailbox-relayed"]
    assert bool(relayed) is found
    if found:
        assert (relayed[0].line, relayed[0].parameter) == (5, "relayhost")
        assert "mail1.internal" in relayed[0].message


def test_forwarding_to_the_outside_may_be_relayed(tmp_path):
    tree = [TREE[0], person("a", "a@example.com", mailRoutingAddress=["a@gmail.com"])]
    folder = write(tmp_path, {**CLEAN, "main.cf": MAIN + RELAYED})
    assert codes(folder, Server(tree)) == []
    tree = [TREE[0], person("a", "a@example.com", mailRoutingAddress=["a@mail1.example.com"])]
    assert codes(folder, Server(tree)) == [("mailbox-relayed", 5)]
