"""Filters as values and as text (RFC 4515); libldap's grammar is in test_filter_libldap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.errors import FilterError
from mailldap.ldap.entry import Entry
from mailldap.ldap.filter import (
    MAX_DEPTH,
    And,
    Approx,
    Equality,
    Extensible,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
    escape_filter_value,
    format_filter,
    parse_filter,
    parse_libldap,
)
from mailldap.ldap.matching import evaluate
from mailldap.ldap.schema import default_schema

NAMES = st.sampled_from(["cn", "mail", "1.2.3", "cn;lang-en", "x-y"])
VALUES = st.binary(max_size=8) | st.text("*()\\\0é\x1b\n ab", max_size=6).map(str.encode)
PIECES = st.binary(min_size=1, max_size=4)
ITEMS = (
    st.builds(Present, NAMES)
    | st.one_of(
        *(st.builds(k, NAMES, VALUES) for k in (Equality, GreaterOrEqual, LessOrEqual, Approx))
    )
    | st.builds(
        Substrings,
        NAMES,
        st.none() | PIECES,
        st.lists(PIECES, max_size=2).map(tuple),
        st.none() | PIECES,
    ).filter(lambda item: item.initial or item.any or item.final)
    | st.builds(Extensible, st.none() | st.just("2.5.13.2"), NAMES, VALUES, st.booleans())
    | st.builds(Extensible, st.just("caseExactMatch"), st.none(), VALUES, st.booleans())
)
FILTERS = st.recursive(
    ITEMS,
    lambda parts: (
        st.builds(And, st.lists(parts, max_size=3).map(tuple))
        | st.builds(Or, st.lists(parts, max_size=3).map(tuple))
        | st.builds(Not, parts)
    ),
    max_leaves=8,
)


@given(FILTERS)
def test_what_is_written_is_read_back(wanted):
    text = format_filter(wanted)
    assert parse_filter(text) == wanted
    assert parse_libldap(text) == wanted
    assert text.isprintable()


@given(st.text(max_size=30) | st.text("()&|!=*\\:<>~ ab", max_size=30))
def test_any_text_is_a_filter_or_refused(text):
    for parse in (parse_filter, parse_libldap):
        try:
            found = parse(text)
        except FilterError:
            continue
        assert parse_filter(format_filter(found)) == found


@given(st.text(max_size=20) | st.binary(max_size=20))
def test_an_escaped_value_stays_a_value(value):
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    text = f"(&(objectClass=mailRecipient)(mail={escape_filter_value(value)}))"
    assert parse_filter(text) == And(
        (Equality("objectClass", b"mailRecipient"), Equality("mail", raw))
    )


def test_control_characters_are_shown():
    assert format_filter(Equality("cn", b"\x1b[31m*")) == "(cn=\\1b[31m\\2a)"


def nested(depth: int) -> str:
    return "(!" * depth + "(a=b)" + ")" * depth


def test_depth():
    deepest = parse_filter(nested(MAX_DEPTH))
    assert parse_filter(format_filter(deepest)) == deepest
    assert evaluate(deepest, Entry.of("cn=x", {"cn": ["x"]}), default_schema()) is None
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(FilterError, match="nested deeper"):
            parse_filter(nested(depth))
    with pytest.raises(FilterError):
        parse_libldap("(" * 100_000)


@pytest.mark.parametrize(
    "text", ["mail=x", "(& (a=b))", "(a=\\*)", " (a=b)", "(a=b) ", "(a=**)", "(a=b)(c=d)"]
)
def test_what_the_rfc_has_not(text):
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert repr(text) in str(caught.value)
