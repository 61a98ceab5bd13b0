"""parse_libldap beside libldap itself: what it refuses, and the very bytes it would send."""

import os
from random import Random

import pytest

from mailldap.directory.wire import encode_filter
from mailldap.errors import FilterError
from mailldap.ldap.filter import format_filter, parse_filter, parse_libldap

SEED = int(os.environ.get("DIFFERENTIAL_SEED") or 3001)
TEXTS = [
    "mail=x", "(mail=x)", " (mail=x)", "(mail=x) ", "( mail=x)", "(mail =x)", "(mail= x)", "mail=x)",
    "(mail=x", "((mail=x))", "()", "(", ")", "(&)", "(|)", "(!)", "&(a=b)(c=d)", "(&(a=b)(c=d))",
    "(& (a=b)\t(c=d) )", "( & (a=b))", "(&(a=b)c=d)", "(&a=b)", "(!(a=b))", "(! (a=b))", "(!(a=b) )",
    "(!(a=b)(c=d))", "(!a=b)", "(a=b)(c=d)", "(a=*)", "(a=**)", "(a=*b*)", "(a=b*c*d)", "(a=*b**c*)",
    "(a=\\2a)", "(a=\\*)", "(a=\\2)", "(a=\\zz)", "(a=\\28)", "(a=\\()", "(a=b\\)", "(a=b\\\\)",
    "(a=b(c)d)", "(a>=1)", "(a<=1)", "(a~=1)", "(a>=*)", "(a>=\\2a)", "(a=)", "(=b)", "=b", "=", "",
    "a", "(a)", "(a:=b)", "(a:dn:=b)", "(a:DN:=b)", "(:dn:=b)", "(:rule:=b)", "(a:rule:=b)", "(:=b)",
    "(a:dn:2.5.13.2:=b)", "(a::=b)", "(a:dn::=b)", "(::=b)", "(:dn::=b)", "(:dn:rule:=b)", "(a:b:c:=d)",
    "(a:=*)", "(a:=\\2a)", "(a:1..2:=x)", "(1.2.3=x)", "(1..2=x)", "(1.2.=x)", "(01.2=x)", "(a-b=c)",
    "(a_b=c)", "(-a=c)", "(a;x=c)", "(a;=c)", "(a;x;y=c)", "(a;x_y=c)", "(1;x=c)", "(1a=c)", "(é=c)",
    "(a=é)", "(a=b=c)", "(a:=b:=c)", "(a=:b)", "(a=b)\n", "\n(a=b)", "(\n&(a=b))", "(\t&(a=b))",
    "(a=b\x01)", "(&(a=b))(", "(&(a=b)))", "(|(&(a=b)(!(c=d)))(e>=f))", "(&(&(&(a=b))))",
    "(a<b=c)", "(a>b)", "(a~b=c)", "(<=b)", "(a=\\", "\\", "(\\a=b)", "(&\\(a=b))", "(a=b\\2a*c)",
]  # fmt: skip
PIECES = [
    *"()&|!=*~<>:;\\ \t\n", "a", "mail", "cn", "1.2", "dn", ":dn", ":=", ">=", "<=", "~=", "\\2a",
    "\\28", "\\\\", "x", "é", "(a=b)", "(&", "(|", "(!", "lang-en", "2.5.13.2", "-", "_", "0",
]  # fmt: skip


def ours(text: str) -> str:
    try:
        return encode_filter(parse_libldap(text)).hex()
    except FilterError:
        return "bad"


@pytest.mark.container
def test_texts(libldap):
    for text, wanted in zip(TEXTS, libldap("filter", TEXTS), strict=True):
        # No filter at all is no error to libldap: the server answers it.
        assert ours(text) == (wanted or "bad"), repr(text)


@pytest.mark.container
def test_random_texts(libldap):
    print(f"DIFFERENTIAL_SEED={SEED}")
    random = Random(SEED)
    texts = ["".join(random.choices(PIECES, k=random.randrange(1, 9))) for _ in range(10_000)]
    for _ in range(10_000):
        text = list(random.choice(TEXTS))
        for _ in range(random.randrange(1, 3)):
            at = random.randrange(len(text) + 1)
            text[at : at + random.randrange(2)] = random.choice(PIECES)
        texts.append("".join(text))
    taken = 0
    for text, wanted in zip(texts, libldap("filter", texts), strict=True):
        assert ours(text) == (wanted or "bad"), repr(text)
        taken += wanted not in {"", "bad"}
    assert taken > 1000


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_rfc_allows_libldap_allows_as_well(text):
    try:
        strict = parse_filter(text)
    except FilterError:
        return
    assert parse_libldap(text) == strict
    assert parse_filter(format_filter(strict)) == strict
