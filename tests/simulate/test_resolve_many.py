"""Many addresses are resolved as one by one, trace and warnings too, with fewer waits."""

import pytest

from mailldap.directory.ahead import Ahead
from mailldap.directory.base import Scope, SearchRequest, SearchResult, SessionParameters
from mailldap.directory.open import session_opener
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.directory.session import LibldapSession
from mailldap.errors import CouldNotAsk
from mailldap.ldap.change import Add
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Present
from mailldap.postfix.main_cf import MainCf
from mailldap.simulate.simulator import Simulator
from mailldap.tables.base import TableContext

BASE = "dc=example,dc=com"
ADDRESSES = [
    "a1@example.com", "A1@Example.COM", "<a2@example.com>", "nobody@example.com", "", "<>", "@", "@x",
    "a1", "list@example.com", "loop@example.com", "x@y@example.com", '"a b"@example.com', "é@example.com",
    "\udcff@example.com", "*@example.com", "(@example.com", "a1+ext@example.com", "a\0b@example.com",
    "many@example.com", "odd@example.com", "a1@elsewhere.test", "a3@example.com", "\n@example.com",
    *(f"a{n}@example.com" for n in range(20)),
]  # fmt: skip


def people():
    values = {f"a{n}": ([f"a{n}@example.com"], [f"a{n}@mail1"]) for n in range(15)}
    values |= {
        "list": (["list@example.com"], ["a1@example.com", "a2@example.com", "out@elsewhere.test"]),
        "loop": (["loop@example.com"], ["pool@example.com"]),
        "pool": (["pool@example.com"], ["loop@example.com"]),
        "odd": (["odd@example.com"], ["é@mail1, x y@mail1, @other.test"]),
    }
    values |= {f"m{n}": (["many@example.com"], [f"m{n}@mail1"]) for n in range(5)}
    for uid, (mail, routing) in values.items():
        attributes = {"objectClass": ["account", "mailRecipient"], "uid": [uid]}
        yield Entry.of(
            f"uid={uid},ou=People,{BASE}",
            attributes | {"mail": mail, "mailRoutingAddress": routing},
        )


@pytest.fixture(scope="module")
def server(slapd_factory):
    made = slapd_factory(data="base")
    options = ServerOptions((made.uri,), made.base, made.admin_dn, made.admin_password)
    with LdapServer(options) as writer:
        for person in people():
            writer.apply(Add(person))
    return made


def simulators(folder, uri, more, main=""):
    """Two Postfixes with the same table, and what each was told."""
    parameters = {
        "server_host": uri, "search_base": BASE, "bind": "no", "version": "3", "timeout": "5",
        "query_filter": "(&(objectClass=mailRecipient)(mail=%s))",
        "result_attribute": "mailRoutingAddress",
    } | more  # fmt: skip
    (folder / "t.cf").write_text("".join(f"{k} = {v}\n" for k, v in parameters.items()))
    read = MainCf.parse(
        "compatibility_level = 3.6\nmyhostname = mail.example.com\nmydestination =\n"
        "recipient_delimiter = +\nvirtual_alias_domains = example.com\n"
        "virtual_alias_recursion_limit = 9\n"
        f"virtual_alias_maps = ldap:{folder}/t.cf\n{main}"
    )
    for _ in range(2):
        warned = []
        context = TableContext(session_opener(), read.lookup, warn=warned.append)
        yield Simulator(read, context), warned


@pytest.mark.parametrize(
    ("table", "main"),
    [
        ({}, ""),
        ({"size_limit": "2"}, ""),
        ({"domain": "example.com"}, ""),
        ({"search_base": "dc=nowhere"}, ""),
        ({"query_filter": "(mail=%s"}, ""),
        ({"special_result_attribute": "manager"}, ""),
        ({}, "recipient_canonical_maps = inline:{a3@example.com=a1@example.com}\n"),
        ({}, "receive_override_options = no_address_mappings\n"),
    ],
)
def test_each_is_resolved_as_by_itself(server, tmp_path, monkeypatch, table, main):
    asked = []
    run = LibldapSession.run
    monkeypatch.setattr(LibldapSession, "run", lambda s, r: asked.append(r) or run(s, r))
    (one, told_one), (many, told_many) = simulators(tmp_path, server.uri, table, main)
    singly = [one.resolve(address) for address in ADDRESSES]
    searches = len(asked)
    assert list(many.resolve_many(iter(ADDRESSES), chunk=40)) == singly
    assert told_many == told_one
    if not table:
        assert len(asked) - searches < searches / 3
    message = one.resolve_message(ADDRESSES)
    assert list(message.each) == singly
    one.close()
    many.close()


def test_servers_that_nobody_reaches_fail_each(tmp_path):
    (one, told_one), (many, told_many) = simulators(tmp_path, "ldap://127.0.0.1:1", {})
    assert list(many.resolve_many(ADDRESSES)) == [one.resolve(a) for a in ADDRESSES]
    assert told_many == told_one


def test_nothing_is_remembered_longer_than_was_said():
    request = SearchRequest("dc=x", Scope.SUB, Present("mail"))

    class Counting:
        answers = 0
        code = 0

        def run(self, _request):
            self.answers += 1
            if self.code == 81:
                raise CouldNotAsk("gone")
            return SearchResult(self.code, text=str(self.answers))

        def close(self):
            pass

    counting = Counting()
    ahead = Ahead(lambda _parameters: counting)
    session = ahead.open_session(SessionParameters(("ldap://x",)))
    assert [session.run(request).text for _ in range(2)] == ["1", "2"]
    with ahead.remembering():
        assert [session.run(request).text for _ in range(2)] == ["3", "3"]
        with ahead.remembering():
            assert session.run(request).text == "3"
        assert session.run(request).text == "3"
    assert session.run(request).text == "4"
    counting.code = 52
    with ahead.remembering():
        assert [session.run(request).text for _ in range(2)] == ["5", "6"]
        counting.code = 81
        with pytest.raises(CouldNotAsk):
            session.run(request)
        session.ask_ahead([request])  # by this kind of session nothing can be put ahead
