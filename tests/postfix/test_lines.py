"""Logical lines: what joins, what is dropped, and that files can be put together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailldap.postfix.lines import decode, encode, logical_lines, physical_lines
from mailldap.postfix.words import (
    number_of,
    split_assignment,
    split_braced,
    split_key,
    split_list,
    split_quoted_assignment,
    to_int,
    unbrace,
)


def texts(text: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(line.text, line.numbers) for line in logical_lines(text, "f")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", [("a", (1,)), ("b", (2,))]),
        ("a\n b\n", [("a b", (1, 2))]),
        ("a\n\n# c\n  # d\n b\nc", [("a b", (1, 5)), ("c", (6,))]),
        ("# c\n\n   \na", [("a", (4,))]),
        ("a\r\n\r\nb\r\n", [("a\r", (1,)), ("b\r", (3,))]),
        ("a\rb", [("a\rb", (1,))]),
        ("", []),
        ("a\u2028b\x85c", [("a\u2028b\x85c", (1,))]),
        ("a\n\tb\n\x0bc\nd", [("a\tb\x0bc", (1, 2, 3)), ("d", (4,))]),
    ],
)
def test_logical_lines(text, expected):
    assert texts(text) == expected


def test_a_first_line_that_continues_nothing_is_dropped_with_a_warning():
    warned: list[str] = []
    text = "  " + "x" * 40 + "\n y\nz\n"
    assert [line.text for line in logical_lines(text, "f", warned.append)] == ["z"]
    assert warned == [f'f: logical line must not start with whitespace: "  {"x" * 28}..."']


@given(st.binary())
def test_any_bytes_survive(data):
    text = decode(data)
    assert encode(text) == data
    assert "".join(physical_lines(text)) == text


@given(st.text(alphabet="a #\n\t=\r\x0b\0é"))
def test_every_character_of_a_logical_line_is_in_the_file(text):
    lines = text.split("\n")
    for line in logical_lines(text, "f"):
        assert line.text == "".join(lines[number - 1] for number in line.numbers)
        assert line.text[0] not in " #\t\r\x0b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b", ("a", "b")),
        ("a=", ("a", "")),
        ("a\t=\tb c ", ("a", "b c")),
        ("a = b = c", ("a", "b = c")),
        ("a b = c", "missing '=' after attribute name"),
        ("= c", "missing attribute name"),
        ("a = b\0c", ("a", "b")),
        ("a\0= b", "missing '=' after attribute name"),
        ("a = \u00a0b", ("a", "\u00a0b")),
    ],
)
def test_assignments(text, expected):
    assert split_assignment(text) == expected


def test_lists():
    assert split_list(" a, b\tc,,d\r\n") == ["a", "b", "c", "d"]
    assert split_list("a\u00a0b") == ["a\u00a0b"]
    assert split_braced("a, {b, c} d{e f}g {h") == ["a", "{b, c}", "d{e f}g", "{h"]
    assert split_braced("a} b") == ["a}", "b"]


def test_keys():
    assert split_key("a b c ") == ("a", "b c")
    assert split_key('"a b"@c  d') == ('"a b"@c', "d")
    assert split_key("a\\ b c") == ("a\\ b", "c")
    assert split_key('"a b') is None
    assert split_key("a") == ("a", "")
    assert split_key("a\\") == ("a\\", "")
    assert split_quoted_assignment('"a = b" = c') == ('"a = b"', "c")
    assert split_quoted_assignment("  ") == "no key found; expected format: key = value"


def test_braces():
    assert unbrace("{ a }", strip=True) == ("a", None)
    assert unbrace("{a}b", strip=False) == ("a", "syntax error after '}' in \"{a}b\"")
    assert unbrace("{a", strip=False) == ("a", "missing '}' in \"{a\"")
    assert unbrace("a", strip=False)[1] == "no '{' at start of text in \"a\""


@pytest.mark.parametrize(
    ("text", "number"),
    [("10", 10), ("010", 10), ("+5", 5), ("-1", -1), (" 7", 7), ("2147483647", 2147483647), ("0" * 50 + "1", 1),
     ("2147483648", None), ("-2147483648", -2147483648), ("", None), ("x", None), ("5.5", None), ("1 ", None), ("٣", None),
     ("9" * 5000, None), ("+-1", None)],
)  # fmt: skip
def test_integers_are_those_of_strtol(text, number):
    assert to_int(text) == number


def test_numbers_of_any_length():
    """As postmap of Postfix 3.7 takes hopcount_limit and message_size_limit."""
    assert to_int("0" * 5000 + "1") == 1
    assert to_int("-" + "0" * 5000 + "1") == -1
    assert to_int("9" * 5000) is None
    assert number_of("0" * 5000) == 0
    assert number_of("9" * 5000) > 2**64


@given(st.text(" ,\t\nab}"), st.text(" ,{}a"))
def test_a_list_without_braces_is_any_list(plain, braced):
    assert split_braced(plain) == split_list(plain)
    assert split_braced(f"{plain} {braced}")[: len(split_list(plain))] == split_list(plain)
