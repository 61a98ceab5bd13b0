"""A mailRecipient entry seen with types, and the entry of a new one.

A :class:`MailRecipient` wraps the entry as the directory gave it and changes only what is asked
for: classes and attributes that other tools wrote stay as they are, in their order and bytes.
Reading refuses nothing; :meth:`MailRecipient.problems` tells what should not be written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailldap.errors import AddressError, RecipientError
from mailldap.ldap.dn import DN
from mailldap.ldap.entry import Entry
from mailldap.model.address import CatchAll, Mailbox, address_key, parse_address, quoted

OBJECT_CLASS = "mailRecipient"

#: MUST and MAY of the class mailRecipient (2.16.840.1.113730.3.2.3), in the schema's order. All
#: are multi-valued there.
ATTRIBUTES = (
    "cn",
    "mail",
    "mailAlternateAddress",
    "mailHost",
    "mailRoutingAddress",
    "mailAccessDomain",
    "mailAutoReplyMode",
    "mailAutoReplyText",
    "mailDeliveryOption",
    "mailForwardingAddress",
    "mailMessageStore",
    "mailProgramDeliveryInfo",
    "mailQuota",
    "multiLineDescription",
    "uid",
    "userPassword",
)

#: Second names of core.schema and RFC 4519, 4524; a file may use them.
_SYNONYMS = {"cn": "commonName", "uid": "userid", "mail": "rfc822Mailbox", "sn": "surname"}
#: IA5String attributes of the class beside mail.
_IA5 = ("mailMessageStore", "mailProgramDeliveryInfo")
#: What the structural classes of the field ask for (RFC 4519 §3.12, RFC 4524 §3.1).
_REQUIRED = {
    "account": ("uid",),
    "person": ("cn", "sn"),
    "organizationalperson": ("cn", "sn"),
    "inetorgperson": ("cn", "sn"),
}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")
_QUOTA = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class Malformed:
    """An address value that is none: kept, compared and shown, but never written anew."""

    text: str
    reason: str

    def __str__(self) -> str:
        return self.text

    @property
    def key(self) -> str:
        """The form for comparison; see Mailbox.key."""
        return address_key(self.text)


Address = Mailbox | CatchAll | Malformed


@dataclass(frozen=True, slots=True, repr=False)
class MailRecipient:
    """The entry of one recipient.

    Attributes are named as in the schema, in Python's spelling (``mailRoutingAddress`` is
    ``mail_routing_address``). All are tuples in the directory's order: texts, with bytes that are
    not UTF-8 as surrogates; addresses parsed, those that do not parse as :class:`Malformed`;
    quotas as int where they are numbers. ``user_password`` is bytes and never in repr or str.
    """

    entry: Entry

    @classmethod
    def from_entry(cls, entry: Entry) -> MailRecipient:
        """Return the recipient that *entry* is; nothing is refused."""
        return cls(entry)

    def to_entry(self) -> Entry:
        """Return the entry, unchanged attributes byte by byte as they were read."""
        return self.entry

    def __repr__(self) -> str:
        shown = [
            f"{name}={list(self.texts(name))!r}"
            for name in ATTRIBUTES
            if name != "userPassword" and self.values(name)
        ]
        return f"MailRecipient({', '.join([repr(self.dn), *shown])})"

    @property
    def dn(self) -> str:
        """The DN as the directory spells it."""
        return self.entry.dn

    @property
    def object_class(self) -> tuple[str, ...]:
        """All object classes, in the directory's order and spelling."""
        return self.texts("objectClass")

    @property
    def cn(self) -> tuple[str, ...]:
        """Names (RFC 4519 §2.3)."""
        return self.texts("cn")

    @property
    def uid(self) -> tuple[str, ...]:
        """Login names (RFC 4519 §2.39)."""
        return self.texts("uid")

    @property
    def mail(self) -> tuple[Address, ...]:
        """The addresses at which the recipient gets mail: what Postfix looks up."""
        return self._addresses("mail")

    @property
    def mail_alternate_address(self) -> tuple[Address, ...]:
        """Further addresses, for servers that look these up as well."""
        return self._addresses("mailAlternateAddress")

    @property
    def mail_routing_address(self) -> tuple[Address, ...]:
        """Where the mail goes: what Postfix's table answers."""
        return self._addresses("mailRoutingAddress")

    @property
    def mail_forwarding_address(self) -> tuple[Address, ...]:
        """Where a server that honours mailDeliveryOption forwards to."""
        return self._addresses("mailForwardingAddress")

    @property
    def mail_host(self) -> tuple[str, ...]:
        """The hosts that hold the mailbox."""
        return self.texts("mailHost")

    @property
    def mail_access_domain(self) -> tuple[str, ...]:
        """The domains and addresses from which the user may log in."""
        return self.texts("mailAccessDomain")

    @property
    def mail_auto_reply_mode(self) -> tuple[str, ...]:
        """How the server replies of itself: vacation, reply or echo in Netscape's server."""
        return self.texts("mailAutoReplyMode")

    @property
    def mail_auto_reply_text(self) -> tuple[str, ...]:
        """What it replies."""
        return self.texts("mailAutoReplyText")

    @property
    def mail_delivery_option(self) -> tuple[str, ...]:
        """Ways of delivery: mailbox, native, forward, program, autoreply in Netscape's server."""
        return self.texts("mailDeliveryOption")

    @property
    def mail_message_store(self) -> tuple[str, ...]:
        """The partition of the message store; ASCII."""
        return self.texts("mailMessageStore")

    @property
    def mail_program_delivery_info(self) -> tuple[str, ...]:
        """The command of the delivery option program; ASCII."""
        return self.texts("mailProgramDeliveryInfo")

    @property
    def mail_quota(self) -> tuple[int | str, ...]:
        """The mailbox size in bytes, -1 for no limit; text where a value is no number."""
        return tuple(
            int(text) if _QUOTA.fullmatch(text) and len(text) < 20 else text
            for text in self.texts("mailQuota")
        )

    @property
    def multi_line_description(self) -> tuple[str, ...]:
        """Free text."""
        return self.texts("multiLineDescription")

    @property
    def user_password(self) -> tuple[bytes, ...]:
        """Password values, hashed or not, as stored (RFC 4519 §2.41)."""
        return self.values("userPassword")

    def _addresses(self, attribute: str) -> tuple[Address, ...]:
        parse = _ADDRESSES[attribute]
        return tuple(_parsed(parse, text) for text in self.texts(attribute))

    def values(self, attribute: str) -> tuple[bytes, ...]:
        """Return the raw values of any attribute, under its second name too (rfc822Mailbox)."""
        found = self.entry.values(attribute)
        other = _SYNONYMS.get(attribute)
        return found + self.entry.values(other) if other else found

    def texts(self, attribute: str) -> tuple[str, ...]:
        """Return the values of any attribute as text."""
        return tuple(value.decode("utf-8", "surrogateescape") for value in self.values(attribute))

    def with_values(self, attribute: str, values: Iterable[str | bytes]) -> MailRecipient:
        """Return the recipient with *values* in place of all of *attribute*; none removes it.

        The attribute keeps its place and spelling, a new one comes last.
        """
        given = tuple(
            v.encode("utf-8", "surrogateescape") if isinstance(v, str) else v for v in values
        )
        names = {attribute.lower(), _SYNONYMS.get(attribute, attribute).lower()}
        kept: list[tuple[str, tuple[bytes, ...]]] = []
        for own, old in self.entry.attributes:
            if own.lower() not in names:
                kept.append((own, old))
            elif given:
                kept.append((own, given))
                given = ()
        if given:
            kept.append((attribute, given))
        return MailRecipient(Entry(self.dn, tuple(kept)))

    def problems(self) -> tuple[str, ...]:
        """Return everything for which the entry should not be written, in words; () when fine.

        Told are faults of the values and of what mailRecipient and the usual structural classes
        ask for. Whether the server's own schema takes the entry is for the server to say.
        """
        present = {name.lower() for name, _ in self.entry.attributes}
        given = [
            name
            for name in ATTRIBUTES
            if name.lower() in present or _SYNONYMS.get(name, name).lower() in present
        ]
        found: list[str] = []
        if OBJECT_CLASS.lower() not in {name.lower() for name in self.object_class}:
            found.append(f"objectClass {OBJECT_CLASS} is missing")
        found += [
            f"{structural} asks for the attribute {name}"
            for structural in self.object_class
            for name in _REQUIRED.get(structural.lower(), ())
            if not self.values(name)
        ]
        for name in given:
            if name in _ADDRESSES:
                found += _address_problems(name, self._addresses(name))
            elif name != "userPassword":
                found += filter(None, (_text_problem(name, text) for text in self.texts(name)))
        return tuple(found)

    def check(self) -> None:
        """Raise RecipientError with all problems when there are any."""
        problems = self.problems()
        if problems:
            raise RecipientError(self.dn, problems)


