"""URIs and what they open."""

import ast
import ctypes
import ctypes.util
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailldap.directory.base import Scope, SearchRequest, Session, SessionParameters, Writer
from mailldap.directory.libldap.uri import parse_uri_list
from mailldap.directory.open import is_file, open_directory, same_session, session_opener
from mailldap.directory.server import LdapServer
from mailldap.directory.uri import DEFAULT_SOCKET, ServerUri
from mailldap.errors import ApiError, ConfigError, UsageError
from mailldap.ldap.filter import parse_filter
from tests.directory.fake_server import FakeServer, entry, message, polite, raw_handler, result

LDIF = b"""dn: dc=example,dc=com
objectClass: top
objectClass: domain
dc: example

dn: ou=People,dc=example,dc=com
objectClass: organizationalUnit
ou: People

dn: uid=a,ou=People,dc=example,dc=com
objectClass: account
objectClass: mailRecipient
uid: a
mail: a@example.com
"""
ASK = SearchRequest("dc=example,dc=com", Scope.SUB, parse_filter("(mail=a@example.com)"), ("mail",))


@pytest.fixture
def ldif(tmp_path):
    path = tmp_path / "d.ldif"
    path.write_bytes(LDIF)
    return f"ldif:{path}"


def test_a_file_is_a_writer_and_a_session(ldif):
    directory = open_directory(ldif)
    assert isinstance(directory, Writer)
    assert isinstance(directory, Session)
    assert directory.base == "dc=example,dc=com"
    assert [e.dn for e in directory.run(ASK).entries] == ["uid=a,ou=People,dc=example,dc=com"]


def test_servers_are_not_contacted_before_they_are_used():
    with FakeServer(polite()) as server:
        opened = open_directory(["ldap://127.0.0.1:1", server.uri], base="dc=x", timeout=30)
        assert isinstance(opened, LdapServer)
        assert isinstance(opened, Writer)
        assert (opened.uri, opened.base) == ("ldap://127.0.0.1:1", "dc=x")
        assert server.accepted == 0
        assert opened.get("dc=x") is None
        assert opened.uri == server.uri
        opened.close()
        opened.close()


@pytest.mark.parametrize(
    "uri",
    [
        "", "x", "http://x", "ldap:x", "ldap:/x", "ldap://a:b", "ldap://a:70000", "ldap://a b",
        "ldap://[::1", "ldap://::1", "ldap://u@h", "ldapi://tmp", "ldapi://%00", "ldif:", "LDIF:",
        "ldap://a:-1", "ldap://a:\uff11",
    ],
)  # fmt: skip
def test_a_uri_that_means_nothing_is_named(uri):
    with pytest.raises(ConfigError) as caught:
        open_directory(uri)
    assert repr(uri) in str(caught.value)
    assert caught.value.exit_status == 78


def test_no_uri_and_a_file_among_servers_are_refused(ldif):
    with pytest.raises(ConfigError):
        open_directory(())
    for uris in ([ldif, "ldap://a"], ["ldap://a", ldif]):
        with pytest.raises(UsageError):
            open_directory(uris)
    assert is_file(ldif)
    assert is_file(["LDIF:x"])
    assert not is_file(["ldap://a", "ldap://b"])


@pytest.mark.parametrize(
    ("uri", "scheme", "host", "port", "spelled"),
    [
        ("ldap://h", "ldap", "h", 389, "ldap://h:389"),
        ("LDAPS://h/", "ldaps", "h", 636, "ldaps://h:636"),
        ("ldap://h:1389/dc=x", "ldap", "h", 1389, "ldap://h:1389"),
        ("ldap:///", "ldap", "localhost", 389, "ldap://localhost:389"),
        ("ldap://[::1]:3", "ldap", "::1", 3, "ldap://[::1]:3"),
        ("ldapi:///", "ldapi", DEFAULT_SOCKET, 0, "ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi"),
        ("ldapi://%2Ftmp%2Fa%25b", "ldapi", "/tmp/a%b", 0, "ldapi://%2Ftmp%2Fa%25b"),
    ],
)
def test_servers_are_spelled_one_way(uri, scheme, host, port, spelled):
    parsed = ServerUri.parse(uri)
    assert (parsed.scheme, parsed.host, parsed.port, str(parsed)) == (scheme, host, port, spelled)
    assert ServerUri.parse(spelled) == ServerUri.parse(str(ServerUri.parse(spelled)))


