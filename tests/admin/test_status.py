"""How servers are: alive, dead, hanging, behind; and what their configuration shows."""

import socket
from datetime import UTC, datetime

import pytest

from mailldap.admin.protection import Protection, Uniqueness, protection
from mailldap.admin.protocol import Server, product
from mailldap.admin.replication import ChangeStamp, change_stamps, lags
from mailldap.admin.schema import State, Variant, check_schema, install_schema
from mailldap.admin.status import HUNG_SERVER, server_status, status
from mailldap.admin.whoami import whoami
from mailldap.directory.memory import MemoryDirectory
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import LdapRefusal, NoSuchObject, SizeLimitExceeded
from mailldap.ldap.change import Mod, Modify, ModOp
from mailldap.ldap.definitions import Definition
from mailldap.ldap.entry import Entry
from tests.containers import dead_port, wait_until

BASE = "dc=example,dc=com"
RUV = "{replica 12 ldap://ds1.internal:3389} 65a0000a0000000c0000 65a0003c0001000c0000"


def stripped(definition: Definition) -> bytes:
    """The definition as 389 Directory Server lists it: without matching rules."""
    terms = tuple(term for term in definition.terms if term[0] not in {"EQUALITY", "SUBSTR"})
    return str(Definition(definition.is_class, definition.oid, terms, "")).encode()


class Fake389:
    """What 389 Directory Server 2.3.1 shows its Directory Manager, in pieces."""

    uri = "ldap://ds1.internal:3389"
    base = BASE

    def __init__(self, hidden: tuple[str, ...] = ()) -> None:
        self.hidden = hidden

    def root_dse(self) -> Entry:
        return Entry.of(
            "",
            {
                "vendorName": ["389 Project"],
                "vendorVersion": ["389-Directory/2.3.1 B2023.026.0000"],
                "namingContexts": [BASE, "o=ipaca"],
                "supportedExtension": ["1.3.6.1.4.1.4203.1.11.3"],
            },
        )

    def schema_entry(self) -> Entry:
        from mailldap.admin.schema.check import official

        types = [stripped(d) for d in official() if not d.is_class]
        types.append(b"( mgrpApprovePassword-oid NAME 'mgrpApprovePassword' SYNTAX 1.2.3 )")
        return Entry.of(
            "cn=schema",
            {
                "attributeTypes": types,
                "objectClasses": [stripped(d) for d in official() if d.is_class],
            },
        )

    def whoami(self) -> str:
        return "dn: cn=directory manager"

    def get(self, dn, attributes=()):
        if dn in self.hidden:
            return None
        return Entry.of(dn, {"objectClass": ["domain"]}) if dn == BASE else None

    def search(self, base, scope, filter, attributes=(), *, size_limit=0):
        if base in self.hidden or base == "cn=config":
            raise LdapRefusal(50, "not for you")
        if base == "cn=ldbm database,cn=plugins,cn=config":
            place = "cn=userroot,cn=ldbm database,cn=plugins,cn=config"
            yield Entry.of(place, {"cn": ["userroot"], "nsslapd-suffix": ["dc=Example, dc=com"]})
            for name, kinds in (("mail", ["pres", "eq", "sub"]), ("uid", ["sub"])):
                yield Entry.of(f"cn={name},cn=index,{place}", {"cn": [name], "nsIndexType": kinds})
            yield Entry.of(
                "cn=mailRoutingAddress,cn=index,cn=other,cn=ldbm database,cn=plugins,cn=config",
                {"cn": ["mailRoutingAddress"], "nsIndexType": ["eq"]},
            )
        elif base == "cn=plugins,cn=config":
            yield Entry.of(
                "cn=mail unique,cn=plugins,cn=config",
                {"uniqueness-attribute-name": ["mail", "mailAlternateAddress"]},
            )
        elif "nstombstone" in filter:
            yield Entry.of(
                BASE,
                {
                    "nsds50ruv": [
                        "{replicageneration} 65a000000000000c0000",
                        RUV,
                        "{replica 13 ldap://ds2.internal:3389}",
                    ]
                },
            )
        else:
            yield Entry(f"uid=a,{BASE}", ())
            raise SizeLimitExceeded(4)

    def close(self) -> None:
        """Nothing to close."""


def test_the_schema_built_into_389_needs_no_rules() -> None:
    report = check_schema(Fake389())
    assert (report.server, report.variant) == ("389 Directory Server", Variant.NETSCAPE)
    assert report.usable
    assert report.problems == ()
    assert {e.state for e in report.elements} == {State.NO_RULE, State.SAME}