_ADDRESSES: dict[str, Callable[[str], Mailbox | CatchAll]] = {
    "mail": parse_address,
    "mailAlternateAddress": parse_address,
    "mailRoutingAddress": Mailbox.parse,
    "mailForwardingAddress": Mailbox.parse,
}


def _parsed(parse: Callable[[str], Mailbox | CatchAll], text: str) -> Address:
    try:
        return parse(text)
    except AddressError as error:
        return Malformed(text, error.message + (f" ({error.hint})" if error.hint else ""))


def _address_problems(attribute: str, addresses: Iterable[Address]) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for address in addresses:
        if isinstance(address, Malformed):
            found.append(f"{attribute}: {address.reason}")
        elif address.key in seen:
            found.append(f"{attribute}: {address} is there twice (case does not count)")
        seen.add(address.key)
    return found


def _text_problem(attribute: str, text: str) -> str | None:
    if attribute == "mailHost" and not _HOST.fullmatch(text):
        return f"mailHost: {quoted(text)} is not a host name"
    if attribute == "mailQuota" and not _QUOTA.fullmatch(text):
        return f"mailQuota: {quoted(text)} is not a number of bytes"
    if attribute in _IA5:
        if not text.isascii():
            return f"{attribute}: {quoted(text)} is not ASCII, and the attribute is (IA5String)"
        return None
    return None if text else f"{attribute}: an empty value"


