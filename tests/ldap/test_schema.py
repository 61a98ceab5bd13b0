"""The schema: what it knows, what it can be taught, and what it says of entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.errors import DNError, SchemaError
from mailldap.ldap.entry import Entry
from mailldap.ldap.schema import default_schema, load_schema_file
from mailldap.ldap.schema_check import check_entry, with_naming_values
from mailldap.ldap.syntax import VALIDATORS, parse_time

SCHEMA = default_schema()


def test_inheritance():
    cn = SCHEMA.attribute("commonName")
    assert cn.name == "cn"
    assert cn.equality.name == "caseIgnoreMatch"
    assert cn is SCHEMA.attribute("2.5.4.3")
    person = SCHEMA.object_class("INETORGPERSON")
    assert SCHEMA.object_class("person").oid in person.superiors
    assert {SCHEMA.attribute(n).oid for n in ("sn", "cn", "objectClass")} == set(person.must)
    assert SCHEMA.attribute("mail").oid in SCHEMA.object_class("mailRecipient").may


def test_descriptions():
    assert SCHEMA.describe("CN;Lang-EN").name == "cn;lang-en"
    assert SCHEMA.describe("2.5.4.3").name == "cn"
    assert SCHEMA.describe("userCertificate;BINARY").name == "userCertificate;binary"
    for text in ("foo", "", "cn;", "cn;x-y", "mail;binary", "entryDN;lang-en", "cn;lang-en;"):
        assert SCHEMA.describe(text) is None
    name, cn = SCHEMA.describe("name"), SCHEMA.describe("cn;lang-en")
    assert name.covers(cn)
    assert not cn.covers(SCHEMA.describe("cn"))
    assert SCHEMA.describe("cn;lang-").covers(cn)


def test_dns_by_the_schema():
    assert SCHEMA.dn_forms("CommonName=A  B , DC=X") == ("cn=A  B,dc=X", "cn=a b,dc=x")
    assert SCHEMA.dn_forms("uid=b+cn=A,dc=x")[0] == "cn=A+uid=b,dc=x"
    assert SCHEMA.dn_forms("cn=a\\,b,dc=x")[0] == "cn=a\\2Cb,dc=x"
    assert SCHEMA.dn_forms("labeledURI=A,dc=x")[1] == "labeledURI=A,dc=x"
    for bad in ("foo=x", "cn=", "dc=é", "cn=#0401", "cn=a+commonName=b", "mail=\\20", "cn=x,"):
        with pytest.raises(DNError):
            SCHEMA.dn_forms(bad)
    assert SCHEMA.dn_forms("foo=X,dc=x", strict=False) == ("foo=X,dc=x", "foo=x,dc=x")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_the_quick_way_with_dns_is_the_right_one(value):
    from mailldap.ldap.dn import DN

    dn = DN(()).child("dc", "x").child("cn", value)
    assert SCHEMA.dn_forms(str(dn))[1] == SCHEMA.normalize_dn(dn)


def test_new_definitions():
    wider = SCHEMA.with_definitions(
        "objectidentifier site 1.3.6.1.4.1.99999\n"
        "attributetype ( site:1 NAME ( 'siteCode' 'sc' )\n"
        "# a comment\n"
        "  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{8} SINGLE-VALUE )\n"
        "objectclass ( site:2 NAME 'siteObject' SUP top AUXILIARY MUST siteCode )\n"
    )
    assert wider.attribute("SC").oid == "1.3.6.1.4.1.99999.1"
    assert wider.object_class("siteObject").must[0] == "1.3.6.1.4.1.99999.1"
    assert SCHEMA.attribute("sc") is None
    again = wider.with_definitions(
        "( 1.3.6.1.4.1.99999.1 NAME 'siteCode' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
    )
    assert not again.attribute("siteCode").single_value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attributetype ( 1.2 NAME 'x' SYNTAX 9.9 )", "syntax 9.9 is not known"),
        ("attributetype ( 1.2 NAME 'x' SUP nope )", "no attribute type nope"),
        (
            "attributetype ( 1.2 NAME 'x' EQUALITY nope SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
            "nope",
        ),
        ("attributetype ( 1.2 NAME 'cn' SUP name )", "already that of 2.5.4.3"),
        ("attributetype ( 1.2 NAME 'x' SUP x )", "its own superior"),
        ("objectclass ( 1.2 NAME 'x' MUST nope )", "no attribute type nope"),
        ("objectclass ( 1.2 NAME 'x' SUP x )", "its own superclass"),
        ("attributetype 1.2 NAME 'x'", "parentheses"),
        ("attributetype ( 1.2 NAME 'x )", "quote without end"),
        ("attributetype ( x:1 NAME 'x' )", "objectidentifier"),
        ("attributetype ( 1.2 WHAT 'x' )", "means nothing"),
        ("attributetype ( 1.2 NAME )", "without a value"),
        ("attributetype ( 1.2 NAME ( 'x' )", "no end of the list"),
        ("nonsense ( 1.2 )", "does not begin"),
    ],
)
def test_bad_definitions_are_named_with_their_line(text, words):
    with pytest.raises(SchemaError) as caught:
        SCHEMA.with_definitions("# first line\n" + text, "site.schema")
    assert "site.schema:2" in str(caught.value)
    assert words in str(caught.value)


def test_definitions_survive_being_written():
    for found in (*SCHEMA.attribute_types, *SCHEMA.object_classes):
        word = "objectclass" if found.definition.is_class else "attributetype"
        again = SCHEMA.with_definitions(f"{word} {found.definition}")
        assert str(again.attribute(found.oid) or again.object_class(found.oid))


def test_schema_files(tmp_path):
    ldif = tmp_path / "site.ldif"
    ldif.write_text(
        "dn: cn=site,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: site\n"
        "olcObjectIdentifier: {0}site 1.3.6.1.4.1.99999\n"
        "olcAttributeTypes: {0}( site:1 NAME 'siteCode' SUP name )\n"
        "olcObjectClasses: {0}( site:2 NAME 'siteObject' SUP top AUXILIARY MAY siteCode )\n"
    )
    wider = SCHEMA.with_more(load_schema_file(ldif))
    assert wider.object_class("siteObject")
    netscape = tmp_path / "99user.ldif"
    netscape.write_text(
        "dn: cn=schema\nattributeTypes: ( 1.3.6.1.4.1.99999.1 NAME 'siteCode' SUP name\n"
        "  X-ORIGIN ( 'site' 'user defined' ) )\n"
    )
    assert SCHEMA.with_more(load_schema_file(netscape)).attribute("siteCode")
    with pytest.raises(OSError, match="nowhere"):
        load_schema_file(tmp_path / "nowhere")


GOOD = Entry.of(
    "uid=john,ou=People,dc=example,dc=com",
    {"objectClass": ["account", "mailRecipient"], "uid": ["john"], "mail": ["john@example.com"]},
)


def changed(**changes: list[str] | None) -> Entry:
    attributes = {name: list(values) for name, values in GOOD.attributes}
    for name, values in changes.items():
        attributes.pop(name, None)
        if values is not None:
            attributes[name] = [value.encode() for value in values]
    return Entry.of(GOOD.dn, attributes)


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        (changed(objectClass=None), 65, "no objectClass attribute"),
        (changed(objectClass=["mailRecipient"]), 65, "no structural object class provided"),
        (changed(objectClass=["account", "inetOrgPerson"]), 65, "invalid structural object class"),
        (changed(objectClass=["account", "nope"]), 21, "objectClass: value #1 invalid per syntax"),
        (changed(objectClass=["account"], mail=["a@b"]), 65, "attribute 'mail' not allowed"),
        (changed(objectClass=["device"], uid=None, mail=None), 65, "requires attribute 'cn'"),
        (changed(mail=["é@b"]), 21, "mail: value #0 invalid per syntax"),
        (changed(mail=["a@b", "c@d", "A@B "]), 20, "mail: value #2 provided more than once"),
        (changed(dc=["a", "b"]), 19, "dc: multiple values provided"),
        (changed(foo=["x"]), 17, "foo: attribute type undefined"),
        (changed(ref=["x"]), 65, 'attribute "ref" only allowed in the referral'),
        (changed(userCertificate=["x"]), 17, "userCertificate: requires ;binary transfer"),
    ],
)
def test_faults_of_an_entry(entry, code, words):
    first = check_entry(entry, SCHEMA)[0]
    assert first[0] == code
    assert words in first[1]


def test_a_good_entry_and_one_without_the_value_of_its_rdn():
    assert check_entry(GOOD, SCHEMA) == []
    without = changed(uid=None)
    assert check_entry(without, SCHEMA) == []
    assert with_naming_values(without, SCHEMA).values("uid") == (b"john",)


@given(st.binary(max_size=20))
def test_every_syntax_judges_every_value(value):
    for validate in VALIDATORS.values():
        assert validate(value) in {True, False}


def test_times():
    assert bytes(parse_time(b"202401010000+0100")) == b"20231231230000Z"
    assert bytes(parse_time(b"20240229235959.500-0001")) == b"20240301000059.5Z"
    for bad in (b"20230229000000Z", b"2024010100", b"20240101250000Z", b"x", b"20241301000000Z"):
        assert parse_time(bad) is None
