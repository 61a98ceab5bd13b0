"""The schema of running servers: recognised by OID, installed and mended through cn=config."""

import pytest

from mailldap.admin.schema import (
    Edition,
    State,
    Variant,
    check_schema,
    install_schema,
    plan_install,
    schema_entry,
)
from mailldap.directory.base import Scope
from mailldap.directory.server import LdapServer
from mailldap.directory.server_options import ServerOptions
from mailldap.errors import LdapRefusal, Negative
from mailldap.ldap.change import Add, Mod, Modify, ModOp
from mailldap.ldap.entry import Entry
from mailldap.ldap.ldif import format_entry
from mailldap.model.recipient import new_entry

BARE = "core cosine inetorgperson"


def open_to_admin(slapd) -> LdapServer:
    """A connection that may change cn=config, as root has over ldapi."""
    rule = (
        "dn: olcDatabase={0}config,cn=config\nchangetype: modify\nadd: olcAccess\n"
        f"olcAccess: {{0}}to * by dn.exact={slapd.admin_dn} manage by * break\n"
    )
    done = slapd.exec(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///"], rule.encode())
    assert done.returncode == 0, done.stderr
    return LdapServer(
        ServerOptions(
            (slapd.uri,), slapd.base, bind_dn=slapd.admin_dn, password=slapd.admin_password
        )
    )


@pytest.fixture
def bare(slapd_factory):
    """A slapd without mailRecipient, and a connection that may change its configuration."""
    made = slapd_factory(schemas=BARE, data="base")
    with open_to_admin(made) as server:
        yield made, server
    made.remove()


def names(report) -> dict[str, State]:
    return {element.name: element.state for element in report.elements}


def works(server: LdapServer, base: str) -> None:
    """Recipients can be written, found and changed value by value."""
    entry = new_entry(
        "js", f"ou=People,{base}", addresses=["js@example.com"], routing=["js@mail1.internal"]
    )
    server.apply(Add(entry))
    found = list(server.search(base, Scope.SUB, "(mailRoutingAddress=JS@mail1.internal)"))
    assert [e.dn for e in found] == [entry.dn]
    server.apply(
        Modify(entry.dn, (Mod(ModOp.DELETE, "mailRoutingAddress", (b"JS@MAIL1.internal",)),))
    )


def test_an_empty_server_gets_the_whole_schema(bare) -> None:
    slapd, server = bare
    report = check_schema(server)
    assert (report.server, report.variant, report.usable) == ("OpenLDAP", Variant.ABSENT, False)
    assert set(names(report).values()) == {State.MISSING}
    assert "schema install" in (report.hint or "")
    plan = plan_install(server)
    assert plan.changes == (Add(schema_entry(Edition.FULL)),)
    assert check_schema(server).variant is Variant.ABSENT, "a plan changes nothing"
    assert install_schema(server).needed
    report = check_schema(server)
    assert (report.variant, report.problems) == (Variant.COMPLETE, ())
    assert set(names(report).values()) == {State.SAME}
    assert not install_schema(server).needed, "there already is fine"
    works(server, slapd.base)


def test_a_copy_without_rules_gets_them_in_place(bare) -> None:
    slapd, server = bare
    literal = Entry(
        "cn=netscape,cn=schema,cn=config",
        tuple(
            (name, (b"netscape",) if name == "cn" else tuple(map(without_rules, values)))
            for name, values in schema_entry()
        ),
    )
    done = slapd.exec(
        ["ldapadd", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///"], format_entry(literal).encode()
    )
    assert done.returncode == 0, done.stderr
    report = check_schema(server)
    assert (report.variant, report.usable) == (Variant.NO_RULES, False)
    assert "mailRoutingAddress" in report.problems[0]
    used = new_entry("old", f"ou=People,{slapd.base}", routing=["old@mail1.internal"])
    server.apply(Add(used))
    assert (
        list(server.search(slapd.base, Scope.SUB, "(mailRoutingAddress=old@mail1.internal)")) == []
    )
    assert install_schema(server).needed
    assert check_schema(server).variant is Variant.COMPLETE
    found = list(server.search(slapd.base, Scope.SUB, "(mailRoutingAddress=OLD@mail1.internal)"))
    assert [entry.dn for entry in found] == [used.dn]
    assert not install_schema(server).needed
    works(server, slapd.base)


def without_rules(value: bytes) -> bytes:
    words = value.split(b" ")
    kept = []
    skip = False
    for word in words:
        if word in (b"EQUALITY", b"SUBSTR"):
            skip = True
        elif skip:
            skip = False
        else:
            kept.append(word)
    return b" ".join(kept)


def test_beside_misc_the_edition_that_fits(slapd_factory) -> None:
    made = slapd_factory(schemas=f"{BARE} misc", data="base")
    with open_to_admin(made) as server:
        report = check_schema(server)
        assert report.variant is Variant.ABSENT
        assert names(report)["mailAlternateAddress"] is State.OTHER_NAME
        assert names(report)["mailRoutingAddress"] is State.OTHER_OID
        assert "mailrecipient-misc" in (report.hint or "")
        with pytest.raises(Negative, match=r"2\.16\.840\.1\.113730\.3\.1\.47"):
            plan_install(server, Edition.FULL)
        assert install_schema(server).changes == (Add(schema_entry(Edition.MISC)),)
        report = check_schema(server)
        assert (report.variant, report.usable) == (Variant.MISC, True)
        assert report.problems == ()
        assert "one value" in report.notes[0]
        works(server, made.base)
    made.remove()


FOREIGN = """dn: cn=foreign,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: foreign
olcObjectClasses: ( 1.3.6.1.4.1.4203.666.3.99 NAME 'mailRecipient' AUXILIARY MAY mail )

"""


def test_another_class_of_that_name_is_told_apart(bare) -> None:
    slapd, server = bare
    done = slapd.exec(["ldapadd", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///"], FOREIGN.encode())
    assert done.returncode == 0, done.stderr
    report = check_schema(server)
    assert (report.variant, report.usable) == (Variant.FOREIGN, False)
    assert "1.3.6.1.4.1.4203.666.3.99" in report.problems[0]
    with pytest.raises(Negative, match=r"1\.3\.6\.1\.4\.1\.4203\.666\.3\.99") as caught:
        install_schema(server)
    assert "another server" in (caught.value.hint or "")


def test_who_may_not_change_the_configuration_is_told_the_way(slapd_factory) -> None:
    made = slapd_factory(schemas=BARE, data="base")
    options = ServerOptions(
        (made.uri,), made.base, bind_dn=made.admin_dn, password=made.admin_password
    )
    with LdapServer(options) as server, pytest.raises(LdapRefusal) as caught:
        install_schema(server)
    assert "ldapi:///" in (caught.value.hint or "")
    assert made.admin_dn in str(caught.value)
    made.remove()


def test_389_has_it_built_in(ds389) -> None:
    options = ServerOptions(
        (ds389.uri,), ds389.base, bind_dn=ds389.admin_dn, password=ds389.admin_password
    )
    with LdapServer(options) as server:
        report = check_schema(server)
        assert (report.server, report.variant) == ("389 Directory Server", Variant.NETSCAPE)
        assert report.problems == ()
        assert not install_schema(server).needed
        ds389.reset(None)
        works(server, ds389.base)