def test_the_configuration_of_389() -> None:
    found = protection(Fake389(), BASE)
    unique = Uniqueness(
        "attribute uniqueness plugin",
        ("mail", "mailAlternateAddress"),
        across=True,
        serialized=True,
    )
    assert found == Protection(("mail",), (unique,))
    assert found.unindexed == ("objectClass", "uid", "mailAlternateAddress", "mailRoutingAddress")
    hidden = Fake389(("cn=ldbm database,cn=plugins,cn=config",))
    assert protection(hidden, BASE) is None


def test_the_status_of_389() -> None:
    server = Fake389()
    assert isinstance(server, Server)
    told = server_status(server)
    assert (told.product, told.version) == (
        "389 Directory Server",
        "389-Directory/2.3.1 B2023.026.0000",
    )
    assert told.identity == "cn=directory manager"
    assert (told.base_found, told.recipients, told.recipients_complete) == (True, 1, False)
    assert not told.transactions
    assert told.changes == (
        ChangeStamp("12", datetime(2024, 1, 11, 14, 50, 36, tzinfo=UTC), "65a0003c0001000c0000"),
    )
    assert any("size limit ends searches after 1" in problem for problem in told.problems)
    hidden = server_status(Fake389((BASE,)))
    assert hidden.base_found is False
    assert "not shown to cn=directory manager" in hidden.problems[0]


def stamp(origin: str, second: float, count: int = 0) -> ChangeStamp:
    time = datetime.fromtimestamp(1_700_000_000 + second, tz=UTC)
    return ChangeStamp(origin, time, f"{time:%Y%m%d%H%M%S.%f}Z#{count:06x}#{origin}#000000")


def test_lag_is_the_distance_to_the_newest_change_of_each_origin() -> None:
    assert lags(
        {
            "a": [stamp("001", 10), stamp("002", 30)],
            "b": [stamp("001", 12.5), stamp("002", 30)],
            "c": [stamp("001", 12.5)],
            "d": [],
        }
    ) == {"a": 2.5, "b": 0.0, "c": None, "d": None}
    assert lags({"a": []}) == {"a": None}


def test_stamps_that_cannot_be_read_are_left_out() -> None:
    class Odd(Fake389):
        def get(self, dn, attributes=()):
            return Entry.of(
                dn,
                {
                    "contextCSN": [
                        "nonsense",
                        "20240111144636.5Z",
                        "20240111144636.500000Z#000000#00A#000000",
                    ]
                },
            )

    assert [(s.origin, s.time.microsecond) for s in change_stamps(Odd(), BASE)] == [("00A", 500000)]


def test_products_by_root_dse() -> None:
    assert product(Entry.of("", {"objectClass": ["top", "OpenLDAProotDSE"]})) == "OpenLDAP"
    assert product(Entry.of("", {"vendorName": ["Example Inc."]})) == "Example Inc."
    assert product(Entry("", ())) == "unknown"


def options(slapd, *more: str, admin: bool = False, **rest) -> ServerOptions:
    if admin:
        rest |= {"bind_dn": slapd.admin_dn, "password": slapd.admin_password}
    return ServerOptions((*more, slapd.uri), slapd.base, connect_timeout=5, timeout=5, **rest)


def refusing() -> str:
    return f"ldap://127.0.0.1:{dead_port()}"


def test_each_server_is_asked_for_itself(slapd) -> None:
    slapd.reset(None)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        hung = f"ldap://127.0.0.1:{hanging.getsockname()[1]}"
        with LdapServer(options(slapd, refusing(), hung)) as directory:
            told = status(directory)
    gone, hangs, alive = told.servers
    assert gone.error
    assert hangs.error
    assert alive.error is None
    assert alive.uri == slapd.uri
    assert (alive.product, alive.identity) == ("OpenLDAP", None)
    assert alive.suffixes == (slapd.base,)
    assert (alive.base_found, alive.recipients) == (True, 0)
    assert alive.transactions
    assert alive.schema is not None
    assert alive.schema.variant is Variant.COMPLETE
    assert alive.protection is None, "anonymous is not shown cn=config"
    assert alive.problems == ()
    assert told.reachable
    assert told.notes == (HUNG_SERVER,)
    with LdapServer(ServerOptions((refusing(),), slapd.base)) as directory:
        told = status(directory)
    assert not told.reachable
    assert told.notes == ()