def test_what_stays_on_the_machine():
    local = ["ldapi:///", "ldap://localhost", "ldap://127.0.0.9:3", "ldap://[::1]"]
    assert all(ServerUri.parse(uri).is_local for uri in local)
    assert not any(ServerUri.parse(u).is_local for u in ("ldap://h", "ldap://10.0.0.1"))


class TestOpener:
    def test_equal_parameters_share_a_conversation(self):
        with FakeServer(polite(entry("uid=a", mail=[b"x"]))) as server:
            opener = session_opener()
            first = opener(SessionParameters((server.uri,)))
            assert opener(SessionParameters((server.uri,))) is first
            assert opener(SessionParameters((server.uri,), timeout=3)) is not first
            assert first.run(ASK).entries[0].dn == "uid=a"
            first.close()
            assert opener(SessionParameters((server.uri,))).run(ASK).entries
            assert server.accepted == 3

    def test_a_failure_is_not_kept(self):
        replies = iter([49, 0])

        def handle(connection):
            while (request := connection.read()) and request[1] == 0x60:
                connection.send(message(request[0], result(0x61, next(replies))))

        with FakeServer(handle) as server:
            opener = session_opener()
            with pytest.raises(ApiError, match=r"49 \(Invalid credentials\)"):
                opener(SessionParameters((server.uri,)))
            opener(SessionParameters((server.uri,)))

    def test_a_file_takes_the_place_of_every_tables_servers(self, ldif):
        opener = session_opener(ldif)
        session = opener(SessionParameters(("ldap://127.0.0.1:1",), start_tls=True))
        session.close()
        again = opener(SessionParameters(("ldap://127.0.0.1:2",)))
        assert [e.dn for e in again.run(ASK).entries] == ["uid=a,ou=People,dc=example,dc=com"]

    def test_servers_take_the_place_of_hosts_bind_and_tls(self):
        seen = []

        def handle(connection):
            while request := connection.read():
                message_id, tag, content = request
                seen.append((tag, content))
                if tag == 0x60:
                    connection.send(message(message_id, result(0x61)))
                elif tag == 0x63:
                    connection.send(message(message_id, result(0x65)))

        table = SessionParameters(
            ("ldap://127.0.0.1:1",), bind_dn="cn=table", bind_pw="secret", start_tls=True, version=2
        )
        with FakeServer(handle) as server:
            session_opener(server.uri)(table).run(ASK)
            assert [tag for tag, _ in seen] == [0x63]
            seen.clear()
            opener = session_opener([server.uri], bind_dn="cn=me", password="mine")
            opener(table).run(ASK)
        assert [tag for tag, _ in seen] == [0x60, 0x63]
        assert seen[0][1].startswith(b"\x02\x01\x03\x04\x05cn=me\x80\x04mine")
        assert b"secret" not in seen[0][1]

    def test_a_tls_that_is_only_tried_goes_on_in_clear_text(self):
        refuses = raw_handler({0x77: result(0x78, 2), 0x63: (entry("uid=a"), result(0x65))})
        with FakeServer(refuses) as server:
            opener = session_opener(server.uri, start_tls="try")
            assert opener(SessionParameters(())).run(ASK).entries
            with pytest.raises(ApiError, match="Unable to set STARTTLS: 2: Protocol error"):
                session_opener(server.uri, start_tls="must")(SessionParameters(()))

    def test_a_password_does_not_leave_the_machine_in_clear_text(self):
        opener = session_opener("ldap://192.0.2.1", bind_dn="cn=me", password="mine")
        with pytest.raises(ConfigError, match="clear text"):
            opener(SessionParameters(()))

    def test_one_directory_for_all_tables(self, ldif):
        directory = open_directory(ldif)
        opener = same_session(directory)
        opener(SessionParameters(("ldap://a",))).close()
        assert opener(SessionParameters(("ldap://b",))).run(ASK).entries


