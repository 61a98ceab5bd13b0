"""Addresses: RFC 5321 and what the field writes beyond it; a reason and a way out for the rest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailldap.errors import AddressError
from mailldap.ldap.schema import default_schema
from mailldap.model.address import CatchAll, Mailbox, address_key, parse_address

LONG_DOMAIN = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 55])


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("john.smith@mail1.internal", "john.smith", "mail1.internal"),
        ("John.Smith@Example.COM", "John.Smith", "Example.COM"),
        ("a@x.local", "a", "x.local"),
        ("a@x.test", "a", "x.test"),
        ("root@localhost", "root", "localhost"),
        ("a@my_host.example.com", "a", "my_host.example.com"),
        ("a@_dmarc.example.com", "a", "_dmarc.example.com"),
        ("sample_user+ext@example.com", "sample_user+ext", "example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~", "example.com"),
        ("a@xn--mller-kva.example", "a", "xn--mller-kva.example"),
        ("a@1.2.3.4a", "a", "1.2.3.4a"),
        ("a@123.example", "a", "123.example"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
        ("a@[ipv6:::ffff:192.0.2.1]", "a", "[ipv6:::ffff:192.0.2.1]"),
        ('"a b"@example.com', "a b", "example.com"),
        ('"a@b"@example.com', "a@b", "example.com"),
        ('"a\\"b\\\\c"@example.com', 'a"b\\c', "example.com"),
        ('".a..b."@example.com', ".a..b.", "example.com"),
        ('""@example.com', "", "example.com"),
        ("x" * 64 + "@example.com", "x" * 64, "example.com"),
        ("a@" + LONG_DOMAIN, "a", LONG_DOMAIN),
    ],
)
def test_mailboxes(text: str, local: str, domain: str) -> None:
    mailbox = Mailbox.parse(text)
    assert (mailbox.local, mailbox.domain) == (local, domain)
    assert str(mailbox) == text
    assert parse_address(text) == mailbox
    assert not mailbox.needs_smtputf8


@pytest.mark.parametrize(
    ("text", "external"),
    [
        ('"john"@example.com', "john@example.com"),
        ('"a.b"@example.com', "a.b@example.com"),
        ('"\\a\\ b"@example.com', '"a b"@example.com'),
    ],
)
def test_quoting_that_means_nothing_is_left_out(text: str, external: str) -> None:
    assert str(parse_address(text)) == external


@pytest.mark.parametrize("text", ["@example.com", "*@example.com"])
def test_catch_alls(text: str) -> None:
    assert parse_address(text) == CatchAll("example.com")
    assert str(parse_address(text)) == "@example.com"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("John@Example.com", "john@example.COM", True),
        ('"a  B"@x.org', '"A b"@x.org', True),
        ('"ab"@x.org', "ab@x.org", True),
        ("@X.org", "*@x.org", True),
        ("a@x.org", "@x.org", False),
        ("a_b@x.org", "a.b@x.org", False),
        ('"a b"@x.org', "ab@x.org", False),
    ],
)
def test_comparison_is_the_directorys(one: str, other: str, same: bool) -> None:
    assert (parse_address(one).key == parse_address(other).key) is same


def test_keys_of_values_that_are_no_addresses() -> None:
    assert address_key("  Not  AN address ") == "not an address"
    assert address_key(b"\xffA") == address_key("\udcffa")
    assert address_key(str(Mailbox.parse("A@B.c"))) == Mailbox.parse("a@b.C").key


FAULTS = [
    ("", "is empty", None),
    ("john", "has no @domain", "john@example.com"),
    ("john@", "nothing after the @", None),
    ("a@b@c.org", "more than one @", "quoted"),
    ("@a@b", "more than one @", None),
    (" a@x.org", "spaces around", "leave them out"),
    ("a@x.org\n", "control character", None),
    ("a\x00@x.org", "control character", None),
    ("a\x1b[31m@x.org", "control character", None),
    ("a\u2028@x.org", "control character", None),
    ("\udcff@x.org", "not UTF-8", None),
    ("<a@x.org>", "more than an address", "brackets hold: a@x.org"),
    ("John Smith <a@x.org>", "more than an address", "brackets hold: a@x.org"),
    ("a b@x.org", "' ' cannot stand in a local part", '"a b"@'),
    ("a,b@x.org", "',' cannot stand in a local part", "one address at a time"),
    ("a@x.org,b@y.org", "more than one @", None),
    ('a"b@x.org', "'\"' cannot stand", "whole local part"),
    (".a@x.org", "starts with a dot", '".a"@'),
    ("a.@x.org", "ends with a dot", '"a."@'),
    ("a..b@x.org", "two dots in a row", '"a..b"@'),
    ('"a@x.org', "does not end", None),
    ('"a"b@x.org', "there must be an @", None),
    ('"a"', "there must be an @", None),
    ("a@x.org.", "ends with a dot", "write a@x.org"),
    ("a@.x.org", "empty label", None),
    ("a@x..org", "empty label", None),
    ("a@-x.org", "hyphen", None),
    ("a@x-.org", "hyphen", None),
    ("a@x y.org", "' ' cannot stand in a domain", None),
    ("a@x,org", "',' cannot stand in a domain", "one address"),
    ("a@x*", "'*' cannot stand in a domain", None),
    ("a@192.0.2.1", "is a number", "[192.0.2.1]"),
    ("a@[192.0.2.256]", "not an address literal", "[192.0.2.1]"),
    ("a@[192.0.2.1", "not an address literal", "[192.0.2.1]"),
    ("a@[IPv6:nope]", "not an address literal", "[IPv6:"),
    ("a@[IPv6:fe80::1%eth0]", "not an address literal", "[IPv6:"),
    ("a@[x400:y]", "not an address literal", None),
    ("a@[]", "not an address literal", None),
    ("x" * 65 + "@example.com", "65 octets; 64 are allowed", None),
    ("a@" + "b" * 64 + ".org", "longer than 63", None),
    ("a@" + LONG_DOMAIN + "x.e.f.g", "octets; 254 are allowed", None),
    ("@" + LONG_DOMAIN + ".x" * 9, "octets; 255 are allowed", None),
    ("a" * 10 + "@" + LONG_DOMAIN, "octets; 254 are allowed", None),
    ("*@", "nothing after the @", None),
    ("@", "nothing after the @", None),
]


@pytest.mark.parametrize(("text", "words", "hint"), FAULTS)
def test_faults_have_a_reason_and_a_way_out(text: str, words: str, hint: str | None) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert words in str(caught.value)
    assert hint is None or hint in (caught.value.hint or "")


def test_non_ascii_is_known_and_cannot_be_a_mail_value() -> None:
    assert Mailbox.parse("jörg@example.com").needs_smtputf8
    assert Mailbox.parse("a@müller.example").needs_smtputf8
    with pytest.raises(AddressError, match="IA5String") as caught:
        parse_address("a@müller.example")
    assert "xn--mller-kva.example" in (caught.value.hint or "")
    with pytest.raises(AddressError, match="IA5String") as caught:
        parse_address("jörg@example.com")
    assert "ASCII local part" in (caught.value.hint or "")
    with pytest.raises(AddressError, match="IA5String"):
        parse_address("@müller.example")


LOCALS = st.text(alphabet=[chr(c) for c in range(32, 127)], max_size=25)
DOMAINS = st.from_regex(
    r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?(\.[a-z][a-z0-9]{0,8}){0,3}", fullmatch=True
)


@given(LOCALS, DOMAINS.filter(lambda d: not d.replace(".", "").isdigit()))
def test_every_local_part_survives_its_external_form(local: str, domain: str) -> None:
    text = str(Mailbox(local, domain))
    assert Mailbox.parse(text) == Mailbox(local, domain)


@given(st.text(max_size=60) | st.text(alphabet='a.@"\\ []*<>,-_é\0', max_size=20))
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        parsed = parse_address(text)
    except AddressError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.isprintable()
        return
    assert str(parsed).isascii()
    assert str(parsed).isprintable()
    assert parse_address(str(parsed)) == parsed
    assert parsed.key == parse_address(parsed.key).key


@example(one="", other=" ")
@given(st.text(alphabet='aA b@."', max_size=12), st.text(alphabet='aA b@."', max_size=12))
def test_keys_are_equal_where_the_matching_rule_says_so(one: str, other: str) -> None:
    schema = default_schema()
    mail = schema.attribute("mail")
    assert mail is not None
    same = schema.key(mail, one.encode()) == schema.key(mail, other.encode())
    assert (address_key(one) == address_key(other)) is same