def test_a_base_that_is_not_there_is_told(slapd) -> None:
    slapd.reset(None)
    with LdapServer(ServerOptions((slapd.uri,), "ou=Nowhere,dc=example,dc=com")) as directory:
        (told,) = status(directory).servers
    assert told.base_found is False
    assert told.recipients is None
    assert "not shown to anonymous" in told.problems[0]


def test_configuration_that_is_shown(slapd_unique) -> None:
    from tests.admin.test_schema_install import open_to_admin

    with open_to_admin(slapd_unique) as server:
        found = protection(server, slapd_unique.base)
        assert protection(server, "dc=other") is None
    assert found is not None
    assert found.unindexed == ()
    assert found.unique == (
        Uniqueness("slapo-unique", ("mail", "mailAlternateAddress"), across=False, serialized=True),
    )


def test_a_replica_and_how_far_it_is(slapd_factory) -> None:
    provider = slapd_factory(role="provider")
    replica = slapd_factory(role="replica", provider=provider.uri)
    both = options(replica, provider.uri, admin=True, allow_cleartext_password=True)
    with LdapServer(both) as directory:
        wait_until(lambda: lagging(directory) == [0.0, 0.0], "the replica has everything")
        replica.stop()
        change(directory, b"first")
        change(directory, b"second")
        told = status(directory)
        assert told.servers[1].error
        assert told.servers[0].lag is None, "nobody to compare with"
        provider.pause()
        replica.start()
        # The provider cannot be asked now, so what it had is compared as it was before.
        replica.wait()
        behind = status(directory).servers[1].changes
        newest = told.servers[0].changes
        assert (lags({"p": newest, "r": behind})["r"] or 0) > 0
        provider.unpause()
        wait_until(lambda: lagging(directory) == [0.0, 0.0], "the replica has caught up")
        assert status(directory).servers[1].recipients == told.servers[0].recipients
    replica.remove()
    provider.remove()


def lagging(directory: LdapServer) -> list[float | None]:
    return [server.lag for server in status(directory).servers]


def change(directory: LdapServer, value: bytes) -> None:
    dn = f"uid=john.smith,ou=People,{BASE}"
    directory.apply(Modify(dn, (Mod(ModOp.REPLACE, "description", (value,)),)))


def test_who_we_are(slapd) -> None:
    with LdapServer(options(slapd)) as server:
        assert (whoami(server).authzid, whoami(server).text) == ("", "anonymous")
    with LdapServer(options(slapd, admin=True)) as server:
        assert whoami(server).authzid == f"dn:{slapd.admin_dn}"
        assert whoami(server).text == slapd.admin_dn


def test_a_server_without_a_subschema_is_no_reason_to_stop() -> None:
    class Silent(Fake389):
        def schema_entry(self):
            raise NoSuchObject(32)

    told = server_status(Silent())
    assert told.schema is None
    assert "the server shows no schema" in told.problems
    with pytest.raises(NoSuchObject):
        check_schema(Silent())


def test_a_real_389(ds389) -> None:
    ds389.reset(None)
    with LdapServer(options(ds389, admin=True)) as directory:
        (told,) = status(directory).servers
    assert told.product == "389 Directory Server"
    assert told.version
    assert told.version.startswith("389-Directory/")
    assert told.identity == ds389.admin_dn.lower()
    assert (told.base_found, told.recipients) == (True, 0)
    assert told.schema is not None
    assert told.schema.variant is Variant.NETSCAPE
    assert told.protection is not None
    assert {"mail", "mailRoutingAddress"} <= set(told.protection.indexed)
    assert told.protection.unindexed == ()


def test_without_a_base_the_only_suffix_is_looked_at(slapd) -> None:
    slapd.reset(None)
    with LdapServer(ServerOptions((slapd.uri,))) as directory:
        (told,) = status(directory).servers
    assert (told.base, told.base_found, told.recipients) == (slapd.base, True, 0)


def test_the_embedded_directory() -> None:
    entries = [Entry.of(BASE, {"objectClass": ["domain"], "dc": ["example"]})]
    directory = MemoryDirectory(entries, base=BASE)
    (told,) = status(directory).servers
    assert told.problems == ()
    assert (told.product, told.base_found, told.recipients) == ("embedded directory", True, 0)
    assert told.schema is not None
    assert told.schema.variant is Variant.COMPLETE
    assert not install_schema(directory).needed
    assert whoami(directory).authzid is None
    assert "file" in whoami(directory).text