def libldap():
    name = ctypes.util.find_library("ldap-2.5") or ctypes.util.find_library("ldap")
    return ctypes.CDLL(name) if name else None


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("ldap://h", [("h", 389)]),
        ("ldap://h:0", [("h", 389)]),
        ("ldap://h:99999", [("h", 99999)]),
        ("ldap://h:-1", [("h", -1)]),
        ("ldap://h:", None),
        ("ldap://h:1x", None),
        ("ldap://[::1]x", [("::1", 389)]),
        ("ldap://[::1", None),
        ("ldap://::1:389", None),
        ("ldap://h%41", [("hA", 389)]),
        ("ldap://h%zz", [("", 389)]),
        ("ldap://h%00x", [("h", 389)]),
        ("ldap://h/dc=x?a?bad", None),
        ("ldap://h?x", [("h", 389)]),
        ("<URL:ldap://h>", [("h", 389)]),
        ("ldap://h:+5", [("h", 5)]),
        ("ldap://h: 5", None),
        ("ldap://a ldap://b,ldaps://c", [("a", 389), ("b", 389), ("c", 636)]),
        ("ldap://a http://b", None),
        ("pldap://h", [("h", 389)]),
        ("ldapi://%2Ftmp%2Fx", [("/tmp/x", 0)]),
        ("ldapi:///", [("", 0)]),
        ("h:389", None),
    ],
)
def test_server_lists_are_read_as_libldap_reads_them(text, hosts):
    """Each case was put to ldap_initialize(3) of OpenLDAP 2.5."""
    parsed = parse_uri_list(text)
    assert (None if parsed is None else [(uri.host, uri.port) for uri in parsed]) == hosts


pieces = st.lists(
    st.sampled_from(
        ["ldap://", "ldaps://", "ldapi://", "h", ":", "1", "389", "[::1]", "/", "dc=x", "?", "sub",
         "%2F", "%", "<", ">", "URL:", ",", " ", "@", "#", "-", "+", ";", "\\", '"', "é"]
    ),
    max_size=8,
).map("".join)  # fmt: skip


@pytest.mark.skipif(libldap() is None, reason="no libldap on this machine")
@given(pieces.filter(lambda text: text.strip(" ,")))
@example("ldap://h:1?x")
@example("ldap://[::1]ldap://")
@example("pldaps://h")
@example("ldap://h/??%73ub")
def test_generated_server_lists_are_judged_as_by_libldap(text):
    library = libldap()
    handle = ctypes.c_void_p()
    code = library.ldap_initialize(ctypes.byref(handle), text.encode())
    assert (parse_uri_list(text) is not None) == (code == 0)


def test_a_lookup_needs_neither_ldap3_nor_ssl():
    code = (
        "import sys; from mailldap.directory.session import open_session;"
        "from mailldap.directory.open import session_opener, open_directory;"
        "session_opener(); open_directory('ldap://h');"
        "print([m for m in ('ldap3', 'ssl', 'typer', 'rich', 'yaml', 'asyncio') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ast.literal_eval(done.stdout) == []


@pytest.mark.parametrize(
    "uri",
    [
        "ldap://user:secret@host",
        "ldaps://user:sec/secret@host/dc=x",
        "ldap://user:secret%40@host:389/dc=x??sub",
        "http://user:secret@host",
        "user:secret@host",
    ],
)
def test_a_password_in_a_uri_is_not_repeated(uri) -> None:
    with pytest.raises(ConfigError) as caught:
        ServerUri.parse(uri)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert "@host" in str(caught.value)


@pytest.mark.parametrize("digits", ["0", "65536", "9" * 5000])
def test_no_such_port(digits) -> None:
    with pytest.raises(ConfigError, match="not a host and port"):
        ServerUri.parse(f"ldap://host:{digits}")
    assert ServerUri.parse("ldap://host:000389").port == 389


def test_libldap_reads_ports_of_any_length() -> None:
    def port(digits: str) -> int:
        (uri,) = parse_uri_list(f"ldap://host:{digits}") or ()
        return uri.port

    assert [port(text) for text in ("0", "00", "+25", "-25", "0" * 5000 + "25")] == [
        389, 389, 25, -25, 25,
    ]  # fmt: skip
    assert port("9" * 5000) > 65535
