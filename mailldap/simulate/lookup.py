"""Looking an address up in tables: which keys, in which order, over which tables.

Source: Postfix 3.7, mail_addr_find(3), strip_addr(3), split_addr(3), maps(3); the order is also in
virtual(5), canonical(5), transport(5) and access(5), "TABLE SEARCH ORDER".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Protocol

from mailldap.postfix.rfc822 import quote
from mailldap.postfix.words import fold, lower_ascii
from mailldap.tables.base import Answer, Failed, Found, NotFound


class Searchable(Protocol):
    """Tables that are searched in order."""

    def find(self, key: str, *, partial: bool = False) -> Answer:
        """Return the first answer; *partial* keys are not shown to pattern tables."""
        ...


class Keys(Flag):
    """Which forms of an address are tried."""

    FULL = auto()  #: user+extension@domain
    BARE = auto()  #: user@domain
    LOCAL_PART_IF_LOCAL = auto()  #: user+extension, user
    AT_DOMAIN = auto()  #: @domain
    DOMAIN = auto()  #: domain
    PARENTS = auto()  #: with DOMAIN, parent domains
    DOT_PARENTS = auto()  #: with DOMAIN, parent domains with a dot in front
    LOCAL_PART_AT = auto()  #: user+extension@, user@


#: virtual(5), canonical(5), relocated(5), and what smtpd does with recipient and login maps.
ADDRESS = Keys.FULL | Keys.BARE | Keys.LOCAL_PART_IF_LOCAL | Keys.AT_DOMAIN


@dataclass(frozen=True, slots=True)
class Hit:
    """The value of the first key that a table has.

    ``extension``, with its delimiter and in internal form, is what had to be cut off the
    address for the key to match, or None.
    """

    value: str
    key: str
    extension: str | None = None


@dataclass(frozen=True, slots=True)
class Extensions:
    """How a local part is split; recipient_delimiter and the names that are never split."""

    delimiters: str
    double_bounce: str = "double-bounce"
    owner_request_special: bool = True
    utf8: bool = True

    def split(self, address: str) -> tuple[str, str] | None:
        """Return *address* without its extension, and the extension with its delimiter.

        None where there is nothing to split. *address* is in internal form.
        """
        local, at, domain = address.rpartition("@")
        if not at:
            local, domain = domain, ""
        position = next((i for i, c in enumerate(local) if c in self.delimiters), 0)
        if not position or self._whole(local):
            return None
        return local[:position] + at + domain, local[position:]

    def _whole(self, local: str) -> bool:
        lower = lower_ascii(local)
        if lower in {"postmaster", "mailer-daemon"}:
            return True
        if fold(local, utf8=self.utf8) == fold(self.double_bounce, utf8=self.utf8):
            return True
        if "-" not in self.delimiters or not self.owner_request_special:
            return False
        return lower.startswith("owner-") or (len(lower) > 8 and lower.endswith("-request"))


@dataclass(frozen=True, slots=True)
class AddressSearch:
    """Searches tables for addresses with the rules of one configuration.

    ``is_local`` says whether a domain is $mydestination or one of our own addresses, or Failed.
    """

    extensions: Extensions
    myorigin: str
    is_local: Callable[[str], bool | Failed]
    utf8: bool = True

    def find(
        self, tables: Searchable, address: str, keys: Keys = ADDRESS, *, internal_too: bool = True
    ) -> Hit | NotFound | Failed:
        """Return the first hit for an address in internal form.

        Keys are in external form; with *internal_too* (everywhere but in virtual and canonical
        tables) each key that differs is then tried in internal form as well.
        """
        return _Search(self, tables, address, internal_too=internal_too).run(keys)


class _Search:
    def __init__(
        self, rules: AddressSearch, tables: Searchable, address: str, *, internal_too: bool
    ) -> None:
        self.rules = rules
        self.tables = tables
        self.address = address
        self.internal_too = internal_too

    def run(self, keys: Keys) -> Hit | NotFound | Failed:
        split = self.rules.extensions.split(self.address) if Keys.BARE in keys else None
        bare, extension = split or (None, None)
        if Keys.FULL in keys:
            hit = self._ask(self.address, partial=False)
            if not isinstance(hit, NotFound):
                return hit
        if bare is not None:
            hit = self._ask(bare, extension=extension)
            if not isinstance(hit, NotFound):
                return hit
        if "@" not in self.address:
            return NotFound()
        return self._parts(keys, bare, extension)

    def _parts(
        self, keys: Keys, bare: str | None, extension: str | None
    ) -> Hit | NotFound | Failed:
        """Try what contains the local part or the domain alone."""
        domain = self.address.rpartition("@")[2]
        if Keys.LOCAL_PART_IF_LOCAL in keys:
            local = self._is_ours(domain)
            if isinstance(local, Failed):
                return local
            if local:
                hit = self._local_parts(bare, extension, at="")
                if not isinstance(hit, NotFound):
                    return hit
        if Keys.AT_DOMAIN in keys:
            hit = self._one(f"@{domain}")
            if not isinstance(hit, NotFound):
                return hit
        if Keys.DOMAIN in keys:
            hit = self._domains(domain, keys)
            if not isinstance(hit, NotFound):
                return hit
        if Keys.LOCAL_PART_AT in keys:
            return self._local_parts(bare, extension, at="@")
        return NotFound()

    def _is_ours(self, domain: str) -> bool | Failed:
        utf8 = self.rules.utf8
        if fold(domain, utf8=utf8) == fold(self.rules.myorigin, utf8=utf8):
            return True
        return self.rules.is_local(domain)

    def _local_parts(
        self, bare: str | None, extension: str | None, *, at: str
    ) -> Hit | NotFound | Failed:
        hit = self._ask(self.address.rpartition("@")[0] + at, bare_local=not at)
        if isinstance(hit, NotFound) and bare is not None:
            key = bare.rpartition("@")[0] + at
            hit = self._ask(key, extension=extension, bare_local=not at)
        return hit

    def _domains(self, domain: str, keys: Keys) -> Hit | NotFound | Failed:
        name = domain
        while name:
            hit = self._one(name)
            if not isinstance(hit, NotFound) or not keys & (Keys.PARENTS | Keys.DOT_PARENTS):
                return hit
            dot = name.find(".", 1)
            if dot < 0:
                break
            name = name[dot if Keys.DOT_PARENTS in keys else dot + 1 :]
        return NotFound()

    def _ask(
        self,
        internal: str,
        *,
        extension: str | None = None,
        partial: bool = True,
        bare_local: bool = False,
    ) -> Hit | NotFound | Failed:
        external = quote(internal, bare_local=bare_local)
        hit = self._one(external, extension=extension, partial=partial)
        if isinstance(hit, NotFound) and self.internal_too and external != internal:
            hit = self._one(internal, extension=extension, partial=partial)
        return hit

    def _one(
        self, key: str, *, extension: str | None = None, partial: bool = True
    ) -> Hit | NotFound | Failed:
        answer = self.tables.find(key, partial=partial)
        if isinstance(answer, Found):
            return Hit(answer.value, key, extension)
        return answer