def new_entry(
    uid: str,
    parent: DN | str,
    *,
    addresses: Iterable[Mailbox | CatchAll | str] = (),
    routing: Iterable[Mailbox | str] = (),
    name: str | None = None,
    structural_class: str = "account",
) -> Entry:
    """Return the entry of a new recipient ``uid=…`` below *parent*.

    ``account`` implies no person; with a *name* there is one, and the structural class becomes
    ``inetOrgPerson``. Another *structural_class* is taken as it is. Every class takes cn from
    the name; classes of persons need it, and take sn from its last word, inetOrgPerson also
    givenName from the words before. Addresses may be texts; ``*@domain`` becomes ``@domain``.
    Raises RecipientError with all problems together, DNError for *parent*.
    """
    words = (name or "").split()
    structural = structural_class
    if words and structural.lower() == "account":
        structural = "inetOrgPerson"
    person = "sn" in _REQUIRED.get(structural.lower(), ())
    problems = text_problems("uid", uid)
    attributes: dict[str, list[str]] = {
        "objectClass": ["top", structural, OBJECT_CLASS],
        "uid": [uid],
    }
    if words:
        problems += text_problems("name", " ".join(words))
        attributes["cn"] = [" ".join(words)]
        if structural.lower() == "inetorgperson" and len(words) > 1:
            attributes["givenName"] = [" ".join(words[:-1])]
        if person:
            attributes["sn"] = [words[-1]]
    attributes["mail"] = [_external(parse_address, address) for address in addresses]
    attributes["mailRoutingAddress"] = [_external(Mailbox.parse, address) for address in routing]
    given = {key: values for key, values in attributes.items() if values}
    place = parent if isinstance(parent, DN) else DN.parse(parent)
    if person and not words:
        problems.append(f"{structural} is a person: give a name")
    elif not problems:
        problems += MailRecipient(Entry.of(str(place.child("uid", uid)), given)).problems()
    if problems:
        raise RecipientError(f"recipient {uid!a}", tuple(problems))
    return Entry.of(str(place.child("uid", uid)), given)


def _external(parse: Callable[[str], Mailbox | CatchAll], address: Mailbox | CatchAll | str) -> str:
    return str(_parsed(parse, address) if isinstance(address, str) else address)


def text_problems(what: str, text: str) -> list[str]:
    """Return what is wrong with a uid or name (*what* says which): [] where nothing is."""
    if not text.strip():
        return [f"the {what} is empty"]
    if any(not char.isprintable() for char in text):
        return [f"the {what} has a character that cannot be shown"]
    if text != text.strip():
        return [f"the {what} has spaces around it"]
    return []
