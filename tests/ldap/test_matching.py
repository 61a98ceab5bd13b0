"""Filters over entries: three-valued logic, matching rules, subtypes and options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import Equality, Substrings, parse_filter
from mailldap.ldap.matching import attributes_of, compile_filter, evaluate, normalize, understood
from mailldap.ldap.schema import default_schema

SCHEMA = default_schema()
JOHN = Entry.of(
    "uid=john+cn=JS,ou=People,dc=example,dc=com",
    {
        "objectClass": ["inetOrgPerson", "mailRecipient"],
        "uid": ["john"],
        "cn": ["John  Smith", "Jürgen"],
        "cn;lang-en": ["Johnny"],
        "sn": ["Smith"],
        "mail": ["John.Smith@Example.COM", "js@example.com"],
        "telephoneNumber": ["+1 555-1234"],
        "uidNumber": ["12"],
        "postalAddress": ["1 Main St$Town"],
        "seeAlso": ["cn=Jane,ou=People,dc=example,dc=com"],
        "jpegPhoto": [b"\xff\xd8"],
        "foo": ["unknown to the schema"],
    },
)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("(mail=js@example.com)", True),
        ("(mail=JOHN.SMITH@example.com)", True),
        ("(mail= js@example.com )", True),
        ("(rfc822Mailbox=js@example.com)", True),
        ("(0.9.2342.19200300.100.1.3=js@example.com)", True),
        ("(mail=jane@example.com)", False),
        ("(!(mail=jane@example.com))", True),
        ("(mail=\\c3\\a9@example.com)", None),
        ("(!(mail=\\c3\\a9@example.com))", None),
        ("(cn=john smith)", True),
        ("(cn=JOHN    SMITH)", True),
        ("(cn=JÜRGEN)", True),
        ("(cn=johnny)", True),
        ("(cn;lang-en=johnny)", True),
        ("(cn;lang-en=john smith)", False),
        ("(cn;lang-=johnny)", True),
        ("(cn;x-other=johnny)", None),
        ("(name=smith)", True),
        ("(cn=)", None),
        ("(cn=*)", True),
        ("(description=*)", False),
        ("(foo=*)", None),
        ("(foo=unknown to the schema)", None),
        ("(|(foo=x)(uid=john))", True),
        ("(|(foo=x)(uid=jane))", None),
        ("(&(foo=x)(uid=jane))", False),
        ("(&(foo=x)(uid=john))", None),
        ("(&)", True),
        ("(|)", False),
        ("(cn=j*n s*h)", True),
        ("(cn=*smith)", True),
        ("(cn=smith*)", False),
        ("(mail=*@EXAMPLE.com)", True),
        ("(seeAlso=cn=j*)", None),
        ("(jpegPhoto=x)", None),
        ("(jpegPhoto=*)", True),
        ("(telephoneNumber=+15551234)", True),
        ("(telephoneNumber=*1234)", True),
        ("(uidNumber=12)", True),
        ("(uidNumber=012)", None),
        ("(uidNumber>=9)", True),
        ("(uidNumber<=9)", False),
        ("(cn>=a)", None),
        ("(postalAddress=1 MAIN ST$town)", True),
        ("(seeAlso=CN=jane, OU=people, DC=example, DC=com)", True),
        ("(seeAlso=nonsense)", None),
        ("(objectClass=person)", True),
        ("(objectClass=2.5.6.6)", True),
        ("(objectClass=device)", False),
        ("(objectClass=noSuchClass)", None),
        ("(sn~=smyth)", True),
        ("(sn~=jones)", False),
        ("(cn:caseExactMatch:=John Smith)", True),
        ("(cn:caseExactMatch:=john smith)", False),
        ("(:caseExactMatch:=Smith)", True),
        ("(mail:caseExactIA5Match:=js@example.com)", True),
        ("(mail:integerMatch:=1)", None),
        ("(cn:noSuchRule:=x)", None),
        ("(ou:dn:=people)", True),
        ("(ou:=people)", False),
        ("(cn:dn:=js)", True),
        ("(uidNumber:1.2.840.113556.1.4.803:=4)", True),
        ("(uidNumber:1.2.840.113556.1.4.803:=2)", False),
        ("(entryDN=CN=js+UID=john, ou=people,dc=example,dc=com)", True),
        ("(entryDN:dnSubtreeMatch:=ou=people,dc=example,dc=com)", True),
        ("(entryDN:dnSubtreeMatch:=ou=groups,dc=example,dc=com)", False),
        ("(entryDN=*)", True),
        ("(entryDN>=x)", None),
    ],
)
def test_verdicts(text, verdict):
    assert evaluate(parse_filter(text), JOHN, SCHEMA) is verdict


@given(st.binary(max_size=12), st.sampled_from(["cn", "mail", "uidNumber", "seeAlso", "foo"]))
def test_any_value_can_be_asserted(value, attribute):
    assert evaluate(Equality(attribute, value), JOHN, SCHEMA) in {True, False, None}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_a_value_is_found_by_itself(value):
    entry = Entry.of("cn=x", {"cn": [value]})
    raw = value.encode()
    assert evaluate(Equality("cn", raw), entry, SCHEMA)
    assert normalize(SCHEMA, "cn", raw) == normalize(SCHEMA, "commonName", b" " + raw + b"  ")


@given(st.text("abAB -", min_size=1, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_a_value_is_found_by_its_pieces(value, one, other):
    start, end = sorted((one, other))
    entry = Entry.of("cn=x", {"cn": [f"<{value}>"]})
    initial, middle, final = (
        piece.encode() for piece in (value[:start], value[start:end], value[end:])
    )
    pieces = Substrings("cn", b"<" + initial, (middle,) if middle else (), final + b">")
    touching = b"  " in initial + middle + final
    assert touching or evaluate(pieces, entry, SCHEMA)


def test_keys():
    assert normalize(SCHEMA, "mail", b" A@B ") == b"a@b"
    assert normalize(SCHEMA, "mail", "é@b".encode()) is None
    assert normalize(SCHEMA, "jpegPhoto", b"x") is None
    assert normalize(SCHEMA, "noSuchAttribute", b"x") is None


def test_what_can_be_judged_here():
    for text in ("(mail=x)", "(&(cn=x)(!(uid=*)))", "(cn:caseExactMatch:=x)"):
        assert understood(parse_filter(text), SCHEMA)
    for text in ("(foo=x)", "(|(cn=x)(foo=*))", "(cn:noSuchRule:=x)", "(:caseExactMatch:=x)"):
        assert not understood(parse_filter(text), SCHEMA)
    assert not understood(parse_filter("(userCertificate;binary=x)"), SCHEMA)


def test_named_attributes():
    found = attributes_of(parse_filter("(&(a=b)(|(!(c=*))(d:dn:=e))(:rule:=f))"))
    assert list(found) == ["a", "c", "d"]


def test_one_predicate_serves_many_entries():
    predicate = compile_filter(parse_filter("(mail=js@example.com)"), SCHEMA)
    others = [Entry.of(f"uid={n}", {"MAIL": [f"{n}@example.com"]}) for n in range(3)]
    assert [predicate(entry) for entry in (*others, JOHN)] == [False, False, False, True]
