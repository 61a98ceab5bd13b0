"""Distinguished names: RFC 4514, what libldap allows beside it, and libldap itself."""

import os
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.errors import DNError
from mailldap.ldap.dn import AVA, DN, RDN, escape_dn_value, parse_rdn

SEED = int(os.environ.get("DIFFERENTIAL_SEED") or 3001)
VALUES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
) | st.text(' ,+"\\<>;=#\t\nab', min_size=1, max_size=8)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,5}", fullmatch=True) | st.just("1.2.840.3")
PIECES = [
    *',;+=\\"#<> \t\n*', "a", "cn", "ou", "dc=com", "1.2.3", "\\2c", "\\,", "\\ ", "\\#", "\\zz",
    '"', '\\"', "é", "\\C3\\A9", "\\c3", ";lang-en", "#04", "#040", "cn=", "cn=x", "=y", "-", "0",
]  # fmt: skip
TEXTS = [
    "", " ", "  ", ",", "cn", "cn=", "cn=x", " cn=x", "  cn = x ", "cn=x,", ",cn=x", "cn=x,,dc=y",
    "cn=x;dc=y", "cn=x , dc=y", "cn=a+sn=b", "cn=a + sn=b,dc=c", 'cn="a,b"', 'cn="a\\"b"', 'cn="a',
    'cn="a"b', 'cn="a" ,dc=c', "cn=a\\,b", "cn=a\\2Cb", "cn=a\\", "cn=a\\z", "cn= a ", "cn=\\ a\\ ",
    "cn=#0403616263", "cn=#04zz", "cn=#", "cn=# ", "cn=\\#a", "cn=a#b", "cn=a=b", "cn=a<b", 'cn=a"b',
    "cn;lang-en=x", "cn;=x", "1.2=x", "1.=x", "1..2=x", "OID.1.2=x", "c n=x", "cn=a  b", "cn=\\00",
    "cn=a\\\\ ", "cn= \\ ", "cn=\\20", "cn=a\tb", "cn=a\nb", "_=x", "-a=x", "a_b=x", "cn=+sn=x",
]  # fmt: skip


def spelled(text: str) -> str:
    try:
        dn = str(DN.parse(text))
    except DNError:
        return "bad"
    try:
        return dn.encode().hex()
    except UnicodeEncodeError:
        return "not UTF-8"


@st.composite
def dns(draw):
    return DN(
        tuple(
            RDN(
                tuple(
                    AVA(draw(NAMES), draw(VALUES).encode()) for _ in range(draw(st.integers(1, 2)))
                )
            )
            for _ in range(draw(st.integers(0, 4)))
        )
    )


@given(dns())
def test_what_is_written_is_read_back(dn):
    assert DN.parse(str(dn)) == dn


@given(VALUES)
def test_an_escaped_value_stays_one_value(value):
    dn = DN.parse(f"cn={escape_dn_value(value)},dc=example,dc=com")
    assert dn.rdns[0].avas[0].text == value
    assert len(dn) == 3


@given(st.text(max_size=20))
def test_any_text_is_a_dn_or_refused(text):
    try:
        dn = DN.parse(text)
    except DNError:
        return
    assert DN.parse(str(dn)).normalized == dn.normalized


@given(dns(), dns())
def test_a_dn_lies_below_its_superiors_alone(upper, lower):
    whole = DN(lower.rdns + upper.rdns)
    assert whole.is_below(upper)
    assert whole.is_below(upper, or_equal=False) == bool(lower.rdns)
    assert not DN(whole.rdns).is_below(whole.child("cn", "x"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=John Smith,DC=Example,DC=Com", "cn=john smith,dc=example,dc=com"),
        ("cn=john  smith , dc=example ; dc=com", "cn=John Smith,dc=example,dc=com"),
        ("commonName=x,0.9.2342.19200300.100.1.25=com", "cn=X,dc=COM"),
        ("cn=a+uid=b,dc=c", "UID=B + CN=A,dc=c"),
        ('cn="a,b",dc=c', "cn=a\\2Cb,dc=c"),
        ("cn=\\C3\\A9,dc=c", "cn=É,dc=c"),
        ("cn=\\ x\\ ,dc=c", "cn=x,dc=c"),
    ],
)
def test_different_spellings_of_one_name(one, other):
    assert one != other
    assert DN.parse(one).normalized == DN.parse(other).normalized


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=ab,dc=c", "cn=a,dc=c"),
        ("cn=a,cn=b", "cn=a\\2Ccn\\3Db"),
        ("cn=a+cn=b", "cn=a\\2Bcn\\3Db"),
        ("uid=x,dc=c", "cn=x,dc=c"),
    ],
)
def test_different_names(one, other):
    assert DN.parse(one).normalized != DN.parse(other).normalized


def test_parts_of_a_dn():
    dn = DN.parse("uid=john,ou=People,dc=example,dc=com")
    assert str(dn.parent) == "ou=People,dc=example,dc=com"
    assert str(dn.parent.child("uid", "a,b")) == "uid=a\\2Cb,ou=People,dc=example,dc=com"
    assert dn.is_below(DN.parse("DC=EXAMPLE,DC=COM"))
    assert not DN.parse("dc=myexample,dc=com").is_below(DN.parse("dc=example,dc=com"))
    assert DN.parse("") == DN(())
    assert DN.parse("").parent is None
    assert dn.is_below(DN(()))


def test_bytes_that_are_no_text_survive():
    dn = DN.parse("cn=\\FF\\FE,dc=c")
    assert dn.rdns[0].avas[0].value == b"\xff\xfe"
    assert DN.parse(str(dn)) == dn


def test_one_rdn():
    assert parse_rdn("cn=a+sn=b").avas[1] == AVA("sn", b"b")
    for text in ("", "cn=a,sn=b", "foo"):
        with pytest.raises(DNError):
            parse_rdn(text)


def test_a_very_long_dn():
    text = ",".join(f"ou=level {number}" for number in range(5000))
    assert len(DN.parse(text)) == 5000
    assert DN.parse("cn=a" + " " * 1_000_000).normalized == "cn=a"


@pytest.mark.container
def test_as_libldap_reads_and_writes_dns(libldap):
    print(f"DIFFERENTIAL_SEED={SEED}")
    random = Random(SEED)
    texts = list(TEXTS)
    texts += ["".join(random.choices(PIECES, k=random.randrange(1, 9))) for _ in range(5000)]
    texts += [f"cn={''.join(random.choices(PIECES, k=5))},dc=x" for _ in range(5000)]
    answers = dict(zip(texts, libldap("dn", texts), strict=True))
    wrong = {text: wanted for text, wanted in answers.items() if spelled(text) != wanted}
    assert not wrong
    assert len([wanted for wanted in answers.values() if wanted != "bad"]) > 500
