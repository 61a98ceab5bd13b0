"""Names and literals that Postfix takes for valid."""

import pytest

from mailldap.simulate.hostname import is_hostname, is_ipv4, is_ipv6, is_literal, is_utf8_hostname


@pytest.mark.parametrize("name", ["a", "a.b", "a_b.c", "1a", "a-b", "x" * 63, "123.a"])
def test_names(name) -> None:
    assert is_hostname(name)


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "1.2.3", "x" * 64, "a b", "é", "a:b"]
)
def test_no_names(name) -> None:
    assert not is_hostname(name)


def test_the_longest_name() -> None:
    label = "x" * 49
    assert is_hostname(".".join([label] * 5))
    assert not is_hostname(".".join([label] * 5) + ".abcdef")


def test_internationalized_names() -> None:
    assert is_utf8_hostname("müller.example", utf8=True)
    assert not is_utf8_hostname("müller.example", utf8=False)
    assert not is_utf8_hostname("\udce9.example", utf8=True)


@pytest.mark.parametrize(
    ("text", "valid"),
    [("1.2.3.4", True), ("0.0.0.0", True), ("0.1.2.3", False), ("1.2.3", False), ("256.1.1.1", False),
     pytest.param("1.2.3." + "9" * 5000, False, id="digits")],
)  # fmt: skip
def test_ipv4(text, valid) -> None:
    assert is_ipv4(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("::", True), ("::1", True), ("2001:db8::1", True), ("1:2:3", True), ("::ffff:1.2.3.4", True),
        (":1", False), ("1:::2", False), ("1::2::3", False), ("12345::", False), ("1:2:3:4:5:6:7:", False),
    ],
)  # fmt: skip
def test_ipv6(text, valid) -> None:
    assert is_ipv6(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("[1.2.3.4]", True), ("[IPv6:::1]", True), ("[::1]", False), ("[1.2.3.4]x", False),
        ("[1.2.3.4", False), ("[x]", False),
    ],
)  # fmt: skip
def test_literals(text, valid) -> None:
    assert is_literal(text) is valid
