"""Lines of Postfix files, written so that Postfix reads back exactly what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mailldap.errors import ConfigError
from mailldap.postfix.generate.seal import seal

#: One parameter and its value.
Line = tuple[str, str]

_DOMAIN = re.compile(r"(?=.{1,255}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


def cf_value(parameter: str, value: str, *, secret: bool = False) -> str:
    """Return *value* when a Postfix file can hold it, byte for byte.

    Postfix has no quoting: a newline ends the value, blanks around it are cut off, and other
    control characters do not survive (postconf(5), DESCRIPTION). Raises ConfigError naming the
    parameter, and the value unless it is a *secret*.
    """
    shown = "its value" if secret else repr(value)
    if not value:
        raise ConfigError(f"{parameter} is empty")
    bad = next((c for c in value if not (c.isprintable() or c == " ")), None)
    if bad is not None:
        raise ConfigError(
            f"{parameter}: {shown} holds U+{ord(bad):04X}, which a Postfix file cannot hold"
        )
    if value != value.strip():
        raise ConfigError(
            f"{parameter}: {shown} begins or ends with a blank, which Postfix cuts off"
        )
    return value


def list_item(parameter: str, value: str) -> str:
    """Return *value* when it can stand in a list, which Postfix splits at blanks and commas.

    Raises ConfigError otherwise.
    """
    cf_value(parameter, value)
    if re.search(r"[\s,{}]", value):
        raise ConfigError(f"{parameter}: {value!r} holds a blank, comma or brace: not one item")
    return value


def main_value(parameter: str, value: str) -> str:
    """Return *value* for main.cf, where ``$`` begins a parameter name (postconf(5))."""
    return cf_value(parameter, value).replace("$", "$$")


def template(text: str) -> str:
    """Return *text* as a literal part of an ldap_table(5) template: ``%`` is doubled."""
    return text.replace("%", "%%")


def domain(parameter: str, value: str) -> str:
    """Return a domain name in lower case, without its final dot; ConfigError for anything else."""
    name = value.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise ConfigError(f"{parameter}: {value!r} is not a domain name") from None
    if not _DOMAIN.fullmatch(name) or ".." in name:
        raise ConfigError(f"{parameter}: {value!r} is not a domain name")
    return name


def attribute_name(parameter: str, value: str) -> str:
    """Return an attribute name that Postfix can find in an answer.

    Postfix compares names as text with what the server returns, so that an OID, ``*`` or an
    option would never match (dict_ldap(3)). Raises ConfigError for those.
    """
    if not _ATTRIBUTE.fullmatch(value):
        raise ConfigError(
            f"{parameter}: {value!r} is not an attribute's name",
            hint="Postfix compares names as text: an OID, a * or an option never matches",
        )
    return value


def render(kind: str, groups: Iterable[tuple[str, Sequence[Line]]]) -> bytes:
    """Return a sealed file: each group a comment and its parameters, sorted by name.

    The same input gives the same bytes; there is no date in it.
    """
    blocks = []
    for comment, lines in groups:
        head = "".join(f"# {line}\n" for line in comment.splitlines())
        blocks.append(head + "".join(f"{name} = {value}\n" for name, value in sorted(lines)))
    return seal(kind, "\n".join(blocks).encode("utf-8"))
