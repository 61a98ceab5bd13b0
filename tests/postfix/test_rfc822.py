"""Quoting, scanning and printing of addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.postfix.rfc822 import Kind, addresses, internalize, parse, quote, scan, unquote

TEXT = st.text(st.sampled_from('ab.@"\\()<>[],:; \t%!|é'), max_size=14)


@given(TEXT, st.sampled_from(["example.com", "x", "[1.2.3.4]"]))
def test_what_is_quoted_can_be_unquoted(local, domain) -> None:
    if local.startswith("@"):  # a source route is left alone
        return
    mailbox = f"{local}@{domain}"
    assert unquote(quote(mailbox)) == mailbox


@given(TEXT)
def test_scanning_an_external_address_gives_it_back(local) -> None:
    if local.startswith("@") or any(c in local for c in "\t"):
        return
    external = quote(f"{local}@example.com")
    assert quote(internalize(scan(external))) == external


@given(st.text(st.sampled_from('ab@.,;:<>()" \\[]'), max_size=20))
def test_parsing_loses_no_word(text) -> None:
    def words(tokens):
        for token in tokens:
            yield from words(token.parts) if token.parts else [token]

    kept = (Kind.ATOM, Kind.QUOTED, Kind.LITERAL, Kind.COMMENT)
    scanned = sorted((t.kind.name, t.text) for t in scan(text) if t.kind in kept)
    parsed = sorted((t.kind.name, t.text) for t in words(parse(text)) if t.kind in kept)
    assert parsed == scanned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@x, b@y", ["a@x", "b@y"]),
        ("a b@y", ["a", "b@y"]),
        ("Some One <one@x>", ["one@x"]),
        ("list: a@x, b@y;", ["a@x", "b@y"]),
        ("(c) a@x (d)", ["a@x"]),
        ("", ['""']),
        ("<>", ['""']),
        (",", []),
        ('"a b"@x', ['"a b"@x']),
        ("<a@x> <b@y>", ["a@x", "b@y"]),
    ],
)
def test_lists(text, expected) -> None:
    assert addresses(text) == expected
