"""Mail addresses as they are written into a directory: RFC 5321 Mailbox, and catch-alls.

Parsing is for what mailldap writes. What Postfix asks for may be any bytes and never comes
through here.

Beyond RFC 5321 the field is followed where it is wider: underscores in domains, names of one
label (``root@localhost``) and private names (``mail1.internal``, ``.local``, ``.test``) are
taken; nothing is asked of the DNS. RFC 6531's non-ASCII addresses are parsed, but
:func:`parse_address` refuses them, because the syntax of ``mail`` is IA5String (RFC 4524 §2.16).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_pton

from mailldap.errors import AddressError
from mailldap.ldap.prepare import prepare_text

#: RFC 5321 §4.5.3.1, in octets. The whole is a path of 256 without its angle brackets.
MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_MAILBOX = 254
#: RFC 1035 §2.3.4, in octets.
MAX_LABEL = 63

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\x80-\U0010ffff"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
#: qtextSMTP and quoted-pairSMTP of RFC 5321 §4.1.2, with UTF-8 as RFC 6531 §3.3 adds it.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*)"')
_LABEL = re.compile(
    r"[A-Za-z0-9_\x80-\U0010ffff](?:[A-Za-z0-9_\x80-\U0010ffff-]*[A-Za-z0-9_\x80-\U0010ffff])?"
)
#: Control characters of ASCII and Unicode, line separators, and bytes that were not UTF-8.
_FORBIDDEN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NUMERIC = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address ``local@domain``.

    ``local`` is the local part without quoting, ``domain`` a name or an address literal in its
    brackets, both in the case in which they were given. ``str()`` is the external form, quoted
    only where it must be. Two of them compare by spelling; by ``key`` they compare as the
    directory does.
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """Return the mailbox that *text* spells, non-ASCII ones (RFC 6531) included.

        Raises AddressError, whose hint tells the way out. Source: RFC 5321 §4.1.2.
        """
        _check_characters(text)
        if text.startswith('"'):
            local, rest = _quoted_local(text)
        else:
            raw, at, rest = text.partition("@")
            if not at:
                raise AddressError(
                    f"{quoted(text)} has no @domain",
                    hint=f"write it in full, as {text[:MAX_LOCAL]}@example.com",
                )
            if "@" in rest:
                raise AddressError(
                    f"{quoted(text)} has more than one @",
                    hint='an @ in the local part must be quoted: "a@b"@example.com',
                )
            _check_dot_string(text, raw)
            local = raw
        _check_domain(text, rest)
        mailbox = cls(local, rest)
        _check_length(text, str(mailbox), rest)
        return mailbox

    def __str__(self) -> str:
        if _DOT_STRING.fullmatch(self.local):
            return f"{self.local}@{self.domain}"
        escaped = self.local.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"@{self.domain}'

    @property
    def key(self) -> str:
        """The form for comparison: equal for what caseIgnoreIA5Match (RFC 4517) takes as equal."""
        return _key(str(self))

    @property
    def needs_smtputf8(self) -> bool:
        """True when RFC 5321 alone cannot carry the address (RFC 6531)."""
        return not (self.local.isascii() and self.domain.isascii())


@dataclass(frozen=True, slots=True)
class CatchAll:
    """Every address of a domain that nobody else has: ``@domain``, as Postfix looks it up."""

    domain: str

    def __str__(self) -> str:
        return f"@{self.domain}"

    @property
    def key(self) -> str:
        """The form for comparison; see Mailbox.key."""
        return _key(str(self))


def parse_address(text: str) -> Mailbox | CatchAll:
    """Return what a value of ``mail`` may be: a mailbox, or the catch-all of a domain.

    ``@domain`` and ``*@domain`` both give ``CatchAll``, for the second is what people write and
    the first is what Postfix asks for (virtual(5), table search order). Raises AddressError.
    """
    if text.startswith(("@", "*@")):
        _check_characters(text)
        domain = text[text.index("@") + 1 :]
        if "@" in domain:
            raise AddressError(f"{quoted(text)} has more than one @")
        _check_domain(text, domain)
        _check_length(text, "@" + domain, domain)
        parsed: Mailbox | CatchAll = CatchAll(domain)
    else:
        parsed = Mailbox.parse(text)
    if not text.isascii():
        raise AddressError(
            f"{quoted(text)} is not ASCII, and the attribute mail holds ASCII only (IA5String)",
            hint=_ascii_way_out(parsed),
        )
    return parsed


def address_key(value: str | bytes) -> str:
    """Return the comparison key of any value of ``mail``, well-formed or not.

    Nothing but spaces is as good as empty: slapd's IA5StringNormalize leaves nothing of it.
    """
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    prepared = prepare_text(raw)
    return "" if prepared == b" " else prepared.decode("utf-8", "surrogateescape")


def _key(text: str) -> str:
    if text.isascii() and " " not in text:
        return text.lower()
    return address_key(text)


def _check_characters(text: str) -> None:
    if not text:
        raise AddressError("the address is empty")
    bad = _FORBIDDEN.search(text)
    if bad:
        what = "is not UTF-8" if bad[0] >= "\ud800" else "contains a control character"
        raise AddressError(f"{quoted(text)} {what}")
    if text != text.strip():
        raise AddressError(f"{quoted(text)} has spaces around it", hint="leave them out")
    if "<" in text and text.endswith(">"):
        inner = text[text.index("<") + 1 : -1]
        raise AddressError(
            f"{quoted(text)} is more than an address",
            hint=f"write only what the brackets hold: {inner[:MAX_MAILBOX]}",
        )


def quoted(text: str) -> str:
    """Return *text* for a message: short, and with nothing that a terminal would obey."""
    cut = text if len(text) <= MAX_LABEL * 2 else text[: MAX_LABEL * 2] + "…"
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + "'"


def _quoted_local(text: str) -> tuple[str, str]:
    match = _QUOTED.match(text)
    if not match:
        raise AddressError(f"{quoted(text)}: the quoted local part does not end")
    if not text.startswith("@", match.end()):
        raise AddressError(f"{quoted(text)}: after the quoted local part there must be an @")
    return re.sub(r"\\(.)", r"\1", match[1]), text[match.end() + 1 :]


def _check_dot_string(text: str, local: str) -> None:
    if _DOT_STRING.fullmatch(local):
        return
    if not local:
        raise AddressError(
            f"{quoted(text)} has no local part",
            hint="a catch-all is written @domain, as a mail value",
        )
    for char in local:
        if char != "." and not re.match(f"[{_ATEXT}]", char):
            hint = f'quote the local part if it is meant so: "{local}"@…'
            if char in ",;":
                hint = "give one address at a time"
            elif char in '"\\':
                hint = 'quotes go around the whole local part: "a b"@example.com'
            raise AddressError(
                f"{quoted(text)}: {quoted(char)} cannot stand in a local part", hint=hint
            )
    fault = "starts with" if local[0] == "." else "ends with" if local[-1] == "." else "has two"
    dots = "dots in a row" if fault == "has two" else "a dot"
    raise AddressError(
        f"{quoted(text)}: the local part {fault} {dots}",
        hint=f'quote it if it is meant so: "{local}"@…',
    )


def _check_domain(text: str, domain: str) -> None:
    if not domain:
        raise AddressError(f"{quoted(text)} has nothing after the @")
    if domain.startswith("["):
        _check_literal(text, domain)
        return
    if domain.endswith("."):
        raise AddressError(
            f"{quoted(text)}: the domain ends with a dot", hint=f"write {text.rstrip('.')}"
        )
    if _NUMERIC.fullmatch(domain):
        raise AddressError(
            f"{quoted(text)}: the domain is a number",
            hint="an IP address goes into brackets: user@[192.0.2.1]",
        )
    for label in domain.split("."):
        if not label:
            raise AddressError(f"{quoted(text)}: the domain has an empty label (a dot too many)")
        if not _LABEL.fullmatch(label):
            bad = next((c for c in label if not _LABEL.fullmatch(c) and c != "-"), None)
            if bad:
                hint = "give one address at a time" if bad in ",;" else None
                raise AddressError(
                    f"{quoted(text)}: {quoted(bad)} cannot stand in a domain", hint=hint
                )
            raise AddressError(f"{quoted(text)}: {quoted(label)} starts or ends with a hyphen")
        if len(label.encode()) > MAX_LABEL:
            raise AddressError(f"{quoted(text)}: {quoted(label)} is longer than {MAX_LABEL} octets")


def _check_literal(text: str, domain: str) -> None:
    inner = domain[1:-1]
    family, number = AF_INET, inner
    if inner[:5].lower() == "ipv6:":
        family, number = AF_INET6, inner[5:]
    try:
        inet_pton(family, number if domain.endswith("]") else "")
    except (OSError, ValueError):
        raise AddressError(
            f"{quoted(text)}: {quoted(domain)} is not an address literal",
            hint="write [192.0.2.1] or [IPv6:2001:db8::1]",
        ) from None


def _check_length(text: str, whole: str, domain: str) -> None:
    local = whole[: -len(domain) - 1]
    for part, name, limit in (
        (local, "the local part", MAX_LOCAL),
        (domain, "the domain", MAX_DOMAIN),
        (whole, "the address", MAX_MAILBOX),
    ):
        size = len(part.encode())
        if size > limit:
            raise AddressError(f"{quoted(text)}: {name} has {size} octets; {limit} are allowed")


def _ascii_way_out(address: Mailbox | CatchAll) -> str:
    if isinstance(address, Mailbox) and not address.local.isascii():
        return "use an ASCII local part; senders reach a non-ASCII one only by SMTPUTF8"
    try:
        domain = address.domain.encode("idna").decode("ascii")
    except UnicodeError:
        return "write the domain in its ASCII form, xn--…"
    return f"write the domain in its ASCII form: {domain}"
